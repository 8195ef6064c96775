// SPDX-License-Identifier: Apache-2.0
// Failures in words that a person can act on; the codes are interfaces' promise.
const known = [
  'bad_input',
  'input_gone',
  'unsupported',
  'algorithm_crashed',
  'timeout',
  'out_of_memory',
  'gate_refused',
  'internal',
] as const;

/** The translation key of what a code means and what to do about it. */
export function adviceKey(code: string): string {
  return `jobs.failure.${known.find((name) => name === code) ?? 'other'}`;
}
