// SPDX-License-Identifier: Apache-2.0
import type { Problem } from './schema';

/** A refusal of the server, in its own words; `pointer` names the member that is at fault (RFC 6901). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly pointer?: string,
    readonly retryAfterSeconds?: number,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

const tokenKey = 'corsia.token';

/** The Bearer token that a server with `token_file` asks for; kept for this tab only. */
export const token = {
  get: (): string | null => sessionStorage.getItem(tokenKey),
  set: (value: string): void => sessionStorage.setItem(tokenKey, value),
};

export function authorization(): Record<string, string> {
  const value = token.get();
  return value ? { Authorization: `Bearer ${value}` } : {};
}

async function refusal(response: Response): Promise<ApiError> {
  const retryAfter = Number(response.headers.get('Retry-After')) || undefined;
  try {
    const problem = (await response.json()) as Partial<Problem>;
    const words = problem.detail ?? problem.error ?? problem.title ?? response.statusText;
    return new ApiError(response.status, words, problem.pointer, retryAfter);
  } catch {
    return new ApiError(response.status, response.statusText || `HTTP ${response.status}`, undefined, retryAfter);
  }
}

/** Ask the server; anything but 2xx is thrown as ApiError, a network failure as TypeError. */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { ...authorization(), ...(init.headers as Record<string, string> | undefined) };
  const response = await fetch(path, { ...init, headers });
  if (!response.ok) throw await refusal(response);
  return response;
}

export const post = (path: string, body: Blob, headers: Record<string, string>): Promise<Response> =>
  ask(path, { method: 'POST', body, headers });

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await ask(path, { headers: { Accept: 'application/json' }, signal: signal ?? null });
  return (await response.json()) as T;
}

export async function sendJson<T>(method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> {
  const init: RequestInit =
    body === undefined
      ? { method }
      : { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
  const response = await ask(path, init);
  return (response.status === 204 ? undefined : await response.json()) as T;
}
