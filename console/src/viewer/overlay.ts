// SPDX-License-Identifier: Apache-2.0
// A Segmentation drawn on the images that it was made of.
import { imageLoader } from '@cornerstonejs/core';
import { segmentation as labelmaps, Enums as ToolEnums } from '@cornerstonejs/tools';
import { text } from '../dicomweb/model';
import type { StackImage, View } from './engine';
import { frameBits, paint, type Segmentation } from './segmentation';

const type = ToolEnums.SegmentationRepresentations.Labelmap;
const AT_ONCE = 4;
let nextId = 1;

export interface Look {
  fill: number;
  outline: number;
  isShown: boolean;
}

export const firstLook: Look = { fill: 0.35, outline: 1, isShown: true };

/** The labels of each image, painted frame by frame, a few requests at a time. */
async function labelsOf(segmentation: Segmentation, images: StackImage[]): Promise<string[]> {
  const derived = imageLoader.createAndCacheDerivedLabelmapImages(images.map((image) => image.imageId));
  const bySource = new Map(images.map((image, index) => [text(image.instance, 'SOPInstanceUID'), index]));
  const waiting = segmentation.frames.filter((frame) => bySource.has(frame.source));
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const image = derived[bySource.get(next.source) as number];
      const labels = image?.voxelManager?.getScalarData();
      if (labels) paint(await frameBits(segmentation, next.frame), next.segment, labels);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return derived.map((image) => image.imageId);
}

export class Overlay {
  readonly #id = `overlay-${nextId++}`;
  readonly #view: View;
  readonly segmentation: Segmentation;

  constructor(view: View, segmentation: Segmentation) {
    this.#view = view;
    this.segmentation = segmentation;
  }

  async draw(images: StackImage[]): Promise<void> {
    const imageIds = await labelsOf(this.segmentation, images);
    const viewport = this.#view.viewport.id;
    labelmaps.addSegmentations([{ segmentationId: this.#id, representation: { type, data: { imageIds } } }]);
    await labelmaps.addLabelmapRepresentationToViewport(viewport, [{ segmentationId: this.#id, type }]);
    for (const { number, color } of this.segmentation.segments) {
      labelmaps.config.color.setSegmentIndexColor(viewport, this.#id, number, [...color, 255]);
      this.look(number, firstLook);
    }
  }

  /** How one segment is drawn. */
  look(segmentIndex: number, { fill, outline, isShown }: Look): void {
    const viewport = this.#view.viewport.id;
    labelmaps.config.visibility.setSegmentIndexVisibility(
      viewport,
      { segmentationId: this.#id, type },
      segmentIndex,
      isShown,
    );
    labelmaps.segmentationStyle.setStyle(
      { type, segmentationId: this.#id, segmentIndex },
      { fillAlpha: fill, renderFill: true, renderOutline: outline > 0, outlineOpacity: outline, outlineWidth: 2 },
    );
    this.#view.viewport.render();
  }

  done(): void {
    labelmaps.removeSegmentation(this.#id);
  }
}

/** Draw it on what the view shows. */
export async function drawOverlay(view: View, images: StackImage[], segmentation: Segmentation): Promise<Overlay> {
  const overlay = new Overlay(view, segmentation);
  await overlay.draw(images);
  return overlay;
}
