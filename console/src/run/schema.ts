// SPDX-License-Identifier: Apache-2.0
// The part of JSON Schema in which algorithms describe their parameters, and a form's fields made of it.
import { z } from 'zod';

export interface FieldSchema {
  type?: 'number' | 'integer' | 'string' | 'boolean' | 'array' | 'object';
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  items?: FieldSchema;
  minItems?: number;
  maxItems?: number;
  'x-unit'?: string;
  'x-order'?: number;
  'x-advanced'?: boolean;
  'x-i18n'?: Record<string, { title?: string; description?: string }>;
}

export interface ParamsSchema {
  type?: 'object';
  title?: string;
  description?: string;
  properties?: Record<string, FieldSchema>;
  required?: string[];
  'x-i18n'?: Record<string, { title?: string; description?: string }>;
}

export type Params = Record<string, unknown>;

export interface Field {
  name: string;
  schema: FieldSchema;
  title: string;
  description: string;
  unit: string;
}

/** The fields in the order that the schema asks for, in the language's words where it has them. */
export function fields(schema: ParamsSchema, language: string): Field[] {
  return Object.entries(schema.properties ?? {})
    .map(([name, field]) => {
      const words = field['x-i18n']?.[language];
      return {
        name,
        schema: field,
        title: words?.title ?? field.title ?? name,
        description: words?.description ?? field.description ?? '',
        unit: field['x-unit'] ?? '',
      };
    })
    .sort((a, b) => (a.schema['x-order'] ?? 1e6) - (b.schema['x-order'] ?? 1e6));
}

/** What the algorithm takes where nothing is said. */
export function defaults(schema: ParamsSchema): Params {
  return Object.fromEntries(
    Object.entries(schema.properties ?? {})
      .filter(([, field]) => field.default !== undefined)
      .map(([name, field]) => [name, field.default]),
  );
}

/** Only what differs from the defaults: the job's own record stays short, and equal runs stay equal. */
export function changed(schema: ParamsSchema, params: Params): Params {
  const usual = defaults(schema);
  return Object.fromEntries(
    Object.entries(params).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(usual[name])),
  );
}

/** What is wrong, by field; '' is the whole.  The server is the judge; this only spares the way to it. */
export function problems(schema: ParamsSchema, params: Params): Record<string, string> {
  const checked = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(params);
  if (checked.success) return {};
  return Object.fromEntries(checked.error.issues.map((issue) => [String(issue.path[0] ?? ''), issue.message]));
}

/** The field that a JSON pointer into a request means ("/params/sigma": sigma); undefined if none. */
export function fieldOfPointer(pointer: string | undefined): string | undefined {
  const match = /^\/params\/([^/]+)/.exec(pointer ?? '');
  return match?.[1]?.replaceAll('~1', '/').replaceAll('~0', '~');
}
