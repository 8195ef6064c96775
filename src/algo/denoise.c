/* SPDX-License-Identifier: Apache-2.0 */
/* denoise: smoothing that keeps edges (kernel/denoise.h), slice by slice.
 *
 * The guide is what a pixel is compared by; its noise is measured on each slice, and neighbours
 * count while they differ by less than so many times that.  So nothing is tuned to a modality.
 */
#include <math.h>
#include <string.h>

#include "algo/algo-priv.h"
#include "base/array.h"
#include "kernel/denoise.h"

enum { STRENGTH, RADIUS, NUMBER_LEN };
enum { VALUES, GUIDE, RESULT, WEIGHTS, PLANE_LEN };

static const CorAlgoNumber numbers[] = {
    [STRENGTH] = {"strength", 2, 0.5, 10, false},
    [RADIUS] = {"radius_mm", 1.5, 0.2, 10, false},
};
_Static_assert(COR_ARRAY_LEN(numbers) == NUMBER_LEN, "describe every number");

const CorAlgoNumber *cor_algo_priv_denoise_numbers(size_t *ret_len)
{
    *ret_len = COR_ARRAY_LEN(numbers);
    return numbers;
}

static bool check(const json_t *json, CorError *err)
{
    double values[NUMBER_LEN];

    return cor_algo_priv_read_numbers(json, numbers, NUMBER_LEN, values, err);
}

/* Memory for a slice, kept from slice to slice. */
typedef struct Room {
    size_t pixels;
    CorPixelType type;
    float *planes[PLANE_LEN];
    void *image; /* of the type */
} Room;

static void room_done(Room *room)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(room->planes); i++) {
        free(room->planes[i]);
    }
    free(room->image);
    *room = (Room){0};
}

static bool room_prepare(Room *room, const CorPlane *plane, CorError *err)
{
    size_t pixels = plane->width_px * plane->height_px;
    bool ok = true;

    if (pixels == room->pixels && plane->type == room->type) {
        return true;
    }
    room_done(room);
    for (size_t i = 0; i < COR_ARRAY_LEN(room->planes); i++) {
        room->planes[i] = cor_new_array(float, pixels);
        ok = ok && room->planes[i];
    }
    room->image = calloc(pixels, cor_pixel_size(plane->type));
    if (!ok || !room->image) {
        room_done(room);
        return cor_fail(err, COR_ERR_NOMEM, "no memory for a slice of %zu pixels", pixels);
    }
    room->pixels = pixels;
    room->type = plane->type;
    return true;
}

static double value_at(const CorPlane *plane, size_t x, size_t y)
{
    const void *row = cor_plane_row(plane, y);

    return plane->type == COR_PIXEL_S16 ? ((const int16_t *) row)[x] : ((const double *) row)[x];
}

/* Write the smoothed slice; the standard deviation of what was taken away. */
static double write_image(const CorPlane *plane, Room *room)
{
    double squares = 0;
    size_t i = 0;

    for (size_t y = 0; y < plane->height_px; y++) {
        for (size_t x = 0; x < plane->width_px; x++, i++) {
            double change = (double) room->planes[RESULT][i] - (double) room->planes[VALUES][i];
            double value = value_at(plane, x, y) + change;

            squares += change * change;
            if (plane->type == COR_PIXEL_S16) {
                ((int16_t *) room->image)[i] = (int16_t) lrint(value);
            } else {
                ((double *) room->image)[i] = value;
            }
        }
    }
    return sqrt(squares / (double) room->pixels);
}

