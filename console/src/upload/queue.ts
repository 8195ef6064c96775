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
  /** The server's words. */
  reason?: string;
  /** Why it has none: nothing was sent, or nothing came back. */
  fault?: 'empty' | 'unreachable';
  study?: string;
}

export interface Answer {
  study?: string;
  reason?: string;
  isDuplicate?: boolean;
}

const AT_ONCE = 4;
const TELL_MS = 50; // thousands of files do not draw the page thousands of times

/** Why the server did not store it, in its words. */
function refusal(answer: DataSet, warning: string | null): string | undefined {
  const failed = answer['00081198']?.Value ?? answer['0008119A']?.Value;
  if (!failed?.length) return undefined;
  const reason = (failed[0] as DataSet)['00081197']?.Value?.[0];
  const words = /^299 \S+ "(?:\d+ of \d+ failed; the first: )?(.*)"$/.exec(warning ?? '')?.[1];
  return words ?? `0x${Number(reason).toString(16).toUpperCase()}`;
}

/** Store one file.  A refusal of the file is an answer (handling=lenient, RFC 7240), not an error of the request. */
export async function send(file: File): Promise<Answer> {
  const response = await post(`${root}/studies`, file, {
    'Content-Type': 'application/dicom',
    Accept: 'application/dicom+json',
    Prefer: 'handling=lenient',
  });
  const answer = (await response.json()) as DataSet;
  const url = String(answer['00081190']?.Value?.[0] ?? '');
  return {
    reason: refusal(answer, response.headers.get('Warning')),
    study: /\/studies\/([^/]+)/.exec(url)?.[1],
    isDuplicate: response.headers.has('Corsia-Duplicates'),
  };
}

type Listener = () => void;

export class UploadQueue {
  #items: readonly Item[] = [];
  #waiting: number[] = []; // ids, the next one last
  #running = 0;
  #nextId = 1;
  #listeners = new Set<Listener>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #send: (file: File) => Promise<Answer>;

  constructor(sender: (file: File) => Promise<Answer> = send) {
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
    this.#wait(items);
  }

  /** Forget what is over. */
  clear(): void {
    this.#items = this.#items.filter((item) => item.state === 'waiting' || item.state === 'sending');
    this.#tell();
  }

  /** Try what was refused once more. */
  retry(): void {
    const refused = this.#items.filter((item) => item.state === 'refused');
    this.#items = this.#items.map((item) =>
      item.state === 'refused' ? { ...item, state: 'waiting', reason: undefined, fault: undefined } : item,
    );
    this.#wait(refused);
  }

  #wait(items: Item[]): void {
    this.#waiting = [...items.map((item) => item.id).reverse(), ...this.#waiting];
    this.#tell();
    this.#pump();
  }

  #tell(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const listener of this.#listeners) listener();
    }, TELL_MS);
  }

  /** Ids grow along the list: halve it. */
  #at(id: number): number {
    let [low, high] = [0, this.#items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#items[middle] as Item).id < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #set(id: number, change: Partial<Item>): void {
    const at = this.#at(id);
    const items = this.#items.slice();
    items[at] = { ...(items[at] as Item), ...change };
    this.#items = items;
    this.#tell();
  }

  #pump(): void {
    while (this.#running < AT_ONCE) {
      const id = this.#waiting.pop();
      if (id === undefined) return;
      this.#running++;
      this.#set(id, { state: 'sending' });
      void this.#one(this.#items[this.#at(id)] as Item).finally(() => {
        this.#running--;
        this.#pump();
      });
    }
  }

  async #one(item: Item): Promise<void> {
    if (item.file.size === 0) {
      this.#set(item.id, { state: 'refused', fault: 'empty' });
      return;
    }
    try {
      const { study, reason, isDuplicate } = await this.#send(item.file);
      if (reason) this.#set(item.id, { state: 'refused', reason });
      else this.#set(item.id, { state: isDuplicate ? 'duplicate' : 'stored', study });
    } catch (error) {
      if (error instanceof TypeError)
        this.#set(item.id, { state: 'refused', fault: 'unreachable' }); // fetch() says so
      else this.#set(item.id, { state: 'refused', reason: String(error instanceof Error ? error.message : error) });
    }
  }
}

export const uploads = new UploadQueue();

// Closing the page would lose what has not been sent.
window.addEventListener('beforeunload', (event) => {
  if (uploads.items().some((item) => item.state === 'waiting' || item.state === 'sending')) event.preventDefault();
});
