/* SPDX-License-Identifier: Apache-2.0 */
/* The two passes of the Gaussian in vectors: part of ops-vector.h.  What has to come out is defined
 * in gauss.c: a sum in double in a fixed order, truncated.
 *
 * Down the columns: strips of 64 columns, two rows at a time, so that the 2 r + 2 rows that both
 * see are loaded once.  The sum is rough, in single precision (with fused operations, which only
 * round less); where it lies within the margin of a whole number (gauss.c says why that suffices)
 * the exact sum decides, pixel by pixel.  Flat stretches are such places and frequent, because the
 * window saturates; but there the exact sum is known to be the value itself (has_flat_kept).
 *
 * Along a row: only asked is where the sum reaches n = threshold + 1.  A word of 64 pixels that
 * sees nothing above the threshold is 0, and one that sees nothing below n + 1 is all ones:
 * rounding is some 1e-14.  Elsewhere the sum is taken in 16 bits: values times 128, of which a
 * product with a weight in units of 2^-16 keeps the high half.  Each product loses less than 1 in
 * its truncation and less than 1 by that of its weight, so with r + 1 products
 *
 *     rough <= 128 sum < rough + 2 (r + 1)
 *
 * and the exact sum is only needed where rough is in 128 n - 2 (r + 1) to 128 n.
 */
#pragma once

#define STRIP_PX ((size_t) 64)
#define ALL_LANES_32 (((unsigned) 1 << LANES_32) - 1)

/* One exact sum down a column of a strip: the definition. */
static __attribute__((noinline)) uint8_t exact_down(const CorGauss *gauss, const float *top)
{
    size_t radius = gauss->radius_px;
    const float *center = top + radius * STRIP_PX;
    double sum = (double) *center * gauss->weights[0];

    for (size_t k = radius; k >= 1; k--) {
        sum += (double) (center[-(ptrdiff_t) (k * STRIP_PX)] + center[k * STRIP_PX]) *
               gauss->weights[k];
    }
    return (uint8_t) (int) sum;
}

/* Lanes where all taps are equal. */
static unsigned find_flat(const CorGauss *gauss, const float *top)
{
    VF32 center = load_f32(top + gauss->radius_px * STRIP_PX);
    VS32 is_flat = ~(VS32){0};

    for (size_t k = 0; k <= 2 * gauss->radius_px; k++) {
        is_flat &= load_f32(top + k * STRIP_PX) == center;
    }
    return bits_s32(is_flat);
}

/* Set right those lanes of a vector that were in doubt. */
static __attribute__((noinline)) void settle_down(const CorGauss *gauss, const float *top,
                                                  unsigned doubtful, uint8_t *to)
{
    unsigned flat = gauss->has_flat_kept && doubtful ? find_flat(gauss, top) : 0;

    if (flat == ALL_LANES_32) {
        store_s32_u8(trunc_f32(load_f32(top + gauss->radius_px * STRIP_PX)), to);
        return;
    }
    for (unsigned lanes = doubtful & flat; lanes; lanes &= lanes - 1) {
        size_t i = (size_t) __builtin_ctz(lanes);

        to[i] = (uint8_t) (int) top[gauss->radius_px * STRIP_PX + i];
    }
    for (unsigned lanes = doubtful & ~flat; lanes; lanes &= lanes - 1) {
        size_t i = (size_t) __builtin_ctz(lanes);

        to[i] = exact_down(gauss, top + i);
    }
}

/* Store a vector of sums; the lanes that are in doubt are returned. */
INLINE unsigned truncate_down(VF32 sum, VF32 limit, uint8_t *to)
{
    VS32 whole = trunc_f32(sum);

    store_s32_u8(whole, to);
    return bits_near(whole, sum - __builtin_convertvector(whole, VF32), limit);
}

typedef struct Strip {
    const uint8_t *from; /* its first pixel */
    uint8_t *to;
    size_t width_px; /* of the plane */
    size_t height_px;
    float *
        ring; /* 2 ring_rows rows of STRIP_PX; each is there twice, so that any follow each other */
    size_t ring_rows;
    /* Per vector of a row: behind the last row, of those that are loaded, where it is not zero. */
    size_t seen_end[STRIP_PX / LANES_32];
} Strip;

INLINE void store_zeros(uint8_t *to)
{
    store_s32_u8((VS32){0}, to);
}

/* A vector of two rows; top is the first row that the upper one sees.  The margin is added to the
 * sums, so that they are above the exact ones and only those just above a whole number are in
 * doubt.
 */
