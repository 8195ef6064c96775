// SPDX-License-Identifier: Apache-2.0
// A job from its place in the queue to its end, and what one can do with it.
import type { Page } from '@playwright/test';
import { busyHosts, clientId, getJson, idleHosts, jobOf, reached, signal, stored, submit } from './api';
import { expect, test } from './fixtures';
import { phantom } from './samples';

test.use({ options: ['--job-hosts-max=1', '--attempts-max=1'] });

async function openJobs(page: Page): Promise<string> {
  await page.goto('/#/jobs');
  await expect(page.getByTestId('connection')).toHaveAttribute('data-state', 'live');
  return clientId(page);
}

const row = (page: Page, state: string) => page.getByRole('row').filter({ hasText: state });

test('jobs in a queue say how many go before them, and each can be cancelled', async ({ page, server }) => {
  await server.store(phantom(1)[0] as Buffer);
  const at = await stored(server);
  const client = await openJobs(page);
  const pids = await idleHosts(server);
  signal(pids, 'SIGSTOP');
  for (const job of ['one', 'two', 'three', 'four']) await submit(server, at, { client, job });
  await busyHosts(server, 1);
  await expect(row(page, 'Running')).toHaveCount(1);
  await expect(row(page, 'Queued')).toHaveCount(3);
  await expect(row(page, '2 before it')).toHaveCount(1);
  await expect(page.getByTestId('job-count')).toHaveText('4 jobs');

  await page.getByRole('button', { name: 'Cancel job three' }).click();
  await expect(row(page, 'Cancelled')).toHaveCount(1);
  await expect(row(page, '2 before it')).toHaveCount(0);
  await page.goto('/#/jobs/four');
  await expect(page.getByTestId('job-id')).toHaveText('four');
  await expect(page.getByTestId('job-position')).toHaveText('1 before it');
  await page.keyboard.press('x');
  await expect(page.getByTestId('job-state')).toHaveText(/Cancelled/);
  await page.goto('/#/jobs/one'); // one that runs
  await expect(page.getByTestId('job-id')).toHaveText('one');
  await expect(page.getByTestId('job-state')).toHaveText(/Running/);
  await page.getByTestId('cancel').click();
  await expect(page.getByTestId('job-state')).toHaveText(/Cancelled/);
  await expect(page.getByTestId('cancel')).toHaveCount(0);
  await reached(server, 'two', 'succeeded'); // the cancelled job's host was ended, another took the next
  expect((await jobOf(server, 'one')).state).toBe('cancelled');
  expect((await jobOf(server, 'four')).state).toBe('cancelled');
});

test('a running job tells its stage, how far it is, how long it takes and how old the news are', async ({
  page,
  server,
}) => {
  for (const file of phantom(240)) await server.store(file); // some seconds for two hosts
  const at = await stored(server);
  const client = await openJobs(page);
  const pids = await idleHosts(server);
  await submit(server, at, { client, job: 'long', scope: 'series' });
  const fraction = async () => (await jobOf(server, 'long')).progress?.fraction ?? 0;
  await expect.poll(fraction, { intervals: [10] }).toBeGreaterThan(0.1);
  signal(pids, 'SIGSTOP');
  await page.goto('/#/jobs/long');
  await expect(page.getByTestId('job-progress')).toHaveText(/^[1-9]\d % computing$/);
  await expect(page.getByTestId('job-left')).toHaveText(/^about \d+.* left$/);
  await expect(page.getByTestId('job-age')).toHaveText(/^last update [3-9] s ago$/);
  const elapsed = page.getByTestId('job-elapsed');
  const before = await elapsed.textContent();
  await expect(elapsed).not.toHaveText(before ?? '');
  signal(pids, 'SIGCONT');
  await expect(page.getByTestId('job-state')).toHaveText(/Done/);
  await expect(page.getByTestId('job-age')).toHaveCount(0);
});

test('a job is run again as it was, and with changes that are marked', async ({ page, server }) => {
  await server.store(phantom(1)[0] as Buffer);
  const at = await stored(server);
  const client = await openJobs(page);
  await submit(server, at, { client, job: 'first', params: { sigma: 2 }, outputs: ['overlay', 'segmentation'] });
  await reached(server, 'first', 'succeeded');

  await page.getByRole('link', { name: 'Run job first again with changes' }).click();
  await expect(page.getByTestId('param-sigma')).toHaveValue('2 px');
  await expect(page.getByTestId('was-sigma')).toHaveCount(0);
  await page.getByTestId('param-sigma').fill('3.5');
  await expect(page.getByTestId('was-sigma')).toHaveText('was 2');
  await page.getByTestId('run').click();
  await expect(page.getByTestId('earlier')).toHaveText('first');
  await expect(page.getByTestId('job-state')).toHaveText(/Done/);
  const changed = page.getByTestId('parameters').getByRole('row', { name: /Smoothing/ });
  await expect(changed).toHaveText(/3\.5 px.*changed.*2 px.*1\.5 px/);
  await expect(page.getByTestId('parameters').getByText('changed', { exact: true })).toHaveCount(1);
  const second = (await page.getByTestId('job-id').textContent()) ?? '';
  expect((await jobOf(server, second)).params).toMatchObject({ sigma: 3.5 });

  await page.keyboard.press('a'); // as it was
  await expect(page.getByTestId('earlier')).toHaveText(second);
  await expect(page.getByTestId('job-state')).toHaveText(/Done/);
  await expect(page.getByTestId('parameters').getByText('changed', { exact: true })).toHaveCount(0);
  const third = await jobOf(server, (await page.getByTestId('job-id').textContent()) ?? '');
  expect(third.params).toMatchObject({ sigma: 3.5 });
  expect(third.request).toMatchObject({ outputs: ['overlay', 'segmentation'], rerun_of: second });
});

test('a failure says where, how often it was tried, and what to do', async ({ page, server }) => {
  await server.store(phantom(1)[0] as Buffer);
  const at = await stored(server);
  const client = await openJobs(page);
  const pids = await idleHosts(server);
  signal(pids, 'SIGSTOP');
  await submit(server, at, { client, job: 'lost' });
  await busyHosts(server, 1);
  signal(pids, 'SIGKILL');
  await expect(row(page, 'Failed')).toHaveCount(1);
  await page.goto('/#/jobs/lost');
  const failure = page.getByTestId('failure');
  await expect(failure).toContainText('The algorithm crashed on these images');
  await expect(failure).toContainText('Run it again once.');
  await expect(failure).toContainText('It failed while computing, at the only attempt.');
  await expect(failure).toContainText((await jobOf(server, 'lost')).error?.message ?? 'no message');
  await page.screenshot({ path: 'screenshots/failure.png' });
  await page.getByTestId('again').click();
  await expect(page.getByTestId('job-state')).toHaveText(/Done/);
  await expect(page.getByTestId('earlier')).toHaveText('lost');

  await page.goto('/#/jobs?state=failed');
  await expect(row(page, 'Failed')).toHaveCount(1);
  await expect(row(page, 'Done')).toHaveCount(0);
  const { jobs } = await getJson<{ jobs: unknown[] }>(server, `/jobs?client_id=${client}&state=succeeded`);
  expect(jobs).toHaveLength(1);
});
