// SPDX-License-Identifier: Apache-2.0
// A real folder, chosen or dropped: every file has its fate, and going elsewhere stops nothing.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { getJson } from './api';
import { expect, test } from './fixtures';
import { phantom } from './samples';
import type { Server } from './server';

/** A folder with good, duplicate and broken files, two levels deep; one of its images is stored already. */
async function makeFolder(server: Server): Promise<string> {
  const [a, b, c, d, e, f] = phantom(6) as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
  const folder = join(server.folder, 'patient');
  mkdirSync(join(folder, 'series', 'more'), { recursive: true });
  const write = (name: string, data: Buffer | string) => writeFileSync(join(folder, name), data);
  await server.store(a);
  write('series/again.dcm', a);
  write('series/b.dcm', b);
  write('series/c.dcm', c);
  write('series/broken.dcm', d.subarray(0, d.length / 2));
  write('series/more/d.dcm', d);
  write('series/more/e.dcm', e);
  write('series/more/f.dcm', f);
  write('notes.txt', 'no image');
  write('empty.dcm', '');
  return folder;
}

const summary = (page: Page) => page.getByTestId('upload-summary');
const row = (page: Page, name: string) => page.getByRole('row').filter({ hasText: name });

async function expectFates(page: Page): Promise<void> {
  await expect(summary(page)).toHaveText('9 of 9 done: 5 stored, 1 there already, 3 refused');
  await expect(row(page, 'again.dcm')).toContainText('was there already');
  await expect(row(page, 'f.dcm')).toContainText('stored');
  await expect(row(page, 'broken.dcm')).toContainText('cut off');
  await expect(row(page, 'notes.txt')).toContainText(/refused.*DICOM/);
  await expect(row(page, 'empty.dcm')).toContainText(/refused.*empty/);
  const folders = page.getByTestId('upload-folder-row');
  await expect(folders).toHaveText(['patient/', 'patient/series/', 'patient/series/more/'], { useInnerText: true });
  await expect(row(page, 'patient/series/more/')).toContainText('3 of 3: 3 stored, 0 there already, 0 refused');
}

test('a chosen folder is sent four files at a time, also while one is on another page', async ({ page, server }) => {
  const folder = await makeFolder(server);
  await page.goto('/#/jobs');
  await expect(page.getByText('No jobs yet.')).toBeVisible();
  await page.getByRole('link', { name: 'Upload' }).click();
  server.signal('SIGSTOP');
  await page.getByTestId('upload-folder').setInputFiles(folder);
  const states = page.getByTestId('upload-state');
  await expect(states).toHaveCount(9);
  await expect(states.and(page.locator('[data-state="sending"]'))).toHaveCount(4);
  await expect(states.and(page.locator('[data-state="stored"]'))).toHaveCount(0);
  await page.getByRole('link', { name: 'Jobs' }).click();
  await expect(page.getByRole('heading', { name: 'Jobs' })).toBeVisible();
  await expect(page.getByTestId('upload-running')).toHaveText(/^[01]\/9$/); // the empty file needs no server

  server.signal('SIGCONT');
  await expect(page.getByTestId('upload-running')).toHaveCount(0);
  await page.getByRole('link', { name: 'Upload' }).click();
  await expectFates(page);
  await page.screenshot({ path: 'screenshots/upload-done.png' });
  expect(await getJson<unknown[]>(server, '/dicom-web/instances')).toHaveLength(6);

  await page.getByRole('link', { name: 'Open the study' }).first().click();
  await expect(page).toHaveURL(/#\/studies\//);
  await page.getByRole('link', { name: 'Upload' }).click();
  let sent = 0;
  page.on('response', (response) => {
    if (response.request().method() === 'POST' && response.url().endsWith('/studies')) sent++;
  });
  await page.keyboard.press('t');
  await expect.poll(() => sent).toBe(2); // the broken file and the notes; nothing else is sent twice
  await expect(async () => {
    await page.keyboard.press('x'); // what is over is forgotten
    await expect(summary(page)).toHaveCount(0, { timeout: 200 });
  }).toPass();
});

test('a dropped folder is taken all the way down', async ({ page, context, server }) => {
  const folder = await makeFolder(server);
  await page.goto('/#/upload');
  const box = await page.getByTestId('drop-zone').boundingBox();
  if (!box) throw new Error('there is no drop zone');
  const session = await context.newCDPSession(page); // a drag as the window system makes it, with a real folder
  const data = { items: [], files: [folder], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, x: box.x + 50, y: box.y + 20, data });
  await expectFates(page);
});

test('a server that is not there is no refusal of the file, and it can be tried again', async ({
  page,
  server,
  outage,
}) => {
  outage.isExpected = true;
  const [file] = phantom(1) as [Buffer];
  await page.goto('/#/upload');
  await expect(page.getByTestId('drop-zone')).toBeVisible();
  await server.kill();
  await page.getByTestId('upload-files').setInputFiles({ name: 'a.dcm', mimeType: 'application/dicom', buffer: file });
  await expect(row(page, 'a.dcm')).toContainText('The server was not reached.');
  await server.start();
  await page.getByRole('button', { name: 'Try the refused ones again' }).click();
  await expect(summary(page)).toHaveText('1 of 1 done: 1 stored, 0 there already, 0 refused');
});
