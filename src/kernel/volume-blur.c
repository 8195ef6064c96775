/* SPDX-License-Identifier: Apache-2.0 */
/* A Gaussian along each axis in turn, to three standard deviations, weights summing up to 1.  Sums
 * are taken in the order of taps at every voxel, so the result is the same on every machine.
 */
#include "kernel/volume.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { RADIUS_MAX = 64 };

typedef struct Taps {
    size_t radius;
    float weights[RADIUS_MAX + 1];
} Taps;

static Taps make_taps(double sigma)
{
    Taps taps = {.radius = (size_t) ceil(3 * sigma)};
    double sum = 1;

    taps.radius = taps.radius < RADIUS_MAX ? taps.radius : RADIUS_MAX;
    for (size_t i = 1; i <= taps.radius; i++) {
        sum += 2 * exp(-0.5 * (double) (i * i) / (sigma * sigma));
    }
    for (size_t i = 0; i <= taps.radius; i++) {
        taps.weights[i] = (float) (exp(-0.5 * (double) (i * i) / (sigma * sigma)) / sum);
    }
    return taps;
}

/* Add from[i] * weight to to[i]. */
static void add(const float *from, float weight, size_t len, float *to)
{
    for (size_t i = 0; i < len; i++) {
        to[i] += from[i] * weight;
    }
}

/* Smooth `len` lines of `size` elements, `stride` apart, across the lines. */
static void blur_axis(const Taps *taps, const float *from, size_t len, size_t size, size_t stride,
                      float *to)
{
    for (size_t line = 0; line < len; line++) {
        float *sum = to + line * stride;

        for (size_t i = 0; i < size; i++) {
            sum[i] = from[line * stride + i] * taps->weights[0];
        }
        for (size_t step = 1; step <= taps->radius; step++) {
            if (step <= line) {
                add(from + (line - step) * stride, taps->weights[step], size, sum);
            }
            if (line + step < len) {
                add(from + (line + step) * stride, taps->weights[step], size, sum);
            }
        }
    }
}

static void blur_row(const Taps *taps, const float *from, size_t width, float *to)
{
    for (size_t x = 0; x < width; x++) {
        to[x] = from[x] * taps->weights[0];
    }
    for (size_t step = 1; step <= taps->radius && step < width; step++) {
        add(from, taps->weights[step], width - step, to + step);
        add(from + step, taps->weights[step], width - step, to);
    }
}

void cor_kernel_volume_blur(const CorGrid *grid, double sigma_mm, float *values, float *scratch)
{
    size_t width = grid->width;
    size_t slice = width * grid->height;
    Taps taps[3];

    assert(sigma_mm > 0);
    for (size_t axis = 0; axis < 3; axis++) {
        taps[axis] = make_taps(sigma_mm / grid->spacing_mm[axis]);
    }
    for (size_t row = 0; row < grid->height * grid->depth; row++) {
        blur_row(&taps[0], values + row * width, width, scratch + row * width);
    }
    for (size_t z = 0; z < grid->depth; z++) {
        blur_axis(&taps[1], scratch + z * slice, grid->height, width, width, values + z * slice);
    }
    for (size_t y = 0; y < grid->height; y++) {
        blur_axis(&taps[2], values + y * width, grid->depth, width, slice, scratch + y * width);
    }
    memcpy(values, scratch, slice * grid->depth * sizeof(*values));
}
