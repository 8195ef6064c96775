// SPDX-License-Identifier: Apache-2.0
// What was measured while the console was open: it outlives the page that shows it.
import { useSyncExternalStore } from 'react';

export interface History {
  times: number[];
  values: (number | null)[][];
}

const KEPT = 300; // ten minutes at two seconds
const nothing: History = { times: [], values: [] };

export class Recorder {
  #histories = new Map<string, History>();
  #listeners = new Set<() => void>();

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  get = (name: string): History => this.#histories.get(name) ?? nothing;

  /** One row of values per answer; an answer that is known already adds nothing.  null: nothing was measured. */
  add(name: string, measuredAtMs: number, row: (number | null)[]): void {
    const old = this.get(name);
    const time = measuredAtMs / 1000;
    if (time <= (old.times.at(-1) ?? 0)) return;
    this.#histories.set(name, {
      times: [...old.times, time].slice(-KEPT),
      values: row.map((value, index) => [...(old.values[index] ?? old.times.map(() => null)), value].slice(-KEPT)),
    });
    for (const listener of this.#listeners) listener();
  }
}

export const recorder = new Recorder();

export const useHistory = (name: string): History => useSyncExternalStore(recorder.subscribe, () => recorder.get(name));

const SHORTEST_S = 120;

/** What the axis of time shows: at least two minutes, so that a single sample makes no axis of years. */
export function timeRange(low: number | null, high: number | null, nowMs: number): [number, number] {
  const end = high ?? nowMs / 1000;
  return [Math.min(low ?? end, end - SHORTEST_S), end];
}
