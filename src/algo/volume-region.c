/* SPDX-License-Identifier: Apache-2.0 */
/* Masks of a volume: components, holes, balls, and the body. */
#include <string.h>

#include "algo/algo-volume.h"
#include "base/array.h"

static const int16_t air_max = -300;     /* HU of the grid: what is above is no air */
static const double table_radius_mm = 4; /* what is thinner than twice that is no body */
static const double body_min_ml = 20;
static const int16_t soft_min = -200; /* fat to muscle and contrast: the most of a body */
static const int16_t soft_max = 250;

static bool reserve(size_t *capacity, size_t len, size_t item_size, void **items, CorError *err)
{
    if (len <= *capacity) {
        return true;
    }
    free(*items);
    *items = calloc(len, item_size);
    *capacity = *items ? len : 0;
    return *items || cor_fail(err, COR_ERR_NOMEM, "no memory for %zu parts of a volume", len);
}

bool cor_algo_priv_volume_label(CorAlgoVolume *volume, const CorGrid *grid, const uint8_t *mask,
                                size_t *ret_labels, CorError *err)
{
    CorGridRuns *runs = &volume->runs;
    size_t rows = grid->height * grid->depth;

    if (!reserve(&volume->rows_capacity, rows + 1, sizeof(*runs->rows), (void **) &runs->rows,
                 err) ||
        !reserve(&volume->runs_capacity, cor_kernel_volume_runs_count(grid, mask),
                 sizeof(*runs->items), (void **) &runs->items, err)) {
        return false;
    }
    size_t labels = cor_kernel_volume_label(grid, mask, runs);
    if (!reserve(&volume->counts_capacity, labels, sizeof(*volume->counts),
                 (void **) &volume->counts, err)) {
        return false;
    }
    if (labels > 0) {
        memset(volume->counts, 0, labels * sizeof(*volume->counts));
    }
    for (size_t i = 0; i < runs->rows[rows]; i++) {
        const CorGridRun *run = &runs->items[i];
        volume->counts[run->label - 1] += (uint32_t) (run->end - run->begin);
    }
    *ret_labels = labels;
    return true;
}

void cor_algo_priv_volume_keep(const CorAlgoVolume *volume, const CorGrid *grid,
                               const uint8_t *is_kept, uint8_t *mask)
{
    const CorGridRuns *runs = &volume->runs;

    for (size_t row = 0; row < grid->height * grid->depth; row++) {
        for (size_t i = runs->rows[row]; i < runs->rows[row + 1]; i++) {
            const CorGridRun *run = &runs->items[i];

            memset(mask + row * grid->width + run->begin, is_kept[run->label - 1],
                   (size_t) (run->end - run->begin));
        }
    }
}

/* Keep one component. */
static void keep_one(const CorAlgoVolume *volume, size_t label, uint8_t *mask)
{
    const CorGridRuns *runs = &volume->runs;
    const CorGrid *grid = &volume->grid;

    for (size_t row = 0; row < grid->height * grid->depth; row++) {
        for (size_t i = runs->rows[row]; i < runs->rows[row + 1]; i++) {
            const CorGridRun *run = &runs->items[i];

            memset(mask + row * grid->width + run->begin, run->label == label,
                   (size_t) (run->end - run->begin));
        }
    }
}

bool cor_algo_priv_volume_keep_largest(CorAlgoVolume *volume, uint8_t *mask, size_t *ret_len,
                                       CorError *err)
{
    size_t labels = 0;
    size_t largest = 0;

    if (!cor_algo_priv_volume_label(volume, &volume->grid, mask, &labels, err)) {
        return false;
    }
    for (size_t i = 1; i < labels; i++) {
        if (volume->counts[i] > volume->counts[largest]) {
            largest = i;
        }
    }
    *ret_len = labels > 0 ? volume->counts[largest] : 0;
    if (labels > 1) {
        keep_one(volume, largest + 1, mask);
    }
    return true;
}

/* Take away the components of one slice that touch its border or are too large; what is left of
 * the mask are holes. */
static void keep_holes(const CorAlgoVolume *volume, const CorGrid *slice, size_t max,
                       uint8_t *is_hole, uint8_t *mask)
{
    const CorGridRuns *runs = &volume->runs;

    for (size_t y = 0; y < slice->height; y++) {
        for (size_t i = runs->rows[y]; i < runs->rows[y + 1]; i++) {
            const CorGridRun *run = &runs->items[i];

            if (y == 0 || y + 1 == slice->height || run->begin == 0 || run->end == slice->width ||
                volume->counts[run->label - 1] > max) {
                is_hole[run->label - 1] = 0;
            }
        }
    }
    cor_algo_priv_volume_keep(volume, slice, is_hole, mask);
}

