/* SPDX-License-Identifier: Apache-2.0 */
/* bone: what is dense within the body, with its marrow.
 *
 * On each slice pixels whose surroundings are above a threshold are taken together; a component is
 * bone if some of it is compact bone (the anchor) and if its values vary as those of bone do.  So
 * contrast medium in vessels, kidneys and heart is left out, which is dense and even.  What is
 * enclosed is marrow, but for the spinal canal.
 */
#include <math.h>
#include <string.h>

#include "algo/algo-volume.h"
#include "base/array.h"

enum { BODY, NEAR, SPARE };
enum { THRESHOLD, COMPACT, NUMBER_LEN };

static const double near_mm = 8;         /* how far spongy bone reaches from the dense grid */
static const int16_t dense_min = 230;    /* HU of the grid */
static const float calm_share = 0.8F;    /* of the threshold, for the mean of the surroundings */
static const double calm_pixel_mm = 1.2; /* larger pixels are calm by themselves */
static const double area_min_mm2 = 12;
static const double anchor_min_mm2 = 3;
static const double even_area_mm2 = 120; /* larger components have to vary */
static const double even_sd_hu = 75;
static const double even_mean_max_hu = 500;
static const double dim_max_hu = 210;
static const double dim_share = 0.5;
static const double anchor_share = 0.2;
static const double canal_min_mm2 = 90;
static const double canal_min_hu = -20;
static const double canal_max_hu = 75;
static const double marrow_max_mm2 = 6000;

static const CorAlgoNumber numbers[] = {
    [THRESHOLD] = {"threshold_hu", 150, 50, 1000, false},
    [COMPACT] = {"compact_hu", 300, 100, 2000, false},
};
_Static_assert(COR_ARRAY_LEN(numbers) == NUMBER_LEN, "describe every number");

const CorAlgoNumber *cor_algo_priv_bone_numbers(size_t *ret_len)
{
    *ret_len = COR_ARRAY_LEN(numbers);
    return numbers;
}

static bool read_params(const json_t *json, double values[NUMBER_LEN], CorError *err)
{
    if (!cor_algo_priv_read_numbers(json, numbers, NUMBER_LEN, values, err)) {
        return false;
    }
    return values[THRESHOLD] <= values[COMPACT] ||
           cor_fail(err, COR_ERR_INVALID, "parameter threshold_hu must not be above compact_hu");
}

static bool check(const json_t *json, CorError *err)
{
    double values[NUMBER_LEN];

    return read_params(json, values, err);
}

static bool find(void *context, CorAlgoVolume *volume, const CorAlgoProgress *progress,
                 const char **ret_reason, CorError *err)
{
    uint8_t *body = volume->masks[BODY];
    uint8_t *dense = volume->masks[SPARE];
    double center[3];
    (void) context;

    if (!cor_algo_priv_volume_body(volume, true, body, err)) {
        return false;
    }
    cor_algo_priv_volume_crop(volume, body);
    if (!cor_algo_priv_volume_center(&volume->grid, body, center)) {
        *ret_reason = "no_body";
    }
    for (size_t i = 0; i < cor_kernel_grid_len(&volume->grid); i++) {
        dense[i] = body[i] && volume->values[i] >= dense_min;
    }
    cor_algo_priv_volume_dilate(volume, dense, near_mm, body, volume->masks[NEAR]);
    return cor_algo_priv_volume_report(progress, 1, err);
}

/* Sums over the pixels of a component. */
typedef struct Part {
    double sum;
    double squares;
    uint32_t anchors; /* pixels of compact bone */
    uint32_t dim;     /* pixels below what spongy bone mostly is */
    bool at_border;
} Part;

static double part_mean(const Part *part, uint32_t count)
{
    return part->sum / count;
}

static double part_deviation(const Part *part, uint32_t count)
{
    double mean = part_mean(part, count);

    return sqrt(COR_MAX(part->squares / count - mean * mean, 0.0));
}

/* Sum up every component of the slice that is labelled. */
static Part *measure_parts(const CorAlgoDrawing *drawing, const CorPlane *plane, size_t labels)
{
    const CorGridRuns *runs = &drawing->volume->runs;
    Part *parts = cor_new_array(Part, labels);

    for (size_t y = 0; parts && y < plane->height_px; y++) {
        for (size_t i = runs->rows[y]; i < runs->rows[y + 1]; i++) {
            const CorGridRun *run = &runs->items[i];
            Part *part = &parts[run->label - 1];

            for (size_t x = run->begin; x < run->end; x++) {
                double value = cor_algo_priv_drawing_mean(plane, x, y, 0);
                part->sum += value;
                part->squares += value * value;
                part->dim += value < dim_max_hu;
                part->anchors += drawing->inner[y * plane->width_px + x] >= 0.5F;
            }
            part->at_border |= y == 0 || y + 1 == plane->height_px || run->begin == 0 ||
                               run->end == plane->width_px;
        }
    }
    return parts;
}

/* Whether a component is contrast medium: large and even, or mostly dim with little that is compact
 * (plaque in the wall of a vessel). */
