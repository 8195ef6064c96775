// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import en from './en.json';
import it from './it.json';

/** Every key, plural forms (which differ between languages) as one. */
function keys(node: object, path = ''): string[] {
  return Object.entries(node).flatMap(([name, value]) =>
    typeof value === 'object' ? keys(value, `${path}${name}.`) : [`${path}${name.replace(/_(one|many|other)$/, '')}`],
  );
}

/** The names between braces. */
const holes = (sentence: string) => [...sentence.matchAll(/{{(\w+)}}/g)].map((match) => match[1]).sort();

function leaves(node: object, path = ''): Map<string, string> {
  return new Map(
    Object.entries(node).flatMap(([name, value]) =>
      typeof value === 'object'
        ? [...leaves(value, `${path}${name}.`)]
        : [[`${path}${name}`, value as string] as const],
    ),
  );
}

test('both languages have the same keys', () => {
  expect([...new Set(keys(it))].sort()).toEqual([...new Set(keys(en))].sort());
});

test('a sentence has the same places to fill in both', () => {
  const italian = leaves(it);
  for (const [key, sentence] of leaves(en)) {
    const other = italian.get(key);
    if (other !== undefined) expect(holes(other), key).toEqual(holes(sentence));
  }
});

test('plurals have every form that their language asks for', () => {
  for (const [language, words] of [
    ['en', en],
    ['it', it],
  ] as const) {
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    const all = leaves(words);
    const stems = new Set(
      [...all.keys()].filter((key) => /_(one|many|other)$/.test(key)).map((key) => key.replace(/_\w+$/, '')),
    );
    for (const stem of stems)
      for (const form of forms) expect(all.has(`${stem}_${form}`), `${language}: ${stem}_${form}`).toBe(true);
  }
});
