// SPDX-License-Identifier: Apache-2.0
// Original and processed: linked or not, one over the other or by turns; what was measured; what differs in the headers.
import type { Page } from '@playwright/test';
import { jobOf, reached, type Stored, stored, submit } from './api';
import { expect, test } from './fixtures';
import { difference, drawn, type Picture, picture } from './pictures';
import { alternating, phantom } from './samples';
import type { Server } from './server';

test.use({ viewport: { width: 1000, height: 700 } });

/** A finished comparison of some slices, opened. */
async function compared(
  page: Page,
  server: Server,
  files: Buffer[],
  search = '',
  algorithm = 'processing_1',
): Promise<Stored> {
  for (const file of files) await server.store(file);
  const at = await stored(server);
  await submit(server, at, { client: 'someone', job: 'pair', algorithm, scope: 'series' });
  await reached(server, 'pair', 'succeeded');
  await page.goto(`/#/compare/pair${search}`);
  await expect(page.getByTestId('compare')).toHaveAttribute('data-drawn', 'true');
  return at;
}

const original = (page: Page) => page.getByTestId('original');
const processed = (page: Page) => page.getByTestId('processed');
const link = (page: Page, name: string) => page.getByRole('checkbox', { name });

/** The box around everything that is not black, in pixels. */
function extent({ width, data }: Picture): { left: number; right: number; top: number; bottom: number } {
  const found = { left: width, right: 0, top: data.length, bottom: 0 };
  for (let i = 0; i < data.length; i += 4) {
    if ((data[i] as number) < 40) continue;
    const [x, y] = [(i / 4) % width, Math.floor(i / 4 / width)];
    found.left = Math.min(found.left, x);
    found.right = Math.max(found.right, x);
    found.top = Math.min(found.top, y);
    found.bottom = Math.max(found.bottom, y);
  }
  return found;
}

/** What is seen of an element on the page. */
const seen = async (page: Page, box: { x: number; y: number; width: number; height: number }) =>
  page.screenshot({ clip: box });

test('each link makes the other follow, and switched off does not', async ({ page, server }) => {
  await compared(page, server, alternating(4));
  const both = async () => [extent(await picture(original(page))), extent(await picture(processed(page)))] as const;
  const near = (one: number, other: number) => Math.abs(one - other) <= 3;
  const start = await both();

  // zoom and pan
  await page.keyboard.press('+');
  await page.keyboard.press('Shift+ArrowLeft');
  await expect.poll(async () => near((await both())[0].bottom, start[0].bottom)).toBe(false);
  await expect
    .poll(async () => ((now) => near(now[0].top, now[1].top) && near(now[0].bottom, now[1].bottom))(await both()))
    .toBe(true);
  await link(page, 'Link zoom and pan').click();
  const apart = (await both())[1];
  await page.keyboard.press('+');
  await page.keyboard.press('+');
  await page.keyboard.press('Shift+ArrowDown');
  await expect.poll(async () => near((await both())[0].top, start[0].top)).toBe(false);
  expect((await both())[1]).toEqual(apart);
  await page.keyboard.press('c'); // on again: the other catches up
  await expect.poll(async () => near((await both())[0].top, (await both())[1].top)).toBe(true);
  await page.keyboard.press('r');
  await expect.poll(async () => (await both())[1]).toEqual(start[1]);

  // window
  const bright = async () => (await drawn(processed(page))).mean;
  const before = await bright();
  await page.keyboard.press('.');
  await page.keyboard.press('.');
  await expect.poll(bright).toBeLessThan(before - 2);
  await page.keyboard.press('r');
  await expect.poll(bright).toBeGreaterThan(before - 0.5);
  await page.keyboard.press('x');
  await expect(link(page, 'Link windows')).not.toBeChecked();
  const mine = (await drawn(original(page))).mean;
  for (let step = 0; step < 4; step++) await page.keyboard.press('.');
  await expect.poll(async () => (await drawn(original(page))).mean).toBeLessThan(mine - 2);
  expect(Math.abs((await bright()) - before)).toBeLessThan(0.5);

  // slices: every other one shows something
  const first = await picture(processed(page));
  await original(page).hover();
  await page.mouse.wheel(0, 100);
  await expect(page.getByTestId('compare')).toHaveAttribute('data-slice', '1');
  await expect.poll(async () => difference(await picture(processed(page)), first)).toBeGreaterThan(1000);
  await processed(page).hover();
  await page.mouse.wheel(0, 100);
  await expect(page.getByTestId('compare')).toHaveAttribute('data-slice', '2'); // both ways
  await page.keyboard.press('Home');
  await expect.poll(async () => difference(await picture(processed(page)), first)).toBe(0);
  await page.keyboard.press('s');
  await expect(link(page, 'Link slices')).not.toBeChecked();
  await page.keyboard.press('End');
  await expect(page.getByTestId('compare')).toHaveAttribute('data-slice', '3');
  expect(difference(await picture(processed(page)), first)).toBe(0);
});

