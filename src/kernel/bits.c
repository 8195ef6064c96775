/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/bits.h"

#include <assert.h>
#include <string.h>

#include "kernel/kernel-ops.h"

#define WORD_BITS ((size_t) 64)
#define LINE_WORDS ((size_t) 8) /* of a cache line: masks begin with one */

size_t cor_kernel_bits_size_words(size_t width_px, size_t height_px)
{
    assert(width_px > 0 && width_px <= COR_KERNEL_SIDE_MAX_PX);
    assert(height_px > 0 && height_px <= COR_KERNEL_SIDE_MAX_PX);

    return (height_px + 2 * COR_BITS_GUARD_ROWS) * ((width_px + WORD_BITS - 1) / WORD_BITS + 1) +
           LINE_WORDS + 1;
}

CorBits cor_kernel_bits_at(uint64_t *buffer, size_t width_px, size_t height_px)
{
    size_t stride = (width_px + WORD_BITS - 1) / WORD_BITS + 1;

    size_t past = (uintptr_t) (buffer + 1) % (LINE_WORDS * sizeof(uint64_t)) / sizeof(uint64_t);

    return (CorBits){
        .words = buffer + 1 + (past ? LINE_WORDS - past : 0) + COR_BITS_GUARD_ROWS * stride,
        .width_px = width_px,
        .height_px = height_px,
        .stride_words = stride,
    };
}

void cor_kernel_bits_copy(const CorBits *from, CorBits *to)
{
    assert(from->width_px == to->width_px && from->height_px == to->height_px);

    memcpy(to->words, from->words, from->height_px * from->stride_words * sizeof(uint64_t));
}

size_t cor_kernel_bits_count(const CorBits *bits)
{
    return cor_kernel_priv_ops()->count(bits->words, bits->height_px * bits->stride_words);
}

void cor_kernel_bits_pack_row(const uint8_t *bytes, CorBits *bits, size_t y)
{
    cor_kernel_priv_ops()->pack_u8(bytes, bits->width_px, 0, bits->words + y * bits->stride_words);
}

void cor_kernel_bits_unpack_row(const CorBits *bits, size_t y, uint8_t *bytes)
{
    const uint64_t *row = bits->words + y * bits->stride_words;

    for (size_t x = 0; x < bits->width_px; x++) {
        bytes[x] = (uint8_t) (row[x / WORD_BITS] >> (x % WORD_BITS) & 1);
    }
}

void cor_kernel_bits_from_u8_above(const uint8_t *plane, uint8_t threshold, CorBits *bits)
{
    const CorKernelOps *ops = cor_kernel_priv_ops();

    for (size_t y = 0; y < bits->height_px; y++) {
        ops->pack_u8(plane + y * bits->width_px, bits->width_px, threshold,
                     bits->words + y * bits->stride_words);
    }
}
