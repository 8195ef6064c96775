// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { Recorder, timeRange } from './history';

test('a single sample, or none, is shown within two minutes', () => {
  expect(timeRange(1000, 1000, 0)).toEqual([880, 1000]);
  expect(timeRange(null, null, 1_000_000)).toEqual([880, 1000]);
  expect(timeRange(100, 1000, 0)).toEqual([100, 1000]);
});

test('an answer is kept once, the last ten minutes of them', () => {
  const recorder = new Recorder();
  recorder.add('depth', 1000, [1]);
  recorder.add('depth', 1000, [1]);
  recorder.add('depth', 3000, [null]);
  expect(recorder.get('depth')).toEqual({ times: [1, 3], values: [[1, null]] });
  for (let at = 4; at < 400; at++) recorder.add('depth', 1000 * at, [at]);
  expect(recorder.get('depth').times).toHaveLength(300);
  expect(recorder.get('depth').values[0]?.at(-1)).toBe(399);
  expect(recorder.get('other').times).toEqual([]);
});
