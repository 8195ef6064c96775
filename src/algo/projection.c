/* SPDX-License-Identifier: Apache-2.0 */
/* projection: the largest, the smallest or the mean value along the normal through slabs.
 *
 * Slices are loaded once, from the first to the last, and go into every slab that is open: a slab
 * opens with its first slice and is told when its last one has been taken.  It lies where its
 * middle slice lies.
 */
#include <math.h>
#include <string.h>

#include "algo/algo-volume.h"
#include "base/array.h"

enum { SLAB, STEP, NUMBER_LEN };

enum { OPEN_MAX = 65, SLICES_MIN = 2 };

typedef enum Mode { MODE_MAXIMUM, MODE_MINIMUM, MODE_MEAN, MODE_COUNT_ } Mode;

static const char *const mode_names[] = {
    [MODE_MAXIMUM] = "maximum",
    [MODE_MINIMUM] = "minimum",
    [MODE_MEAN] = "mean",
};
_Static_assert(COR_ARRAY_LEN(mode_names) == MODE_COUNT_, "name every mode");

static const CorAlgoCode derivations[] = {
    [MODE_MAXIMUM] = {"113078", "DCM", "Maximum intensity projection"},
    [MODE_MINIMUM] = {"113079", "DCM", "Minimum intensity projection"},
    [MODE_MEAN] = {"113049", "DCM", "Pixel by pixel mean"},
};
_Static_assert(COR_ARRAY_LEN(derivations) == MODE_COUNT_, "code every mode");

static const CorAlgoNumber numbers[] = {
    [SLAB] = {"slab_mm", 10, 0.1, 1000, false},
    [STEP] = {"step_mm", 5, 0.1, 1000, false},
};
_Static_assert(COR_ARRAY_LEN(numbers) == NUMBER_LEN, "describe every number");

const CorAlgoNumber *cor_algo_priv_projection_numbers(size_t *ret_len)
{
    *ret_len = COR_ARRAY_LEN(numbers);
    return numbers;
}

typedef struct Params {
    double values[NUMBER_LEN];
    Mode mode;
} Params;

static bool read_params(const json_t *json, Params *ret_params, CorError *err)
{
    const char *mode = cor_json_string(json, "mode", mode_names[MODE_MAXIMUM]);
    size_t i = 0;

    if (!cor_algo_priv_read_numbers(json, numbers, NUMBER_LEN, ret_params->values, err)) {
        return false;
    }
    while (i < COR_ARRAY_LEN(mode_names) && strcmp(mode, mode_names[i]) != 0) {
        i++;
    }
    if (i == COR_ARRAY_LEN(mode_names)) {
        return cor_fail(err, COR_ERR_INVALID, "parameter mode must be maximum, minimum or mean");
    }
    if (ret_params->values[SLAB] > (OPEN_MAX - 1) * ret_params->values[STEP]) {
        return cor_fail(err, COR_ERR_INVALID, "parameter slab_mm must be at most %d times step_mm",
                        OPEN_MAX - 1);
    }
    ret_params->mode = (Mode) i;
    return true;
}

static bool check(const json_t *json, CorError *err)
{
    Params params;

    return read_params(json, &params, err);
}

/* Which slices make which slab. */
typedef struct Plan {
    size_t slice_len;
    size_t half;  /* slices on each side of the middle one */
    size_t step;  /* slices from one slab to the next */
    size_t first; /* middle of the first slab */
    size_t len;   /* slabs */
} Plan;

static Plan make_plan(const CorAlgoVolume *volume, const Params *params)
{
    size_t slices = volume->slice_len;
    double half = params->values[SLAB] / volume->spacing_mm[2] / 2;
    double step = params->values[STEP] / volume->spacing_mm[2];
    /* A slab of n slices reaches half a slice beyond its outer ones. */
    Plan plan = {.slice_len = slices,
                 .half = (size_t) lrint(COR_MIN(COR_MAX(half - 0.5, 0.0), (double) slices)),
                 .step = (size_t) lrint(COR_MIN(COR_MAX(step, 1.0), (double) slices))};

    if (2 * plan.half + 1 >= slices) { /* everything is one slab */
        plan.first = slices / 2;
        plan.step = slices;
        plan.len = 1;
        return plan;
    }
    while (2 * plan.half / plan.step + 1 > OPEN_MAX) { /* steps were rounded down */
        plan.step++;
    }
    plan.first = (slices - 1) % plan.step / 2;
    plan.len = (slices - 1 - plan.first) / plan.step + 1;
    return plan;
}

