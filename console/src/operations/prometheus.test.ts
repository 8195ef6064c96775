// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { latencies, meanSince, samples } from './prometheus';

const page = `# HELP corsia_job_seconds Time per stage.
# TYPE corsia_job_seconds histogram
corsia_job_seconds_bucket{algo="a",stage="fetch",le="0.001"} 1
corsia_job_seconds_sum{algo="a",stage="fetch"} 0.5
corsia_job_seconds_count{algo="a",stage="fetch"} 4
corsia_job_seconds_sum{algo="b",stage="fetch"} 0
corsia_job_seconds_count{algo="b",stage="fetch"} 0
corsia_queue_depth{queue="Requests-\\"x\\".fifo",state="visible"} 3
corsia_up 1
nonsense
`;

test('samples are read with their labels', () => {
  expect(samples(page).map((sample) => sample.name)).toHaveLength(7);
  expect(samples(page).at(-1)).toEqual({ name: 'corsia_up', labels: {}, value: 1 });
  expect(samples(page).at(-2)?.labels).toEqual({ queue: 'Requests-\\"x\\".fifo', state: 'visible' });
});

test('what was not counted is left out', () => {
  expect(latencies(page)).toEqual([{ algo: 'a', stage: 'fetch', count: 4, sumMs: 500 }]);
});

test('a mean is of what came since, of all algorithms', () => {
  const before = [{ algo: 'a', stage: 'fetch', count: 4, sumMs: 500 }];
  const now = [
    { algo: 'a', stage: 'fetch', count: 5, sumMs: 600 },
    { algo: 'b', stage: 'fetch', count: 1, sumMs: 300 },
  ];
  expect(meanSince(before, [], 'fetch')).toBe(125);
  expect(meanSince(now, before, 'fetch')).toBe(200);
  expect(meanSince(now, now, 'fetch')).toBeNull();
  expect(meanSince(before, now, 'fetch')).toBeNull();
});
