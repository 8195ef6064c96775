/* SPDX-License-Identifier: Apache-2.0 */
/* Watershed by levels of distance, in steps of half a millimetre, from the widest down.  At each
 * level the voxels that may be entered are those at least as far from the edge; the front of a
 * level is a queue in the order of entry, so two seeds meet halfway.
 *
 * A voxel that is met before its level is left alone; its neighbour finds it again when the level
 * has come, because everything that has a label is looked over again at each level that has voxels
 * of its own.  That is one pass over the labelled voxels per level, and few levels are deep.
 */
#include "kernel/volume.h"

#include <math.h>

typedef struct Front {
    const CorGrid *grid;
    const uint8_t *mask;
    const int16_t *distances;
    uint8_t *labels;
    uint32_t *queue;
    size_t len;
} Front;

/* Give a voxel a label if its level has come. */
static void enter(Front *front, size_t voxel, uint8_t label, int16_t level)
{
    if (front->mask[voxel] && !front->labels[voxel] && front->distances[voxel] >= level) {
        front->labels[voxel] = label;
        front->queue[front->len++] = (uint32_t) voxel;
    }
}

static void spread(Front *front, size_t voxel, int16_t level)
{
    const CorGrid *grid = front->grid;
    size_t slice = grid->width * grid->height;
    size_t x = voxel % grid->width;
    size_t y = voxel % slice / grid->width;
    size_t z = voxel / slice;
    uint8_t label = front->labels[voxel];

    if (x > 0) {
        enter(front, voxel - 1, label, level);
    }
    if (x + 1 < grid->width) {
        enter(front, voxel + 1, label, level);
    }
    if (y > 0) {
        enter(front, voxel - grid->width, label, level);
    }
    if (y + 1 < grid->height) {
        enter(front, voxel + grid->width, label, level);
    }
    if (z > 0) {
        enter(front, voxel - slice, label, level);
    }
    if (z + 1 < grid->depth) {
        enter(front, voxel + slice, label, level);
    }
}

void cor_kernel_volume_share(const CorGrid *grid, const uint8_t *mask, const int16_t *distances,
                             uint8_t *labels, uint32_t *queue)
{
    Front front = {grid, mask, distances, labels, queue, 0};
    size_t len = cor_kernel_grid_len(grid);
    int16_t highest = 0;

    for (size_t i = 0; i < len; i++) {
        if (mask[i] && labels[i]) {
            queue[front.len++] = (uint32_t) i;
        }
        if (mask[i] && distances[i] > highest) {
            highest = distances[i];
        }
    }
    for (double mm = sqrt(highest) / 2; mm > -0.5; mm -= 0.5) {
        int16_t level = mm > 0 ? cor_kernel_mm_squared(mm) : 0;

        for (size_t i = 0; i < front.len; i++) {
            spread(&front, queue[i], level);
        }
    }
}
