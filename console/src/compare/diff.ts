// SPDX-License-Identifier: Apache-2.0
// Two headers side by side: what differs, and whether that was to be expected.
import type { DataSet, Element } from '../dicomweb/model';

/** changed: differs, and neither has to nor must not. */
export type Verdict = 'same' | 'expected' | 'changed' | 'unexpected';

export interface Row {
  tag: string;
  name: string;
  left: string;
  right: string;
  verdict: Verdict;
}

/** The fourteen that the reference's page shows, in its order; they come first, and are there even if both lack them. */
export const firstTags = [
  '00100020',
  '00100010',
  '0020000D',
  '00080020',
  '00080030',
  '00080050',
  '0020000E',
  '00200011',
  '0008103E',
  '00080060',
  '00080008',
  '00080023',
  '00080033',
  '00181030',
];

/** What a derived image must have in common with its original: the study and the place; and the patient, group 0010. */
const mustBeEqual = new Set([
  '0020000D',
  '00080020',
  '00080030',
  '00080050',
  '00200010',
  '00180050',
  '00180088',
  '00200032',
  '00200037',
  '00200052',
  '00201041',
  '00280010',
  '00280011',
  '00280030',
]);

/** What is another in every derived image: who it is, when and how it was made, how its pixels are written. */
const mayDiffer = new Set([
  ...['00080005', '00080008', '00080012', '00080013', '00080016', '00080018', '00080021', '00080023', '00080031'],
  ...['00080033', '00080060', '00080064', '00080070', '00081090', '0008103E', '00082111', '00082112', '00083010'],
  ...['00181000', '00181016', '00181018', '00181019', '00181020', '00181030', '0020000E', '00200011', '00200013'],
  ...['00204000', '00280002', '00280004', '00280006', '00280100', '00280101', '00280102', '00280103', '00280106'],
  ...['00280107', '00280301', '00281050', '00281051', '00281052', '00281053', '00281054', '00281055', '00282110'],
  ...['00282112', '00282114', '00400244', '00400245', '0040A170', '7FE00010', '7FE00001', '7FE00002'],
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

function verdictOf(path: string, one: Element | undefined, other: Element | undefined): Verdict {
  const isEqual =
    JSON.stringify(one?.Value ?? null) === JSON.stringify(other?.Value ?? null) && line(one) === line(other);
  if (isEqual) return 'same';
  const isBoth = line(one) !== '' && line(other) !== '';
  if (mustBeEqual.has(path) || (path.startsWith('0010') && isBoth)) return 'unexpected';
  const root = path.slice(0, 8);
  return mayDiffer.has(root) || !isBoth ? 'expected' : 'changed';
}

export type Names = Readonly<Record<string, string>>;

/** The rows of both headers by tag, the first ones first; sequences item by item, with their path. */
export function compare(left: DataSet, right: DataSet, names: Names = {}): Row[] {
  const rows: Row[] = [];
  walk(left, right, '', names, rows);
  const missing = firstTags.filter((tag) => !left[tag] && !right[tag]);
  for (const tag of missing) rows.push({ tag, name: names[tag] ?? '', left: '', right: '', verdict: 'same' });
  const first = new Map(firstTags.map((tag, index) => [tag, index]));
  const place = (row: Row) => first.get(row.tag) ?? firstTags.length;
  return rows.sort((a, b) => place(a) - place(b) || (a.tag < b.tag ? -1 : 1));
}

function walk(left: DataSet, right: DataSet, path: string, names: Names, rows: Row[]): void {
  for (const tag of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const one = left[tag];
    const other = right[tag];
    rows.push({
      tag: path + tag,
      name: names[tag] ?? '',
      left: line(one),
      right: line(other),
      verdict: verdictOf(path + tag, one, other),
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

/** "00082112[1].00081155" as people write it: (0008,2112)[1] (0008,1155). */
export const written = (path: string): string =>
  path.replace(/([0-9A-F]{4})([0-9A-F]{4})/g, '($1,$2)').replaceAll('].', '] ');

/** Rows in which a word occurs (in tag, name or a value), with the sequences that they lie in. */
export function matching(rows: Row[], word: string): Row[] {
  const needle = word.trim().toLowerCase();
  if (!needle) return rows;
  const hits = rows.filter((row) =>
    [row.tag, written(row.tag), row.name, row.left, row.right].some((text) => text.toLowerCase().includes(needle)),
  );
  return withParents(rows, hits);
}

/** Some of the rows, with the sequences that they lie in. */
export function withParents(rows: Row[], hits: Row[]): Row[] {
  const parents = new Set(
    hits.flatMap((row) => [...row.tag.matchAll(/\[\d+\]\./g)].map((match) => row.tag.slice(0, match.index))),
  );
  const kept = new Set(hits);
  return rows.filter((row) => kept.has(row) || parents.has(row.tag));
}
