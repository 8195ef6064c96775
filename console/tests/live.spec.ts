// SPDX-License-Identifier: Apache-2.0
// Nothing is missed and nothing is shown twice: a server that dies, a socket that is refused, two tabs.
import type { Page } from '@playwright/test';
import { expect, test } from './fixtures';
import { phantom } from './samples';

const connection = (page: Page) => page.getByTestId('connection');

async function clientId(page: Page): Promise<string> {
  await expect.poll(() => page.evaluate(() => localStorage.getItem('corsia.client-id'))).toBeTruthy();
  return (await page.evaluate(() => localStorage.getItem('corsia.client-id'))) as string;
}

async function submit(url: string, client: string, job: string, scope = 'series'): Promise<void> {
  const studies = (await (await fetch(`${url}/dicom-web/instances?limit=1`)).json()) as Record<
    string,
    { Value: string[] }
  >[];
  const value = (tag: string) => studies[0]?.[tag]?.Value[0] ?? '';
  const pacs = { study_id: value('0020000D'), series_id: value('0020000E'), image_id: value('00080018'), scope };
  const response = await fetch(`${url}/process/processing_1`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ client_id: client, job_id: job, pacs }),
  });
  expect(response.status).toBe(202);
}

const toasts = (page: Page) => page.locator('.mantine-Notification-root', { hasText: 'processing_1' });

test('results come while the page is open, each once', async ({ page, server }) => {
  for (const file of phantom(2)) await server.store(file);
  await page.goto('/#/jobs');
  await expect(connection(page)).toHaveAttribute('data-state', 'live');
  const client = await clientId(page);
  await submit(server.url, client, 'first');
  await expect(toasts(page)).toHaveCount(1);
  const picture = toasts(page).locator('img');
  await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(40);
  await expect(page.getByTestId('job-state')).toHaveText(/Done/);
  await page.reload();
  await expect(connection(page)).toHaveAttribute('data-state', 'live');
  await submit(server.url, client, 'second', 'image');
  await expect(page.getByTestId('job-state')).toHaveCount(2);
  await expect(toasts(page)).toHaveCount(1); // the second one's; the first was seen before the reload
});

test('a server that is killed during a job and comes back has its result shown', async ({ page, server, outage }) => {
  for (const file of phantom(3)) await server.store(file);
  await page.goto('/#/jobs');
  await expect(connection(page)).toHaveAttribute('data-state', 'live');
  const client = await clientId(page);
  outage.isExpected = true;
  await submit(server.url, client, 'cut');
  await server.kill();
  await expect(connection(page)).not.toHaveAttribute('data-state', 'live');
  await server.start();
  await expect(connection(page)).toHaveAttribute('data-state', 'live', { timeout: 45_000 });
  await expect(page.getByTestId('job-state')).toHaveText(/Done/);
  await expect(toasts(page)).toHaveCount(1);
});

test('without a socket the lists are polled, and a notice says so', async ({ page, server, outage }) => {
  outage.isExpected = true;
  for (const file of phantom(1)) await server.store(file);
  await page.addInitScript(() => {
    const Real = window.WebSocket;
    class Refused extends EventTarget {
      static OPEN = Real.OPEN;
      readyState = Real.CONNECTING;
      onclose: (() => void) | null = null;
      constructor() {
        super();
        queueMicrotask(() => this.onclose?.());
      }
      close() {}
    }
    Object.assign(window, { WebSocket: Refused });
  });
  await page.goto('/#/jobs');
  await expect(connection(page)).toHaveAttribute('data-state', 'polling');
  await expect(page.getByText('No live connection', { exact: true })).toBeVisible();
  await submit(server.url, await clientId(page), 'polled', 'image');
  await expect(page.getByTestId('job-state')).toHaveText(/Done/);
  await expect(toasts(page)).toHaveCount(1); // the log is read as well
});

test('two tabs of one client each get everything', async ({ page, context, server }) => {
  for (const file of phantom(1)) await server.store(file);
  await page.goto('/#/jobs');
  await expect(connection(page)).toHaveAttribute('data-state', 'live');
  const client = await clientId(page);
  const other = await context.newPage();
  await other.goto(`${server.url}/#/jobs`);
  await expect(connection(other)).toHaveAttribute('data-state', 'live');
  expect(await clientId(other)).toBe(client);
  await submit(server.url, client, 'shared', 'image');
  for (const tab of [page, other]) {
    await expect(toasts(tab)).toHaveCount(1);
    await expect(tab.getByTestId('job-state')).toHaveText(/Done/);
  }
});

test('a new client id begins with nothing', async ({ page, server }) => {
  for (const file of phantom(1)) await server.store(file);
  await page.goto('/#/jobs');
  const client = await clientId(page);
  await submit(server.url, client, 'old', 'image');
  await expect(page.getByTestId('job-state')).toHaveText(/Done/);
  await page.getByTestId('client').click();
  await expect(page.getByTestId('client-id')).toHaveText(client);
  await page.getByRole('button', { name: 'Begin with a new one' }).click();
  await expect(page.getByTestId('client-id')).not.toHaveText(client);
  await expect(page.getByText('No jobs yet.')).toBeVisible();
});

