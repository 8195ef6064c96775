// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { DataSet } from '../dicomweb/model';
import { groups, type Part, sourceOf } from './parts';

const ui = (value: string) => ({ vr: 'UI', Value: [value] });
const sq = (...Value: DataSet[]) => ({ vr: 'SQ', Value });
const part = (uid: string, number: number, parent?: string): Part => ({
  uid,
  series: { '00200011': { vr: 'IS', Value: [number] } },
  instance: `${uid}.1`,
  hasPixels: true,
  ...(parent ? { parent } : {}),
});
const told = (parts: Part[]) =>
  groups(parts).map(({ original, derived }) => [original.uid, derived.map((one) => one.uid)]);

test('a header says what it was made of: the series, the evidence of a report, or an image', () => {
  const series = sq({ '0020000E': ui('1.2') });
  expect(sourceOf({ '00081115': series })).toEqual({ series: '1.2' });
  expect(sourceOf({ '0040A375': sq({ '00081115': series }) })).toEqual({ series: '1.2' });
  expect(sourceOf({ '00082112': sq({ '00081155': ui('1.3') }) })).toEqual({ instance: '1.3' });
  expect(sourceOf({})).toEqual({});
});

test('what is derived stands behind its original, over any number of steps', () => {
  expect(told([part('sr', 9, 'seg'), part('b', 2), part('seg', 8, 'a'), part('a', 1)])).toEqual([
    ['a', ['seg', 'sr']],
    ['b', []],
  ]);
});

test('whose source is elsewhere, or who names each other, stands by itself', () => {
  expect(told([part('a', 1, 'gone'), part('b', 2, 'c'), part('c', 3, 'b'), part('d', 4, 'd')])).toEqual([
    ['a', []],
    ['b', []],
    ['c', []],
    ['d', []],
  ]);
});
