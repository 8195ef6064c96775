/* SPDX-License-Identifier: Apache-2.0 */
/* A CT series in memory with what is known of it, an algorithm's run over it, and how well the two
 * agree.  Values are HU, x to the right of the image, z towards the head.
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "algo/algo.h"
#include "naive.h"

typedef struct CtSeries {
    size_t width;
    size_t height;
    size_t depth;
    double spacing_mm[3];
    double orientation[6];
    int16_t *values;
    uint8_t *labels; /* of voxels, NULL if nothing is known */
} CtSeries;

typedef struct CtRun {
    const CtSeries *series;
    json_t *params;
    /* A change of what slice i is said to be, for tests of bad input. */
    void (*spoil)(CorAlgoSlice *slice, size_t i);
    size_t stop_after; /* reports; 0: never */
    /* What came of it. */
    uint8_t *mask;
    double *images;               /* of the slices for which one was emitted */
    CorAlgoImage *emitted_images; /* plane.data is not for use */
    json_t *conclusion;
    size_t emitted;
    size_t reported;
    double fraction;
    bool is_bad; /* a promise of algo.h was broken */
    CorError err;
} CtRun;

static inline size_t ct_len(const CtSeries *series)
{
    return series->width * series->height * series->depth;
}

static inline CtSeries ct_make(size_t width, size_t height, size_t depth, double pixel_mm,
                               double step_mm)
{
    CtSeries series = {.width = width,
                       .height = height,
                       .depth = depth,
                       .spacing_mm = {pixel_mm, pixel_mm, step_mm},
                       .orientation = {1, 0, 0, 0, 1, 0}};

    series.values = calloc(ct_len(&series), sizeof(*series.values));
    series.labels = calloc(ct_len(&series), 1);
    return series;
}

static inline CtSeries ct_copy(const CtSeries *from)
{
    CtSeries series = *from;

    series.values = calloc(ct_len(from), sizeof(*series.values));
    series.labels = calloc(ct_len(from), 1);
    memcpy(series.values, from->values, ct_len(from) * sizeof(*series.values));
    if (from->labels) {
        memcpy(series.labels, from->labels, ct_len(from));
    }
    return series;
}

static inline void ct_free(CtSeries *series)
{
    free(series->values);
    free(series->labels);
    *series = (CtSeries){0};
}

/* Changes that an algorithm should not mind. */

static inline void ct_add(CtSeries *series, int hu)
{
    for (size_t i = 0; i < ct_len(series); i++) {
        series->values[i] = (int16_t) (series->values[i] + hu);
    }
}

/* Mirrored left to right; the geometry says so (or not: then the patient is mirrored). */
static inline void ct_mirror(CtSeries *series, bool is_told)
{
    for (size_t row = 0; row < series->height * series->depth; row++) {
        int16_t *values = series->values + row * series->width;
        uint8_t *labels = series->labels + row * series->width;

        for (size_t x = 0; x < series->width / 2; x++) {
            size_t other = series->width - 1 - x;
            int16_t value = values[x];
            uint8_t label = labels[x];

            values[x] = values[other];
            values[other] = value;
            labels[x] = labels[other];
            labels[other] = label;
        }
    }
    series->orientation[0] *= is_told ? -1 : 1;
}

/* What is shifted in is air. */
static inline void ct_shift(CtSeries *series, long dx, long dy)
{
    CtSeries from = ct_copy(series);
    long width = (long) series->width;
    long height = (long) series->height;

    for (long i = 0; i < (long) ct_len(series); i++) {
        long x = i % width - dx;
        long y = i / width % height - dy;
        bool is_in = x >= 0 && y >= 0 && x < width && y < height;

        series->values[i] = is_in ? from.values[i - dy * width - dx] : -1024;
        series->labels[i] = is_in ? from.labels[i - dy * width - dx] : 0;
    }
    ct_free(&from);
}

/* Every n-th slice. */
static inline void ct_thin(CtSeries *series, size_t n)
{
    size_t slice = series->width * series->height;
    size_t depth = 0;

    for (size_t z = 0; z < series->depth; z += n, depth++) {
        memmove(series->values + depth * slice, series->values + z * slice,
                slice * sizeof(*series->values));
        memmove(series->labels + depth * slice, series->labels + z * slice, slice);
    }
    series->depth = depth;
    series->spacing_mm[2] *= (double) n;
}

/* Noise of a standard deviation: the sum of twelve even ones is near enough to a Gaussian. */
static inline void ct_noise(CtSeries *series, double sd_hu)
{
    uint64_t seed = 0x9e3779b97f4a7c15;

    for (size_t i = 0; i < ct_len(series); i++) {
        double sum = -6;

        for (int k = 0; k < 12; k++) {
            sum += (double) naive_random(&seed) / 4294967296.0;
        }
        series->values[i] = (int16_t) lrint(series->values[i] + sd_hu * sum);
    }
}

