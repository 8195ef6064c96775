/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a series onto a coarse grid.
 *
 * The geometry is that of PS3.3 section C.7.6.2: slices are taken for a volume if they are
 * parallel, of one size and one spacing, and follow each other in equal steps along their normal
 * (a quarter of a step more or less is borne with).
 */
#include "algo/algo-volume.h"

#include <math.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"

static const double voxel_mm = 2;
static const double place_tolerance_mm = 0.01;
static const double direction_tolerance = 1e-3;
static const double spacing_tolerance = 0.01; /* of the spacing */
static const double step_tolerance = 0.25;    /* of a step */
static const size_t voxels_max = (size_t) 16 << 20;

void cor_algo_priv_volume_done(CorAlgoVolume *volume)
{
    free(volume->values);
    for (size_t i = 0; i < COR_ARRAY_LEN(volume->masks); i++) {
        free(volume->masks[i]);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(volume->distances); i++) {
        free(volume->distances[i]);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(volume->floats); i++) {
        free(volume->floats[i]);
    }
    free(volume->runs.items);
    free(volume->runs.rows);
    free(volume->counts);
    *volume = (CorAlgoVolume){0};
}

double cor_algo_priv_volume_voxel_ml(const CorAlgoVolume *volume)
{
    const double *spacing = volume->grid.spacing_mm;

    return spacing[0] * spacing[1] * spacing[2] / 1000;
}

bool cor_algo_priv_volume_report(const CorAlgoProgress *progress, double fraction, CorError *err)
{
    const CorAlgoJob *job = progress->job;

    if (!job->progress(job->context, progress->begin + fraction * progress->share, err)) {
        return err && err->code == COR_OK ? cor_fail(err, COR_ERR_CANCELLED, "asked to stop")
                                          : false;
    }
    return true;
}

/* Memory of the grid's size, but for the values. */
static bool allocate(CorAlgoVolume *volume, CorError *err)
{
    size_t len = cor_kernel_grid_len(&volume->grid);
    bool ok = true;

    for (size_t i = 0; i < COR_ARRAY_LEN(volume->masks); i++) {
        free(volume->masks[i]);
        volume->masks[i] = cor_new_array(uint8_t, len);
        ok = ok && volume->masks[i];
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(volume->distances); i++) {
        free(volume->distances[i]);
        volume->distances[i] = cor_new_array(int16_t, len);
        ok = ok && volume->distances[i];
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(volume->floats); i++) {
        free(volume->floats[i]);
        volume->floats[i] = cor_new_array(float, len);
        ok = ok && volume->floats[i];
    }
    if (!ok) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for a volume of %zu voxels", len);
    }
    return true;
}

bool cor_algo_priv_volume_load(const CorAlgoVolume *volume, const CorAlgoJob *job, size_t index,
                               CorAlgoSlice *ret_slice, CorError *err)
{
    if (!job->load(job->context, index, ret_slice, err)) {
        return err && err->code == COR_OK
                   ? cor_fail(err, COR_ERR_BUG, "a slice could not be loaded")
                   : false;
    }
    if (ret_slice->plane.width_px != volume->width_px ||
        ret_slice->plane.height_px != volume->height_px) {
        return cor_fail(err, COR_ERR_BUG, "a slice is not of the size that was told");
    }
    if (!cor_algo_priv_check(&ret_slice->plane, err)) {
        cor_error_wrap(err, "slice %zu of %zu", index + 1, job->slice_len);
        return false;
    }
    return true;
}

static double dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* What the first slice and the last one say about the volume. */
static bool read_shape(CorAlgoVolume *volume, const CorAlgoSlice *first, const CorAlgoSlice *last,
                       size_t slice_len, CorError *err)
{
    const double *o = first->orientation;
    double normal[3] = {o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5],
                        o[0] * o[4] - o[1] * o[3]};
    double way[3];

    if (!first->has_place || !last->has_place) {
        return cor_fail(err, COR_ERR_INVALID, "the images do not say where they lie");
    }
    if (!(first->row_spacing_mm > 0 && first->column_spacing_mm > 0)) {
        return cor_fail(err, COR_ERR_INVALID, "the images do not say how large a pixel is");
    }
    for (size_t i = 0; i < 3; i++) {
        way[i] = last->position_mm[i] - first->position_mm[i];
        volume->left[i] = (double[]){o[0], o[3], normal[0]}[i];
        volume->back[i] = (double[]){o[1], o[4], normal[1]}[i];
        volume->head[i] = (double[]){o[2], o[5], normal[2]}[i];
    }
    volume->width_px = first->plane.width_px;
    volume->height_px = first->plane.height_px;
    volume->slice_len = slice_len;
    volume->spacing_mm[0] = first->column_spacing_mm;
    volume->spacing_mm[1] = first->row_spacing_mm;
    volume->spacing_mm[2] = fabs(dot(normal, way)) / (double) (slice_len - 1);
    if (!(volume->spacing_mm[2] > place_tolerance_mm)) {
        return cor_fail(err, COR_ERR_INVALID, "the slices lie all in one place");
    }
    return true;
}

