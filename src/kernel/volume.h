/* SPDX-License-Identifier: Apache-2.0 */
/* Small volumes: distances, smoothing, components and splitting on a grid of voxels.
 *
 * Voxels lie row by row, slice by slice, without gaps: index (z * height + y) * width + x.  Masks
 * are bytes, 0 or not 0.  What lies outside the grid is unknown: it is neither in a mask nor out
 * of it, so nothing is worn away at the first and the last slice of a series.
 *
 * Ownership  Everything belongs to the caller, scratch included.
 * Threads    Thread-safe.
 * Errors     None: arguments are asserted.
 * Units      Millimetres; distances are quarter square millimetres, see cor_kernel_mm_squared().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest distance that is told. */
#define COR_KERNEL_DISTANCE_MAX_MM 60.0

typedef struct CorGrid {
    size_t width;
    size_t height;
    size_t depth;
    double spacing_mm[3]; /* along a row, along a column, between slices */
} CorGrid;

/* A stretch of voxels in a row. */
typedef struct CorGridRun {
    uint16_t begin;
    uint16_t end;   /* behind the last one */
    uint32_t label; /* from 1 */
} CorGridRun;

typedef struct CorGridRuns {
    CorGridRun *items; /* in order of voxels */
    size_t *rows;      /* first run of each row, and one more: height * depth + 1 */
} CorGridRuns;

/** Number of voxels. */
static inline size_t cor_kernel_grid_len(const CorGrid *grid)
{
    return grid->width * grid->height * grid->depth;
}

/** Number of voxels of a slice. */
static inline size_t cor_kernel_grid_slice_len(const CorGrid *grid)
{
    return grid->width * grid->height;
}

/** A distance as the functions below tell it. */
static inline int16_t cor_kernel_mm_squared(double mm)
{
    double capped = mm < COR_KERNEL_DISTANCE_MAX_MM ? mm : COR_KERNEL_DISTANCE_MAX_MM;

    return (int16_t) (4 * capped * capped + 0.5);
}

/**
 * Tell how far each voxel is from the nearest voxel that is in the mask (is_set) or not in it.
 *
 * Distances are Euclidean, between centres, squared; what is farther than cap_mm is told as
 * cap_mm.
 *
 * @param distances  receives them: cor_kernel_mm_squared() of millimetres
 * @param scratch    as many elements
 */
void cor_kernel_volume_distance(const CorGrid *grid, const uint8_t *mask, bool is_set,
                                double cap_mm, int16_t *distances, int16_t *scratch);

/**
 * Smooth values by a Gaussian in place; what lies outside the grid counts as 0.
 *
 * @param scratch  as many elements as there are values
 */
void cor_kernel_volume_blur(const CorGrid *grid, double sigma_mm, float *values, float *scratch);

/** Number of runs of a mask. */
size_t cor_kernel_volume_runs_count(const CorGrid *grid, const uint8_t *mask);

/**
 * Find the components of a mask; neighbours share a face.
 *
 * @param runs  items: as many as cor_kernel_volume_runs_count() says
 * @return the number of components; labels are 1 to that number, in order of first voxels
 */
size_t cor_kernel_volume_label(const CorGrid *grid, const uint8_t *mask, CorGridRuns *runs);

/**
 * Share a mask between seeds: a voxel goes to the seed that is reached over the widest way, and of
 * equal ones first (a watershed on the distance to the edge of the mask).
 *
 * @param distances  to the nearest voxel outside the mask
 * @param labels     seeds, 1 and above, and 0 for the rest; receives a label for every voxel of
 *                   the mask that can be reached
 * @param queue      scratch: as many elements as there are voxels in the mask
 */
void cor_kernel_volume_share(const CorGrid *grid, const uint8_t *mask, const int16_t *distances,
                             uint8_t *labels, uint32_t *queue);
