// SPDX-License-Identifier: Apache-2.0
// The viewer: what it shows is what is in the file, and each of its actions works, by mouse and by key.
import type { Locator, Page } from '@playwright/test';
import { expect, test } from './fixtures';
import { difference, drawn, picture } from './pictures';
import { phantom, python, sample, sharedFile } from './samples';
import type { Server } from './server';

test.use({ viewport: { width: 800, height: 560 } }); // pictures to compare are small

const viewport = (page: Page) => page.getByTestId('viewport');

interface Series {
  study: string;
  series: string;
}

async function seriesOf(server: Server, modality?: string): Promise<Series[]> {
  const query = modality ? `?Modality=${modality}` : '';
  const response = await fetch(`${server.url}/dicom-web/series${query}`);
  const found = (await response.json()) as Record<string, { Value: string[] }>[];
  return found.map((one) => ({ study: one['0020000D']?.Value[0] ?? '', series: one['0020000E']?.Value[0] ?? '' }));
}

async function open(page: Page, { study, series }: Series, search = ''): Promise<void> {
  await page.goto(`/#/view/${study}/${series}${search}`);
  await expect(viewport(page)).toHaveAttribute('data-drawn', 'true');
}

/** Where a pixel of the image is on the page, if the image fills the viewport as far as it can. */
async function onPage(page: Page, columns: number, rows: number, spacing: [number, number] = [1, 1]) {
  const box = (await viewport(page).boundingBox()) as { x: number; y: number; width: number; height: number };
  const scale = Math.min(box.width / (columns * spacing[1]), box.height / (rows * spacing[0]));
  return (column: number, row: number): [number, number] => [
    box.x + box.width / 2 + (column + 0.5 - columns / 2) * spacing[1] * scale,
    box.y + box.height / 2 + (row + 0.5 - rows / 2) * spacing[0] * scale,
  ];
}

async function drag(
  page: Page,
  from: [number, number],
  to: [number, number],
  button: 'left' | 'right' | 'middle' = 'left',
) {
  await page.mouse.move(...from);
  await page.mouse.down({ button });
  await page.mouse.move((from[0] + to[0]) / 2, (from[1] + to[1]) / 2);
  await page.mouse.move(...to);
  await page.mouse.up({ button });
}

const windowOf = async (view: Locator) => {
  const label = (await view.getAttribute('aria-label')) ?? '';
  return /window (-?\d+), level (-?\d+)/.exec(label)?.slice(1).map(Number);
};

test('values and lengths are those of the file, in HU and mm', async ({ page, server }) => {
  const file = sample('CT_small.dcm');
  const points: [number, number][] = [
    [20, 30],
    [64, 64],
    [101, 77],
  ];
  const { values, spacing } = python<{ values: number[]; spacing: [number, number] }>(
    `
ds = pydicom.dcmread(io.BytesIO(sys.stdin.buffer.read()))
hu = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
print(json.dumps({'values': [float(hu[y][x]) for x, y in ${JSON.stringify(points)}], 'spacing': [float(v) for v in ds.PixelSpacing]}))`,
    file,
  );
  await server.store(file);
  const [series] = (await seriesOf(server)) as [Series];
  await open(page, series);
  const at = await onPage(page, 128, 128);
  for (const [index, [column, row]] of points.entries()) {
    await page.mouse.move(...at(column, row));
    await expect(page.getByTestId('reading')).toHaveText(`Column ${column}, row ${row}: ${values[index]} HU`);
  }
  await page.keyboard.press('u');
  await page.mouse.click(...at(64, 64));
  await expect(viewport(page).locator('svg')).toContainText(`${values[1]} HU`);

  await page.getByRole('button', { name: 'Length' }).click();
  await drag(page, at(20, 30), at(80, 110));
  const expected = Math.hypot(60 * spacing[1], 80 * spacing[0]);
  const shown = async () => Number(/([\d.]+) mm/.exec((await viewport(page).locator('svg').textContent()) ?? '')?.[1]);
  await expect.poll(shown).toBeGreaterThan(expected - 0.3);
  expect(await shown()).toBeLessThan(expected + 0.3);
  await page.getByRole('button', { name: 'Clear measurements' }).click();
  await expect(viewport(page).locator('svg')).not.toContainText('mm');
});

