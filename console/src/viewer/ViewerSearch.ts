// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';

/** Where one looks, in the address: a link shows the same slice in the same window. */
export const ViewerSearch = z.object({
  slice: z.number().int().min(1).optional().catch(undefined),
  center: z.number().optional().catch(undefined),
  width: z.number().positive().optional().catch(undefined),
  /** The image to begin with: SOP Instance UID, or the end of the key that it was stored under. */
  image: z.string().optional().catch(undefined),
  /** SOP Instance UID of the Segmentation that is drawn. */
  overlay: z.string().optional().catch(undefined),
});
