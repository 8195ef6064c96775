/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the liver algorithm: parameters, finding it on the grid, drawing it on a slice.
 *
 * Ownership  Everything belongs to the caller.
 * Threads    One thread at a time.
 * Errors     As in algo.h.
 * Units      Millimetres, millilitres, HU.
 */
#pragma once

#include "algo/algo-volume.h"

typedef enum CorLiverSide {
    COR_LIVER_SIDE_AUTO, /* the patient's right is preferred */
    COR_LIVER_SIDE_RIGHT,
    COR_LIVER_SIDE_LEFT,
    COR_LIVER_SIDE_COUNT_
} CorLiverSide;

typedef struct CorLiver {
    double volume_min_ml;
    double area_min_mm2;
    double tolerance_hu;
    double smoothing_mm;
    double bridge_mm;
    CorLiverSide side;
} CorLiver;

/* What became of the search. */
typedef struct CorLiverFind {
    const char *reason; /* why nothing was found: "too_small"; NULL if it was */
    double mode_hu;     /* the level from which the region grew */
    double noise_hu;    /* standard deviation between voxels of the grid */
    double volume_ml;   /* on the grid */
} CorLiverFind;

/* Which of a volume's masks is what while the liver is looked for. */
enum {
    COR_LIVER_REGION, /* and in the end the liver */
    COR_LIVER_SOFT,
    COR_LIVER_CANDIDATE,
    COR_LIVER_SPARE,
    COR_LIVER_BEST,
};

/* The search on the grid; floats[0] of the volume are the smoothed values, floats[1] the levels. */
typedef struct CorLiverSearch {
    CorAlgoVolume *volume;
    const CorLiver *params;
    double center[3]; /* of the body, in voxels */
    double body_ml;
    const CorAlgoProgress *progress;
    double done;     /* share of the search that has been reported */
    double done_max; /* what is reported when the present peak is through */
    double best_score;
    CorLiverFind find;
} CorLiverSearch;

/** Millimetres from the middle of the body to a voxel, along a direction (left, back). */
double cor_algo_priv_liver_along(const CorLiverSearch *search, const double direction[3],
                                 const double voxel[3]);

/** Report that something has been done; false means stop. */
COR_MUSTCHECK bool cor_algo_priv_liver_tick(CorLiverSearch *search, CorError *err);

/** Fill the vessels of the region and cut neighbours off. */
COR_MUSTCHECK bool cor_algo_priv_liver_cut(CorLiverSearch *search, CorError *err);

/** Say why the region is no liver; NULL if it may be one. */
const char *cor_algo_priv_liver_reject(CorLiverSearch *search, double volume_ml);

/**
 * Find the liver on the grid.
 *
 * @param find  receives what became of it; if found, volume->masks[0] is the region and
 *              volume->floats[1] the level of HU around each voxel
 */
COR_MUSTCHECK bool cor_algo_priv_liver_find(CorAlgoVolume *volume, const CorLiver *params,
                                            const CorAlgoProgress *progress, CorLiverFind *find,
                                            CorError *err);
