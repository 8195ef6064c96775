/* SPDX-License-Identifier: Apache-2.0 */
/* lungs: left and right, found on a grid of 2 mm (lungs-find.c), drawn on the slices here. */
#include "algo/algo-lungs.h"
#include "base/array.h"

enum { THRESHOLD, VOLUME_MIN, NUMBER_LEN };

static const CorAlgoNumber numbers[] = {
    [THRESHOLD] = {"threshold_hu", -400, -900, -100, false},
    [VOLUME_MIN] = {"volume_min_ml", 50, 1, 5000, false},
};
_Static_assert(COR_ARRAY_LEN(numbers) == NUMBER_LEN, "describe every number");

const CorAlgoNumber *cor_algo_priv_lungs_numbers(size_t *ret_len)
{
    *ret_len = COR_ARRAY_LEN(numbers);
    return numbers;
}

static bool check(const json_t *json, CorError *err)
{
    double values[NUMBER_LEN];

    return cor_algo_priv_read_numbers(json, numbers, NUMBER_LEN, values, err);
}

static bool find(void *context, CorAlgoVolume *volume, const CorAlgoProgress *progress,
                 const char **ret_reason, CorError *err)
{
    CorLungs *lungs = context;

    lungs->volume = volume;
    return cor_algo_priv_lungs_find(lungs, progress, ret_reason, err);
}

/* Within the closed lungs every pixel is lung; at their edge, if it is dark enough. */
static bool draw(void *context, CorAlgoDrawing *drawing, const CorAlgoSlice *slice, size_t index,
                 CorError *err)
{
    const CorLungs *lungs = context;
    const CorAlgoVolume *volume = drawing->volume;
    const uint8_t *sides = volume->masks[COR_LUNGS_SIDES];
    float threshold = (float) lungs->threshold_hu;
    (void) err;

    cor_algo_priv_drawing_share(drawing, volume->masks[COR_LUNGS_CLOSED], index, drawing->inner);
    cor_algo_priv_drawing_share(drawing, volume->masks[COR_LUNGS_NEAR], index, drawing->outer);
    for (size_t y = 0; y < volume->height_px; y++) {
        for (size_t x = 0; x < volume->width_px; x++) {
            size_t i = y * volume->width_px + x;

            if (drawing->inner[i] > 0.95F ||
                (drawing->outer[i] >= 0.5F &&
                 cor_algo_priv_drawing_mean(&slice->plane, x, y, 0) < threshold)) {
                drawing->mask[i] = sides[cor_algo_priv_drawing_voxel(drawing, x, y, index)];
            }
        }
    }
    return true;
}

static const CorAlgoLabel labels[] = {
    {
        .number = 1,
        .id = "lung_left",
        .name = "Left lung",
        .rgb = {197, 165, 145},
        .category = {"123037004", "SCT", "Anatomical Structure"},
        .type = {"39607008", "SCT", "Lung"},
        .side = {"7771000", "SCT", "Left"},
    },
    {
        .number = 2,
        .id = "lung_right",
        .name = "Right lung",
        .rgb = {172, 138, 115},
        .category = {"123037004", "SCT", "Anatomical Structure"},
        .type = {"39607008", "SCT", "Lung"},
        .side = {"24028007", "SCT", "Right"},
    },
};

static const CorAlgoOrgan organ = {
    .algorithm = &cor_algo_priv_lungs,
    .slices_min = 2,
    .find = find,
    .draw = draw,
};

static bool run(const CorAlgoJob *job, CorError *err)
{
    double values[NUMBER_LEN];

    if (!cor_algo_priv_read_numbers(job->params, numbers, NUMBER_LEN, values, err)) {
        return false;
    }
    CorLungs lungs = {.threshold_hu = values[THRESHOLD], .volume_min_ml = values[VOLUME_MIN]};
    return cor_algo_priv_organ_run(job, &organ, &lungs, err);
}

const CorAlgorithm cor_algo_priv_lungs = {
    .id = "lungs",
    .version = "1.0.0",
    .title = "Lungs",
    .description = "Finds the left and the right lung in a series of CT slices, without the "
                   "airways, with the vessels within.",
    .params_schema = cor_algo_priv_schema_lungs,
    .scopes = COR_SCOPE_SERIES,
    .outputs = cor_algo_priv_all_outputs,
    .family = {"123104", "DCM", "Morphological Operations"},
    .labels = labels,
    .label_len = COR_ARRAY_LEN(labels),
    .is_volumetric = true,
    .comes_back = true,
    .check = check,
    .run = run,
};
