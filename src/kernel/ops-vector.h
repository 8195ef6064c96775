/* SPDX-License-Identifier: Apache-2.0 */
/* The loops in vectors of OPS_VECTOR_BYTES, by the vector extensions of C: written once, compiled
 * by each ops-<set>.c, which brings the few steps that those have no words for.  Everything here is
 * static, so that nothing compiled for one set is ever linked into code for another.
 *
 * What does not fill a vector goes to the reference.
 */
#pragma once

#include "kernel/kernel-ops.h"
#include "kernel/ops-words.h"

#define LANES_8 ((size_t) OPS_VECTOR_BYTES)
#define LANES_16 ((size_t) OPS_VECTOR_BYTES / 2)
#define LANES_32 ((size_t) OPS_VECTOR_BYTES / 4)
#define LANES_64 ((size_t) OPS_VECTOR_BYTES / 8)
#define INLINE static inline __attribute__((always_inline))

#define DEFINE_LOAD(type, name)                          \
    INLINE type name(const void *from)                   \
    {                                                    \
        type vector;                                     \
                                                         \
        __builtin_memcpy(&vector, from, sizeof(vector)); \
        return vector;                                   \
    }

DEFINE_LOAD(VU8, load_u8)
DEFINE_LOAD(VU16, load_u16)
DEFINE_LOAD(VS16, load_s16)
DEFINE_LOAD(VU64, load_u64)
DEFINE_LOAD(VF32, load_f32)
DEFINE_LOAD(VF64, load_f64)

INLINE void store_u8(void *to, VU8 vector)
{
    __builtin_memcpy(to, &vector, sizeof(vector));
}

INLINE void store_u64(void *to, VU64 vector)
{
    __builtin_memcpy(to, &vector, sizeof(vector));
}

INLINE VU8 all_u8(uint8_t value)
{
    return value - (VU8){0};
}

INLINE VU16 all_u16(uint16_t value)
{
    return value - (VU16){0};
}

INLINE VS16 all_s16(int16_t value)
{
    return value - (VS16){0};
}

/* Bits of two vectors of 16-bit masks. */
INLINE uint64_t bits_u16(VS16 a, VS16 b)
{
    const VU16 low = all_u16(0xff);

    return bits_u8(narrow_u16((VU16) a & low, (VU16) b & low));
}

static void pack_u8(const uint8_t *values, size_t width, uint8_t threshold, uint64_t *words)
{
    const VU8 limit = all_u8(threshold);
    size_t full = width / OPS_WORD_BITS;

    for (size_t i = 0; i < full; i++) {
        uint64_t word = 0;

        for (size_t k = 0; k < OPS_WORD_BITS; k += LANES_8) {
            word |= bits_u8((VU8) (load_u8(values + OPS_WORD_BITS * i + k) > limit)) << k;
        }
        words[i] = word;
    }
    cor_kernel_priv_scalar.pack_u8(values + OPS_WORD_BITS * full, width % OPS_WORD_BITS, threshold,
                                   words + full);
}

static void pack_s16(const int16_t *values, size_t width, int16_t low, int16_t high,
                     uint64_t *words)
{
    const VS16 first = all_s16(low);
    const VS16 last = all_s16(high);
    size_t full = width / OPS_WORD_BITS;

    for (size_t i = 0; i < full; i++) {
        const int16_t *from = values + OPS_WORD_BITS * i;
        uint64_t word = 0;

        for (size_t k = 0; k < OPS_WORD_BITS; k += LANES_8) {
            VS16 a = load_s16(from + k);
            VS16 b = load_s16(from + k + LANES_16);

            word |= bits_u16((a >= first) & (a <= last), (b >= first) & (b <= last)) << k;
        }
        words[i] = word;
    }
    cor_kernel_priv_scalar.pack_s16(values + OPS_WORD_BITS * full, width % OPS_WORD_BITS, low, high,
                                    words + full);
}

INLINE VU64 join_vectors(bool is_erosion, VU64 a, VU64 b)
{
    return is_erosion ? a & b : a | b;
}

INLINE VU64 join_sideways(bool is_erosion, VU64 before, VU64 here, VU64 behind, unsigned d)
{
    VU64 right = shift_up(here, before, d);
    VU64 left = shift_down(here, behind, d);

    return join_vectors(is_erosion, here, join_vectors(is_erosion, right, left));
}

/* The word before and that behind each are loaded too, except where vectors are as wide as a cache
 * line: there every such load would need two, and moving words from one vector to the next is one
 * instruction. */
INLINE size_t grow_vectors(bool is_erosion, const uint64_t *from, size_t len, unsigned d,
                           uint64_t *to)
{
    size_t i = 0;
#if OPS_VECTOR_BYTES == 64
    if (len >= 2 * LANES_64) {
        VU64 before = load_u64(from - 1);
        VU64 here = load_u64(from);

        for (; i + 2 * LANES_64 <= len; i += LANES_64) {
            VU64 next = load_u64(from + i + LANES_64);

            VU64 behind = __builtin_shufflevector(here, next, 1, 2, 3, 4, 5, 6, 7, 8);

            store_u64(to + i, join_sideways(is_erosion, before, here, behind, d));
            before = __builtin_shufflevector(here, next, 7, 8, 9, 10, 11, 12, 13, 14);
            here = next;
        }
    }
#endif
    for (; i + LANES_64 <= len; i += LANES_64) {
        store_u64(to + i, join_sideways(is_erosion, load_u64(from + i - 1), load_u64(from + i),
                                        load_u64(from + i + 1), d));
    }
    return i;
}

