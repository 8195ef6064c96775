/* SPDX-License-Identifier: Apache-2.0 */
/* The lungs on the grid.
 *
 *     body -> air within it -> without airways, without gas of the bowel -> left and right ->
 * closed
 *
 * Left and right are told by the patient's coordinates: the air is worn away until no part lies on
 * both sides of the body, and what was worn away goes to the part that it is reached from.
 */
#include <math.h>
#include <string.h>

#include "algo/algo-lungs.h"
#include "base/array.h"

enum { BODY, AIR, LABELS, SPARE };

static const int16_t air_max = -400; /* HU of the grid */
static const int16_t gas_max = -930; /* lungs are denser, but for emphysema */
static const double gas_share = 0.5;
static const double deep_mm = 4;
static const double emphysema_min_ml = 800;
static const double part_min_ml = 1;
static const double airway_area_min_mm2 = 30;
static const double airway_area_max_mm2 = 900;
static const double airway_side_max_mm = 40;
static const double airway_wall_mm = 3;
static const double purity_min = 0.8; /* of a part: share on its side */
static const double purity_part_ml = 10;
static const double worn_max_mm = 16;
static const double closing_mm = 6;
static const double edge_mm = 3;
static const double vessel_max_mm2 = 400;

/* Where the voxels of a component lie. */
typedef struct Part {
    double left_count; /* voxels on the left of the body's middle */
    double gas_count;  /* voxels of pure air */
    double deep_count; /* voxels that are farther than deep_mm from the edge of the air */
    double deep_gas_count;
    double side_mm; /* sum of millimetres to the left */
} Part;

/* Look at every component that is labelled; z is the first slice of the grid that was given. */
static Part *measure_parts(const CorLungs *lungs, const CorGrid *grid, size_t z, size_t labels)
{
    const CorAlgoVolume *volume = lungs->volume;
    const CorGridRuns *runs = &volume->runs;
    size_t slice = cor_kernel_grid_slice_len(grid);
    int16_t deep = cor_kernel_mm_squared(deep_mm);
    Part *parts = cor_new_array(Part, labels);

    for (size_t row = 0; parts && row < grid->height * grid->depth; row++) {
        const int16_t *values = volume->values + z * slice + row * grid->width;
        const int16_t *depths = volume->distances[0] + z * slice + row * grid->width;

        for (size_t i = runs->rows[row]; i < runs->rows[row + 1]; i++) {
            Part *part = &parts[runs->items[i].label - 1];

            for (size_t x = runs->items[i].begin; x < runs->items[i].end; x++) {
                double side_mm =
                    cor_algo_priv_lungs_left(lungs, x, row % grid->height, z + row / grid->height);
                part->left_count += side_mm > 0;
                part->side_mm += side_mm;
                part->gas_count += values[x] < gas_max;
                part->deep_count += depths[x] > deep;
                part->deep_gas_count += depths[x] > deep && values[x] < gas_max;
            }
        }
    }
    return parts;
}

double cor_algo_priv_lungs_left(const CorLungs *lungs, size_t x, size_t y, size_t z)
{
    const CorAlgoVolume *volume = lungs->volume;
    const double voxel[3] = {(double) x, (double) y, (double) z};
    double sum = 0;

    for (size_t i = 0; i < 3; i++) {
        sum += (voxel[i] - lungs->center[i]) * volume->grid.spacing_mm[i] * volume->left[i];
    }
    return sum;
}

/* Take airways off the air of each slice: small, near the middle, and full of pure air. */
static bool drop_airways(CorLungs *lungs, CorError *err)
{
    CorAlgoVolume *volume = lungs->volume;
    CorGrid slice = volume->grid;
    size_t len = cor_kernel_grid_slice_len(&slice);
    double voxel_mm2 = slice.spacing_mm[0] * slice.spacing_mm[1];
    uint8_t *airways = volume->masks[SPARE];

    slice.depth = 1;
    memcpy(airways, volume->masks[AIR], len * volume->grid.depth);
    for (size_t z = 0; z < volume->grid.depth; z++) {
        size_t labels = 0;

        if (!cor_algo_priv_volume_label(volume, &slice, airways + z * len, &labels, err)) {
            return false;
        }
        COR_CLEANUP(cor_freep) Part *parts = measure_parts(lungs, &slice, z, labels);
        COR_CLEANUP(cor_freep) uint8_t *is_airway = cor_new_array(uint8_t, labels);
        if (!parts || !is_airway) {
            return cor_fail(err, COR_ERR_NOMEM, "no memory for %zu parts of a slice", labels);
        }
        for (size_t i = 0; i < labels; i++) {
            double area = volume->counts[i] * voxel_mm2;

            is_airway[i] = area > airway_area_min_mm2 && area < airway_area_max_mm2 &&
                           fabs(parts[i].side_mm) < airway_side_max_mm * volume->counts[i] &&
                           parts[i].gas_count > 0.3 * volume->counts[i];
        }
        cor_algo_priv_volume_keep(volume, &slice, is_airway, airways + z * len);
    }
    cor_algo_priv_volume_dilate(volume, airways, airway_wall_mm, NULL, airways);
    for (size_t i = 0; i < len * volume->grid.depth; i++) {
        volume->masks[AIR][i] &= !airways[i];
    }
    return true;
}

