/* SPDX-License-Identifier: Apache-2.0 */
/* liver: found on a grid of 2 mm (liver-find.c), drawn on the slices here. */
#include <math.h>
#include <string.h>

#include "algo/algo-liver.h"
#include "base/array.h"

enum { VOLUME_MIN, AREA_MIN, TOLERANCE, SMOOTHING, BRIDGE, NUMBER_LEN };

enum { SLICES_MIN = 3 };

static const double edge_mm = 3; /* how far the edge may lie beside the region */
static const double edge_smoothing_mm = 1.5;

static const CorAlgoNumber numbers[] = {
    [VOLUME_MIN] = {"volume_min_ml", 100, 1, 5000, false},
    [AREA_MIN] = {"area_min_mm2", 100, 0, 100000, false},
    [TOLERANCE] = {"tolerance_hu", 15, 5, 60, false},
    [SMOOTHING] = {"smoothing_mm", 2.5, 1, 6, false},
    [BRIDGE] = {"bridge_mm", 5, 2, 12, false},
};
_Static_assert(COR_ARRAY_LEN(numbers) == NUMBER_LEN, "describe every number");

static const char *const side_names[] = {
    [COR_LIVER_SIDE_AUTO] = "auto",
    [COR_LIVER_SIDE_RIGHT] = "right",
    [COR_LIVER_SIDE_LEFT] = "left",
};
_Static_assert(COR_ARRAY_LEN(side_names) == COR_LIVER_SIDE_COUNT_, "name every side");

const CorAlgoNumber *cor_algo_priv_liver_numbers(size_t *ret_len)
{
    *ret_len = COR_ARRAY_LEN(numbers);
    return numbers;
}

static bool read_params(const json_t *json, CorLiver *ret_params, CorError *err)
{
    double values[NUMBER_LEN];
    const char *side = cor_json_string(json, "side", side_names[COR_LIVER_SIDE_AUTO]);

    if (!cor_algo_priv_read_numbers(json, numbers, NUMBER_LEN, values, err)) {
        return false;
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(side_names); i++) {
        if (strcmp(side, side_names[i]) == 0) {
            *ret_params = (CorLiver){
                .volume_min_ml = values[VOLUME_MIN],
                .area_min_mm2 = values[AREA_MIN],
                .tolerance_hu = values[TOLERANCE],
                .smoothing_mm = values[SMOOTHING],
                .bridge_mm = values[BRIDGE],
                .side = (CorLiverSide) i,
            };
            return true;
        }
    }
    return cor_fail(err, COR_ERR_INVALID, "parameter side must be auto, right or left");
}

static bool check(const json_t *json, CorError *err)
{
    CorLiver params;

    return read_params(json, &params, err);
}

typedef struct State {
    CorLiver params;
    CorLiverFind find;
} State;

static bool find(void *context, CorAlgoVolume *volume, const CorAlgoProgress *progress,
                 const char **ret_reason, CorError *err)
{
    State *state = context;

    if (!cor_algo_priv_liver_find(volume, &state->params, progress, &state->find, err)) {
        return false;
    }
    *ret_reason = state->find.reason;
    if (!state->find.reason) {
        cor_algo_priv_volume_dilate(volume, volume->masks[COR_LIVER_REGION], edge_mm, NULL,
                                    volume->masks[COR_LIVER_SPARE]);
    }
    return true;
}

/* Within the region a pixel is liver; next to it, if its neighbours are like the level there. */
static bool draw(void *context, CorAlgoDrawing *drawing, const CorAlgoSlice *slice, size_t index,
                 CorError *err)
{
    const State *state = context;
    const CorAlgoVolume *volume = drawing->volume;
    float tolerance = (float) (2 * state->params.tolerance_hu);
    double radius = edge_smoothing_mm / volume->spacing_mm[0] + 0.5;
    size_t radius_px = (size_t) COR_MIN(COR_MAX(radius, 1.0), 16.0);

    cor_algo_priv_drawing_share(drawing, volume->masks[COR_LIVER_REGION], index, drawing->inner);
    cor_algo_priv_drawing_share(drawing, volume->masks[COR_LIVER_SPARE], index, drawing->outer);
    for (size_t y = 0; y < volume->height_px; y++) {
        for (size_t x = 0; x < volume->width_px; x++) {
            size_t i = y * volume->width_px + x;

            if (drawing->inner[i] > 0.95F) {
                drawing->mask[i] = 1;
            } else if (drawing->outer[i] >= 0.5F) {
                float level = volume->floats[1][cor_algo_priv_drawing_voxel(drawing, x, y, index)];
                float mean = cor_algo_priv_drawing_mean(&slice->plane, x, y, radius_px);

                drawing->mask[i] = fabsf(mean - level) < tolerance;
            }
        }
    }
    return cor_algo_priv_drawing_drop(drawing, state->params.area_min_mm2, 0, err);
}

static json_t *describe(const void *context)
{
    const State *state = context;

    return json_pack("{s:f, s:f}", "mode_hu", state->find.mode_hu, "noise_hu",
                     state->find.noise_hu);
}

static const CorAlgoLabel labels[] = {
    {
        .number = 1,
        .id = "liver",
        .name = "Liver",
        .rgb = {221, 130, 101},
        .category = {"123037004", "SCT", "Anatomical Structure"},
        .type = {"10200004", "SCT", "Liver"},
    },
};

static const CorAlgoOrgan organ = {
    .algorithm = &cor_algo_priv_liver,
    .slices_min = SLICES_MIN,
    .find = find,
    .draw = draw,
    .describe = describe,
};

static bool run(const CorAlgoJob *job, CorError *err)
{
    State state = {0};

    return read_params(job->params, &state.params, err) &&
           cor_algo_priv_organ_run(job, &organ, &state, err);
}

const CorAlgorithm cor_algo_priv_liver = {
    .id = "liver",
    .version = "1.0.0",
    .title = "Liver",
    .description = "Finds the liver in a series of CT slices, whatever the contrast phase: the "
                   "level of the organ is read from the histogram, a region grows around it in "
                   "three dimensions and is cut off from its neighbours.",
    .params_schema = cor_algo_priv_schema_liver,
    .scopes = COR_SCOPE_SERIES,
    .outputs = cor_algo_priv_all_outputs,
    .family = {"123105", "DCM", "Histogram Analysis"},
    .labels = labels,
    .label_len = COR_ARRAY_LEN(labels),
    .is_volumetric = true,
    .comes_back = true,
    .check = check,
    .run = run,
};
