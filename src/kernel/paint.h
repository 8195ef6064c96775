/* SPDX-License-Identifier: Apache-2.0 */
/* Grey to RGB, and the colour of a mask over it.
 *
 * Ownership  Everything belongs to the caller.
 * Threads    Thread-safe.
 * Errors     None.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/** Write three equal bytes per grey value. */
void cor_kernel_grey_to_rgb(const uint8_t *grey, size_t len, uint8_t *rgb);

/**
 * Mix the pixels that are masked with magenta: 0.4 of (255, 0, 255) and 0.6 of what is there,
 * rounded to the nearest.
 *
 * @param mask  len bytes, 0 or not 0
 * @param rgb   grey: three equal bytes per pixel
 */
void cor_kernel_paint_mask(const uint8_t *mask, size_t len, uint8_t *rgb);
