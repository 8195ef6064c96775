/* SPDX-License-Identifier: Apache-2.0 */
/* render: one frame as a PNG or JPEG, for people to look at (PS3.18 section 8.3.5).
 *
 * Stored values go through the modality transformation and a window, both in one table where there
 * is a table for them; colour is shown as it is.  Then the part that was asked for is cut out,
 * mirrored and scaled.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-image.h"
#include "host/host-op.h"
#include "host/host-slices.h"
#include "image/encode.h"
#include "image/scale.h"
#include "image/window.h"

enum { QUALITY_DEFAULT = 90, ENLARGED_MAX_PX = 4096 };

#define TAG_VOI_LUTS COR_DICOM_TAG(0x0028, 0x3010)

static const size_t file_max_bytes = (size_t) 256 * 1024 * 1024;

/* A picture of 8-bit samples that owns its bytes. */
typedef struct Picture {
    uint8_t *bytes;
    CorPlane plane;
} Picture;

static void picture_done(Picture *picture)
{
    free(picture->bytes);
    picture->bytes = NULL;
}

static bool picture_new(size_t width_px, size_t height_px, CorPixelType type, Picture *ret_picture,
                        CorError *err)
{
    size_t row_bytes = 0;
    size_t size = 0;

    if (!cor_size_mul(width_px, cor_pixel_size(type), &row_bytes, err) ||
        !cor_size_mul(row_bytes, height_px, &size, err)) {
        return false;
    }
    uint8_t *bytes = malloc(size);
    if (!bytes) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a picture");
    }
    *ret_picture = (Picture){.bytes = bytes,
                             .plane = {.data = bytes,
                                       .width_px = width_px,
                                       .height_px = height_px,
                                       .row_bytes = row_bytes,
                                       .type = type}};
    return true;
}

/* What the request asks for. */
typedef struct Wish {
    uint32_t frame; /* from 0 */
    bool has_window;
    CorWindow window;
    bool has_region;
    size_t region[4]; /* left, top, width, height */
    bool is_mirrored;
    bool is_upside_down;
    size_t width_px; /* 0: as it is */
    size_t height_px;
    bool may_enlarge;
    bool is_jpeg;
    int quality;
} Wish;

/* --- the request --- */

static bool read_window(const json_t *request, Wish *wish, CorError *err)
{
    static const char *const names[COR_WINDOW_FUNCTION_COUNT_] = {"linear", "linear_exact",
                                                                  "sigmoid"};
    const char *name = cor_json_string(request, "window_function", names[0]);
    size_t function = 0;

    wish->has_window = json_object_get(request, "window_width");
    wish->window.center = cor_json_number(request, "window_center", 0);
    wish->window.width = cor_json_number(request, "window_width", 0);
    while (function < COR_ARRAY_LEN(names) && strcmp(names[function], name) != 0) {
        function++;
    }
    if (function == COR_ARRAY_LEN(names)) {
        return cor_fail(err, COR_ERR_INVALID, "no such window function");
    }
    wish->window.function = (CorWindowFunction) function;
    return !wish->has_window || wish->window.width > 0 ||
           cor_fail(err, COR_ERR_INVALID, "window width must be above 0");
}

static bool read_region(const json_t *request, Wish *wish, CorError *err)
{
    const json_t *region = json_object_get(request, "region");

    wish->has_region = region;
    wish->is_mirrored = cor_json_boolean(request, "mirrored", false);
    wish->is_upside_down = cor_json_boolean(request, "upside_down", false);
    for (size_t i = 0; region && i < COR_ARRAY_LEN(wish->region); i++) {
        json_int_t value = json_integer_value(json_array_get(region, i));

        if (value < 0 || value > UINT32_MAX) {
            return cor_fail(err, COR_ERR_INVALID, "a region is left, top, width and height");
        }
        wish->region[i] = (size_t) value;
    }
    return true;
}

static bool read_wish(const json_t *request, Wish *ret_wish, CorError *err)
{
    const char *format = cor_json_string(request, "format", "png");
    int64_t frame = cor_json_integer(request, "frame", 1) - 1;
    int64_t width = cor_json_integer(request, "width", 0);
    int64_t height = cor_json_integer(request, "height", 0);
    int64_t quality = cor_json_integer(request, "quality", 0);
    Wish wish = {.is_jpeg = strcmp(format, "jpeg") == 0,
                 .may_enlarge = cor_json_boolean(request, "enlarge", false)};

    if (frame < 0 || frame > UINT32_MAX || width < 0 || height < 0) {
        return cor_fail(err, COR_ERR_INVALID, "render takes one file, a frame from 1, and a size");
    }
    if (!wish.is_jpeg && strcmp(format, "png") != 0) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "pictures are png or jpeg");
    }
    if (quality < 0 || quality > 100) {
        return cor_fail(err, COR_ERR_INVALID, "quality is 1 to 100");
    }
    if (!read_window(request, &wish, err) || !read_region(request, &wish, err)) {
        return false;
    }
    wish.frame = (uint32_t) frame;
    wish.width_px = (size_t) width;
    wish.height_px = (size_t) height;
    wish.quality = quality ? (int) quality : QUALITY_DEFAULT;
    *ret_wish = wish;
    return true;
}

