// SPDX-License-Identifier: Apache-2.0
// Ids as folders: study_id/series_id/image_id, under which an image was stored, beside the UIDs of DICOM.
import { getJson } from '../api/http';
import type { ImageLink } from '../api/schema';

export interface Named {
  study: string;
  series: string;
  instance: string;
}

/** A UID is at least two numbers with a dot; a folder that looks so as well is asked for as a UID. */
export const isUid = (value: string): boolean => /^[0-2](\.(0|[1-9]\d*))+$/.test(value) && value.length <= 64;

async function list(study: string, series: string | undefined, signal?: AbortSignal): Promise<ImageLink[]> {
  const query = new URLSearchParams({ uids: 'true', limit: series === undefined ? '1' : '10000' });
  if (series) query.set('series_id', series);
  const path = study.split('/').map(encodeURIComponent).join('/');
  return getJson<ImageLink[]>(`/pacs/studies/${path}/images?${query}`, signal);
}

const named = (link: ImageLink | undefined): Named | undefined =>
  link && {
    study: link.study_instance_uid ?? '',
    series: link.series_instance_uid ?? '',
    instance: link.sop_instance_uid ?? '',
  };

/** The first image below a folder (study_id or study_id/series_id), or the image of a whole key; none if there is none. */
export async function findByKey(key: string, signal?: AbortSignal): Promise<Named | undefined> {
  const id = key.replace(/^\/+|\/+$/g, '');
  if (!id) return undefined;
  const [first] = await list(id, undefined, signal);
  if (first) return named(first);
  const folder = id.slice(0, Math.max(0, id.lastIndexOf('/')));
  if (!folder) return undefined;
  const fits = (link: ImageLink) => link.key === id || link.key.replace(/\.dcm$/i, '') === id;
  return named((await list(folder, '', signal)).find(fits));
}

/** An image of a series (else its first), each by UID or by what it was stored under. */
export async function findImage(
  study: string,
  series: string,
  image: string | undefined,
  signal?: AbortSignal,
): Promise<Named | undefined> {
  const links = await list(study, series, signal);
  const isWanted = (link: ImageLink) =>
    link.sop_instance_uid === image || link.key.replace(/\.dcm$/i, '').endsWith(`/${image?.replace(/\.dcm$/i, '')}`);
  return named((image && links.find(isWanted)) || links[0]);
}
