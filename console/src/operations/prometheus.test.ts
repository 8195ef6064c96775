// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { latencies, samples } from './prometheus';

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

test('means are taken where something was counted', () => {
  expect(latencies(page)).toEqual([{ algo: 'a', stage: 'fetch', count: 4, meanMs: 125 }]);
});
