/* SPDX-License-Identifier: Apache-2.0 */
/* render: one frame as a PNG or JPEG, for people to look at (PS3.18 section 8.3.5).
 *
 * Stored values go through the modality transformation and a window; colour is shown as it is.  A
 * smaller picture is the average over the area that each of its pixels covers, which neither drops
 * thin structures nor makes moiré; a larger one is never made.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-image.h"
#include "host/host-op.h"
#include "host/host-slices.h"
#include "image/encode.h"
#include "image/window.h"

enum { QUALITY_DEFAULT = 90 };

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

/* The window that was asked for, else the file's, else everything. */
static bool choose_window(const json_t *request, const CorDicomFrame *values,
                          const CorDicomFrameInfo *info, CorWindow *ret_window, CorError *err)
{
    CorWindow window = {.is_inverse = info->is_inverse};

    if (json_object_get(request, "window_width")) {
        window.center = cor_json_number(request, "window_center", 0);
        window.width = cor_json_number(request, "window_width", 0);
        if (!(window.width > 0)) {
            return cor_fail(err, COR_ERR_INVALID, "window width must be above 0");
        }
    } else {
        cor_dicom_frame_window(values, info, &window.center, &window.width);
        window.function = info->has_window && info->is_window_sigmoid ? COR_WINDOW_SIGMOID
                          : info->has_window && info->is_window_exact ? COR_WINDOW_LINEAR_EXACT
                                                                      : COR_WINDOW_LINEAR;
        if (!(window.width > 0)) { /* a plane of one value, or a window that cannot be */
            return cor_image_full_window(cor_dicom_frame_plane(values), ret_window, err);
        }
    }
    if (window.function == COR_WINDOW_LINEAR && window.width < 1) {
        window.function = COR_WINDOW_LINEAR_EXACT; /* section C.11.2.1.2.1 wants at least 1 */
    }
    *ret_window = window;
    return true;
}

static bool show_grey(const CorDicom *dicom, uint32_t frame, const json_t *request,
                      Picture *ret_picture, CorError *err)
{
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *values = NULL;
    COR_CLEANUP(picture_done) Picture picture = {0};
    CorDicomFrameInfo info;
    CorWindow window;

    if (!cor_dicom_modality_plane(dicom, frame, &values, err) ||
        !cor_dicom_frame_info(dicom, frame, &info, err) ||
        !choose_window(request, values, &info, &window, err)) {
        return false;
    }
    const CorPlane *plane = cor_dicom_frame_plane(values);
    if (!picture_new(plane->width_px, plane->height_px, COR_PIXEL_U8, &picture, err) ||
        !cor_image_window(plane, &window, picture.bytes, err)) {
        return false;
    }
    *ret_picture = picture;
    picture.bytes = NULL;
    return true;
}

static bool show_colour(const CorDicom *dicom, uint32_t frame, Picture *ret_picture, CorError *err)
{
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *values = NULL;

    if (!cor_dicom_decode_frame(dicom, frame, COR_DICOM_PALETTE_TO_RGB, &values, err)) {
        return false;
    }
    const CorPlane *plane = cor_dicom_frame_plane(values);
    if (!picture_new(plane->width_px, plane->height_px, plane->type, ret_picture, err)) {
        return false;
    }
    memcpy(ret_picture->bytes, plane->data, cor_dicom_frame_bytes(values));
    return true;
}

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

static void gather_columns(const float *sums, size_t width_px, size_t channels, Picture *small,
                           size_t y)
{
    uint8_t *row = small->bytes + y * small->plane.row_bytes;
    double step = (double) width_px / (double) small->plane.width_px;

    for (size_t x = 0; x < small->plane.width_px; x++) {
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

/* Replace the picture by one that fits, if it does not. */
static bool shrink(Picture *picture, size_t width_px, size_t height_px, CorError *err)
{
    const CorPlane *plane = &picture->plane;
    double across = width_px ? (double) width_px / (double) plane->width_px : 1;
    double down = height_px ? (double) height_px / (double) plane->height_px : 1;
    double factor = COR_MIN(across, down);
    size_t channels = cor_pixel_size(plane->type);
    Picture small = {0};

    if (factor >= 1) {
        return true;
    }
    size_t width = COR_MAX((size_t) ((double) plane->width_px * factor + 0.5), (size_t) 1);
    size_t height = COR_MAX((size_t) ((double) plane->height_px * factor + 0.5), (size_t) 1);
    size_t sum_len = plane->width_px * channels; /* at most 65535 * 3 */
    float *sums = cor_new_array(float, sum_len);
    if (!sums) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a picture");
    }
    if (!picture_new(width, height, plane->type, &small, err)) {
        free(sums);
        return false;
    }
    for (size_t y = 0; y < height; y++) {
        double step = (double) plane->height_px / (double) height;
        double until = COR_MIN((double) (y + 1) * step, (double) plane->height_px);
        gather_rows(plane, (double) y * step, until, sums, sum_len);
        gather_columns(sums, plane->width_px, channels, &small, y);
    }
    free(sums);
    picture_done(picture);
    *picture = small;
    return true;
}

static bool send_picture(CorHostContext *context, const json_t *request, const Picture *picture,
                         CorError *err)
{
    const char *format = cor_json_string(request, "format", "png");
    bool is_jpeg = strcmp(format, "jpeg") == 0;
    int64_t quality = cor_json_integer(request, "quality", 0);
    COR_CLEANUP(cor_string_freep) CorString *file = cor_string_new(file_max_bytes);
    COR_CLEANUP(cor_json_freep)
    json_t *output = json_pack("{s:s, s:s, s:I, s:I}", "role", "image", "media_type",
                               is_jpeg ? "image/jpeg" : "image/png", "width",
                               (json_int_t) picture->plane.width_px, "height",
                               (json_int_t) picture->plane.height_px);

    if (!is_jpeg && strcmp(format, "png") != 0) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "pictures are png or jpeg");
    }
    quality = quality ? quality : QUALITY_DEFAULT;
    if (quality < 1 || quality > 100) {
        return cor_fail(err, COR_ERR_INVALID, "quality is 1 to 100");
    }
    if (is_jpeg ? !cor_image_append_jpeg(&picture->plane, (int) quality, file, err)
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
    int64_t frame = cor_json_integer(request, "frame", 1) - 1;
    int64_t width = cor_json_integer(request, "width", 0);
    int64_t height = cor_json_integer(request, "height", 0);

    if (cor_host_priv_input_len(context) != 1 || frame < 0 || frame > UINT32_MAX || width < 0 ||
        height < 0) {
        return cor_fail(err, COR_ERR_INVALID, "render takes one file, a frame from 1, and a size");
    }
    if (!cor_host_priv_open_input(context, 0, &dicom, err) ||
        !cor_dicom_image(dicom, &image, err)) {
        return false;
    }
    if (image.is_colour || image.has_palette
            ? !show_colour(dicom, (uint32_t) frame, &picture, err)
            : !show_grey(dicom, (uint32_t) frame, request, &picture, err)) {
        return false;
    }
    if (!shrink(&picture, (size_t) width, (size_t) height, err) ||
        !send_picture(context, request, &picture, err)) {
        return false;
    }
    *ret_result = json_object();
    return *ret_result || cor_fail(err, COR_ERR_NOMEM, "out of memory for an answer");
}

const CorHostOperation cor_host_priv_op_render = {.name = "render", .run = run};
