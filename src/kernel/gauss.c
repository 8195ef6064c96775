/* SPDX-License-Identifier: Apache-2.0 */
/* Both passes are the same sum over 2 r + 1 rows of floats: the rows above and below, or the one
 * row shifted left and right.  Bytes are exact as floats, and so are sums of two of them.
 *
 * The order of summation is part of the definition: t = c w0, then for k = r down to 1
 * t += (before_k + after_k) w_k, each operation rounded to double (no contraction).  That costs, so
 * a chunk of pixels is first summed in single precision.  The truncated result can only differ
 * where the rough sum is within `margin` of a whole number; a chunk with such a pixel is summed
 * again in double.  Flat regions are such, but zero, the most frequent of all, is not: a rough sum
 * below a half truncates to 0 unless the margin is a half.
 *
 * Margin: r + 1 products of relative error 2 u (weight and product) and r additions of error u on
 * partial sums of at most 255, u = 2^-24, are off by at most 255 u (r + 3); twice that is taken,
 * which also covers the error of the double sum.
 *
 * Most of a CT slice is below the window.  Each row's stretch of non-zero bytes is known, and
 * nothing is computed where only zeros are seen.
 */
#include "kernel/gauss.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernel/kernel-ops.h"

#define CHUNK_PX ((size_t) 64)
#define REFERENCE_SIGMA 1.5

/* exp(-k^2 / 4.5) / sum as numpy 1.24 computes it, whose exp differs from the C library's in the
 * last bit. */
static const double reference_weights[COR_GAUSS_REFERENCE_RADIUS_PX + 1] = {
    0x1.1058ef29a59d7p-2, 0x1.b42851d1c8a96p-3,  0x1.bfdc88289323cp-4,  0x1.26dd9e7a284e0p-5,
    0x1.f1e741f80c9b9p-8, 0x1.0d891ab53680ap-10, 0x1.7638649a0fcd0p-14,
};

typedef struct Span {
    size_t begin;
    size_t end;
} Span;

/* e^-x for 0 <= x <= 40, to about an ulp: 2^-n times the series of the rest, which is at most ln(2)
 * / 2. Not the library's exp(), which rounds differently from machine to machine: results must not
 * depend on where they were computed (invariant 5). */
static double exp_negative(double x)
{
    double n = floor(x * 0x1.71547652b82fep+0 + 0.5);                  /* 1 / ln 2 */
    double rest = x - n * 0x1.62e42feep-1 - n * 0x1.a39ef35793c76p-33; /* ln 2 in two parts */
    double sum = 1;

    for (int i = 18; i >= 1; i--) {
        sum = 1 - sum * rest / i;
    }
    return ldexp(sum, -(int) n);
}

/* The exact sum over bytes that are all the same. */
static double sum_flat(const CorGauss *gauss, int byte)
{
    double sum = byte * gauss->weights[0];

    for (size_t k = gauss->radius_px; k >= 1; k--) {
        sum += (byte + byte) * gauss->weights[k];
    }
    return sum;
}

void cor_kernel_gauss_init(CorGauss *gauss, double sigma_px)
{
    double sum = 0;

    assert(sigma_px >= 0 && sigma_px <= COR_GAUSS_SIGMA_MAX);

    *gauss = (CorGauss){.radius_px = (size_t) floor(4 * sigma_px + 0.5)};
    for (size_t k = 0; k <= gauss->radius_px; k++) {
        double x = (double) k;

        gauss->weights[k] = k == 0 ? 1 : exp_negative(x * x / (2 * sigma_px * sigma_px));
        sum += k == 0 ? 1 : 2 * gauss->weights[k];
    }
    for (size_t k = 0; k <= gauss->radius_px; k++) {
        gauss->weights[k] /= sum;
    }
    if (sigma_px == REFERENCE_SIGMA) {
        memcpy(gauss->weights, reference_weights, sizeof(reference_weights));
    }
    for (size_t k = 0; k <= gauss->radius_px; k++) {
        double coarse = floor(gauss->weights[k] * 65536);

        gauss->rough[k] = (float) gauss->weights[k];
        gauss->coarse[k] = (uint16_t) (coarse < UINT16_MAX ? coarse : UINT16_MAX);
    }
    gauss->has_flat_kept = true;
    for (int byte = 0; byte <= 255; byte++) {
        gauss->has_flat_kept = gauss->has_flat_kept && (int) sum_flat(gauss, byte) == byte;
    }
    gauss->margin = 2 * 255 * 0x1p-24f * (float) (gauss->radius_px + 3);
}

