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
  'x-i18n'?: Record<string, { title?: string; description?: string; unit?: string }>;
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
        unit: words?.unit ?? field['x-unit'] ?? '',
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

/** What an algorithm is called and does, in the language's words where its schema has them. */
export function wordsOf(
  { title, description, params_schema }: { title: string; description: string; params_schema: unknown },
  language: string,
): { title: string; description: string } {
  return { title, description, ...(params_schema as ParamsSchema)['x-i18n']?.[language] };
}

export interface Fault {
  /** A key of run.fault. */
  kind: 'missing' | 'low' | 'high' | 'integer' | 'step' | 'choice' | 'other';
  bound?: number;
}

/** Of zod's issues only what a person can mend. */
function fault(issue: z.core.$ZodIssue): Fault {
  switch (issue.code) {
    case 'too_small':
      return { kind: 'low', bound: Number(issue.minimum) };
    case 'too_big':
      return { kind: 'high', bound: Number(issue.maximum) };
    case 'not_multiple_of':
      return { kind: 'step', bound: issue.divisor };
    case 'invalid_value':
      return { kind: 'choice' };
    case 'invalid_type':
      return { kind: issue.expected === 'int' ? 'integer' : 'missing' };
    default:
      return { kind: 'other' };
  }
}

/** What is wrong, by field; '' is the whole.  The server is the judge; this only spares the way to it. */
export function problems(schema: ParamsSchema, params: Params): Record<string, Fault> {
  const checked = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(params);
  const wrong = checked.success
    ? {}
    : Object.fromEntries(checked.error.issues.map((issue) => [String(issue.path[0] ?? ''), fault(issue)]));
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    // a number that was taken out of its field: the server would take the default, which nobody sees
    if (params[name] === undefined && field.default !== undefined) wrong[name] = { kind: 'missing' };
  }
  return wrong;
}

/** The field that a JSON pointer into a request means ("/params/sigma": sigma); undefined if none. */
export function fieldOfPointer(pointer: string | undefined): string | undefined {
  const match = /^\/params\/([^/]+)/.exec(pointer ?? '');
  return match?.[1]?.replaceAll('~1', '/').replaceAll('~0', '~');
}
