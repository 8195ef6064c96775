// SPDX-License-Identifier: Apache-2.0
// What has to come over the wire before something is seen.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { expect, test } from '@playwright/test';

const folder = 'dist/assets';
const kilobytes = (names: Iterable<string>) =>
  [...names].reduce((sum, name) => sum + statSync(`${folder}/${name}.gz`).size, 0) / 1000;

/** A chunk with all that it imports. */
function closure(name: string, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  const code = readFileSync(`${folder}/${name}`, 'utf8');
  for (const [, next] of code.matchAll(/(?:from|import)\s*["'`]\.\/([^"'`]+\.js)["'`]/g))
    closure(next as string, found);
  return found;
}

test('the shell has at most 330 kB, the viewer 900 kB more', () => {
  const page = readFileSync('dist/index.html', 'utf8');
  const named = [...page.matchAll(/assets\/([^"]+\.(?:js|css))/g)].map((match) => match[1] as string);
  const shell = new Set(named.flatMap((name) => (name.endsWith('.js') ? [...closure(name)] : [name])));
  const chunks = readdirSync(folder).filter((name) => /^(engine|overlay)-[^.]*\.js$/.test(name));
  const viewer = new Set(chunks.flatMap((name) => [...closure(name)]).filter((name) => !shell.has(name)));
  expect(chunks.length).toBeGreaterThan(0);
  console.log(`shell ${kilobytes(shell).toFixed(0)} kB, viewer ${kilobytes(viewer).toFixed(0)} kB, compressed`);
  expect(kilobytes(shell)).toBeLessThanOrEqual(330);
  expect(kilobytes(viewer)).toBeLessThanOrEqual(900);
  expect(kilobytes(viewer)).toBeGreaterThan(500);
});
