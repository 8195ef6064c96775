// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { groupRows } from './groups';
import type { Item } from './queue';

let id = 0;
const item = (path: string, state: Item['state'], study?: string): Item => ({
  id: ++id,
  file: new File([], path),
  path,
  state,
  study,
});

test('files stand behind their folder, which counts them and knows its study', () => {
  const rows = groupRows([
    item('a/1.dcm', 'stored', '1.2'),
    item('a/b/2.dcm', 'refused'),
    item('a/3.dcm', 'duplicate', '1.2'),
    item('4.dcm', 'stored', '1.3'),
    item('5.dcm', 'stored', '1.4'),
  ]);
  expect(rows.map((row) => (row.kind === 'group' ? [row.folder, row.study] : row.name))).toEqual([
    ['', undefined],
    '4.dcm',
    '5.dcm',
    ['a', '1.2'],
    '1.dcm',
    '3.dcm',
    ['a/b', undefined],
    '2.dcm',
  ]);
  expect(rows[3]).toMatchObject({ counts: { stored: 1, duplicate: 1, refused: 0, waiting: 0, sending: 0 } });
});
