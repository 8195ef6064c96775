/* SPDX-License-Identifier: Apache-2.0 */
/* The liver on the grid.
 *
 *     body -> soft tissue -> smoothing within it -> histogram of what lies deep in it -> for each
 *     peak: grow a region at its level -> cut the spleen off -> check -> take the best
 *
 * No value of HU is expected: a peak of the histogram is where an organ is.  A region grows by
 * turns: its level is the mean of what it holds within some 15 mm, so it follows a shading of the
 * image; what differs from the level by less than the tolerance is candidate; bridges to
 * neighbours are cut by wearing the candidates away by a ball, keeping the part that overlaps most
 * with the region, and letting it grow back.
 */
#include <math.h>
#include <string.h>

#include "algo/algo-liver.h"
#include "base/array.h"

enum {
    HISTOGRAM_MIN = -60,
    HISTOGRAM_LEN = 320,
    PEAKS_MAX = 6,
    TURNS_MAX = 8,
};

static const int16_t soft_min = -30;
static const int16_t soft_max = 220;
static const double noise_max_hu = 120;    /* of the grid: nothing can be told above */
static const double noise_plain_hu = 18;   /* below, soft tissue is seen as it is */
static const double air_share_min = 0.005; /* values that never get down to air are no HU */
static const double deep_mm = 7;
static const double seed_tolerance_share = 0.8;
static const double peak_share_min = 0.12; /* of the highest */
static const double level_sigma_mm = 15;
static const double level_cell_mm = 6;
static const double tick_share = 0.08;
static const double left_weight = 0.6;

double cor_algo_priv_liver_along(const CorLiverSearch *search, const double direction[3],
                                 const double voxel[3])
{
    double sum = 0;

    for (size_t i = 0; i < 3; i++) {
        sum += (voxel[i] - search->center[i]) * search->volume->grid.spacing_mm[i] * direction[i];
    }
    return sum;
}

/* How often is not known beforehand, so each time is a small part of what is left of the peak. */
bool cor_algo_priv_liver_tick(CorLiverSearch *search, CorError *err)
{
    search->done += (search->done_max - search->done) * tick_share;
    return cor_algo_priv_volume_report(search->progress, search->done, err);
}

static double air_share(const CorAlgoVolume *volume)
{
    size_t len = cor_kernel_grid_len(&volume->grid);
    size_t count = 0;

    for (size_t i = 0; i < len; i++) {
        count += volume->values[i] < -300;
    }
    return (double) count / (double) len;
}

/* Robust standard deviation of what neighbours in a row of soft tissue differ by. */
static double measure_noise(const CorAlgoVolume *volume, const uint8_t *body)
{
    size_t histogram[1024] = {0};
    size_t len = cor_kernel_grid_len(&volume->grid);
    size_t count = 0;
    size_t below = 0;
    size_t i = 0;

    for (i = 0; i + 1 < len; i++) {
        int one = volume->values[i];
        int other = volume->values[i + 1];

        if (body[i] && body[i + 1] && one > -200 && one < 300 && other > -200 && other < 300) {
            histogram[abs(one - other)]++;
            count++;
        }
    }
    for (i = 0; i < COR_ARRAY_LEN(histogram) && 2 * below < count; i++) {
        below += histogram[i];
    }
    return (double) i / 0.6745 / sqrt(2);
}

/* Smooth the values themselves when noise would tear soft tissue to pieces. */
static void calm(CorAlgoVolume *volume, double noise_hu)
{
    size_t len = cor_kernel_grid_len(&volume->grid);
    double sigma_mm = noise_hu < 30 ? 1.5 : noise_hu < 50 ? 2.5 : 3.5;

    if (noise_hu < noise_plain_hu) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        volume->floats[0][i] = (float) volume->values[i];
    }
    cor_kernel_volume_blur(&volume->grid, sigma_mm, volume->floats[0], volume->floats[2]);
    for (size_t i = 0; i < len; i++) {
        volume->values[i] = (int16_t) lrintf(volume->floats[0][i]);
    }
}