/* How many pixels make a voxel. */
static bool choose_grid(CorAlgoVolume *volume, CorError *err)
{
    size_t sizes[3] = {volume->width_px, volume->height_px, volume->slice_len};
    size_t lens[3];
    double wanted_mm = voxel_mm;

    for (;;) {
        for (size_t i = 0; i < 3; i++) {
            double ratio = wanted_mm / volume->spacing_mm[i];

            volume->factor[i] = ratio < 1.5 ? 1 : (size_t) (COR_MIN(ratio, 8192.0) + 0.5);
            lens[i] = (sizes[i] + volume->factor[i] - 1) / volume->factor[i];
            volume->grid.spacing_mm[i] = volume->spacing_mm[i] * (double) volume->factor[i];
            if (!(volume->grid.spacing_mm[i] <= 30)) {
                return cor_fail(err, COR_ERR_INVALID, "pixels or slices are %g mm apart",
                                volume->spacing_mm[i]);
            }
        }
        if (lens[0] * lens[1] <= voxels_max && lens[0] * lens[1] * lens[2] <= voxels_max) {
            break;
        }
        wanted_mm *= 1.25;
    }
    volume->grid.width = lens[0];
    volume->grid.height = lens[1];
    volume->grid.depth = lens[2];
    return true;
}

/* Check that a slice belongs to the volume of the first one. */
static bool check_slice(const CorAlgoVolume *volume, const CorAlgoSlice *first,
                        const CorAlgoSlice *slice, CorError *err)
{
    const double *spacing = volume->spacing_mm;
    bool is_parallel = slice->has_place;

    if (slice->plane.width_px != volume->width_px || slice->plane.height_px != volume->height_px) {
        return cor_fail(err, COR_ERR_INVALID, "the slices differ in size: %zu x %zu, %zu x %zu",
                        volume->width_px, volume->height_px, slice->plane.width_px,
                        slice->plane.height_px);
    }
    if (!(fabs(slice->column_spacing_mm - spacing[0]) <= spacing_tolerance * spacing[0] &&
          fabs(slice->row_spacing_mm - spacing[1]) <= spacing_tolerance * spacing[1])) {
        return cor_fail(err, COR_ERR_INVALID, "the slices differ in pixel spacing");
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(slice->orientation); i++) {
        is_parallel &= fabs(slice->orientation[i] - first->orientation[i]) <= direction_tolerance;
    }
    return is_parallel || cor_fail(err, COR_ERR_INVALID, "the slices are not parallel");
}

/* Check the way from one slice to the next. */
static bool check_step(const CorAlgoVolume *volume, const CorAlgoSlice *before,
                       const CorAlgoSlice *slice, CorError *err)
{
    const double normal[3] = {volume->left[2], volume->back[2], volume->head[2]};
    double mean_mm = volume->spacing_mm[2];
    double way[3];

    for (size_t i = 0; i < 3; i++) {
        way[i] = slice->position_mm[i] - before->position_mm[i];
    }
    double step_mm = fabs(dot(normal, way));
    if (!(step_mm >= place_tolerance_mm)) {
        return cor_fail(err, COR_ERR_INVALID, "two slices lie in the same place");
    }
    if (!(fabs(step_mm - mean_mm) <= step_tolerance * mean_mm)) {
        return cor_fail(err, COR_ERR_INVALID,
                        "the slices do not follow each other evenly: %.2f mm, %.2f mm on average",
                        step_mm, mean_mm);
    }
    return true;
}

