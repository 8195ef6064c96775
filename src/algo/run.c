/* SPDX-License-Identifier: Apache-2.0 */
/* The run over the slices of a job, and what is measured.
 *
 * Mean and standard deviation are over the pixels of the mask.  For 16-bit integers all sums are
 * exact and only the last operations round; otherwise the deviations are summed in a second pass.
 * The standard deviation is that of the pixels themselves: divided by their number.
 */
#include <math.h>

#include "algo/algo-priv.h"

const char *const cor_algo_priv_all_outputs[] = {"overlay", "segmentation", "report",
                                                 "preview", "measurements", NULL};

const CorAlgoLabel cor_algo_priv_liver_labels[] = {
    {.number = 1,
     .id = "liver",
     .name = "Liver",
     .rgb = {255, 0, 255},
     .category = {"123037004", "SCT", "Anatomical Structure"},
     .type = {"10200004", "SCT", "Liver"}},
};

bool cor_algo_priv_check(const CorPlane *plane, CorError *err)
{
    if (!cor_plane_check(plane, err)) {
        return false;
    }
    if (plane->type != COR_PIXEL_S16 && plane->type != COR_PIXEL_F64) {
        return cor_fail(err, COR_ERR_INVALID, "an algorithm needs S16 or F64 values");
    }
    if (plane->width_px > COR_ALGO_SIDE_MAX_PX || plane->height_px > COR_ALGO_SIDE_MAX_PX) {
        return cor_fail(err, COR_ERR_LIMIT, "the image has %zu x %zu pixels; at most %zu x %zu",
                        plane->width_px, plane->height_px, COR_ALGO_SIDE_MAX_PX,
                        COR_ALGO_SIDE_MAX_PX);
    }
    for (size_t y = 0; plane->type == COR_PIXEL_F64 && y < plane->height_px; y++) {
        if (!cor_kernel_is_finite_f64(cor_plane_row(plane, y), plane->width_px)) {
            return cor_fail(err, COR_ERR_INVALID,
                            "the image has values that are not finite numbers (NaN or infinity)");
        }
    }
    return true;
}

typedef struct Moments {
    double mean;
    double deviation;
} Moments;

static Moments measure_s16(const CorAlgoWorkspace *workspace, const CorPlane *plane,
                           const CorAlgoOutcome *outcome)
{
    const CorRuns *runs = &workspace->runs;
    int64_t count = outcome->component.area_px;
    int64_t sum = 0;
    uint64_t squares = 0;
    __int128 spread = 0;

    for (size_t y = 0; y < runs->height_px; y++) {
        const int16_t *row = cor_plane_row(plane, y);

        for (size_t i = runs->rows[y]; i < runs->rows[y + 1]; i++) {
            const CorRun *run = &runs->runs[i];

            if (runs->labels[i] == outcome->chosen) {
                cor_kernel_sums_s16(row + run->begin_px, (size_t) (run->end_px - run->begin_px),
                                    &sum, &squares);
            }
        }
    }
    spread = (__int128) squares * count - (__int128) sum * sum;
    return (Moments){.mean = (double) sum / (double) count,
                     .deviation = sqrt((double) spread) / (double) count};
}

/* The sum of (value - center)^power over the mask; power is 1 or 2. */
static double sum_f64(const CorAlgoWorkspace *workspace, const CorPlane *plane, double center,
                      int power)
{
    const uint8_t *mask = workspace->mask;
    double sum = 0;

    for (size_t y = 0; y < plane->height_px; y++) {
        const double *row = cor_plane_row(plane, y);

        for (size_t x = 0; x < plane->width_px; x++) {
            double value = row[x] - center;

            if (mask[y * plane->width_px + x]) {
                sum += power == 1 ? value : value * value;
            }
        }
    }
    return sum;
}

static Moments measure_f64(const CorAlgoWorkspace *workspace, const CorPlane *plane,
                           const CorAlgoOutcome *outcome)
{
    double count = outcome->component.area_px;
    double mean = sum_f64(workspace, plane, 0, 1) / count;

    return (Moments){.mean = mean, .deviation = sqrt(sum_f64(workspace, plane, mean, 2) / count)};
}

