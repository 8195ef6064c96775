// SPDX-License-Identifier: Apache-2.0
// What was made of what: the series of a study, those that were derived behind the one that they come from.
import { search } from '../dicomweb/client';
import { type DataSet, number, text } from '../dicomweb/model';

/** A series with what its first image says of all. */
export interface Part {
  uid: string;
  series: DataSet;
  /** The first image, in the order of arrival. */
  instance: string;
  hasPixels: boolean;
  /** UID of the series that it was made of. */
  parent?: string;
}

export interface Group {
  original: Part;
  derived: Part[];
}

const named = ['00081115', '00082112', '0040A375', 'Rows'].join(',');
const items = (dataSet: DataSet | undefined, tag: string) => (dataSet?.[tag]?.Value ?? []) as DataSet[];
const uidIn = (dataSet: DataSet | undefined, tag: string) => String(dataSet?.[tag]?.Value?.[0] ?? '');

/** The series that a header names as its source, and else the image. */
export function sourceOf(header: DataSet): { series?: string; instance?: string } {
  const evidence = items(header, '0040A375').flatMap((study) => items(study, '00081115'));
  const series = uidIn([...items(header, '00081115'), ...evidence][0], '0020000E');
  const instance = uidIn(items(header, '00082112')[0], '00081155');
  return { ...(series ? { series } : {}), ...(instance ? { instance } : {}) };
}

/** Look at the first image of each series, and up the series of the images that they name. */
export async function loadParts(study: string, series: DataSet[], signal: AbortSignal): Promise<Part[]> {
  const path = `studies/${encodeURIComponent(study)}`;
  return Promise.all(
    series.map(async (one) => {
      const uid = text(one, 'SeriesInstanceUID');
      const query = { limit: 1, includefield: named };
      const { items: found } = await search(`${path}/series/${encodeURIComponent(uid)}/instances`, query, signal);
      const header = found[0] ?? {};
      const source = sourceOf(header);
      const parent = source.series ?? (source.instance && (await seriesOf(path, source.instance, signal)));
      return {
        uid,
        series: one,
        instance: text(header, 'SOPInstanceUID'),
        hasPixels: number(header, 'Rows') !== undefined,
        ...(parent ? { parent } : {}),
      };
    }),
  );
}

async function seriesOf(path: string, instance: string, signal: AbortSignal): Promise<string | undefined> {
  const { items: found } = await search(`${path}/instances`, { SOPInstanceUID: instance, limit: 1 }, signal);
  return found[0] && text(found[0], 'SeriesInstanceUID');
}

const order = (a: Part, b: Part) =>
  (number(a.series, 'SeriesNumber') ?? 1e9) - (number(b.series, 'SeriesNumber') ?? 1e9) ||
  text(a.series, 'SeriesDescription').localeCompare(text(b.series, 'SeriesDescription'));

/** Originals by their number, each with all that comes from it; whose source is not here stands by itself. */
export function groups(parts: Part[]): Group[] {
  const byUid = new Map(parts.map((part) => [part.uid, part]));
  const rootOf = (part: Part): Part => {
    const seen = new Set<string>();
    let at = part;
    for (let up = at.parent && byUid.get(at.parent); up; up = at.parent && byUid.get(at.parent)) {
      if (seen.has(up.uid) || up === part) return part; // they name each other
      seen.add(up.uid);
      at = up;
    }
    return at;
  };
  const found = new Map<Part, Part[]>();
  for (const part of parts) {
    const root = rootOf(part);
    found.set(root, [...(found.get(root) ?? []), ...(root === part ? [] : [part])]);
  }
  return [...found]
    .map(([original, derived]) => ({ original, derived: derived.sort(byDescription) }))
    .sort((a, b) => order(a.original, b.original));
}

/** What one algorithm made stands together. */
const byDescription = (a: Part, b: Part) =>
  text(a.series, 'SeriesDescription').localeCompare(text(b.series, 'SeriesDescription')) || order(a, b);
