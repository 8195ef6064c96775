// SPDX-License-Identifier: Apache-2.0
// A DICOM Segmentation (PS3.3 section C.8.20), as far as it is drawn: its segments, and which pixels of which image
// each has.
import { ask } from '../api/http';
import { metadata, resource, search, type Uids } from '../dicomweb/client';
import { type DataSet, number, text } from '../dicomweb/model';

export interface Segment {
  number: number;
  label: string;
  color: [number, number, number];
}

export interface SegmentFrame {
  frame: number;
  /** undefined in a labelmap, whose pixels are numbers of segments. */
  segment: number | undefined;
  /** SOP Instance UID of the image that it lies on; '' if it says only where it is. */
  source: string;
  sourceFrame: number;
  /** Image Position (Patient), in mm. */
  position: number[] | undefined;
}

export interface Segmentation {
  uids: Uids;
  label: string;
  rows: number;
  columns: number;
  bits: number;
  /** In a fractional one: from here on a pixel counts as inside. */
  threshold: number;
  segments: Segment[];
  frames: SegmentFrame[];
}

const item = (dataSet: DataSet | undefined, tag: string) => dataSet?.[tag]?.Value?.[0] as DataSet | undefined;
const value = (dataSet: DataSet | undefined, tag: string) => dataSet?.[tag]?.Value?.[0];

/** Recommended Display CIELab Value (PS3.3 section C.10.7.1.1), of D50, as sRGB. */
export function colorOf(lab: readonly number[] | undefined): [number, number, number] {
  if (lab?.length !== 3) return [255, 0, 255];
  const [l, a, b] = [(lab[0] as number) / 655.35, (lab[1] as number) / 257 - 128, (lab[2] as number) / 257 - 128];
  const fy = (l + 16) / 116;
  const inverse = (f: number) => (f > 6 / 29 ? f ** 3 : 3 * (6 / 29) ** 2 * (f - 4 / 29));
  const [x, y, z] = [0.9642 * inverse(fy + a / 500), inverse(fy), 0.8251 * inverse(fy - b / 200)];
  const linear = [
    3.1338561 * x - 1.6168667 * y - 0.4906146 * z,
    -0.9787684 * x + 1.9161415 * y + 0.033454 * z,
    0.0719453 * x - 0.2289914 * y + 1.4052427 * z,
  ];
  return linear.map((c) => {
    const clipped = Math.min(Math.max(c, 0), 1);
    return Math.round(255 * (clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055));
  }) as [number, number, number];
}

/** What a header says of segments and frames. */
export function describe(uids: Uids, header: DataSet): Segmentation {
  const shared = item(header, '52009229');
  const perFrame = (header['52009230']?.Value ?? []) as DataSet[];
  const sourceOf = (group: DataSet | undefined) => item(item(group, '00089124'), '00082112');
  const isLabelmap = value(header, '00620001') === 'LABELMAP';
  return {
    uids,
    label: text(header, 'SeriesDescription'),
    rows: number(header, 'Rows') ?? 0,
    columns: number(header, 'Columns') ?? 0,
    bits: Number(value(header, '00280100') ?? 1),
    threshold: Math.ceil(Number(value(header, '0062000E') ?? 2) / 2),
    segments: ((header['00620002']?.Value ?? []) as DataSet[]).map((segment) => ({
      number: Number(value(segment, '00620004')),
      label: String(value(segment, '00620005') ?? ''),
      color: colorOf(segment['0062000D']?.Value as number[] | undefined),
    })),
    frames: perFrame.map((group, index) => {
      const source = sourceOf(group) ?? sourceOf(shared);
      const place = item(group, '00209113') ?? item(shared, '00209113');
      return {
        frame: index + 1,
        segment: isLabelmap
          ? undefined
          : Number(value(item(group, '0062000A') ?? item(shared, '0062000A'), '0062000B')),
        source: String(value(source, '00081155') ?? ''),
        sourceFrame: Number(value(source, '00081160') ?? 1),
        position: (place?.['00200032']?.Value as number[] | undefined)?.map(Number),
      };
    }),
  };
}

/** One byte per pixel, 1 inside. */
export type Mask = Uint8Array;

/** The masks in the bytes of one frame, by segment.  Bits begin with the lowest (PS3.5 section 8.2). */
export function masksOf(segmentation: Segmentation, frame: SegmentFrame, bytes: Uint8Array): Map<number, Mask> {
  const { rows, columns, bits, threshold, segments } = segmentation;
  const size = rows * columns;
  const has = (test: (index: number) => boolean): Mask => {
    const mask = new Uint8Array(size);
    for (let index = 0; index < size; index++) if (test(index)) mask[index] = 1;
    return mask;
  };
  const pixels = bits === 16 ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1) : bytes;
  if (frame.segment === undefined) {
    return new Map(segments.map(({ number }) => [number, has((index) => pixels[index] === number)]));
  }
  const test =
    bits === 1
      ? (index: number) => (((bytes[index >> 3] as number) >> (index & 7)) & 1) === 1
      : (index: number) => (pixels[index] as number) >= threshold;
  return new Map([[frame.segment, has(test)]]);
}

export async function loadSegmentation(uids: Uids, signal?: AbortSignal): Promise<Segmentation> {
  const [header] = await metadata(uids, signal);
  return describe(uids, header ?? {});
}

/** The pixels of one frame, as they are in the object. */
export async function frameBytes(
  segmentation: Segmentation,
  frame: number,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await ask(`${resource(segmentation.uids)}/frames/${frame}`, {
    headers: { Accept: 'application/octet-stream' },
    signal: signal ?? null,
  });
  return new Uint8Array(await response.arrayBuffer());
}

export interface Found {
  uids: Uids;
  label: string;
}

/** The Segmentations of a study that were made of one of its series (Referenced Series Sequence). */
export async function findSegmentations(study: string, series: string, signal?: AbortSignal): Promise<Found[]> {
  const path = `studies/${encodeURIComponent(study)}/instances`;
  const { items } = await search(path, { Modality: 'SEG', includefield: '00081115,SeriesDescription' }, signal);
  return items
    .filter((instance) =>
      ((instance['00081115']?.Value ?? []) as DataSet[]).some((one) => value(one, '0020000E') === series),
    )
    .map((instance) => ({
      uids: { study, series: text(instance, 'SeriesInstanceUID'), instance: text(instance, 'SOPInstanceUID') },
      label: text(instance, 'SeriesDescription') || text(instance, 'SOPInstanceUID'),
    }));
}
