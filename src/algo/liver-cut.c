/* SPDX-License-Identifier: Apache-2.0 */
/* What has grown, made an organ: vessels filled, the spleen cut off; and the signs by which it is
 * told from what is no liver.
 */
#include <math.h>
#include <string.h>

#include "algo/algo-liver.h"
#include "base/array.h"

enum { RAYS = 72 };

static const int16_t bone_min = 250; /* HU of the grid */
static const double hole_max_mm2 = 900;
static const double closing_mm = 4;
static const double radius_min_mm = 18;    /* of the largest ball within */
static const double bone_share_max = 0.85; /* of rays */
static const double body_share_max = 0.6;
static const double frame_share_max = 0.3;
static const double neck_min_mm = 6;
static const double neck_max_mm = 40;
static const double neighbour_min_ml = 1.5;
static const double neighbour_side_mm = 15;

/* Close small gaps and fill holes: vessels and lesions are part of the liver. */
static bool fill_vessels(CorAlgoVolume *volume, CorError *err)
{
    uint8_t *region = volume->masks[COR_LIVER_REGION];
    uint8_t *closed = volume->masks[COR_LIVER_SPARE];
    size_t len = cor_kernel_grid_len(&volume->grid);

    cor_algo_priv_volume_dilate(volume, region, closing_mm, NULL, closed);
    cor_algo_priv_volume_erode(volume, closed, closing_mm, closed);
    for (size_t i = 0; i < len; i++) {
        region[i] |= closed[i] && volume->values[i] > -10 && volume->values[i] < bone_min;
    }
    return cor_algo_priv_volume_fill(volume, hole_max_mm2, region, closed, err);
}

/* Where the components that are labelled lie: sums of voxel indices. */
static double (*component_centers(const CorAlgoVolume *volume, size_t labels))[3]
{
    const CorGrid *grid = &volume->grid;
    const CorGridRuns *runs = &volume->runs;
    double(*centers)[3] = calloc(COR_MAX(labels, (size_t) 1), sizeof(*centers));

    for (size_t row = 0; centers && row < grid->height * grid->depth; row++) {
        for (size_t i = runs->rows[row]; i < runs->rows[row + 1]; i++) {
            const CorGridRun *run = &runs->items[i];
            double *center = centers[run->label - 1];
            double count = run->end - run->begin;
            double share = count / volume->counts[run->label - 1];

            center[0] += share * (run->begin + run->end - 1) / 2;
            center[1] += share * (double) (row % grid->height);
            center[2] += share * (double) (row / grid->height);
        }
    }
    return centers;
}

/* Tell which parts of a worn region lie where the spleen does: on the other side of the body than
 * the largest part, and behind its middle.  True if there is one. */
static bool find_neighbours(const CorLiverSearch *search, size_t labels, double (*centers)[3],
                            uint8_t *is_neighbour)
{
    const CorAlgoVolume *volume = search->volume;
    size_t main = 0;
    bool is_any = false;

    for (size_t i = 1; i < labels; i++) {
        main = volume->counts[i] > volume->counts[main] ? i : main;
    }
    double side = cor_algo_priv_liver_along(search, volume->left, centers[main]);
    for (size_t i = 0; i < labels; i++) {
        double left = cor_algo_priv_liver_along(search, volume->left, centers[i]);
        double back = cor_algo_priv_liver_along(search, volume->back, centers[i]);
        double ml = volume->counts[i] * cor_algo_priv_volume_voxel_ml(volume);

        is_neighbour[i] = i != main && ml >= neighbour_min_ml && back > 0 && left * side < 0 &&
                          fabs(left) > neighbour_side_mm;
        is_any |= is_neighbour[i] != 0;
    }
    return is_any;
}

/* Wear the region away until a part comes off that is a neighbour: then masks[SPARE] holds seeds,
 * 1 for the liver and 2 for neighbours. */
static bool find_seeds(CorLiverSearch *search, bool *ret_found, CorError *err)
{
    CorAlgoVolume *volume = search->volume;
    size_t len = cor_kernel_grid_len(&volume->grid);
    const int16_t *distances = volume->distances[0];
    uint8_t *worn = volume->masks[COR_LIVER_SPARE];

    *ret_found = false;
    for (double neck_mm = neck_min_mm; neck_mm <= neck_max_mm && !*ret_found; neck_mm += 2) {
        int16_t neck = cor_kernel_mm_squared(neck_mm);
        size_t labels = 0;

        for (size_t i = 0; i < len; i++) {
            worn[i] = distances[i] > neck;
        }
        if (!cor_algo_priv_liver_tick(search, err) ||
            !cor_algo_priv_volume_label(volume, &volume->grid, worn, &labels, err)) {
            return false;
        }
        if (labels == 0) {
            break;
        }
        COR_CLEANUP(cor_freep) double(*centers)[3] = component_centers(volume, labels);
        COR_CLEANUP(cor_freep) uint8_t *seeds = cor_new_array(uint8_t, labels);
        if (!centers || !seeds) {
            return cor_fail(err, COR_ERR_NOMEM, "no memory for %zu parts of a volume", labels);
        }
        *ret_found = find_neighbours(search, labels, centers, seeds);
        for (size_t i = 0; i < labels; i++) {
            seeds[i]++;
        }
        cor_algo_priv_volume_keep(volume, &volume->grid, seeds, worn);
    }
    return true;
}

