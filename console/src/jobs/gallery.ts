// SPDX-License-Identifier: Apache-2.0
// The pictures that a job made, in the order of its inputs.
import type { Job } from '../api/schema';

export interface Made {
  series: string;
  instance: string;
  /** From 1, in the order of the inputs. */
  slice: number;
  isOverlay: boolean;
  isFound: boolean;
}

/** Overlays where there are any, else the images that were made. */
export function picturesOf(job: Job): Made[] {
  const outputs = job.outputs ?? [];
  const role = outputs.some((output) => output.role === 'overlay') ? 'overlay' : 'image';
  return outputs
    .filter((output) => output.role === role)
    .sort((a, b) => (a.source ?? 0) - (b.source ?? 0))
    .flatMap((output, index): Made[] =>
      output.series_instance_uid && output.sop_instance_uid
        ? [
            {
              series: output.series_instance_uid,
              instance: output.sop_instance_uid,
              slice: index + 1,
              isOverlay: role === 'overlay',
              isFound: output.found !== false,
            },
          ]
        : [],
    );
}
