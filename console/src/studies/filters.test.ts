// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { StudyFilters, studyQuery } from './filters';
import { blocksOf } from './useStudies';

test('what is typed is looked for as a part, unless wildcards say otherwise', () => {
  expect(studyQuery({ patient: ' doe ' }).PatientName).toBe('*doe*');
  expect(studyQuery({ patient: 'Doe^J*' }).PatientName).toBe('Doe^J*');
  expect(studyQuery({ patient: '  ' }).PatientName).toBeUndefined();
});

test('a UID is looked for as it is', () => {
  expect(studyQuery({ id: '1.2.840.113619.2' })).toMatchObject({ StudyInstanceUID: '1.2.840.113619.2' });
  expect(studyQuery({ id: 'P-1' })).toMatchObject({ PatientID: '*P-1*' });
  expect(studyQuery({ id: '1.2' })).toMatchObject({ PatientID: '*1.2*' });
});

test('dates are a range, open where nothing is given', () => {
  expect(studyQuery({ from: '2026-01-02', until: '2026-01-31' }).StudyDate).toBe('20260102-20260131');
  expect(studyQuery({ from: '2026-01-02' }).StudyDate).toBe('20260102-');
  expect(studyQuery({ until: '2026-01-02' }).StudyDate).toBe('-20260102');
  expect(studyQuery({ from: '2026-01-02', until: '2026-01-02' }).StudyDate).toBe('20260102');
  expect(studyQuery({}).StudyDate).toBeUndefined();
});

test('an address that makes no sense is an empty filter', () => {
  expect(StudyFilters.parse({ patient: 5, modality: 'ct', other: 'x' })).toEqual({ modality: 'ct' });
});

test('rows of the list, newest first, lie in blocks of the order of arrival', () => {
  expect(blocksOf(0, 0, 10)).toEqual([]);
  expect(blocksOf(1, -20, 20)).toEqual([0]);
  expect(blocksOf(250, 0, 10)).toEqual([2]);
  expect(blocksOf(250, 40, 60)).toEqual([2, 1]);
  expect(blocksOf(250, 45, 160)).toEqual([2, 1, 0]);
  expect(blocksOf(10_000, 9_990, 10_020)).toEqual([0]);
});
