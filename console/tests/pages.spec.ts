// SPDX-License-Identifier: Apache-2.0
// Every page: what it is for, without barriers, in both languages, by the keyboard.
import AxeBuilder from '@axe-core/playwright';
import type { Locator, Page } from '@playwright/test';
import { clientId, jobOf, reached, stored, submit } from './api';
import { expect, test } from './fixtures';
import { phantom } from './samples';

/** Whose screenshots are made of a real CT by another test. */
const pictured = new Set(['viewer', 'compare', 'study']);
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

async function barriers(page: Page, but: string[] = []): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(rules).exclude(but).analyze();
  return violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)}`));
}

test('no page has a barrier, dark or light', async ({ page, server }) => {
  test.setTimeout(300_000); // 26 pages
  for (const file of phantom(3)) await server.store(file);
  await page.goto('/');
  const at = await stored(server);
  const client = await clientId(page);
  const outputs = ['overlay', 'segmentation', 'report'];
  await submit(server, at, { client, job: 'j', algorithm: 'liver', scope: 'series', outputs });
  await reached(server, 'j', 'succeeded');
  const made = (role: string) => async () => (await jobOf(server, 'j')).outputs?.find((output) => output.role === role);
  const view = `/view/${at.study}`;
  const drawn = (id: string) => page.locator(`[data-testid=${id}][data-drawn=true]`);
  const pages: [name: string, path: string, ready: Locator, keys?: string][] = [
    ['studies', '/', page.getByRole('row').nth(1)],
    ['study', `/studies/${at.study}`, page.getByTestId('derived').nth(2)],
    ['viewer', `${view}/${at.series}`, drawn('viewport')],
    ['overlay', `${view}/${at.series}?overlay=${(await made('segmentation')())?.sop_instance_uid}`, drawn('overlay')],
    ['report', `${view}/${(await made('report')())?.series_instance_uid}`, page.getByTestId('report')],
    ['upload', '/upload', page.getByTestId('upload-files')],
    ['jobs', '/jobs', page.getByTestId('job-state')],
    ['job', '/jobs/j', page.getByTestId('measurement').first()],
    ['compare', '/compare/j', page.getByTestId('metadata')],
    ['swipe', '/compare/j?mode=swipe', page.getByTestId('divider')],
    ['operations', '/operations', page.getByRole('heading', { name: 'Queues' })],
    ['keys', '/jobs', page.getByRole('dialog'), '?'],
    ['palette', '/jobs', page.getByRole('option').first(), 'Control+k'],
  ];
  for (const scheme of ['dark', 'light'] as const) {
    await page.evaluate((value) => localStorage.setItem('mantine-color-scheme-value', value), scheme);
    await page.reload();
    for (const [name, path, ready, keys] of pages) {
      await page.goto(`/#${path}`);
      await expect(page.getByRole('main')).not.toBeEmpty();
      if (keys) await page.keyboard.press(keys);
      await expect(ready, name).toBeAttached();
      const seen = name === 'swipe' ? ['[data-testid=metadata]'] : []; // by the page before
      expect(await barriers(page, seen), `${name}, ${scheme}`).toEqual([]);
      if (scheme === 'dark' && !pictured.has(name)) await page.screenshot({ path: `screenshots/${name}.png` });
      if (keys) await page.keyboard.press('Escape');
    }
  }
});

test('it speaks Italian, and remembers it', async ({ page }) => {
  await page.goto('/');
  await page.getByRole('combobox', { name: 'Language' }).selectOption('it');
  await expect(page.getByRole('heading', { name: 'Studi' })).toBeVisible();
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('lang', 'it');
  await page.getByRole('link', { name: 'Gestione' }).click();
  await expect(page.getByRole('heading', { name: 'Code' })).toBeVisible();
});

test('filters are in the address and asked of the server', async ({ page, server }) => {
  for (const file of [...phantom(1, 'one'), ...phantom(2, 'two')]) await server.store(file);
  await page.goto('/');
  await expect(page.getByTestId('study-count')).toHaveText('2 studies');
  await page.getByTestId('filter-patient').fill('nobody');
  await expect(page.getByText('No studies match.')).toBeVisible();
  await expect(page).toHaveURL(/patient=nobody/);
  await page.getByTestId('filter-patient').fill('patient');
  await expect(page.getByTestId('study-count')).toHaveText('2 studies');
  await page.reload();
  await expect(page.getByTestId('filter-patient')).toHaveValue('patient');
});

test('images that arrive appear by themselves', async ({ page, server }) => {
  await page.goto('/');
  await expect(page.getByText('No studies match.')).toBeVisible();
  for (const file of phantom(1)) await server.store(file);
  await expect(page.getByTestId('study-count')).toHaveText('1 study');
});

test('everything is reached by keys', async ({ page, server }) => {
  for (const file of phantom(1)) await server.store(file);
  await page.goto('/');
  await expect(page.getByTestId('study-count')).toHaveText('1 study');
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog')).toContainText('Command palette');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('combobox', { name: /Type a command/ })).toBeFocused();
  await page.keyboard.type('operations');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Operations' })).toBeVisible();
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('combobox', { name: /Type a command/ })).toBeFocused();
  await page.keyboard.type('patient');
  await page.getByRole('option', { name: /Test/ }).waitFor();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/#\/studies\//);
});
