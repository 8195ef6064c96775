/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of pixels are visited once each: what one counts for the other, it counts for the one.  The
 * inner loop runs along rows without branches, which compilers make vectors of, and sums are taken
 * in the same order on every machine.
 */
#include "kernel/denoise.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_PX = 8 };

void cor_kernel_denoise_guide(const float *values, size_t width_px, size_t height_px, float *guide,
                              float *scratch)
{
    for (size_t y = 0; y < height_px; y++) {
        const float *row = values + y * width_px;
        float *to = scratch + y * width_px;

        for (size_t x = 0; x < width_px; x++) {
            float before = row[x > 0 ? x - 1 : 0];
            float after = row[x + 1 < width_px ? x + 1 : x];
            to[x] = 0.25F * (before + after) + 0.5F * row[x];
        }
    }
    for (size_t y = 0; y < height_px; y++) {
        const float *row = scratch + y * width_px;
        const float *above = y > 0 ? row - width_px : row;
        const float *below = y + 1 < height_px ? row + width_px : row;
        float *to = guide + y * width_px;

        for (size_t x = 0; x < width_px; x++) {
            to[x] = 0.25F * (above[x] + below[x]) + 0.5F * row[x];
        }
    }
}

/* A value that a share of the values are below, to a millionth of their range. */
static float quantile(const float *values, size_t len, double share)
{
    float low = values[0];
    float high = values[0];

    for (size_t i = 1; i < len; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    for (int step = 0; step < 20; step++) {
        float middle = 0.5F * (low + high);
        uint32_t below = 0;

        for (size_t i = 0; i < len; i++) {
            below += values[i] < middle;
        }
        if (below <= share * (double) len) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Mean and standard deviation of a square. */
static void measure_block(const float *values, size_t width_px, float *ret_mean, float *ret_sd)
{
    double sum = 0;
    double squares = 0;

    for (size_t i = 0; i < BLOCK_PX * BLOCK_PX; i++) {
        double value = (double) values[i / BLOCK_PX * width_px + i % BLOCK_PX];
        sum += value;
        squares += value * value;
    }
    double mean = sum / (BLOCK_PX * BLOCK_PX);
    double variance = (squares - mean * sum) / (BLOCK_PX * BLOCK_PX - 1);
    *ret_mean = (float) mean;
    *ret_sd = variance > 0 ? (float) sqrt(variance) : 0;
}

float cor_kernel_denoise_noise(const float *values, size_t width_px, size_t height_px,
                               float *scratch)
{
    size_t len = (width_px / BLOCK_PX) * (height_px / BLOCK_PX);
    float *means = scratch;
    float *deviations = scratch + len;
    size_t i = 0;
    size_t count = 0;

    if (len == 0) {
        return 0;
    }
    for (size_t y = 0; y + BLOCK_PX <= height_px; y += BLOCK_PX) {
        for (size_t x = 0; x + BLOCK_PX <= width_px; x += BLOCK_PX, i++) {
            measure_block(values + y * width_px + x, width_px, &means[i], &deviations[i]);
        }
    }
    float middle = quantile(means, len, 0.5);
    for (i = 0; i < len; i++) { /* not air, which is quieter */
        if (means[i] >= middle) {
            deviations[count++] = deviations[i];
        }
    }
    return quantile(deviations, count, 0.25);
}

/* Planes of one size. */
typedef struct Planes {
    const float *values;
    const float *guide;
    float *sums;
    float *weights;
} Planes;

/* A stretch of pixels and a stretch of neighbours. */
typedef struct Pairs {
    size_t len;
    float spatial;
    float scale; /* 1 / cutoff */
} Pairs;

/* Let the pixels at `from` count for those at `to`. */
static void add_pairs(const Planes *planes, const Pairs *pairs, size_t to, size_t from)
{
    const float *one = planes->guide + to;
    const float *other = planes->guide + from;
    const float *values = planes->values + from;
    float *sums = planes->sums + to;
    float *weights = planes->weights + to;

    for (size_t i = 0; i < pairs->len; i++) {
        float d = (one[i] - other[i]) * pairs->scale;
        float likeness = 1 - d * d;
        likeness = likeness > 0 ? likeness : 0;
        float weight = pairs->spatial * likeness * likeness;

        weights[i] += weight;
        sums[i] += weight * values[i];
    }
}

/* How far neighbours are looked for. */
static long radius(double sigma_px, long side)
{
    double px = ceil(2 * sigma_px);
    long reach = px < COR_DENOISE_RADIUS_MAX ? lrint(px) : COR_DENOISE_RADIUS_MAX;

    return reach < side ? reach : side - 1;
}

typedef float Spatial[COR_DENOISE_RADIUS_MAX + 1][2 * COR_DENOISE_RADIUS_MAX + 1];

/* Weights by distance: rows down, columns to both sides. */
static void weigh_distances(const CorDenoise *denoise, Spatial spatial)
{
    for (long dy = 0; dy <= COR_DENOISE_RADIUS_MAX; dy++) {
        for (long dx = -COR_DENOISE_RADIUS_MAX; dx <= COR_DENOISE_RADIUS_MAX; dx++) {
            double along = (double) dx / denoise->sigma_px[0];
            double across = (double) dy / denoise->sigma_px[1];

            spatial[dy][dx + COR_DENOISE_RADIUS_MAX] =
                (float) exp(-0.5 * (along * along + across * across));
        }
    }
}

void cor_kernel_denoise(const CorDenoise *denoise, const float *values, const float *guide,
                        float *result, float *weights)
{
    const Planes planes = {values, guide, result, weights};
    long width = (long) denoise->width_px;
    long height = (long) denoise->height_px;
    long reach_x = radius(denoise->sigma_px[0], width);
    long reach_y = radius(denoise->sigma_px[1], height);
    Spatial spatial;

    assert(denoise->cutoff > 0);
    weigh_distances(denoise, spatial);
    memcpy(result, values, (size_t) (width * height) * sizeof(*result));
    for (long i = 0; i < width * height; i++) {
        weights[i] = 1;
    }
    for (long y = 0; y < height; y++) { /* what a row needs stays in the cache */
        for (long dy = 0; dy <= reach_y && y + dy < height; dy++) {
            for (long dx = dy == 0 ? 1 : -reach_x; dx <= reach_x; dx++) {
                long begin = dx < 0 ? -dx : 0;
                size_t one = (size_t) (y * width + begin);
                size_t other = (size_t) ((y + dy) * width + begin + dx);
                const Pairs pairs = {.len = (size_t) (width - labs(dx)),
                                     .spatial = spatial[dy][dx + COR_DENOISE_RADIUS_MAX],
                                     .scale = 1 / denoise->cutoff};

                add_pairs(&planes, &pairs, one, other);
                add_pairs(&planes, &pairs, other, one);
            }
        }
    }
    for (long i = 0; i < width * height; i++) {
        result[i] /= weights[i];
    }
}
