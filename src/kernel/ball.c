/* SPDX-License-Identifier: Apache-2.0 */
/* A ball is a set of stretches: at (dy, dz) it reaches h(dy, dz) voxels to either side.  So each
 * slice is grown sideways by the half widths in rising order, each from the one before (as in
 * morphology.c), and what has grown by h is joined, moved by dy, to slice z + dz of the result for
 * every (dy, dz) of that half width.  That is one pass of a slice's words per |dy| and dz, and a
 * slice of 512 x 512 pixels has 37 KB.  Rows of zeros above and below what grows spare the borders.
 *
 * Erosion is dilation of the complement: where the outside counts as set, nothing grows in from
 * there.  If it counts as not set, what is nearer to a side than the ball reaches goes as well.
 */
#include "kernel/voxels.h"

#include <assert.h>
#include <string.h>

#include "kernel/kernel-ops.h"

#define PAD_WORDS ((size_t) 8)
#define GUARD_ROWS ((size_t) 64) /* more than a ball reaches, and whole cache lines */

typedef struct Growth {
    const CorKernelOps *ops;
    const CorVoxels *from;
    CorVoxels *to;
    bool is_complement; /* of from and of to */
    size_t slice_len;   /* words */
    size_t reach[3];    /* of the ball along each axis */
    /* Voxels that the ball reaches along a row at (dz, dy); below 0: it does not get there. */
    int8_t widths[COR_BALL_REACH_MAX + 1][COR_BALL_REACH_MAX + 1];
    bool has_width[COR_BALL_REACH_MAX + 1];
    uint64_t *regions[2];
} Growth;

static size_t region_len(const CorVoxels *voxels)
{
    size_t rows = voxels->height + 2 * GUARD_ROWS;

    return (rows * voxels->stride_words + 2 * PAD_WORDS + 7) / 8 * 8;
}

size_t cor_kernel_ball_size_words(const CorVoxels *voxels)
{
    return 2 * region_len(voxels) + PAD_WORDS;
}

/* Steps of spacing_mm whose square is at most left_mm2; below 0 if that is below 0. */
static int steps_within(double left_mm2, double spacing_mm)
{
    int steps = left_mm2 < 0 ? -1 : 0;

    while (steps >= 0 && steps <= COR_BALL_REACH_MAX &&
           (steps + 1) * spacing_mm * ((steps + 1) * spacing_mm) <= left_mm2) {
        steps++;
    }
    return steps;
}

static void measure_ball(const CorBall *ball, Growth *growth)
{
    double squared = ball->radius_mm * ball->radius_mm;

    assert(ball->radius_mm >= 0);
    for (size_t i = 0; i < 3; i++) {
        growth->reach[i] = (size_t) steps_within(squared, ball->spacing_mm[i]);
        assert(growth->reach[i] <= COR_BALL_REACH_MAX);
    }
    for (size_t dz = 0; dz <= growth->reach[2]; dz++) {
        for (size_t dy = 0; dy <= growth->reach[1]; dy++) {
            double y = (double) dy * ball->spacing_mm[1];
            double z = (double) dz * ball->spacing_mm[2];
            int width = steps_within(squared - y * y - z * z, ball->spacing_mm[0]);

            growth->widths[dz][dy] = (int8_t) width;
            if (width >= 0) {
                growth->has_width[width] = true;
            }
        }
    }
}

/* Join what has grown by `width` wherever the ball is that wide. */
static void join_width(const Growth *growth, const uint64_t *grown, int width, size_t z)
{
    size_t stride = growth->from->stride_words;

    for (size_t at = z > growth->reach[2] ? z - growth->reach[2] : 0;
         at <= z + growth->reach[2] && at < growth->to->depth; at++) {
        size_t dz = at < z ? z - at : at - z;
        uint64_t *to = growth->to->words + at * growth->slice_len;

        for (size_t dy = 0; dy <= growth->reach[1]; dy++) {
            if (growth->widths[dz][dy] == width) {
                growth->ops->join(false, grown, growth->slice_len, dy * stride, to);
            }
        }
    }
}

/* Zero what is behind the rows of len words. */
static void clean(const CorVoxels *voxels, uint64_t *words, size_t rows)
{
    size_t full = voxels->width / 64;
    uint64_t tail = ((uint64_t) 1 << (voxels->width % 64)) - 1;

    for (size_t row = 0; row < rows; row++, words += voxels->stride_words) {
        words[full] &= tail;
        words[voxels->stride_words - 1] = 0;
    }
}

