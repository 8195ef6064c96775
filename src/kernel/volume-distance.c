/* SPDX-License-Identifier: Apache-2.0 */
/* Squared distances, one axis after the other: along a row by counting steps, then the smallest of
 * what neighbours in a column, and in a stack, are told plus the way to them.  The inner loops run
 * along rows in 16-bit integers, which compilers make vectors of.
 *
 * Caps are at most 60 mm, 14 400 quarter square millimetres, so that a sum of two stays below
 * 2^15.
 */
#include "kernel/volume.h"

#include <assert.h>
#include <string.h>

/* Steps that are looked at, at most; a grid is not finer than 0.25 mm. */
enum { WAYS_LEN = 242, FEW_STEPS = 12 };

static int16_t way(double spacing_mm, size_t steps, int16_t cap)
{
    double mm = spacing_mm * (double) steps;
    double squared = 4 * mm * mm + 0.5;

    return squared < cap ? (int16_t) squared : cap;
}

/* The smallest of to[x] and from[x] + add. */
static void lower(const int16_t *from, int16_t add, size_t len, int16_t *to)
{
    for (size_t x = 0; x < len; x++) {
        int16_t sum = (int16_t) (from[x] + add);
        to[x] = sum < to[x] ? sum : to[x];
    }
}

/* Steps to the nearest target on the row, by a pass in each direction, and how far that is. */
static void count_steps(const uint8_t *mask, bool is_set, size_t width, const int16_t *ways,
                        int16_t *distances)
{
    int16_t count = WAYS_LEN;

    for (size_t x = 0; x < width; x++) {
        count = (mask[x] != 0) == is_set ? 0 : (int16_t) (count + (count < WAYS_LEN));
        distances[x] = count;
    }
    count = WAYS_LEN;
    for (size_t x = width; x-- > 0;) {
        count = distances[x] == 0 ? 0 : (int16_t) (count + (count < WAYS_LEN));
        count = count < distances[x] ? count : distances[x];
        distances[x] = count == 0 ? 0 : count < WAYS_LEN ? ways[count] : ways[0];
    }
}

/* The same as lowering by neighbours, for caps of few steps. */
static void lower_by_neighbours(const uint8_t *mask, bool is_set, size_t width, const int16_t *ways,
                                int16_t *distances, int16_t *scratch)
{
    for (size_t x = 0; x < width; x++) {
        scratch[x] = (mask[x] != 0) == is_set ? 0 : ways[0];
    }
    memcpy(distances, scratch, width * sizeof(*distances));
    for (size_t steps = 1; steps < width && ways[steps] < ways[0]; steps++) {
        lower(scratch, ways[steps], width - steps, distances + steps);
        lower(scratch + steps, ways[steps], width - steps, distances);
    }
}

/* One axis of `len` lines, each `size` elements long and `stride` elements behind the one before.
 */
static void measure_axis(const int16_t *from, size_t len, size_t size, size_t stride,
                         const int16_t *ways, int16_t *to)
{
    for (size_t line = 0; line < len; line++) {
        memcpy(to + line * stride, from + line * stride, size * sizeof(*to));
    }
    for (size_t line = 0; line < len; line++) {
        for (size_t steps = 1; steps < len && ways[steps] < ways[0]; steps++) {
            if (steps <= line) {
                lower(from + (line - steps) * stride, ways[steps], size, to + line * stride);
            }
            if (line + steps < len) {
                lower(from + (line + steps) * stride, ways[steps], size, to + line * stride);
            }
        }
    }
}

/* How far a number of steps is; element 0 is the cap, and so is the last. */
static void measure_ways(double spacing_mm, int16_t cap, int16_t ways[WAYS_LEN])
{
    ways[0] = cap;
    for (size_t i = 1; i < WAYS_LEN; i++) {
        ways[i] = i + 1 < WAYS_LEN ? way(spacing_mm, i, cap) : cap;
    }
}

void cor_kernel_volume_distance(const CorGrid *grid, const uint8_t *mask, bool is_set,
                                double cap_mm, int16_t *distances, int16_t *scratch)
{
    size_t width = grid->width;
    size_t slice = width * grid->height;
    int16_t cap = cor_kernel_mm_squared(cap_mm);
    int16_t ways[3][WAYS_LEN];

    assert(cap_mm > 0 && grid->spacing_mm[0] >= 0.25 && grid->spacing_mm[1] >= 0.25 &&
           grid->spacing_mm[2] >= 0.25);
    for (size_t axis = 0; axis < 3; axis++) {
        measure_ways(grid->spacing_mm[axis], cap, ways[axis]);
    }
    for (size_t row = 0; row < grid->height * grid->depth; row++) {
        const uint8_t *bytes = mask + row * width;

        if (ways[0][FEW_STEPS] < cap) {
            count_steps(bytes, is_set, width, ways[0], distances + row * width);
        } else {
            lower_by_neighbours(bytes, is_set, width, ways[0], distances + row * width,
                                scratch + row * width);
        }
    }
    for (size_t z = 0; z < grid->depth; z++) {
        measure_axis(distances + z * slice, grid->height, width, width, ways[1],
                     scratch + z * slice);
    }
    for (size_t y = 0; y < grid->height; y++) {
        measure_axis(scratch + y * width, grid->depth, width, slice, ways[2],
                     distances + y * width);
    }
}