INLINE void sum_down(const CorGauss *gauss, size_t radius, const float *top, uint8_t *upper,
                     uint8_t *lower)
{
    const VF32 margin = gauss->margin - (VF32){0};
    const float *center = top + radius * STRIP_PX;
    VF32 weight = gauss->rough[0] - (VF32){0};
    VF32 first = fma_f32(load_f32(center), weight, margin);
    VF32 second = fma_f32(load_f32(center + STRIP_PX), weight, margin);
    unsigned doubtful[2];

#pragma GCC unroll 6
    for (size_t k = 1; k <= radius; k++) {
        const float *above = center - k * STRIP_PX;
        const float *below = center + k * STRIP_PX;

        weight = gauss->rough[k] - (VF32){0};
        first = fma_f32(load_f32(above) + load_f32(below), weight, first);
        second = fma_f32(load_f32(above + STRIP_PX) + load_f32(below + STRIP_PX), weight, second);
    }
    doubtful[0] = truncate_down(first, 2 * margin, upper);
    doubtful[1] = truncate_down(second, 2 * margin, lower);
    if (__builtin_expect((doubtful[0] | doubtful[1]) != 0, 0)) {
        settle_down(gauss, top, doubtful[0], upper);
        settle_down(gauss, top + STRIP_PX, doubtful[1], lower);
    }
}

/* Load row i, counted from the first one that is mirrored. */
INLINE void load_strip(Strip *strip, size_t i, size_t radius)
{
    ptrdiff_t y = (ptrdiff_t) i - (ptrdiff_t) radius;
    size_t row = y >= 0 && y < (ptrdiff_t) strip->height_px
                     ? (size_t) y
                     : cor_kernel_mirror(y, strip->height_px);
    const uint8_t *from = strip->from + row * strip->width_px;
    float *to = strip->ring + (i & (strip->ring_rows - 1)) * STRIP_PX;

    for (size_t x = 0; x < STRIP_PX; x += LANES_32) {
        VF32 values = load_u8_f32(from + x);

        __builtin_memcpy(to + x, &values, sizeof(values));
        __builtin_memcpy(to + strip->ring_rows * STRIP_PX + x, &values, sizeof(values));
        if (bits_s32(values > 0)) {
            strip->seen_end[x / LANES_32] = i + 1;
        }
    }
}

INLINE void filter_strip(const CorGauss *gauss, size_t radius, Strip *strip)
{
    uint8_t unused[STRIP_PX];
    size_t loaded = 0;

    __builtin_memset(strip->seen_end, 0, sizeof(strip->seen_end));
    for (size_t y = 0; y < strip->height_px; y += 2) {
        const float *top = strip->ring + (y & (strip->ring_rows - 1)) * STRIP_PX;
        uint8_t *upper = strip->to + y * strip->width_px;
        uint8_t *lower = y + 1 < strip->height_px ? upper + strip->width_px : unused;

        for (; loaded <= y + 1 + 2 * radius; loaded++) {
            load_strip(strip, loaded, radius);
        }
        for (size_t x = 0; x < STRIP_PX; x += LANES_32) {
            if (strip->seen_end[x / LANES_32] <= y) {
                store_zeros(upper + x);
                store_zeros(lower + x);
            } else {
                sum_down(gauss, radius, top + x, upper + x, lower + x);
            }
        }
    }
}

/* Vectors that lie across two cache lines are loaded at half the speed. */
INLINE float *align(float *scratch)
{
    uintptr_t past = (uintptr_t) scratch % COR_OPS_SLACK_BYTES;

    return past == 0 ? scratch : scratch + (COR_OPS_SLACK_BYTES - past) / sizeof(float);
}

/* The last strip reaches back over the one before it: whole strips only. */
static void gauss_down(const CorGauss *gauss, const uint8_t *from, const size_t size_px[2],
                       uint8_t *to, float *scratch)
{
    Strip strip = {
        .width_px = size_px[0], .height_px = size_px[1], .ring = scratch, .ring_rows = 1};

    if (strip.width_px < STRIP_PX) {
        cor_kernel_priv_gauss_down(gauss, from, size_px, to, scratch);
        return;
    }
    while (strip.ring_rows < 2 * gauss->radius_px + 2) {
        strip.ring_rows *= 2;
    }
    for (size_t at = 0; at < strip.width_px; at += STRIP_PX) {
        size_t x = at < strip.width_px - STRIP_PX ? at : strip.width_px - STRIP_PX;

        strip.from = from + x;
        strip.to = to + x;
        if (gauss->radius_px == COR_GAUSS_REFERENCE_RADIUS_PX) {
            filter_strip(gauss, COR_GAUSS_REFERENCE_RADIUS_PX, &strip);
        } else {
            filter_strip(gauss, gauss->radius_px, &strip);
        }
    }
}

/* A row in 16 bits, times 128, with the mirrored pixels at both ends. */
static void make_line(const uint8_t *row, size_t width, size_t radius, uint16_t *line)
{
    size_t x = 0;

    for (; x + LANES_8 <= width; x += LANES_8) {
        VU8 bytes = load_u8(row + x);
        VU16 parts[2] = {widen_low_u8(bytes) << 7, widen_high_u8(bytes) << 7};

        __builtin_memcpy(line + radius + x, parts, sizeof(parts));
    }
    for (; x < width; x++) {
        line[radius + x] = (uint16_t) (row[x] << 7);
    }
    for (size_t i = 0; i < radius; i++) {
        size_t left = i < width ? i : cor_kernel_mirror(-1 - (ptrdiff_t) i, width);
        size_t right =
            i < width ? width - 1 - i : cor_kernel_mirror((ptrdiff_t) (width + i), width);

        line[radius - 1 - i] = line[radius + left];
        line[radius + width + i] = line[radius + right];
    }
}

