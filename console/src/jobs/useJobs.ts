// SPDX-License-Identifier: Apache-2.0
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { z } from 'zod';
import { getJson, sendJson } from '../api/http';
import type { Job, JobPage } from '../api/schema';
import { usePolling } from '../live/LiveProvider';

export const JobFilters = z.object({
  q: z.string().optional().catch(undefined),
  algo: z.string().optional().catch(undefined),
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']).optional().catch(undefined),
  all: z.boolean().optional().catch(undefined),
});
export type JobFilters = z.infer<typeof JobFilters>;

const PAGE = 100;
const RUNNING_MS = 2_000; // a position in the queue is told by nobody: it has to be asked for

export const isFinal = (state: Job['state']): boolean => state !== 'queued' && state !== 'running';

/** Jobs, newest first: of this client, or of all. */
export function useJobs(filters: JobFilters, clientId: string | null) {
  const polling = usePolling();
  return useInfiniteQuery({
    queryKey: ['jobs', filters, clientId],
    queryFn: ({ pageParam, signal }) => {
      const query = new URLSearchParams({ limit: String(PAGE) });
      if (!filters.all && clientId) query.set('client_id', clientId);
      if (filters.q) query.set('q', filters.q);
      if (filters.algo) query.set('algo', filters.algo);
      if (filters.state) query.set('state', filters.state);
      if (pageParam) query.set('after', pageParam);
      return getJson<JobPage>(`/jobs?${query}`, signal);
    },
    initialPageParam: '',
    getNextPageParam: (last) => last.next,
    placeholderData: keepPreviousData,
    enabled: Boolean(filters.all) || clientId !== null,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.jobs.some((job) => !isFinal(job.state))) ? RUNNING_MS : polling,
  });
}

export function useJob(id: string) {
  const polling = usePolling();
  return useQuery({
    queryKey: ['job', id],
    queryFn: ({ signal }) => getJson<Job>(`/jobs/${encodeURIComponent(id)}`, signal),
    refetchInterval: (query) => (query.state.data && isFinal(query.state.data.state) ? false : polling || RUNNING_MS),
  });
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
