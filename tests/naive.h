/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of kernel/ written down pixel by pixel, straight from their definitions: what the
 * fast ones are compared with.  Planes are dense bytes, masks are 0 or 1.
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* xorshift: the same numbers on every machine. */
static inline uint32_t naive_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (uint32_t) (*seed >> 32);
}

static inline bool naive_at(const uint8_t *mask, long width, long height, long x, long y,
                            bool outside)
{
    return x < 0 || y < 0 || x >= width || y >= height ? outside : mask[y * width + x];
}

/* True if a pixel of this value lies under the disk or diamond around x, y. */
static inline bool naive_meets(const uint8_t *mask, long width, long height, long x, long y,
                               long radius, bool is_disk, bool outside, bool value)
{
    for (long dy = -radius; dy <= radius; dy++) {
        for (long dx = -radius; dx <= radius; dx++) {
            bool is_in =
                is_disk ? dy * dy + dx * dx <= radius * radius : labs(dy) + labs(dx) <= radius;

            if (is_in && naive_at(mask, width, height, x + dx, y + dy, outside) == value) {
                return true;
            }
        }
    }
    return false;
}

/* Dilate or erode by {(dy, dx)}: a disk, or a diamond. */
static inline void naive_morphology(const uint8_t *from, long width, long height, long radius,
                                    bool is_disk, bool is_dilation, bool outside, uint8_t *to)
{
    for (long i = 0; i < width * height; i++) {
        bool meets = naive_meets(from, width, height, i % width, i / width, radius, is_disk,
                                 outside, is_dilation);

        to[i] = meets == is_dilation;
    }
}

/* Label the pixels of one value, 4 neighbours, from 1 in raster order; the number of labels. */
static inline uint32_t naive_label(const uint8_t *mask, long width, long height, uint8_t value,
                                   uint32_t *labels)
{
    long *stack = calloc((size_t) (4 * width * height + 1), sizeof(long));
    uint32_t count = 0;

    memset(labels, 0, (size_t) (width * height) * sizeof(uint32_t));
    for (long first = 0; first < width * height; first++) {
        long len = 0;

        if (mask[first] != value || labels[first]) {
            continue;
        }
        count++;
        stack[len++] = first;
        while (len > 0) {
            long i = stack[--len];
            long x = i % width;

            if (labels[i] || mask[i] != value) {
                continue;
            }
            labels[i] = count;
            if (x > 0) {
                stack[len++] = i - 1;
            }
            if (x < width - 1) {
                stack[len++] = i + 1;
            }
            if (i >= width) {
                stack[len++] = i - width;
            }
            if (i < width * (height - 1)) {
                stack[len++] = i + width;
            }
        }
    }
    free(stack);
    return count;
}

/* Set background components: those that do not touch the border, or those below an area. */
static inline void naive_fill(uint8_t *mask, long width, long height, bool holes, uint32_t area_min)
{
    size_t size = (size_t) (width * height);
    uint32_t *labels = calloc(size, sizeof(uint32_t));
    uint32_t count = naive_label(mask, width, height, 0, labels);
    uint32_t *areas = calloc(count + 1, sizeof(uint32_t));
    bool *touches = calloc(count + 1, sizeof(bool));

    for (long i = 0; i < width * height; i++) {
        long x = i % width;
        long y = i / width;

        areas[labels[i]]++;
        if (x == 0 || y == 0 || x == width - 1 || y == height - 1) {
            touches[labels[i]] = true;
        }
    }
    for (long i = 0; i < width * height; i++) {
        if (labels[i] && (holes ? !touches[labels[i]] : areas[labels[i]] < area_min)) {
            mask[i] = 1;
        }
    }
    free(labels);
    free(areas);
    free(touches);
}

/* The half-sample mirror, one reflection after the other. */
static inline long naive_mirror(long i, long len)
{
    while (i < 0 || i >= len) {
        i = i < 0 ? -1 - i : 2 * len - 1 - i;
    }
    return i;
}

/* One pass of the Gaussian; step_x, step_y is its direction. */
static inline void naive_gauss_pass(const uint8_t *from, long width, long height,
                                    const double *weights, long radius, bool is_down, uint8_t *to)
{
    for (long i = 0; i < width * height; i++) {
        long x = i % width;
        long y = i / width;
        double t = from[i] * weights[0];

        for (long k = radius; k >= 1; k--) {
            int before = is_down ? from[naive_mirror(y - k, height) * width + x]
                                 : from[y * width + naive_mirror(x - k, width)];
            int after = is_down ? from[naive_mirror(y + k, height) * width + x]
                                : from[y * width + naive_mirror(x + k, width)];

            t += (before + after) * weights[k];
        }
        to[i] = (uint8_t) (int) t;
    }
}

static inline int naive_compare(const void *a, const void *b)
{
    double x = *(const double *) a;
    double y = *(const double *) b;

    return (x > y) - (x < y);
}

/* The median of the mirrored square around a pixel, by sorting. */
static inline double naive_median(const double *values, long width, long height, long side, long x,
                                  long y)
{
    double window[31 * 31];
    size_t len = 0;

    for (long dy = -(side / 2); dy <= side / 2; dy++) {
        for (long dx = -(side / 2); dx <= side / 2; dx++) {
            window[len++] =
                values[naive_mirror(y + dy, height) * width + naive_mirror(x + dx, width)];
        }
    }
    qsort(window, len, sizeof(double), naive_compare);
    return window[len / 2];
}
