/* SPDX-License-Identifier: Apache-2.0 */
/* Smoothing that keeps edges: a mean over neighbours that are like the pixel itself.
 *
 * A neighbour counts by its distance (a Gaussian) and by how little a guide, a slightly smoothed
 * plane, differs between the two (Tukey's biweight, which is nothing beyond a cutoff).
 *
 * Ownership  Everything belongs to the caller.
 * Threads    Thread-safe.
 * Errors     None: arguments are asserted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define COR_DENOISE_RADIUS_MAX 12

typedef struct CorDenoise {
    size_t width_px;
    size_t height_px;
    double sigma_px[2]; /* along rows, along columns */
    float cutoff;       /* above 0 */
} CorDenoise;

/** Smooth by the weights 1 2 1 in both directions; the border repeats itself. */
void cor_kernel_denoise_guide(const float *values, size_t width_px, size_t height_px, float *guide,
                              float *scratch);

/**
 * Estimate the standard deviation of noise: that of the evenest quarter of squares of 8 pixels, of
 * those that are brighter than half of them, so that air around a body does not count.  0 if there
 * is no square.
 *
 * @param scratch  as many elements as pixels
 */
float cor_kernel_denoise_noise(const float *values, size_t width_px, size_t height_px,
                               float *scratch);

/**
 * Smooth values by the likeness of the guide.
 *
 * @param result   receives the values; another plane than values and guide
 * @param weights  scratch, as many elements
 */
void cor_kernel_denoise(const CorDenoise *denoise, const float *values, const float *guide,
                        float *result, float *weights);