/* Soft tissue, and in floats[0] its values smoothed without what is next to it. */
static void find_soft(CorAlgoVolume *volume, const CorLiver *params, const uint8_t *body)
{
    size_t len = cor_kernel_grid_len(&volume->grid);
    float *values = volume->floats[0];
    float *weights = volume->floats[1];
    uint8_t *soft = volume->masks[COR_LIVER_SOFT];

    for (size_t i = 0; i < len; i++) {
        soft[i] = body[i] && volume->values[i] > soft_min && volume->values[i] < soft_max;
        weights[i] = soft[i];
        values[i] = soft[i] ? (float) volume->values[i] : 0.0F;
    }
    cor_kernel_volume_blur(&volume->grid, params->smoothing_mm, values, volume->floats[2]);
    cor_kernel_volume_blur(&volume->grid, params->smoothing_mm, weights, volume->floats[2]);
    for (size_t i = 0; i < len; i++) {
        values[i] = soft[i] ? values[i] / weights[i] : -1000.0F;
    }
}

/* Peaks of the smoothed histogram of what lies deep in soft tissue. */
static size_t find_peaks(CorAlgoVolume *volume, double peaks_hu[PEAKS_MAX])
{
    size_t len = cor_kernel_grid_len(&volume->grid);
    int16_t deep = cor_kernel_mm_squared(deep_mm);
    double counts[HISTOGRAM_LEN] = {0};
    double smooth[HISTOGRAM_LEN] = {0};
    double highest = 0;
    size_t peaks = 0;

    cor_kernel_volume_distance(&volume->grid, volume->masks[COR_LIVER_SOFT], false, deep_mm + 1,
                               volume->distances[0], volume->distances[1]);
    for (size_t i = 0; i < len; i++) {
        long bin = lrintf(volume->floats[0][i]) - HISTOGRAM_MIN;

        if (volume->distances[0][i] > deep && bin >= 0 && bin < HISTOGRAM_LEN) {
            counts[bin]++;
        }
    }
    for (int i = 0; i < HISTOGRAM_LEN; i++) {
        for (int k = COR_MAX(i - 12, 0); k <= COR_MIN(i + 12, HISTOGRAM_LEN - 1); k++) {
            smooth[i] += counts[k] * exp(-(i - k) * (i - k) / 24.0);
        }
        highest = COR_MAX(highest, smooth[i]);
    }
    for (int i = 1; i + 1 < HISTOGRAM_LEN && peaks < PEAKS_MAX; i++) {
        if (smooth[i] > peak_share_min * highest && smooth[i] >= smooth[i - 1] &&
            smooth[i] > smooth[i + 1]) {
            peaks_hu[peaks++] = i + HISTOGRAM_MIN;
        }
    }
    return peaks;
}

static void fill_level(CorAlgoVolume *volume, double level)
{
    size_t len = cor_kernel_grid_len(&volume->grid);

    for (size_t i = 0; i < len; i++) {
        volume->floats[1][i] = (float) level;
    }
}

/* The mean of the region around each voxel, by cells of some 6 mm; far from it, nothing fits. */
static void measure_level(CorAlgoVolume *volume)
{
    const CorGrid *grid = &volume->grid;
    const uint8_t *region = volume->masks[COR_LIVER_REGION];
    size_t factor[3];
    CorGrid cells;

    for (size_t i = 0; i < 3; i++) {
        double ratio = level_cell_mm / grid->spacing_mm[i];
        factor[i] = ratio < 1.5 ? 1 : (size_t) (ratio + 0.5);
        cells.spacing_mm[i] = grid->spacing_mm[i] * (double) factor[i];
    }
    cells.width = (grid->width + factor[0] - 1) / factor[0];
    cells.height = (grid->height + factor[1] - 1) / factor[1];
    cells.depth = (grid->depth + factor[2] - 1) / factor[2];

    size_t len = cor_kernel_grid_len(&cells);
    float *sums = volume->floats[2];
    float *counts = volume->floats[1];
    float *scratch = volume->floats[3];
    memset(sums, 0, len * sizeof(*sums));
    memset(counts, 0, len * sizeof(*counts));
    for (size_t row = 0; row < grid->height * grid->depth; row++) {
        size_t cell =
            (row / grid->height / factor[2] * cells.height + row % grid->height / factor[1]) *
            cells.width;

        for (size_t x = 0; x < grid->width; x++) {
            if (region[row * grid->width + x]) {
                sums[cell + x / factor[0]] += volume->floats[0][row * grid->width + x];
                counts[cell + x / factor[0]]++;
            }
        }
    }
    cor_kernel_volume_blur(&cells, level_sigma_mm, sums, scratch);
    cor_kernel_volume_blur(&cells, level_sigma_mm, counts, scratch);
    for (size_t i = 0; i < len; i++) {
        sums[i] = counts[i] > 1e-3F ? sums[i] / counts[i] : 1e4F;
    }
    for (size_t row = 0; row < grid->height * grid->depth; row++) {
        size_t cell =
            (row / grid->height / factor[2] * cells.height + row % grid->height / factor[1]) *
            cells.width;

        for (size_t x = 0; x < grid->width; x++) {
            volume->floats[1][row * grid->width + x] = sums[cell + x / factor[0]];
        }
    }
}

