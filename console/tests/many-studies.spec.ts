// SPDX-License-Identifier: Apache-2.0
// Ten thousand studies: only the rows in view exist, the last one is a key away, and the server does the filtering.
import { expect, test } from './fixtures';
import { phantom, python } from './samples';
import type { Server } from './server';

const COUNT = 10_000;
const AT_ONCE = 500;

/** Studies of one image of 8 by 8 pixels, of patients Many^00000 to Many^09999; their UIDs end in the same number. */
async function storeMany(server: Server): Promise<void> {
  const made = python<{ file: string; uids: string[] }>(`
file = slices.ct('one', study='many', size=8, patient='Many^00000')
ds = pydicom.dcmread(io.BytesIO(file))
uids = [ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID, ds.FrameOfReferenceUID]
print(json.dumps({'file': base64.b64encode(file).decode(), 'uids': uids}))`);
  const text = Buffer.from(made.file, 'base64').toString('latin1');
  const one = (number: number): Buffer => {
    const digits = String(number).padStart(5, '0');
    const named = made.uids.reduce((all, uid) => all.replaceAll(uid, uid.slice(0, -5) + digits), text);
    return Buffer.from(named.replaceAll('Many^00000', `Many^${digits}`), 'latin1');
  };
  for (let begin = 0; begin < COUNT; begin += AT_ONCE) {
    const parts = Array.from({ length: AT_ONCE }, (_, index) => [
      Buffer.from('--part\r\nContent-Type: application/dicom\r\n\r\n'),
      one(begin + index),
      Buffer.from('\r\n'),
    ]).flat();
    const response = await fetch(`${server.url}/dicom-web/studies`, {
      method: 'POST',
      body: Buffer.concat([...parts, Buffer.from('--part--\r\n')]),
      headers: { 'Content-Type': 'multipart/related; type="application/dicom"; boundary=part' },
    });
    if (response.status !== 200) throw new Error(`${response.status} ${(await response.text()).slice(0, 500)}`);
  }
}

/** The name of the study that arrived as the n-th, as the list writes it. */
async function nameOf(server: Server, place: number, patient = ''): Promise<string> {
  const response = await fetch(`${server.url}/dicom-web/studies?limit=1&offset=${place}&PatientName=${patient}`);
  const [study] = (await response.json()) as Record<string, { Value: { Alphabetic: string }[] }>[];
  return (study?.['00100010']?.Value[0]?.Alphabetic ?? '').replace('^', ', ');
}

test('ten thousand studies scroll to the last one and are filtered by the server', async ({ page, server }) => {
  test.setTimeout(180_000); // most of it to store them, on a slow disk
  await storeMany(server);
  await page.goto('/');
  const list = page.getByRole('region', { name: 'Studies' });
  const rows = list.getByRole('row');
  const row = (place: number) => list.locator(`[aria-rowindex="${place + 1}"]`);
  await expect(page.getByTestId('study-count')).toHaveText('10,000 studies');
  await expect(row(1)).toContainText(await nameOf(server, COUNT - 1)); // the newest first
  const asked: URLSearchParams[] = [];
  page.on('request', (sent) => {
    const url = new URL(sent.url());
    if (url.pathname === '/dicom-web/studies') asked.push(url.searchParams);
  });

  let most = await rows.count();
  await list.press('End');
  await expect(row(COUNT)).toContainText(await nameOf(server, 0));
  await expect(row(COUNT)).toBeInViewport();
  expect(asked.length).toBeLessThan(25); // not block by block, which would be a hundred
  for (const place of [2500, 5000, 7500]) {
    await list.evaluate((element, at) => element.scrollTo(0, at * 56), place);
    await expect(row(place + 5)).toContainText(await nameOf(server, COUNT - place - 5));
    most = Math.max(most, await rows.count());
  }
  expect(most).toBeLessThan(60);

  // What comes while one looks elsewhere moves nothing.
  await server.store(phantom(1, 'newcomer')[0] as Buffer);
  await expect(page.getByTestId('study-count')).toHaveText('10,001 studies');
  await expect(list.getByText(await nameOf(server, COUNT - 7505))).toBeInViewport();
  await list.press('Home');
  await expect(row(1)).toContainText('Test, Patient');

  asked.length = 0;
  await page.getByTestId('filter-patient').fill('0765');
  await expect(page.getByTestId('study-count')).toHaveText('11 studies');
  await expect(row(1)).toContainText(await nameOf(server, 10, '*0765*'));
  expect(asked.length).toBeGreaterThan(0);
  for (const query of asked) expect(query.get('PatientName')).toBe('*0765*');
  await expect(rows).toHaveCount(12);
});
