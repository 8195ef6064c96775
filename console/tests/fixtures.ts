// SPDX-License-Identifier: Apache-2.0
// Every test has a server of its own and a page whose console and policy are watched: one error fails it.
import { test as base, expect } from '@playwright/test';
import { Server } from './server';

interface Fixtures {
  /** Of `corsia serve`: test.use({ options: ['--job-hosts-max=1'] }). */
  options: string[];
  server: Server;
  /**
   * While isExpected the browser may say that it cannot reach the server; of the path `refused`, that the server
   * answered 4xx, which a test of refusals provokes and a browser always logs.
   */
  outage: { isExpected: boolean; refused?: string };
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
    const isRefusal = (text: string, url: string) =>
      /status of 4\d\d/.test(text) && outage.refused !== undefined && new URL(url).pathname === outage.refused;
    page.on('console', (message) => {
      const [text, { url }] = [message.text(), message.location()];
      if (message.type() === 'error' && !(outage.isExpected && isNetwork(text)) && !isRefusal(text, url))
        complaints.push(`${text} ${url}`);
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
