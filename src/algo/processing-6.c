/* SPDX-License-Identifier: Apache-2.0 */
/* Liver by median and threshold, as the reference's processing_6 does it.
 *
 *     median above a threshold -> close by a disk, several times -> fill holes -> open by the cross
 *     -> close by the cross -> fill holes -> label -> choose
 *
 * The median itself is never needed: it is above the threshold exactly where the majority of the
 * pixels is (kernel/majority.h).  Everywhere the outside counts as not set, which leaves a frame of
 * zeros at the border (docs/algorithms/processing_6.md).
 */
#include "algo/algo-priv.h"
#include "base/array.h"

enum {
    MEDIAN_SIZE,
    THRESHOLD,
    CLOSING_RADIUS,
    CLOSING_ITERATIONS,
    CROSS_OPENING_ITERATIONS,
    CROSS_CLOSING_ITERATIONS,
    AREA_MIN,
    CENTROID_X_MAX,
    CENTROID_Y_MAX,
    NUMBER_LEN
};

static const CorAlgoNumber numbers[] = {
    [MEDIAN_SIZE] = {"median_size_px", 11, 1, 31, true},
    [THRESHOLD] = {"threshold", 120, -1024, 3071, false},
    [CLOSING_RADIUS] = {"closing_radius_px", 9, 0, 30, true},
    [CLOSING_ITERATIONS] = {"closing_iterations", 2, 0, 5, true},
    [CROSS_OPENING_ITERATIONS] = {"cross_opening_iterations", 2, 0, 32, true},
    [CROSS_CLOSING_ITERATIONS] = {"cross_closing_iterations", 9, 0, 32, true},
    [AREA_MIN] = {"area_min_px", 25000, 1, 67108864, true},
    [CENTROID_X_MAX] = {"centroid_x_max", 0.55, 0, 1, false},
    [CENTROID_Y_MAX] = {"centroid_y_max", 0.70, 0, 1, false},
};
_Static_assert(COR_ARRAY_LEN(numbers) == NUMBER_LEN, "describe every number");

const CorAlgoNumber *cor_algo_priv_processing_6_numbers(size_t *ret_len)
{
    *ret_len = COR_ARRAY_LEN(numbers);
    return numbers;
}

bool cor_algo_priv_processing_6_read(const json_t *json, CorProcessing6 *ret_params, CorError *err)
{
    double values[NUMBER_LEN];
    CorAlgoSide side = COR_ALGO_SIDE_ANY;

    if (!cor_algo_priv_read_numbers(json, numbers, NUMBER_LEN, values, err) ||
        !cor_algo_priv_read_side(json, COR_ALGO_SIDE_ANY, &side, err)) {
        return false;
    }
    if ((size_t) values[MEDIAN_SIZE] % 2 == 0) {
        return cor_fail(err, COR_ERR_INVALID, "parameter median_size_px must be odd");
    }
    *ret_params = (CorProcessing6){
        .median_size_px = (size_t) values[MEDIAN_SIZE],
        .threshold_hu = values[THRESHOLD],
        .closing_radius_px = (int) values[CLOSING_RADIUS],
        .closing_iterations = (int) values[CLOSING_ITERATIONS],
        .cross_opening_iterations = (int) values[CROSS_OPENING_ITERATIONS],
        .cross_closing_iterations = (int) values[CROSS_CLOSING_ITERATIONS],
        .choice =
            {
                .area_min_px = (uint64_t) values[AREA_MIN],
                .centroid_x_max = values[CENTROID_X_MAX],
                .centroid_y_max = values[CENTROID_Y_MAX],
                .side = side,
            },
    };
    return true;
}

static void threshold(const CorProcessing6 *params, const CorPlane *plane, uint8_t *bytes)
{
    for (size_t y = 0; y < plane->height_px; y++) {
        const void *row = cor_plane_row(plane, y);
        uint8_t *to = bytes + y * plane->width_px;

        if (plane->type == COR_PIXEL_S16) {
            cor_kernel_above_s16(row, plane->width_px, params->threshold_hu, to);
        } else {
            cor_kernel_above_f64(row, plane->width_px, params->threshold_hu, to);
        }
    }
}

