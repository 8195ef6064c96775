// SPDX-License-Identifier: Apache-2.0
// What comes over /ws, and what is remembered of it.
import { z } from 'zod';

z.config({ jitless: true }); // no code from text: the page's policy forbids it

const Output = z.looseObject({
  role: z.string(),
  bucket: z.string(),
  key: z.string(),
  url: z.string().optional(),
  media_type: z.string(),
  sop_instance_uid: z.string().optional(),
  series_instance_uid: z.string().optional(),
  source_sop_instance_uid: z.string().optional(),
});

export const ResultEvent = z.looseObject({
  type: z.literal('result'),
  seq: z.number(),
  job_id: z.string(),
  algo_id: z.string().default(''),
  status: z.enum(['succeeded', 'failed', 'cancelled']),
  found: z.boolean().optional(),
  outputs: z.array(Output).optional(),
  measurements: z.record(z.string(), z.unknown()).optional(),
  error: z
    .looseObject({
      code: z.string(),
      message: z.string(),
      stage: z.string().optional(),
      attempts: z.number().optional(),
    })
    .optional(),
});
export type ResultEvent = z.infer<typeof ResultEvent>;

export const ProgressEvent = z.looseObject({
  type: z.literal('progress'),
  job_id: z.string(),
  fraction: z.number(),
  stage: z.string().optional(),
});
export type ProgressEvent = z.infer<typeof ProgressEvent>;

const Gap = z.object({ type: z.literal('gap'), oldest: z.number() });
const Reset = z.object({ type: z.literal('reset'), last: z.number() });

export const LiveEvent = z.discriminatedUnion('type', [ResultEvent, ProgressEvent, Gap, Reset]);
export type LiveEvent = z.infer<typeof LiveEvent>;

/** The number of the last event that this browser has shown to this client; shared by its tabs. */
export class Cursor {
  readonly #key: string;

  constructor(clientId: string) {
    this.#key = `corsia.seen.${clientId}`;
  }

  /** null: nothing was seen yet, the server's own cursor counts. */
  get(): number | null {
    const kept = Number.parseInt(localStorage.getItem(this.#key) ?? '', 10);
    return Number.isFinite(kept) ? kept : null;
  }

  /** Forward only; a tab that is behind takes nothing back. */
  advance(seq: number): void {
    if (seq > (this.get() ?? -1)) localStorage.setItem(this.#key, String(seq));
  }

  /** The server's log is shorter than what was seen: it was made anew. */
  reset(last: number): void {
    localStorage.setItem(this.#key, String(last));
  }
}