/* Take gas of the bowel and crumbs off the air. */
static bool drop_gas(CorLungs *lungs, CorError *err)
{
    CorAlgoVolume *volume = lungs->volume;

    cor_kernel_volume_distance(&volume->grid, volume->masks[AIR], false, deep_mm + 1,
                               volume->distances[0], volume->distances[1]);
    double voxel_ml = cor_algo_priv_volume_voxel_ml(volume);
    size_t labels = 0;

    if (!cor_algo_priv_volume_label(volume, &volume->grid, volume->masks[AIR], &labels, err)) {
        return false;
    }
    COR_CLEANUP(cor_freep) Part *parts = measure_parts(lungs, &volume->grid, 0, labels);
    COR_CLEANUP(cor_freep) uint8_t *is_lung = cor_new_array(uint8_t, labels);
    if (!parts || !is_lung) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for %zu parts of a volume", labels);
    }
    for (size_t i = 0; i < labels; i++) {
        double ml = volume->counts[i] * voxel_ml;

        is_lung[i] =
            ml >= part_min_ml && (ml >= emphysema_min_ml ||
                                  (parts[i].gas_count < gas_share * volume->counts[i] &&
                                   parts[i].deep_gas_count <= gas_share * parts[i].deep_count));
    }
    cor_algo_priv_volume_keep(volume, &volume->grid, is_lung, volume->masks[AIR]);
    return true;
}

/* Make seeds of the parts of the air that are farther than a distance from its edge: 1 left, 2
 * right.  False in *ret_is_pure if a part lies on both sides. */
static bool make_seeds(CorLungs *lungs, double worn_mm, bool *ret_is_pure, CorError *err)
{
    CorAlgoVolume *volume = lungs->volume;
    size_t len = cor_kernel_grid_len(&volume->grid);
    int16_t worn = worn_mm > 0 ? cor_kernel_mm_squared(worn_mm) : 0;
    double voxel_ml = cor_algo_priv_volume_voxel_ml(volume);
    uint8_t *seeds = volume->masks[LABELS];
    size_t labels = 0;

    for (size_t i = 0; i < len; i++) {
        seeds[i] = volume->masks[AIR][i] && volume->distances[0][i] > worn;
    }
    if (!cor_algo_priv_volume_label(volume, &volume->grid, seeds, &labels, err)) {
        return false;
    }
    COR_CLEANUP(cor_freep) Part *parts = measure_parts(lungs, &volume->grid, 0, labels);
    COR_CLEANUP(cor_freep) uint8_t *sides = cor_new_array(uint8_t, labels);
    if (!parts || !sides) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for %zu parts of a volume", labels);
    }
    *ret_is_pure = true;
    for (size_t i = 0; i < labels; i++) {
        double left = parts[i].left_count / volume->counts[i];

        sides[i] = left > 0.5 ? 1 : 2;
        if (volume->counts[i] * voxel_ml >= purity_part_ml && left < purity_min &&
            left > 1 - purity_min) {
            *ret_is_pure = false;
        }
    }
    cor_algo_priv_volume_keep(volume, &volume->grid, sides, seeds);
    return true;
}

static bool split_sides(CorLungs *lungs, CorError *err)
{
    CorAlgoVolume *volume = lungs->volume;
    size_t len = cor_kernel_grid_len(&volume->grid);
    uint8_t *labels = volume->masks[LABELS];
    bool is_pure = false;

    cor_kernel_volume_distance(&volume->grid, volume->masks[AIR], false, worn_max_mm + 2,
                               volume->distances[0], volume->distances[1]);
    for (double worn_mm = 0; worn_mm <= worn_max_mm && !is_pure; worn_mm += 2) {
        if (!make_seeds(lungs, worn_mm, &is_pure, err)) {
            return false;
        }
    }
    cor_kernel_volume_share(&volume->grid, volume->masks[AIR], volume->distances[0], labels,
                            (uint32_t *) volume->floats[0]);
    for (size_t i = 0; i < len; i++) {
        size_t x = i % volume->grid.width;
        size_t y = i / volume->grid.width % volume->grid.height;
        size_t z = i / cor_kernel_grid_slice_len(&volume->grid);

        if (volume->masks[AIR][i] && !labels[i]) { /* a crumb that was worn away as a whole */
            labels[i] = cor_algo_priv_lungs_left(lungs, x, y, z) > 0 ? 1 : 2;
        }
    }
    return true;
}

