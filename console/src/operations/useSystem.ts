// SPDX-License-Identifier: Apache-2.0
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { ask, getJson, sendJson } from '../api/http';
import type { DeadLetterPage, QueueList, Redriven, System } from '../api/schema';
import { recorder } from './history';
import { type Latency, latencies, meanSince } from './prometheus';

const EVERY_MS = 2_000;

export const STAGES = ['queued', 'fetch', 'compute', 'store'] as const;

export function useQueues() {
  return useQuery({
    queryKey: ['queues'],
    queryFn: async ({ signal }) => {
      const list = await getJson<QueueList>('/queues', signal);
      const depth = list.queues.reduce((sum, queue) => sum + queue.visible + queue.in_flight + queue.delayed, 0);
      recorder.add('depth', Date.now(), [depth]);
      return list;
    },
    refetchInterval: EVERY_MS,
  });
}

export function useSystem() {
  return useQuery({
    queryKey: ['system'],
    queryFn: async ({ signal }) => {
      const system = await getJson<System>('/system', signal);
      recorder.add('throughput', Date.now(), [system.throughput.jobs_last_minute]);
      return system;
    },
    refetchInterval: EVERY_MS,
  });
}

let before: Latency[] = []; // of the answer before

/** Milliseconds per algorithm and stage since the server began; what came since the last answer is recorded. */
export function useLatencies() {
  return useQuery({
    queryKey: ['metrics'],
    queryFn: async ({ signal }): Promise<Latency[]> => {
      const now = latencies(await (await ask('/metrics', { signal })).text());
      recorder.add(
        'latency',
        Date.now(),
        STAGES.map((stage) => meanSince(now, before, stage)),
      );
      before = now;
      return now;
    },
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
