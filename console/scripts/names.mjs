// SPDX-License-Identifier: Apache-2.0
// src/compare/names.json: the keyword of every tag of the data dictionary (PS3.6), as dcmjs has it.
import { writeFileSync } from 'node:fs';
import dcmjs from 'dcmjs';

const names = Object.values(dcmjs.data.DicomMetaDictionary.nameMap)
  .map(({ tag, name }) => [/^\(([0-9A-F]{4}),([0-9A-F]{4})\)$/i.exec(tag), name.replace(/^RETIRED_/, '')])
  .filter(([match]) => match !== null)
  .map(([match, name]) => [(match[1] + match[2]).toUpperCase(), name])
  .filter(([tag]) => tag > '0002FFFF')
  .sort(([a], [b]) => (a < b ? -1 : 1));
if (names.length < 4000) throw new Error(`the dictionary has only ${names.length} tags`);
writeFileSync(new URL('../src/compare/names.json', import.meta.url), `${JSON.stringify(Object.fromEntries(names))}\n`);