size_t cor_kernel_mirror(ptrdiff_t i, size_t len)
{
    ptrdiff_t period = 2 * (ptrdiff_t) len;
    ptrdiff_t at = 0;

    if (i >= 0 && i < (ptrdiff_t) len) {
        return (size_t) i;
    }
    at = i % period;
    at = at < 0 ? at + period : at;
    return (size_t) (at < (ptrdiff_t) len ? at : period - 1 - at);
}

/* Scratch: a ring of at least 2 r + 2 rows, a power of two, for the pass down the columns, one row
 * with r more pixels at either end for the pass along the rows, and what vectors read behind it. */
static size_t ring_len(const CorGauss *gauss)
{
    size_t len = 1;

    while (len < 2 * gauss->radius_px + 2) {
        len *= 2;
    }
    return len;
}

size_t cor_kernel_gauss_scratch_len(const CorGauss *gauss, size_t width_px)
{
    size_t line = width_px + 2 * gauss->radius_px;

    size_t strip = width_px > COR_OPS_SLACK_BYTES ? width_px : COR_OPS_SLACK_BYTES;

    return ring_len(gauss) * 2 * strip + line + 2 * COR_OPS_SLACK_BYTES;
}

/* One pair of taps.  Not inlined: merged with the loop around them, these would not be vectorised.
 */
static __attribute__((noinline)) void add_exact(const float *before, const float *after,
                                                double weight, size_t len, double *restrict sums)
{
    for (size_t i = 0; i < len; i++) {
        sums[i] += (double) (before[i] + after[i]) * weight;
    }
}

static __attribute__((noinline)) void add_rough(const float *before, const float *after,
                                                float weight, size_t len, float *restrict sums)
{
    for (size_t i = 0; i < len; i++) {
        sums[i] += (before[i] + after[i]) * weight;
    }
}

/* The exact sums of a chunk: taps[radius_px] is the centre. */
static void sum_exact(const CorGauss *gauss, const float *const *taps, size_t x, size_t len,
                      uint8_t *restrict to)
{
    size_t radius = gauss->radius_px;
    double sums[CHUNK_PX];

    for (size_t i = 0; i < len; i++) {
        sums[i] = (double) taps[radius][x + i] * gauss->weights[0];
    }
    for (size_t k = radius; k >= 1; k--) {
        add_exact(taps[radius - k] + x, taps[radius + k] + x, gauss->weights[k], len, sums);
    }
    for (size_t i = 0; i < len; i++) {
        to[i] = (uint8_t) (int) sums[i];
    }
}

/* Truncate rough sums; true if one of them is too near to a whole number to be trusted. */
static inline bool truncate_rough(const float *sums, size_t len, float margin, uint8_t *restrict to)
{
    int doubtful = 0;

    for (size_t i = 0; i < len; i++) {
        int whole = (int) sums[i];
        float rest = sums[i] - (float) whole;

        to[i] = (uint8_t) whole;
        doubtful |= (sums[i] > 0.5f) & ((rest < margin) | (rest > 1 - margin));
    }
    return doubtful != 0;
}

static bool sum_rough(const CorGauss *gauss, const float *const *taps, size_t x, size_t len,
                      uint8_t *restrict to)
{
    size_t radius = gauss->radius_px;
    float sums[CHUNK_PX];

    for (size_t i = 0; i < len; i++) {
        sums[i] = taps[radius][x + i] * gauss->rough[0];
    }
    for (size_t k = radius; k >= 1; k--) {
        add_rough(taps[radius - k] + x, taps[radius + k] + x, gauss->rough[k], len, sums);
    }
    return truncate_rough(sums, len, gauss->margin, to);
}

/* The thirteen taps of the reference's radius at pixel i of a chunk, named, so that a whole sum is
 * one expression and stays in registers. */
