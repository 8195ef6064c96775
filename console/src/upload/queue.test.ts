// SPDX-License-Identifier: Apache-2.0
import { expect, test, vi } from 'vitest';
import { UploadQueue } from './queue';

const files = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ file: new File(['x'], `${index}.dcm`), path: `${index}.dcm` }));
const states = (queue: UploadQueue) => queue.items().map((item) => item.state);

test('a few files are sent at a time, all in the end', async () => {
  let running = 0;
  let most = 0;
  const queue = new UploadQueue(async () => {
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
    return { study: '1.2.3' };
  });
  queue.add(files(20));
  await vi.waitFor(() => expect(states(queue).every((state) => state === 'stored')).toBe(true));
  expect(most).toBe(4);
});

test('a refusal has its reason and stops nobody else; it can be tried again', async () => {
  let isBroken = true;
  const queue = new UploadQueue(async (file) => {
    if (file.name === '3.dcm' && isBroken) throw new TypeError('Failed to fetch');
    if (file.name === '1.dcm' && isBroken) throw new Error('the file is cut off');
    return file.name === '2.dcm' ? { reason: 'another image has this UID' } : { isDuplicate: file.name === '4.dcm' };
  });
  queue.add([...files(5), { file: new File([], 'empty.dcm'), path: 'empty.dcm' }]);
  await vi.waitFor(() =>
    expect(states(queue)).toEqual(['stored', 'refused', 'refused', 'refused', 'duplicate', 'refused']),
  );
  expect(queue.items().map((item) => item.reason)).toEqual([
    undefined,
    'the file is cut off',
    'another image has this UID',
    undefined,
    undefined,
    undefined,
  ]);
  expect(queue.items().map((item) => item.fault)).toEqual([
    undefined,
    undefined,
    undefined,
    'unreachable',
    undefined,
    'empty',
  ]);
  isBroken = false;
  queue.retry();
  await vi.waitFor(() =>
    expect(states(queue)).toEqual(['stored', 'stored', 'refused', 'stored', 'duplicate', 'refused']),
  );
  queue.clear();
  expect(queue.items()).toEqual([]);
});
