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

/**
 * Write three bytes per grey value: equal ones, or, where the pixel is masked, 0.4 of magenta (255,
 * 0, 255) and 0.6 of the grey, rounded to the nearest.
 *
 * @param mask  len bytes, 0 or not 0; or NULL
 */
void cor_kernel_paint(const uint8_t *grey, const uint8_t *mask, size_t len, uint8_t *rgb);
