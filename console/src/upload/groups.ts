// SPDX-License-Identifier: Apache-2.0
// Files by the folder that they came from.
import type { FileState, Item } from './queue';

export type Counts = Record<FileState, number>;

export interface Group {
  kind: 'group';
  /** '' are files that were chosen by themselves. */
  folder: string;
  items: readonly Item[];
  counts: Counts;
  /** Of all that is stored; undefined if nothing is, or if it is of several. */
  study?: string;
}

export interface FileRow {
  kind: 'file';
  item: Item;
  name: string;
}

export function countsOf(items: readonly Item[]): Counts {
  const counts: Counts = { waiting: 0, sending: 0, stored: 0, duplicate: 0, refused: 0 };
  for (const item of items) counts[item.state]++;
  return counts;
}

const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/** A row for each folder, by name, its files behind it in the order in which they came. */
export function groupRows(items: readonly Item[]): (Group | FileRow)[] {
  const folders = new Map<string, Item[]>();
  for (const item of items) {
    const folder = folderOf(item.path);
    const known = folders.get(folder);
    if (known) known.push(item);
    else folders.set(folder, [item]);
  }
  const sorted = [...folders].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.flatMap(([folder, inside]): (Group | FileRow)[] => {
    const studies = new Set(inside.flatMap((item) => item.study ?? []));
    const study = studies.size === 1 ? [...studies][0] : undefined;
    const skipped = folder ? folder.length + 1 : 0;
    return [
      { kind: 'group', folder, items: inside, counts: countsOf(inside), study },
      ...inside.map((item): FileRow => ({ kind: 'file', item, name: item.path.slice(skipped) })),
    ];
  });
}