/** Every socket that the page opens, with the pings that it sends. */
function watch(page: Page): { urls: string[]; pings: () => number } {
  const urls: string[] = [];
  let pings = 0;
  page.on('websocket', (socket) => {
    urls.push(socket.url());
    socket.on('framesent', ({ payload }) => {
      if (String(payload).includes('"ping"')) pings++;
    });
  });
  return { urls, pings: () => pings };
}

test('a reconnection says what was seen last, and how long until it is tried', async ({ page, server, outage }) => {
  for (const file of phantom(1)) await server.store(file);
  const sockets = watch(page);
  await page.goto('/#/jobs');
  await expect(connection(page)).toHaveText(/Live/);
  const client = await clientId(page);
  await submit(server.url, client, 'seen', 'image');
  await expect(toasts(page)).toHaveCount(1);
  await toasts(page).getByRole('button').click();
  await expect(toasts(page)).toHaveCount(0);
  outage.isExpected = true;
  await server.kill();
  await expect(connection(page)).toHaveText(/Reconnecting in \d+ s/);
  await expect(connection(page)).toHaveAttribute('data-state', 'polling');
  await expect(page.getByText('No live connection', { exact: true })).toBeVisible();
  await server.start();
  await submit(server.url, client, 'meanwhile', 'image'); // before the page is back, or after: it comes once
  await expect(connection(page)).toHaveText(/Live/, { timeout: 45_000 });
  expect(sockets.urls.at(-1)).toMatch(/[?&]since=[12](&|$)/);
  await expect(page.getByText('No live connection', { exact: true })).toHaveCount(0);
  await expect(page.getByTestId('job-state')).toHaveText([/Done/, /Done/]);
  await expect(toasts(page)).toHaveCount(1);
});

test('every five minutes it asks whether the server is there, and leaves one that hangs', async ({
  page,
  server,
  outage,
}) => {
  outage.isExpected = true;
  for (const file of phantom(1)) await server.store(file);
  await page.clock.install();
  const sockets = watch(page);
  await page.goto('/#/jobs');
  await expect(connection(page)).toHaveAttribute('data-state', 'live');
  const client = await clientId(page);
  await page.clock.fastForward('04:50');
  expect(sockets.pings()).toBe(0);
  await page.clock.fastForward('00:11');
  await expect.poll(sockets.pings).toBe(1);
  await page.clock.fastForward('00:20'); // the answer came in time
  await expect(connection(page)).toHaveAttribute('data-state', 'live');
  expect(sockets.urls).toHaveLength(1);

  server.signal('SIGSTOP'); // its connections stay open, nothing is answered
  await page.clock.fastForward('04:45');
  await expect.poll(sockets.pings).toBe(2);
  await page.clock.fastForward('00:16');
  await expect(connection(page)).not.toHaveAttribute('data-state', 'live');
  server.signal('SIGCONT');
  await expect(async () => {
    await page.clock.fastForward('00:31');
    await expect(connection(page)).toHaveAttribute('data-state', 'live', { timeout: 1000 });
  }).toPass();
  expect(sockets.urls.length).toBeGreaterThan(1);
  await submit(server.url, client, 'after', 'image');
  await expect(page.getByTestId('job-state')).toHaveText(/Done/);
  await expect(toasts(page)).toHaveCount(1);
});

test('a server that is not there at the first visit is waited for', async ({ page, outage }) => {
  outage.isExpected = true;
  await page.route('**/provision', (route) => route.abort());
  await page.goto('/#/jobs');
  await expect(connection(page)).toHaveAttribute('data-state', 'polling');
  await page.unroute('**/provision');
  await expect(connection(page)).toHaveAttribute('data-state', 'live');
  await clientId(page);
  await expect(page.getByText('No jobs yet.')).toBeVisible();
});

test('many results at once are counted, not shown one by one', async ({ page, server }) => {
  for (const file of phantom(1)) await server.store(file);
  await page.goto('/#/jobs');
  await expect(connection(page)).toHaveAttribute('data-state', 'live');
  const client = await clientId(page);
  for (let number = 0; number < 9; number++) await submit(server.url, client, `many${number}`, 'image');
  await expect(page.getByText(/^[1-5] more results?$/)).toBeVisible();
  expect(await toasts(page).count()).toBeLessThanOrEqual(4);
  await expect(page.getByTestId('job-state')).toHaveText(Array.from({ length: 9 }, () => /Done/));
});

test('a tab that is opened later shows nothing that was seen', async ({ page, context, server }) => {
  for (const file of phantom(1)) await server.store(file);
  await page.goto('/#/jobs');
  const client = await clientId(page);
  await submit(server.url, client, 'old', 'image');
  await expect(toasts(page)).toHaveCount(1);
  const later = await context.newPage();
  await later.goto(`${server.url}/#/jobs`);
  await expect(connection(later)).toHaveAttribute('data-state', 'live');
  await expect(later.getByTestId('job-state')).toHaveText(/Done/);
  await toasts(page).getByRole('button').click();
  await expect(toasts(page)).toHaveCount(0);
  await submit(server.url, client, 'new', 'image');
  await expect(toasts(page)).toHaveCount(1);
  await expect(toasts(later)).toHaveCount(1);
});
