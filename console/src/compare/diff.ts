// SPDX-License-Identifier: Apache-2.0
// Two headers side by side: what differs, and whether that was to be expected.
import type { DataSet, Element } from '../dicomweb/model';

export type Verdict = 'same' | 'expected' | 'unexpected';

export interface Row {
  tag: string;
  name: string;
  left: string;
  right: string;
  verdict: Verdict;
}

/** The fourteen that the reference's page shows, in its order; they come first. */
export const firstTags = [
  ['00100020', 'PatientID'],
  ['00100010', 'PatientName'],
  ['0020000D', 'StudyInstanceUID'],
  ['00080020', 'StudyDate'],
  ['00080030', 'StudyTime'],
  ['00080050', 'AccessionNumber'],
  ['0020000E', 'SeriesInstanceUID'],
  ['00200011', 'SeriesNumber'],
  ['0008103E', 'SeriesDescription'],
  ['00080060', 'Modality'],
  ['00080008', 'ImageType'],
  ['00080023', 'ContentDate'],
  ['00080033', 'ContentTime'],
  ['00181030', 'ProtocolName'],
] as const;

/** What a derived image must have in common with its original: the patient, the study, the place. */
const mustBeEqual = new Set([
  '00100010',
  '00100020',
  '00100030',
  '00100040',
  '0020000D',
  '00080020',
  '00080030',
  '00080050',
  '00200010',
  '00200052',
  '00200032',
  '00200037',
  '00280030',
  '00280010',
  '00280011',
]);

/** A value in a line; of what is long, how much there is. */
export function line(element: Element | undefined): string {
  if (!element) return '';
  if (element.BulkDataURI) return '(bulk data)';
  if (element.InlineBinary) return `(${Math.floor((element.InlineBinary.length * 3) / 4)} bytes)`;
  if (element.vr === 'SQ') return `(${element.Value?.length ?? 0} items)`;
  return (element.Value ?? [])
    .map((value) => {
      if (value === null) return '';
      return typeof value === 'object' ? Object.values(value as Record<string, string>).join('=') : String(value);
    })
    .join('\\');
}

/** The rows of both headers by tag, the known ones first; sequences item by item, with their path. */
export function compare(left: DataSet, right: DataSet, names: ReadonlyMap<string, string> = new Map()): Row[] {
  const rows: Row[] = [];
  walk(left, right, '', names, rows);
  const first = new Map<string, number>(firstTags.map(([tag], index) => [tag, index]));
  return rows.sort((a, b) => (first.get(a.tag) ?? 99) - (first.get(b.tag) ?? 99) || (a.tag < b.tag ? -1 : 1));
}

function walk(left: DataSet, right: DataSet, path: string, names: ReadonlyMap<string, string>, rows: Row[]): void {
  const known = new Map<string, string>(firstTags.map(([tag, name]) => [tag, name]));
  for (const tag of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const one = left[tag];
    const other = right[tag];
    const equal =
      JSON.stringify(one?.Value ?? null) === JSON.stringify(other?.Value ?? null) && line(one) === line(other);
    rows.push({
      tag: path + tag,
      name: names.get(tag) ?? known.get(tag) ?? '',
      left: line(one),
      right: line(other),
      verdict: equal ? 'same' : mustBeEqual.has(path + tag) ? 'unexpected' : 'expected',
    });
    if (one?.vr !== 'SQ' && other?.vr !== 'SQ') continue;
    const items = Math.max(one?.Value?.length ?? 0, other?.Value?.length ?? 0);
    for (let index = 0; index < items; index++) {
      const inLeft = (one?.Value?.[index] ?? {}) as DataSet;
      const inRight = (other?.Value?.[index] ?? {}) as DataSet;
      walk(inLeft, inRight, `${path}${tag}[${index + 1}].`, names, rows);
    }
  }
}

/** Rows in which a word occurs (in tag, name or a value), with the sequences that they lie in. */
export function matching(rows: Row[], word: string): Row[] {
  const needle = word.trim().toLowerCase();
  if (!needle) return rows;
  const hits = rows.filter((row) =>
    [row.tag, row.name, row.left, row.right].some((text) => text.toLowerCase().includes(needle)),
  );
  const parents = new Set(
    hits.flatMap((row) => [...row.tag.matchAll(/\[\d+\]\./g)].map((match) => row.tag.slice(0, match.index))),
  );
  const kept = new Set(hits);
  return rows.filter((row) => kept.has(row) || parents.has(row.tag));
}
