/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the lungs algorithm: finding them on the grid, drawing them on a slice.
 *
 * Ownership  Everything belongs to the caller.
 * Threads    One thread at a time.
 * Errors     As in algo.h.
 * Units      Millimetres, millilitres, HU.
 */
#pragma once

#include "algo/algo-volume.h"

/* Which of a volume's masks is what once the lungs are found. */
enum {
    COR_LUNGS_CLOSED, /* both lungs with their vessels */
    COR_LUNGS_NEAR,   /* what is at most a little away from them */
    COR_LUNGS_SIDES,  /* whose that is: 1 left, 2 right */
};

typedef struct CorLungs {
    double threshold_hu;
    double volume_min_ml;
    CorAlgoVolume *volume;
    double center[3]; /* of the body, in voxels */
} CorLungs;

/** Millimetres from the middle of the body to a voxel, to the patient's left. */
double cor_algo_priv_lungs_left(const CorLungs *lungs, size_t x, size_t y, size_t z);

/** Find the lungs on the grid; *ret_reason says why there are none. */
COR_MUSTCHECK bool cor_algo_priv_lungs_find(CorLungs *lungs, const CorAlgoProgress *progress,
                                            const char **ret_reason, CorError *err);