/* Close one lung over its vessels, and let it reach a little over its edge.  In the end
 * masks[CLOSED] holds both lungs and masks[LABELS] whose the surroundings are. */
static bool close_lung(CorLungs *lungs, uint8_t side, const uint8_t *labels, CorError *err)
{
    CorAlgoVolume *volume = lungs->volume;
    size_t len = cor_kernel_grid_len(&volume->grid);
    uint8_t *lung = volume->masks[BODY];
    uint8_t *scratch = (uint8_t *) volume->floats[0];
    uint8_t *airways = volume->masks[SPARE];
    uint8_t *closed = (uint8_t *) volume->floats[2];
    uint8_t *near = (uint8_t *) volume->floats[3];

    for (size_t i = 0; i < len; i++) {
        lung[i] = labels[i] == side;
    }
    cor_algo_priv_volume_dilate(volume, lung, closing_mm, NULL, scratch);
    cor_algo_priv_volume_erode(volume, scratch, closing_mm, scratch);
    for (size_t i = 0; i < len; i++) {
        lung[i] |= scratch[i] && !airways[i] && (labels[i] == 0 || labels[i] == side);
    }
    if (!cor_algo_priv_volume_fill(volume, vessel_max_mm2, lung, scratch, err)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        lung[i] = lung[i] && !airways[i] && !closed[i];
    }
    cor_algo_priv_volume_dilate(volume, lung, edge_mm, NULL, scratch);
    for (size_t i = 0; i < len; i++) {
        bool is_free = scratch[i] && !airways[i] && (near[i] == 0 || lung[i]);

        near[i] = is_free && (labels[i] == 0 || labels[i] == side) ? side : near[i];
        closed[i] |= lung[i];
    }
    return true;
}

static bool close_lungs(CorLungs *lungs, CorError *err)
{
    CorAlgoVolume *volume = lungs->volume;
    size_t len = cor_kernel_grid_len(&volume->grid);

    memset(volume->floats[2], 0, len);
    memset(volume->floats[3], 0, len);
    if (!close_lung(lungs, 1, volume->masks[LABELS], err) ||
        !close_lung(lungs, 2, volume->masks[LABELS], err)) {
        return false;
    }
    memcpy(volume->masks[COR_LUNGS_CLOSED], volume->floats[2], len);
    memcpy(volume->masks[COR_LUNGS_SIDES], volume->floats[3], len);
    for (size_t i = 0; i < len; i++) {
        volume->masks[COR_LUNGS_NEAR][i] = volume->masks[COR_LUNGS_SIDES][i] != 0;
    }
    return true;
}

bool cor_algo_priv_lungs_find(CorLungs *lungs, const CorAlgoProgress *progress,
                              const char **ret_reason, CorError *err)
{
    CorAlgoVolume *volume = lungs->volume;
    uint8_t *body = volume->masks[BODY];
    size_t count = 0;

    if (!cor_algo_priv_volume_body(volume, false, body, err)) {
        return false;
    }
    cor_algo_priv_volume_crop(volume, body);
    if (!cor_algo_priv_volume_center(&volume->grid, body, lungs->center)) {
        *ret_reason = "no_body";
        return true;
    }
    size_t len = cor_kernel_grid_len(&volume->grid);
    for (size_t i = 0; i < len; i++) {
        volume->masks[AIR][i] = body[i] && volume->values[i] < air_max;
    }
    if (!cor_algo_priv_volume_report(progress, 0.3, err) || !drop_airways(lungs, err) ||
        !cor_algo_priv_volume_report(progress, 0.45, err) || !drop_gas(lungs, err) ||
        !cor_algo_priv_volume_report(progress, 0.6, err) || !split_sides(lungs, err) ||
        !cor_algo_priv_volume_report(progress, 0.8, err)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        count += volume->masks[AIR][i];
    }
    if ((double) count * cor_algo_priv_volume_voxel_ml(volume) < lungs->volume_min_ml) {
        *ret_reason = "too_small";
        return true;
    }
    return close_lungs(lungs, err) && cor_algo_priv_volume_report(progress, 1, err);
}