static size_t middle_of(const Plan *plan, size_t slab)
{
    return plan->first + slab * plan->step;
}

static size_t begin_of(const Plan *plan, size_t slab)
{
    size_t middle = middle_of(plan, slab);

    return middle > plan->half ? middle - plan->half : 0;
}

static size_t end_of(const Plan *plan, size_t slab)
{
    return COR_MIN(middle_of(plan, slab) + plan->half + 1, plan->slice_len);
}

/* Sums for a mean.  Those of S16 are integers and exact, in half the memory. */
typedef struct Slab {
    int32_t *whole; /* as long as all its slices are S16 */
    double *values; /* from the first one on that is not */
    bool is_whole;
} Slab;

typedef struct Projection {
    const CorAlgoJob *job;
    Params params;
    CorAlgoVolume volume;
    Plan plan;
    Slab open[OPEN_MAX]; /* slab i is in place i % OPEN_MAX */
    int16_t *whole;      /* an image of S16 */
} Projection;

static void projection_done(Projection *projection)
{
    cor_algo_priv_volume_done(&projection->volume);
    for (size_t i = 0; i < COR_ARRAY_LEN(projection->open); i++) {
        free(projection->open[i].whole);
        free(projection->open[i].values);
    }
    free(projection->whole);
}

static double merge(Mode mode, double before, double value)
{
    switch (mode) {
    case MODE_MAXIMUM:
        return COR_MAX(before, value);
    case MODE_MINIMUM:
        return COR_MIN(before, value);
    default:
        return before + value;
    }
}

static int32_t merge_whole(Mode mode, int32_t before, int32_t value)
{
    switch (mode) {
    case MODE_MAXIMUM:
        return COR_MAX(before, value);
    case MODE_MINIMUM:
        return COR_MIN(before, value);
    default:
        return before + value; /* of fewer than 65536 slices */
    }
}

static void take_whole(Mode mode, const CorPlane *plane, bool is_first, int32_t *to)
{
    for (size_t y = 0; y < plane->height_px; y++) {
        const int16_t *row = cor_plane_row(plane, y);

        for (size_t x = 0; x < plane->width_px; x++, to++) {
            *to = is_first ? row[x] : merge_whole(mode, *to, row[x]);
        }
    }
}

static void take_values(Mode mode, const CorPlane *plane, bool is_first, double *to)
{
    for (size_t y = 0; y < plane->height_px; y++) {
        const void *row = cor_plane_row(plane, y);

        for (size_t x = 0; x < plane->width_px; x++, to++) {
            double value = plane->type == COR_PIXEL_S16 ? ((const int16_t *) row)[x]
                                                        : ((const double *) row)[x];
            *to = is_first ? value : merge(mode, *to, value);
        }
    }
}

/* Memory for what the slab is; what it holds as integers goes over to values that are none. */
static bool prepare_slab(Slab *slab, bool is_whole, bool is_first, size_t pixels, CorError *err)
{
    bool was_whole = !is_first && slab->is_whole;

    slab->is_whole = is_whole;
    if (is_whole && !slab->whole) {
        slab->whole = cor_new_array(int32_t, pixels);
    }
    if (!is_whole && !slab->values) {
        slab->values = cor_new_array(double, pixels);
    }
    if (is_whole ? !slab->whole : !slab->values) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for a slab");
    }
    for (size_t i = 0; was_whole && !is_whole && i < pixels; i++) {
        slab->values[i] = slab->whole[i];
    }
    return true;
}

/* Take a slice into a slab. */
static bool take_slice(const Projection *projection, const CorPlane *plane, bool is_first,
                       Slab *slab, CorError *err)
{
    Mode mode = projection->params.mode;
    bool is_whole = (is_first || slab->is_whole) && plane->type == COR_PIXEL_S16;

    if (!prepare_slab(slab, is_whole, is_first, plane->width_px * plane->height_px, err)) {
        return false;
    }
    if (is_whole) {
        take_whole(mode, plane, is_first, slab->whole);
    } else {
        take_values(mode, plane, is_first, slab->values);
    }
    return true;
}

