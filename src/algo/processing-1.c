/* SPDX-License-Identifier: Apache-2.0 */
/* Liver by window and threshold, as the reference's processing_1 does it.
 *
 *     window to bytes -> Gaussian -> threshold -> close by a disk -> fill holes -> open by a disk
 *     -> fill small background components -> label -> choose
 *
 * The closing counts the outside as not set, also while it erodes, which leaves a frame of zeros as
 * wide as the radius; the opening counts it as set.  Both are the reference's choice and kept
 * (docs/algorithms/processing_1.md).
 */
#include "algo/algo-priv.h"
#include "base/array.h"

enum {
    HU_MIN,
    HU_MAX,
    SIGMA,
    THRESHOLD,
    CLOSING_RADIUS,
    OPENING_RADIUS,
    SMALL_HOLE,
    AREA_MIN,
    CENTROID_X_MAX,
    CENTROID_Y_MAX,
    NUMBER_LEN
};

static const CorAlgoNumber numbers[] = {
    [HU_MIN] = {"hu_min", 30, -1024, 3071, true},
    [HU_MAX] = {"hu_max", 150, -1024, 3071, true},
    [SIGMA] = {"sigma", 1.5, 0, COR_GAUSS_SIGMA_MAX, false},
    [THRESHOLD] = {"threshold", 110, 0, 254, true},
    [CLOSING_RADIUS] = {"closing_radius_px", 7, 0, 50, true},
    [OPENING_RADIUS] = {"opening_radius_px", 9, 0, 50, true},
    [SMALL_HOLE] = {"small_hole_px", 5000, 0, 67108864, true},
    [AREA_MIN] = {"area_min_px", 20000, 1, 67108864, true},
    [CENTROID_X_MAX] = {"centroid_x_max", 0.55, 0, 1, false},
    [CENTROID_Y_MAX] = {"centroid_y_max", 0.70, 0, 1, false},
};
_Static_assert(COR_ARRAY_LEN(numbers) == NUMBER_LEN, "describe every number");

const CorAlgoNumber *cor_algo_priv_processing_1_numbers(size_t *ret_len)
{
    *ret_len = COR_ARRAY_LEN(numbers);
    return numbers;
}

bool cor_algo_priv_processing_1_read(const json_t *json, CorProcessing1 *ret_params, CorError *err)
{
    double values[NUMBER_LEN];
    CorAlgoSide side = COR_ALGO_SIDE_LEFT;

    if (!cor_algo_priv_read_numbers(json, numbers, NUMBER_LEN, values, err) ||
        !cor_algo_priv_read_side(json, COR_ALGO_SIDE_LEFT, &side, err)) {
        return false;
    }
    if (!(values[HU_MIN] < values[HU_MAX])) {
        return cor_fail(err, COR_ERR_INVALID, "parameter hu_min must be below hu_max");
    }
    ret_params->hu_min = (int) values[HU_MIN];
    ret_params->hu_max = (int) values[HU_MAX];
    ret_params->threshold = (uint8_t) values[THRESHOLD];
    ret_params->closing_radius_px = (int) values[CLOSING_RADIUS];
    ret_params->opening_radius_px = (int) values[OPENING_RADIUS];
    ret_params->small_hole_px = (size_t) values[SMALL_HOLE];
    ret_params->choice = (CorAlgoChoice){
        .area_min_px = (uint64_t) values[AREA_MIN],
        .centroid_x_max = values[CENTROID_X_MAX],
        .centroid_y_max = values[CENTROID_Y_MAX],
        .side = side,
    };
    cor_kernel_gauss_init(&ret_params->gauss, values[SIGMA]);
    cor_kernel_clip_init(&ret_params->clip, ret_params->hu_min, ret_params->hu_max);
    return true;
}

static void window(const CorProcessing1 *params, const CorPlane *plane, uint8_t *bytes)
{
    for (size_t y = 0; y < plane->height_px; y++) {
        const void *row = cor_plane_row(plane, y);
        uint8_t *to = bytes + y * plane->width_px;

        if (plane->type == COR_PIXEL_S16) {
            cor_kernel_clip_s16(&params->clip, row, plane->width_px, to);
        } else {
            cor_kernel_clip_f64(&params->clip, row, plane->width_px, to);
        }
    }
}