test('a length is right where pixels are not square, and can be measured by keys alone', async ({ page, server }) => {
  const made = python<{ file: string; values: number[] }>(`
file = slices.ct('a', size=128, PixelSpacing=[2.0, 0.5])
ds = pydicom.dcmread(io.BytesIO(file))
print(json.dumps({'file': base64.b64encode(file).decode(), 'values': [int(v) for v in ds.pixel_array.flat]}))`);
  await server.store(Buffer.from(made.file, 'base64'));
  const [series] = (await seriesOf(server)) as [Series];
  await open(page, series);
  const at = await onPage(page, 128, 128, [2, 0.5]);
  await page.keyboard.press('l');
  await drag(page, at(30, 20), at(90, 20));
  await expect(viewport(page).locator('svg')).toContainText(/(29|30)(\.\d+)? mm/);
  await page.keyboard.press('Delete');
  await drag(page, at(30, 20), at(30, 80));
  await expect(viewport(page).locator('svg')).toContainText(/(119|120)(\.\d+)? mm/);
  await page.keyboard.press('Delete');
  await expect(viewport(page).locator('svg')).not.toContainText('mm');

  await page.mouse.move(0, 0);
  for (let step = 0; step < 3; step++) await page.keyboard.press('Control+ArrowUp');
  const reading = async () =>
    (/Column (\d+), row (\d+): (-?\d+)/.exec((await page.getByTestId('reading').textContent()) ?? '') ?? [])
      .slice(1)
      .map(Number);
  await expect.poll(async () => (await reading()).length).toBe(3);
  const [column = 0, row = 0, value] = await reading();
  expect(value).toBe(made.values[row * 128 + column]);
  await page.keyboard.press('Enter');
  for (let step = 0; step < 20; step++) await page.keyboard.press('Control+ArrowDown');
  await page.keyboard.press('Enter');
  const [, end = 0] = await reading();
  const length = async () => Number(/([\d.]+) mm/.exec((await viewport(page).textContent()) ?? '')?.[1]);
  await expect.poll(async () => Math.abs((await length()) - 2 * (end - row))).toBeLessThan(2);
  await page.keyboard.press('u');
  await page.keyboard.press('Enter');
  await expect(viewport(page).locator('svg').first()).toContainText('HU');
});

test('every action of the viewer has a key that works, and the sheet names it', async ({ page, server }) => {
  for (const file of phantom(12)) await server.store(file);
  const [series] = (await seriesOf(server)) as [Series];
  await open(page, series);
  const view = viewport(page);
  const slice = () => view.getAttribute('data-slice').then(Number);
  for (const [key, expected] of [
    ['ArrowDown', 1],
    ['ArrowRight', 2],
    ['ArrowUp', 1],
    ['ArrowLeft', 0],
    ['PageDown', 10],
    ['PageUp', 0],
    ['End', 11],
    ['Home', 0],
  ] as const) {
    await page.keyboard.press(key);
    await expect.poll(slice, key).toBe(expected);
  }
  for (const [key, width, center] of [
    ['1', 400, 40],
    ['2', 1500, -600],
    ['3', 1800, 400],
    ['4', 80, 40],
    ['5', 160, 60],
    [',', 160, 52],
    ['.', 160, 60],
    ['m', 176, 60],
    ['n', 160, 60],
    ['r', 400, 40],
  ] as const) {
    await page.keyboard.press(key);
    await expect.poll(() => windowOf(view), key).toEqual([width, center]);
  }
  const first = await picture(view);
  for (const [there, back] of [
    ['+', '-'],
    ['i', 'i'],
    ['Shift+ArrowLeft', 'Shift+ArrowRight'],
    ['Shift+ArrowUp', 'Shift+ArrowDown'],
  ] as const) {
    await page.keyboard.press(there);
    await expect.poll(async () => difference(await picture(view), first), there).toBeGreaterThan(5000);
    await page.keyboard.press(back);
    await expect.poll(async () => difference(await picture(view), first), back).toBeLessThan(2000);
  }
  await page.keyboard.press('+');
  await page.keyboard.press('Shift+ArrowLeft');
  await page.keyboard.press('r');
  await expect.poll(async () => difference(await picture(view), first)).toBe(0);
  for (const [key, name] of [
    ['p', 'Pan'],
    ['z', 'Zoom'],
    ['l', 'Length'],
    ['u', 'Probe'],
    ['w', 'Window'],
  ] as const) {
    await page.keyboard.press(key);
    await expect(page.getByRole('button', { name, exact: true })).toHaveAttribute('aria-pressed', 'true');
  }
  await page.keyboard.press('?');
  const sheet = page.getByRole('dialog');
  for (const words of [
    'Ten images on',
    'Mouse: length',
    'Window: narrower',
    'Move the image up',
    'Mark a value',
    'Next Segmentation',
  ])
    await expect(sheet).toContainText(words);
  await page.keyboard.press('End'); // a dialog has the keys for itself
  await page.keyboard.press('Escape');
  await expect(sheet).toBeHidden();
  expect(await slice()).toBe(0);
});

