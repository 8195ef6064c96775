/* SPDX-License-Identifier: Apache-2.0 */
/* Packing goes through eight bytes at a time: multiplying bytes of 0 or 1 by 0x0102040810204080
 * gathers them in the highest byte.  That is arithmetic on a little-endian load, which is asked for
 * explicitly, so the result does not depend on the machine.
 */
#include "kernel/bits.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define WORD_BITS ((size_t) 64)

size_t cor_kernel_bits_size_words(size_t width_px, size_t height_px)
{
    assert(width_px > 0 && width_px <= COR_KERNEL_SIDE_MAX_PX);
    assert(height_px > 0 && height_px <= COR_KERNEL_SIDE_MAX_PX);

    return (height_px + 2 * COR_BITS_GUARD_ROWS) * ((width_px + WORD_BITS - 1) / WORD_BITS + 1) + 1;
}

CorBits cor_kernel_bits_at(uint64_t *buffer, size_t width_px, size_t height_px)
{
    size_t stride = (width_px + WORD_BITS - 1) / WORD_BITS + 1;

    return (CorBits){
        .words = buffer + 1 + COR_BITS_GUARD_ROWS * stride,
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
    size_t count = 0;

    for (size_t i = 0; i < bits->height_px * bits->stride_words; i++) {
        count += (size_t) __builtin_popcountll(bits->words[i]);
    }
    return count;
}

static inline uint64_t pack8(const uint8_t *bytes)
{
    uint64_t eight = 0;

    memcpy(&eight, bytes, sizeof(eight));
    return (le64toh(eight) * 0x0102040810204080u) >> 56;
}

static inline uint64_t pack64(const uint8_t *bytes)
{
    uint64_t word = 0;

    for (unsigned i = 0; i < 8; i++) {
        word |= pack8(bytes + 8 * i) << (8 * i);
    }
    return word;
}

/* The pixels of a row that do not fill a word. */
static inline uint64_t pack_tail(const uint8_t *bytes, size_t len)
{
    uint8_t padded[64] = {0};

    memcpy(padded, bytes, len);
    return pack64(padded);
}

void cor_kernel_bits_pack_row(const uint8_t *bytes, CorBits *bits, size_t y)
{
    uint64_t *row = bits->words + y * bits->stride_words;
    size_t full = bits->width_px / WORD_BITS;
    size_t tail = bits->width_px % WORD_BITS;

    for (size_t i = 0; i < full; i++) {
        row[i] = pack64(bytes + WORD_BITS * i);
    }
    if (tail > 0) {
        row[full] = pack_tail(bytes + WORD_BITS * full, tail);
    }
}

void cor_kernel_bits_unpack_row(const CorBits *bits, size_t y, uint8_t *bytes)
{
    const uint64_t *row = bits->words + y * bits->stride_words;

    for (size_t x = 0; x < bits->width_px; x++) {
        bytes[x] = (uint8_t) (row[x / WORD_BITS] >> (x % WORD_BITS) & 1);
    }
}

/* One word of a row: a constant length where there is one makes it a vector loop. */
static inline uint64_t pack_above(const uint8_t *values, size_t len, uint8_t threshold)
{
    uint8_t above[64];

    for (size_t i = 0; i < len; i++) {
        above[i] = values[i] > threshold;
    }
    return len == WORD_BITS ? pack64(above) : pack_tail(above, len);
}

void cor_kernel_bits_from_u8_above(const uint8_t *plane, uint8_t threshold, CorBits *bits)
{
    size_t full = bits->width_px / WORD_BITS;
    size_t tail = bits->width_px % WORD_BITS;

    for (size_t y = 0; y < bits->height_px; y++) {
        const uint8_t *values = plane + y * bits->width_px;
        uint64_t *row = bits->words + y * bits->stride_words;

        for (size_t i = 0; i < full; i++) {
            row[i] = pack_above(values + WORD_BITS * i, WORD_BITS, threshold);
        }
        if (tail > 0) {
            row[full] = pack_above(values + WORD_BITS * full, tail, threshold);
        }
    }
}