/* --- grey and colour --- */

static bool cut(const CorPlane *plane, const Wish *wish, CorPlane *ret_part, CorError *err)
{
    const size_t *at = wish->region;

    if (!wish->has_region) {
        *ret_part = *plane;
        return true;
    }
    return cor_image_cut(plane, at[0], at[1], at[2], at[3], ret_part) ||
           cor_fail(err, COR_ERR_INVALID, "the region has no pixel of the frame");
}

/* The window that shows values from min to max: linear ones end half a value outside (PS3.3 section
 * C.11.2.1.2.1). */
static CorWindow window_of_range(double min, double max)
{
    if (!(min < max) || !isfinite(max - min)) {
        return (CorWindow){
            .center = isfinite(min) ? min : 0, .width = 1, .function = COR_WINDOW_LINEAR_EXACT};
    }
    return (CorWindow){.center = min + (max - min) / 2 + 0.5, .width = max - min + 1};
}

/* The window that was asked for, else the file's, else everything. */
static CorWindow choose_window(const Wish *wish, const CorDicomFrame *values, CorRescale rescale,
                               const CorDicomFrameInfo *info)
{
    CorWindow window = wish->window;
    double min = 0;
    double max = 0;

    if (!wish->has_window && info->has_window && info->window_width > 0) {
        window = (CorWindow){.center = info->window_center,
                             .width = info->window_width,
                             .function = info->is_window_sigmoid ? COR_WINDOW_SIGMOID
                                         : info->is_window_exact ? COR_WINDOW_LINEAR_EXACT
                                                                 : COR_WINDOW_LINEAR};
    } else if (!wish->has_window) {
        cor_dicom_frame_range(values, &min, &max);
        min = min * rescale.slope + rescale.intercept;
        max = max * rescale.slope + rescale.intercept;
        window = window_of_range(COR_MIN(min, max), COR_MAX(min, max));
        CorWindow finite;
        if (!isfinite(max - min) && /* only real numbers: leave out those that are none */
            cor_image_full_window(cor_dicom_frame_plane(values), &finite, NULL)) {
            window = finite;
        }
    }
    if (window.function == COR_WINDOW_LINEAR && window.width < 1) {
        window.function = COR_WINDOW_LINEAR_EXACT; /* section C.11.2.1.2.1 wants at least 1 */
    }
    window.is_inverse = info->is_inverse;
    return window;
}

static bool show_plane(const CorPlane *plane, CorRescale rescale, const CorWindow *window,
                       const Wish *wish, Picture *ret_picture, CorError *err)
{
    CorPlane part;

    return cut(plane, wish, &part, err) &&
           picture_new(part.width_px, part.height_px, COR_PIXEL_U8, ret_picture, err) &&
           cor_image_window_rescaled(&part, rescale, window, ret_picture->bytes, err);
}

/* Copy the part that was asked for, whose rows may have gaps. */
static bool copy_part(const CorPlane *plane, const Wish *wish, Picture *ret_picture, CorError *err)
{
    CorPlane part;

    if (!cut(plane, wish, &part, err) ||
        !picture_new(part.width_px, part.height_px, part.type, ret_picture, err)) {
        return false;
    }
    for (size_t y = 0; y < part.height_px; y++) {
        memcpy(ret_picture->bytes + y * ret_picture->plane.row_bytes, cor_plane_row(&part, y),
               ret_picture->plane.row_bytes);
    }
    return true;
}

/* Show values through a table of the file's own; a picture without bytes if it has none. */
static bool show_voi_lut(const CorDicom *dicom, const CorDicomFrame *values, bool is_inverse,
                         Picture *ret_picture, CorError *err)
{
    const CorPlane *plane = cor_dicom_frame_plane(values);
    Picture picture = {0};

    if (!picture_new(plane->width_px, plane->height_px, COR_PIXEL_U8, &picture, err)) {
        return false;
    }
    if (!cor_dicom_frame_voi_lut(dicom, values, picture.bytes)) {
        picture_done(&picture);
    }
    for (size_t i = 0; picture.bytes && is_inverse && i < plane->width_px * plane->height_px; i++) {
        picture.bytes[i] = (uint8_t) (255 - picture.bytes[i]);
    }
    *ret_picture = picture;
    return true;
}

/* Values that need more than a rescale: through a modality LUT, a VOI LUT, or both. */
static bool show_modality(const CorDicom *dicom, const CorDicomFrameInfo *info, const Wish *wish,
                          Picture *picture, CorError *err)
{
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *values = NULL;
    COR_CLEANUP(picture_done) Picture whole = {0};
    const CorRescale none = {.slope = 1};

    if (!cor_dicom_modality_plane(dicom, wish->frame, &values, err)) {
        return false;
    }
    if (!wish->has_window && !info->has_window &&
        !show_voi_lut(dicom, values, info->is_inverse, &whole, err)) {
        return false;
    }
    if (whole.bytes) {
        return copy_part(&whole.plane, wish, picture, err);
    }
    CorWindow window = choose_window(wish, values, none, info);
    return show_plane(cor_dicom_frame_plane(values), none, &window, wish, picture, err);
}

