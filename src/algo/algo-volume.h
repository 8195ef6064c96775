/* SPDX-License-Identifier: Apache-2.0 */
/* A series as a volume, for the algorithms of this room that need more than a slice.
 *
 * Organs are found on a coarse grid, whose voxels are means over blocks of about 2 mm, and drawn
 * on the slices themselves afterwards.  So a series is read twice, slice by slice, and need not be
 * held as a whole: 275 slices of 512 x 512 pixels are 4 million voxels.
 *
 * Ownership  A CorAlgoVolume owns its memory; cor_algo_priv_volume_done() frees it.
 * Threads    One thread at a time.
 * Errors     INVALID: the slices are no volume (the text says why).  LIMIT, NOMEM.
 * Units      Millimetres, millilitres, HU.
 */
#pragma once

#include "algo/algo-priv.h"
#include "kernel/volume.h"

/* Values of the coarse grid are means of values that were capped to this range. */
#define COR_ALGO_VALUE_MIN (-1024)
#define COR_ALGO_VALUE_MAX 400

typedef struct CorAlgoVolume {
    size_t width_px;
    size_t height_px;
    size_t slice_len;
    double spacing_mm[3]; /* between columns, rows, slices */
    double left[3];       /* by how much a step along each axis leads to the patient's left, ... */
    double back[3];       /* ... to the back, ... */
    double head[3];       /* ... to the head: direction cosines */
    size_t factor[3];     /* pixels, rows, slices per voxel */
    CorGrid grid;         /* what is kept: a box around what is not air */
    size_t offset[3];     /* voxels before the box */
    int16_t *values;      /* of the grid */
    /* Scratch of the grid's length. */
    uint8_t *masks[5];
    int16_t *distances[2];
    float *floats[4];
    CorGridRuns runs;
    size_t runs_capacity;
    size_t rows_capacity;
    uint32_t *counts; /* per label */
    size_t counts_capacity;
} CorAlgoVolume;

/* What an algorithm says when it is asked to look at a volume. */
typedef struct CorAlgoProgress {
    const CorAlgoJob *job;
    double begin; /* share of the work before what is being done now */
    double share; /* share of what is being done now */
} CorAlgoProgress;

/** Free what a volume owns; all zero afterwards. */
void cor_algo_priv_volume_done(CorAlgoVolume *volume);

/**
 * Learn the size and the place of a series, without loading it.
 *
 * INVALID if there are fewer slices than slices_min, or they differ in size, spacing or direction,
 * or do not follow each other evenly, or have no place.
 */
COR_MUSTCHECK bool cor_algo_priv_volume_geometry(CorAlgoVolume *volume, const CorAlgoJob *job,
                                                 size_t slices_min, CorError *err);

/**
 * Learn the geometry and read all slices of a job onto the grid.  How large a part of the work this
 * is depends on how long slices take to load: progress->share is set to it.
 */
COR_MUSTCHECK bool cor_algo_priv_volume_read(CorAlgoVolume *volume, CorAlgoProgress *progress,
                                             size_t slices_min, CorError *err);

/** Cut the grid, its values and a mask down to the box around the mask; scratch is lost. */
void cor_algo_priv_volume_crop(CorAlgoVolume *volume, uint8_t *mask);

/** Report that a share of the present part of the work is done; false means stop. */
COR_MUSTCHECK bool cor_algo_priv_volume_report(const CorAlgoProgress *progress, double fraction,
                                               CorError *err);

/** Millilitres of one voxel of the grid. */
double cor_algo_priv_volume_voxel_ml(const CorAlgoVolume *volume);

/** Label a mask into volume->runs and count the voxels of each label into volume->counts. */
COR_MUSTCHECK bool cor_algo_priv_volume_label(CorAlgoVolume *volume, const CorGrid *grid,
                                              const uint8_t *mask, size_t *ret_labels,
                                              CorError *err);

/** Keep the components of a mask that is_kept says 1 for (index: label - 1). */
void cor_algo_priv_volume_keep(const CorAlgoVolume *volume, const CorGrid *grid,
                               const uint8_t *is_kept, uint8_t *mask);

/** Keep the largest component; the voxels that it has, 0 if the mask is empty. */
COR_MUSTCHECK bool cor_algo_priv_volume_keep_largest(CorAlgoVolume *volume, uint8_t *mask,
                                                     size_t *ret_len, CorError *err);

/** Fill what is enclosed on each slice of the grid, if it is at most area_max_mm2 (0: any). */
COR_MUSTCHECK bool cor_algo_priv_volume_fill(CorAlgoVolume *volume, double area_max_mm2,
                                             uint8_t *mask, uint8_t *scratch, CorError *err);

