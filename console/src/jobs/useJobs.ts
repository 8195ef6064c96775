// SPDX-License-Identifier: Apache-2.0
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';
import { z } from 'zod';
import { ensureClientId } from '../api/client-id';
import { getJson, sendJson } from '../api/http';
import type { Accepted, Job, JobPage } from '../api/schema';
import { usePolling } from '../live/LiveProvider';
import { joined } from './feed';

export const JobFilters = z.object({
  q: z.string().optional().catch(undefined),
  algo: z.string().optional().catch(undefined),
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']).optional().catch(undefined),
  all: z.boolean().optional().catch(undefined),
});
export type JobFilters = z.infer<typeof JobFilters>;

/** again: with the form to run it again. */
export const JobSearch = z.object({ again: z.boolean().optional().catch(undefined) });

const HEAD = 100;
const PAGE = 1000; // the server's largest
const RUNNING_MS = 2_000; // a position in the queue is told by nobody: it has to be asked for
const IDLE_MS = 5_000; // nor is a job that somebody else has submitted

export const isFinal = (state: Job['state']): boolean => state !== 'queued' && state !== 'running';

function jobsPath(filters: JobFilters, clientId: string | null, limit: number, after: string): string {
  const query = new URLSearchParams({ limit: String(limit) });
  if (!filters.all && clientId) query.set('client_id', clientId);
  if (filters.q) query.set('q', filters.q);
  if (filters.algo) query.set('algo', filters.algo);
  if (filters.state) query.set('state', filters.state);
  if (after) query.set('after', after);
  return `/jobs?${query}`;
}

/** Jobs, newest first: of this client, or of all.  The newest hundred stay fresh; a row that is seen refreshes itself. */
export function useJobs(filters: JobFilters, clientId: string | null) {
  const queries = useQueryClient();
  const common = { placeholderData: keepPreviousData, enabled: Boolean(filters.all) || clientId !== null };
  const pages = useInfiniteQuery({
    ...common,
    queryKey: ['job-pages', filters, clientId],
    queryFn: ({ pageParam, signal }) =>
      getJson<JobPage>(jobsPath(filters, clientId, pageParam ? PAGE : HEAD, pageParam), signal),
    initialPageParam: '',
    getNextPageParam: (last) => last.next,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0, // the next visit begins at the newest
  });
  const head = useQuery({
    ...common,
    queryKey: ['jobs', filters, clientId],
    queryFn: ({ signal }) => getJson<JobPage>(jobsPath(filters, clientId, HEAD, ''), signal),
    refetchInterval: (query) => (query.state.data?.jobs.some((job) => !isFinal(job.state)) ? RUNNING_MS : IDLE_MS),
  });
  const isMixed = head.isPlaceholderData || pages.isPlaceholderData; // of other filters
  const { rows, isTorn } = useMemo(
    () => joined(head.data, isMixed ? [] : (pages.data?.pages ?? [])),
    [head.data, isMixed, pages.data],
  );
  const isWhole = head.data !== undefined && head.data.next === undefined;

  // biome-ignore lint/correctness/useExhaustiveDependencies: pages that are torn still are fetched once more
  useEffect(() => {
    if (isTorn) void queries.invalidateQueries({ queryKey: ['job-pages'] });
  }, [isTorn, pages.dataUpdatedAt, queries]);
  return {
    rows,
    /** When the rows were asked for. */
    askedAt: head.dataUpdatedAt,
    isPending: head.isPending,
    error: head.error ?? pages.error,
    hasMore: !isWhole && pages.hasNextPage,
    more: () => {
      if (pages.hasNextPage && !pages.isFetching) void pages.fetchNextPage();
    },
  };
}

/** A job in full, asked for again and again until it is over. */
export function useJob(id: string, isWanted = true) {
  const polling = usePolling();
  return useQuery({
    queryKey: ['job', id],
    queryFn: ({ signal }) => getJson<Job>(`/jobs/${encodeURIComponent(id)}`, signal),
    enabled: isWanted,
    refetchInterval: (query) => (query.state.data && isFinal(query.state.data.state) ? false : polling || RUNNING_MS),
  });
}

/** A row of a list as it is now: lists tell neither position nor progress. */
export function useFresh(row: Job, askedAt: number): { job: Job; askedAt: number } {
  const { data, dataUpdatedAt } = useJob(row.job_id, !isFinal(row.state));
  return isFinal(row.state) || !data ? { job: row, askedAt } : { job: data, askedAt: dataUpdatedAt };
}

/** Cancel a job that is queued or running. */
export function useCancel() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => sendJson<Job>('DELETE', `/jobs/${encodeURIComponent(id)}`),
    onSettled: (_job, _error, id) => {
      void queries.invalidateQueries({ queryKey: ['jobs'] });
      void queries.invalidateQueries({ queryKey: ['job', id] });
    },
  });
}

/** The run that this one repeats: a redrive's failed job, or the one that somebody ran again from here. */
export function earlierId(job: Job): string | undefined {
  const named = (job.request as { rerun_of?: unknown } | undefined)?.rerun_of;
  return job.retry_of ?? (typeof named === 'string' && named ? named : undefined);
}

/** Run a job once more as it was. */
export function useAgain(onAccepted: (accepted: Accepted) => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (job: Job) => {
      const { outputs, order } = (job.request ?? {}) as { outputs?: string[]; order?: string };
      return sendJson<Accepted>('POST', `/process/${encodeURIComponent(job.algo_id)}`, {
        client_id: await ensureClientId(),
        pacs: job.pacs,
        params: job.params ?? {},
        rerun_of: job.job_id,
        ...(outputs ? { outputs } : {}),
        ...(order ? { order } : {}),
      });
    },
    onSuccess: (accepted) => {
      void queries.invalidateQueries({ queryKey: ['jobs'] });
      onAccepted(accepted);
    },
  });
}
