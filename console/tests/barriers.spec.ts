// SPDX-License-Identifier: Apache-2.0
// Every page, and what opens on it, without barriers (WCAG 2.2 AA), dark and light.
import AxeBuilder from '@axe-core/playwright';
import type { Locator, Page } from '@playwright/test';
import { busyHosts, clientId, idleHosts, jobOf, reached, signal, stored, submit } from './api';
import { expect, test } from './fixtures';
import { phantom } from './samples';

/** Whose screenshots are made of a real CT by another test. */
const pictured = new Set(['viewer', 'compare', 'study']);
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** No colour is looked at on its way to another. */
const settled = (page: Page): Promise<unknown> =>
  page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .filter((animation) => animation.effect?.getComputedTiming().endTime !== Number.POSITIVE_INFINITY)
        .map((animation) => animation.finished.catch(() => undefined)),
    ),
  );

/** In both colour schemes: between them only colours change, which the style sheets do alone. */
async function expectNoBarriers(page: Page, name: string, but: string[] = []): Promise<void> {
  for (const scheme of ['light', 'dark']) {
    await page.evaluate((value) => document.documentElement.setAttribute('data-mantine-color-scheme', value), scheme);
    await settled(page);
    const axe = new AxeBuilder({ page }).exclude(but).setLegacyMode(); // there are no frames
    const { violations } = await (scheme === 'dark' ? axe.withTags(rules) : axe.withRules('color-contrast')).analyze();
    const found = violations.flatMap((rule) =>
      rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 120)} ${node.any[0]?.message}`),
    );
    expect(found, `${name}, ${scheme}`).toEqual([]);
  }
  if (!pictured.has(name)) await page.screenshot({ path: `screenshots/${name}.png` });
}

test.slow(); // axe looks at every element of every page

test('studies, viewer and comparison have no barrier', async ({ page, server }) => {
  for (const file of phantom(3)) await server.store(file);
  await page.goto('/');
  const at = await stored(server);
  const outputs = ['overlay', 'segmentation', 'report'];
  const client = await clientId(page);
  await submit(server, at, { client, job: 'j', algorithm: 'liver', scope: 'series', outputs });
  await reached(server, 'j', 'succeeded');
  const made = async (role: string) => (await jobOf(server, 'j')).outputs?.find((output) => output.role === role);
  const view = `/view/${at.study}`;
  const drawn = (id: string) => page.locator(`[data-testid=${id}][data-drawn=true]`);
  const pages: [name: string, path: string, ready: Locator][] = [
    ['studies', '/', page.getByRole('row').nth(1)],
    ['study', `/studies/${at.study}`, page.getByTestId('derived').nth(2)],
    ['viewer', `${view}/${at.series}`, drawn('viewport')],
    ['overlay', `${view}/${at.series}?overlay=${(await made('segmentation'))?.sop_instance_uid}`, drawn('overlay')],
    ['report', `${view}/${(await made('report'))?.series_instance_uid}`, page.getByTestId('report')],
    ['compare', '/compare/j', page.getByTestId('metadata')],
    ['swipe', '/compare/j?mode=swipe', page.getByTestId('divider')],
  ];
  for (const [name, path, ready] of pages) {
    await page.goto(`/#${path}`);
    await expect(ready, name).toBeAttached();
    await expectNoBarriers(page, name, name === 'swipe' ? ['[data-testid=metadata]'] : []); // by the page before
  }
});

test.describe('jobs', () => {
  test.use({ options: ['--job-hosts-max=1', '--attempts-max=1'] });

  test('jobs in every state and the form have no barrier', async ({ page, server }) => {
    await server.store(phantom(1)[0] as Buffer);
    const at = await stored(server);
    await page.goto('/#/run');
    await expect(page.getByTestId('param-sigma')).toBeVisible();
    await page.getByRole('button', { name: 'Advanced' }).click();
    await page.getByTestId('param-sigma').fill('99'); // with what is wrong
    await expectNoBarriers(page, 'run');
    const client = await clientId(page);
    await submit(server, at, { client, job: 'done', outputs: ['overlay', 'measurements'] });
    await reached(server, 'done', 'succeeded');
    const pids = await idleHosts(server);
    signal(pids, 'SIGSTOP');
    await submit(server, at, { client, job: 'lost' });
    await busyHosts(server, 1);
    signal(pids, 'SIGKILL');
    await reached(server, 'lost', 'failed');
    const others = await idleHosts(server);
    signal(others, 'SIGSTOP');
    for (const job of ['running', 'waiting', 'cancelled']) await submit(server, at, { client, job });
    await fetch(`${server.url}/jobs/cancelled`, { method: 'DELETE' });

    await page.goto('/#/jobs');
    await expect(page.getByTestId('job-state')).toHaveText([/Cancelled/, /Queued/, /Running/, /Failed/, /Done/]);
    await expect(page.locator('.mantine-Notification-root').first()).toBeVisible();
    await expectNoBarriers(page, 'jobs');
    for (const [job, seen] of [
      ['running', 'job-progress'],
      ['waiting', 'job-position'],
      ['lost', 'failure'],
      ['done', 'gallery'],
    ] as const) {
      await page.goto(`/#/jobs/${job}`);
      await expect(page.getByTestId('job-id')).toHaveText(job);
      await expect(page.getByTestId(seen)).toBeVisible();
      await expectNoBarriers(page, job === 'done' ? 'job' : `job-${job}`);
    }
    await page.keyboard.press('e');
    await page.getByTestId('param-sigma').fill('3');
    await expect(page.getByTestId('was-sigma')).toBeVisible();
    await expectNoBarriers(page, 'job-again');
    signal(others, 'SIGKILL');
  });

  test('uploads and operations have no barrier', async ({ page, server }) => {
    const [first, second] = phantom(2) as [Buffer, Buffer];
    await server.store(first);
    const pids = await idleHosts(server);
    signal(pids, 'SIGSTOP');
    await submit(server, await stored(server), { client: 'ward', job: 'lost' });
    await busyHosts(server, 1);
    signal(pids, 'SIGKILL');
    await reached(server, 'lost', 'failed');
    await page.goto('/#/operations');
    await page.getByRole('button', { name: '1 dead letter' }).click();
    await page.getByRole('button', { name: 'As a table' }).first().click();
    await expect(page.getByTestId('dead-letters').getByRole('row')).toHaveCount(2);
    await expectNoBarriers(page, 'operations');

    await page.goto('/#/upload');
    await page.getByTestId('upload-files').setInputFiles([
      { name: 'new.dcm', mimeType: 'application/dicom', buffer: second },
      { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('no image') },
    ]);
    await expect(page.getByTestId('upload-summary')).toContainText('2 of 2 done');
    await expectNoBarriers(page, 'upload');
  });
});

test('what opens over a page has no barrier', async ({ page }) => {
  await page.goto('/');
  await expect(page.getByText('No studies match.')).toBeVisible();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog')).toContainText('Command palette');
  await expectNoBarriers(page, 'keys');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.keyboard.press('Shift+C');
  await expect(page.getByTestId('client-other')).toBeVisible();
  await expectNoBarriers(page, 'client');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('option', { name: /Run Liver/ }).first()).toBeVisible();
  await expectNoBarriers(page, 'palette');
});