/* Learn the volume's geometry from the headers alone. */
static bool read_geometry(CorAlgoVolume *volume, const CorAlgoJob *job, CorError *err)
{
    CorAlgoSlice first = {0};
    CorAlgoSlice before = {0};
    CorAlgoSlice slice = {0};

    if (!job->describe(job->context, 0, &first, err) ||
        !job->describe(job->context, job->slice_len - 1, &slice, err) ||
        !read_shape(volume, &first, &slice, job->slice_len, err)) {
        return false;
    }
    before = first;
    for (size_t i = 1; i < job->slice_len; i++) {
        if (!job->describe(job->context, i, &slice, err)) {
            return false;
        }
        if (!check_slice(volume, &first, &slice, err) ||
            !check_step(volume, &before, &slice, err)) {
            cor_error_wrap(err, "slice %zu of %zu", i + 1, job->slice_len);
            return false;
        }
        before = slice;
    }
    return true;
}

/* Add the capped values of a row to sums of its pixels. */
static void add_row(const CorPlane *plane, size_t y, int32_t *sums)
{
    const void *row = cor_plane_row(plane, y);

    if (plane->type == COR_PIXEL_S16) {
        const int16_t *values = row;

        for (size_t x = 0; x < plane->width_px; x++) {
            int16_t value = values[x];

            value = value < COR_ALGO_VALUE_MIN ? COR_ALGO_VALUE_MIN : value;
            sums[x] += value > COR_ALGO_VALUE_MAX ? COR_ALGO_VALUE_MAX : value;
        }
    } else {
        const double *values = row;

        for (size_t x = 0; x < plane->width_px; x++) {
            double value = COR_MAX(values[x], (double) COR_ALGO_VALUE_MIN);

            sums[x] += (int32_t) lrint(COR_MIN(value, (double) COR_ALGO_VALUE_MAX));
        }
    }
}

/* Memory while slices are read: sums over the pixels of a row and over a slice of the grid. */
typedef struct Sums {
    int32_t *row;
    int32_t *slice;
} Sums;

static void sums_done(Sums *sums)
{
    free(sums->row);
    free(sums->slice);
}

static void add_slice(const CorAlgoVolume *volume, const CorPlane *plane, const Sums *sums)
{
    for (size_t y = 0; y < volume->height_px; y++) {
        size_t factor = volume->factor[0];
        int32_t *to = sums->slice + y / volume->factor[1] * volume->grid.width;

        add_row(plane, y, sums->row);
        if ((y + 1) % volume->factor[1] != 0 && y + 1 < volume->height_px) {
            continue;
        }
        for (size_t x = 0; x < volume->width_px; x++) {
            to[x / factor] += sums->row[x];
        }
        memset(sums->row, 0, volume->width_px * sizeof(*sums->row));
    }
}

/* Pixels of block i along an axis: the last one may have fewer. */
static size_t block_len(size_t size, size_t factor, size_t i)
{
    return COR_MIN(factor, size - i * factor);
}

/* Means from the sums over the slices z * factor up to the present one. */
static void finish_slices(CorAlgoVolume *volume, size_t z, const Sums *sums)
{
    const CorGrid *grid = &volume->grid;
    size_t slices = block_len(volume->slice_len, volume->factor[2], z);
    int16_t *to = volume->values + z * grid->width * grid->height;

    for (size_t y = 0; y < grid->height; y++) {
        size_t rows = block_len(volume->height_px, volume->factor[1], y);

        for (size_t x = 0; x < grid->width; x++) {
            size_t len = slices * rows * block_len(volume->width_px, volume->factor[0], x);
            double mean = (double) sums->slice[y * grid->width + x] / (double) len;

            to[y * grid->width + x] = (int16_t) lrint(mean);
        }
    }
    memset(sums->slice, 0, grid->width * grid->height * sizeof(*sums->slice));
}

/* How long it has taken so far to get slices and to put them onto the grid. */
typedef struct Pace {
    int64_t load_us;
    int64_t grid_us;
    double fraction; /* that was reported last */
} Pace;

/* What is to come costs so many times what putting slices onto the grid does: a median over liver,
 * lungs, bone and body, with all that is made of them. */
static const double rest_per_grid = 20;

/* The share of reading in all that is to be done: getting a slice takes from a fraction of a
 * millisecond to a hundred, so it is measured.  What is reported goes towards the present estimate
 * with each slice and is never taken back. */