#define NAME_TAPS(taps, x)                                                             \
    const float *a6 = (taps)[0] + (x), *a5 = (taps)[1] + (x), *a4 = (taps)[2] + (x),   \
                *a3 = (taps)[3] + (x), *a2 = (taps)[4] + (x), *a1 = (taps)[5] + (x),   \
                *c = (taps)[6] + (x), *b1 = (taps)[7] + (x), *b2 = (taps)[8] + (x),    \
                *b3 = (taps)[9] + (x), *b4 = (taps)[10] + (x), *b5 = (taps)[11] + (x), \
                *b6 = (taps)[12] + (x)

static void sum_exact_reference(const CorGauss *gauss, const float *const *taps, size_t x,
                                uint8_t *restrict to)
{
    const double *w = gauss->weights;
    NAME_TAPS(taps, x);
    double sums[CHUNK_PX];

    for (size_t i = 0; i < CHUNK_PX; i++) {
        double t = (double) c[i] * w[0];

        t += (double) (a6[i] + b6[i]) * w[6];
        t += (double) (a5[i] + b5[i]) * w[5];
        t += (double) (a4[i] + b4[i]) * w[4];
        t += (double) (a3[i] + b3[i]) * w[3];
        t += (double) (a2[i] + b2[i]) * w[2];
        t += (double) (a1[i] + b1[i]) * w[1];
        sums[i] = t;
    }
    for (size_t i = 0; i < CHUNK_PX; i++) {
        to[i] = (uint8_t) (int) sums[i];
    }
}

static bool sum_rough_reference(const CorGauss *gauss, const float *const *taps, size_t x,
                                uint8_t *restrict to)
{
    const float *w = gauss->rough;
    NAME_TAPS(taps, x);
    float sums[CHUNK_PX];

    for (size_t i = 0; i < CHUNK_PX; i++) {
        sums[i] = c[i] * w[0] + (a1[i] + b1[i]) * w[1] + (a2[i] + b2[i]) * w[2] +
                  (a3[i] + b3[i]) * w[3] + (a4[i] + b4[i]) * w[4] + (a5[i] + b5[i]) * w[5] +
                  (a6[i] + b6[i]) * w[6];
    }
    return truncate_rough(sums, CHUNK_PX, gauss->margin, to);
}

/* One output row, within a span at least.  Chunks are whole, which loops over constants like, so
 * the last one may begin earlier or reach farther than needed; only planes narrower than a chunk
 * have a smaller one. */
static void sum_row(const CorGauss *gauss, const float *const *taps, size_t width, Span span,
                    uint8_t *to)
{
    bool is_reference = gauss->radius_px == COR_GAUSS_REFERENCE_RADIUS_PX;

    if (width < CHUNK_PX) {
        if (sum_rough(gauss, taps, 0, width, to)) {
            sum_exact(gauss, taps, 0, width, to);
        }
        return;
    }
    for (size_t at = span.begin; at < span.end; at += CHUNK_PX) {
        size_t x = at < width - CHUNK_PX ? at : width - CHUNK_PX;
        bool is_doubtful = is_reference ? sum_rough_reference(gauss, taps, x, to + x)
                                        : sum_rough(gauss, taps, x, CHUNK_PX, to + x);

        if (is_doubtful && is_reference) {
            sum_exact_reference(gauss, taps, x, to + x);
        } else if (is_doubtful) {
            sum_exact(gauss, taps, x, CHUNK_PX, to + x);
        }
    }
}

/* The stretch from the first to the last byte that is not zero; empty if there is none. */
static Span find_span(const uint8_t *row, size_t begin, size_t end)
{
    uint64_t eight = 0;

    while (begin + 8 <= end && (memcpy(&eight, row + begin, 8), eight == 0)) {
        begin += 8;
    }
    while (begin < end && row[begin] == 0) {
        begin++;
    }
    while (end >= begin + 8 && (memcpy(&eight, row + end - 8, 8), eight == 0)) {
        end -= 8;
    }
    while (end > begin && row[end - 1] == 0) {
        end--;
    }
    return (Span){begin, end};
}

static void widen(const uint8_t *bytes, size_t len, float *floats)
{
    for (size_t i = 0; i < len; i++) {
        floats[i] = (float) bytes[i];
    }
}

