// SPDX-License-Identifier: Apache-2.0
// A job's parameters beside those of another run and the algorithm's own.
import { type Field, fields, type Params, type ParamsSchema } from '../run/schema';

export interface ParameterRow {
  name: string;
  title: string;
  unit: string;
  value: unknown;
  /** What the algorithm takes where nothing is said. */
  usual: unknown;
  /** What the earlier run had; undefined without one. */
  earlier: unknown;
  isUsual: boolean;
  isChanged: boolean;
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** In the order of the form; what the schema does not know (an older version's) comes last, under its own name. */
export function parameterRows(
  schema: ParamsSchema | undefined,
  params: Params,
  earlier: Params | undefined,
  language: string,
): ParameterRow[] {
  const known = fields(schema ?? {}, language);
  const names = new Set(known.map((field) => field.name));
  const others = Object.keys({ ...earlier, ...params })
    .filter((name) => !names.has(name))
    .map((name): Field => ({ name, schema: {}, title: name, description: '', unit: '' }));
  return [...known, ...others].map(({ name, title, unit, schema: field }) => {
    const value = params[name] ?? field.default;
    const before = earlier && (earlier[name] ?? field.default);
    return {
      name,
      title,
      unit,
      value,
      usual: field.default,
      earlier: before,
      isUsual: same(value, field.default),
      isChanged: earlier !== undefined && !same(value, before),
    };
  });
}
