// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { changed, defaults, fieldOfPointer, fields, type ParamsSchema, problems, wordsOf } from './schema';

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

test('what is out of range is said by field, with the bound', () => {
  expect(problems(schema, { a: 'any', b: 1 })).toEqual({});
  expect(problems(schema, { a: 'up', b: 11 })).toEqual({ a: { kind: 'choice' }, b: { kind: 'high', bound: 10 } });
  expect(problems(schema, { a: 'any', b: -1 })).toEqual({ b: { kind: 'low', bound: 0 } });
  expect(problems(schema, { a: 'any', b: undefined })).toEqual({ b: { kind: 'missing' } });
  const whole: ParamsSchema = { type: 'object', properties: { n: { type: 'integer' } } };
  expect(problems(whole, { n: 1.5 })).toEqual({ n: { kind: 'integer' } });
});

test('an algorithm is called what its language calls it', () => {
  const algorithm = { title: 'Liver', description: 'Finds it.', params_schema: real };
  expect(wordsOf(algorithm, 'it').title).toBe('Fegato per finestra e soglia');
  expect(wordsOf(algorithm, 'en')).toEqual({ title: 'Liver', description: 'Finds it.' });
});

test('every field of every algorithm has Italian words', () => {
  for (const name of readdirSync('../schema/algorithms')) {
    const one = JSON.parse(readFileSync(`../schema/algorithms/${name}`, 'utf8')) as ParamsSchema;
    for (const field of fields(one, 'it')) {
      const words = field.schema['x-i18n']?.it;
      expect(words?.title && words.description, `${name}: ${field.name}`).toBeTruthy();
    }
    expect(one['x-i18n']?.it?.title && one['x-i18n'].it.description, name).toBeTruthy();
  }
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
