// SPDX-License-Identifier: Apache-2.0
import { keepPreviousData, useQueries, useQuery } from '@tanstack/react-query';
import { count, search } from '../dicomweb/client';
import { findByKey, isUid } from '../dicomweb/keys';
import type { DataSet } from '../dicomweb/model';
import { useChanges } from '../dicomweb/useChanges';
import { usePolling } from '../live/LiveProvider';
import { type StudyFilters, studyQuery } from './filters';
import { loadParts } from './parts';

/** Studies are fetched in blocks of the order of their arrival: a block stays what it is while others come. */
export const BLOCK = 100;

export interface Studies {
  total: number;
  /** Those that `total` is the number of; older than what was asked for while that is on its way. */
  filters: StudyFilters;
}

/** How many studies there are; asked again as images arrive. */
export function useStudies(filters: StudyFilters) {
  const refetchInterval = usePolling();
  useChanges();
  return useQuery({
    queryKey: ['dicomweb', 'studies', filters, 'count'],
    queryFn: async ({ signal }): Promise<Studies> => ({
      total: await count('studies', studyQuery(filters), signal),
      filters,
    }),
    placeholderData: keepPreviousData,
    refetchInterval,
  });
}

/** The blocks that some rows of the list, the newest first, lie in. */
export function blocksOf(total: number, first: number, last: number): number[] {
  if (total === 0) return [];
  const within = (row: number) => Math.min(Math.max(row, 0), total - 1);
  const oldest = Math.floor((total - 1 - within(last)) / BLOCK);
  const newest = Math.floor((total - 1 - within(first)) / BLOCK);
  return Array.from({ length: newest - oldest + 1 }, (_, index) => newest - index);
}

/** The rows of the list, the newest first; of those that are looked at what is in them, undefined of the others. */
export function useStudyRows(studies: Studies | undefined, first: number, last: number) {
  const refetchInterval = usePolling();
  const { total, filters } = studies ?? { total: 0, filters: {} };
  const blocks = blocksOf(total, first, last);
  const found = useQueries({
    queries: blocks.map((block) => ({
      queryKey: ['dicomweb', 'studies', filters, block],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        search('studies', { ...studyQuery(filters), limit: BLOCK, offset: block * BLOCK }, signal),
      refetchInterval,
      placeholderData: keepPreviousData,
    })),
  });
  const rows = new Array<DataSet | undefined>(total).fill(undefined);
  for (const [index, { data }] of found.entries()) {
    const begin = (blocks[index] as number) * BLOCK;
    for (const [place, study] of (data?.items ?? []).entries()) rows[total - 1 - begin - place] = study;
  }
  return { rows, error: found.find((one) => one.error)?.error ?? null };
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