/** Wear a mask away by a ball; from and to may be the same. */
void cor_algo_priv_volume_erode(CorAlgoVolume *volume, const uint8_t *from, double radius_mm,
                                uint8_t *to);

/** Let a mask grow by a ball within limits (NULL: anywhere); from and to may be the same. */
void cor_algo_priv_volume_dilate(CorAlgoVolume *volume, const uint8_t *from, double radius_mm,
                                 const uint8_t *within, uint8_t *to);

/** The mean place of the voxels of a mask (x, y, z in voxels); false if it is empty. */
bool cor_algo_priv_volume_center(const CorGrid *grid, const uint8_t *mask, double ret_center[3]);

/**
 * Find the body: what is no air, with what it encloses on each slice.  Tables and blankets are thin
 * and fall away.  An empty mask if there is nothing.
 *
 * @param is_whole  arms and legs that are apart as well, else the largest part only
 * @param mask     receives it; one of volume->masks, 2 and 3 are scratch
 */
COR_MUSTCHECK bool cor_algo_priv_volume_body(CorAlgoVolume *volume, bool is_whole, uint8_t *mask,
                                             CorError *err);

/* A slice that is drawn on: what its pixels have to do with voxels. */
typedef struct CorAlgoDrawing {
    CorAlgoVolume *volume;
    CorGrid slice;    /* the slice as a grid of its own */
    uint8_t *mask;    /* to be drawn: 0, or 1 + label */
    float *inner;     /* for cor_algo_priv_drawing_share() */
    float *outer;     /* as well */
    float *voxels;    /* between two slices of the grid */
    float *line;      /* between two rows of that */
    uint32_t *before; /* per pixel of a row: the voxel before it ... */
    float *weight;    /* ... and how much of the next one */
    uint32_t *column; /* per pixel of a row: the voxel that it is in */
} CorAlgoDrawing;

/** Free what a drawing owns; all zero afterwards. */
void cor_algo_priv_drawing_done(CorAlgoDrawing *drawing);

/** Make a drawing for a volume. */
COR_MUSTCHECK bool cor_algo_priv_drawing_make(CorAlgoDrawing *drawing, CorAlgoVolume *volume,
                                              CorError *err);

/**
 * Interpolate a mask of the grid on a slice.
 *
 * @param share  receives how much of the mask is around each pixel, 0 to 1
 */
void cor_algo_priv_drawing_share(CorAlgoDrawing *drawing, const uint8_t *mask, size_t slice,
                                 float *share);

/** The voxel that a pixel is in, or the nearest one that is kept: index into arrays of the grid. */
size_t cor_algo_priv_drawing_voxel(const CorAlgoDrawing *drawing, size_t x, size_t y, size_t slice);

/** Mean over a square of 2 * radius_px + 1 pixels around a pixel, values capped to -1024 ... 1500.
 */
float cor_algo_priv_drawing_mean(const CorPlane *plane, size_t x, size_t y, size_t radius_px);

/**
 * Take components off the mask of the slice that are smaller than an area, or of whose pixels fewer
 * than another area have half a share in drawing->inner.
 */
COR_MUSTCHECK bool cor_algo_priv_drawing_drop(CorAlgoDrawing *drawing, double area_mm2,
                                              double anchor_mm2, CorError *err);

/* An algorithm that finds something on the grid and draws it slice by slice. */
typedef struct CorAlgoOrgan {
    const CorAlgorithm *algorithm;
    size_t slices_min;
    /* Find it; *ret_reason: why it was not, NULL if it was. */
    bool (*find)(void *state, CorAlgoVolume *volume, const CorAlgoProgress *progress,
                 const char **ret_reason, CorError *err);
    /* Draw it on a slice, into drawing->mask, which is all zero. */
    bool (*draw)(void *state, CorAlgoDrawing *drawing, const CorAlgoSlice *slice, size_t index,
                 CorError *err);
    /* More measurements of the series: a new reference, or NULL; may be NULL itself. */
    json_t *(*describe)(const void *state);
} CorAlgoOrgan;

/** Run over a job: read, find, draw, measure, emit, report, conclude. */
COR_MUSTCHECK bool cor_algo_priv_organ_run(const CorAlgoJob *job, const CorAlgoOrgan *organ,
                                           void *state, CorError *err);

/** Load a slice and check that it is as the volume is; the text of an error names it. */
COR_MUSTCHECK bool cor_algo_priv_volume_load(const CorAlgoVolume *volume, const CorAlgoJob *job,
                                             size_t index, CorAlgoSlice *ret_slice, CorError *err);
