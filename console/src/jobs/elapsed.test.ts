// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { Job } from '../api/schema';
import { duration, elapsedMs, remainingMs } from './elapsed';

test('durations are said as people do, in their language', () => {
  expect(duration(840, 'en')).toBe('840 ms');
  expect(duration(4230, 'en')).toBe('4.2 sec');
  expect(duration(4230, 'it')).toBe('4,2 s');
  expect(duration(185_000, 'en')).toBe('3 min 5 sec');
});

const job = {
  accepted_at: '2026-01-01T00:00:00Z',
  state: 'running',
  timeline: { queued: 500, running: 1500 },
} as unknown;

test('a job that is over has taken what it took, one that runs counts on from what the server said', () => {
  expect(elapsedMs(job as Job, 1000, 4000)).toBe(5000);
  expect(elapsedMs(job as Job, 4000, 1000)).toBe(2000);
  const over = { ...(job as Job), finished_at: '2026-01-01T00:00:02Z' };
  expect(elapsedMs(over, 1000, 400_000)).toBe(2000);
});

test('what is left is told from what is done, not before something is', () => {
  expect(remainingMs(job as Job, 0.25, 1000, 1500)).toBe(6000);
  expect(remainingMs(job as Job, 0.01, 1000, 1500)).toBeUndefined();
  expect(remainingMs(job as Job, undefined, 1000, 1500)).toBeUndefined();
  expect(remainingMs({ ...(job as Job), state: 'queued' }, 0.5, 1000, 1500)).toBeUndefined();
});