/* Along one row; row and to may be the same. */
static void filter_row(const CorGauss *gauss, const uint8_t *row, size_t width, uint8_t *to,
                       float *line)
{
    size_t radius = gauss->radius_px;
    Span span = find_span(row, 0, width);
    const float *taps[2 * COR_GAUSS_RADIUS_MAX_PX + 1];

    if (span.begin == span.end) {
        memset(to, 0, width);
        return;
    }
    span.begin = span.begin > radius ? span.begin - radius : 0;
    span.end = span.end + radius < width ? span.end + radius : width;

    widen(row, width, line + radius);
    for (size_t i = 0; i < radius; i++) {
        line[i] = line[radius + cor_kernel_mirror((ptrdiff_t) i - (ptrdiff_t) radius, width)];
        line[radius + width + i] = line[radius + cor_kernel_mirror((ptrdiff_t) (width + i), width)];
    }
    for (size_t k = 0; k <= 2 * radius; k++) {
        taps[k] = line + k;
    }
    memset(to, 0, width);
    sum_row(gauss, taps, width, span, to);
}

void cor_kernel_priv_gauss_down(const CorGauss *gauss, const uint8_t *from, const size_t size_px[2],
                                uint8_t *to, float *scratch)
{
    size_t radius = gauss->radius_px;
    size_t ring = ring_len(gauss);
    size_t width = size_px[0];
    size_t height = size_px[1];
    const float *taps[2 * COR_GAUSS_RADIUS_MAX_PX + 1];
    Span spans[4 * COR_GAUSS_RADIUS_MAX_PX];
    size_t loaded = 0;

    for (size_t y = 0; y < height; y++) {
        Span seen = {width, 0};
        uint8_t *row = to + y * width;

        for (; loaded < height && loaded <= y + radius; loaded++) {
            const uint8_t *source = from + loaded * width;

            widen(source, width, scratch + (loaded & (ring - 1)) * width);
            spans[loaded & (ring - 1)] = find_span(source, 0, width);
        }
        /* A mirrored row is never farther away than the radius, so it is in the ring. */
        for (size_t k = 0; k <= 2 * radius; k++) {
            ptrdiff_t at = (ptrdiff_t) (y + k) - (ptrdiff_t) radius;
            size_t slot = cor_kernel_mirror(at, height) & (ring - 1);

            taps[k] = scratch + slot * width;
            if (spans[slot].begin < spans[slot].end) {
                seen.begin = spans[slot].begin < seen.begin ? spans[slot].begin : seen.begin;
                seen.end = spans[slot].end > seen.end ? spans[slot].end : seen.end;
            }
        }
        memset(row, 0, width);
        if (seen.begin < seen.end) {
            sum_row(gauss, taps, width, seen, row);
        }
    }
}

void cor_kernel_priv_gauss_above(const CorGauss *gauss, const uint8_t *row, size_t width,
                                 uint8_t threshold, uint64_t *words, float *scratch)
{
    uint8_t *bytes = (uint8_t *) (scratch + width + 2 * gauss->radius_px);

    filter_row(gauss, row, width, bytes, scratch);
    cor_kernel_priv_scalar.pack_u8(bytes, width, threshold, words);
}

void cor_kernel_gauss_u8(const CorGauss *gauss, const uint8_t *from, size_t width_px,
                         size_t height_px, uint8_t *to, float *scratch)
{
    const size_t size_px[2] = {width_px, height_px};

    cor_kernel_priv_ops()->gauss_down(gauss, from, size_px, to, scratch);
    for (size_t y = 0; y < height_px; y++) {
        filter_row(gauss, to + y * width_px, width_px, to + y * width_px, scratch);
    }
}

void cor_kernel_gauss_above(const CorGauss *gauss, const uint8_t *from, uint8_t threshold,
                            uint8_t *between, CorBits *to, float *scratch)
{
    const CorKernelOps *ops = cor_kernel_priv_ops();
    const size_t size_px[2] = {to->width_px, to->height_px};

    ops->gauss_down(gauss, from, size_px, between, scratch);
    for (size_t y = 0; y < to->height_px; y++) {
        ops->gauss_above(gauss, between + y * to->width_px, to->width_px, threshold,
                         to->words + y * to->stride_words, scratch);
    }
}
