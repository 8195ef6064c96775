/* SPDX-License-Identifier: Apache-2.0 */
/* Windowing: grey values to what a screen shows (VOI LUT functions, PS3.3 section C.11.2.1).
 *
 * Ownership  Everything belongs to the caller.
 * Threads    Thread-safe.
 * Blocking   About 1 ns per pixel for 16-bit planes, 3 ns for others, 20 ns for a sigmoid.
 * Errors     INVALID: no grey plane, or a width that the clause forbids.
 * Units      Centre and width are in the plane's values.
 */
#pragma once

#include "image/plane.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum CorWindowFunction {
    COR_WINDOW_LINEAR,       /* section C.11.2.1.2.1; width at least 1 */
    COR_WINDOW_LINEAR_EXACT, /* section C.11.2.1.3.2; width above 0 */
    COR_WINDOW_SIGMOID,      /* section C.11.2.1.3.1; width above 0 */
    COR_WINDOW_FUNCTION_COUNT_
} CorWindowFunction;

typedef struct CorWindow {
    double center;
    double width;
    CorWindowFunction function;
    bool is_inverse; /* small values are bright: MONOCHROME1 */
} CorWindow;

/**
 * Show a grey plane through a window, rounded to the nearest of 0 to 255.  NaN becomes the value
 * of what is below the window.
 *
 * @param grey  receives width_px * height_px bytes, no padding
 */
COR_MUSTCHECK bool cor_image_window(const CorPlane *plane, const CorWindow *window, uint8_t *grey,
                                    CorError *err);

/* What makes the values that a window is for from those of a plane: value * slope + intercept, in
 * double precision, two roundings (the modality transformation, PS3.3 section C.11.1.1.2). */
typedef struct CorRescale {
    double slope;
    double intercept;
} CorRescale;

/** As above, for a plane whose values are rescaled first; nothing but grey is written. */
COR_MUSTCHECK bool cor_image_window_rescaled(const CorPlane *plane, CorRescale rescale,
                                             const CorWindow *window, uint8_t *grey, CorError *err);

/**
 * Make the window that shows everything from the smallest to the largest finite value.  A plane of
 * one value, or of none that is finite, gets width 1.
 */
COR_MUSTCHECK bool cor_image_full_window(const CorPlane *plane, CorWindow *ret_window,
                                         CorError *err);

#ifdef __cplusplus
}
#endif
