// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import en from '../i18n/en.json';
import { keyTable } from './keys';

test('no key does two things in one place', () => {
  for (const scope of new Set(keyTable.map((entry) => entry.scope))) {
    const keys = keyTable
      .filter((entry) => entry.scope === scope || entry.scope === 'everywhere')
      .flatMap((entry) => entry.keys);
    expect(new Set(keys).size, scope).toBe(keys.length);
  }
});

test('every action has words', () => {
  const words = en.keys.action as Record<string, string>;
  for (const entry of keyTable) expect(words[entry.action], entry.action).toBeTruthy();
});
