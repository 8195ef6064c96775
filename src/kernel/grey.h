/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of grey values: windowing to bytes, thresholds, range, scaling, sums.
 *
 * Ownership  Everything belongs to the caller.
 * Threads    Thread-safe.
 * Errors     None.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Clip to [low, high] and stretch to 0 to 255 in single precision, truncated:
 * ((float) clip(value) - low) / (high - low) * 255.  For integer values prepared once as a table,
 * or, where that was found to be equal for every value, as one multiplication. */
typedef struct CorClip {
    int low; /* low < high, both in the range of int16_t */
    int high;
    bool has_factor; /* byte = ((value - low) << shift) * factor >> 16 */
    uint16_t factor;
    unsigned shift;
    uint8_t table[65536]; /* by value - low */
} CorClip;

/** Prepare a clip. */
void cor_kernel_clip_init(CorClip *clip, int low, int high);

/** Apply a clip to integer values. */
void cor_kernel_clip_s16(const CorClip *clip, const int16_t *values, size_t len, uint8_t *bytes);

/** Apply a clip to values that are not NaN. */
void cor_kernel_clip_f64(const CorClip *clip, const double *values, size_t len, uint8_t *bytes);

/** Write 1 where a value is above a threshold, else 0. */
void cor_kernel_above_s16(const int16_t *values, size_t len, double threshold, uint8_t *bytes);

/** As cor_kernel_above_s16(); NaN is above nothing. */
void cor_kernel_above_f64(const double *values, size_t len, double threshold, uint8_t *bytes);

/** Widen a range by the values of a row. */
void cor_kernel_range_s16(const int16_t *values, size_t len, int *low, int *high);

/** As cor_kernel_range_s16(); false if a value is NaN or infinite, and then the range is undefined.
 */
bool cor_kernel_range_f64(const double *values, size_t len, double *low, double *high);

/** True if no value is NaN or infinite. */
bool cor_kernel_is_finite_f64(const double *values, size_t len);

/**
 * Write fma(value, scale, offset) truncated to bytes: one rounding per value, on every machine.
 * The results must lie between -1 and 256, both excluded.
 */
void cor_kernel_scale_f64(const double *values, size_t len, double scale, double offset,
                          uint8_t *bytes);

/* How integers are scaled.  Where rounding once is slow, a plane that has many pixels for each of
 * its values is looked up. */
typedef struct CorScale {
    double scale;
    double offset;
    int low;
    bool has_table;
    uint8_t table[65536]; /* by value - low */
} CorScale;

/**
 * Prepare to scale integers.
 *
 * @param low   smallest value, in the range of int16_t
 * @param high  largest value, as above
 * @param len   how many values are going to be scaled
 */
void cor_kernel_scale_init(CorScale *scale, int low, int high, double factor, double offset,
                           size_t len);

/** As cor_kernel_scale_f64(), of integers between low and high. */
void cor_kernel_scale_s16(const CorScale *scale, const int16_t *values, size_t len, uint8_t *bytes);

/** Add the values and their squares to two sums; exact for up to 2^33 values. */
void cor_kernel_sums_s16(const int16_t *values, size_t len, int64_t *sum, uint64_t *squares);
