// SPDX-License-Identifier: Apache-2.0
// A Segmentation drawn on the images that it was made of: each segment by itself, so that where two lie on one another
// both are seen, with a fill and an outline of their own.  Drawn on a canvas between the image and the measurements.
import { text } from '../dicomweb/model';
import type { StackImage, View } from './engine';
import { frameBytes, type Mask, masksOf, type Segment, type Segmentation, type SegmentFrame } from './segmentation';

const AT_ONCE = 4;
const OUTLINE_PX = 2;
const SAME_PLACE_MM = 0.01;

export interface Look {
  /** Opacities, 0 to 1. */
  fill: number;
  outline: number;
  isShown: boolean;
}

export const firstLook: Look = { fill: 0.35, outline: 1, isShown: true };

/** Along the borders of the pixels between inside and outside, in pixels of the image. */
export function outlineOf(mask: Mask, columns: number, rows: number): [number, number, number, number][] {
  const lines: [number, number, number, number][] = [];
  const isIn = (x: number, y: number) => x >= 0 && y >= 0 && x < columns && y < rows && mask[y * columns + x] === 1;
  for (let y = 0; y <= rows; y++) {
    for (let x = 0, from = -1; x <= columns; x++) {
      const isBorder = x < columns && isIn(x, y - 1) !== isIn(x, y);
      if (isBorder && from < 0) from = x;
      if (!isBorder && from >= 0) {
        lines.push([from, y, x, y]);
        from = -1;
      }
    }
  }
  for (let x = 0; x <= columns; x++) {
    for (let y = 0, from = -1; y <= rows; y++) {
      const isBorder = y < rows && isIn(x - 1, y) !== isIn(x, y);
      if (isBorder && from < 0) from = y;
      if (!isBorder && from >= 0) {
        lines.push([x, from, x, y]);
        from = -1;
      }
    }
  }
  return lines;
}

/** The index of the image that each frame lies on: by name, else by place; -1 if it is not among them. */
export function placesOf(segmentation: Segmentation, images: StackImage[]): number[] {
  const byName = new Map(
    images.map((image, index) => [`${text(image.instance, 'SOPInstanceUID')} ${image.frame}`, index]),
  );
  const positions = images.map((image) => (image.instance['00200032']?.Value as number[] | undefined)?.map(Number));
  const isSame = (one: number[], other: number[] | undefined) =>
    other !== undefined &&
    one.every((coordinate, axis) => Math.abs(coordinate - (other[axis] ?? Number.NaN)) < SAME_PLACE_MM);
  return segmentation.frames.map(({ source, sourceFrame, position }: SegmentFrame) => {
    if (source) return byName.get(`${source} ${sourceFrame}`) ?? -1;
    return position ? positions.findIndex((other) => isSame(position, other)) : -1;
  });
}

interface Picture {
  fill: HTMLCanvasElement;
  outline: Path2D;
}

/** A mask as something to draw: a coloured picture and a path. */
function pictureOf(mask: Mask, { columns, rows }: Segmentation, [red, green, blue]: Segment['color']): Picture {
  const fill = document.createElement('canvas');
  fill.width = columns;
  fill.height = rows;
  const pixels = new ImageData(columns, rows);
  for (let index = 0; index < mask.length; index++) {
    if (mask[index]) pixels.data.set([red, green, blue, 255], 4 * index);
  }
  fill.getContext('2d')?.putImageData(pixels, 0, 0);
  const outline = new Path2D();
  for (const [x0, y0, x1, y1] of outlineOf(mask, columns, rows)) {
    outline.moveTo(x0, y0);
    outline.lineTo(x1, y1);
  }
  return { fill, outline };
}

export class Overlay {
  readonly segmentation: Segmentation;
  readonly #view: View;
  readonly #canvas = document.createElement('canvas');
  readonly #abort = new AbortController();
  readonly #places: number[];
  /** The frames on each image, as they came: a bit per pixel, mostly. */
  readonly #frames = new Map<number, { frame: SegmentFrame; bytes: Uint8Array }[]>();
  readonly #looks = new Map<number, Look>();
  #pictures = new Map<number, Picture>();
  #pictured = -1;

