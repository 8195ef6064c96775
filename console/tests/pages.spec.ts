// SPDX-License-Identifier: Apache-2.0
// Every page: what it is for, without barriers, in both languages, by the keyboard.
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures';
import { phantom, realCt } from './samples';

const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

async function barriers(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(rules).analyze();
  return violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)}`));
}

test('no page has a barrier, dark or light', async ({ page, server }) => {
  for (const file of realCt(2)) await server.store(file);
  const studies = (await (await fetch(`${server.url}/dicom-web/series`)).json()) as Record<
    string,
    { Value: string[] }
  >[];
  const study = studies[0]?.['0020000D']?.Value[0];
  const series = studies[0]?.['0020000E']?.Value[0];
  await page.goto('/');
  await expect.poll(() => page.evaluate(() => localStorage.getItem('corsia.client-id'))).toBeTruthy();
  const client = await page.evaluate(() => localStorage.getItem('corsia.client-id'));
  await fetch(`${server.url}/process/processing_1`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      client_id: client,
      job_id: 'j',
      pacs: { study_id: study, series_id: series, scope: 'series' },
    }),
  });
  await expect.poll(async () => (await (await fetch(`${server.url}/jobs/j`)).json()).state).toBe('succeeded');
  const pages: [string, string][] = [
    ['/', 'studies'],
    [`/studies/${study}`, 'study'],
    [`/view/${study}/${series}`, 'viewer'],
    ['/upload', 'upload'],
    ['/jobs', 'jobs'],
    ['/jobs/j', 'job'],
    ['/compare/j', 'compare'],
    ['/operations', 'operations'],
  ];
  for (const scheme of ['dark', 'light']) {
    await page.evaluate((value) => localStorage.setItem('mantine-color-scheme-value', value), scheme);
    for (const [path, name] of pages) {
      await page.goto(`/#${path}`);
      await page.reload();
      await expect(page.getByRole('main')).not.toBeEmpty();
      await page.waitForLoadState('networkidle').catch(() => undefined);
      expect(await barriers(page), `${name}, ${scheme}`).toEqual([]);
      if (scheme === 'dark' && name !== 'viewer' && name !== 'compare')
        await page.screenshot({ path: `screenshots/${name}.png` });
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
