// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { cardsOf } from './measures';

test('a label has a card, the rest another, nothing is told twice', () => {
  const cards = cardsOf({
    found: true,
    slices: 12,
    volume_ml: 436,
    noise_hu: 11.5,
    labels: { liver: { found: true, volume_ml: 436, mean_hu: 90, nested: {} } },
  });
  expect(cards).toEqual([
    {
      label: 'liver',
      isFound: true,
      figures: [
        { name: 'volume', value: 436, unit: 'ml' },
        { name: 'mean', value: 90, unit: 'HU' },
      ],
    },
    {
      label: '',
      isFound: true,
      figures: [
        { name: 'slices', value: 12, unit: '' },
        { name: 'noise', value: 11.5, unit: 'HU' },
      ],
    },
  ]);
});

test('of several labels each is told, those that were not found as well', () => {
  const cards = cardsOf({ volume_ml: 0, labels: { lung_left: { found: false }, lung_right: { volume_ml: 2 } } });
  expect(cards.map(({ label, isFound }) => [label, isFound])).toEqual([
    ['lung_left', false],
    ['lung_right', true],
    ['', true],
  ]);
});

test('nothing measured, no card', () => {
  expect(cardsOf(undefined)).toEqual([]);
  expect(cardsOf({ found: true, labels: {} })).toEqual([]);
});

test('volume and area come first, the area once, in mm² where they are known', () => {
  const [card] = cardsOf({
    labels: { bone: { slices: 2, found_slices: 2, area_px: 9, max_hu: 5, area_mm2: 4, volume_ml: 1 } },
  });
  expect(card?.figures.map((figure) => `${figure.name} ${figure.unit}`.trim())).toEqual([
    'volume ml',
    'area mm²',
    'max HU',
    'slices',
  ]);
});
