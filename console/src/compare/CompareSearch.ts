// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';

export const modes = ['side', 'swipe', 'flicker'] as const;
export type Mode = (typeof modes)[number];

/** How one compares, in the address: a link shows the same. */
export const CompareSearch = z.object({
  slice: z.number().int().min(1).optional().catch(undefined),
  center: z.number().optional().catch(undefined),
  width: z.number().positive().optional().catch(undefined),
  mode: z.enum(modes).optional().catch(undefined),
});
