// SPDX-License-Identifier: Apache-2.0
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { type Page, search } from '../dicomweb/client';
import { findByKey, isUid } from '../dicomweb/keys';
import { useChanges } from '../dicomweb/useChanges';
import { usePolling } from '../live/LiveProvider';
import { type StudyFilters, studyQuery } from './filters';
import { loadParts } from './parts';

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

/** The study that was stored under a key, if what is typed in the field of ids is one. */
export function useStudyByKey(filters: StudyFilters) {
  const key = filters.id?.trim() ?? '';
  return useQuery({
    queryKey: ['dicomweb', 'key', key],
    queryFn: async ({ signal }) => {
      const found = await findByKey(key, signal);
      if (!found) return null;
      const { items } = await search('studies', { StudyInstanceUID: found.study }, signal);
      return items[0] ?? null;
    },
    enabled: key !== '' && !isUid(key),
  });
}

/** One study with its series, and what was made of what. */
export function useStudy(study: string) {
  useChanges();
  return useQuery({
    queryKey: ['dicomweb', 'study', study],
    queryFn: async ({ signal }) => {
      const [found, series] = await Promise.all([
        search('studies', { StudyInstanceUID: study }, signal),
        search(`studies/${encodeURIComponent(study)}/series`, {}, signal),
      ]);
      return { study: found.items[0], parts: await loadParts(study, series.items, signal) };
    },
  });
}