static bool is_contrast(const Part *part, uint32_t count, double pixel_mm2)
{
    bool is_dim = part->anchors < anchor_share * count && part->dim > dim_share * count;

    bool is_even =
        part_deviation(part, count) < even_sd_hu && part_mean(part, count) < even_mean_max_hu;

    return count * pixel_mm2 >= even_area_mm2 && (is_dim || is_even);
}

static bool drop_contrast(CorAlgoDrawing *drawing, const CorPlane *plane, CorError *err)
{
    CorAlgoVolume *volume = drawing->volume;
    double pixel_mm2 = volume->spacing_mm[0] * volume->spacing_mm[1];
    size_t labels = 0;

    if (!cor_algo_priv_volume_label(volume, &drawing->slice, drawing->mask, &labels, err)) {
        return false;
    }
    COR_CLEANUP(cor_freep) Part *parts = measure_parts(drawing, plane, labels);
    COR_CLEANUP(cor_freep) uint8_t *is_kept = cor_new_array(uint8_t, labels);
    if (!parts || !is_kept) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for %zu parts of a slice", labels);
    }
    for (size_t i = 0; i < labels; i++) {
        is_kept[i] = !is_contrast(&parts[i], volume->counts[i], pixel_mm2);
    }
    cor_algo_priv_volume_keep(volume, &drawing->slice, is_kept, drawing->mask);
    return true;
}

/* Add what bone encloses: marrow, and not the spinal canal, which is water and large. */
static bool add_marrow(CorAlgoDrawing *drawing, const CorPlane *plane, CorError *err)
{
    CorAlgoVolume *volume = drawing->volume;
    size_t len = drawing->slice.width * drawing->slice.height;
    double pixel_mm2 = volume->spacing_mm[0] * volume->spacing_mm[1];
    uint8_t *outside = (uint8_t *) drawing->outer;
    size_t labels = 0;

    for (size_t i = 0; i < len; i++) {
        outside[i] = !drawing->mask[i];
    }
    if (!cor_algo_priv_volume_label(volume, &drawing->slice, outside, &labels, err)) {
        return false;
    }
    COR_CLEANUP(cor_freep) Part *parts = measure_parts(drawing, plane, labels);
    COR_CLEANUP(cor_freep) uint8_t *is_marrow = cor_new_array(uint8_t, labels);
    if (!parts || !is_marrow) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for %zu parts of a slice", labels);
    }
    for (size_t i = 0; i < labels; i++) {
        double area = volume->counts[i] * pixel_mm2;
        double mean = part_mean(&parts[i], volume->counts[i]);
        bool is_canal = area > canal_min_mm2 && mean > canal_min_hu && mean < canal_max_hu;

        is_marrow[i] = !parts[i].at_border && area < marrow_max_mm2 && !is_canal && mean > -200;
    }
    cor_algo_priv_volume_keep(volume, &drawing->slice, is_marrow, outside);
    for (size_t i = 0; i < len; i++) {
        drawing->mask[i] |= outside[i];
    }
    return true;
}

static bool draw(void *context, CorAlgoDrawing *drawing, const CorAlgoSlice *slice, size_t index,
                 CorError *err)
{
    const double *values = context;
    const CorAlgoVolume *volume = drawing->volume;
    float threshold = (float) values[THRESHOLD];
    float compact = (float) values[COMPACT];
    size_t radius_px = volume->spacing_mm[0] < calm_pixel_mm ? 1 : 0;

    cor_algo_priv_drawing_share(drawing, volume->masks[NEAR], index, drawing->outer);
    memset(drawing->inner, 0, volume->width_px * volume->height_px * sizeof(*drawing->inner));
    for (size_t y = 0; y < volume->height_px; y++) {
        for (size_t x = 0; x < volume->width_px; x++) {
            size_t i = y * volume->width_px + x;

            if (drawing->outer[i] >= 0.5F) {
                float value = cor_algo_priv_drawing_mean(&slice->plane, x, y, 0);
                float mean = cor_algo_priv_drawing_mean(&slice->plane, x, y, radius_px);

                drawing->mask[i] = value >= threshold && mean >= calm_share * threshold;
                drawing->inner[i] = mean >= compact ? 1 : 0;
            }
        }
    }
    return cor_algo_priv_drawing_drop(drawing, area_min_mm2, anchor_min_mm2, err) &&
           drop_contrast(drawing, &slice->plane, err) && add_marrow(drawing, &slice->plane, err);
}

static const CorAlgoLabel labels[] = {
    {
        .number = 1,
        .id = "bone",
        .name = "Bone",
        .rgb = {241, 214, 145},
        .category = {"123037004", "SCT", "Anatomical Structure"},
        .type = {"272673000", "SCT", "Bone"},
    },
};

static const CorAlgoOrgan organ = {
    .algorithm = &cor_algo_priv_bone,
    .slices_min = 2,
    .find = find,
    .draw = draw,
};

static bool run(const CorAlgoJob *job, CorError *err)
{
    double values[NUMBER_LEN];

    return read_params(job->params, values, err) &&
           cor_algo_priv_organ_run(job, &organ, values, err);
}

const CorAlgorithm cor_algo_priv_bone = {
    .id = "bone",
    .version = "1.0.0",
    .title = "Bone",
    .description = "Finds bone with its marrow in a series of CT slices; contrast medium and the "
                   "spinal canal are left out.",
    .params_schema = cor_algo_priv_schema_bone,
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
