// SPDX-License-Identifier: Apache-2.0
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { ask, getJson, sendJson } from '../api/http';
import type { DeadLetterPage, QueueList, Redriven, System } from '../api/schema';
import { type Latency, latencies } from './prometheus';

const EVERY_MS = 2_000;

export function useQueues() {
  return useQuery({
    queryKey: ['queues'],
    queryFn: ({ signal }) => getJson<QueueList>('/queues', signal),
    refetchInterval: EVERY_MS,
  });
}

export function useSystem() {
  return useQuery({
    queryKey: ['system'],
    queryFn: ({ signal }) => getJson<System>('/system', signal),
    refetchInterval: EVERY_MS,
  });
}

/** Mean milliseconds per algorithm and stage since the server began. */
export function useLatencies() {
  return useQuery({
    queryKey: ['metrics'],
    queryFn: async ({ signal }): Promise<Latency[]> => latencies(await (await ask('/metrics', { signal })).text()),
    refetchInterval: EVERY_MS,
  });
}

export function useDeadLetters(queue: string | null) {
  return useQuery({
    queryKey: ['dead', queue],
    queryFn: ({ signal }) => getJson<DeadLetterPage>(`/queues/${encodeURIComponent(queue ?? '')}/dead`, signal),
    enabled: queue !== null,
    refetchInterval: EVERY_MS,
  });
}

/** Make new jobs of dead letters; the failed ones stay as they are. */
export function useRedrive(queue: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (ids: string[] | 'all') =>
      sendJson<Redriven>(
        'POST',
        `/queues/${encodeURIComponent(queue)}/redrive`,
        ids === 'all' ? { all: true } : { ids },
      ),
    onSettled: () => {
      for (const queryKey of [['dead', queue], ['queues'], ['jobs']]) void queries.invalidateQueries({ queryKey });
    },
  });
}