/* JSON has no infinities: a member that would be one is left out. */
static bool set_real(json_t *object, const char *name, double value)
{
    return !isfinite(value) || json_object_set_new(object, name, json_real(value)) == 0;
}

json_t *cor_algo_priv_measure(const CorAlgoWorkspace *workspace, const CorAlgoSlice *slice,
                              const CorAlgoOutcome *outcome)
{
    const CorComponent *component = &outcome->component;
    bool is_found = outcome->chosen != 0;
    bool has_spacing = slice->row_spacing_mm > 0 && slice->column_spacing_mm > 0;
    double area = component->area_px;
    Moments moments = {0};
    bool is_complete = true;
    json_t *json =
        json_pack("{s:b, s:I, s:I}", "found", is_found, "area_px", (json_int_t) component->area_px,
                  "components", (json_int_t) outcome->component_len);

    if (has_spacing) {
        is_complete =
            set_real(json, "area_mm2", area * slice->row_spacing_mm * slice->column_spacing_mm);
    }
    if (is_found) {
        moments = slice->plane.type == COR_PIXEL_S16
                      ? measure_s16(workspace, &slice->plane, outcome)
                      : measure_f64(workspace, &slice->plane, outcome);
        is_complete = is_complete && set_real(json, "mean_hu", moments.mean) &&
                      set_real(json, "sd_hu", moments.deviation) &&
                      json_object_set_new(json, "centroid",
                                          json_pack("[f, f]", (double) component->sum_x / area,
                                                    (double) component->sum_y / area)) == 0;
    }
    if (!is_complete) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* A callback that fails without a reason is somebody's mistake, unless it means "stop". */
static bool pass_on(CorError *err, CorErrorCode silence, const char *what)
{
    if (err && err->code == COR_OK) {
        return cor_fail(err, silence, "%s", what);
    }
    return false;
}

static bool run_slice(const CorAlgoJob *job, size_t index, CorAlgoFind find, const void *params,
                      CorAlgoWorkspace *workspace, CorError *err)
{
    CorAlgoSlice slice = {0};
    CorAlgoOutcome outcome = {0};
    CorAlgoResult result = {.slice = index};
    COR_CLEANUP(cor_json_freep) json_t *measurements = NULL;

    if (!job->load(job->context, index, &slice, err)) {
        return pass_on(err, COR_ERR_BUG, "a slice could not be loaded");
    }
    if (!cor_algo_priv_check(&slice.plane, err) ||
        !find(params, &slice.plane, workspace, NULL, &outcome, err)) {
        cor_error_wrap(err, "slice %zu of %zu", index + 1, job->slice_len);
        return false;
    }
    cor_algo_priv_draw_mask(workspace, &outcome);
    measurements = cor_algo_priv_measure(workspace, &slice, &outcome);
    if (!measurements) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for measurements");
    }
    result.is_found = outcome.chosen != 0;
    result.mask = workspace->mask;
    result.measurements = measurements;
    if (!job->emit(job->context, &result, err)) {
        return pass_on(err, COR_ERR_CANCELLED, "a result was not taken");
    }
    return true;
}

bool cor_algo_priv_run(const CorAlgoJob *job, CorAlgoFind find, const void *params, CorError *err)
{
    COR_CLEANUP(cor_algo_priv_workspace_done) CorAlgoWorkspace workspace = {0};

    if (job->slice_len == 0) {
        return cor_fail(err, COR_ERR_INVALID, "a job without slices");
    }
    for (size_t i = 0; i < job->slice_len; i++) {
        if (!run_slice(job, i, find, params, &workspace, err)) {
            return false;
        }
        if (!job->progress(job->context, (double) (i + 1) / (double) job->slice_len, err)) {
            return pass_on(err, COR_ERR_CANCELLED, "asked to stop");
        }
    }
    return true;
}
