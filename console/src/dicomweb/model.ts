// SPDX-License-Identifier: Apache-2.0
// The DICOM JSON Model (PS3.18 annex F) and what people want to read of it.

export interface Element {
  vr: string;
  Value?: unknown[];
  InlineBinary?: string;
  BulkDataURI?: string;
}
export type DataSet = Record<string, Element>;

/** Tags by their keywords (PS3.6), as far as the console names them. */
export const tags = {
  ImageType: '00080008',
  SOPClassUID: '00080016',
  SOPInstanceUID: '00080018',
  StudyDate: '00080020',
  SeriesDate: '00080021',
  ContentDate: '00080023',
  StudyTime: '00080030',
  ContentTime: '00080033',
  AccessionNumber: '00080050',
  Modality: '00080060',
  ModalitiesInStudy: '00080061',
  ReferringPhysicianName: '00080090',
  StudyDescription: '00081030',
  SeriesDescription: '0008103E',
  PatientName: '00100010',
  PatientID: '00100020',
  PatientBirthDate: '00100030',
  PatientSex: '00100040',
  ProtocolName: '00181030',
  StudyInstanceUID: '0020000D',
  SeriesInstanceUID: '0020000E',
  StudyID: '00200010',
  SeriesNumber: '00200011',
  InstanceNumber: '00200013',
  ImagePositionPatient: '00200032',
  ImageOrientationPatient: '00200037',
  FrameOfReferenceUID: '00200052',
  NumberOfStudyRelatedSeries: '00201206',
  NumberOfStudyRelatedInstances: '00201208',
  NumberOfSeriesRelatedInstances: '00201209',
  NumberOfFrames: '00280008',
  Rows: '00280010',
  Columns: '00280011',
  WindowCenter: '00281050',
  WindowWidth: '00281051',
} as const;
export type Keyword = keyof typeof tags;

const first = (dataSet: DataSet, keyword: Keyword): unknown => dataSet[tags[keyword]]?.Value?.[0];

/** The first value as text; '' if there is none. */
export function text(dataSet: DataSet, keyword: Keyword): string {
  const value = first(dataSet, keyword);
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? personName(value as PersonName) : String(value);
}

/** All values as text. */
export function texts(dataSet: DataSet, keyword: Keyword): string[] {
  return (dataSet[tags[keyword]]?.Value ?? []).map((value) => (value === null ? '' : String(value)));
}

/** The first value as a number; undefined if there is none. */
export function number(dataSet: DataSet, keyword: Keyword): number | undefined {
  const value = first(dataSet, keyword);
  const parsed =
    typeof value === 'number' ? value : typeof value === 'string' && value.trim() ? Number(value) : Number.NaN;
  return Number.isFinite(parsed) ? parsed : undefined;
}

export interface PersonName {
  Alphabetic?: string;
  Ideographic?: string;
  Phonetic?: string;
}

/** "Family, Given Middle" of the first group that is there (PS3.5 section 6.2.1.1); prefix and suffix around it. */
export function personName(name: PersonName): string {
  const group = name.Alphabetic ?? name.Ideographic ?? name.Phonetic ?? '';
  const [family = '', given = '', middle = '', prefix = '', suffix = ''] = group.split('^').map((part) => part.trim());
  const front = [prefix, given, middle].filter(Boolean).join(' ');
  return [[family, front].filter(Boolean).join(', '), suffix].filter(Boolean).join(' ');
}

/** A DA as people of a language write it; what is no date stays as it is. */
export function date(value: string, language: string): string {
  const match = /^(\d{4})(\d{2})(\d{2})$/.exec(value.replaceAll('.', ''));
  if (!match) return value;
  const day = new Date(Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])));
  if (day.getUTCMonth() !== Number(match[2]) - 1) return value;
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeZone: 'UTC' }).format(day);
}

/** A TM as hours and minutes (and seconds if there are any). */
export function time(value: string): string {
  const match = /^(\d{2}):?(\d{2})?:?(\d{2})?/.exec(value);
  return match ? [match[1], match[2] ?? '00', match[3]].filter(Boolean).join(':') : value;
}
