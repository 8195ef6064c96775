/* SPDX-License-Identifier: Apache-2.0 */
/* From the grid to the slices: a mask of the grid is interpolated linearly between the centres of
 * voxels, so that its edge runs smoothly through pixels.
 */
#include <string.h>

#include "algo/algo-volume.h"
#include "base/array.h"

void cor_algo_priv_drawing_done(CorAlgoDrawing *drawing)
{
    free(drawing->mask);
    free(drawing->inner);
    free(drawing->outer);
    free(drawing->voxels);
    free(drawing->line);
    free(drawing->before);
    free(drawing->weight);
    free(drawing->column);
    *drawing = (CorAlgoDrawing){0};
}

/* Where pixel i lies between the voxels of an axis: after voxel *ret_before by *ret_weight. */
static void place(const CorAlgoVolume *volume, size_t axis, size_t i, size_t *ret_before,
                  float *ret_weight)
{
    const size_t lens[3] = {volume->grid.width, volume->grid.height, volume->grid.depth};
    double at =
        ((double) i + 0.5) / (double) volume->factor[axis] - 0.5 - (double) volume->offset[axis];

    at = COR_MIN(COR_MAX(at, 0.0), (double) (lens[axis] - 1));
    *ret_before = COR_MIN((size_t) at, lens[axis] - 1);
    *ret_weight = (float) (at - (double) *ret_before);
}

/* The voxel of an axis that pixel i is in, or the nearest one that is kept. */
static size_t nearest(const CorAlgoVolume *volume, size_t axis, size_t i)
{
    const size_t lens[3] = {volume->grid.width, volume->grid.height, volume->grid.depth};
    size_t voxel = i / volume->factor[axis];

    voxel = voxel > volume->offset[axis] ? voxel - volume->offset[axis] : 0;
    return COR_MIN(voxel, lens[axis] - 1);
}

bool cor_algo_priv_drawing_make(CorAlgoDrawing *drawing, CorAlgoVolume *volume, CorError *err)
{
    size_t pixels = volume->width_px * volume->height_px;

    *drawing = (CorAlgoDrawing){
        .volume = volume,
        .slice = {.width = volume->width_px, .height = volume->height_px, .depth = 1},
        .mask = cor_new_array(uint8_t, pixels),
        .inner = cor_new_array(float, pixels),
        .outer = cor_new_array(float, pixels),
        .voxels = cor_new_array(float, cor_kernel_grid_slice_len(&volume->grid)),
        .line = cor_new_array(float, volume->grid.width + 1),
        .before = cor_new_array(uint32_t, volume->width_px),
        .weight = cor_new_array(float, volume->width_px),
        .column = cor_new_array(uint32_t, volume->width_px),
    };
    if (!drawing->mask || !drawing->inner || !drawing->outer || !drawing->voxels ||
        !drawing->line || !drawing->before || !drawing->weight || !drawing->column) {
        cor_algo_priv_drawing_done(drawing);
        return cor_fail(err, COR_ERR_NOMEM, "no memory for a slice of %zu x %zu pixels",
                        volume->width_px, volume->height_px);
    }
    memcpy(drawing->slice.spacing_mm, volume->spacing_mm, sizeof(drawing->slice.spacing_mm));
    for (size_t x = 0; x < volume->width_px; x++) {
        size_t before = 0;

        place(volume, 0, x, &before, &drawing->weight[x]);
        drawing->before[x] = (uint32_t) before;
        drawing->column[x] = (uint32_t) nearest(volume, 0, x);
    }
    return true;
}

size_t cor_algo_priv_drawing_voxel(const CorAlgoDrawing *drawing, size_t x, size_t y, size_t slice)
{
    const CorAlgoVolume *volume = drawing->volume;

    return (nearest(volume, 2, slice) * volume->grid.height + nearest(volume, 1, y)) *
               volume->grid.width +
           drawing->column[x];
}

/* to = (1 - weight) * a + weight * b */
static void blend_bytes(const uint8_t *a, const uint8_t *b, float weight, size_t len, float *to)
{
    for (size_t i = 0; i < len; i++) {
        to[i] = (1 - weight) * (float) a[i] + weight * (float) b[i];
    }
}

static void blend(const float *a, const float *b, float weight, size_t len, float *to)
{
    for (size_t i = 0; i < len; i++) {
        to[i] = (1 - weight) * a[i] + weight * b[i];
    }
}

