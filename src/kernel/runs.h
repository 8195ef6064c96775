/* SPDX-License-Identifier: Apache-2.0 */
/* Connected components of bit-packed masks, by runs: maximal stretches of equal pixels in a row.
 *
 * Neighbours are up, down, left and right.  Components are numbered from 1 in raster order of their
 * first pixel.
 *
 * Ownership  Everything belongs to the caller, who asks cor_kernel_runs_count() how many runs there
 *            will be.
 * Threads    Thread-safe.
 * Errors     None.
 */
#pragma once

#include "kernel/bits.h"

#include <stdbool.h>

typedef struct CorRun {
    uint16_t begin_px;
    uint16_t end_px; /* the pixel behind the last one */
} CorRun;

typedef struct CorRuns {
    CorRun *runs;     /* in raster order */
    uint32_t *labels; /* per run, once cor_kernel_runs_label() has numbered them */
    size_t *rows;     /* first run of each row, and one more: height_px + 1 */
    size_t len;
    size_t height_px;
} CorRuns;

/* Exact sums over one component. */
typedef struct CorComponent {
    uint64_t sum_x;
    uint64_t sum_y;
    uint32_t area_px;
    uint32_t first_run;
} CorComponent;

/** Number of runs whose pixels are set, or are not set. */
size_t cor_kernel_runs_count(const CorBits *bits, bool is_set);

/** Find the runs; the arrays have room for as many as cor_kernel_runs_count() said. */
void cor_kernel_runs_find(const CorBits *bits, bool is_set, CorRuns *runs);

/** Number the components; the return value is their number. */
size_t cor_kernel_runs_label(CorRuns *runs);

/** Sum up each of len labelled components. */
void cor_kernel_runs_measure(const CorRuns *runs, CorComponent *components, size_t len);

/**
 * Set every component of unset pixels that does not touch the border of the mask.
 *
 * @param runs  scratch with room for the unset runs of bits
 */
void cor_kernel_fill_holes(CorBits *bits, CorRuns *runs);

/**
 * Set every component of unset pixels of less than area_px, those at the border too.
 *
 * @param runs   scratch with room for the unset runs of bits
 * @param areas  scratch of as many elements
 */
void cor_kernel_fill_small(CorBits *bits, size_t area_px, CorRuns *runs, uint32_t *areas);
