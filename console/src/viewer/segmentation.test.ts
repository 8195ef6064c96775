// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { DataSet } from '../dicomweb/model';
import { colorOf, describe, paint } from './segmentation';

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
  expect(found.frames).toEqual([
    { frame: 1, segment: 2, source: '1.2' },
    { frame: 2, segment: 2, source: '1.3' },
  ]);
});

test('bits are painted from bit 0 on, over what is there', () => {
  const labels = new Uint8Array(10).fill(7, 9);
  paint(new Uint8Array([0b00000101, 0b01]), 3, labels);
  expect([...labels]).toEqual([3, 0, 3, 0, 0, 0, 0, 0, 3, 7]);
});

test('colours come from CIELab', () => {
  expect(colorOf([65535, 32896, 32896])).toEqual([255, 255, 255]);
  expect(colorOf([0, 32896, 32896])).toEqual([0, 0, 0]);
  const [red, green, blue] = colorOf([39533, 58143, 17263]);
  expect(red).toBeGreaterThan(240);
  expect(green).toBeLessThan(30);
  expect(blue).toBeGreaterThan(240);
});
