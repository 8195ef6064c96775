// SPDX-License-Identifier: Apache-2.0
// The list of studies and a study: what was made of what, ids as folders, images that arrive.
import { reached, stored, submit } from './api';
import { expect, test } from './fixtures';
import { phantom, python } from './samples';

test('what was made of a series stands behind it, with pictures and counts, and leads to where it is seen', async ({
  page,
  server,
}) => {
  for (const file of phantom(3)) await server.store(file);
  const at = await stored(server);
  const other = python<string>(
    "print(json.dumps(base64.b64encode(slices.ct('o', study='phantom', series='other', SeriesNumber=2, SeriesDescription='Other')).decode()))",
  );
  await server.store(Buffer.from(other, 'base64'));
  await page.goto(`/#/studies/${at.study}`);
  const groups = page.getByTestId('series-group');
  await expect(groups).toHaveCount(2);
  await expect(page.getByTestId('study-facts')).toContainText('2 series, 4 images');
  await expect(page.getByTestId('derived')).toHaveCount(0);

  await submit(server, at, { client: 'someone', job: 'made', algorithm: 'liver', scope: 'series' });
  await reached(server, 'made', 'succeeded');
  const derived = groups.first().getByTestId('derived'); // by themselves, while one looks
  await expect(derived).toHaveCount(3);
  await expect(groups).toHaveCount(2);
  await expect(groups.first()).toContainText('Test slices');
  await expect(groups.nth(1).getByTestId('derived')).toHaveCount(0);
  await expect(page.getByTestId('study-facts')).toContainText('5 series, 9 images');
  await expect(derived.filter({ hasText: 'liver Derived' })).toContainText('3 images');
  await expect(derived.filter({ hasText: 'SEG' })).toContainText('1 image');
  for (const picture of await page.locator('main img').all())
    await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(20);
  await page.screenshot({ path: 'screenshots/study.png' });

  await derived.getByRole('link', { name: 'liver Segmentation' }).click();
  await expect(page).toHaveURL(new RegExp(`/view/${at.study}/${at.series}\\?.*overlay=`));
  await expect(page.getByTestId('overlay')).toHaveAttribute('data-drawn', 'true');
  await page.getByRole('link', { name: 'The study' }).click();
  await derived.getByRole('link', { name: 'liver Measurements' }).click();
  const report = page.getByTestId('report');
  await expect(report).toContainText('Imaging Measurement Report');
  await expect(report).toContainText(/Volume: [\d.,]+ ml/);
});

test('ids as folders lead to the study, the series and the image, and are found', async ({ page, server }) => {
  const [first, second] = phantom(2) as [Buffer, Buffer];
  for (const [key, file] of [
    ['demo/a/images/ct/IM-1.dcm', first],
    ['demo/a/images/ct/IM-2.dcm', second],
  ] as const) {
    const response = await fetch(`${server.url}/pacs/studies/${key}`, { method: 'PUT', body: new Uint8Array(file) });
    expect(response.status).toBe(201);
  }
  const at = await stored(server);
  await page.goto('/#/studies/demo%2Fa');
  await expect(page).toHaveURL(new RegExp(`/studies/${at.study}$`));
  await expect(page.getByRole('link', { name: 'Test slices' })).toBeVisible();
  await page.goto('/#/view/demo%2Fa/ct?image=IM-2.dcm');
  await expect(page.getByTestId('viewport')).toHaveAttribute('data-slice', '1');
  await expect(page).toHaveURL(new RegExp(`/view/${at.study}/${at.series}`));
  await page.goto(`/#/view/${at.study}/${at.series}?image=${at.image}`);
  await expect(page.getByTestId('viewport')).toHaveAttribute('data-slice', '0');
  await page.reload();
  await expect(page.getByTestId('viewport')).toHaveAttribute('data-slice', '0');
  await page.goto('/#/studies/nobody%2Fhere');
  await expect(page.getByText('There is no such study.')).toBeVisible();

  await page.goto('/#/');
  const filter = page.getByTestId('filter-id');
  for (const id of ['demo/a', 'demo/a/ct/IM-2.dcm', 'demo/a/ct/IM-2', at.study]) {
    await filter.fill('nothing');
    await expect(page.getByText('No studies match.')).toBeVisible();
    await filter.fill(id);
    await expect(page.getByTestId('study-count'), id).toHaveText('1 study');
  }
});

test('images that arrive are counted and shown while one looks', async ({ page, server }) => {
  const files = phantom(3);
  await server.store(files[0] as Buffer);
  const at = await stored(server);
  await page.goto(`/#/studies/${at.study}`);
  await expect(page.getByTestId('series-group')).toContainText('1 image');
  for (const file of files.slice(1)) await server.store(file);
  await expect(page.getByTestId('series-group')).toContainText('3 images');
});
