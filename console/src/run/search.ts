// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';

const id = z.coerce.string().optional().catch(undefined); // a router reads "7" as a number

/** The reference's fields, as an address may name them. */
export const RunSearch = z.object({
  study_id: id,
  series_id: id,
  image_id: id,
  scope: z.enum(['image', 'series', 'study']).optional().catch(undefined),
  algorithm: id,
});
