// SPDX-License-Identifier: Apache-2.0
// A Segmentation on the images of its series in the viewer: where its masks are, each segment with its own look.
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures';
import { type Picture, picture } from './pictures';
import { type MadeSegment, phantom, segmentationOf } from './samples';

test.use({ viewport: { width: 900, height: 760 } });

const SIZE = 512;
const red: MadeSegment = { label: 'Red', color: [230, 30, 30], box: [100, 100, 300, 300], slices: [0, 1] };
const green: MadeSegment = { label: 'Green', color: [30, 210, 30], box: [200, 200, 400, 400], slices: [1, 2] };

/** The colour drawn at a pixel of the image, which fills the viewport as far as it can. */
function at({ width, height, data }: Picture, column: number, row: number): [number, number, number] {
  const scale = Math.min(width, height) / SIZE;
  const x = Math.floor(width / 2 + (column + 0.5 - SIZE / 2) * scale);
  const y = Math.floor(height / 2 + (row + 0.5 - SIZE / 2) * scale);
  const index = 4 * (y * width + x);
  return [data[index] as number, data[index + 1] as number, data[index + 2] as number];
}

/** Pixels that two pictures do not share, as columns and rows of the image. */
function changed(one: Picture, other: Picture): [number, number][] {
  const scale = Math.min(one.width, one.height) / SIZE;
  const found: [number, number][] = [];
  for (let y = 0; y < one.height; y++) {
    for (let x = 0; x < one.width; x++) {
      const index = 4 * (y * one.width + x);
      if ([0, 1, 2].some((c) => Math.abs((one.data[index + c] as number) - (other.data[index + c] as number)) > 4))
        found.push([(x + 0.5 - one.width / 2) / scale + SIZE / 2, (y + 0.5 - one.height / 2) / scale + SIZE / 2]);
    }
  }
  return found;
}

const near = ([column, row]: [number, number], { box: [left, top, right, bottom] }: MadeSegment, by: number) =>
  column > left - by && column < right + by && row > top - by && row < bottom + by;
const onEdge = (place: [number, number], segment: MadeSegment, by: number) =>
  near(place, segment, by) && !near(place, segment, -by);

async function set(page: Page, slider: string, key: 'Home' | 'End'): Promise<void> {
  await page.getByRole('slider', { name: slider }).press(key);
  await expect(page.getByRole('slider', { name: slider })).toHaveAttribute('aria-valuenow', key === 'Home' ? '0' : '1');
}

test('two segments that lie on one another are both seen, each with its own fill and outline', async ({
  page,
  server,
}) => {
  const images = phantom(3);
  for (const file of images) await server.store(file);
  const [series] = (await (await fetch(`${server.url}/dicom-web/series`)).json()) as Record<
    string,
    { Value: string[] }
  >[];
  await server.store(segmentationOf(images, [red, green], SIZE, 'Boxes'));
  await page.goto(`/#/view/${series?.['0020000D']?.Value[0]}/${series?.['0020000E']?.Value[0]}?slice=2`);
  const view = page.getByTestId('viewport');
  const overlay = page.getByTestId('overlay');
  await expect(view).toHaveAttribute('data-slice', '1');
  await page.getByRole('combobox', { name: 'Segmentation' }).selectOption({ label: 'Boxes' });
  await expect(overlay).toHaveAttribute('data-drawn', 'true');

  const both = await picture(view);
  await view.focus();
  await page.keyboard.press('h');
  await expect(page.getByRole('button', { name: 'Show: Red' })).toHaveAttribute('aria-pressed', 'false');
  const bare = await picture(view);
  const where = changed(both, bare);
  expect(where.filter((place) => !near(place, red, 2) && !near(place, green, 2))).toEqual([]);
  for (const [column, row] of [
    [150, 150],
    [250, 250],
    [350, 350],
  ] as const)
    expect(at(both, column, row)).not.toEqual(at(bare, column, row));
  const [onlyRed, together, onlyGreen] = [at(both, 150, 150), at(both, 250, 250), at(both, 350, 350)];
  expect(onlyRed[0] - onlyRed[1]).toBeGreaterThan(40);
  expect(onlyGreen[1] - onlyGreen[0]).toBeGreaterThan(40);
  expect(together[0] - together[2]).toBeGreaterThan(15); // something of both
  expect(together[1] - together[2]).toBeGreaterThan(15);

  await page.keyboard.press('h');
  await set(page, 'Red: Fill', 'Home');
  await set(page, 'Green: Fill', 'Home');
  const edges = changed(await picture(view), bare);
  expect(edges.length).toBeGreaterThan(500);
  expect(edges.filter((place) => !onEdge(place, red, 2) && !onEdge(place, green, 2))).toEqual([]);
  expect(edges.filter((place) => onEdge(place, red, 2) && near(place, green, -3)).length).toBeGreaterThan(50);
  expect(edges.filter((place) => onEdge(place, green, 2) && near(place, red, -3)).length).toBeGreaterThan(50);

  await set(page, 'Red: Outline', 'Home');
  await set(page, 'Green: Fill', 'End');
  const greenOnly = changed(await picture(view), bare);
  expect(greenOnly.filter((place) => !near(place, green, 2))).toEqual([]);
  const solid = at(await picture(view), 300, 350);
  for (const [channel, value] of green.color.entries())
    expect(Math.abs((solid[channel] as number) - value)).toBeLessThan(4);

  await page.keyboard.press('ArrowLeft'); // the slider has it
  await expect(view).toHaveAttribute('data-slice', '1');
  await page.getByRole('button', { name: 'Show: Green' }).click();
  expect(changed(await picture(view), bare)).toEqual([]);
  await page.keyboard.press('End');
  await expect(view).toHaveAttribute('data-slice', '2');
  await page.getByRole('button', { name: 'Jump to it: Red' }).click();
  await expect(view).toHaveAttribute('data-slice', '1');

  await page.reload();
  await expect(overlay).toHaveAttribute('data-drawn', 'true');
  await view.focus();
  await page.keyboard.press('d');
  await expect(page.getByRole('slider', { name: 'Red: Fill' })).toHaveAttribute('aria-valuenow', '0.25');
  await page.keyboard.press('b');
  await expect(page.getByRole('slider', { name: 'Green: Fill' })).toHaveAttribute('aria-valuenow', '0.35');
  await page.keyboard.press('o');
  await expect(overlay).toHaveCount(0);
  expect(changed(await picture(view), bare)).toEqual([]);
});

