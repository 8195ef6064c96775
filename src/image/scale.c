/* SPDX-License-Identifier: Apache-2.0 */
#include "image/scale.h"

#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"

/* Where a pixel of a larger picture takes its value from: two neighbours, and how much of the
 * second in 1/256. */
typedef struct Between {
    size_t first;
    size_t second;
    unsigned weight;
} Between;

static uint8_t *row_of(const CorPlane *plane, size_t y)
{
    return (uint8_t *) (uintptr_t) cor_plane_row(plane, y); /* the caller's memory to write to */
}

/* --- smaller --- */

/* How much of source pixel i lies within from to until. */
static float overlap(size_t i, double from, double until)
{
    return (float) (COR_MIN((double) (i + 1), until) - COR_MAX((double) i, from));
}

/* Average the source rows that one row of the small picture covers, weighted. */
static void gather_rows(const CorPlane *plane, double from, double until, float *sums, size_t len)
{
    memset(sums, 0, len * sizeof(*sums));
    for (size_t y = (size_t) from; y < plane->height_px && (double) y < until; y++) {
        const uint8_t *row = cor_plane_row(plane, y);
        float weight = overlap(y, from, until) / (float) (until - from);
        for (size_t i = 0; i < len; i++) {
            sums[i] += weight * row[i];
        }
    }
}

static void gather_columns(const float *sums, size_t width_px, size_t channels, uint8_t *row,
                           size_t out_width_px)
{
    double step = (double) width_px / (double) out_width_px;

    for (size_t x = 0; x < out_width_px; x++) {
        double from = (double) x * step;
        double until = COR_MIN((double) (x + 1) * step, (double) width_px);
        for (size_t c = 0; c < channels; c++) {
            float sum = 0;
            for (size_t i = (size_t) from; i < width_px && (double) i < until; i++) {
                sum += overlap(i, from, until) * sums[i * channels + c];
            }
            row[x * channels + c] = (uint8_t) (sum / (float) (until - from) + 0.5f);
        }
    }
}

static bool shrink(const CorPlane *plane, const CorPlane *out, CorError *err)
{
    size_t channels = cor_pixel_size(plane->type);
    size_t len = plane->width_px * channels; /* at most 65535 * 3 */
    double step = (double) plane->height_px / (double) out->height_px;
    COR_CLEANUP(cor_freep) float *sums = cor_new_array(float, len);

    if (!sums) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a picture");
    }
    for (size_t y = 0; y < out->height_px; y++) {
        double until = COR_MIN((double) (y + 1) * step, (double) plane->height_px);

        gather_rows(plane, (double) y * step, until, sums, len);
        gather_columns(sums, plane->width_px, channels, row_of(out, y), out->width_px);
    }
    return true;
}

/* --- larger --- */

/* Pixel centres lie on each other: out + 0.5 = (in + 0.5) * factor. */
static Between between(size_t i, size_t in_len, size_t out_len)
{
    double place = ((double) i + 0.5) * (double) in_len / (double) out_len - 0.5;
    double within = COR_MIN(COR_MAX(place, 0.0), (double) (in_len - 1));
    size_t first = (size_t) within;

    return (Between){.first = first,
                     .second = COR_MIN(first + 1, in_len - 1),
                     .weight = (unsigned) ((within - (double) first) * 256 + 0.5)};
}

/* Blend two rows into 16-bit values of 256 times the grey. */
static void blend_rows(const uint8_t *first, const uint8_t *second, unsigned weight, uint16_t *out,
                       size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out[i] = (uint16_t) (first[i] * (256 - weight) + second[i] * weight);
    }
}

static void blend_columns(const uint16_t *blended, const Between *columns, size_t channels,
                          uint8_t *row, size_t width_px)
{
    for (size_t x = 0; x < width_px; x++) {
        const uint16_t *first = blended + columns[x].first * channels;
        const uint16_t *second = blended + columns[x].second * channels;
        unsigned weight = columns[x].weight;

        for (size_t c = 0; c < channels; c++) {
            row[x * channels + c] =
                (uint8_t) ((first[c] * (256 - weight) + second[c] * weight + 0x8000) >> 16);
        }
    }
}

static bool enlarge(const CorPlane *plane, const CorPlane *out, CorError *err)
{
    size_t channels = cor_pixel_size(plane->type);
    size_t len = plane->width_px * channels;
    COR_CLEANUP(cor_freep) Between *columns = cor_new_array(Between, out->width_px);
    COR_CLEANUP(cor_freep) uint16_t *blended = cor_new_array(uint16_t, len);

    if (!columns || !blended) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a picture");
    }
    for (size_t x = 0; x < out->width_px; x++) {
        columns[x] = between(x, plane->width_px, out->width_px);
    }
    for (size_t y = 0; y < out->height_px; y++) {
        Between rows = between(y, plane->height_px, out->height_px);

        blend_rows(cor_plane_row(plane, rows.first), cor_plane_row(plane, rows.second), rows.weight,
                   blended, len);
        blend_columns(blended, columns, channels, row_of(out, y), out->width_px);
    }
    return true;
}

bool cor_image_scale(const CorPlane *plane, const CorPlane *out, CorError *err)
{
    if (!cor_plane_check(plane, err) || !cor_plane_check(out, err)) {
        return false;
    }
    if (plane->type != out->type ||
        (plane->type != COR_PIXEL_U8 && plane->type != COR_PIXEL_RGB8)) {
        return cor_fail(err, COR_ERR_INVALID, "pictures are U8 or RGB8, both alike");
    }
    return out->width_px <= plane->width_px && out->height_px <= plane->height_px
               ? shrink(plane, out, err)
               : enlarge(plane, out, err);
}

/* --- parts and mirrors --- */

bool cor_image_cut(const CorPlane *plane, size_t left_px, size_t top_px, size_t width_px,
                   size_t height_px, CorPlane *ret_part)
{
    CorPlane part = *plane;

    if (left_px >= plane->width_px || top_px >= plane->height_px || width_px == 0 ||
        height_px == 0) {
        return false;
    }
    part.data =
        (const uint8_t *) cor_plane_row(plane, top_px) + left_px * cor_pixel_size(plane->type);
    part.width_px = COR_MIN(width_px, plane->width_px - left_px);
    part.height_px = COR_MIN(height_px, plane->height_px - top_px);
    *ret_part = part;
    return true;
}

void cor_image_mirror(const CorPlane *plane)
{
    size_t channels = cor_pixel_size(plane->type);

    for (size_t y = 0; y < plane->height_px; y++) {
        uint8_t *left = row_of(plane, y);
        uint8_t *right = left + (plane->width_px - 1) * channels;

        for (; left < right; left += channels, right -= channels) {
            for (size_t c = 0; c < channels; c++) {
                uint8_t other = left[c];

                left[c] = right[c];
                right[c] = other;
            }
        }
    }
}

void cor_image_turn_over(const CorPlane *plane)
{
    size_t len = plane->width_px * cor_pixel_size(plane->type);

    for (size_t y = 0; y < plane->height_px / 2; y++) {
        uint8_t *upper = row_of(plane, y);
        uint8_t *lower = row_of(plane, plane->height_px - 1 - y);

        for (size_t i = 0; i < len; i++) {
            uint8_t other = upper[i];

            upper[i] = lower[i];
            lower[i] = other;
        }
    }
}
