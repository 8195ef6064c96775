// SPDX-License-Identifier: Apache-2.0
// The change feed of the catalogue: lists refresh themselves when images come or go.
import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { getJson, sendJson, token } from '../api/http';
import type { ChangePage, Ticket } from '../api/schema';
import { root } from './client';

const SETTLE_MS = 250; // an upload of a thousand images is one refresh, not a thousand

/** The feed from its newest change on: asking beyond the end is answered with where the end is. */
async function feedUrl(): Promise<string> {
  const { last, catalog } = await getJson<ChangePage>(`${root}/changes?since=${Number.MAX_SAFE_INTEGER}&limit=1`);
  const query = new URLSearchParams({ since: String(last), catalog });
  if (token.get()) query.set('ticket', (await sendJson<Ticket>('POST', '/ws/ticket')).ticket);
  return `${root}/changes?${query}`;
}

/** Refresh everything under the query key 'dicomweb' whenever the catalogue changes, while this is mounted. */
export function useChanges(): void {
  const queries = useQueryClient();

  useEffect(() => {
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    const refresh = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        void queries.invalidateQueries({ queryKey: ['dicomweb'] });
      }, SETTLE_MS);
    };
    feedUrl()
      .then((url) => {
        if (isOver) return;
        source = new EventSource(url); // it reconnects by itself and says what it has seen
        source.onmessage = refresh;
        source.addEventListener('reset', refresh); // another catalogue has taken the place of the one we know
        source.onopen = refresh; // what came while nobody listened
      })
      .catch(() => undefined); // the connection badge says that the server is away
    return () => {
      isOver = true;
      clearTimeout(timer);
      source?.close();
    };
  }, [queries]);
}
