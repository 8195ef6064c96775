/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of PS3.3 sections C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2 with output 0 to 255,
 * rounded.  The two linear ones are the same clipped line with other ends:
 *
 *     LINEAR         y = ((x - (c - 0.5)) / (w - 1) + 0.5) 255, between c - 0.5 -+ (w - 1) / 2
 *     LINEAR_EXACT   y = ((x - c) / w + 0.5) 255,              between c -+ w / 2
 *
 * With w = 1, LINEAR is a step: 0 up to c - 0.5 and 255 above.
 *
 * 8 and 16-bit planes go through a table of all their values if they have more pixels than that, or
 * many.  Only where the function climbs is the table computed; it is flat on both sides.
 */
#include "image/window.h"

#include <math.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"

typedef struct Line {
    CorRescale rescale;
    double center;
    double width;
    bool is_sigmoid;
    bool is_inverse;
} Line;

static inline double line_at(const Line *line, double x)
{
    if (line->width <= 0) {
        return x > line->center ? 255 : 0;
    }
    return ((x - line->center) / line->width + 0.5) * 255;
}

static void apply(const Line *line, const double *values, size_t len, uint8_t *grey)
{
    for (size_t i = 0; i < len; i++) {
        double y = line->is_sigmoid ? 255 / (1 + exp(-4 * (values[i] - line->center) / line->width))
                                    : line_at(line, values[i]);

        y = y > 0 ? y : 0; /* NaN too */
        y = y < 255 ? y : 255;
        grey[i] = (uint8_t) (int) (y + 0.5);
        grey[i] = line->is_inverse ? (uint8_t) (255 - grey[i]) : grey[i];
    }
}

static bool make_line(const CorWindow *window, Line *ret_line, CorError *err)
{
    bool is_linear = window->function == COR_WINDOW_LINEAR;
    double smallest = is_linear ? 1 : 0x1p-1000;

    if ((unsigned) window->function >= COR_WINDOW_FUNCTION_COUNT_) {
        return cor_fail(err, COR_ERR_INVALID, "unknown window function %d", (int) window->function);
    }
    if (!isfinite(window->center) || !isfinite(window->width) || window->width < smallest) {
        return cor_fail(err, COR_ERR_INVALID, "window of centre %g and width %g", window->center,
                        window->width);
    }
    *ret_line = (Line){
        .center = is_linear ? window->center - 0.5 : window->center,
        .width = is_linear ? window->width - 1 : window->width,
        .is_sigmoid = window->function == COR_WINDOW_SIGMOID,
        .is_inverse = window->is_inverse,
    };
    return true;
}

/* Smallest value and number of values of a type that is worth a table. */
static size_t table_len(const CorPlane *plane, int *ret_first)
{
    switch (plane->type) {
    case COR_PIXEL_U8:
        *ret_first = 0;
        return 256;
    case COR_PIXEL_S8:
        *ret_first = INT8_MIN;
        return 256;
    case COR_PIXEL_U16:
        *ret_first = 0;
        return 65536;
    case COR_PIXEL_S16:
        *ret_first = INT16_MIN;
        return 65536;
    default:
        return SIZE_MAX;
    }
}

static void look_up_row(const CorPlane *plane, size_t y, const uint8_t *table, uint8_t *grey)
{
    const void *row = cor_plane_row(plane, y);

#define LOOK_UP(Type, first)                                \
    for (size_t x = 0; x < plane->width_px; x++) {          \
        grey[x] = table[((const Type *) row)[x] - (first)]; \
    }
    switch (plane->type) {
    case COR_PIXEL_U8:
        LOOK_UP(uint8_t, 0)
        break;
    case COR_PIXEL_S8:
        LOOK_UP(int8_t, INT8_MIN)
        break;
    case COR_PIXEL_U16:
        LOOK_UP(uint16_t, 0)
        break;
    default:
        LOOK_UP(int16_t, INT16_MIN)
        break;
    }
#undef LOOK_UP
}

static void rescale(const CorRescale *rescale, double *values, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        values[i] = values[i] * rescale->slope + rescale->intercept;
    }
}

/* Compute table entries from begin to before end. */
static void fill_entries(const Line *line, int first, size_t begin, size_t end, uint8_t *table)
{
    double values[256];

    while (begin < end) {
        size_t len = COR_MIN(end - begin, COR_ARRAY_LEN(values));

        for (size_t i = 0; i < len; i++) {
            values[i] = first + (int) (begin + i);
        }
        rescale(&line->rescale, values, len);
        apply(line, values, len, table + begin);
        begin += len;
    }
}

