// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { DataSet } from '../dicomweb/model';
import { entriesOf, titleOf } from './report';

const sq = (...Value: DataSet[]) => ({ vr: 'SQ', Value });
const code = (value: string, meaning: string) =>
  sq({ '00080100': { vr: 'SH', Value: [value] }, '00080104': { vr: 'LO', Value: [meaning] } });
const item = (kind: string, name: string, rest: DataSet): DataSet => ({
  '0040A040': { vr: 'CS', Value: [kind] },
  '0040A043': code('1', name),
  ...rest,
});
const measured = (name: string, value: string, unit: string) =>
  item('NUM', name, { '0040A300': sq({ '0040A30A': { vr: 'DS', Value: [value] }, '004008EA': code(unit, unit) }) });

test('measurements are read with their units, below what they belong to', () => {
  const header: DataSet = {
    ...item('CONTAINER', 'Report', {}),
    '0040A730': sq(
      item('CODE', 'Finding', { '0040A168': code('L', 'Liver') }),
      item('CONTAINER', 'Group', {
        '0040A730': sq(
          measured('Volume', '708.5', 'ml'),
          measured('Mean', '90', "[hnsf'U]"),
          measured('Area', '2', 'mm2'),
        ),
      }),
      item('IMAGE', 'Source', {}),
    ),
  };
  expect(titleOf(header)).toBe('Report');
  const [finding, group, ...rest] = entriesOf(header, String);
  expect(finding).toMatchObject({ name: 'Finding', value: 'Liver' });
  expect(group?.entries.map(({ name, value }) => `${name}: ${value}`)).toEqual([
    'Volume: 708.5 ml',
    'Mean: 90 HU',
    'Area: 2 mm²',
  ]);
  expect(rest).toEqual([]);
});