  constructor(view: View, images: StackImage[], segmentation: Segmentation) {
    const [first] = images;
    if (
      first &&
      (first.instance['00280010']?.Value?.[0] !== segmentation.rows ||
        first.instance['00280011']?.Value?.[0] !== segmentation.columns)
    )
      throw new RangeError('grid');
    this.#view = view;
    this.segmentation = segmentation;
    this.#places = placesOf(segmentation, images);
    Object.assign(this.#canvas.style, {
      position: 'absolute',
      inset: '0',
      width: '100%',
      height: '100%',
      pointerEvents: 'none',
    });
    this.#canvas.dataset.overlay = segmentation.uids.instance ?? '';
    view.addLayer(this.#canvas);
    view.onRendered(() => this.#draw(), this.#abort.signal);
  }

  /** The middle one of the images on which a segment has pixels; undefined if it has none. */
  middleOf(segment: number): number | undefined {
    const found = [...this.#frames]
      .filter(([, frames]) =>
        frames.some(({ frame, bytes }) =>
          frame.segment === undefined
            ? masksOf(this.segmentation, frame, bytes).get(segment)?.includes(1)
            : frame.segment === segment && bytes.some((byte) => byte !== 0),
        ),
      )
      .map(([place]) => place)
      .sort((a, b) => a - b);
    return found[found.length >> 1];
  }

  /** Fetch and draw every frame, those next to the image in view first. */
  async load(): Promise<void> {
    const here = this.#view.slice;
    const waiting = this.segmentation.frames
      .filter((_frame, index) => (this.#places[index] as number) >= 0)
      .sort((a, b) => Math.abs(this.#placeOf(a) - here) - Math.abs(this.#placeOf(b) - here));
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) await this.#fetch(next);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    this.#draw();
  }

  #placeOf(frame: SegmentFrame): number {
    return this.#places[frame.frame - 1] as number;
  }

  async #fetch(frame: SegmentFrame): Promise<void> {
    const bytes = await frameBytes(this.segmentation, frame.frame, this.#abort.signal);
    const place = this.#placeOf(frame);
    this.#frames.set(place, [...(this.#frames.get(place) ?? []), { frame, bytes }]);
    if (place !== this.#pictured) return;
    this.#pictured = -1;
    this.#draw();
  }

  /** How one segment is drawn. */
  look(segment: number, look: Look): void {
    this.#looks.set(segment, look);
    this.#draw();
  }

  #prepare(slice: number): void {
    if (slice === this.#pictured) return;
    const colors = new Map(this.segmentation.segments.map(({ number, color }) => [number, color]));
    this.#pictures = new Map();
    for (const { frame, bytes } of this.#frames.get(slice) ?? []) {
      for (const [number, mask] of masksOf(this.segmentation, frame, bytes)) {
        const color = colors.get(number);
        if (color) this.#pictures.set(number, pictureOf(mask, this.segmentation, color));
      }
    }
    this.#pictured = slice;
  }

  #draw(): void {
    const context = this.#canvas.getContext('2d');
    const place = this.#view.imageOnScreen();
    if (!context || !place || this.#abort.signal.aborted) return;
    this.#prepare(this.#view.slice);
    const ratio = window.devicePixelRatio || 1;
    this.#canvas.width = Math.round(this.#canvas.clientWidth * ratio);
    this.#canvas.height = Math.round(this.#canvas.clientHeight * ratio);
    context.setTransform(new DOMMatrix([ratio, 0, 0, ratio, 0, 0]).multiply(place));
    context.imageSmoothingEnabled = false;
    const scale = Math.hypot(place.a, place.b) || 1;
    for (const { number, color } of this.segmentation.segments) {
      const picture = this.#pictures.get(number);
      const look = this.#looks.get(number) ?? firstLook;
      if (!picture || !look.isShown) continue;
      context.globalAlpha = look.fill;
      context.drawImage(picture.fill, 0, 0);
      if (look.outline === 0) continue;
      context.globalAlpha = look.outline;
      context.strokeStyle = `rgb(${color.join(',')})`;
      context.lineWidth = OUTLINE_PX / scale;
      context.stroke(picture.outline);
    }
  }

  done(): void {
    this.#abort.abort();
    this.#canvas.remove();
  }
}