test('the mouse scrolls, zooms, pans and sets the window', async ({ page, server }) => {
  for (const file of phantom(3)) await server.store(file);
  const [series] = (await seriesOf(server)) as [Series];
  await open(page, series);
  const view = viewport(page);
  const at = await onPage(page, 512, 512);
  await page.mouse.move(...at(256, 256));
  await page.mouse.wheel(0, 100);
  await expect(view).toHaveAttribute('data-slice', '1');
  await drag(page, at(200, 200), at(260, 160));
  await expect.poll(() => windowOf(view)).not.toEqual([400, 40]);
  await page.getByRole('button', { name: 'Soft tissue' }).click();
  await expect.poll(() => windowOf(view)).toEqual([400, 40]);
  const before = await picture(view);
  for (const button of ['right', 'middle'] as const) {
    await drag(page, at(256, 256), at(256, 330), button);
    await expect.poll(async () => difference(await picture(view), before), button).toBeGreaterThan(5000);
    await page.getByRole('button', { name: 'Reset' }).click();
    await expect.poll(async () => difference(await picture(view), before)).toBe(0);
  }
  await page.getByRole('button', { name: 'Pan' }).click();
  await drag(page, at(256, 256), at(300, 256));
  await expect.poll(async () => difference(await picture(view), before)).toBeGreaterThan(5000);
});

/** The server's own picture of the first frame of the first image. */
async function renderedUrl(server: Server, { study, series }: Series): Promise<string> {
  const path = `${server.url}/dicom-web/studies/${study}/series/${series}/instances`;
  const [first] = (await (await fetch(`${path}?limit=1`)).json()) as Record<string, { Value: string[] }>[];
  return `${path}/${first?.['00080018']?.Value[0]}/frames/1/rendered`;
}

/** Kinds of images, each with how many frames it has and whether it is in colour. */
const kinds: [string, Buffer | undefined, number, boolean][] = [
  ['RGB, RLE, two frames', sample('SC_rgb_rle_2frame.dcm'), 2, true],
  ['RGB, JPEG 2000', sample('SC_rgb_gdcm_KY.dcm'), 1, true],
  ['YBR, JPEG', sample('SC_rgb_dcmtk_+eb+cy+np.dcm'), 1, true],
  ['ultrasound, big endian', sample('ExplVR_BigEnd.dcm'), 1, true],
  ['dose, fifteen frames', sample('rtdose.dcm'), 15, false],
  ['MR, JPEG-LS', sample('MR_small_jpeg_ls_lossless.dcm'), 1, false],
  ['CT, JPEG 2000', sample('693_J2KI.dcm'), 1, false],
  ['palette', sharedFile('misc/examples_palette.dcm'), 1, true],
  ['MR, ten frames, JPEG-LS', sharedFile('misc/emri_small_jpeg_ls_lossless.dcm'), 10, false],
  ['MONOCHROME1', sharedFile('highdicom/dx_image.dcm'), 1, false],
];