void cor_algo_priv_drawing_share(CorAlgoDrawing *drawing, const uint8_t *mask, size_t slice,
                                 float *share)
{
    const CorAlgoVolume *volume = drawing->volume;
    const CorGrid *grid = &volume->grid;
    size_t len = grid->width * grid->height;
    size_t x_begin = COR_MIN(volume->offset[0] * volume->factor[0], volume->width_px);
    size_t x_end = COR_MIN(x_begin + grid->width * volume->factor[0], volume->width_px);
    size_t before = 0;
    float weight = 0;

    place(volume, 2, slice, &before, &weight);
    size_t after = COR_MIN(before + 1, grid->depth - 1);
    blend_bytes(mask + before * len, mask + after * len, weight, len, drawing->voxels);
    for (size_t y = 0; y < volume->height_px; y++) {
        float *to = share + y * volume->width_px;
        double row = ((double) y + 0.5) / (double) volume->factor[1] - (double) volume->offset[1];

        memset(to, 0, volume->width_px * sizeof(*to));
        if (row < 0 || row > (double) grid->height) {
            continue;
        }
        place(volume, 1, y, &before, &weight);
        after = COR_MIN(before + 1, grid->height - 1);
        blend(drawing->voxels + before * grid->width, drawing->voxels + after * grid->width, weight,
              grid->width, drawing->line);
        drawing->line[grid->width] = drawing->line[grid->width - 1];
        for (size_t x = x_begin; x < x_end; x++) {
            const float *at = drawing->line + drawing->before[x];

            to[x] = at[0] + drawing->weight[x] * (at[1] - at[0]);
        }
    }
}

static float pixel_value(const CorPlane *plane, size_t x, size_t y)
{
    const void *row = cor_plane_row(plane, y);
    float value = plane->type == COR_PIXEL_S16 ? (float) ((const int16_t *) row)[x]
                                               : (float) ((const double *) row)[x];

    return COR_MIN(COR_MAX(value, -1024.0F), 1500.0F);
}

float cor_algo_priv_drawing_mean(const CorPlane *plane, size_t x, size_t y, size_t radius_px)
{
    size_t x_end = COR_MIN(x + radius_px + 1, plane->width_px);
    size_t y_end = COR_MIN(y + radius_px + 1, plane->height_px);
    size_t x_begin = x > radius_px ? x - radius_px : 0;
    size_t y_begin = y > radius_px ? y - radius_px : 0;
    float sum = 0;

    for (size_t row = y_begin; row < y_end; row++) {
        for (size_t column = x_begin; column < x_end; column++) {
            sum += pixel_value(plane, column, row);
        }
    }
    return sum / (float) ((x_end - x_begin) * (y_end - y_begin));
}

bool cor_algo_priv_drawing_drop(CorAlgoDrawing *drawing, double area_mm2, double anchor_mm2,
                                CorError *err)
{
    CorAlgoVolume *volume = drawing->volume;
    const CorGridRuns *runs = &volume->runs;
    double pixel_mm2 = volume->spacing_mm[0] * volume->spacing_mm[1];
    size_t width = drawing->slice.width;
    size_t labels = 0;

    if (!cor_algo_priv_volume_label(volume, &drawing->slice, drawing->mask, &labels, err)) {
        return false;
    }
    COR_CLEANUP(cor_freep) uint8_t *is_kept = cor_new_array(uint8_t, labels);
    COR_CLEANUP(cor_freep) uint32_t *anchors = cor_new_array(uint32_t, labels);
    if (!is_kept || !anchors) {
        return cor_fail(err, COR_ERR_NOMEM, "no memory for %zu parts of a slice", labels);
    }
    for (size_t y = 0; y < drawing->slice.height; y++) {
        for (size_t i = runs->rows[y]; i < runs->rows[y + 1]; i++) {
            for (size_t x = runs->items[i].begin; x < runs->items[i].end; x++) {
                anchors[runs->items[i].label - 1] += drawing->inner[y * width + x] >= 0.5F;
            }
        }
    }
    for (size_t i = 0; i < labels; i++) {
        is_kept[i] =
            volume->counts[i] * pixel_mm2 >= area_mm2 && anchors[i] * pixel_mm2 >= anchor_mm2;
    }
    cor_algo_priv_volume_keep(volume, &drawing->slice, is_kept, drawing->mask);
    return true;
}