static size_t entry_at(double value, int first, size_t len)
{
    double place = value - first;

    return place <= 0 ? 0 : place >= (double) len ? len : (size_t) place;
}

/* A sigmoid is flat in 8 bits beyond 1.6 widths from its centre. */
static void fill_table(const Line *line, int first, size_t len, uint8_t *table)
{
    double half = line->is_sigmoid ? 2 * line->width : line->width / 2;
    double low = (line->center - half - line->rescale.intercept) / line->rescale.slope;
    double high = (line->center + half - line->rescale.intercept) / line->rescale.slope;
    size_t begin = 0;
    size_t end = len;

    if (isfinite(low) && isfinite(high)) { /* a slope may be 0 */
        begin = entry_at(COR_MIN(low, high) - 2, first, len);
        end = entry_at(COR_MAX(low, high) + 3, first, len);
    }
    fill_entries(line, first, 0, 1, table);
    fill_entries(line, first, len - 1, len, table);
    memset(table, table[0], begin);
    memset(table + end, table[len - 1], len - end);
    fill_entries(line, first, begin, end, table);
}

static bool window_by_table(const CorPlane *plane, const Line *line, int first, size_t len,
                            uint8_t *grey, CorError *err)
{
    COR_CLEANUP(cor_freep) uint8_t *table = malloc(len);

    if (!table) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for a window");
    }
    fill_table(line, first, len, table);
    for (size_t y = 0; y < plane->height_px; y++) {
        look_up_row(plane, y, table, grey + y * plane->width_px);
    }
    return true;
}

static bool window_by_row(const CorPlane *plane, const Line *line, uint8_t *grey, CorError *err)
{
    COR_CLEANUP(cor_freep) double *values = cor_new_array(double, plane->width_px);

    if (!values) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for a window");
    }
    for (size_t y = 0; y < plane->height_px; y++) {
        cor_plane_row_to_f64(plane, y, values);
        rescale(&line->rescale, values, plane->width_px);
        apply(line, values, plane->width_px, grey + y * plane->width_px);
    }
    return true;
}

static bool check_grey(const CorPlane *plane, CorError *err)
{
    if (!cor_plane_check(plane, err)) {
        return false;
    }
    if (plane->type == COR_PIXEL_RGB8) {
        return cor_fail(err, COR_ERR_INVALID, "a window needs a grey image");
    }
    return true;
}

bool cor_image_window_rescaled(const CorPlane *plane, CorRescale rescale, const CorWindow *window,
                               uint8_t *grey, CorError *err)
{
    Line line = {0};
    int first = 0;
    size_t len = 0;

    if (!check_grey(plane, err) || !make_line(window, &line, err)) {
        return false;
    }
    line.rescale = rescale;
    len = table_len(plane, &first);
    return len / 4 < plane->width_px * plane->height_px
               ? window_by_table(plane, &line, first, len, grey, err)
               : window_by_row(plane, &line, grey, err);
}

bool cor_image_window(const CorPlane *plane, const CorWindow *window, uint8_t *grey, CorError *err)
{
    return cor_image_window_rescaled(plane, (CorRescale){.slope = 1}, window, grey, err);
}

bool cor_image_full_window(const CorPlane *plane, CorWindow *ret_window, CorError *err)
{
    COR_CLEANUP(cor_freep) double *values = NULL;
    double low = INFINITY;
    double high = -INFINITY;

    if (!check_grey(plane, err)) {
        return false;
    }
    values = cor_new_array(double, plane->width_px);
    if (!values) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for a window");
    }
    for (size_t y = 0; y < plane->height_px; y++) {
        cor_plane_row_to_f64(plane, y, values);
        for (size_t x = 0; x < plane->width_px; x++) {
            bool is_usable = isfinite(values[x]);

            low = is_usable && values[x] < low ? values[x] : low;
            high = is_usable && values[x] > high ? values[x] : high;
        }
    }
    *ret_window = (CorWindow){.center = low < high ? low / 2 + high / 2 : (isfinite(low) ? low : 0),
                              .width = low < high ? high - low : 1,
                              .function = COR_WINDOW_LINEAR_EXACT};
    if (!isfinite(ret_window->width)) {
        ret_window->width = 0x1.fffffffffffffp+1023;
    }
    return true;
}
