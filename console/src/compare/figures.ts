// SPDX-License-Identifier: Apache-2.0
// What was measured of each label, in a line.
import { z } from 'zod';

const Labels = z.record(
  z.string(),
  z.looseObject({ volume_ml: z.number().optional(), mean_hu: z.number().optional(), sd_hu: z.number().optional() }),
);

export function figuresOf(measurements: Record<string, unknown> | undefined, language: string): Record<string, string> {
  const labels = Labels.safeParse(measurements?.labels);
  if (!labels.success) return {};
  const format = (value: number) => new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(value);
  return Object.fromEntries(
    Object.entries(labels.data).map(([label, { volume_ml, mean_hu, sd_hu }]) => [
      label.replaceAll('_', ' '),
      [
        volume_ml === undefined ? '' : `${format(volume_ml)} ml`,
        mean_hu === undefined ? '' : `${format(mean_hu)} ± ${format(sd_hu ?? 0)} HU`,
      ]
        .filter(Boolean)
        .join(', '),
    ]),
  );
}
