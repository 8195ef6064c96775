/* SPDX-License-Identifier: Apache-2.0 */
/* Exact distances, axis by axis (Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled
 * Functions", 2012).  Along a row the nearest voxel is at the end of a run.  Along the other axes
 * the distance is the lower envelope of parabolas, one per voxel, found in one pass to and fro.
 *
 * Lines across rows are taken several at a time, neighbours, so that what is loaded is used.  All
 * of it is in double, rounded to float at the end of each axis, in a fixed order: the same on every
 * machine.
 */
#include "kernel/voxels.h"

#include <assert.h>
#include <math.h>

#include "kernel/kernel-ops.h"

#define TILE ((size_t) 16)

typedef struct Parabola {
    double begin;  /* from where on it is the lowest */
    double height; /* at index 0 of its line */
    double value;  /* at its own place */
    size_t at;
} Parabola;

typedef struct Lines {
    size_t len;    /* voxels of a line */
    size_t stride; /* between them */
    double squared_mm;
    Parabola *parabolas; /* len */
    float *tile;         /* TILE lines */
} Lines;

static size_t line_len_max(const CorVoxels *voxels)
{
    size_t len = voxels->width > voxels->height ? voxels->width : voxels->height;

    return len > voxels->depth ? len : voxels->depth;
}

size_t cor_kernel_voxels_distance_scratch_size(const CorVoxels *voxels)
{
    size_t len = line_len_max(voxels);

    return len * sizeof(Parabola) + TILE * len * sizeof(float) + (len + 1) * sizeof(CorRun);
}

/* Squared distances along a row, whose runs are known. */
static void measure_row(const CorRun *runs, size_t runs_len, size_t width, double squared_mm,
                        float *distances)
{
    size_t begin = 0; /* of a gap */

    for (size_t i = 0; i <= runs_len; i++) {
        bool has_left = i > 0;
        bool has_right = i < runs_len;
        size_t end = has_right ? runs[i].begin_px : width;

        for (size_t x = begin; x < end; x++) {
            size_t left = has_left ? x - begin + 1 : SIZE_MAX;
            size_t right = has_right ? end - x : SIZE_MAX;
            double steps = (double) (left < right ? left : right);

            distances[x] = has_left || has_right ? (float) (steps * steps * squared_mm) : INFINITY;
        }
        if (has_right) {
            for (size_t x = end; x < runs[i].end_px; x++) {
                distances[x] = 0;
            }
            begin = runs[i].end_px;
        }
    }
}

/* The lower envelope of one line; the return value is the number of parabolas that it has. */
static size_t find_envelope(const Lines *lines, const float *values)
{
    Parabola *parabolas = lines->parabolas;
    size_t len = 0;

    for (size_t i = 0; i < lines->len; i++) {
        double x = (double) i;
        Parabola next = {.begin = -INFINITY,
                         .height = values[i] + lines->squared_mm * x * x,
                         .value = values[i],
                         .at = i};

        if (isinf(values[i])) {
            continue;
        }
        while (len > 0) {
            const Parabola *last = &parabolas[len - 1];

            next.begin =
                (next.height - last->height) / (2 * lines->squared_mm * (double) (i - last->at));
            if (next.begin > last->begin) {
                break;
            }
            len--;
            next.begin = -INFINITY;
        }
        parabolas[len++] = next;
    }
    return len;
}

static void measure_line(const Lines *lines, float *values)
{
    const Parabola *parabolas = lines->parabolas;
    size_t len = find_envelope(lines, values);
    size_t k = 0;

    for (size_t i = 0; i < lines->len && len > 0; i++) {
        double steps = 0;

        while (k + 1 < len && parabolas[k + 1].begin < (double) i) {
            k++;
        }
        steps = (double) i - (double) parabolas[k].at;
        values[i] = (float) (parabolas[k].value + lines->squared_mm * steps * steps);
    }
}

/* `count` lines that begin at neighbouring voxels. */
static void measure_lines(const Lines *lines, size_t count, float *first)
{
    for (size_t x = 0; x < count; x += TILE) {
        size_t tile = count - x < TILE ? count - x : TILE;

        for (size_t i = 0; i < lines->len; i++) {
            for (size_t k = 0; k < tile; k++) {
                lines->tile[k * lines->len + i] = first[i * lines->stride + x + k];
            }
        }
        for (size_t k = 0; k < tile; k++) {
            measure_line(lines, lines->tile + k * lines->len);
        }
        for (size_t i = 0; i < lines->len; i++) {
            for (size_t k = 0; k < tile; k++) {
                first[i * lines->stride + x + k] = lines->tile[k * lines->len + i];
            }
        }
    }
}

void cor_kernel_voxels_distance(const CorVoxels *voxels, const double spacing_mm[3],
                                float *distances, void *scratch)
{
    const CorKernelOps *ops = cor_kernel_priv_ops();
    size_t width = voxels->width;
    size_t slice = width * voxels->height;
    size_t len_max = line_len_max(voxels);
    Parabola *parabolas = scratch;
    float *tile = (float *) (parabolas + len_max);
    CorRun *runs = (CorRun *) (tile + TILE * len_max);
    Lines lines = {.parabolas = parabolas, .tile = tile};

    for (size_t row = 0; row < voxels->height * voxels->depth; row++) {
        size_t len = ops->runs_find(voxels->words + row * voxels->stride_words, width, 0, runs);

        measure_row(runs, len, width, spacing_mm[0] * spacing_mm[0], distances + row * width);
    }
    lines.len = voxels->height;
    lines.stride = width;
    lines.squared_mm = spacing_mm[1] * spacing_mm[1];
    for (size_t z = 0; z < voxels->depth && voxels->height > 1; z++) {
        measure_lines(&lines, width, distances + z * slice);
    }
    lines.len = voxels->depth;
    lines.stride = slice;
    lines.squared_mm = spacing_mm[2] * spacing_mm[2];
    for (size_t y = 0; y < voxels->height && voxels->depth > 1; y++) {
        measure_lines(&lines, width, distances + y * width);
    }
}
