// SPDX-License-Identifier: Apache-2.0
// QIDO-RS, WADO-RS and the addresses of pictures.
import { ask } from '../api/http';
import type { DataSet } from './model';

export const root = '/dicom-web';

export interface Uids {
  study: string;
  series?: string;
  instance?: string;
}

/** The resource of a study, series or instance. */
export function resource({ study, series, instance }: Uids): string {
  const parts = [root, 'studies', encodeURIComponent(study)];
  if (series) parts.push('series', encodeURIComponent(series));
  if (series && instance) parts.push('instances', encodeURIComponent(instance));
  return parts.join('/');
}

export interface Page {
  items: DataSet[];
  /** How many are behind these; undefined if there are more than the server counts. */
  more: number | undefined;
}

/** Search; keys without a value are left out.  How many more there are is what the server warns of (PS3.18 section 8.3.4). */
export async function search(
  path: string,
  query: Record<string, string | number | undefined>,
  signal?: AbortSignal,
): Promise<Page> {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') parameters.set(name, String(value));
  }
  const response = await ask(`${root}/${path}?${parameters}`, {
    headers: { Accept: 'application/dicom+json' },
    signal: signal ?? null,
  });
  const warning = response.headers.get('Warning') ?? '';
  const counted = /(\d+) additional results/.exec(warning)?.[1];
  return {
    items: response.status === 204 ? [] : ((await response.json()) as DataSet[]),
    more: counted === undefined ? (/additional results/.test(warning) ? undefined : 0) : Number(counted),
  };
}

const COUNTED = 100_000; // so many the server counts at a time
const ASKED = 100;

/** How many there are of what is searched for. */
export async function count(
  path: string,
  query: Record<string, string | number | undefined>,
  signal?: AbortSignal,
): Promise<number> {
  for (let step = 0; step < ASKED; step++) {
    const offset = step * COUNTED;
    const { items, more } = await search(path, { ...query, limit: 1, offset }, signal);
    if (more !== undefined) return offset + items.length + more;
  }
  return ASKED * COUNTED;
}

export async function metadata(uids: Uids, signal?: AbortSignal): Promise<DataSet[]> {
  const response = await ask(`${resource(uids)}/metadata`, {
    headers: { Accept: 'application/dicom+json' },
    signal: signal ?? null,
  });
  return (await response.json()) as DataSet[];
}

/** A small picture of a study, series or instance. */
export const thumbnail = (uids: Uids, pixels = 128): string =>
  `${resource(uids)}/thumbnail?viewport=${pixels},${pixels}`;

/** The picture of one frame as the server renders it. */
export function rendered(
  uids: Uids,
  options: { frame?: number; window?: [number, number]; size?: number } = {},
): string {
  const query = new URLSearchParams();
  if (options.window) query.set('window', `${options.window[0]},${options.window[1]},linear`);
  if (options.size) query.set('viewport', `${options.size},${options.size}`);
  const frame = options.frame && options.frame > 1 ? `/frames/${options.frame}` : '';
  return `${resource(uids)}${frame}/rendered${query.size ? `?${query}` : ''}`;
}