static bool show_grey(const CorDicom *dicom, const Wish *wish, Picture *picture, CorError *err)
{
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *stored = NULL;
    CorDicomFrameInfo info;

    if (!cor_dicom_frame_info(dicom, wish->frame, &info, err)) {
        return false;
    }
    bool has_voi_lut = !wish->has_window && !info.has_window && cor_dicom_has(dicom, TAG_VOI_LUTS);
    if (info.has_modality_lut || has_voi_lut) {
        return show_modality(dicom, &info, wish, picture, err);
    }
    if (!cor_dicom_decode_frame(dicom, wish->frame, 0, &stored, err)) {
        return false;
    }
    const CorRescale rescale = {.slope = info.rescale_slope, .intercept = info.rescale_intercept};
    CorWindow window = choose_window(wish, stored, rescale, &info);
    return show_plane(cor_dicom_frame_plane(stored), rescale, &window, wish, picture, err);
}

static bool show_colour(const CorDicom *dicom, const Wish *wish, Picture *picture, CorError *err)
{
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *values = NULL;

    return cor_dicom_decode_frame(dicom, wish->frame, COR_DICOM_PALETTE_TO_RGB, &values, err) &&
           copy_part(cor_dicom_frame_plane(values), wish, picture, err);
}

/* --- size --- */

static size_t scaled(size_t len, double factor)
{
    return COR_MAX((size_t) ((double) len * factor + 0.5), (size_t) 1);
}

/* Replace the picture by one that fits, if it does not. */
static bool fit(Picture *picture, const Wish *wish, CorError *err)
{
    const CorPlane *plane = &picture->plane;
    double across = wish->width_px ? (double) wish->width_px / (double) plane->width_px : INFINITY;
    double down = wish->height_px ? (double) wish->height_px / (double) plane->height_px : INFINITY;
    double factor = COR_MIN(across, down);
    double most = ENLARGED_MAX_PX / (double) COR_MAX(plane->width_px, plane->height_px);
    Picture other = {0};

    factor = factor > 1 ? COR_MIN(factor, COR_MAX(most, 1.0)) : factor;
    if (factor == 1 || (factor > 1 && !wish->may_enlarge) || !isfinite(factor)) {
        return true;
    }
    if (!picture_new(scaled(plane->width_px, factor), scaled(plane->height_px, factor), plane->type,
                     &other, err)) {
        return false;
    }
    if (!cor_image_scale(plane, &other.plane, err)) {
        picture_done(&other);
        return false;
    }
    picture_done(picture);
    *picture = other;
    return true;
}

static bool send_picture(CorHostContext *context, const Wish *wish, const Picture *picture,
                         CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *file = cor_string_new(file_max_bytes);
    COR_CLEANUP(cor_json_freep)
    json_t *output = json_pack("{s:s, s:s, s:I, s:I}", "role", "image", "media_type",
                               wish->is_jpeg ? "image/jpeg" : "image/png", "width",
                               (json_int_t) picture->plane.width_px, "height",
                               (json_int_t) picture->plane.height_px);

    if (wish->is_jpeg ? !cor_image_append_jpeg(&picture->plane, wish->quality, file, err)
                      : !cor_image_append_png(&picture->plane, file, err)) {
        return false;
    }
    return cor_string_check(file, err) &&
           cor_host_priv_output(context, output, cor_string_text(file), cor_string_size(file), err);
}

static bool run(CorHostContext *context, const json_t *request, json_t **ret_result, CorError *err)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    COR_CLEANUP(picture_done) Picture picture = {0};
    CorDicomImage image;
    Wish wish;

    if (cor_host_priv_input_len(context) != 1) {
        return cor_fail(err, COR_ERR_INVALID, "render takes one file, a frame from 1, and a size");
    }
    if (!read_wish(request, &wish, err) || !cor_host_priv_open_input(context, 0, &dicom, err) ||
        !cor_dicom_image(dicom, &image, err)) {
        return false;
    }
    if (image.is_colour || image.has_palette ? !show_colour(dicom, &wish, &picture, err)
                                             : !show_grey(dicom, &wish, &picture, err)) {
        return false;
    }
    if (wish.is_mirrored) {
        cor_image_mirror(&picture.plane);
    }
    if (wish.is_upside_down) {
        cor_image_turn_over(&picture.plane);
    }
    if (!fit(&picture, &wish, err) || !send_picture(context, &wish, &picture, err)) {
        return false;
    }
    *ret_result = json_object();
    return *ret_result || cor_fail(err, COR_ERR_NOMEM, "out of memory for an answer");
}

const CorHostOperation cor_host_priv_op_render = {.name = "render", .run = run};