/* From bits[0] to bits[0], by way of bits[1]. */
static void close_by_disk(const CorProcessing6 *params, CorAlgoWorkspace *workspace)
{
    CorBits *from = &workspace->bits[0];
    CorBits *to = &workspace->bits[1];

    for (int i = 0; i < 2 * params->closing_iterations; i++) {
        CorBits *swap = from;

        if (i < params->closing_iterations) {
            cor_kernel_dilate_disk(from, params->closing_radius_px, to, workspace->morphology);
        } else {
            cor_kernel_erode_disk(from, params->closing_radius_px, false, to,
                                  workspace->morphology);
        }
        from = to;
        to = swap;
    }
}

bool cor_algo_priv_processing_6_find(const void *context, const CorPlane *plane,
                                     CorAlgoWorkspace *workspace, const CorAlgoTrace *trace,
                                     CorAlgoOutcome *ret_outcome, CorError *err)
{
    const CorProcessing6 *params = context;
    CorBits *a = &workspace->bits[0];
    CorBits *b = &workspace->bits[1];
    size_t scratch_size = cor_kernel_majority_scratch_size(plane->width_px, plane->height_px);

    if (!cor_algo_priv_workspace_prepare(workspace, plane, scratch_size, err)) {
        return false;
    }
    threshold(params, plane, workspace->bytes[0]);
    cor_kernel_majority(workspace->bytes[0], params->median_size_px, a, workspace->scratch);
    cor_algo_priv_trace_bits(trace, "median_gt", a);

    close_by_disk(params, workspace);
    cor_algo_priv_trace_bits(trace, "closed", a);
    if (!cor_algo_priv_fill_holes(workspace, a, err)) {
        return false;
    }
    cor_algo_priv_trace_bits(trace, "filled", a);
    cor_kernel_erode_diamond(a, params->cross_opening_iterations, b, workspace->morphology);
    cor_kernel_dilate_diamond(b, params->cross_opening_iterations, a, workspace->morphology);
    cor_algo_priv_trace_bits(trace, "opened", a);
    cor_kernel_dilate_diamond(a, params->cross_closing_iterations, b, workspace->morphology);
    cor_kernel_erode_diamond(b, params->cross_closing_iterations, a, workspace->morphology);
    cor_algo_priv_trace_bits(trace, "closed2", a);
    if (!cor_algo_priv_fill_holes(workspace, a, err)) {
        return false;
    }
    cor_algo_priv_trace_bits(trace, "filled2", a);
    return cor_algo_priv_choose(workspace, a, &params->choice, trace, ret_outcome, err);
}

static bool run(const CorAlgoJob *job, CorError *err)
{
    CorProcessing6 params;

    return cor_algo_priv_processing_6_read(job->params, &params, err) &&
           cor_algo_priv_run(job, cor_algo_priv_processing_6_find, &params, err);
}

static bool check(const json_t *json, CorError *err)
{
    CorProcessing6 params;

    return cor_algo_priv_processing_6_read(json, &params, err);
}

static const char *const defaults[] = {"overlay", NULL};

const CorAlgorithm cor_algo_priv_processing_6 = {
    .id = "processing_6",
    .version = "1.0.0",
    .title = "Liver by median and threshold",
    .description = "Keeps what has a median above a threshold in HU, closes and opens the mask by "
                   "disks and crosses, and takes the largest component that is large enough and "
                   "lies where the liver is expected. Gives the same pixels as the reference "
                   "implementation.",
    .params_schema = cor_algo_priv_schema_processing_6,
    .scopes = COR_SCOPE_IMAGE | COR_SCOPE_SERIES,
    .outputs = cor_algo_priv_all_outputs,
    .defaults = defaults,
    .family = {"123104", "DCM", "Morphological Operations"},
    .labels = cor_algo_priv_liver_labels,
    .label_len = COR_ALGO_PRIV_LIVER_LABEL_LEN,
    .check = check,
    .run = run,
};
