// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { Job } from '../api/schema';
import { duration, elapsedMs } from './elapsed';

test('durations are said as people do, in their language', () => {
  expect(duration(840, 'en')).toBe('840 ms');
  expect(duration(4230, 'en')).toBe('4.2 sec');
  expect(duration(4230, 'it')).toBe('4,2 s');
  expect(duration(185_000, 'en')).toBe('3 min 5 sec');
});

test('a job that is over has taken what it took, one that runs counts on', () => {
  const job = { accepted_at: '2026-01-01T00:00:00Z' } as Job;
  expect(elapsedMs(job, Date.parse('2026-01-01T00:00:05Z'))).toBe(5000);
  expect(elapsedMs({ ...job, finished_at: '2026-01-01T00:00:02Z' }, Date.parse('2026-01-01T00:01:00Z'))).toBe(2000);
  expect(elapsedMs(job, Date.parse('2025-12-31T23:59:59Z'))).toBe(0);
});
