/* SPDX-License-Identifier: Apache-2.0 */
/* Inner loops on pixels, all of them.
 *
 * Every function here is pure: it reads its inputs and writes its outputs, allocates nothing, logs
 * nothing, keeps nothing and cannot fail.  Sizes are the caller's business: a room above checks
 * them and brings the memory, whose size a ..._size() function tells.  What is written here is the
 * scalar reference; an instruction set that is faster must give the same bits.
 *
 *   bits.h        bit-packed masks: layout, packing, thresholds
 *   grey.h        rows of grey values: windowing, range, scaling, sums
 *   denoise.h     smoothing that keeps edges
 *   gauss.h       Gaussian filter with truncation to bytes
 *   majority.h    "median above a threshold" as a box count
 *   median.h      median and mean of a square
 *   morphology.h  dilation and erosion of bit-packed masks
 *   runs.h        connected components by runs: labels, holes, sums
 *   volume.h      small volumes: distances, smoothing, components, splitting
 *   paint.h       grey to RGB, colouring of a mask
 *   voxels.h      bit-packed volumes: components, holes, balls, distances
 *
 * Threads  Thread-safe.
 * Errors   None: arguments are asserted.
 * Units    Pixels.  Sides are at most COR_KERNEL_SIDE_MAX_PX.
 */
#pragma once

#include "kernel/bits.h"
#include "kernel/denoise.h"
#include "kernel/gauss.h"
#include "kernel/grey.h"
#include "kernel/majority.h"
#include "kernel/median.h"
#include "kernel/morphology.h"
#include "kernel/paint.h"
#include "kernel/runs.h"
#include "kernel/volume.h"
#include "kernel/voxels.h"

/** Name of the instruction set in use: scalar, avx2, avx512 or neon.  CORSIA_SIMD asks for one;
 * without it, or if the processor has not got that, it is the best there is. */
const char *cor_kernel_isa(void);
