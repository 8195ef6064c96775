// SPDX-License-Identifier: Apache-2.0
// Without a mouse: everything that can be pressed is reached by Tab, in the order in which it stands, and one sees where.
import type { Locator, Page } from '@playwright/test';
import { reached, stored, submit } from './api';
import { expect, test } from './fixtures';
import { phantom } from './samples';

/** Number what can take the focus, as it stands on the page; how many there are. */
const numbered = (page: Page) =>
  page.evaluate(() => {
    const all = document.querySelectorAll<HTMLElement>('a[href], button, input, select, textarea, [tabindex="0"]');
    const isReached = (element: HTMLElement) => {
      if (element.getClientRects().length === 0 || element.matches(':disabled, [tabindex="-1"]')) return false;
      return !(element instanceof HTMLInputElement && element.type === 'radio' && !element.checked);
    };
    const reached = [...all].filter(isReached);
    for (const [index, element] of reached.entries()) element.dataset.order = String(index);
    return reached.length;
  });

/** What has the focus: its number, and whether that is to be seen on it or around it. */
const focused = (page: Page) =>
  page.evaluate(() => {
    const element = document.activeElement as HTMLElement | null;
    const isMarked = (one: Element | null | undefined): boolean => {
      if (!one) return false;
      const style = getComputedStyle(one);
      return style.outlineStyle !== 'none' || style.boxShadow !== 'none';
    };
    const around = [element, element?.parentElement, element?.nextElementSibling, element?.querySelector('*')];
    const field = element?.matches('input, select, textarea') ?? false; // its border has another colour
    return {
      order: Number(element?.dataset.order ?? -1),
      isSeen: field || around.some(isMarked),
      what: element?.outerHTML.slice(0, 120),
    };
  });

async function tabThrough(page: Page, ready: Locator): Promise<void> {
  await expect(ready).toBeAttached();
  const count = await numbered(page);
  expect(count).toBeGreaterThan(8);
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.evaluate(() => document.querySelector<HTMLElement>('[data-order="0"]')?.focus());
  const orders = [(await focused(page)).order];
  for (let step = 1; step < 2 * count && orders.at(-1) !== count - 1; step++) {
    await page.keyboard.press('Tab');
    const { order, isSeen, what } = await focused(page);
    if (order !== orders.at(-1)) orders.push(order); // a date has three places to be in
    expect(isSeen, `the focus is to be seen on ${what}`).toBe(true);
  }
  expect(orders).toEqual(Array.from({ length: count }, (_, index) => index));
}

test('Tab reaches everything, in order', async ({ page, server }) => {
  for (const file of phantom(3)) await server.store(file);
  const at = await stored(server);
  await submit(server, at, { client: 'someone', job: 'j', algorithm: 'liver', scope: 'series' });
  await reached(server, 'j', 'succeeded');
  const drawn = (id: string) => page.locator(`[data-testid=${id}][data-drawn=true]`);
  await page.goto('/');
  await tabThrough(page, page.getByRole('row').nth(1));
  await page.goto(`/#/studies/${at.study}`);
  await tabThrough(page, page.getByTestId('derived').nth(2));
  await page.goto(`/#/view/${at.study}/${at.series}`);
  await page.getByRole('combobox', { name: 'Segmentation' }).waitFor();
  await page.keyboard.press('o');
  await tabThrough(page, drawn('overlay'));
  await page.goto('/#/compare/j?mode=swipe');
  await expect(page.getByTestId('metadata')).toBeAttached();
  await expect(page.getByTestId('measurement').first()).toBeAttached();
  await tabThrough(page, drawn('overlay'));
});

test('a study is found, looked at and compared without a mouse', async ({ page, server }) => {
  for (const file of phantom(3)) await server.store(file);
  const at = await stored(server);
  await submit(server, at, { client: 'someone', job: 'j', algorithm: 'liver', scope: 'series' });
  await reached(server, 'j', 'succeeded');
  const tabTo = async (target: Locator) => {
    for (let step = 0; step < 60; step++) {
      if (await target.evaluate((element) => element === document.activeElement)) return;
      await page.keyboard.press('Tab');
    }
    await expect(target).toBeFocused();
  };
  await page.goto('/');
  await expect(page.getByTestId('study-count')).toHaveText('1 study');
  await tabTo(page.getByTestId('filter-patient'));
  await page.keyboard.type('test');
  await expect(page).toHaveURL(/patient=test/);
  await tabTo(page.getByRole('link', { name: 'Test, Patient' }));
  await page.keyboard.press('Enter');
  await tabTo(page.getByRole('link', { name: 'liver Segmentation' }));
  await page.keyboard.press('Enter');
  await expect(page.locator('[data-testid=overlay][data-drawn=true]')).toBeAttached();
  await page.keyboard.press('End');
  await expect(page.getByTestId('viewport')).toHaveAttribute('data-slice', '2');
  await tabTo(page.getByRole('slider', { name: /Fill/ }).first());
  await page.keyboard.press('ArrowRight');
  await expect(page.getByTestId('viewport')).toHaveAttribute('data-slice', '2');
  await tabTo(page.getByRole('button', { name: 'Run an algorithm' }));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog').locator(':focus')).toBeAttached();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(page.getByRole('button', { name: 'Run an algorithm' })).toBeFocused();

  await page.goto('/#/compare/j');
  await expect(page.locator('[data-testid=overlay][data-drawn=true]')).toBeAttached();
  await tabTo(page.getByRole('radio', { name: 'Side by side' }));
  await page.keyboard.press('ArrowRight');
  await expect(page.getByTestId('divider')).toBeVisible();
  await tabTo(page.getByTestId('divider'));
  await page.keyboard.press('ArrowLeft');
  await expect(page.getByTestId('divider')).toHaveAttribute('aria-valuenow', '48');
  await expect(page.getByTestId('compare')).toHaveAttribute('data-slice', '0');
});
