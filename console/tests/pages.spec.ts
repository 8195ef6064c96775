// SPDX-License-Identifier: Apache-2.0
// Every page: what it is for, in both languages, by the keyboard.
import { expect, test } from './fixtures';
import { phantom } from './samples';

test('it speaks Italian, and remembers it', async ({ page }) => {
  await page.goto('/');
  await page.getByRole('combobox', { name: 'Language' }).selectOption('it');
  await expect(page.getByRole('heading', { name: 'Studi' })).toBeVisible();
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('lang', 'it');
  await page.getByRole('link', { name: 'Gestione' }).click();
  await expect(page.getByRole('heading', { name: 'Code', exact: true })).toBeVisible();
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
