// SPDX-License-Identifier: Apache-2.0
// The change feed of the catalogue: lists refresh themselves when images come or go.
import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { sendJson, token } from '../api/http';
import type { Ticket } from '../api/schema';
import { root } from './client';

const SETTLE_MS = 250; // an upload of a thousand images is one refresh, not a thousand

async function feedUrl(): Promise<string> {
  if (!token.get()) return `${root}/changes`;
  const { ticket } = await sendJson<Ticket>('POST', '/ws/ticket');
  return `${root}/changes?ticket=${encodeURIComponent(ticket)}`;
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
      })
      .catch(() => undefined); // the connection badge says that the server is away
    return () => {
      isOver = true;
      clearTimeout(timer);
      source?.close();
    };
  }, [queries]);
}