test('a swipe wipes from one to the other, by mouse and by keys; flicker and F take turns', async ({
  page,
  server,
}) => {
  await compared(page, server, alternating(1));
  await page.getByText('Swipe', { exact: true }).click();
  const divider = page.getByTestId('divider');
  const box = (await page.getByTestId('compare').boundingBox()) as {
    x: number;
    y: number;
    width: number;
    height: number;
  };
  const strip = (from: number, to: number) => ({
    x: box.x + from * box.width,
    y: box.y + box.height * 0.6,
    width: (to - from) * box.width,
    height: box.height * 0.2,
  });
  await divider.press('Home');
  const right = await seen(page, strip(0.45, 0.48));
  await divider.press('End');
  await expect(divider).toHaveAttribute('aria-valuenow', '100');
  const left = await seen(page, strip(0.45, 0.48));
  expect(left.equals(right)).toBe(false);
  const handle = (await divider.boundingBox()) as { x: number; y: number; width: number; height: number };
  await page.mouse.move(handle.x + handle.width / 2, handle.y + handle.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + 0.7 * box.width, handle.y + 16);
  await page.mouse.move(box.x + 0.6 * box.width, handle.y + 16);
  await page.mouse.up();
  await expect(divider).toHaveAttribute('aria-valuenow', '60');
  expect((await seen(page, strip(0.45, 0.48))).equals(left)).toBe(true); // left of it the original
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await expect(divider).toHaveAttribute('aria-valuenow', '40');
  expect((await seen(page, strip(0.45, 0.48))).equals(right)).toBe(true); // right of it the processed one
  await page.keyboard.down('f');
  await expect(processed(page)).toBeHidden();
  expect((await seen(page, strip(0.45, 0.48))).equals(left)).toBe(true);
  await page.keyboard.up('f');
  await expect(processed(page)).toBeVisible();

  await page.keyboard.press('v');
  await expect(divider).toHaveCount(0);
  await expect(page.getByRole('radio', { name: 'Flicker' })).toBeChecked();
  for (let turn = 0; turn < 2; turn++) {
    await expect(processed(page)).toBeHidden();
    await expect(processed(page)).toBeVisible();
  }
  await page.reload();
  await expect(page.getByRole('radio', { name: 'Flicker' })).toBeChecked();
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.reload();
  await expect(page.getByTestId('compare')).toHaveAttribute('data-drawn', 'true');
  await page.keyboard.down('f');
  await expect(processed(page)).toBeHidden();
  await page.keyboard.up('f');
  await expect(processed(page)).toBeVisible();
});

test('a link to a slice and a window shows the same comparison after a reload', async ({ page, server }) => {
  await compared(page, server, alternating(4), '?slice=3');
  await expect(page.getByTestId('compare')).toHaveAttribute('data-slice', '2');
  await page.keyboard.press('End');
  await page.keyboard.press('3');
  await expect(page).toHaveURL(/slice=4/);
  await expect(page).toHaveURL(/width=1800/);
  const before = await picture(original(page));
  await page.reload();
  await expect(page.getByTestId('compare')).toHaveAttribute('data-slice', '3');
  await expect.poll(async () => difference(await picture(original(page)), before)).toBeLessThan(200);
});

