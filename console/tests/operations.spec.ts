// SPDX-License-Identifier: Apache-2.0
// What an operator sees and does: queues, hosts, charts, and dead letters that are tried again.
import { busyHosts, idleHosts, jobOf, reached, signal, stored, submit } from './api';
import { expect, test } from './fixtures';
import { phantom } from './samples';

test.use({ options: ['--job-hosts-max=1', '--attempts-max=1'] });

test('dead letters have reasons, and trying them again makes new jobs', async ({ page, server }) => {
  await server.store(phantom(1)[0] as Buffer);
  const at = await stored(server);
  for (const job of ['lost1', 'lost2']) {
    const pids = await idleHosts(server);
    signal(pids, 'SIGSTOP');
    await submit(server, at, { client: 'ward', job });
    await busyHosts(server, 1);
    signal(pids, 'SIGKILL');
    await reached(server, job, 'failed');
  }
  await page.goto('/#/operations');
  await expect(page.getByRole('button', { name: '2 dead letters' })).toBeVisible();
  await page.keyboard.press('d');
  const letters = page.getByTestId('dead-letters');
  const letter = letters.getByRole('row').filter({ hasText: 'lost1' });
  await expect(letter).toContainText((await jobOf(server, 'lost1')).error?.message ?? 'no message');
  await page.screenshot({ path: 'screenshots/dead-letters.png' });
  await letter.getByRole('checkbox').check();
  await page.getByRole('button', { name: 'Try the chosen ones again' }).click();
  await expect(page.getByTestId('redriven')).toContainText('1 new job');
  await expect(letters.getByRole('row').filter({ hasText: 'lost2' })).toHaveCount(1);
  await expect(letter).toHaveCount(0);
  await page.getByRole('link', { name: 'Second try of lost1' }).click();
  await expect(page.getByTestId('job-state')).toHaveText(/Done/);
  await expect(page.getByTestId('earlier')).toHaveText('lost1');
  expect((await jobOf(server, 'lost1')).state).toBe('failed'); // final stays final

  await page.goto('/#/operations');
  await page.getByRole('button', { name: '1 dead letter' }).click();
  await page.getByRole('button', { name: 'Try all again' }).click();
  await expect(page.getByText('There are no dead letters any more.')).toBeVisible();
  await page.getByTestId('job-counts').getByRole('link', { name: 'Failed: 2' }).click();
  await expect(page.getByRole('row').filter({ hasText: 'Failed' })).toHaveCount(2);
});

test('queues, hosts, throughput and stages are told while they change', async ({ page, server }) => {
  await server.store(phantom(1)[0] as Buffer);
  const at = await stored(server);
  await page.goto('/#/operations');
  const queue = page.getByTestId('queues').getByRole('row', { name: /Requests-processing_1\.fifo/ });
  await expect(queue).toHaveText(/^Requests-processing_1\.fifo000–0$/);
  await expect(page.getByText('No job has ended yet.')).toBeVisible();
  for (const chart of await page.getByRole('figure').getByRole('img').all())
    await expect(chart).toHaveAttribute('data-seconds', '120'); // two minutes, however few the samples are
  const pids = await idleHosts(server);
  signal(pids, 'SIGSTOP');
  for (let number = 0; number < 5; number++) await submit(server, at, { client: 'ward', job: `j${number}` });
  await expect(queue).toHaveText(/^Requests-processing_1\.fifo410\d.*0$/); // four wait, one is in flight
  const algorithm = page.getByTestId('algorithms').getByRole('row', { name: /processing_1/ });
  await expect(algorithm.getByRole('cell').nth(1)).toHaveText('1'); // a host of its own
  await expect(page.getByText('5 messages in the queues')).toBeVisible();
  signal(pids, 'SIGCONT');
  await expect(page.getByText('5 jobs ended in the last minute')).toBeVisible();
  await expect(page.getByText(/^waiting .*, fetching .*, computing .*, storing /)).toBeVisible();
  await expect(algorithm.getByRole('cell').nth(2)).toHaveText('5');
  await page.screenshot({ path: 'screenshots/operations-busy.png' });
  await page.getByRole('button', { name: 'As a table' }).first().click();
  await expect(page.getByRole('figure').first().getByRole('row').last()).toContainText('5');
  const machine = page.getByTestId('machine');
  await expect(machine).toContainText(/Version\d+\.\d+\.\d+/);
  await expect(machine).toContainText(/Free on the disk[\d.]+ [GT]B/);
});
