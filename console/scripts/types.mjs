// SPDX-License-Identifier: Apache-2.0
// src/api/schema.ts from schema/openapi.yaml: what the server promises, never written twice.
import { readFileSync, writeFileSync } from 'node:fs';
import { compile } from 'json-schema-to-typescript';
import { parse } from 'yaml';

const at = (path) => new URL(path, import.meta.url);
const { components } = parse(readFileSync(at('../../schema/openapi.yaml'), 'utf8'));
const text = JSON.stringify(components.schemas).replaceAll('#/components/schemas/', '#/definitions/');
const definitions = JSON.parse(text);
const names = Object.keys(definitions);
const types = await compile(
  {
    type: 'object',
    title: 'Schemas',
    additionalProperties: false,
    required: names,
    properties: Object.fromEntries(names.map((name) => [name, { $ref: `#/definitions/${name}` }])),
    definitions,
  },
  'Schemas',
  {
    bannerComment: '// SPDX-License-Identifier: Apache-2.0\n// Made by scripts/types.mjs from schema/openapi.yaml.',
    additionalProperties: false,
  },
);
writeFileSync(at('../src/api/schema.ts'), types);
