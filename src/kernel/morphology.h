/* SPDX-License-Identifier: Apache-2.0 */
/* Dilation and erosion of bit-packed masks by disks and diamonds.
 *
 * The disk of radius r is {(dy, dx): dy^2 + dx^2 <= r^2}; the diamond of radius n is n times the
 * cross of five pixels: {(dy, dx): |dy| + |dx| <= n}.  Outside the mask nothing is set, unless an
 * erosion is told that everything is.
 *
 * Ownership  Everything belongs to the caller.  Scratch is zeroed once, before its first use, and
 *            has no meaning afterwards.
 * Threads    Thread-safe.
 * Errors     None.
 */
#pragma once

#include "kernel/bits.h"

#include <stdbool.h>

#define COR_DISK_RADIUS_MAX_PX 63
#define COR_DIAMOND_RADIUS_MAX_PX 63

/** Words of scratch that the operations below need for masks of this width. */
size_t cor_kernel_morphology_size_words(size_t width_px);

/** Dilate by a disk.  from and to are different masks. */
void cor_kernel_dilate_disk(const CorBits *from, int radius_px, CorBits *to, uint64_t *scratch);

/** Erode by a disk; outside_is_set tells what lies outside the mask. */
void cor_kernel_erode_disk(const CorBits *from, int radius_px, bool outside_is_set, CorBits *to,
                           uint64_t *scratch);

/** Dilate by a diamond, that is radius_px times by the cross. */
void cor_kernel_dilate_diamond(const CorBits *from, int radius_px, CorBits *to, uint64_t *scratch);

/** Erode by a diamond; outside nothing is set. */
void cor_kernel_erode_diamond(const CorBits *from, int radius_px, CorBits *to, uint64_t *scratch);