/* As many slices as wanted, going up and down through those that there are. */
static inline void ct_extend(CtSeries *series, size_t depth)
{
    CtSeries from = *series;
    size_t slice = from.width * from.height;

    *series = ct_make(from.width, from.height, depth, from.spacing_mm[0], from.spacing_mm[2]);
    memcpy(series->orientation, from.orientation, sizeof(from.orientation));
    memcpy(series->spacing_mm, from.spacing_mm, sizeof(from.spacing_mm));
    for (size_t z = 0; z < depth; z++) {
        size_t source = z % (2 * from.depth);

        source = source < from.depth ? source : 2 * from.depth - 1 - source;
        memcpy(series->values + z * slice, from.values + source * slice,
               slice * sizeof(*from.values));
        memcpy(series->labels + z * slice, from.labels + source * slice, slice);
    }
    ct_free(&from);
}

static inline bool ct_describe(void *context, size_t i, CorAlgoSlice *ret_slice, CorError *err)
{
    CtRun *run = context;
    const CtSeries *series = run->series;
    const double *o = series->orientation;
    const double normal[3] = {o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5],
                              o[0] * o[4] - o[1] * o[3]};
    (void) err;

    *ret_slice = (CorAlgoSlice){
        .plane = {.width_px = series->width, .height_px = series->height},
        .row_spacing_mm = series->spacing_mm[1],
        .column_spacing_mm = series->spacing_mm[0],
        .has_place = true,
    };
    memcpy(ret_slice->orientation, o, sizeof(ret_slice->orientation));
    for (size_t k = 0; k < 3; k++) {
        ret_slice->position_mm[k] = 10 + normal[k] * series->spacing_mm[2] * (double) i;
    }
    if (run->spoil) {
        run->spoil(ret_slice, i);
    }
    return true;
}

static inline bool ct_load(void *context, size_t i, CorAlgoSlice *ret_slice, CorError *err)
{
    CtRun *run = context;
    const CtSeries *series = run->series;

    if (!ct_describe(context, i, ret_slice, err)) {
        return false;
    }
    if (!ret_slice->plane.data) { /* unless it is spoilt */
        ret_slice->plane.data = series->values + i * series->width * series->height;
        ret_slice->plane.type = COR_PIXEL_S16;
        ret_slice->plane.row_bytes = series->width * sizeof(*series->values);
    }
    return true;
}

static inline bool ct_emit(void *context, const CorAlgoResult *result, CorError *err)
{
    CtRun *run = context;
    size_t slice = run->series->width * run->series->height;
    (void) err;

    run->emitted++;
    if (!result->image) {
        memcpy(run->mask + result->slice * slice, result->mask, slice);
        return true;
    }
    const CorPlane *plane = &result->image->plane;
    run->is_bad |= !cor_plane_check(plane, err) || plane->width_px != run->series->width ||
                   plane->height_px != run->series->height;
    run->emitted_images[result->slice] = *result->image;
    for (size_t y = 0; y < run->series->height; y++) {
        cor_plane_row_to_f64(plane, y,
                             run->images + result->slice * slice + y * run->series->width);
    }
    return true;
}

static inline bool ct_progress(void *context, double fraction, CorError *err)
{
    CtRun *run = context;

    run->is_bad |= !(fraction > run->fraction && fraction < 1.0000001);
    run->fraction = fraction;
    run->reported++;
    return run->reported != run->stop_after || cor_fail(err, COR_ERR_CANCELLED, "stopped");
}

static inline bool ct_conclude(void *context, const json_t *measurements, CorError *err)
{
    CtRun *run = context;
    (void) err;

    run->is_bad |= run->conclusion || run->emitted != run->series->depth;
    run->conclusion = json_deep_copy(measurements);
    return true;
}

/* Run an algorithm; params are borrowed, NULL for the defaults.  End it with ct_run_done(). */
static inline bool ct_run(CtRun *run, const char *algo_id)
{
    json_t *defaults = json_object();
    CorAlgoJob job = {.params = run->params ? run->params : defaults,
                      .slice_len = run->series->depth,
                      .describe = ct_describe,
                      .load = ct_load,
                      .emit = ct_emit,
                      .progress = ct_progress,
                      .conclude = ct_conclude,
                      .context = run};

    run->mask = calloc(ct_len(run->series) + 1, 1);
    run->images = calloc(ct_len(run->series) + 1, sizeof(*run->images));
    run->emitted_images = calloc(run->series->depth + 1, sizeof(*run->emitted_images));
    bool ok = cor_algo_find(algo_id)->run(&job, &run->err);
    json_decref(defaults);
    return ok;
}

static inline void ct_run_done(CtRun *run)
{
    free(run->mask);
    free(run->images);
    free(run->emitted_images);
    json_decref(run->conclusion);
    run->mask = NULL;
    run->conclusion = NULL;
}

/* How well the voxels of a value in the mask are those of a label: 2 |A and B| / (|A| + |B|). */
static inline double ct_dice(const CtRun *run, uint8_t label, uint8_t value)
{
    const CtSeries *series = run->series;
    size_t both = 0;
    size_t sum = 0;

    for (size_t i = 0; i < ct_len(series); i++) {
        bool is_label = series->labels[i] == label;
        bool is_value = run->mask[i] == value;

        both += is_label && is_value;
        sum += (size_t) is_label + (size_t) is_value;
    }
    return sum > 0 ? 2 * (double) both / (double) sum : 0;
}

static inline double ct_volume_ml(const CtRun *run, const char *label)
{
    const json_t *labels = json_object_get(run->conclusion, "labels");

    return cor_json_number(json_object_get(labels, label), "volume_ml", NAN);
}
