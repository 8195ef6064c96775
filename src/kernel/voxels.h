/* SPDX-License-Identifier: Apache-2.0 */
/* Bit-packed masks of whole volumes: thresholds, components, holes, balls, distances.
 *
 * A volume is `depth` slices of `height` rows; a row is as in bits.h, with one word of zeros behind
 * it, and lies directly behind the one before.  One word of zeros stands in front.  A mask of 275
 * slices of 512 x 512 pixels has 10 MB, so most of what is done with it runs at the speed of the
 * cache.  volume.h has the same for bytes and small grids.
 *
 * Ownership  Everything belongs to the caller.
 * Threads    Thread-safe.
 * Errors     None: arguments are asserted.
 * Units      Millimetres where it says so, else voxels.
 */
#pragma once

#include "kernel/runs.h"

#define COR_BALL_REACH_MAX 63 /* voxels along a row that a ball may reach */

typedef struct CorVoxels {
    uint64_t *words; /* first word of row 0 of slice 0 */
    size_t width;
    size_t height;
    size_t depth;
    size_t stride_words; /* from row to row, the zero word included */
} CorVoxels;

typedef enum CorNeighbours {
    COR_NEIGHBOURS_6,  /* those that share a face */
    COR_NEIGHBOURS_26, /* or an edge, or a corner */
} CorNeighbours;

/* Exact sums over one component, and the box around it (ends are behind the last voxel). */
typedef struct CorVoxelComponent {
    uint64_t len;    /* voxels */
    uint64_t sum[3]; /* of x, y, z */
    size_t begin[3];
    size_t end[3];
} CorVoxelComponent;

/* All voxels whose centres are at most radius_mm away. */
typedef struct CorBall {
    double radius_mm;
    double spacing_mm[3]; /* along a row, along a column, between slices */
} CorBall;

/** Words to allocate, zeroed, for a volume. */
size_t cor_kernel_voxels_size_words(size_t width, size_t height, size_t depth);

/** Lay a volume over cor_kernel_voxels_size_words() zeroed words. */
CorVoxels cor_kernel_voxels_at(uint64_t *buffer, size_t width, size_t height, size_t depth);

/** Set the voxels of slice z whose values are low to high; the plane is dense. */
void cor_kernel_voxels_from_s16(const int16_t *plane, int16_t low, int16_t high, CorVoxels *voxels,
                                size_t z);

/** Write slice z as bytes of 0 or 1. */
void cor_kernel_voxels_to_u8(const CorVoxels *voxels, size_t z, uint8_t *plane);

/** Number of voxels that are set. */
size_t cor_kernel_voxels_count(const CorVoxels *voxels);

/* to = to and from, to or from, to and not from. */
void cor_kernel_voxels_and(const CorVoxels *from, CorVoxels *to);
void cor_kernel_voxels_or(const CorVoxels *from, CorVoxels *to);
void cor_kernel_voxels_and_not(const CorVoxels *from, CorVoxels *to);

/** Number of runs whose voxels are set, or are not set. */
size_t cor_kernel_voxels_runs_count(const CorVoxels *voxels, bool is_set);

/**
 * Find the runs and number their components from 1 in raster order of their first voxel.
 *
 * @param runs  as in runs.h, with height * depth rows
 * @return the number of components
 */
size_t cor_kernel_voxels_label(const CorVoxels *voxels, bool is_set, CorNeighbours neighbours,
                               CorRuns *runs);

/** Sum up each of len labelled components. */
void cor_kernel_voxels_measure(const CorVoxels *voxels, const CorRuns *runs,
                               CorVoxelComponent *components, size_t len);

/** Leave only those components set of which is_kept[label - 1] is not 0; runs are of set voxels. */
void cor_kernel_voxels_keep(const CorRuns *runs, const uint8_t *is_kept, CorVoxels *voxels);

/**
 * Set every component of unset voxels (neighbours share a face) that does not touch the border.
 *
 * @param ends_are_open  the first and the last slice are border, not only the sides: a cavity that
 *                       they cut stays open
 * @param runs           scratch with room for the unset runs
 * @param is_kept        scratch of as many bytes
 */
void cor_kernel_voxels_fill(CorVoxels *voxels, bool ends_are_open, CorRuns *runs, uint8_t *is_kept);

/** Words of scratch that the two functions below need. */
size_t cor_kernel_ball_size_words(const CorVoxels *voxels);

/** Let a mask grow by a ball.  from and to are different volumes of the same size. */
void cor_kernel_ball_dilate(const CorVoxels *from, const CorBall *ball, CorVoxels *to,
                            uint64_t *scratch);

/**
 * Wear a mask away by a ball.
 *
 * @param outside_is_set  what lies outside the volume
 */
void cor_kernel_ball_erode(const CorVoxels *from, const CorBall *ball, bool outside_is_set,
                           CorVoxels *to, uint64_t *scratch);

/** Bytes of scratch that cor_kernel_voxels_distance() needs, aligned for doubles. */
size_t cor_kernel_voxels_distance_scratch_size(const CorVoxels *voxels);

/**
 * Tell the exact Euclidean distance of each voxel to the nearest set one, squared, in mm^2; 0 for
 * set ones, INFINITY if there is none.
 *
 * @param distances  receives width * height * depth values
 */
void cor_kernel_voxels_distance(const CorVoxels *voxels, const double spacing_mm[3],
                                float *distances, void *scratch);
