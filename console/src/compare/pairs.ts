// SPDX-License-Identifier: Apache-2.0
// Which processed image belongs to which original.
import type { Job, Output } from '../api/schema';

export interface Pair {
  source: string;
  derived: { series: string; instance: string };
}

const uidsOf = (inputs: Job['inputs']): string[] =>
  (inputs ?? []).map((input) => String((input as { sop_instance_uid?: string }).sop_instance_uid ?? ''));

/** The overlays of a job (or, without any, one image for each input) by the image that each was made of, in their order. */
export function pairs(job: Job): Pair[] {
  const sources = uidsOf(job.inputs);
  const bySource = new Map<string, Output>();
  const outputs = job.outputs ?? [];
  const overlays = outputs.filter((output) => output.role === 'overlay');
  const images = outputs.filter((output) => output.role === 'image');
  for (const output of overlays.length === 0 && images.length === sources.length ? images : overlays) {
    const source = output.source_sop_instance_uid ?? sources[output.source ?? -1];
    if (source) bySource.set(source, output);
  }
  const order = sources.length > 0 ? sources : [...bySource.keys()];
  return order.flatMap((source) => {
    const output = bySource.get(source);
    if (!output?.series_instance_uid || !output.sop_instance_uid) return [];
    return [{ source, derived: { series: output.series_instance_uid, instance: output.sop_instance_uid } }];
  });
}