static void find_candidates(CorAlgoVolume *volume, double tolerance)
{
    size_t len = cor_kernel_grid_len(&volume->grid);
    float limit = (float) tolerance;

    for (size_t i = 0; i < len; i++) {
        volume->masks[COR_LIVER_CANDIDATE][i] =
            volume->masks[COR_LIVER_SOFT][i] &&
            fabsf(volume->floats[0][i] - volume->floats[1][i]) < limit;
    }
}

/* Keep the component of a mask that overlaps most with the region. */
static bool keep_region(CorAlgoVolume *volume, uint8_t *mask, size_t *ret_len, CorError *err)
{
    const CorGrid *grid = &volume->grid;
    const CorGridRuns *runs = &volume->runs;
    size_t labels = 0;
    size_t best = 0;

    if (!cor_algo_priv_volume_label(volume, grid, mask, &labels, err)) {
        return false;
    }
    COR_CLEANUP(cor_freep) uint32_t *overlaps = cor_new_array(uint32_t, labels);
    COR_CLEANUP(cor_freep) uint8_t *is_kept = cor_new_array(uint8_t, labels);
    if (!overlaps || !is_kept) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for %zu parts of a volume", labels);
    }
    for (size_t row = 0; row < grid->height * grid->depth; row++) {
        for (size_t i = runs->rows[row]; i < runs->rows[row + 1]; i++) {
            for (size_t x = runs->items[i].begin; x < runs->items[i].end; x++) {
                overlaps[runs->items[i].label - 1] +=
                    volume->masks[COR_LIVER_REGION][row * grid->width + x];
            }
        }
    }
    for (size_t i = 1; i < labels; i++) {
        best = overlaps[i] > overlaps[best] ? i : best;
    }
    *ret_len = labels > 0 && overlaps[best] > 0 ? volume->counts[best] : 0;
    if (labels > 0) {
        is_kept[best] = overlaps[best] > 0;
        cor_algo_priv_volume_keep(volume, grid, is_kept, mask);
    }
    return true;
}

/* The first region at a level: the largest thing that is thick enough. */
static bool seed(CorLiverSearch *search, double mode_hu, size_t *ret_len, CorError *err)
{
    CorAlgoVolume *volume = search->volume;
    double bridge_mm = search->params->bridge_mm + 1;

    fill_level(volume, mode_hu);
    find_candidates(volume, search->params->tolerance_hu * seed_tolerance_share);
    cor_algo_priv_volume_erode(volume, volume->masks[COR_LIVER_CANDIDATE], bridge_mm,
                               volume->masks[COR_LIVER_REGION]);
    if (!cor_algo_priv_volume_keep_largest(volume, volume->masks[COR_LIVER_REGION], ret_len, err)) {
        return false;
    }
    cor_algo_priv_volume_dilate(volume, volume->masks[COR_LIVER_REGION], bridge_mm,
                                volume->masks[COR_LIVER_CANDIDATE],
                                volume->masks[COR_LIVER_REGION]);
    return true;
}

static size_t count_voxels(const uint8_t *mask, size_t len)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++) {
        count += mask[i];
    }
    return count;
}

static bool grow(CorLiverSearch *search, CorError *err)
{
    CorAlgoVolume *volume = search->volume;
    size_t len = cor_kernel_grid_len(&volume->grid);
    size_t before = count_voxels(volume->masks[COR_LIVER_REGION], len);

    for (int turn = 0; turn < TURNS_MAX; turn++) {
        size_t count = 0;

        if (!cor_algo_priv_liver_tick(search, err)) {
            return false;
        }
        measure_level(volume);
        find_candidates(volume, search->params->tolerance_hu);
        cor_algo_priv_volume_erode(volume, volume->masks[COR_LIVER_CANDIDATE],
                                   search->params->bridge_mm, volume->masks[COR_LIVER_SPARE]);
        if (!keep_region(volume, volume->masks[COR_LIVER_SPARE], &count, err)) {
            return false;
        }
        cor_algo_priv_volume_dilate(
            volume, volume->masks[COR_LIVER_SPARE], search->params->bridge_mm + 1,
            volume->masks[COR_LIVER_CANDIDATE], volume->masks[COR_LIVER_REGION]);
        count = count_voxels(volume->masks[COR_LIVER_REGION], len);
        if (fabs((double) count - (double) before) <= 0.003 * (double) count) {
            break;
        }
        before = count;
    }
    return true;
}

