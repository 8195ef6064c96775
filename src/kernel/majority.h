/* SPDX-License-Identifier: Apache-2.0 */
/* Where more than half of a square's pixels are set: the median of grey values is above a threshold
 * exactly where the majority of them is.
 *
 * Ownership  Everything belongs to the caller.
 * Threads    Thread-safe.
 * Errors     None.
 */
#pragma once

#include "kernel/bits.h"

#define COR_MAJORITY_SIDE_MAX_PX ((size_t) 31)

/** Bytes of scratch that cor_kernel_majority() needs. */
size_t cor_kernel_majority_scratch_size(size_t width_px, size_t height_px);

/**
 * Set the pixels around which at least (side_px * side_px + 1) / 2 of the bytes are 1; the border
 * is mirrored as in gauss.h.
 *
 * @param plane    dense plane of the mask's size, bytes of 0 or 1
 * @param side_px  odd, 1 to COR_MAJORITY_SIDE_MAX_PX
 * @param scratch  aligned to 2 bytes
 */
void cor_kernel_majority(const uint8_t *plane, size_t side_px, CorBits *to, uint8_t *scratch);
