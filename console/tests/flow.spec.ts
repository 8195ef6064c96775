// SPDX-License-Identifier: Apache-2.0
// The whole way: find a study, look at it, run an algorithm, see the result arrive and compare it.
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures';
import { drawn, picture } from './pictures';
import { realCt } from './samples';

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
  await expect(page.getByTestId('patient')).toContainText(/\w+, \w+ · \w+/);
  await page.screenshot({ path: 'screenshots/viewer.png' });

  await page.getByTestId('open-run').click();
  await page.getByTestId('run').click();
  await expect(page).toHaveURL(/#\/jobs\//);
  await page.getByRole('link', { name: 'Open', exact: true }).click();
  await expect(page).toHaveURL(/#\/compare\//);
  await expect.poll(async () => (await drawn(page.getByTestId('processed'))).coloured).toBeGreaterThan(1000);
  await expect(page.getByTestId('overlay')).toHaveAttribute('data-drawn', 'true');
  await page.keyboard.press('h');
  await expect.poll(async () => (await drawn(page.getByTestId('original'))).coloured).toBe(0);
  expect((await drawn(page.getByTestId('original'))).mean).toBeGreaterThan(5);
  expect((await drawn(page.getByTestId('processed'))).mean).toBeGreaterThan(5);
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

test('the Segmentation is drawn on the original where its mask is, and nowhere else', async ({ page, server }) => {
  for (const file of realCt(4)) await server.store(file);
  const [series] = (await (await fetch(`${server.url}/dicom-web/series`)).json()) as Record<
    string,
    { Value: string[] }
  >[];
  const study = series?.['0020000D']?.Value[0] ?? '';
  const request = {
    client_id: 'someone',
    job_id: 'mask',
    outputs: ['overlay', 'segmentation'],
    pacs: { study_id: study, series_id: series?.['0020000E']?.Value[0], scope: 'series' },
  };
  await fetch(`${server.url}/process/processing_1`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(request),
  });
  const job = async () => (await fetch(`${server.url}/jobs/mask`)).json();
  await expect.poll(async () => (await job()).state).toBe('succeeded');

  await page.goto('/#/compare/mask');
  await expect(page.getByTestId('overlay')).toHaveAttribute('data-drawn', 'true');
  await page.getByRole('button', { name: 'Jump to it' }).click();
  const original = page.getByTestId('original');
  await expect.poll(async () => (await drawn(original)).coloured).toBeGreaterThan(1000);
  await expect(page.getByTestId('patient')).toContainText(/\w+, \w+ · \w+/);
  await page.screenshot({ path: 'screenshots/compare.png' });
  const withMask = await picture(original);
  await page.keyboard.press('h');
  await expect.poll(async () => (await drawn(original)).coloured).toBe(0);
  const without = await picture(original);

  const { inputs, outputs } = await job();
  const made = outputs.find((output: { role: string }) => output.role === 'segmentation');
  const object = `${server.url}/dicom-web/studies/${study}/series/${made.series_instance_uid}/instances/${made.sop_instance_uid}`;
  const [header] = await (await fetch(`${object}/metadata`)).json();
  const slice = Number(await page.getByTestId('compare').getAttribute('data-slice'));
  const frame = header['52009230'].Value.findIndex(
    (group: Record<string, { Value: Record<string, { Value: Record<string, { Value: string[] }>[] }>[] }>) =>
      JSON.stringify(group).includes(inputs[slice].sop_instance_uid),
  );
  expect(frame).toBeGreaterThanOrEqual(0);
  const response = await fetch(`${object}/frames/${frame + 1}`, { headers: { Accept: 'application/octet-stream' } });
  const bits = new Uint8Array(await response.arrayBuffer());
  const [rows, columns] = [header['00280010'].Value[0], header['00280011'].Value[0]] as [number, number];
  const isSet = (x: number, y: number) => (((bits[(y * columns + x) >> 3] ?? 0) >> ((y * columns + x) & 7)) & 1) === 1;
  const scale = Math.min(withMask.width / columns, withMask.height / rows);
  const seen = { inside: 0, same: 0, outside: 0, other: 0 };
  for (let y = 0; y < withMask.height; y++) {
    for (let x = 0; x < withMask.width; x++) {
      const column = Math.floor((x + 0.5 - (withMask.width - columns * scale) / 2) / scale);
      const row = Math.floor((y + 0.5 - (withMask.height - rows * scale) / 2) / scale);
      const near = [-3, 0, 3].flatMap((dx) => [-3, 0, 3].map((dy) => isSet(column + dx, row + dy)));
      if (near.some(Boolean) && !near.every(Boolean)) continue; // the edge is blended
      const at = 4 * (y * withMask.width + x);
      const differs = [0, 1, 2].some((c) => Math.abs((withMask.data[at + c] ?? 0) - (without.data[at + c] ?? 0)) > 4);
      if (near[0]) seen[differs ? 'inside' : 'same']++;
      else seen[differs ? 'other' : 'outside']++;
    }
  }
  expect(seen.inside).toBeGreaterThan(5000);
  expect(seen.same).toBe(0);
  expect(seen.other).toBe(0);
  expect(seen.outside).toBeGreaterThan(50_000);
});