/* How much a region counts: its volume, less on the side where the liver is not expected. */
static double score(const CorLiverSearch *search, double volume_ml)
{
    const CorAlgoVolume *volume = search->volume;
    double center[3] = {0};

    if (!cor_algo_priv_volume_center(&volume->grid, volume->masks[COR_LIVER_REGION], center)) {
        return 0;
    }
    bool is_left = cor_algo_priv_liver_along(search, volume->left, center) > 0;
    switch (search->params->side) {
    case COR_LIVER_SIDE_RIGHT:
        return is_left ? 0 : volume_ml;
    case COR_LIVER_SIDE_LEFT:
        return is_left ? volume_ml : 0;
    default:
        return is_left ? left_weight * volume_ml : volume_ml;
    }
}

/* Grow a region from a peak and keep it if it is better than what is there. */
static bool try_peak(CorLiverSearch *search, double mode_hu, CorError *err)
{
    CorAlgoVolume *volume = search->volume;
    size_t len = cor_kernel_grid_len(&volume->grid);
    size_t seeds = 0;

    if (!seed(search, mode_hu, &seeds, err)) {
        return false;
    }
    if (seeds == 0) {
        return true;
    }
    if (!grow(search, err) || !cor_algo_priv_liver_cut(search, err)) {
        return false;
    }
    double volume_ml = (double) count_voxels(volume->masks[COR_LIVER_REGION], len) *
                       cor_algo_priv_volume_voxel_ml(volume);
    double points = score(search, volume_ml);
    if (points <= search->best_score) {
        return true;
    }
    const char *reason = cor_algo_priv_liver_reject(search, volume_ml);
    if (reason) {
        search->find.reason = search->best_score > 0 ? NULL : reason;
        return true;
    }
    search->best_score = points;
    search->find.reason = NULL;
    search->find.mode_hu = mode_hu;
    search->find.volume_ml = volume_ml;
    memcpy(volume->masks[COR_LIVER_BEST], volume->masks[COR_LIVER_REGION], len);
    return true;
}

static bool try_peaks(CorLiverSearch *search, CorError *err)
{
    CorAlgoVolume *volume = search->volume;
    double peaks_hu[PEAKS_MAX];
    size_t peaks = find_peaks(volume, peaks_hu);

    search->find.reason = "no_soft_tissue";
    for (size_t i = 0; i < peaks; i++) {
        search->done_max += (1 - search->done_max) / (double) (peaks - i);
        if (!try_peak(search, peaks_hu[i], err)) {
            return false;
        }
        search->done = search->done_max;
        if (!cor_algo_priv_volume_report(search->progress, search->done, err)) {
            return false;
        }
    }
    if (search->best_score > 0) {
        memcpy(volume->masks[COR_LIVER_REGION], volume->masks[COR_LIVER_BEST],
               cor_kernel_grid_len(&volume->grid));
        measure_level(volume);
    }
    return true;
}

bool cor_algo_priv_liver_find(CorAlgoVolume *volume, const CorLiver *params,
                              const CorAlgoProgress *progress, CorLiverFind *find, CorError *err)
{
    CorLiverSearch search = {.volume = volume, .params = params};
    uint8_t *body = volume->masks[COR_LIVER_REGION];

    *find = (CorLiverFind){.reason = "no_air"};
    if (air_share(volume) < air_share_min) {
        return true;
    }
    if (!cor_algo_priv_volume_body(volume, false, body, err)) {
        return false;
    }
    cor_algo_priv_volume_crop(volume, body);
    if (!cor_algo_priv_volume_center(&volume->grid, body, search.center)) {
        find->reason = "no_body";
        return true;
    }
    search.body_ml = (double) count_voxels(body, cor_kernel_grid_len(&volume->grid)) *
                     cor_algo_priv_volume_voxel_ml(volume);
    search.find.noise_hu = find->noise_hu = measure_noise(volume, body);
    if (find->noise_hu > noise_max_hu) {
        find->reason = "too_noisy";
        return true;
    }
    calm(volume, find->noise_hu);
    find_soft(volume, params, body);
    search.progress = progress;
    search.done = search.done_max = 0.1;
    if (!cor_algo_priv_volume_report(progress, search.done, err) || !try_peaks(&search, err)) {
        return false;
    }
    *find = search.find;
    return true;
}
