// SPDX-License-Identifier: Apache-2.0
// The client id: who gets the results.  Given by the server on the first visit, kept by the browser, the same in
// every tab, renewed on request.  It is a capability: whoever knows it may read this client's results.
import { useSyncExternalStore } from 'react';
import { sendJson } from './http';
import type { Provisioned } from './schema';

const storageKey = 'corsia.client-id';
const listeners = new Set<() => void>();
let pending: Promise<string> | undefined;

const tell = () => {
  for (const listener of listeners) listener();
};
const kept = () => localStorage.getItem(storageKey);

window.addEventListener('storage', (event) => {
  if (event.key === storageKey) tell();
});

function keep(id: string): string {
  localStorage.setItem(storageKey, id);
  tell();
  return id;
}

async function provision(): Promise<string> {
  const { client_id } = await sendJson<Provisioned>('POST', '/provision', {});
  return keep(client_id);
}

/** Go on as a client that there is already.  False if the server does not take the id: then it gives another one. */
export async function adoptClientId(id: string): Promise<boolean> {
  const { client_id } = await sendJson<Provisioned>('POST', '/provision', { client_id: id });
  if (client_id !== id) return false;
  keep(id);
  return true;
}

/** The id, asking the server for one if there is none; any number of callers ask once. */
export function ensureClientId(): Promise<string> {
  const id = kept();
  if (id) return Promise.resolve(id);
  pending ??= provision().finally(() => {
    pending = undefined;
  });
  return pending;
}

/** Begin anew: results of the old id stay on the server and are not shown any more. */
export const renewClientId = (): Promise<string> => provision();

/** The id of this browser, or null before the first answer. */
export function useClientId(): string | null {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, kept);
}
