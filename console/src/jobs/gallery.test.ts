// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import type { Job } from '../api/schema';
import { picturesOf } from './gallery';

const output = (role: string, source: number, found?: boolean) => ({
  role,
  source,
  found,
  series_instance_uid: 's',
  sop_instance_uid: `${role}${source}`,
});

test('overlays come in the order of the inputs, with what was found in them', () => {
  const job = { outputs: [output('overlay', 2, false), output('segmentation', 0), output('overlay', 1, true)] };
  expect(picturesOf(job as unknown as Job)).toEqual([
    { series: 's', instance: 'overlay1', slice: 1, isOverlay: true, isFound: true },
    { series: 's', instance: 'overlay2', slice: 2, isOverlay: true, isFound: false },
  ]);
});

test('where there is no overlay the images are shown; what has no UIDs is not', () => {
  const job = { outputs: [output('image', 0), { role: 'image', source: 1 }] };
  expect(picturesOf(job as unknown as Job).map((made) => made.instance)).toEqual(['image0']);
});
