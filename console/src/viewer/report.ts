// SPDX-License-Identifier: Apache-2.0
// The content tree of a structured report (PS3.3 section C.17.3), as far as it is read aloud: names and values.
import type { DataSet } from '../dicomweb/model';

export interface Entry {
  name: string;
  value: string;
  isMeasured: boolean;
  entries: Entry[];
}

const items = (dataSet: DataSet | undefined, tag: string) => (dataSet?.[tag]?.Value ?? []) as DataSet[];
const first = (dataSet: DataSet | undefined, tag: string) => dataSet?.[tag]?.Value?.[0];
const meaning = (code: DataSet | undefined) => String(first(code, '00080104') ?? '');

/** The unit as it is written (UCUM), but for those that only say that there is none. */
function unit(code: DataSet | undefined): string {
  const value = String(first(code, '00080100') ?? '');
  if (value === '1' || /^\{.*\}$/.test(value)) return value === '1' ? '' : value.slice(1, -1);
  return value === "[hnsf'U]" ? 'HU' : value.replace(/^mm2$/, 'mm²').replace(/^mm3$/, 'mm³');
}

function words(item: DataSet, format: (value: number) => string): string {
  switch (first(item, '0040A040')) {
    case 'NUM': {
      const measured = items(item, '0040A300')[0];
      const value = first(measured, '0040A30A');
      if (value === undefined) return '';
      return `${format(Number(value))} ${unit(items(measured, '004008EA')[0])}`.trim();
    }
    case 'CODE':
      return meaning(items(item, '0040A168')[0]);
    case 'TEXT':
      return String(first(item, '0040A160') ?? '');
    case 'PNAME':
      return Object.values((first(item, '0040A123') as Record<string, string> | undefined) ?? {})[0] ?? '';
    case 'UIDREF':
      return String(first(item, '0040A124') ?? '');
    case 'DATE':
      return String(first(item, '0040A121') ?? '');
    case 'DATETIME':
      return String(first(item, '0040A120') ?? '');
    default:
      return '';
  }
}

/** What stands below an item; what has neither a value nor anything below (a reference to an image) is left out. */
export function entriesOf(header: DataSet, format: (value: number) => string): Entry[] {
  return items(header, '0040A730').flatMap((item): Entry[] => {
    const entries = entriesOf(item, format);
    const value = words(item, format);
    if (!value && entries.length === 0) return [];
    const isMeasured = first(item, '0040A040') === 'NUM';
    return [{ name: meaning(items(item, '0040A043')[0]), value, isMeasured, entries }];
  });
}

export const titleOf = (header: DataSet): string => meaning(items(header, '0040A043')[0]);