/* Smooth a slice; without noise there is nothing to do. */
static void smooth(const CorAlgoSlice *slice, const double *params, Room *room, float *ret_noise)
{
    const CorPlane *plane = &slice->plane;
    bool has_spacing = slice->column_spacing_mm > 0 && slice->row_spacing_mm > 0;
    CorDenoise denoise = {
        .width_px = plane->width_px,
        .height_px = plane->height_px,
        .sigma_px = {params[RADIUS] / (has_spacing ? slice->column_spacing_mm : 1),
                     params[RADIUS] / (has_spacing ? slice->row_spacing_mm : 1)},
    };
    size_t i = 0;

    for (size_t y = 0; y < plane->height_px; y++) {
        for (size_t x = 0; x < plane->width_px; x++, i++) {
            room->planes[VALUES][i] = (float) value_at(plane, x, y);
        }
    }
    cor_kernel_denoise_guide(room->planes[VALUES], plane->width_px, plane->height_px,
                             room->planes[GUIDE], room->planes[RESULT]);
    *ret_noise = cor_kernel_denoise_noise(room->planes[VALUES], plane->width_px, plane->height_px,
                                          room->planes[RESULT]);
    denoise.cutoff = *ret_noise * (float) params[STRENGTH];
    if (denoise.cutoff > 0 && isfinite(denoise.cutoff)) {
        cor_kernel_denoise(&denoise, room->planes[VALUES], room->planes[GUIDE],
                           room->planes[RESULT], room->planes[WEIGHTS]);
    } else {
        memcpy(room->planes[RESULT], room->planes[VALUES], room->pixels * sizeof(float));
    }
}

static bool run_slice(const CorAlgoJob *job, size_t index, const double *params, Room *room,
                      CorError *err)
{
    CorAlgoSlice slice = {0};
    float noise = 0;

    if (!job->load(job->context, index, &slice, err)) {
        return false;
    }
    if (!cor_algo_priv_check(&slice.plane, err) || !room_prepare(room, &slice.plane, err)) {
        cor_error_wrap(err, "slice %zu of %zu", index + 1, job->slice_len);
        return false;
    }
    smooth(&slice, params, room, &noise);
    double removed = write_image(&slice.plane, room);
    CorAlgoImage image = {
        .plane = {.data = room->image,
                  .width_px = slice.plane.width_px,
                  .height_px = slice.plane.height_px,
                  .row_bytes = slice.plane.width_px * cor_pixel_size(slice.plane.type),
                  .type = slice.plane.type},
        .source_begin = index,
        .source_len = 1,
        .derivation = {"113087", "DCM", "Smoothing"},
    };
    COR_CLEANUP(cor_json_freep)
    json_t *measurements = json_pack("{s:b, s:f, s:f}", "found", true, "noise_sd", (double) noise,
                                     "removed_sd", removed);
    CorAlgoResult result = {
        .slice = index, .is_found = true, .image = &image, .measurements = measurements};

    if (!measurements) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for measurements");
    }
    return job->emit(job->context, &result, err) &&
           job->progress(job->context, (double) (index + 1) / (double) job->slice_len, err);
}

static bool run(const CorAlgoJob *job, CorError *err)
{
    COR_CLEANUP(room_done) Room room = {0};
    double params[NUMBER_LEN];

    if (!cor_algo_priv_read_numbers(job->params, numbers, NUMBER_LEN, params, err)) {
        return false;
    }
    for (size_t i = 0; i < job->slice_len; i++) {
        if (!run_slice(job, i, params, &room, err)) {
            return false;
        }
    }
    return true;
}

static const char *const outputs[] = {"image", NULL};

const CorAlgorithm cor_algo_priv_denoise = {
    .id = "denoise",
    .version = "1.0.0",
    .title = "Denoise",
    .description = "Smooths noise and keeps edges: each pixel becomes the mean of those neighbours "
                   "that are like it. Gives a derived series with the same pixels, places and "
                   "rescale.",
    .params_schema = cor_algo_priv_schema_denoise,
    .scopes = COR_SCOPE_IMAGE | COR_SCOPE_SERIES,
    .outputs = outputs,
    .family = {"123102", "DCM", "Adaptive Filtering"},
    .check = check,
    .run = run,
};
