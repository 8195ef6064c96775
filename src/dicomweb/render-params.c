/* SPDX-License-Identifier: Apache-2.0 */
#include "dicomweb/render-params.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

enum { FIELD_SIZE = 48, VIEWPORT_MAX = 6, WINDOW_LEN = 3 };

typedef struct Fields {
    char texts[VIEWPORT_MAX][FIELD_SIZE];
    size_t len;
} Fields;

bool cor_dicomweb_priv_read_decimal(const char *text, double *ret_number)
{
    char *end = NULL;

    if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') {
        return false;
    }
    double number = strtod(text, &end); // style-ok: only the characters of a decimal get here
    if (*end != '\0' || !isfinite(number)) {
        return false;
    }
    *ret_number = number;
    return true;
}

/* Divide at commas; false if there are too many or too long fields. */
static bool split(const char *text, size_t max, Fields *fields)
{
    fields->len = 0;
    for (;;) {
        size_t len = strcspn(text, ",");
        if (fields->len == max || len >= FIELD_SIZE) {
            return false;
        }
        memcpy(fields->texts[fields->len], text, len);
        fields->texts[fields->len++][len] = '\0';
        if (text[len] == '\0') {
            return true;
        }
        text += len + 1;
    }
}

bool cor_dicomweb_priv_read_window(const char *text, CorRenderParams *params, CorError *err)
{
    static const struct {
        const char *name;
        CorHostWindow function;
    } functions[] = {
        {"linear", COR_HOST_WINDOW_LINEAR},
        {"linear-exact", COR_HOST_WINDOW_LINEAR_EXACT},
        {"sigmoid", COR_HOST_WINDOW_SIGMOID},
    };
    Fields fields;
    double center = 0;
    double width = 0;

    /* Without a function it is linear, as viewers leave it out. */
    bool ok = split(text, WINDOW_LEN, &fields) && fields.len >= 2 &&
              cor_dicomweb_priv_read_decimal(fields.texts[0], &center) &&
              cor_dicomweb_priv_read_decimal(fields.texts[1], &width) && width > 0;
    size_t found = 0;
    for (size_t i = COR_ARRAY_LEN(functions); ok && fields.len == WINDOW_LEN && i-- > 0;) {
        found = strcmp(fields.texts[2], functions[i].name) == 0 ? i + 1 : found;
    }
    if (!ok || (fields.len == WINDOW_LEN && found == 0)) {
        return cor_fail(err, COR_ERR_INVALID,
                        "window must be a center, a width above 0 and linear, linear-exact or"
                        " sigmoid, divided by commas");
    }
    params->has_window = true;
    params->window_center = center;
    params->window_width = width;
    params->window_function = found ? functions[found - 1].function : COR_HOST_WINDOW_LINEAR;
    return true;
}

/* An optional number of pixels; fractions are cut off. */
static bool read_pixels(const Fields *fields, size_t index, double fallback, double *ret_pixels)
{
    if (index >= fields->len || fields->texts[index][0] == '\0') {
        *ret_pixels = fallback;
        return true;
    }
    return cor_dicomweb_priv_read_decimal(fields->texts[index], ret_pixels) &&
           fabs(*ret_pixels) <= INT_MAX;
}

static bool read_region(const Fields *fields, CorRenderParams *params)
{
    double left = 0;
    double top = 0;
    double width = 0;
    double height = 0;

    if (!read_pixels(fields, 2, 0, &left) || !read_pixels(fields, 3, 0, &top) ||
        !read_pixels(fields, 4, INT_MAX, &width) || !read_pixels(fields, 5, INT_MAX, &height) ||
        left < 0 || top < 0 || fabs(width) < 1 || fabs(height) < 1) {
        return false;
    }
    params->has_region = true;
    params->region = (CorHostRegion){.left_px = (size_t) left,
                                     .top_px = (size_t) top,
                                     .width_px = (size_t) fabs(width),
                                     .height_px = (size_t) fabs(height),
                                     .is_mirrored = width < 0,
                                     .is_upside_down = height < 0};
    return true;
}

bool cor_dicomweb_priv_read_viewport(const char *text, CorRenderParams *params, CorError *err)
{
    Fields fields;
    double width = 0;
    double height = 0;

    bool ok = split(text, VIEWPORT_MAX, &fields) && fields.len >= 2 &&
              read_pixels(&fields, 0, 0, &width) && read_pixels(&fields, 1, 0, &height) &&
              width >= 1 && height >= 1 && width <= COR_RENDER_SIDE_MAX &&
              height <= COR_RENDER_SIDE_MAX;
    if (!ok || (fields.len > 2 && !read_region(&fields, params))) {
        return cor_fail(err, COR_ERR_INVALID,
                        "viewport must be a width and a height from 1 to %d, and maybe the left,"
                        " top, width and height of the source, divided by commas",
                        COR_RENDER_SIDE_MAX);
    }
    params->width_px = (size_t) width;
    params->height_px = (size_t) height;
    params->may_enlarge = true;
    return true;
}

bool cor_dicomweb_priv_read_render_params(const CorHttpRequest *req, CorRenderParams *ret_params,
                                          CorError *err)
{
    CorRenderParams params = {0};
    const char *window = cor_http_req_query(req, "window");
    const char *viewport = cor_http_req_query(req, "viewport");
    int64_t quality = 0;

    if (!cor_http_req_query_integer(req, "quality", (const int64_t[]){1, 100}, 0, &quality, err) ||
        (window && !cor_dicomweb_priv_read_window(window, &params, err)) ||
        (viewport && !cor_dicomweb_priv_read_viewport(viewport, &params, err))) {
        return false;
    }
    params.quality = (int) quality;
    params.is_annotated =
        cor_http_req_query(req, "annotation") || cor_http_req_query(req, "iccprofile");
    *ret_params = params;
    return true;
}

void cor_dicomweb_priv_render_text(const CorRenderParams *params, const char *format,
                                   char text[COR_RENDER_TEXT_SIZE])
{
    const CorHostRegion *region = &params->region;
    char window[64] = "";
    char source[64] = "";

    if (params->has_window) {
        (void) snprintf(window, sizeof(window), "%.9g,%.9g,%d", params->window_center,
                        params->window_width, (int) params->window_function);
    }
    if (params->has_region) {
        (void) snprintf(source, sizeof(source), "%zu,%zu,%zu,%zu,%d%d", region->left_px,
                        region->top_px, region->width_px, region->height_px, region->is_mirrored,
                        region->is_upside_down);
    }
    (void) snprintf(text, COR_RENDER_TEXT_SIZE, "%s/%d/%s/%zux%zu%s/%s", format, params->quality,
                    window, params->width_px, params->height_px, params->may_enlarge ? "+" : "",
                    source);
}
