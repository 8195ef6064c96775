// SPDX-License-Identifier: Apache-2.0
// Ten thousand jobs: only the rows in view exist, the last one is reached, and the server does the filtering.
import { Agent, request } from 'node:http';
import { clientId, idleHosts, type Stored, signal, stored } from './api';
import { expect, test } from './fixtures';
import { phantom } from './samples';
import type { Server } from './server';

test.use({ options: ['--job-hosts-max=1', '--drain-timeout=1 s'] });

const COUNT = 10_000;
const AT_ONCE = 64;

/** Submit jobs j00000 to j09999 over connections that are kept; the server writes those that wait together at once. */
async function submitMany(server: Server, at: Stored, client: string): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const one = (number: number) =>
    new Promise<void>((done, fail) => {
      const body = JSON.stringify({
        client_id: client,
        job_id: `j${String(number).padStart(5, '0')}`,
        pacs: { study_id: at.study, series_id: at.series, image_id: at.image },
      });
      const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
      const asked = request(`${server.url}/process/processing_1`, { method: 'POST', agent, headers }, (response) => {
        response.resume();
        response.on('end', () => (response.statusCode === 202 ? done() : fail(new Error(`${response.statusCode}`))));
      });
      asked.on('error', fail);
      asked.end(body);
    });
  let next = 0;
  const sender = async () => {
    while (next < COUNT) await one(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, sender));
  agent.destroy();
}

test('ten thousand jobs scroll to the last one and are filtered by the server', async ({ page, server }) => {
  await server.store(phantom(1)[0] as Buffer);
  const at = await stored(server);
  await page.goto('/#/jobs');
  const client = await clientId(page);
  signal(await idleHosts(server), 'SIGSTOP');
  await submitMany(server, at, client);

  await page.reload();
  const asked: string[] = [];
  page.on('request', (sent) => {
    const url = new URL(sent.url());
    if (url.pathname === '/jobs') asked.push(url.search);
  });
  const list = page.getByRole('region', { name: 'Jobs' });
  const rows = list.getByRole('row');
  await expect(page.getByTestId('job-count')).toHaveText(/jobs and more/);
  let most = 0;
  await expect(async () => {
    await list.press('End');
    most = Math.max(most, await rows.count());
    await expect(page.getByTestId('job-count')).toHaveText('10,000 jobs', { timeout: 1 });
  }).toPass({ intervals: [50] });
  await list.press('End');
  const last = list.locator(`[aria-rowindex="${COUNT + 1}"]`);
  await expect(last).toBeInViewport();
  await expect(last.getByRole('link')).toHaveAttribute('href', /\/jobs\/j0\d{4}$/);
  await expect(last).toContainText(/Running|before it|Queued/);
  most = Math.max(most, await rows.count());
  expect(most).toBeLessThan(60);
  await list.press('Home');
  await expect(list.locator('[aria-rowindex="2"]')).toBeInViewport();

  asked.length = 0;
  await page.getByRole('textbox', { name: 'Job or study id' }).fill('j0765');
  await expect(page.getByTestId('job-count')).toHaveText('10 jobs');
  expect(asked.filter((search) => search.includes('q=j0765')).length).toBeGreaterThan(0);
  await expect(rows).toHaveCount(11);
  await page.getByRole('combobox', { name: 'State' }).selectOption('succeeded');
  await expect(page.getByText('No jobs match.')).toBeVisible();
  expect(asked.some((search) => search.includes('q=j0765') && search.includes('state=succeeded'))).toBe(true);
  await page.reload();
  await expect(page.getByRole('combobox', { name: 'State' })).toHaveValue('succeeded');
  await expect(page.getByText('No jobs match.')).toBeVisible();
});