static void grow(bool is_erosion, const uint64_t *from, size_t len, unsigned d, uint64_t *to)
{
    size_t i =
        is_erosion ? grow_vectors(true, from, len, d, to) : grow_vectors(false, from, len, d, to);

    cor_kernel_priv_scalar.grow(is_erosion, from + i, len - i, d, to + i);
}

INLINE size_t cross_vectors(bool is_erosion, const uint64_t *from, size_t len, unsigned d,
                            size_t rows, uint64_t *to)
{
    size_t i = 0;

    for (; i + LANES_64 <= len; i += LANES_64) {
        VU64 above = load_u64(from + i - rows);
        VU64 below = load_u64(from + i + rows);

        store_u64(to + i, join_vectors(is_erosion,
                                       join_sideways(is_erosion, load_u64(from + i - 1),
                                                     load_u64(from + i), load_u64(from + i + 1), d),
                                       join_vectors(is_erosion, above, below)));
    }
    return i;
}

static void cross(bool is_erosion, const uint64_t *from, size_t len, unsigned d, size_t rows,
                  uint64_t *to)
{
    size_t i = is_erosion ? cross_vectors(true, from, len, d, rows, to)
                          : cross_vectors(false, from, len, d, rows, to);

    cor_kernel_priv_scalar.cross(is_erosion, from + i, len - i, d, rows, to + i);
}

INLINE size_t join_rows(bool is_erosion, const uint64_t *from, size_t len, size_t rows,
                        uint64_t *to)
{
    size_t i = 0;

    for (; i + LANES_64 <= len; i += LANES_64) {
        VU64 above = load_u64(from + i - rows);
        VU64 below = load_u64(from + i + rows);

        store_u64(to + i, join_vectors(is_erosion, load_u64(to + i),
                                       join_vectors(is_erosion, above, below)));
    }
    return i;
}

static void join(bool is_erosion, const uint64_t *from, size_t len, size_t rows, uint64_t *to)
{
    size_t i =
        is_erosion ? join_rows(true, from, len, rows, to) : join_rows(false, from, len, rows, to);

    cor_kernel_priv_scalar.join(is_erosion, from + i, len - i, rows, to + i);
}

static void clip_s16(const CorClip *clip, const int16_t *values, size_t len, uint8_t *bytes)
{
    const VS16 low = all_s16((int16_t) clip->low);
    const VS16 high = all_s16((int16_t) clip->high);
    const VU16 factor = all_u16(clip->factor);
    size_t i = 0;

    for (; i + LANES_8 <= len; i += LANES_8) {
        VS16 a = min_s16(max_s16(load_s16(values + i), low), high);
        VS16 b = min_s16(max_s16(load_s16(values + i + LANES_16), low), high);
        VU16 bytes_a = mulhi_u16(((VU16) a - (VU16) low) << clip->shift, factor);
        VU16 bytes_b = mulhi_u16(((VU16) b - (VU16) low) << clip->shift, factor);

        store_u8(bytes + i, narrow_u16(bytes_a, bytes_b));
    }
    cor_kernel_priv_scalar.clip_s16(clip, values + i, len - i, bytes + i);
}

static void above_s16(const int16_t *values, size_t len, int16_t threshold, uint8_t *bytes)
{
    const VS16 limit = all_s16(threshold);
    const VU16 one = all_u16(1);
    size_t i = 0;

    for (; i + LANES_8 <= len; i += LANES_8) {
        VU16 a = (VU16) (load_s16(values + i) > limit) & one;
        VU16 b = (VU16) (load_s16(values + i + LANES_16) > limit) & one;

        store_u8(bytes + i, narrow_u16(a, b));
    }
    cor_kernel_priv_scalar.above_s16(values + i, len - i, threshold, bytes + i);
}

static void range_s16(const int16_t *values, size_t len, int *low, int *high)
{
    VS16 smallest = all_s16((int16_t) *low);
    VS16 largest = all_s16((int16_t) *high);
    size_t i = 0;

    for (; i + LANES_16 <= len; i += LANES_16) {
        VS16 v = load_s16(values + i);

        smallest = min_s16(smallest, v);
        largest = max_s16(largest, v);
    }
    for (size_t k = 0; k < LANES_16; k++) {
        *low = smallest[k] < *low ? smallest[k] : *low;
        *high = largest[k] > *high ? largest[k] : *high;
    }
    cor_kernel_priv_scalar.range_s16(values + i, len - i, low, high);
}

