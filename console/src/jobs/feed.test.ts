// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { Job, JobPage } from '../api/schema';
import { joined } from './feed';

const page = (ids: string, next?: string): JobPage => ({
  jobs: [...ids].map((job_id) => ({ job_id, state: 'queued' }) as Job),
  next,
});
const ids = (jobs: Job[]) => jobs.map((job) => job.job_id).join('');

test('the head replaces what it has and leaves the older pages', () => {
  const { rows, isTorn } = joined(page('cba', '3'), [page('ba9', '2'), page('87')]);
  expect(ids(rows)).toBe('cba987');
  expect(isTorn).toBe(false);
});

test('a job that the head does not have any more is gone', () => {
  expect(ids(joined(page('ca9', '2'), [page('cba', '3'), page('98')]).rows)).toBe('ca98');
});

test('what came between the head and the pages is missing, which is said', () => {
  const { rows, isTorn } = joined(page('zyx', '9'), [page('cba', '3')]);
  expect(ids(rows)).toBe('cba');
  expect(isTorn).toBe(true);
});

test('a head without a next page is the whole list', () => {
  expect(ids(joined(page('b'), [page('ba')]).rows)).toBe('b');
  expect(joined(page(''), [page('ba')]).rows).toEqual([]);
  expect(ids(joined(undefined, [page('ba')]).rows)).toBe('ba');
  expect(ids(joined(page('ba', '1'), []).rows)).toBe('ba');
});