test('what was measured is said with its units', async ({ page, server }) => {
  await compared(page, server, phantom(3), '', 'liver');
  const { measurements } = await jobOf(server, 'pair');
  const { labels } = measurements as { labels: { liver: { volume_ml: number; mean_hu: number } } };
  const figure = (value: number, unit: string) =>
    `${new Intl.NumberFormat('en', { maximumFractionDigits: 1 }).format(value)} ${unit}`;
  const card = page.getByTestId('measurement').first();
  await expect(card).toContainText(figure(labels.liver.volume_ml, 'ml'));
  await expect(card).toContainText(figure(labels.liver.mean_hu, 'HU'));
  await expect(page.getByTestId('overlay')).toContainText(figure(labels.liver.volume_ml, 'ml'));
});

test('the headers are compared: names, the known tags first, what must not differ in red, filter and search', async ({
  page,
  server,
  context,
}) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  // A server that mixed up patient and place: what must never happen has to be seen.
  await page.route('**/instances/*/metadata', async (route) => {
    const response = await route.fetch();
    const [header] = await response.json();
    if (header['00080060'].Value[0] !== 'OT') return route.fulfill({ response });
    header['00100020'].Value = ['ANOTHER'];
    header['00200032'].Value[2] += 5;
    header['00180060'] = { vr: 'DS', Value: [80] };
    return route.fulfill({ response, json: [header] });
  });
  await compared(page, server, alternating(2));
  const table = page.getByTestId('metadata');
  const row = (tag: string) => table.locator(`[data-tag="${tag}"]`);
  const tags = () => table.locator('tbody tr').evaluateAll((rows) => rows.map((one) => one.getAttribute('data-tag')));
  await expect(row('00100010')).toContainText('(0010,0010)');
  await expect(row('00100010')).toContainText('PatientName');
  await expect(row('00280030')).toContainText('PixelSpacing');
  expect((await tags()).slice(0, 14)).toEqual([
    '00100020',
    '00100010',
    '0020000D',
    '00080020',
    '00080030',
    '00080050',
    '0020000E',
    '00200011',
    '0008103E',
    '00080060',
    '00080008',
    '00080023',
    '00080033',
    '00181030',
  ]);
  for (const [tag, verdict, words] of [
    ['00100010', 'same', 'same'],
    ['00080008', 'expected', 'differs, as expected'],
    ['00180060', 'changed', 'differs'],
    ['00100020', 'unexpected', 'must not differ'],
    ['00200032', 'unexpected', 'must not differ'],
  ] as const) {
    await expect(row(tag)).toHaveAttribute('data-verdict', verdict);
    await expect(row(tag)).toContainText(words);
  }
  const color = (tag: string, property: string) =>
    row(tag)
      .locator('td')
      .nth(3)
      .evaluate((cell, name) => getComputedStyle(cell).getPropertyValue(name), property);
  const [red = 0, green = 0] = ((await color('00100020', 'background-color')).match(/\d+/g) ?? []).map(Number);
  expect(red).toBeGreaterThan(2 * green);
  expect(await color('00080008', 'color')).not.toBe(await color('00100010', 'color'));
  expect(await color('00180060', 'background-color')).not.toBe(await color('00100010', 'background-color'));

  await page.getByText(/^Must not differ \(2\)$/).click();
  expect(await tags()).toEqual(['00100020', '00200032']);
  await page.getByText(/^Different \(\d+\)$/).click();
  await expect(row('00100010')).toHaveCount(0);
  await expect(row('00180060')).toHaveCount(1);
  await page.getByText(/^All \(\d+\)$/).click();
  const search = page.getByLabel('Search in the headers');
  await search.fill('0010,0020');
  expect(await tags()).toEqual(['00100020']);
  await search.fill('referencedsopinstanceuid');
  expect(await tags()).toContain('00082112'); // the sequence around it
  await search.fill('no such thing');
  await expect(page.getByText('No attribute fits.')).toBeVisible();
  await search.fill('patientid');
  await page.getByRole('button', { name: 'Copy as CSV' }).click();
  await expect
    .poll(() => page.evaluate(() => navigator.clipboard.readText()))
    .toBe('"tag","name","original","processed"\r\n"(0010,0020)","PatientID","P1","ANOTHER"');
});
