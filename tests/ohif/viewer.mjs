// SPDX-License-Identifier: Apache-2.0
// A person at the viewer: reads the study list, opens the study, scrolls.
//
//     node viewer.mjs VIEWER_URL STUDY_INSTANCE_UID FAMILY_NAME FOLDER
//
// Writes list.png, first.png and scrolled.png (or failed.png) into the folder and prints one JSON object of what was seen.
import { chromium } from 'playwright-core';

const [viewer, study, family, folder] = process.argv.slice(2);
const seen = { failed: [], foreign: [] };
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
});

// Of the picture: how many different greys, and its mean; counted in the page, where it can be decoded.
function grey(page, png) {
  return page.evaluate(async (base64) => {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const bytes = context.getImageData(0, 0, image.width, image.height).data;
    const greys = new Set();
    let sum = 0;
    for (let i = 0; i < bytes.length; i += 4) {
      greys.add(bytes[i]);
      sum += bytes[i];
    }
    return { greys: greys.size, mean: sum / (bytes.length / 4) };
  }, png.toString('base64'));
}

async function until(what, condition, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`${what} did not come`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

// Scrolls by the wheel until the picture is another one; the new picture.
function scrolled(page, viewport, before) {
  return until('another slice', async () => {
    await page.mouse.wheel(0, 120);
    const now = await viewport.screenshot();
    return now.equals(before) ? null : now;
  });
}

const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
try {
  page.on('response', (response) => {
    if (response.url().includes('/dicom-web') && response.status() >= 400) {
      seen.failed.push(`${response.status()} ${response.url()}`);
    }
  });
  page.on('request', (request) => {
    if (!/^(http:\/\/127\.0\.0\.1:|data:|blob:)/.test(request.url())) {
      seen.foreign.push(request.url());
    }
  });

  await page.goto(viewer);
  await page.getByText(family).first().waitFor({ timeout: 30000 });
  await page.screenshot({ path: `${folder}/list.png` });
  seen.listed = true;

  await page.goto(`${viewer}viewer?StudyInstanceUIDs=${study}`);
  const viewport = page.locator('.viewport-element canvas, .cornerstone-canvas').first();
  await viewport.waitFor({ timeout: 30000 });
  const first = await until('the first picture', async () => {
    const now = await viewport.screenshot();
    return (await grey(page, now)).greys > 20 ? now : null;
  });
  await page.screenshot({ path: `${folder}/first.png` });
  seen.first = await grey(page, first);

  await viewport.hover();
  const next = await scrolled(page, viewport, first);
  await page.screenshot({ path: `${folder}/scrolled.png` });
  seen.scrolled = await grey(page, next);
  process.stdout.write(JSON.stringify(seen) + '\n');
} catch (error) {
  await page.screenshot({ path: `${folder}/failed.png` });
  throw error;
} finally {
  await browser.close();
}