bool cor_algo_priv_volume_fill(CorAlgoVolume *volume, double area_max_mm2, uint8_t *mask,
                               uint8_t *scratch, CorError *err)
{
    CorGrid slice = volume->grid;
    size_t len = slice.width * slice.height;
    double area = slice.spacing_mm[0] * slice.spacing_mm[1];
    size_t max = area_max_mm2 > 0 ? (size_t) (area_max_mm2 / area) : len;
    COR_CLEANUP(cor_freep) uint8_t *is_hole = cor_new_array(uint8_t, len);

    slice.depth = 1;
    if (!is_hole) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for a slice");
    }
    for (size_t z = 0; z < volume->grid.depth; z++) {
        size_t labels = 0;
        uint8_t *to = mask + z * len;

        for (size_t i = 0; i < len; i++) {
            scratch[i] = !to[i];
        }
        if (!cor_algo_priv_volume_label(volume, &slice, scratch, &labels, err)) {
            return false;
        }
        memset(is_hole, 1, labels);
        keep_holes(volume, &slice, max, is_hole, scratch);
        for (size_t i = 0; i < len; i++) {
            to[i] |= scratch[i];
        }
    }
    return true;
}

void cor_algo_priv_volume_erode(CorAlgoVolume *volume, const uint8_t *from, double radius_mm,
                                uint8_t *to)
{
    int16_t radius = cor_kernel_mm_squared(radius_mm);
    size_t len = cor_kernel_grid_len(&volume->grid);

    cor_kernel_volume_distance(&volume->grid, from, false, radius_mm + 1, volume->distances[0],
                               volume->distances[1]);
    for (size_t i = 0; i < len; i++) {
        to[i] = volume->distances[0][i] > radius;
    }
}

void cor_algo_priv_volume_dilate(CorAlgoVolume *volume, const uint8_t *from, double radius_mm,
                                 const uint8_t *within, uint8_t *to)
{
    int16_t radius = cor_kernel_mm_squared(radius_mm);
    size_t len = cor_kernel_grid_len(&volume->grid);

    cor_kernel_volume_distance(&volume->grid, from, true, radius_mm + 1, volume->distances[0],
                               volume->distances[1]);
    for (size_t i = 0; i < len; i++) {
        to[i] = volume->distances[0][i] <= radius && (!within || within[i]);
    }
}

bool cor_algo_priv_volume_center(const CorGrid *grid, const uint8_t *mask, double ret_center[3])
{
    double sums[3] = {0};
    double count = 0;

    for (size_t row = 0; row < grid->height * grid->depth; row++) {
        const uint8_t *bytes = mask + row * grid->width;
        uint64_t in_row = 0;
        uint64_t sum_x = 0;

        for (size_t x = 0; x < grid->width; x++) {
            in_row += bytes[x] != 0;
            sum_x += bytes[x] ? x : 0;
        }
        sums[0] += (double) sum_x;
        sums[1] += (double) (in_row * (row % grid->height));
        sums[2] += (double) (in_row * (row / grid->height));
        count += (double) in_row;
    }
    for (size_t i = 0; i < 3 && count > 0; i++) {
        ret_center[i] = sums[i] / count;
    }
    return count > 0;
}

/* Keep the parts of a worn mask that are large enough and mostly soft: arms, and no table. */
static bool keep_parts(CorAlgoVolume *volume, uint8_t *mask, CorError *err)
{
    const CorGrid *grid = &volume->grid;
    const CorGridRuns *runs = &volume->runs;
    size_t labels = 0;

    if (!cor_algo_priv_volume_label(volume, grid, mask, &labels, err)) {
        return false;
    }
    COR_CLEANUP(cor_freep) uint32_t *soft = cor_new_array(uint32_t, labels);
    COR_CLEANUP(cor_freep) uint8_t *is_kept = cor_new_array(uint8_t, labels);
    if (!soft || !is_kept) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for %zu parts of a volume", labels);
    }
    for (size_t row = 0; row < grid->height * grid->depth; row++) {
        for (size_t i = runs->rows[row]; i < runs->rows[row + 1]; i++) {
            const int16_t *values = volume->values + row * grid->width;

            for (size_t x = runs->items[i].begin; x < runs->items[i].end; x++) {
                soft[runs->items[i].label - 1] += values[x] > soft_min && values[x] < soft_max;
            }
        }
    }
    for (size_t i = 0; i < labels; i++) {
        is_kept[i] = volume->counts[i] * cor_algo_priv_volume_voxel_ml(volume) >= body_min_ml &&
                     2 * (uint64_t) soft[i] > volume->counts[i];
    }
    cor_algo_priv_volume_keep(volume, grid, is_kept, mask);
    return true;
}

bool cor_algo_priv_volume_body(CorAlgoVolume *volume, bool is_whole, uint8_t *mask, CorError *err)
{
    size_t len = cor_kernel_grid_len(&volume->grid);
    uint8_t *solid = volume->masks[2];
    size_t count = 0;

    for (size_t i = 0; i < len; i++) {
        solid[i] = volume->values[i] > air_max;
    }
    cor_algo_priv_volume_erode(volume, solid, table_radius_mm, mask);
    if (!keep_parts(volume, mask, err) ||
        (!is_whole && !cor_algo_priv_volume_keep_largest(volume, mask, &count, err))) {
        return false;
    }
    cor_algo_priv_volume_dilate(volume, mask, table_radius_mm + 1, solid, mask);
    return cor_algo_priv_volume_fill(volume, 0, mask, volume->masks[3], err);
}
