// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { DataSet } from '../dicomweb/model';
import type { StackImage } from './engine';
import { outlineOf, placesOf } from './overlay';
import { colorOf, describe, masksOf, type SegmentFrame } from './segmentation';

const us = (value: number) => ({ vr: 'US', Value: [value] });
const size = (rows: number, columns: number): DataSet => ({ '00280010': us(rows), '00280011': us(columns) });
const sq = (...Value: DataSet[]) => ({ vr: 'SQ', Value });
const frameOf = (segment: number, source: string): DataSet => ({
  '00089124': sq({ '00082112': sq({ '00081155': { vr: 'UI', Value: [source] } }) }),
  '0062000A': sq({ '0062000B': { vr: 'US', Value: [segment] } }),
});

test('segments and the images of their frames are read', () => {
  const found = describe(
    { study: '1' },
    {
      '00620002': sq({ '00620004': { vr: 'US', Value: [2] }, '00620005': { vr: 'LO', Value: ['Lung'] } }),
      '52009230': sq(frameOf(2, '1.2'), frameOf(2, '1.3')),
    },
  );
  expect(found.segments).toEqual([{ number: 2, label: 'Lung', color: [255, 0, 255] }]);
  expect(found.frames.map(({ frame, segment, source }) => [frame, segment, source])).toEqual([
    [1, 2, '1.2'],
    [2, 2, '1.3'],
  ]);
});

test('bits begin with the lowest, whatever is left of the last byte', () => {
  const found = describe({ study: '1' }, { ...size(2, 5), '52009230': sq(frameOf(3, '1.2')) });
  const masks = masksOf(found, found.frames[0] as SegmentFrame, new Uint8Array([0b10000101, 0b1001]));
  expect([...(masks.get(3) as Uint8Array)]).toEqual([1, 0, 1, 0, 0, 0, 0, 1, 1, 0]);
});

test('of a fractional one the upper half is inside', () => {
  const header = { ...size(1, 3), '00280100': us(8), '0062000E': us(255), '52009230': sq(frameOf(1, '1.2')) };
  const found = describe({ study: '1' }, header);
  expect([...(masksOf(found, found.frames[0] as SegmentFrame, new Uint8Array([127, 128, 255])).get(1) ?? [])]).toEqual([
    0, 1, 1,
  ]);
});

test('a labelmap has the numbers of segments as pixels', () => {
  const header: DataSet = {
    ...size(1, 3),
    '00280100': us(8),
    '00620001': { vr: 'CS', Value: ['LABELMAP'] },
    '00620002': sq({ '00620004': us(1) }, { '00620004': us(2) }),
    '52009230': sq({}),
  };
  const found = describe({ study: '1' }, header);
  const masks = masksOf(found, found.frames[0] as SegmentFrame, new Uint8Array([2, 0, 1]));
  expect([...masks].map(([segment, mask]) => [segment, [...mask]])).toEqual([
    [1, [0, 0, 1]],
    [2, [1, 0, 0]],
  ]);
});

test('a frame lies on the image that it names, else on the one at its place', () => {
  const image = (uid: string, z: number, frame = 1): StackImage => ({
    imageId: '',
    frame,
    instance: { '00080018': { vr: 'UI', Value: [uid] }, '00200032': { vr: 'DS', Value: [0, 0, z] } },
  });
  const at = (z: number): DataSet => ({ '00209113': sq({ '00200032': { vr: 'DS', Value: [0, 0, z] } }) });
  const found = describe({ study: '1' }, { '52009230': sq(frameOf(1, '1.3'), at(5), frameOf(1, '9'), at(7)) });
  expect(placesOf(found, [image('1.2', 5), image('1.3', 6)])).toEqual([1, 0, -1, -1]);
});

test('an outline goes round what is inside, holes as well', () => {
  const length = (mask: number[]) =>
    outlineOf(new Uint8Array(mask), 3, 3).reduce((sum, [x0, y0, x1, y1]) => sum + Math.hypot(x1 - x0, y1 - y0), 0);
  expect(length([0, 0, 0, 0, 1, 0, 0, 0, 0])).toBe(4);
  expect(length([1, 1, 1, 1, 1, 1, 1, 1, 1])).toBe(12);
  expect(length([1, 1, 1, 1, 0, 1, 1, 1, 1])).toBe(16);
  expect(outlineOf(new Uint8Array(9), 3, 3)).toEqual([]);
});

test('colours come from CIELab', () => {
  expect(colorOf([65535, 32896, 32896])).toEqual([255, 255, 255]);
  expect(colorOf([0, 32896, 32896])).toEqual([0, 0, 0]);
  const [red, green, blue] = colorOf([39533, 58143, 17263]);
  expect(red).toBeGreaterThan(240);
  expect(green).toBeLessThan(30);
  expect(blue).toBeGreaterThan(240);
});