test('the overlay stays on its place when the image is zoomed and moved', async ({ page, server }) => {
  const images = phantom(1);
  for (const file of images) await server.store(file);
  const [series] = (await (await fetch(`${server.url}/dicom-web/series`)).json()) as Record<
    string,
    { Value: string[] }
  >[];
  const dot: MadeSegment = { label: 'Dot', color: [230, 230, 30], box: [240, 240, 272, 272], slices: [0] };
  await server.store(segmentationOf(images, [dot], SIZE, 'Dot'));
  await page.goto(`/#/view/${series?.['0020000D']?.Value[0]}/${series?.['0020000E']?.Value[0]}`);
  const view = page.getByTestId('viewport');
  await expect(view).toHaveAttribute('data-drawn', 'true');
  await expect(page.getByRole('combobox', { name: 'Segmentation' })).toBeVisible();
  await page.keyboard.press('o');
  await expect(page.getByTestId('overlay')).toHaveAttribute('data-drawn', 'true');
  const extent = async () => {
    const { width, data } = await picture(view);
    const yellow: [number, number][] = [];
    for (let i = 0; i < data.length; i += 4) {
      if ((data[i] as number) - (data[i + 2] as number) > 30) yellow.push([(i / 4) % width, Math.floor(i / 4 / width)]);
    }
    const columns = yellow.map(([x]) => x);
    return { count: yellow.length, left: Math.min(...columns), right: Math.max(...columns) };
  };
  const before = await extent();
  const scale = Math.min((await picture(view)).width, (await picture(view)).height) / SIZE;
  expect(Math.abs(before.right - before.left - 32 * scale)).toBeLessThan(4);
  await page.keyboard.press('Shift+ArrowRight');
  await expect.poll(async () => (await extent()).left).toBe(before.left + 40);
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('+');
  await page.keyboard.press('+');
  await expect.poll(async () => (await extent()).count).toBeGreaterThan(1.6 * before.count);
  const after = await extent();
  expect(Math.abs(after.right - after.left - 1.44 * 32 * scale)).toBeLessThan(4);
});

test('a Segmentation of another grid is not drawn, and it is said', async ({ page, server }) => {
  const images = phantom(1);
  for (const file of images) await server.store(file);
  const [series] = (await (await fetch(`${server.url}/dicom-web/series`)).json()) as Record<
    string,
    { Value: string[] }
  >[];
  await server.store(segmentationOf(images, [{ ...red, box: [1, 1, 9, 9], slices: [0] }], 16, 'Small'));
  await page.goto(`/#/view/${series?.['0020000D']?.Value[0]}/${series?.['0020000E']?.Value[0]}`);
  await page.getByRole('combobox', { name: 'Segmentation' }).selectOption({ label: 'Small' });
  await expect(page.getByText('another grid of pixels')).toBeVisible();
});