test('many frames and colours are shown, as the server draws them', async ({ page, server }) => {
  const there = kinds.filter(([, file]) => file !== undefined);
  const alone = python<{ bytes: string; series: Series }[]>(
    `
made = []
for number, text in enumerate(json.load(sys.stdin)):
    ds = pydicom.dcmread(io.BytesIO(base64.b64decode(text)))
    ds.StudyInstanceUID, ds.SeriesInstanceUID = slices.uid('kind', number), slices.uid('kind', number, 'series')
    out = io.BytesIO()
    ds.save_as(out)
    series = {'study': ds.StudyInstanceUID, 'series': ds.SeriesInstanceUID}
    made.append({'bytes': base64.b64encode(out.getvalue()).decode(), 'series': series})
print(json.dumps(made))`,
    Buffer.from(JSON.stringify(there.map(([, file]) => file?.toString('base64')))),
  );
  for (const [index, [name, , frames, isColour]] of there.entries()) {
    const { bytes, series } = alone[index] as { bytes: string; series: Series };
    await server.store(Buffer.from(bytes, 'base64'));
    await page.goto('about:blank');
    await open(page, series);
    const view = viewport(page);
    await expect(view, name).toHaveAttribute('aria-label', new RegExp(`Slice 1 of ${frames},`));
    const rendered = await page.evaluate(
      async (url) => {
        const bitmap = await createImageBitmap(await (await fetch(url)).blob());
        const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
        const context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D;
        context.drawImage(bitmap, 0, 0);
        const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
        let sum = 0;
        for (let i = 0; i < data.length; i += 4) sum += ((data[i] ?? 0) + (data[i + 1] ?? 0) + (data[i + 2] ?? 0)) / 3;
        return { mean: sum / (data.length / 4), width: bitmap.width, height: bitmap.height };
      },
      await renderedUrl(server, series),
    );
    const shown = await drawn(view);
    const { width, height } = await picture(view);
    const scale = Math.min(width / rendered.width, height / rendered.height);
    const covered = (rendered.width * scale * rendered.height * scale) / (width * height);
    expect(Math.abs(shown.mean / covered - rendered.mean), `${name}: mean grey`).toBeLessThan(6);
    expect(shown.coloured > 100, `${name}: is in colour`).toBe(isColour);
    if (frames > 1) {
      const before = await picture(view);
      await page.keyboard.press('End');
      await expect(view, name).toHaveAttribute('data-slice', String(frames - 1));
      await expect.poll(async () => difference(await picture(view), before), name).toBeGreaterThan(20);
    }
  }
});

test('where there is no WebGL the server draws: slices, windows and the way back to them', async ({ page, server }) => {
  for (const file of phantom(12)) await server.store(file);
  await page.addInitScript(() => {
    const real = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement, kind: string, ...rest: unknown[]) {
      return kind.startsWith('webgl') ? null : (real as (...args: unknown[]) => unknown).call(this, kind, ...rest);
    } as typeof real;
  });
  const [{ study, series }] = (await seriesOf(server)) as [Series];
  await page.goto(`/#/view/${study}/${series}`);
  const image = (number: number) => page.getByRole('img', { name: `Slice ${number} of 12` });
  const mean = (number: number) =>
    image(number).evaluate(async (element: HTMLImageElement) => {
      await element.decode();
      const canvas = new OffscreenCanvas(element.naturalWidth, element.naturalHeight);
      const context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D;
      context.drawImage(element, 0, 0);
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      return data.reduce((sum, value) => sum + value, 0) / data.length;
    });
  await expect(page.getByText('no WebGL')).toBeVisible();
  const first = await mean(1);
  expect(first).toBeGreaterThan(70); // 64 is all black: the opacity counts as well
  await page.keyboard.press('PageDown');
  await expect(image(11)).toBeVisible();
  await page.keyboard.press('2');
  await expect(page).toHaveURL(/slice=11.*width=1500/);
  expect(await mean(11)).toBeGreaterThan(first + 20);
  await page.reload();
  await expect(image(11)).toBeVisible();
  expect(await mean(11)).toBeGreaterThan(first + 20);
  await page.keyboard.press('r');
  await expect.poll(() => mean(11)).toBeLessThan(first + 10);
});
