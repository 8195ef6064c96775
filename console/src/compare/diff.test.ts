// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { DataSet } from '../dicomweb/model';
import { compare, firstTags, line, matching, written } from './diff';

const original: DataSet = {
  '00080018': { vr: 'UI', Value: ['1.1'] },
  '00080060': { vr: 'CS', Value: ['CT'] },
  '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Doe^Jane' }] },
  '00100020': { vr: 'LO', Value: ['P1'] },
  '00200032': { vr: 'DS', Value: [1, 2, 3] },
  '7FE00010': { vr: 'OW', BulkDataURI: 'x' },
};
const derived: DataSet = {
  '00080018': { vr: 'UI', Value: ['1.2'] },
  '00080060': { vr: 'CS', Value: ['OT'] },
  '00082112': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: ['1.1'] } }] },
  '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Doe^Jane' }] },
  '00100020': { vr: 'LO', Value: ['P2'] },
  '00200032': { vr: 'DS', Value: [1, 2, 4] },
  '7FE00010': { vr: 'OW', BulkDataURI: 'y' },
};
const names = { '00100010': 'PatientName', '00082112': 'SourceImageSequence' };
const verdict = (tag: string, one = original, other = derived) =>
  compare(one, other).find((row) => row.tag === tag)?.verdict;

test('another patient or another place is never expected, another modality is, another dose is worth a look', () => {
  expect(verdict('00100020')).toBe('unexpected');
  expect(verdict('00200032')).toBe('unexpected');
  expect(verdict('00080060')).toBe('expected');
  expect(verdict('00080018')).toBe('expected');
  expect(verdict('00100010')).toBe('same');
  expect(verdict('7FE00010')).toBe('same');
  const kvp = (value: number): DataSet => ({ '00180060': { vr: 'DS', Value: [value] } });
  expect(verdict('00180060', kvp(120), kvp(80))).toBe('changed');
  expect(verdict('00180060', kvp(120), {})).toBe('expected');
  const age = (value: string): DataSet => ({ '00101010': { vr: 'AS', Value: [value] } });
  expect(verdict('00101010', age('050Y'), age('051Y'))).toBe('unexpected');
  expect(verdict('00101010', age('050Y'), {})).toBe('expected');
  expect(verdict('00200052', { '00200052': { vr: 'UI', Value: ['1.2'] } }, {})).toBe('unexpected');
});

test("the reference's fourteen come first, there or not; the others by number, items with their path", () => {
  const tags = compare(original, derived).map((row) => row.tag);
  expect(tags.slice(0, 14)).toEqual(firstTags);
  expect(tags.slice(14)).toEqual(['00080018', '00082112', '00082112[1].00081155', '00200032', '7FE00010']);
});

test('tags are written as in the standard, with their keywords', () => {
  expect(written('00082112[1].00081155')).toBe('(0008,2112)[1] (0008,1155)');
  expect(compare(original, derived, names).find((row) => row.tag === '00082112')?.name).toBe('SourceImageSequence');
});

test('a search keeps the sequences around what it finds', () => {
  const rows = compare(original, derived, names);
  expect(matching(rows, '1.1').map((row) => row.tag)).toEqual(['00080018', '00082112', '00082112[1].00081155']);
  expect(matching(rows, '0010,0010').map((row) => row.tag)).toEqual(['00100010']);
  expect(matching(rows, 'patientname').map((row) => row.tag)).toEqual(['00100010']);
  expect(matching(rows, ' ')).toEqual(rows);
});

test('values are said in a line', () => {
  expect(line({ vr: 'PN', Value: [{ Alphabetic: 'A', Ideographic: 'B' }] })).toBe('A=B');
  expect(line({ vr: 'CS', Value: ['A', null, 'B'] })).toBe('A\\\\B');
  expect(line({ vr: 'OB', InlineBinary: 'AAAA' })).toBe('(3 bytes)');
  expect(line(undefined)).toBe('');
});
