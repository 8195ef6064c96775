// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { ParamsSchema } from '../run/schema';
import { parameterRows } from './parameters';

const schema: ParamsSchema = {
  properties: {
    sigma: { type: 'number', default: 1.5, 'x-order': 2, 'x-unit': 'px', title: 'Smoothing' },
    side: { type: 'string', default: 'left', 'x-order': 1 },
  },
};

test('values stand beside those of the earlier run, changes marked', () => {
  const rows = parameterRows(schema, { sigma: 3, side: 'left' }, { side: 'left' }, 'en');
  expect(rows.map(({ title, unit, value, earlier, isChanged }) => [title, unit, value, earlier, isChanged])).toEqual([
    ['side', '', 'left', 'left', false],
    ['Smoothing', 'px', 3, 1.5, true],
  ]);
  expect(rows.map((row) => row.isUsual)).toEqual([true, false]);
});

test('without an earlier run nothing is changed; what the schema does not know is kept', () => {
  const rows = parameterRows(undefined, { old: 1 }, undefined, 'en');
  expect(rows.map(({ name, value, isChanged }) => [name, value, isChanged])).toEqual([['old', 1, false]]);
});
