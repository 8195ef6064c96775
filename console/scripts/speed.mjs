// SPDX-License-Identifier: Apache-2.0
// How soon somebody sees something: speed.mjs URL STUDY SERIES [TURNS]
//
// Each turn is a new browser profile, nothing cached.  Prints one JSON object: ms from the beginning of the navigation
// to the first contentful paint of the list of studies, and to the first image of the series in the viewer.
import { readFileSync } from 'node:fs';
import { chromium } from '@playwright/test';

const { args } = JSON.parse(readFileSync(new URL('../chromium.json', import.meta.url), 'utf8'));

const [url, study, series, turns = '7'] = process.argv.slice(2);
if (!url || !study || !series) {
  console.error('speed.mjs URL STUDY SERIES [TURNS]');
  process.exit(2);
}

/** Runs in the page, before anything of it. */
function watch() {
  new PerformanceObserver((list) => {
    for (const entry of list.getEntriesByName('first-contentful-paint')) window.firstPaintMs = entry.startTime;
  }).observe({ type: 'paint', buffered: true });
  new MutationObserver((_changes, observer) => {
    if (!document.querySelector('[data-testid="viewport"][data-drawn="true"]')) return;
    observer.disconnect();
    window.firstImageMs = performance.now();
  }).observe(document, { attributes: true, childList: true, subtree: true });
}

async function once(browser, address, name) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  try {
    const page = await context.newPage();
    await page.addInitScript(watch);
    await page.goto(address);
    await page.waitForFunction((what) => window[what] > 0, name, { timeout: 60_000 });
    return await page.evaluate((what) => window[what], name);
  } finally {
    await context.close();
  }
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
const paints = [];
const images = [];
try {
  for (let turn = 0; turn < Number(turns); turn++) {
    paints.push(await once(browser, `${url}/`, 'firstPaintMs'));
    images.push(await once(browser, `${url}/#/view/${study}/${series}`, 'firstImageMs'));
  }
} finally {
  await browser.close();
}
const all = { paint_ms: [...paints], image_ms: [...images] };
console.log(JSON.stringify({ paint_ms: median(paints), image_ms: median(images), all }));
