/* SPDX-License-Identifier: Apache-2.0 */
/* How the exact integer paths are exact:
 *
 * Clip: for integers there are at most 65536 results, so the definition in single precision is
 * evaluated once for each.  Where high - low is small the table is replaced by one multiplication
 * and a shift, but only after every one of its results was compared with the table.
 *
 * Above: an integer is above t exactly when it is above floor(t).
 */
#include "kernel/grey.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernel/kernel-ops.h"

/* The definition; value lies in [low, high]. */
static inline uint8_t clip_one(float value, float low, float range)
{
    return (uint8_t) (int) ((value - low) / range * 255.0f);
}

/* Try to find a factor with which one multiplication gives the whole table.  The factor is the
 * smallest that reaches 255 * 65536 / range after the shift, so that exact multiples stay so. */
static void find_factor(CorClip *clip)
{
    uint32_t range = (uint32_t) (clip->high - clip->low);

    clip->has_factor = false;
    for (unsigned shift = 0; shift < 8 && (range << shift) <= UINT16_MAX; shift++) {
        uint32_t divisor = range << shift;
        uint32_t factor = (255u * 65536u + divisor - 1) / divisor;
        bool is_equal = factor <= UINT16_MAX;

        for (uint32_t i = 0; is_equal && i <= range; i++) {
            is_equal = clip->table[i] == (uint8_t) (((i << shift) * factor) >> 16);
        }
        if (is_equal) {
            clip->has_factor = true;
            clip->factor = (uint16_t) factor;
            clip->shift = shift;
            return;
        }
    }
}

void cor_kernel_clip_init(CorClip *clip, int low, int high)
{
    assert(low >= INT16_MIN && low < high && high <= INT16_MAX);

    clip->low = low;
    clip->high = high;
    for (int value = low; value <= high; value++) {
        clip->table[value - low] = clip_one((float) value, (float) low, (float) (high - low));
    }
    find_factor(clip);
}

static inline int16_t clamp_s16(int16_t value, int16_t low, int16_t high)
{
    value = value < low ? low : value;
    return value > high ? high : value;
}

void cor_kernel_clip_s16(const CorClip *clip, const int16_t *values, size_t len, uint8_t *bytes)
{
    int16_t low = (int16_t) clip->low;
    int16_t high = (int16_t) clip->high;

    if (clip->has_factor) {
        cor_kernel_priv_ops()->clip_s16(clip, values, len, bytes);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] = clip->table[clamp_s16(values[i], low, high) - low];
    }
}

void cor_kernel_clip_f64(const CorClip *clip, const double *values, size_t len, uint8_t *bytes)
{
    double low = clip->low;
    double high = clip->high;
    float low_float = (float) clip->low;
    float range = (float) (clip->high - clip->low);

    for (size_t i = 0; i < len; i++) {
        double value = values[i] < low ? low : values[i];

        value = value > high ? high : value;
        bytes[i] = clip_one((float) value, low_float, range);
    }
}

void cor_kernel_above_s16(const int16_t *values, size_t len, double threshold, uint8_t *bytes)
{
    double whole = floor(threshold);

    if (!(whole < INT16_MAX)) { /* NaN too */
        memset(bytes, 0, len);
        return;
    }
    if (whole < INT16_MIN) {
        memset(bytes, 1, len);
        return;
    }
    cor_kernel_priv_ops()->above_s16(values, len, (int16_t) whole, bytes);
}

void cor_kernel_above_f64(const double *values, size_t len, double threshold, uint8_t *bytes)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = values[i] > threshold;
    }
}

void cor_kernel_range_s16(const int16_t *values, size_t len, int *low, int *high)
{
    cor_kernel_priv_ops()->range_s16(values, len, low, high);
}

/* x - x is 0 for every finite x and NaN for the others, and NaN stays in a sum.  Four sums, so that
 * they do not wait for each other. */
bool cor_kernel_is_finite_f64(const double *values, size_t len)
{
    double sums[4] = {0};
    size_t i = 0;

    for (; i + 4 <= len; i += 4) {
        for (size_t k = 0; k < 4; k++) {
            sums[k] += values[i + k] - values[i + k];
        }
    }
    for (; i < len; i++) {
        sums[0] += values[i] - values[i];
    }
    return sums[0] + sums[1] + sums[2] + sums[3] == 0;
}

bool cor_kernel_range_f64(const double *values, size_t len, double *low, double *high)
{
    double lows[4] = {*low, *low, *low, *low};
    double highs[4] = {*high, *high, *high, *high};
    size_t i = 0;

    for (; i + 4 <= len; i += 4) {
        for (size_t k = 0; k < 4; k++) {
            lows[k] = values[i + k] < lows[k] ? values[i + k] : lows[k];
            highs[k] = values[i + k] > highs[k] ? values[i + k] : highs[k];
        }
    }
    for (; i < len; i++) {
        lows[0] = values[i] < lows[0] ? values[i] : lows[0];
        highs[0] = values[i] > highs[0] ? values[i] : highs[0];
    }
    for (size_t k = 0; k < 4; k++) {
        *low = lows[k] < *low ? lows[k] : *low;
        *high = highs[k] > *high ? highs[k] : *high;
    }
    return cor_kernel_is_finite_f64(values, len);
}

/* A value in a table costs about four times what it costs to scale it. */
enum { TABLE_SHARE = 4 };

void cor_kernel_scale_init(CorScale *scale, int low, int high, double factor, double offset,
                           size_t len)
{
    const CorKernelOps *ops = cor_kernel_priv_ops();

    assert(low >= INT16_MIN && low <= high && high <= INT16_MAX);
    scale->scale = factor;
    scale->offset = offset;
    scale->low = low;
    scale->has_table = ops->is_scale_slow && (size_t) (high - low) < len / TABLE_SHARE;
    for (int value = low; scale->has_table && value <= high; value++) {
        int16_t one = (int16_t) value;
        ops->scale_s16(&one, 1, factor, offset, &scale->table[value - low]);
    }
}

void cor_kernel_scale_s16(const CorScale *scale, const int16_t *values, size_t len, uint8_t *bytes)
{
    if (!scale->has_table) {
        cor_kernel_priv_ops()->scale_s16(values, len, scale->scale, scale->offset, bytes);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] = scale->table[values[i] - scale->low];
    }
}

void cor_kernel_scale_f64(const double *values, size_t len, double scale, double offset,
                          uint8_t *bytes)
{
    cor_kernel_priv_ops()->scale_f64(values, len, scale, offset, bytes);
}

void cor_kernel_sums_s16(const int16_t *values, size_t len, int64_t *sum, uint64_t *squares)
{
    int64_t sum_here = 0;
    uint64_t squares_here = 0;

    for (size_t i = 0; i < len; i++) {
        int32_t value = values[i];

        sum_here += value;
        squares_here += (uint32_t) (value * value);
    }
    *sum += sum_here;
    *squares += squares_here;
}
