// SPDX-License-Identifier: Apache-2.0
// The form that an algorithm's schema makes, the reference's fields typed by hand, and the client id.
import { clientId, getJson, jobOf, reached, stored, submit } from './api';
import { expect, test } from './fixtures';
import { phantom } from './samples';

test("the reference's fields are typed by hand, key-style ids too", async ({ page, server, outage }) => {
  outage.refused = '/process/processing_6';
  const [file] = phantom(1) as [Buffer];
  const put = await fetch(`${server.url}/pacs/studies/ward7/images/head/slice1.dcm`, {
    method: 'PUT',
    body: new Uint8Array(file),
  });
  expect(put.status).toBe(201);
  await page.goto('/');
  await expect(page.getByTestId('study-count')).toHaveText('1 study');
  await page.keyboard.press('Shift+R');
  await expect(page).toHaveURL(/#\/run/);
  const algorithm = page.getByRole('combobox', { name: 'Algorithm' });
  await algorithm.fill('processing_6');
  await page.getByRole('option', { name: /processing_6/ }).click();
  await page.getByTestId('target-study').fill('ward7');
  await page.getByTestId('target-series').fill('head');
  await page.getByTestId('target-image').fill('slice9.dcm');
  await page.getByTestId('run').click();
  await expect(page.getByTestId('target-image')).toHaveAccessibleDescription(/no such image/);
  await page.getByTestId('target-image').fill('slice1.dcm');
  await page.getByTestId('target-image').press('Control+Enter');
  await expect(page).toHaveURL(/#\/jobs\//);
  await expect(page.getByTestId('job-state')).toHaveText(/Done|Nothing found/);
  const job = await jobOf(server, (await page.getByTestId('job-id').textContent()) ?? '');
  expect(job).toMatchObject({
    algo_id: 'processing_6',
    client_id: await clientId(page),
    pacs: { study_id: 'ward7', series_id: 'head', image_id: 'slice1.dcm', scope: 'image' },
  });

  await page.goto('/#/run?study_id=ward7&series_id=head&scope=series&algorithm=processing_1'); // as a link names it
  await expect(page.getByTestId('target-study')).toHaveValue('ward7');
  await expect(page.getByTestId('target-image')).toHaveCount(0);
  await expect(algorithm).toHaveValue(/processing_1/);
  await page.getByRole('radiogroup', { name: 'Works on' }).getByText('Image').click();
  await expect(page.getByTestId('target-image')).toHaveValue('');
});

test('the form has units, ranges, defaults, a folded part and says what is wrong', async ({ page, server, outage }) => {
  outage.refused = '/process/processing_1';
  await server.store(phantom(1)[0] as Buffer);
  const { study, series, image } = await stored(server);
  await page.goto(`/#/run?study_id=${study}&series_id=${series}&image_id=${image}&algorithm=processing_1`);
  const sigma = page.getByTestId('param-sigma');
  await expect(sigma).toHaveValue('1.5 px');
  await expect(page.getByText('0 to 10 px; default 1.5.')).toBeVisible();
  const folded = page.getByTestId('param-closing_radius_px');
  await expect(folded).toBeHidden();
  await page.getByRole('button', { name: 'Advanced' }).click();
  await expect(folded).toHaveValue('7 px');
  await sigma.fill('99');
  await expect(page.getByText('The highest value is 10.')).toBeVisible();
  await expect(page.getByTestId('run')).toBeDisabled();
  await sigma.fill('');
  await expect(page.getByText('A value is needed here.')).toBeVisible();
  await sigma.fill('2.5');
  await page.getByTestId('param-hu_min').fill('400'); // above the upper end: only the server knows that
  await page.getByTestId('run').click();
  await expect(page.getByRole('main')).toContainText(/hu_min/);
  await expect(page).toHaveURL(/#\/run/);
  await page.getByRole('button', { name: 'Default values' }).click();
  await expect(sigma).toHaveValue('1.5 px');

  await page.getByRole('combobox', { name: 'Language' }).selectOption('it');
  await expect(page.getByText('da 0 a 10 px; predefinito 1,5.')).toBeVisible();
  await expect(page.getByLabel('Smussamento')).toHaveValue('1,5 px');
  await page.getByLabel('Smussamento').fill('2,5');
  await page.getByTestId('run').click();
  await expect(page).toHaveURL(/#\/jobs\//);
  await expect(page.getByTestId('job-state')).toHaveText(/Fatto/);
  const job = await jobOf(server, (await page.getByTestId('job-id').textContent()) ?? '');
  expect(job.params).toMatchObject({ sigma: 2.5, hu_min: 30 });
});

test('a client id is given once, kept, shown, renewed, or taken over from elsewhere', async ({
  page,
  context,
  server,
}) => {
  const asked: string[] = [];
  page.on('request', (request) => {
    if (request.url().endsWith('/provision')) asked.push(request.postData() ?? '');
  });
  await server.store(phantom(1)[0] as Buffer);
  await submit(server, await stored(server), { client: 'ward.7', job: 'theirs' });
  await reached(server, 'theirs', 'succeeded');
  await page.goto('/#/jobs');
  const first = await clientId(page);
  await page.reload();
  await expect(page.getByTestId('connection')).toHaveAttribute('data-state', 'live');
  expect(await clientId(page)).toBe(first);
  expect(asked).toEqual(['{}']);

  const other = await context.newPage();
  await other.goto(`${server.url}/#/jobs`);
  await page.keyboard.press('Shift+C');
  await expect(page.getByTestId('client-id')).toHaveText(first);
  await page.getByRole('button', { name: 'Begin with a new one' }).click();
  await expect(page.getByTestId('client-id')).not.toHaveText(first);
  const second = await clientId(page);

  await page.getByTestId('client-other').fill('not legal!');
  await page.getByRole('button', { name: 'Use it' }).click();
  await expect(page.getByText('The server does not take this id')).toBeVisible();
  expect(await clientId(page)).toBe(second);
  await page.getByTestId('client-other').fill('ward.7');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('client-id')).toHaveText('ward.7');
  await page.keyboard.press('Escape');
  for (const tab of [page, other]) {
    await expect(tab.getByTestId('client')).toContainText('ward.7');
    await expect(tab.getByRole('row').filter({ hasText: 'Done' })).toHaveCount(1);
  }
  await page.reload();
  expect(await clientId(page)).toBe('ward.7');
  expect((await getJson<{ jobs: unknown[] }>(server, `/jobs?client_id=${second}`)).jobs).toEqual([]);
});
