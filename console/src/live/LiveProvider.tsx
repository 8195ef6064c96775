// SPDX-License-Identifier: Apache-2.0
// One live connection per tab: results and progress go from here to everybody who shows jobs.
import { useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { ensureClientId, useClientId } from '../api/client-id';
import { getJson, sendJson, token } from '../api/http';
import type { EventPage, Ticket } from '../api/schema';
import { Cursor, LiveEvent, type ProgressEvent, type ResultEvent } from './events';
import { LiveSocket, type LiveState } from './LiveSocket';

const POLL_MS = 5_000;

type Listener<T> = (event: T) => void;

/** What was heard last of a running job, and when. */
export type Progress = ProgressEvent & { heardAt: number };

/** Progress of running jobs and new results, as they arrive. */
export class LiveStore {
  #progress = new Map<string, Progress>();
  #version = 0;
  #subscribers = new Set<() => void>();
  #results = new Set<Listener<ResultEvent>>();

  subscribe = (listener: () => void): (() => void) => {
    this.#subscribers.add(listener);
    return () => this.#subscribers.delete(listener);
  };
  version = (): number => this.#version;
  progress = (jobId: string): Progress | undefined => this.#progress.get(jobId);

  /** Hear every new result once. */
  onResult(listener: Listener<ResultEvent>): () => void {
    this.#results.add(listener);
    return () => this.#results.delete(listener);
  }

  take(event: ResultEvent | ProgressEvent): void {
    if (event.type === 'progress') {
      this.#progress.set(event.job_id, { ...event, heardAt: Date.now() });
    } else {
      this.#progress.delete(event.job_id);
      for (const listener of this.#results) listener(event);
    }
    this.#version++;
    for (const listener of this.#subscribers) listener();
  }
}

interface Live {
  state: LiveState;
  /** The socket cannot be had: ask every few seconds instead. */
  isPolling: boolean;
  store: LiveStore;
}

const LiveContext = createContext<Live | null>(null);

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (!live) throw new Error('useLive() outside of LiveProvider');
  return live;
}

/** The progress of one job, or undefined while it has none. */
export function useProgress(jobId: string): Progress | undefined {
  const { store } = useLive();
  useSyncExternalStore(store.subscribe, store.version);
  return store.progress(jobId);
}

/** How often lists ask by themselves: often while there is no live connection, else never. */
export function usePolling(): number | false {
  return useLive().isPolling ? POLL_MS : false;
}

async function socketUrl(clientId: string, since: number | null): Promise<string> {
  const url = new URL('/ws', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.searchParams.set('client_id', clientId);
  if (since !== null) url.searchParams.set('since', String(since));
  if (token.get()) {
    const { ticket } = await sendJson<Ticket>('POST', '/ws/ticket');
    url.searchParams.set('ticket', ticket);
  }
  return url.href;
}

/** The same log without a socket: nothing is missed while there is none.  A server that does not answer is asked again. */
async function readLog(clientId: string, since: number | null, handle: (event: unknown) => void): Promise<void> {
  const query = since === null ? '' : `?since=${since}`;
  const page = await getJson<EventPage>(`/clients/${encodeURIComponent(clientId)}/events${query}`).catch(() => null);
  for (const event of page?.events ?? []) handle(event);
}

/** Ask for a client id until there is one; the function that it gives ends that. */
function untilProvisioned(onFailure: () => void): () => void {
  const attempt = () => void ensureClientId().catch(onFailure);
  attempt();
  const timer = setInterval(attempt, POLL_MS);
  return () => clearInterval(timer);
}

export function LiveProvider({ children }: { children: ReactNode }) {
  const clientId = useClientId();
  const queries = useQueryClient();
  const [state, setState] = useState<LiveState>({ kind: 'idle' });
  const [isPolling, setPolling] = useState(false);
  const [store] = useState(() => new LiveStore());

  useEffect(() => {
    if (!clientId) return untilProvisioned(() => setPolling(true));
    setPolling(false);
    const cursor = new Cursor(clientId);
    let last = cursor.get();
    const handle = (message: unknown) => {
      const parsed = LiveEvent.safeParse(message);
      if (!parsed.success) return; // pongs and what newer servers say
      const event = parsed.data;
      if (event.type === 'gap') {
        void queries.invalidateQueries(); // some results are not in the log any more: the lists know their jobs
        return;
      }
      if (event.type === 'reset') {
        last = event.last;
        cursor.reset(event.last);
        void queries.invalidateQueries();
        return;
      }
      if (event.type === 'result') {
        if (last !== null && event.seq <= last) return; // seen already
        last = event.seq;
        cursor.advance(event.seq);
        socket.send({ type: 'ack', seq: event.seq });
        void queries.invalidateQueries({ queryKey: ['jobs'] });
        void queries.invalidateQueries({ queryKey: ['job', event.job_id] });
      } else if (!store.progress(event.job_id)) {
        void queries.invalidateQueries({ queryKey: ['jobs'] }); // it has just begun
      }
      store.take(event);
    };
    let poll: ReturnType<typeof setInterval> | undefined;
    const socket = new LiveSocket({
      url: () => socketUrl(clientId, last),
      onMessage: handle,
      onState: setState,
      onUnavailable: () => {
        setPolling(true);
        clearInterval(poll);
        poll = setInterval(() => void readLog(clientId, last, handle), POLL_MS);
      },
      onRestored: () => {
        setPolling(false);
        clearInterval(poll);
        void queries.invalidateQueries();
      },
    });
    socket.start();
    return () => {
      clearInterval(poll);
      socket.stop();
    };
  }, [clientId, queries, store]);

  const live = useMemo(() => ({ state, isPolling, store }), [state, isPolling, store]);
  return <LiveContext.Provider value={live}>{children}</LiveContext.Provider>;
}