static __attribute__((noinline)) bool exact_above(const CorGauss *gauss, const uint16_t *line,
                                                  uint8_t threshold)
{
    size_t radius = gauss->radius_px;
    double sum = (double) (line[radius] >> 7) * gauss->weights[0];

    for (size_t k = radius; k >= 1; k--) {
        sum += (double) ((line[radius - k] >> 7) + (line[radius + k] >> 7)) * gauss->weights[k];
    }
    return sum >= threshold + 1;
}

INLINE VS16 sum_along(const CorGauss *gauss, size_t radius, const uint16_t *line)
{
    VU16 sum = mulhi_u16(load_u16(line + radius), all_u16(gauss->coarse[0]));

    for (size_t k = 1; k <= radius; k++) {
        sum += mulhi_u16(load_u16(line + radius - k) + load_u16(line + radius + k),
                         all_u16(gauss->coarse[k]));
    }
    return (VS16) sum;
}

/* 64 pixels. */
INLINE uint64_t filter_word(const CorGauss *gauss, size_t radius, const uint16_t *line,
                            uint8_t threshold, size_t len)
{
    const VS16 sure = all_s16((int16_t) (128 * (threshold + 1)));
    const VS16 possible = sure - (int16_t) (2 * radius + 3);
    uint64_t is_above = 0;
    uint64_t may_be = 0;

    for (size_t x = 0; x < OPS_WORD_BITS; x += LANES_8) {
        VS16 a = sum_along(gauss, radius, line + x);
        VS16 b = sum_along(gauss, radius, line + x + LANES_16);

        is_above |= bits_u16(a > sure, b > sure) << x;
        may_be |= bits_u16(a > possible, b > possible) << x;
    }
    if (len < OPS_WORD_BITS) {
        is_above &= ((uint64_t) 1 << len) - 1;
        may_be &= ((uint64_t) 1 << len) - 1;
    }
    for (uint64_t rest = may_be & ~is_above; rest; rest &= rest - 1) {
        unsigned x = (unsigned) __builtin_ctzll(rest);

        is_above |= (uint64_t) exact_above(gauss, line + x, threshold) << x;
    }
    return is_above;
}

/* True if none of the pixels that word i sees is set; the words before and behind are those of the
 * row as it was, 0 if there are none. */
INLINE bool sees_none(uint64_t before, uint64_t here, uint64_t behind, size_t radius)
{
    return (here | (before >> 32 >> (32 - radius)) | (behind << 32 << (32 - radius))) == 0;
}

/* True if word i sees nothing that is not above threshold + 1: it, and all that is in the words
 * beside it. */
INLINE bool sees_all(const uint64_t *words, size_t i, const uint8_t *row, size_t width,
                     uint8_t threshold)
{
    const VU8 limit = all_u8(threshold);
    size_t x = i * OPS_WORD_BITS;
    VU8 is_above = ~(VU8){0};

    if (~words[i] != 0 || i == 0 || x + 2 * OPS_WORD_BITS > width || threshold == UINT8_MAX) {
        return false;
    }
    for (size_t k = 0; k < 3 * OPS_WORD_BITS; k += LANES_8) {
        VU8 values = load_u8(row + x - OPS_WORD_BITS + k);

        is_above &= (VU8) (values > limit) & (VU8) (values != limit + 1);
    }
    return bits_u8(~is_above) == 0;
}

static void gauss_above(const CorGauss *gauss, const uint8_t *row, size_t width, uint8_t threshold,
                        uint64_t *words, float *scratch)
{
    size_t radius = gauss->radius_px;
    size_t len = (width + OPS_WORD_BITS - 1) / OPS_WORD_BITS;
    uint16_t *line = (uint16_t *) (void *) scratch;
    bool has_line = false;
    uint64_t before = 0;

    if (radius > 32) {
        cor_kernel_priv_gauss_above(gauss, row, width, threshold, words, scratch);
        return;
    }
    pack_u8(row, width, threshold, words);
    for (size_t i = 0; i < len; i++) {
        uint64_t here = words[i];
        uint64_t behind = i + 1 < len ? words[i + 1] : 0;
        size_t left = width - i * OPS_WORD_BITS;
        size_t x = i * OPS_WORD_BITS;

        if (!sees_none(before, here, behind, radius) &&
            !sees_all(words, i, row, width, threshold)) {
            if (!has_line) {
                make_line(row, width, radius, line);
                has_line = true;
            }
            words[i] =
                radius == COR_GAUSS_REFERENCE_RADIUS_PX
                    ? filter_word(gauss, COR_GAUSS_REFERENCE_RADIUS_PX, line + x, threshold, left)
                    : filter_word(gauss, radius, line + x, threshold, left);
        }
        before = here;
    }
}
