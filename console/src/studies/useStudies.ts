// SPDX-License-Identifier: Apache-2.0
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { type Page, search } from '../dicomweb/client';
import { useChanges } from '../dicomweb/useChanges';
import { usePolling } from '../live/LiveProvider';
import { type StudyFilters, studyQuery } from './filters';

const PAGE = 100;

/** Studies in the order of their arrival, a page at a time; refreshed as images arrive. */
export function useStudies(filters: StudyFilters) {
  const refetchInterval = usePolling();
  useChanges();
  return useInfiniteQuery({
    queryKey: ['dicomweb', 'studies', filters],
    queryFn: ({ pageParam, signal }) =>
      search('studies', { ...studyQuery(filters), limit: PAGE, offset: pageParam }, signal),
    initialPageParam: 0,
    getNextPageParam: (last: Page, all: Page[]) =>
      last.hasMore ? all.reduce((sum, page) => sum + page.items.length, 0) : undefined,
    placeholderData: keepPreviousData,
    refetchInterval,
  });
}

/** One study with its series. */
export function useStudy(study: string) {
  useChanges();
  return useQuery({
    queryKey: ['dicomweb', 'study', study],
    queryFn: async ({ signal }) => {
      const [found, series] = await Promise.all([
        search('studies', { StudyInstanceUID: study }, signal),
        search(`studies/${encodeURIComponent(study)}/series`, {}, signal),
      ]);
      return { study: found.items[0], series: series.items };
    },
  });
}

/** The images of one series. */
export function useInstances(study: string, series: string, isEnabled = true) {
  useChanges();
  return useQuery({
    queryKey: ['dicomweb', 'instances', study, series],
    queryFn: ({ signal }) =>
      search(`studies/${encodeURIComponent(study)}/series/${encodeURIComponent(series)}/instances`, {}, signal),
    enabled: isEnabled,
  });
}