static void scale_s16(const int16_t *values, size_t len, double scale, double offset,
                      uint8_t *bytes)
{
    const VF64 scales = scale - (VF64){0};
    const VF64 offsets = offset - (VF64){0};
    size_t i = 0;

    for (; i + LANES_64 <= len; i += LANES_64) {
        store_f64_u8(fma_f64(load_s16_f64(values + i), scales, offsets), bytes + i);
    }
    cor_kernel_priv_scalar.scale_s16(values + i, len - i, scale, offset, bytes + i);
}

static void scale_f64(const double *values, size_t len, double scale, double offset, uint8_t *bytes)
{
    const VF64 scales = scale - (VF64){0};
    const VF64 offsets = offset - (VF64){0};
    size_t i = 0;

    for (; i + LANES_64 <= len; i += LANES_64) {
        store_f64_u8(fma_f64(load_f64(values + i), scales, offsets), bytes + i);
    }
    cor_kernel_priv_scalar.scale_f64(values + i, len - i, scale, offset, bytes + i);
}

/* (6 v + plus) / 10 for v and plus that add up to at most 2555: 6554 / 65536 is a tenth, and
 * 6e-6 too much of it adds less than what a quotient lacks to the next whole number. */
INLINE VU8 mix(VU8 v, uint16_t plus)
{
    const VU16 tenth = all_u16(6554);

    return narrow_u16(mulhi_u16(widen_low_u8(v) * 6 + plus, tenth),
                      mulhi_u16(widen_high_u8(v) * 6 + plus, tenth));
}

static void paint(const uint8_t *grey, const uint8_t *mask, size_t len, uint8_t *rgb)
{
    size_t i = 0;

    for (; i + LANES_8 <= len; i += LANES_8) {
        VU8 v = load_u8(grey + i);
        VU8 is_masked = mask ? (VU8) (load_u8(mask + i) != 0) : (VU8){0};
        VU8 red = v;
        VU8 green = v;

        if (bits_u8(is_masked)) {
            red = (mix(v, 1025) & is_masked) | (v & ~is_masked);
            green = (mix(v, 5) & is_masked) | (v & ~is_masked);
        }
        store_rgb(red, green, rgb + 3 * i);
    }
    cor_kernel_priv_scalar.paint(grey + i, mask ? mask + i : NULL, len - i, rgb + 3 * i);
}

static void slide(const uint8_t *enter, const uint8_t *leave, size_t len, uint8_t *sums,
                  uint8_t *now)
{
    size_t i = 0;

    for (; i + LANES_8 <= len; i += LANES_8) {
        VU8 sum = load_u8(sums + i) + load_u8(enter + i);

        store_u8(now + i, sum);
        store_u8(sums + i, sum - load_u8(leave + i));
    }
    cor_kernel_priv_scalar.slide(enter + i, leave + i, len - i, sums + i, now + i);
}

/* All windows at once by doubling: with S_n[x] the sum of n pixels from x on, S_2n[x] = S_n[x] +
 * S_n[x + n], and the binary digits of the side say which S_n, one behind the other, make the
 * window.  What is read behind the end of a line goes into sums that are not used. */
static void box(const CorOpsBox *box, size_t width, uint64_t *words)
{
    const VU8 limit = all_u8((uint8_t) (box->needed - 1));
    size_t reach = width + box->side;

    for (size_t k = 1; (box->side >> k) > 0; k++) {
        const uint8_t *from = box->lines[k - 1];
        size_t n = (size_t) 1 << (k - 1);

        for (size_t x = 0; x < reach; x += LANES_8) {
            store_u8(box->lines[k] + x, load_u8(from + x) + load_u8(from + x + n));
        }
    }
    for (size_t x = 0; x < width; x += LANES_8) {
        VU8 sum = {0};
        size_t offset = x;
        uint64_t above = 0;

        for (size_t k = 0; (box->side >> k) > 0; k++) {
            if (box->side >> k & 1) {
                sum += load_u8(box->lines[k] + offset);
                offset += (size_t) 1 << k;
            }
        }
        above = bits_u8((VU8) (sum > limit));
        if (width - x < LANES_8) {
            above &= ((uint64_t) 1 << (width - x)) - 1;
        }
        if (x % OPS_WORD_BITS == 0) {
            words[x / OPS_WORD_BITS] = above;
        } else {
            words[x / OPS_WORD_BITS] |= above << x % OPS_WORD_BITS;
        }
    }
}

#include "kernel/ops-vector-gauss.h"

const CorKernelOps OPS_TABLE = {
    .name = OPS_NAME,
    .count = words_count,
    .pack_u8 = pack_u8,
    .pack_s16 = pack_s16,
    .runs_count = words_runs_count,
    .runs_find = words_runs_find,
    .grow = grow,
    .cross = cross,
    .join = join,
    .clip_s16 = clip_s16,
    .above_s16 = above_s16,
    .range_s16 = range_s16,
    .scale_s16 = scale_s16,
    .scale_f64 = scale_f64,
    .paint = paint,
    .slide = slide,
    .box = box,
    .gauss_down = gauss_down,
    .gauss_above = gauss_above,
};
