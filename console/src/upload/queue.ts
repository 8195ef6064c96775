// SPDX-License-Identifier: Apache-2.0
// Files on their way to the archive: one POST each, a few at a time, a state for each.  It lives outside of React, so
// that going to another page stops nothing.
import { post } from '../api/http';
import { root } from '../dicomweb/client';
import type { DataSet } from '../dicomweb/model';

export type FileState = 'waiting' | 'sending' | 'stored' | 'duplicate' | 'refused';

export interface Item {
  id: number;
  file: File;
  path: string;
  state: FileState;
  reason?: string;
  study?: string;
}

const AT_ONCE = 4;

/** Why the server did not store it, in its words. */
function refusal(answer: DataSet, warning: string | null): string | undefined {
  const failed = answer['00081198']?.Value ?? answer['0008119A']?.Value;
  if (!failed?.length) return undefined;
  const reason = (failed[0] as DataSet)['00081197']?.Value?.[0];
  const words = /^299 \S+ "(.*)"$/.exec(warning ?? '')?.[1];
  return words ?? `0x${Number(reason).toString(16).toUpperCase()}`;
}

/** Store one file.  A refusal of the file is an answer (handling=lenient, RFC 7240), not an error of the request. */
export async function send(file: File): Promise<{ study?: string; reason?: string }> {
  const response = await post(`${root}/studies`, file, {
    'Content-Type': 'application/dicom',
    Accept: 'application/dicom+json',
    Prefer: 'handling=lenient',
  });
  const answer = (await response.json()) as DataSet;
  const url = String(answer['00081190']?.Value?.[0] ?? '');
  return { reason: refusal(answer, response.headers.get('Warning')), study: /\/studies\/([^/]+)/.exec(url)?.[1] };
}

type Listener = () => void;

export class UploadQueue {
  #items: readonly Item[] = [];
  #running = 0;
  #nextId = 1;
  #listeners = new Set<Listener>();
  readonly #send: typeof send;

  constructor(sender: typeof send = send) {
    this.#send = sender;
  }

  subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  items = (): readonly Item[] => this.#items;

  add(files: { file: File; path: string }[]): void {
    const items = files.map(({ file, path }): Item => ({ id: this.#nextId++, file, path, state: 'waiting' }));
    this.#items = [...this.#items, ...items];
    this.#tell();
    this.#pump();
  }

  /** Forget what is over. */
  clear(): void {
    this.#items = this.#items.filter((item) => item.state === 'waiting' || item.state === 'sending');
    this.#tell();
  }

  /** Try what was refused once more. */
  retry(): void {
    this.#items = this.#items.map((item) =>
      item.state === 'refused' ? { ...item, state: 'waiting', reason: undefined } : item,
    );
    this.#tell();
    this.#pump();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #set(id: number, change: Partial<Item>): void {
    this.#items = this.#items.map((item) => (item.id === id ? { ...item, ...change } : item));
    this.#tell();
  }

  #pump(): void {
    while (this.#running < AT_ONCE) {
      const next = this.#items.find((item) => item.state === 'waiting');
      if (!next) return;
      this.#running++;
      this.#set(next.id, { state: 'sending' });
      void this.#one(next).finally(() => {
        this.#running--;
        this.#pump();
      });
    }
  }

  async #one(item: Item): Promise<void> {
    try {
      const { study, reason } = await this.#send(item.file);
      this.#set(item.id, reason ? { state: 'refused', reason } : { state: 'stored', study });
    } catch (error) {
      this.#set(item.id, { state: 'refused', reason: error instanceof Error ? error.message : String(error) });
    }
  }
}

export const uploads = new UploadQueue();
