// SPDX-License-Identifier: Apache-2.0
// The whole way: find a study, look at it, run an algorithm, see the result arrive and compare it.
import type { Locator, Page } from '@playwright/test';
import { expect, test } from './fixtures';
import { realCt } from './samples';

/** What is drawn in a viewport, as [mean of grey, number of pixels that are no grey]. */
async function drawn(view: Locator): Promise<{ mean: number; coloured: number }> {
  return view.evaluate((element) => {
    const canvas = element.querySelector('canvas') as HTMLCanvasElement;
    const copy = document.createElement('canvas');
    copy.width = canvas.width;
    copy.height = canvas.height;
    const context = copy.getContext('2d') as CanvasRenderingContext2D;
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    let sum = 0;
    let coloured = 0;
    for (let i = 0; i < data.length; i += 4) {
      const [r = 0, g = 0, b = 0] = [data[i], data[i + 1], data[i + 2]];
      sum += (r + g + b) / 3;
      if (Math.max(r, g, b) - Math.min(r, g, b) > 24) coloured++;
    }
    return { mean: sum / (data.length / 4), coloured };
  });
}

async function openFirstSeries(page: Page): Promise<void> {
  await page.goto('/');
  await page.getByRole('row').nth(1).getByRole('link').click();
  await page.getByRole('main').getByRole('listitem').first().getByRole('link').first().click();
  await expect(page.getByTestId('viewport')).toHaveAttribute('data-drawn', 'true');
}

test('a real CT is found, shown, worked on and compared', async ({ page, server }) => {
  for (const file of realCt(3)) await server.store(file);
  await openFirstSeries(page);
  await expect.poll(async () => (await drawn(page.getByTestId('viewport'))).mean).toBeGreaterThan(5);
  expect((await drawn(page.getByTestId('viewport'))).coloured).toBe(0);
  await page.screenshot({ path: 'screenshots/viewer.png' });

  await page.getByTestId('open-run').click();
  await page.getByTestId('run').click();
  await expect(page).toHaveURL(/#\/jobs\//);
  await page.getByRole('link', { name: 'Open', exact: true }).click();
  await expect(page).toHaveURL(/#\/compare\//);
  await expect.poll(async () => (await drawn(page.getByTestId('processed'))).coloured).toBeGreaterThan(1000);
  const original = await drawn(page.getByTestId('original'));
  expect(original.mean).toBeGreaterThan(5);
  expect(original.coloured).toBe(0);
  expect((await drawn(page.getByTestId('processed'))).mean).toBeGreaterThan(5);
  await page.screenshot({ path: 'screenshots/compare.png' });
});

test('a link to a slice and a window shows the same after a reload', async ({ page, server }) => {
  for (const file of realCt(3)) await server.store(file);
  await openFirstSeries(page);
  await page.keyboard.press('End');
  await page.keyboard.press('3');
  await expect(page).toHaveURL(/slice=3.*width=1800/);
  await page.reload();
  await expect(page.getByTestId('viewport')).toHaveAttribute('data-drawn', 'true');
  await expect(page.getByTestId('viewport')).toHaveAttribute('aria-label', /Slice 3 of 3, window 1800, level 400/);
});