/* Cut off what hangs on to the liver on the other side of the body. */
static bool cut_neighbours(CorLiverSearch *search, CorError *err)
{
    CorAlgoVolume *volume = search->volume;
    size_t len = cor_kernel_grid_len(&volume->grid);
    uint8_t *region = volume->masks[COR_LIVER_REGION];
    uint8_t *labels = volume->masks[COR_LIVER_SPARE];
    bool is_found = false;
    size_t count = 0;

    cor_kernel_volume_distance(&volume->grid, region, false, COR_KERNEL_DISTANCE_MAX_MM,
                               volume->distances[0], volume->distances[1]);
    if (!find_seeds(search, &is_found, err)) {
        return false;
    }
    if (!is_found) {
        return true;
    }
    cor_kernel_volume_share(&volume->grid, region, volume->distances[0], labels,
                            (uint32_t *) volume->floats[2]);
    for (size_t i = 0; i < len; i++) {
        region[i] = region[i] && labels[i] == 1;
    }
    return cor_algo_priv_volume_keep_largest(volume, region, &count, err);
}

bool cor_algo_priv_liver_cut(CorLiverSearch *search, CorError *err)
{
    return fill_vessels(search->volume, err) && cut_neighbours(search, err);
}

/* Whether a ray from a voxel outwards meets bone. */
static bool meets_bone(const CorAlgoVolume *volume, const double from[3], double angle)
{
    const CorGrid *grid = &volume->grid;
    const int16_t *slice = volume->values + (size_t) from[2] * cor_kernel_grid_slice_len(grid);
    double x = from[0];
    double y = from[1];

    while (x >= 0 && y >= 0 && x < (double) grid->width && y < (double) grid->height) {
        if (slice[(size_t) y * grid->width + (size_t) x] >= bone_min) {
            return true;
        }
        x += cos(angle) / 2;
        y += sin(angle) / 2 * grid->spacing_mm[0] / grid->spacing_mm[1];
    }
    return false;
}

/* The share of rays, from the middle of the region on each of its slices, that meet bone: nearly
 * all within a skull, some behind ribs. */
static double bone_share(const CorAlgoVolume *volume)
{
    CorGrid slice = volume->grid;
    size_t len = cor_kernel_grid_slice_len(&slice);
    size_t rays = 0;
    size_t met = 0;

    slice.depth = 1;
    for (size_t z = 0; z < volume->grid.depth; z++) {
        double center[3] = {0};

        if (!cor_algo_priv_volume_center(&slice, volume->masks[COR_LIVER_REGION] + z * len,
                                         center)) {
            continue;
        }
        center[2] = (double) z;
        for (int i = 0; i < RAYS; i++, rays++) {
            met += meets_bone(volume, center, 2 * M_PI * i / RAYS);
        }
    }
    return (double) met / (double) COR_MAX(rays, (size_t) 1);
}

/* The share of the region's edge on its slices that is the border of the image. */
static double frame_share(const CorAlgoVolume *volume)
{
    const CorGrid *grid = &volume->grid;
    const uint8_t *region = volume->masks[COR_LIVER_REGION];
    size_t len = 0;
    size_t frame_len = 0;

    for (size_t i = 0; i < cor_kernel_grid_len(grid); i++) {
        size_t x = i % grid->width;
        size_t y = i / grid->width % grid->height;
        bool at_frame = x == 0 || y == 0 || x + 1 == grid->width || y + 1 == grid->height;

        if (region[i] && (at_frame || !region[i - 1] || !region[i + 1] ||
                          !region[i - grid->width] || !region[i + grid->width])) {
            len++;
            frame_len += at_frame;
        }
    }
    return (double) frame_len / (double) COR_MAX(len, (size_t) 1);
}

const char *cor_algo_priv_liver_reject(CorLiverSearch *search, double volume_ml)
{
    CorAlgoVolume *volume = search->volume;
    size_t len = cor_kernel_grid_len(&volume->grid);
    int16_t thickest = 0;

    if (volume_ml < search->params->volume_min_ml) {
        return "too_small";
    }
    cor_kernel_volume_distance(&volume->grid, volume->masks[COR_LIVER_REGION], false,
                               radius_min_mm + 2, volume->distances[0], volume->distances[1]);
    for (size_t i = 0; i < len; i++) {
        thickest = COR_MAX(thickest, volume->distances[0][i]);
    }
    if (thickest < cor_kernel_mm_squared(radius_min_mm)) {
        return "too_thin";
    }
    if (bone_share(volume) > bone_share_max) {
        return "enclosed_by_bone";
    }
    if (volume_ml > body_share_max * search->body_ml) {
        return "fills_body";
    }
    return frame_share(volume) > frame_share_max ? "cut_by_frame" : NULL;
}
