/* SPDX-License-Identifier: Apache-2.0 */
/* The loops that exist once per instruction set, and the choice of a set.  For this room and its
 * tests.
 *
 * A table per set, each in a file of its own (ops-<set>.c) that is compiled with the flags of that
 * set.  ops-scalar.c is the reference: plain C for any processor; every other table gives the same
 * bits, which tests/unit/test-kernel-isa.c compares.  A set that has nothing better for a loop
 * takes the reference's.
 *
 * The functions have no bounds of their own: kernel rooms' public functions call them.
 *
 * Threads  Thread-safe.
 * Errors   None.
 */
#pragma once

#include "kernel/bits.h"
#include "kernel/gauss.h"
#include "kernel/grey.h"
#include "kernel/runs.h"

/* Bytes that may be read, but not used, behind a line of scratch: the widest vector. */
#define COR_OPS_SLACK_BYTES ((size_t) 64)

/* Bits of a byte count: a pixel is set where at least `needed` of side * side are. */
typedef struct CorOpsBox {
    size_t side; /* odd, at most 15: the counts fit in bytes */
    size_t needed;
    uint8_t *lines[4]; /* sums of 1, 2, 4 and 8 neighbours; lines[0] comes filled */
} CorOpsBox;

typedef struct CorKernelOps {
    const char *name;

    /* Number of bits that are set in len words. */
    size_t (*count)(const uint64_t *words, size_t len);
    /* Write width bits: 1 where a value is above the threshold; the bits behind them become 0. */
    void (*pack_u8)(const uint8_t *values, size_t width, uint8_t threshold, uint64_t *words);
    /* The same of values that are low to high. */
    void (*pack_s16)(const int16_t *values, size_t width, int16_t low, int16_t high,
                     uint64_t *words);
    /* Number of runs in a row, xored with `invert` (0 or all ones). */
    size_t (*runs_count)(const uint64_t *row, size_t width, uint64_t invert);
    /* Find them; the return value is their number. */
    size_t (*runs_find)(const uint64_t *row, size_t width, uint64_t invert, CorRun *runs);

    /* to = from joined with itself moved by d (1 to 63) pixels to either side.  Joined: or; for an
     * erosion, and.  Reads one word before and behind. */
    void (*grow)(bool is_erosion, const uint64_t *from, size_t len, unsigned d, uint64_t *to);
    /* The same, joined with from moved up and down by `rows` words too. */
    void (*cross)(bool is_erosion, const uint64_t *from, size_t len, unsigned d, size_t rows,
                  uint64_t *to);
    /* to is joined with from moved up and down by `rows` words. */
    void (*join)(bool is_erosion, const uint64_t *from, size_t len, size_t rows, uint64_t *to);

    /* cor_kernel_clip_s16() where the clip has a factor. */
    void (*clip_s16)(const CorClip *clip, const int16_t *values, size_t len, uint8_t *bytes);
    void (*above_s16)(const int16_t *values, size_t len, int16_t threshold, uint8_t *bytes);
    void (*range_s16)(const int16_t *values, size_t len, int *low, int *high);
    bool is_scale_slow; /* no instruction rounds once: a table of results is faster */
    void (*scale_s16)(const int16_t *values, size_t len, double scale, double offset,
                      uint8_t *bytes);
    void (*scale_f64)(const double *values, size_t len, double scale, double offset,
                      uint8_t *bytes);
    /* Grey to RGB, masked pixels coloured; mask may be NULL. */
    void (*paint)(const uint8_t *grey, const uint8_t *mask, size_t len, uint8_t *rgb);

    /* sums += enter; now = sums; sums -= leave */
    void (*slide)(const uint8_t *enter, const uint8_t *leave, size_t len, uint8_t *sums,
                  uint8_t *now);
    /* One row of a box count from the sums of its columns. */
    void (*box)(const CorOpsBox *box, size_t width, uint64_t *words);

    /* The pass down the columns of cor_kernel_gauss_u8(); scratch as there. */
    void (*gauss_down)(const CorGauss *gauss, const uint8_t *from, const size_t size_px[2],
                       uint8_t *to, float *scratch);
    /* The pass along a row, of which only is known where it is above the threshold. */
    void (*gauss_above)(const CorGauss *gauss, const uint8_t *row, size_t width, uint8_t threshold,
                        uint64_t *words, float *scratch);
} CorKernelOps;

/** The table in use: chosen at the first call, by CORSIA_SIMD or else the best there is. */
const CorKernelOps *cor_kernel_priv_ops(void);

/** The index-th table that this processor can run, from the plainest on; NULL if there are no more.
 */
const CorKernelOps *cor_kernel_priv_ops_at(size_t index);

/** Use a table from now on; NULL goes back to the choice by CORSIA_SIMD.  For tests. */
void cor_kernel_priv_use(const CorKernelOps *ops);

/* The reference's passes of the Gaussian, in gauss.c. */
void cor_kernel_priv_gauss_down(const CorGauss *gauss, const uint8_t *from, const size_t size_px[2],
                                uint8_t *to, float *scratch);
void cor_kernel_priv_gauss_above(const CorGauss *gauss, const uint8_t *row, size_t width,
                                 uint8_t threshold, uint64_t *words, float *scratch);

extern const CorKernelOps cor_kernel_priv_scalar;
extern const CorKernelOps cor_kernel_priv_avx2;
extern const CorKernelOps cor_kernel_priv_avx512;
extern const CorKernelOps cor_kernel_priv_neon;
