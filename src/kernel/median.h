/* SPDX-License-Identifier: Apache-2.0 */
/* Median and mean of a square around each pixel, in a time that does not depend on the square.
 *
 * Ownership  Everything belongs to the caller.
 * Threads    Thread-safe.
 * Errors     None.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define COR_MEDIAN_SIDE_MAX_PX ((size_t) 63)

/** Bytes of scratch that cor_kernel_median_s16() needs. */
size_t cor_kernel_median_scratch_size(size_t side_px);

/**
 * Write the median of the square of side_px around each pixel of a dense plane; the border is
 * mirrored as in gauss.h.  Where only "above a threshold" is asked, majority.h is far cheaper.
 *
 * @param size_px  width and height
 * @param side_px  odd, 1 to COR_MEDIAN_SIDE_MAX_PX
 * @param to       other memory than from
 * @param scratch  aligned for 16-bit integers
 */
void cor_kernel_median_s16(const int16_t *from, const size_t size_px[2], size_t side_px,
                           int16_t *to, void *scratch);

/** Bytes of scratch that cor_kernel_mean_s16() needs. */
size_t cor_kernel_mean_scratch_size(size_t width_px);

/* Values that cor_kernel_mean_s16() takes the mean of. */
typedef struct CorMean {
    size_t radius_px;
    int16_t low; /* values are capped to these */
    int16_t high;
} CorMean;

/**
 * Write the mean of the square around each pixel of a dense plane, of what of the square lies in
 * the plane.
 *
 * @param size_px  width and height; radius_px is at most 255
 * @param scratch  aligned for 32-bit integers
 */
void cor_kernel_mean_s16(const CorMean *mean, const int16_t *from, const size_t size_px[2],
                         float *to, void *scratch);
