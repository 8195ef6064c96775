// SPDX-License-Identifier: Apache-2.0
// Every test has a server of its own and a page whose console and policy are watched: one error fails it.
import { test as base, expect } from '@playwright/test';
import { Server } from './server';

interface Fixtures {
  /** Of `corsia serve`: test.use({ options: ['--job-hosts-max=1'] }). */
  options: string[];
  server: Server;
  /** While true the browser may say that it cannot reach the server. */
  outage: { isExpected: boolean };
}

export const test = base.extend<Fixtures>({
  options: [[], { option: true }],
  server: async ({ options }, use) => {
    const server = await new Server(options).start();
    await use(server);
    await server.stop();
  },
  // biome-ignore lint/correctness/noEmptyPattern: Playwright wants to see which fixtures are used
  outage: async ({}, use) => {
    await use({ isExpected: false });
  },
  baseURL: async ({ server }, use) => {
    await use(server.url);
  },
  page: async ({ page, outage }, use) => {
    const complaints: string[] = [];
    const isNetwork = (text: string) => /ERR_|WebSocket connection|Failed to load resource/.test(text);
    page.on('console', (message) => {
      if (message.type() === 'error' && !(outage.isExpected && isNetwork(message.text())))
        complaints.push(`${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    await use(page);
    expect(complaints).toEqual([]);
  },
});

export { expect };
