// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { Job, Output } from '../api/schema';
import { pairs } from './pairs';

const overlay = (source: number, uid: string): Output => ({
  role: 'overlay',
  bucket: 'output',
  key: uid,
  url: '',
  media_type: 'application/dicom',
  source,
  sop_instance_uid: uid,
  series_instance_uid: '9',
});
const job = (parts: Partial<Job>): Job => parts as Job;

test('overlays are paired with their sources in the order of the inputs, whatever the order of the outputs', () => {
  const inputs = [{ sop_instance_uid: '1' }, { sop_instance_uid: '2' }, { sop_instance_uid: '3' }];
  const outputs = [overlay(2, 'c'), overlay(0, 'a'), { ...overlay(1, 'x'), role: 'report' as const }];
  expect(pairs(job({ inputs, outputs }))).toEqual([
    { source: '1', derived: { series: '9', instance: 'a' } },
    { source: '3', derived: { series: '9', instance: 'c' } },
  ]);
});

test('the name of the source counts more than its number', () => {
  const outputs = [{ ...overlay(0, 'a'), source_sop_instance_uid: '7' }];
  expect(pairs(job({ outputs }))).toEqual([{ source: '7', derived: { series: '9', instance: 'a' } }]);
  expect(pairs(job({}))).toEqual([]);
});

test('images are compared where each input gave one, a projection of many is not', () => {
  const image = (source: number): Output => ({ ...overlay(source, `i${source}`), role: 'image' });
  const inputs = [{ sop_instance_uid: '1' }, { sop_instance_uid: '2' }];
  expect(pairs(job({ inputs, outputs: [image(0), image(1)] })).map((pair) => pair.derived.instance)).toEqual([
    'i0',
    'i1',
  ]);
  expect(pairs(job({ inputs, outputs: [image(0)] }))).toEqual([]);
});
