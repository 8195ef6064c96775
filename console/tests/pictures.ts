// SPDX-License-Identifier: Apache-2.0
// What is drawn in a viewport: its canvases, one over the other, as pixels.
import type { Locator } from '@playwright/test';

export interface Picture {
  width: number;
  height: number;
  data: Buffer;
}

export async function picture(view: Locator): Promise<Picture> {
  const { width, height, text } = await view.evaluate((element) => {
    const layers = [...element.querySelectorAll('canvas')];
    const copy = document.createElement('canvas');
    copy.width = layers[0]?.width ?? 0;
    copy.height = layers[0]?.height ?? 0;
    if (copy.width === 0 || copy.height === 0) return { width: 0, height: 0, text: '' };
    const context = copy.getContext('2d') as CanvasRenderingContext2D;
    for (const layer of layers) context.drawImage(layer, 0, 0);
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    let text = '';
    for (let i = 0; i < data.length; i += 0x8000) text += String.fromCharCode(...data.subarray(i, i + 0x8000));
    return { width: copy.width, height: copy.height, text: btoa(text) };
  });
  return { width, height, data: Buffer.from(text, 'base64') };
}

/** Mean of grey, and how many pixels are no grey. */
export async function drawn(view: Locator): Promise<{ mean: number; coloured: number }> {
  const { data } = await picture(view);
  let sum = 0;
  let coloured = 0;
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b] = [data[i] as number, data[i + 1] as number, data[i + 2] as number];
    sum += (r + g + b) / 3;
    if (Math.max(r, g, b) - Math.min(r, g, b) > 24) coloured++;
  }
  return { mean: sum / Math.max(1, data.length / 4), coloured };
}

/** How many pixels two pictures of one size do not share. */
export function difference(one: Picture, other: Picture): number {
  let count = 0;
  for (let i = 0; i < one.data.length; i += 4) {
    if ([0, 1, 2].some((c) => Math.abs((one.data[i + c] as number) - (other.data[i + c] as number)) > 4)) count++;
  }
  return count;
}
