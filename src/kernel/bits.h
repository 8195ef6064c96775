/* SPDX-License-Identifier: Apache-2.0 */
/* Bit-packed masks: 64 pixels a word.
 *
 * Bit b of word w of a row is pixel 64 * w + b.  Each row is followed by one word of zeros, and the
 * mask lies between COR_BITS_GUARD_ROWS rows of zeros above and below (plus one word in front and
 * one behind), so that neighbourhood loops run over the whole mask as one flat array and need no
 * border case: a shift by up to 63 pixels moves bits into the zero word, never into the next row.
 * Bits behind width_px are zero too.  Whoever writes a mask keeps all of that so.
 *
 * Ownership  The caller allocates the words.
 * Threads    Thread-safe.
 * Errors     None.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define COR_KERNEL_SIDE_MAX_PX ((size_t) 65535)
#define COR_BITS_GUARD_ROWS ((size_t) 64)

typedef struct CorBits {
    uint64_t *words; /* first word of row 0 */
    size_t width_px;
    size_t height_px;
    size_t stride_words; /* from row to row, the zero word included */
} CorBits;

/** Words to allocate, zeroed, for a mask. */
size_t cor_kernel_bits_size_words(size_t width_px, size_t height_px);

/** Lay a mask over cor_kernel_bits_size_words() zeroed words. */
CorBits cor_kernel_bits_at(uint64_t *buffer, size_t width_px, size_t height_px);

/** Copy the pixels of one mask to another of the same size. */
void cor_kernel_bits_copy(const CorBits *from, CorBits *to);

/** Number of pixels that are set. */
size_t cor_kernel_bits_count(const CorBits *bits);

/** Set row y from width_px bytes: every one that is not 0 sets its pixel. */
void cor_kernel_bits_pack_row(const uint8_t *bytes, CorBits *bits, size_t y);

/** Write row y as width_px bytes of 0 or 1. */
void cor_kernel_bits_unpack_row(const CorBits *bits, size_t y, uint8_t *bytes);

/** Set the pixels of a dense plane of bytes that are above a threshold. */
void cor_kernel_bits_from_u8_above(const uint8_t *plane, uint8_t threshold, CorBits *bits);
