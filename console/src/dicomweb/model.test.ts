// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { type DataSet, date, number, personName, text, texts, time } from './model';

const dataSet: DataSet = {
  '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎' }] },
  '00080008': { vr: 'CS', Value: ['DERIVED', null, 'AXIAL'] },
  '00200013': { vr: 'IS', Value: ['12'] },
  '00281050': { vr: 'DS', Value: [40.5] },
  '00100020': { vr: 'LO' },
};

test('values are read by keyword, absent ones as nothing', () => {
  expect(text(dataSet, 'PatientName')).toBe('Yamada, Tarou');
  expect(text(dataSet, 'PatientID')).toBe('');
  expect(text(dataSet, 'StudyID')).toBe('');
  expect(texts(dataSet, 'ImageType')).toEqual(['DERIVED', '', 'AXIAL']);
  expect(number(dataSet, 'InstanceNumber')).toBe(12);
  expect(number(dataSet, 'WindowCenter')).toBe(40.5);
  expect(number(dataSet, 'Rows')).toBeUndefined();
});

test('names are put in reading order', () => {
  expect(personName({ Alphabetic: 'Adams^John Robert Quincy^^Rev.^B.A. M.Div.' })).toBe(
    'Adams, Rev. John Robert Quincy B.A. M.Div.',
  );
  expect(personName({ Ideographic: '山田^太郎' })).toBe('山田, 太郎');
  expect(personName({})).toBe('');
});

test('dates and times are written as people do, and what is none is left alone', () => {
  expect(date('20260131', 'en')).toBe('Jan 31, 2026');
  expect(date('20260131', 'it')).toBe('31 gen 2026');
  expect(date('2026.01.31', 'en')).toBe('Jan 31, 2026');
  expect(date('20261331', 'en')).toBe('20261331');
  expect(date('unknown', 'en')).toBe('unknown');
  expect(time('101112.345')).toBe('10:11:12');
  expect(time('10')).toBe('10:00');
});
