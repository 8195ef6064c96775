/* SPDX-License-Identifier: Apache-2.0 */
/* Components of a volume by runs: a run is joined with those that overlap it on the row above and
 * on the same row of the slice before, by union-find with the smaller index as root.
 */
#include "kernel/volume.h"

#include <assert.h>
#include <string.h>

size_t cor_kernel_volume_runs_count(const CorGrid *grid, const uint8_t *mask)
{
    size_t count = 0;

    for (size_t row = 0; row < grid->height * grid->depth; row++) {
        const uint8_t *bytes = mask + row * grid->width;
        uint32_t begins = bytes[0] != 0;

        for (size_t x = 1; x < grid->width; x++) {
            begins += (uint32_t) ((bytes[x] != 0) & (bytes[x - 1] == 0));
        }
        count += begins;
    }
    return count;
}

static size_t find_runs(const uint8_t *row, size_t width, CorGridRun *runs)
{
    size_t len = 0;
    size_t x = 0;

    while (x < width) {
        uint64_t eight = 0;

        while (x + sizeof(eight) <= width && eight == 0) { /* most rows are mostly empty */
            memcpy(&eight, row + x, sizeof(eight));
            x += eight == 0 ? sizeof(eight) : 0;
        }
        while (x < width && !row[x]) {
            x++;
        }
        if (x == width) {
            break;
        }
        runs[len].begin = (uint16_t) x;
        while (x < width && row[x]) {
            x++;
        }
        runs[len++].end = (uint16_t) x;
    }
    return len;
}

/* Until numbers are given, label holds the index of a run's parent. */
static uint32_t find_root(CorGridRun *runs, uint32_t i)
{
    while (runs[i].label != i) {
        runs[i].label = runs[runs[i].label].label;
        i = runs[i].label;
    }
    return i;
}

static void join(CorGridRun *runs, uint32_t a, uint32_t b)
{
    uint32_t root_a = find_root(runs, a);
    uint32_t root_b = find_root(runs, b);

    if (root_a < root_b) {
        runs[root_b].label = root_a;
    } else {
        runs[root_a].label = root_b;
    }
}

static void join_rows(CorGridRuns *runs, size_t row, size_t other)
{
    size_t a = runs->rows[row];
    size_t b = runs->rows[other];

    while (a < runs->rows[row + 1] && b < runs->rows[other + 1]) {
        const CorGridRun *one = &runs->items[a];
        const CorGridRun *two = &runs->items[b];

        if (one->begin < two->end && two->begin < one->end) {
            join(runs->items, (uint32_t) a, (uint32_t) b);
        }
        if (one->end < two->end) {
            a++;
        } else {
            b++;
        }
    }
}

size_t cor_kernel_volume_label(const CorGrid *grid, const uint8_t *mask, CorGridRuns *runs)
{
    size_t rows = grid->height * grid->depth;
    size_t len = 0;
    uint32_t labels = 0;

    assert(grid->width <= UINT16_MAX);
    for (size_t row = 0; row < rows; row++) {
        runs->rows[row] = len;
        len += find_runs(mask + row * grid->width, grid->width, runs->items + len);
    }
    runs->rows[rows] = len;
    assert(len <= UINT32_MAX);
    for (size_t i = 0; i < len; i++) {
        runs->items[i].label = (uint32_t) i;
    }
    for (size_t row = 0; row < rows; row++) {
        if (row % grid->height > 0) {
            join_rows(runs, row, row - 1);
        }
        if (row >= grid->height) {
            join_rows(runs, row, row - grid->height);
        }
    }
    /* A root stands before its members, so its number is there when they ask for it. */
    for (size_t i = 0; i < len; i++) {
        uint32_t parent = runs->items[i].label;

        runs->items[i].label = parent == i ? ++labels : runs->items[parent].label;
    }
    return labels;
}
