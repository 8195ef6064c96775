// SPDX-License-Identifier: Apache-2.0
// A DICOM Segmentation (PS3.3 section C.8.20), as far as it is drawn: its segments, and which pixels of which image
// each has.
import { ask } from '../api/http';
import { metadata, resource, type Uids } from '../dicomweb/client';
import type { DataSet } from '../dicomweb/model';

export interface Segment {
  number: number;
  label: string;
  color: [number, number, number];
}

export interface SegmentFrame {
  frame: number;
  segment: number;
  /** SOP Instance UID of the image that it lies on. */
  source: string;
}

export interface Segmentation {
  uids: Uids;
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
  return {
    uids,
    segments: ((header['00620002']?.Value ?? []) as DataSet[]).map((segment) => ({
      number: Number(value(segment, '00620004')),
      label: String(value(segment, '00620005') ?? ''),
      color: colorOf(segment['0062000D']?.Value as number[] | undefined),
    })),
    frames: perFrame.map((group, index) => ({
      frame: index + 1,
      segment: Number(value(item(group, '0062000A') ?? item(shared, '0062000A'), '0062000B')),
      source: String(value(sourceOf(group) ?? sourceOf(shared), '00081155') ?? ''),
    })),
  };
}

/** Paint a frame of one bit per pixel, the first in bit 0 (PS3.5 section 8.2), into labels of one byte each. */
export function paint(bits: Uint8Array, segment: number, labels: { [index: number]: number; length: number }): void {
  for (let index = 0; index < labels.length; index++) {
    if (((bits[index >> 3] as number) >> (index & 7)) & 1) labels[index] = segment;
  }
}

export async function loadSegmentation(uids: Uids, signal?: AbortSignal): Promise<Segmentation> {
  const [header] = await metadata(uids, signal);
  return describe(uids, header ?? {});
}

/** The bits of one frame. */
export async function frameBits(segmentation: Segmentation, frame: number): Promise<Uint8Array> {
  const response = await ask(`${resource(segmentation.uids)}/frames/${frame}`, {
    headers: { Accept: 'application/octet-stream' },
  });
  return new Uint8Array(await response.arrayBuffer());
}
