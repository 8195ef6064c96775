/* SPDX-License-Identifier: Apache-2.0 */
/* Grey is trunc(fma(value, scale, offset)) with scale = 255 (1 / (max - min)) and offset = 0 - min
 * scale, all double, as OpenCV's normalize() does it on a processor with FMA.  16-bit integers,
 * the usual case, have loops of their own; every other type goes row by row through double, which
 * holds them all exactly.
 */
#include "image/overlay.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "kernel/grey.h"
#include "kernel/paint.h"

typedef struct Scale {
    double scale;
    double offset;
    bool is_flat; /* max - min is nothing: all is 0 */
} Scale;

static Scale make_scale(double low, double high)
{
    Scale result = {.is_flat = high - low <= DBL_EPSILON};

    if (!result.is_flat) {
        result.scale = 255 * (1 / (high - low));
        result.offset = 0 - low * result.scale;
    }
    return result;
}

static void to_grey(const Scale *scale, const double *values, size_t len, uint8_t *grey)
{
    if (scale->is_flat) {
        memset(grey, 0, len);
        return;
    }
    cor_kernel_scale_f64(values, len, scale->scale, scale->offset, grey);
}

static void finish_row(const CorPlane *plane, size_t y, const uint8_t *line, const uint8_t *mask,
                       uint8_t *rgb)
{
    size_t at = plane->width_px * y;

    cor_kernel_paint(line, mask ? mask + at : NULL, plane->width_px, rgb + 3 * at);
}

static void range_s16(const CorPlane *plane, int *low, int *high)
{
    *low = INT16_MAX;
    *high = INT16_MIN;
    if (plane->row_bytes == plane->width_px * sizeof(int16_t)) {
        cor_kernel_range_s16(plane->data, plane->width_px * plane->height_px, low, high);
        return;
    }
    for (size_t y = 0; y < plane->height_px; y++) {
        cor_kernel_range_s16(cor_plane_row(plane, y), plane->width_px, low, high);
    }
}

static bool overlay_s16(const CorPlane *plane, const uint8_t *mask, uint8_t *rgb, uint8_t *grey,
                        CorError *err)
{
    int low = 0;
    int high = 0;
    size_t width = plane->width_px;
    COR_CLEANUP(cor_freep) uint8_t *line = cor_new_array(uint8_t, width);
    COR_CLEANUP(cor_freep) CorScale *scaled = cor_new(CorScale);
    Scale scale;

    if (!line || !scaled) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for an overlay");
    }
    range_s16(plane, &low, &high);
    scale = make_scale(low, high);
    if (!scale.is_flat) {
        cor_kernel_scale_init(scaled, low, high, scale.scale, scale.offset,
                              width * plane->height_px);
    }
    memset(line, 0, width);
    for (size_t y = 0; y < plane->height_px; y++) {
        if (!scale.is_flat) {
            cor_kernel_scale_s16(scaled, cor_plane_row(plane, y), width, line);
        }
        finish_row(plane, y, line, mask, rgb);
        if (grey) {
            memcpy(grey + width * y, line, width);
        }
    }
    return true;
}

static const double *row_of(const CorPlane *plane, size_t y, double *values)
{
    if (plane->type == COR_PIXEL_F64) {
        return cor_plane_row(plane, y);
    }
    cor_plane_row_to_f64(plane, y, values);
    return values;
}

static bool overlay_any(const CorPlane *plane, const uint8_t *mask, uint8_t *rgb, uint8_t *grey,
                        CorError *err)
{
    size_t width = plane->width_px;
    double low = INFINITY;
    double high = -INFINITY;
    COR_CLEANUP(cor_freep) double *values = cor_new_array(double, width);
    COR_CLEANUP(cor_freep) uint8_t *line = cor_new_array(uint8_t, width);
    Scale scale;

    if (!values || !line) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for an overlay");
    }
    for (size_t y = 0; y < plane->height_px; y++) {
        if (!cor_kernel_range_f64(row_of(plane, y, values), width, &low, &high)) {
            return cor_fail(err, COR_ERR_INVALID,
                            "the image has values that are not finite numbers");
        }
    }
    if (high - low > DBL_MAX / 2) {
        return cor_fail(err, COR_ERR_INVALID, "the range of the image's values is too large");
    }
    scale = make_scale(low, high);
    for (size_t y = 0; y < plane->height_px; y++) {
        to_grey(&scale, row_of(plane, y, values), width, line);
        finish_row(plane, y, line, mask, rgb);
        if (grey) {
            memcpy(grey + width * y, line, width);
        }
    }
    return true;
}

bool cor_image_overlay(const CorPlane *plane, const uint8_t *mask, uint8_t *rgb, uint8_t *grey,
                       CorError *err)
{
    if (!cor_plane_check(plane, err)) {
        return false;
    }
    if (plane->type == COR_PIXEL_RGB8) {
        return cor_fail(err, COR_ERR_INVALID, "an overlay needs a grey image");
    }
    return plane->type == COR_PIXEL_S16 ? overlay_s16(plane, mask, rgb, grey, err)
                                        : overlay_any(plane, mask, rgb, grey, err);
}

void cor_image_paint_labels(const uint8_t *mask, size_t len, const uint8_t *palette, uint8_t *rgb)
{
    for (size_t i = 0; i < len; i++) {
        const uint8_t *colour = palette + 3 * (size_t) mask[i];

        for (size_t c = 0; mask[i] && c < 3; c++) {
            rgb[3 * i + c] = (uint8_t) ((4 * colour[c] + 6 * rgb[3 * i + c] + 5) / 10);
        }
    }
}