static bool emit_slab(Projection *projection, size_t index, CorError *err)
{
    const CorAlgoVolume *volume = &projection->volume;
    const Plan *plan = &projection->plan;
    Slab *slab = &projection->open[index % OPEN_MAX];
    size_t pixels = volume->width_px * volume->height_px;
    CorAlgoImage image = {
        .plane = {.data = slab->values,
                  .width_px = volume->width_px,
                  .height_px = volume->height_px,
                  .row_bytes = volume->width_px * sizeof(double),
                  .type = COR_PIXEL_F64},
        .source_begin = begin_of(plan, index),
        .source_len = end_of(plan, index) - begin_of(plan, index),
        .derivation = derivations[projection->params.mode],
    };
    double share = projection->params.mode == MODE_MEAN ? 1 / (double) image.source_len : 1;

    image.thickness_mm = (double) image.source_len * volume->spacing_mm[2];
    for (size_t i = 0; i < pixels; i++) {
        if (slab->is_whole) {
            projection->whole[i] = (int16_t) lrint(slab->whole[i] * share);
        } else {
            slab->values[i] *= share;
        }
    }
    if (slab->is_whole) {
        image.plane.data = projection->whole;
        image.plane.type = COR_PIXEL_S16;
        image.plane.row_bytes = volume->width_px * sizeof(int16_t);
    }
    COR_CLEANUP(cor_json_freep)
    json_t *measurements =
        json_pack("{s:b, s:I, s:f}", "found", true, "source_slices", (json_int_t) image.source_len,
                  "thickness_mm", image.thickness_mm);
    CorAlgoResult result = {.slice = middle_of(plan, index),
                            .is_found = true,
                            .image = &image,
                            .measurements = measurements};
    return measurements ? projection->job->emit(projection->job->context, &result, err)
                        : cor_fail(err, COR_ERR_NOMEM, "no memory for measurements");
}

/* Take a slice into every slab that is open, then tell those that it was the last of. */
static bool run_slice(Projection *projection, size_t z, size_t *closed, CorError *err)
{
    const Plan *plan = &projection->plan;
    CorAlgoSlice slice = {0};

    if (!cor_algo_priv_volume_load(&projection->volume, projection->job, z, &slice, err)) {
        return false;
    }
    for (size_t i = *closed; i < plan->len && begin_of(plan, i) <= z; i++) {
        Slab *slab = &projection->open[i % OPEN_MAX];

        if (!take_slice(projection, &slice.plane, begin_of(plan, i) == z, slab, err)) {
            return false;
        }
    }
    while (*closed < plan->len && end_of(plan, *closed) == z + 1) {
        if (!emit_slab(projection, (*closed)++, err)) {
            return false;
        }
    }
    return projection->job->progress(projection->job->context,
                                     (double) (z + 1) / (double) plan->slice_len, err);
}

static bool run(const CorAlgoJob *job, CorError *err)
{
    COR_CLEANUP(projection_done) Projection projection = {.job = job};
    size_t closed = 0;

    if (!read_params(job->params, &projection.params, err) ||
        !cor_algo_priv_volume_geometry(&projection.volume, job, SLICES_MIN, err)) {
        return false;
    }
    projection.plan = make_plan(&projection.volume, &projection.params);
    size_t pixels = projection.volume.width_px * projection.volume.height_px;
    projection.whole = cor_new_array(int16_t, pixels);
    if (!projection.whole) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for an image");
    }
    for (size_t z = 0; z < job->slice_len; z++) {
        if (!run_slice(&projection, z, &closed, err)) {
            return false;
        }
    }
    return true;
}

static const char *const outputs[] = {"image", NULL};

const CorAlgorithm cor_algo_priv_projection = {
    .id = "projection",
    .version = "1.0.0",
    .title = "Projection through slabs",
    .description = "The largest, the smallest or the mean value through slabs of a series, along "
                   "the direction in which its slices follow each other. Gives a derived series of "
                   "thicker slices.",
    .params_schema = cor_algo_priv_schema_projection,
    .scopes = COR_SCOPE_SERIES,
    .outputs = outputs,
    .family = {"123101", "DCM", "Neighborhood Analysis"},
    .is_volumetric = true,
    .check = check,
    .run = run,
};
