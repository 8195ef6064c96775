/* SPDX-License-Identifier: Apache-2.0 */
/* body: everything within the skin, without table and air around. */
#include "algo/algo-volume.h"
#include "base/array.h"

enum { BODY, OUTER, INNER };
enum { THRESHOLD, NUMBER_LEN };

static const double area_min_mm2 = 100;
static const double skin_mm = 4; /* how far from the grid's edge the skin is looked for */

static const CorAlgoNumber numbers[] = {
    [THRESHOLD] = {"threshold_hu", -300, -900, 0, false},
};
_Static_assert(COR_ARRAY_LEN(numbers) == NUMBER_LEN, "describe every number");

const CorAlgoNumber *cor_algo_priv_body_numbers(size_t *ret_len)
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
    uint8_t *body = volume->masks[BODY];
    double center[3];
    (void) context;

    if (!cor_algo_priv_volume_body(volume, true, body, err)) {
        return false;
    }
    cor_algo_priv_volume_crop(volume, body);
    if (!cor_algo_priv_volume_center(&volume->grid, body, center)) {
        *ret_reason = "no_body";
    }
    cor_algo_priv_volume_dilate(volume, body, skin_mm, NULL, volume->masks[OUTER]);
    cor_algo_priv_volume_erode(volume, body, skin_mm, volume->masks[INNER]);
    return cor_algo_priv_volume_report(progress, 1, err);
}

static bool draw(void *context, CorAlgoDrawing *drawing, const CorAlgoSlice *slice, size_t index,
                 CorError *err)
{
    const double *values = context;
    const CorAlgoVolume *volume = drawing->volume;
    float threshold = (float) values[THRESHOLD];

    cor_algo_priv_drawing_share(drawing, volume->masks[INNER], index, drawing->inner);
    cor_algo_priv_drawing_share(drawing, volume->masks[OUTER], index, drawing->outer);
    for (size_t y = 0; y < volume->height_px; y++) {
        for (size_t x = 0; x < volume->width_px; x++) {
            size_t i = y * volume->width_px + x;

            drawing->mask[i] = drawing->inner[i] >= 0.5F ||
                               (drawing->outer[i] >= 0.5F &&
                                cor_algo_priv_drawing_mean(&slice->plane, x, y, 0) > threshold);
        }
    }
    return cor_algo_priv_drawing_drop(drawing, area_min_mm2, 1, err);
}

static const CorAlgoLabel labels[] = {
    {
        .number = 1,
        .id = "body",
        .name = "Body",
        .rgb = {177, 122, 101},
        .category = {"123037004", "SCT", "Anatomical Structure"},
        .type = {"38266002", "SCT", "Entire Body"},
    },
};

static const CorAlgoOrgan organ = {
    .algorithm = &cor_algo_priv_body,
    .slices_min = 2,
    .find = find,
    .draw = draw,
};

static bool run(const CorAlgoJob *job, CorError *err)
{
    double values[NUMBER_LEN];

    return cor_algo_priv_read_numbers(job->params, numbers, NUMBER_LEN, values, err) &&
           cor_algo_priv_organ_run(job, &organ, values, err);
}

const CorAlgorithm cor_algo_priv_body = {
    .id = "body",
    .version = "1.0.0",
    .title = "Body",
    .description = "Finds everything within the skin in a series of CT slices: trunk, head and "
                   "limbs, without the table and the air around them.",
    .params_schema = cor_algo_priv_schema_body,
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
