// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from '@playwright/test';
import chromium from './chromium.json' with { type: 'json' };

export default defineConfig({
  testDir: 'tests',
  workers: 1,
  timeout: 120_000, // a bound, not a wish: other work may be on the machine
  expect: { timeout: 15_000 },
  retries: 1, // a browser beside servers on two cores; tools/run-tests says what was tried again
  reporter: [['list'], ['junit', { outputFile: 'test-results/junit.xml' }]],
  use: {
    browserName: 'chromium',
    viewport: { width: 1280, height: 800 },
    locale: 'en-US',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: chromium.args,
    },
  },
});