static void invert(const CorVoxels *voxels, const uint64_t *from, size_t rows, uint64_t *to)
{
    for (size_t i = 0; i < rows * voxels->stride_words; i++) {
        to[i] = ~from[i];
    }
    clean(voxels, to, rows);
}

static bool is_empty(const uint64_t *words, size_t len)
{
    uint64_t all = 0;

    for (size_t i = 0; i < len; i++) {
        all |= words[i];
    }
    return all == 0;
}

static void grow_slice(const Growth *growth, size_t z)
{
    const uint64_t *slice = growth->from->words + z * growth->slice_len;
    uint64_t *grown = growth->regions[0];
    uint64_t *next = growth->regions[1];
    int width = 0;

    if (growth->is_complement) {
        invert(growth->from, slice, growth->from->height, grown);
    } else {
        memcpy(grown, slice, growth->slice_len * sizeof(uint64_t));
    }
    if (is_empty(grown, growth->slice_len)) {
        return;
    }
    for (int wanted = 0; wanted <= (int) growth->reach[0]; wanted++) {
        if (!growth->has_width[wanted]) {
            continue;
        }
        while (width < wanted) {
            int d = wanted - width < 2 * width + 1 ? wanted - width : 2 * width + 1;
            uint64_t *swap = grown;

            growth->ops->grow(false, grown, growth->slice_len, (unsigned) d, next);
            width += d;
            grown = next;
            next = swap;
        }
        join_width(growth, grown, width, z);
    }
}

static void grow_all(const CorBall *ball, Growth *growth, uint64_t *scratch)
{
    const CorVoxels *from = growth->from;
    size_t len = region_len(from);
    uintptr_t past = (uintptr_t) scratch % 64 / sizeof(uint64_t);
    uint64_t *base = scratch + (past ? 8 - past : 0) + PAD_WORDS;

    assert(from->words != growth->to->words && from->width == growth->to->width);
    assert(from->height == growth->to->height && from->depth == growth->to->depth);
    growth->ops = cor_kernel_priv_ops();
    growth->slice_len = from->height * from->stride_words;
    measure_ball(ball, growth);
    memset(base - PAD_WORDS, 0, 2 * len * sizeof(uint64_t));
    for (size_t i = 0; i < 2; i++) {
        growth->regions[i] = base + i * len + GUARD_ROWS * from->stride_words;
    }
    memset(growth->to->words, 0, growth->slice_len * from->depth * sizeof(uint64_t));
    for (size_t z = 0; z < from->depth; z++) {
        grow_slice(growth, z);
    }
}

void cor_kernel_ball_dilate(const CorVoxels *from, const CorBall *ball, CorVoxels *to,
                            uint64_t *scratch)
{
    Growth growth = {.from = from, .to = to};

    grow_all(ball, &growth, scratch);
    clean(to, to->words, to->height * to->depth);
}

/* Unset what is nearer to a side than the ball reaches. */
static void clear_sides(const size_t near[3], CorVoxels *voxels)
{
    size_t width = voxels->width;
    size_t stride = voxels->stride_words;

    for (size_t row = 0; row < voxels->height * voxels->depth; row++) {
        uint64_t *words = voxels->words + row * stride;
        size_t y = row % voxels->height;
        size_t z = row / voxels->height;

        if (y < near[1] || y + near[1] >= voxels->height || z < near[2] ||
            z + near[2] >= voxels->depth || 2 * near[0] >= width) {
            memset(words, 0, stride * sizeof(uint64_t));
            continue;
        }
        for (size_t i = 0; i < near[0]; i++) {
            words[i / 64] &= ~((uint64_t) 1 << (i % 64));
            words[(width - 1 - i) / 64] &= ~((uint64_t) 1 << ((width - 1 - i) % 64));
        }
    }
}

void cor_kernel_ball_erode(const CorVoxels *from, const CorBall *ball, bool outside_is_set,
                           CorVoxels *to, uint64_t *scratch)
{
    Growth growth = {.from = from, .to = to, .is_complement = true};

    grow_all(ball, &growth, scratch);
    invert(to, to->words, to->height * to->depth, to->words);
    if (!outside_is_set) {
        clear_sides(growth.reach, to);
    }
}
