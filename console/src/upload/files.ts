// SPDX-License-Identifier: Apache-2.0
// What was dropped: files and folders, all the way down.

export interface Found {
  file: File;
  path: string;
}

/** readEntries() gives a hundred at a time, until it gives none. */
async function children(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

async function walk(entry: FileSystemEntry): Promise<Found[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ file, path: entry.fullPath.replace(/^\//, '') }];
  }
  const found: Found[] = [];
  for (const child of await children(entry as FileSystemDirectoryEntry)) found.push(...(await walk(child)));
  return found;
}

/** The files of a drop.  The entries must be taken before anything is awaited: the browser empties the list. */
export async function fromDrop(transfer: DataTransfer): Promise<Found[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found: Found[] = [];
  for (const entry of entries) found.push(...(await walk(entry)));
  return found;
}

/** The files that were chosen in a dialogue, a folder's with their paths. */
export function fromInput(files: FileList): Found[] {
  return [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}
