/* SPDX-License-Identifier: Apache-2.0 */
/* Gaussian filter on bytes, as scipy.ndimage does it on uint8: first down the columns, then along
 * the rows, each pass in double precision and truncated to bytes, the border mirrored on the half
 * sample (d c b a | a b c d | d c b a), again and again if the plane is shorter than the kernel.
 *
 * Ownership  Everything belongs to the caller.
 * Threads    Thread-safe.
 * Errors     None.
 */
#pragma once

#include <stdbool.h>

#include "kernel/bits.h"

#define COR_GAUSS_REFERENCE_RADIUS_PX ((size_t) 6) /* of sigma 1.5, which has loops of its own */
#define COR_GAUSS_RADIUS_MAX_PX ((size_t) 40)
#define COR_GAUSS_SIGMA_MAX 10.0

typedef struct CorGauss {
    size_t radius_px;                            /* floor(4 sigma + 0.5) */
    double weights[COR_GAUSS_RADIUS_MAX_PX + 1]; /* from the centre outwards; they sum up to 1 */
    float rough[COR_GAUSS_RADIUS_MAX_PX + 1];    /* the same, rounded */
    float margin;       /* a rough sum is nearer than this to the exact one */
    bool has_flat_kept; /* a stretch of equal bytes stays as it is, whatever the byte */
    uint16_t coarse[COR_GAUSS_RADIUS_MAX_PX + 1]; /* the weights times 65536, truncated */
} CorGauss;

/** Prepare the weights of a sigma of 0 to COR_GAUSS_SIGMA_MAX pixels; below 0.125 nothing changes.
 */
void cor_kernel_gauss_init(CorGauss *gauss, double sigma_px);

/** Floats of scratch that a plane of this width needs. */
size_t cor_kernel_gauss_scratch_len(const CorGauss *gauss, size_t width_px);

/** Filter a dense plane.  from and to are different memory. */
void cor_kernel_gauss_u8(const CorGauss *gauss, const uint8_t *from, size_t width_px,
                         size_t height_px, uint8_t *to, float *scratch);

/**
 * Filter a dense plane and set the pixels that are above a threshold then: what
 * cor_kernel_gauss_u8() and cor_kernel_bits_from_u8_above() do, but faster.
 *
 * @param from     plane of the mask's size
 * @param between  as much memory again, other than from
 */
void cor_kernel_gauss_above(const CorGauss *gauss, const uint8_t *from, uint8_t threshold,
                            uint8_t *between, CorBits *to, float *scratch);

/** The index of 0 to len - 1 that a mirrored border shows at index i. */
size_t cor_kernel_mirror(ptrdiff_t i, size_t len);
