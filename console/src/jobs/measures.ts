// SPDX-License-Identifier: Apache-2.0
// What an algorithm measured, as cards: one for each label, one for the rest.
import { z } from 'zod';

export interface Figure {
  name: string;
  value: number | string;
  unit: string;
}

export interface Card {
  /** The label's id; '' is the whole job. */
  label: string;
  isFound: boolean;
  figures: Figure[];
}

/** The unit at the end of a name ("volume_ml"), which has none otherwise. */
const units: [ending: string, unit: string][] = [
  ['_ml', 'ml'],
  ['_mm2', 'mm²'],
  ['_mm', 'mm'],
  ['_px', 'px'],
  ['_hu', 'HU'],
];

const Labels = z.record(z.string(), z.record(z.string(), z.unknown()));
const told = new Set(['found', 'labels']);
const first = ['volume_ml', 'area_mm2', 'mean_hu', 'sd_hu', 'min_hu', 'max_hu']; // what people look for
const rank = (name: string): number => (first.includes(name) ? first.indexOf(name) : first.length);

function figures(values: Record<string, unknown>): Figure[] {
  const sorted = Object.entries(values).sort(([a], [b]) => rank(a) - rank(b));
  return sorted.flatMap(([name, value]): Figure[] => {
    if (name === 'area_px' && 'area_mm2' in values) return []; // the same in the reader's unit
    if (name === 'found_slices' && values.found_slices === values.slices) return [];
    if (told.has(name) || (typeof value !== 'number' && typeof value !== 'string')) return [];
    const [ending, unit] = units.find(([end]) => name.endsWith(end)) ?? ['', ''];
    return [{ name: name.slice(0, name.length - ending.length), value, unit }];
  });
}

/**
 * The cards of a job's measurements.  A single label's figures stand at the top of the record as well: those are
 * told once, with the label.
 */
export function cardsOf(measurements: Record<string, unknown> | undefined): Card[] {
  if (!measurements) return [];
  const labels = Labels.safeParse(measurements.labels);
  const cards = Object.entries(labels.success ? labels.data : {}).map(
    ([label, values]): Card => ({ label, isFound: values.found !== false, figures: figures(values) }),
  );
  const only = cards.length === 1 ? new Set(cards[0]?.figures.map((figure) => `${figure.name}${figure.unit}`)) : null;
  const rest = figures(measurements).filter((figure) => !only?.has(`${figure.name}${figure.unit}`));
  return [...cards, ...(rest.length > 0 ? [{ label: '', isFound: true, figures: rest }] : [])];
}
