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
#define TAPS_MAX (2 * COR_GAUSS_RADIUS_MAX_PX + 2)

/* One exact sum: the definition. */
static __attribute__((noinline)) uint8_t exact_down(const CorGauss *gauss, const float *const *taps,
                                                    size_t x)
{
    size_t radius = gauss->radius_px;
    double sum = (double) taps[radius][x] * gauss->weights[0];

    for (size_t k = radius; k >= 1; k--) {
        sum += (double) (taps[radius - k][x] + taps[radius + k][x]) * gauss->weights[k];
    }
    return (uint8_t) (int) sum;
}

/* Lanes where all taps are equal. */
static unsigned find_flat(const CorGauss *gauss, const float *const *taps, size_t x)
{
    VF32 center = load_f32(taps[gauss->radius_px] + x);
    VS32 is_flat = ~(VS32){0};

    for (size_t k = 0; k <= 2 * gauss->radius_px; k++) {
        is_flat &= load_f32(taps[k] + x) == center;
    }
    return bits_s32(is_flat);
}

/* Set right those lanes of a vector that were in doubt. */
static __attribute__((noinline)) void settle_down(const CorGauss *gauss, const float *const *taps,
                                                  size_t x, unsigned doubtful, uint8_t *to)
{
    unsigned flat = gauss->has_flat_kept ? find_flat(gauss, taps, x) : 0;

    for (unsigned lanes = doubtful & flat; lanes; lanes &= lanes - 1) {
        size_t i = x + (size_t) __builtin_ctz(lanes);

        to[i] = (uint8_t) (int) taps[gauss->radius_px][i];
    }
    for (unsigned lanes = doubtful & ~flat; lanes; lanes &= lanes - 1) {
        size_t i = x + (size_t) __builtin_ctz(lanes);

        to[i] = exact_down(gauss, taps, i);
    }
}

/* Store a vector of sums; the lanes that are in doubt are returned. */
INLINE unsigned truncate_down(VF32 sum, VF32 limit, uint8_t *to)
{
    VS32 whole = trunc_f32(sum);

    store_s32_u8(whole, to);
    return bits_near(whole, sum - __builtin_convertvector(whole, VF32), limit);
}

/* Two rows of a strip: taps[radius] is the centre of the first.  The margin is added to the sums,
 * so that they are above the exact ones and only those just above a whole number are in doubt. */
INLINE void sum_down(const CorGauss *gauss, size_t radius, const float *const *taps,
                     uint8_t *const *to)
{
    const VF32 margin = gauss->margin - (VF32){0};

    for (size_t x = 0; x < STRIP_PX; x += LANES_32) {
        VF32 weight = gauss->rough[0] - (VF32){0};
        VF32 first = fma_f32(load_f32(taps[radius] + x), weight, margin);
        VF32 second = fma_f32(load_f32(taps[radius + 1] + x), weight, margin);
        unsigned doubtful[2];

        for (size_t k = 1; k <= radius; k++) {
            weight = gauss->rough[k] - (VF32){0};
            first = fma_f32(load_f32(taps[radius - k] + x) + load_f32(taps[radius + k] + x), weight,
                            first);
            second =
                fma_f32(load_f32(taps[radius + 1 - k] + x) + load_f32(taps[radius + 1 + k] + x),
                        weight, second);
        }
        doubtful[0] = truncate_down(first, 2 * margin, to[0] + x);
        doubtful[1] = truncate_down(second, 2 * margin, to[1] + x);
        if (__builtin_expect((doubtful[0] | doubtful[1]) != 0, 0)) {
            settle_down(gauss, taps, x, doubtful[0], to[0]);
            settle_down(gauss, taps + 1, x, doubtful[1], to[1]);
        }
    }
}

/* Bytes to floats; true if one is not zero. */
INLINE bool load_strip(const uint8_t *from, float *to)
{
    VU8 seen = {0};

    for (size_t x = 0; x < STRIP_PX; x += LANES_8) {
        seen |= load_u8(from + x);
    }
    for (size_t x = 0; x < STRIP_PX; x += LANES_32) {
        VF32 values = load_u8_f32(from + x);

        __builtin_memcpy(to + x, &values, sizeof(values));
    }
    return bits_u8((VU8) (seen != 0)) != 0;
}

typedef struct Strip {
    const uint8_t *from; /* its first pixel */
    uint8_t *to;
    size_t width_px; /* of the plane */
    size_t height_px;
    float *ring; /* ring_rows rows of STRIP_PX */
    size_t ring_rows;
} Strip;

INLINE void find_taps(const Strip *strip, size_t radius, size_t y, const float **taps)
{
    size_t mask = strip->ring_rows - 1;

    if (y >= radius && y + 1 + radius < strip->height_px) {
        for (size_t k = 0; k < 2 * radius + 2; k++) {
            taps[k] = strip->ring + ((y - radius + k) & mask) * STRIP_PX;
        }
        return;
    }
    /* A mirrored row is never farther away than the radius, so it is in the ring. */
    for (size_t k = 0; k < 2 * radius + 2; k++) {
        ptrdiff_t at = (ptrdiff_t) (y + k) - (ptrdiff_t) radius;

        taps[k] = strip->ring + (cor_kernel_mirror(at, strip->height_px) & mask) * STRIP_PX;
    }
}

INLINE void filter_strip(const CorGauss *gauss, size_t radius, const Strip *strip)
{
    const float *taps[TAPS_MAX];
    uint8_t unused[STRIP_PX];
    size_t loaded = 0;
    size_t seen_end = 0; /* behind the last row that is not zero */

    for (size_t y = 0; y < strip->height_px; y += 2) {
        uint8_t *to[2] = {strip->to + y * strip->width_px,
                          y + 1 < strip->height_px ? strip->to + (y + 1) * strip->width_px
                                                   : unused};

        for (; loaded < strip->height_px && loaded <= y + 1 + radius; loaded++) {
            if (load_strip(strip->from + loaded * strip->width_px,
                           strip->ring + (loaded & (strip->ring_rows - 1)) * STRIP_PX)) {
                seen_end = loaded + 1;
            }
        }
        if (seen_end + radius <= y) {
            __builtin_memset(to[0], 0, STRIP_PX);
            __builtin_memset(to[1], 0, STRIP_PX);
            continue;
        }
        find_taps(strip, radius, y, taps);
        sum_down(gauss, radius, taps, to);
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

        if (!sees_none(before, here, behind, radius)) {
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