bool cor_algo_priv_processing_1_find(const void *context, const CorPlane *plane,
                                     CorAlgoWorkspace *workspace, const CorAlgoTrace *trace,
                                     CorAlgoOutcome *ret_outcome, CorError *err)
{
    const CorProcessing1 *params = context;
    CorBits *a = &workspace->bits[0];
    CorBits *b = &workspace->bits[1];
    size_t scratch_len = cor_kernel_gauss_scratch_len(&params->gauss, plane->width_px);

    if (!cor_algo_priv_workspace_prepare(workspace, plane, scratch_len * sizeof(float), err)) {
        return false;
    }
    window(params, plane, workspace->bytes[0]);
    cor_algo_priv_trace_bytes(trace, "win8", workspace->bytes[0]);
    if (trace && trace->bytes) { /* nobody else needs the plane */
        cor_kernel_gauss_u8(&params->gauss, workspace->bytes[0], plane->width_px, plane->height_px,
                            workspace->bytes[1], workspace->scratch);
        cor_algo_priv_trace_bytes(trace, "gauss", workspace->bytes[1]);
    }
    cor_kernel_gauss_above(&params->gauss, workspace->bytes[0], params->threshold,
                           workspace->bytes[1], a, workspace->scratch);
    cor_algo_priv_trace_bits(trace, "thresh", a);

    cor_kernel_dilate_disk(a, params->closing_radius_px, b, workspace->morphology);
    cor_kernel_erode_disk(b, params->closing_radius_px, false, a, workspace->morphology);
    cor_algo_priv_trace_bits(trace, "closed", a);
    if (!cor_algo_priv_fill_holes(workspace, a, err)) {
        return false;
    }
    cor_algo_priv_trace_bits(trace, "filled", a);
    cor_kernel_erode_disk(a, params->opening_radius_px, true, b, workspace->morphology);
    cor_kernel_dilate_disk(b, params->opening_radius_px, a, workspace->morphology);
    cor_algo_priv_trace_bits(trace, "opened", a);
    if (!cor_algo_priv_fill_small(workspace, params->small_hole_px, a, err)) {
        return false;
    }
    cor_algo_priv_trace_bits(trace, "noholes", a);
    return cor_algo_priv_choose(workspace, a, &params->choice, trace, ret_outcome, err);
}

static bool run(const CorAlgoJob *job, CorError *err)
{
    COR_CLEANUP(cor_freep) CorProcessing1 *params = cor_new(CorProcessing1);

    if (!params) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for parameters");
    }
    return cor_algo_priv_processing_1_read(job->params, params, err) &&
           cor_algo_priv_run(job, cor_algo_priv_processing_1_find, params, err);
}

static bool check(const json_t *json, CorError *err)
{
    CorProcessing1 params;

    return cor_algo_priv_processing_1_read(json, &params, err);
}

static const char *const defaults[] = {"overlay", NULL};

const CorAlgorithm cor_algo_priv_processing_1 = {
    .id = "processing_1",
    .version = "1.0.0",
    .title = "Liver by window and threshold",
    .description = "Smooths the slice within a window of HU, keeps what is brighter than a "
                   "threshold, closes and opens the mask by disks, and takes the largest component "
                   "that is large enough and lies where the liver is expected. Gives the same "
                   "pixels as the reference implementation.",
    .params_schema = cor_algo_priv_schema_processing_1,
    .scopes = COR_SCOPE_IMAGE | COR_SCOPE_SERIES,
    .outputs = cor_algo_priv_all_outputs,
    .defaults = defaults,
    .family = {"123104", "DCM", "Morphological Operations"},
    .labels = cor_algo_priv_liver_labels,
    .label_len = COR_ALGO_PRIV_LIVER_LABEL_LEN,
    .check = check,
    .run = run,
};
