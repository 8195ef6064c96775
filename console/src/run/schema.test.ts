// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { changed, defaults, fieldOfPointer, fields, type ParamsSchema, problems } from './schema';

const real = JSON.parse(readFileSync('../schema/algorithms/processing_1.json', 'utf8')) as ParamsSchema;
const schema: ParamsSchema = {
  type: 'object',
  properties: {
    b: { type: 'number', default: 1.5, minimum: 0, maximum: 10, 'x-order': 2, 'x-unit': 'px', title: 'Smoothing' },
    a: { type: 'string', enum: ['left', 'any'], default: 'any', 'x-order': 1, 'x-i18n': { it: { title: 'Lato' } } },
    c: { type: 'boolean' },
  },
};

test('fields come in their order, with units and words of the language', () => {
  expect(fields(schema, 'it').map((field) => [field.name, field.title, field.unit])).toEqual([
    ['a', 'Lato', ''],
    ['b', 'Smoothing', 'px'],
    ['c', 'c', ''],
  ]);
  expect(fields(schema, 'en')[0]?.title).toBe('a');
});

test('defaults are taken from the schema and not sent back', () => {
  expect(defaults(schema)).toEqual({ a: 'any', b: 1.5 });
  expect(changed(schema, { a: 'any', b: 2, c: true })).toEqual({ b: 2, c: true });
});

test('what is out of range is said by field', () => {
  expect(problems(schema, { a: 'any', b: 1 })).toEqual({});
  expect(Object.keys(problems(schema, { a: 'up', b: 11 })).sort()).toEqual(['a', 'b']);
});

test("a real algorithm's defaults are valid", () => {
  expect(fields(real, 'en').length).toBeGreaterThan(5);
  expect(problems(real, defaults(real))).toEqual({});
  expect(Object.keys(problems(real, { ...defaults(real), sigma: 99 }))).toEqual(['sigma']);
});

test('pointers name fields', () => {
  expect(fieldOfPointer('/params/sigma')).toBe('sigma');
  expect(fieldOfPointer('/params/a~1b/0')).toBe('a/b');
  expect(fieldOfPointer('/pacs/study_id')).toBeUndefined();
  expect(fieldOfPointer(undefined)).toBeUndefined();
});