static bool report_pace(CorAlgoProgress *progress, Pace *pace, size_t slices_left, CorError *err)
{
    double reading = (double) (pace->load_us + pace->grid_us) + 1;
    double share = reading / (reading + rest_per_grid * (double) pace->grid_us + 1);
    double way = COR_MAX(share - pace->fraction, 1e-6 * (1 - pace->fraction));

    pace->fraction += way / (double) (slices_left + 1);
    progress->share = pace->fraction;
    return cor_algo_priv_volume_report(progress, 1, err);
}

static bool read_slices(CorAlgoVolume *volume, CorAlgoProgress *progress, CorError *err)
{
    Pace pace = {0};
    COR_CLEANUP(sums_done)
    Sums sums = {.row = cor_new_array(int32_t, volume->width_px),
                 .slice = cor_new_array(int32_t, cor_kernel_grid_slice_len(&volume->grid))};

    volume->values = cor_new_array(int16_t, cor_kernel_grid_len(&volume->grid));
    if (!sums.row || !sums.slice || !volume->values) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for a volume");
    }
    for (size_t i = 0; i < volume->slice_len; i++) {
        CorAlgoSlice slice = {0};
        int64_t start_us = cor_time_us();

        if (!cor_algo_priv_volume_load(volume, progress->job, i, &slice, err)) {
            return false;
        }
        int64_t loaded_us = cor_time_us();
        add_slice(volume, &slice.plane, &sums);
        if ((i + 1) % volume->factor[2] == 0 || i + 1 == volume->slice_len) {
            finish_slices(volume, i / volume->factor[2], &sums);
        }
        pace.load_us += loaded_us - start_us;
        pace.grid_us += cor_time_us() - loaded_us;
        if (!report_pace(progress, &pace, volume->slice_len - i - 1, err)) {
            return false;
        }
    }
    return true;
}

bool cor_algo_priv_volume_geometry(CorAlgoVolume *volume, const CorAlgoJob *job, size_t slices_min,
                                   CorError *err)
{
    if (job->slice_len < slices_min) {
        return cor_fail(err, COR_ERR_INVALID, "at least %zu slices are needed, there are %zu",
                        slices_min, job->slice_len);
    }
    return read_geometry(volume, job, err);
}

bool cor_algo_priv_volume_read(CorAlgoVolume *volume, CorAlgoProgress *progress, size_t slices_min,
                               CorError *err)
{
    return cor_algo_priv_volume_geometry(volume, progress->job, slices_min, err) &&
           choose_grid(volume, err) && read_slices(volume, progress, err) && allocate(volume, err);
}

void cor_algo_priv_volume_crop(CorAlgoVolume *volume, uint8_t *mask)
{
    CorGrid grid = volume->grid;
    size_t begin[2] = {grid.width, grid.height};
    size_t end[2] = {0, 0};
    size_t to = 0;

    for (size_t row = 0; row < grid.height * grid.depth; row++) {
        const uint8_t *bytes = mask + row * grid.width;
        size_t y = row % grid.height;
        const uint8_t *found = memchr(bytes, 1, grid.width);

        if (!found) {
            continue;
        }
        begin[0] = COR_MIN(begin[0], (size_t) (found - bytes));
        found = memrchr(bytes, 1, grid.width);
        end[0] = COR_MAX(end[0], (size_t) (found - bytes) + 1);
        begin[1] = COR_MIN(begin[1], y);
        end[1] = COR_MAX(end[1], y + 1);
    }
    if (begin[0] >= end[0]) {
        return;
    }
    for (size_t i = 0; i < 2; i++) { /* one voxel of air all around */
        begin[i] -= begin[i] > 0;
        end[i] += end[i] < (i == 0 ? grid.width : grid.height);
        volume->offset[i] = begin[i];
    }
    volume->grid.width = end[0] - begin[0];
    volume->grid.height = end[1] - begin[1];
    for (size_t z = 0; z < grid.depth; z++) {
        for (size_t y = begin[1]; y < end[1]; y++) {
            size_t from = (z * grid.height + y) * grid.width + begin[0];

            memmove(volume->values + to, volume->values + from,
                    volume->grid.width * sizeof(*volume->values));
            memmove(mask + to, mask + from, volume->grid.width);
            to += volume->grid.width;
        }
    }
}
