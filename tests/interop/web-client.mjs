// SPDX-License-Identifier: Apache-2.0
// npm's dicomweb-client in the hands of a test: one call per line of standard input, one line of JSON as answer.
//
//     node web-client.mjs BASE_URL
//     {"call": "searchForStudies", "options": {...}, "datasets": [files to store]}
//
// Bytes come back as {"base64": ...}.
import fs from 'node:fs';
import readline from 'node:readline';
import xhr2 from 'xhr2';
import dicomweb from 'dicomweb-client';

globalThis.XMLHttpRequest = xhr2; // what the library finds in a browser
globalThis.console = new console.Console(process.stderr); // it talks, and standard output is ours

const client = new dicomweb.api.DICOMwebClient({ url: process.argv[2], verbose: false });

function portable(value) {
  if (value instanceof ArrayBuffer) {
    return { base64: Buffer.from(value).toString('base64') };
  }
  return Array.isArray(value) ? value.map(portable) : value;
}

function dataset(path) {
  const bytes = fs.readFileSync(path);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

async function answer({ call, options, datasets }) {
  const given = datasets ? { ...options, datasets: datasets.map(dataset) } : options;
  try {
    return { result: portable(await client[call](given)) };
  } catch (error) {
    return { error: error.message, status: error.status };
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + '\n');
}
