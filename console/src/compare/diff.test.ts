// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { DataSet } from '../dicomweb/model';
import { compare, line, matching } from './diff';

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
const verdict = (tag: string) => compare(original, derived).find((row) => row.tag === tag)?.verdict;

test('another patient or another place is never expected, another modality is', () => {
  expect(verdict('00100020')).toBe('unexpected');
  expect(verdict('00200032')).toBe('unexpected');
  expect(verdict('00080060')).toBe('expected');
  expect(verdict('00080018')).toBe('expected');
  expect(verdict('00100010')).toBe('same');
  expect(verdict('7FE00010')).toBe('same');
});

test("the reference's tags come first, the others by number, items of sequences with their path", () => {
  expect(compare(original, derived).map((row) => row.tag)).toEqual([
    '00100020',
    '00100010',
    '00080060',
    '00080018',
    '00082112',
    '00082112[1].00081155',
    '00200032',
    '7FE00010',
  ]);
});

test('a search keeps the sequences around what it finds', () => {
  const rows = compare(original, derived);
  expect(matching(rows, '1.1').map((row) => row.tag)).toEqual(['00080018', '00082112', '00082112[1].00081155']);
  expect(matching(rows, 'patientname').map((row) => row.tag)).toEqual(['00100010']);
  expect(matching(rows, ' ')).toEqual(rows);
});

test('values are said in a line', () => {
  expect(line({ vr: 'PN', Value: [{ Alphabetic: 'A', Ideographic: 'B' }] })).toBe('A=B');
  expect(line({ vr: 'CS', Value: ['A', null, 'B'] })).toBe('A\\\\B');
  expect(line({ vr: 'OB', InlineBinary: 'AAAA' })).toBe('(3 bytes)');
  expect(line(undefined)).toBe('');
});
