// SPDX-License-Identifier: Apache-2.0
// What a job made: it shows itself, one click from the original, and its page has figures and pictures.
import type { Locator } from '@playwright/test';
import { clientId, reached, stored, submit } from './api';
import { expect, test } from './fixtures';
import { phantom } from './samples';

const width = (picture: Locator) => picture.evaluate((image: HTMLImageElement) => image.naturalWidth);

test('a result shows itself with a thumbnail, and one click puts it beside its original', async ({ page, server }) => {
  for (const file of phantom(2)) await server.store(file);
  await page.goto('/');
  await expect(page.getByTestId('connection')).toHaveAttribute('data-state', 'live');
  const order = { client: await clientId(page), job: 'shown', scope: 'series' } as const;
  await submit(server, await stored(server), { ...order, outputs: ['overlay', 'segmentation'] });
  const toast = page.locator('.mantine-Notification-root', { hasText: 'processing_1' });
  await expect.poll(() => width(toast.locator('img'))).toBeGreaterThan(40);
  await page.screenshot({ path: 'screenshots/toast.png' });
  await toast.getByRole('link', { name: 'Open' }).click();
  await expect(page).toHaveURL(/#\/compare\/shown/);
  for (const side of ['original', 'processed']) await expect(page.getByTestId(side)).toBeVisible();
  await expect(page.getByTestId('overlay')).toHaveAttribute('data-drawn', 'true');
});

test('the page of a job has what was measured as cards and what was made as pictures', async ({ page, server }) => {
  for (const file of phantom(3)) await server.store(file);
  await page.goto('/#/jobs');
  const client = await clientId(page);
  const at = await stored(server);
  await submit(server, at, { client, job: 'liver', scope: 'series', outputs: ['overlay', 'measurements'] });
  await submit(server, at, { client, job: 'smooth', scope: 'series', algorithm: 'denoise' });
  await reached(server, 'liver', 'succeeded');
  await page.goto('/#/jobs/liver');
  const card = page.getByTestId('measurement').first();
  await expect(card).toContainText(/Liver.*Volume[\d,.]+ ml.*Area[\d,.]+ mm².*Mean[\d,.]+ HU/);
  const pictures = page.getByTestId('gallery').getByRole('listitem');
  await expect(pictures).toHaveCount(3);
  for (const picture of await pictures.all())
    await expect.poll(() => width(picture.locator('img'))).toBeGreaterThan(40);
  await page.screenshot({ path: 'screenshots/job-result.png', fullPage: true });
  await pictures.nth(1).getByRole('link').click();
  await expect(page).toHaveURL(/#\/compare\/liver\?.*slice=2/);
  await expect(page.getByTestId('compare')).toHaveAttribute('data-slice', '1'); // counted from 0

  await page.getByRole('combobox', { name: 'Language' }).selectOption('it');
  await page.goto('/#/jobs/liver');
  await expect(card).toContainText(/Fegato.*Volume[\d.,]+ ml.*Media[\d.,]+ HU/);
  await reached(server, 'smooth', 'succeeded');
  await page.goto('/#/jobs/smooth'); // images of its own instead of overlays
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Riduzione del rumore');
  await expect(pictures).toHaveCount(3);
});
