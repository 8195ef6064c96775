/* SPDX-License-Identifier: Apache-2.0 */
/* Components by runs: a run is joined with those that overlap it on the rows before it, in its own
 * slice and in the one before, in a forest whose roots are the first run of their tree.  With 26
 * neighbours there are more such rows, and runs that only touch overlap too.
 */
#include "kernel/voxels.h"

#include <assert.h>
#include <string.h>

#include "kernel/kernel-ops.h"
#include "kernel/union-find.h"

#define WORD_BITS ((size_t) 64)
#define LINE_WORDS ((size_t) 8)

size_t cor_kernel_voxels_size_words(size_t width, size_t height, size_t depth)
{
    assert(width > 0 && width <= COR_KERNEL_SIDE_MAX_PX && height > 0 && depth > 0);

    return ((width + WORD_BITS - 1) / WORD_BITS + 1) * height * depth + 2 * LINE_WORDS;
}

CorVoxels cor_kernel_voxels_at(uint64_t *buffer, size_t width, size_t height, size_t depth)
{
    size_t past = (uintptr_t) (buffer + 1) % (LINE_WORDS * sizeof(uint64_t)) / sizeof(uint64_t);

    return (CorVoxels){
        .words = buffer + 1 + (past ? LINE_WORDS - past : 0),
        .width = width,
        .height = height,
        .depth = depth,
        .stride_words = (width + WORD_BITS - 1) / WORD_BITS + 1,
    };
}

static inline uint64_t *row_at(const CorVoxels *voxels, size_t row)
{
    return voxels->words + row * voxels->stride_words;
}

void cor_kernel_voxels_from_s16(const int16_t *plane, int16_t low, int16_t high, CorVoxels *voxels,
                                size_t z)
{
    const CorKernelOps *ops = cor_kernel_priv_ops();

    for (size_t y = 0; y < voxels->height; y++) {
        ops->pack_s16(plane + y * voxels->width, voxels->width, low, high,
                      row_at(voxels, z * voxels->height + y));
    }
}

void cor_kernel_voxels_to_u8(const CorVoxels *voxels, size_t z, uint8_t *plane)
{
    CorBits slice = {.words = row_at(voxels, z * voxels->height),
                     .width_px = voxels->width,
                     .height_px = voxels->height,
                     .stride_words = voxels->stride_words};

    for (size_t y = 0; y < voxels->height; y++) {
        cor_kernel_bits_unpack_row(&slice, y, plane + y * voxels->width);
    }
}

static size_t words_len(const CorVoxels *voxels)
{
    return voxels->stride_words * voxels->height * voxels->depth;
}

size_t cor_kernel_voxels_count(const CorVoxels *voxels)
{
    return cor_kernel_priv_ops()->count(voxels->words, words_len(voxels));
}

void cor_kernel_voxels_and(const CorVoxels *from, CorVoxels *to)
{
    for (size_t i = 0; i < words_len(to); i++) {
        to->words[i] &= from->words[i];
    }
}

void cor_kernel_voxels_or(const CorVoxels *from, CorVoxels *to)
{
    for (size_t i = 0; i < words_len(to); i++) {
        to->words[i] |= from->words[i];
    }
}

void cor_kernel_voxels_and_not(const CorVoxels *from, CorVoxels *to)
{
    for (size_t i = 0; i < words_len(to); i++) {
        to->words[i] &= ~from->words[i];
    }
}

size_t cor_kernel_voxels_runs_count(const CorVoxels *voxels, bool is_set)
{
    const CorKernelOps *ops = cor_kernel_priv_ops();
    uint64_t invert = is_set ? 0 : ~(uint64_t) 0;
    size_t count = 0;

    for (size_t row = 0; row < voxels->height * voxels->depth; row++) {
        count += ops->runs_count(row_at(voxels, row), voxels->width, invert);
    }
    return count;
}

static void find_runs(const CorVoxels *voxels, bool is_set, CorRuns *runs)
{
    const CorKernelOps *ops = cor_kernel_priv_ops();
    uint64_t invert = is_set ? 0 : ~(uint64_t) 0;

    runs->len = 0;
    runs->height_px = voxels->height * voxels->depth;
    for (size_t row = 0; row < runs->height_px; row++) {
        runs->rows[row] = runs->len;
        runs->len +=
            ops->runs_find(row_at(voxels, row), voxels->width, invert, runs->runs + runs->len);
    }
    runs->rows[runs->height_px] = runs->len;
}

/* Unite the runs of two rows that overlap when each is `more` voxels longer. */
static void unite_rows(CorRuns *runs, size_t before, size_t row, unsigned more)
{
    size_t a = runs->rows[before];
    size_t b = runs->rows[row];
    size_t a_end = runs->rows[before + 1];
    size_t b_end = runs->rows[row + 1];

    while (a < a_end && b < b_end) {
        CorRun one = runs->runs[a];
        CorRun two = runs->runs[b];

        if (one.begin_px < two.end_px + more && two.begin_px < one.end_px + more) {
            cor_kernel_priv_unite(runs->labels, (uint32_t) a, (uint32_t) b);
        }
        if (one.end_px < two.end_px) {
            a++;
        } else {
            b++;
        }
    }
}

static void unite_all(const CorVoxels *voxels, CorNeighbours neighbours, CorRuns *runs)
{
    size_t height = voxels->height;
    unsigned more = neighbours == COR_NEIGHBOURS_26;

    assert(runs->len < UINT32_MAX);
    for (size_t i = 0; i < runs->len; i++) {
        runs->labels[i] = (uint32_t) i;
    }
    for (size_t row = 0; row < runs->height_px; row++) {
        size_t y = row % height;

        if (y > 0) {
            unite_rows(runs, row - 1, row, more);
        }
        if (row < height) {
            continue;
        }
        unite_rows(runs, row - height, row, more);
        if (more && y > 0) {
            unite_rows(runs, row - height - 1, row, more);
        }
        if (more && y + 1 < height) {
            unite_rows(runs, row - height + 1, row, more);
        }
    }
}

size_t cor_kernel_voxels_label(const CorVoxels *voxels, bool is_set, CorNeighbours neighbours,
                               CorRuns *runs)
{
    uint32_t *labels = runs->labels;
    uint32_t count = 0;

    find_runs(voxels, is_set, runs);
    unite_all(voxels, neighbours, runs);
    /* What lies before i has its number already. */
    for (size_t i = 0; i < runs->len; i++) {
        labels[i] = labels[i] == i ? ++count : labels[labels[i]];
    }
    return count;
}

static void add_run(CorVoxelComponent *component, const CorRun *run, size_t y, size_t z)
{
    const size_t begin[3] = {run->begin_px, y, z};
    const size_t end[3] = {run->end_px, y + 1, z + 1};
    uint64_t len = end[0] - begin[0];

    component->sum[0] += len * (begin[0] + end[0] - 1) / 2;
    component->sum[1] += len * y;
    component->sum[2] += len * z;
    for (size_t i = 0; i < 3; i++) {
        bool is_first = component->len == 0;

        component->begin[i] =
            is_first || begin[i] < component->begin[i] ? begin[i] : component->begin[i];
        component->end[i] = is_first || end[i] > component->end[i] ? end[i] : component->end[i];
    }
    component->len += len;
}

void cor_kernel_voxels_measure(const CorVoxels *voxels, const CorRuns *runs,
                               CorVoxelComponent *components, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        components[i] = (CorVoxelComponent){0};
    }
    for (size_t row = 0; row < runs->height_px; row++) {
        for (size_t i = runs->rows[row]; i < runs->rows[row + 1]; i++) {
            add_run(&components[runs->labels[i] - 1], &runs->runs[i], row % voxels->height,
                    row / voxels->height);
        }
    }
}

/* Turn the voxels of a run over. */
static void flip_run(uint64_t *row, const CorRun *run)
{
    size_t first = run->begin_px / WORD_BITS;
    size_t last = (run->end_px - 1u) / WORD_BITS;
    uint64_t from_begin = ~(uint64_t) 0 << (run->begin_px % WORD_BITS);
    uint64_t to_end = ~(uint64_t) 0 >> (63 - (run->end_px - 1u) % WORD_BITS);

    if (first == last) {
        row[first] ^= from_begin & to_end;
        return;
    }
    row[first] ^= from_begin;
    for (size_t i = first + 1; i < last; i++) {
        row[i] = ~row[i];
    }
    row[last] ^= to_end;
}

/* Turn over every component that is not kept. */
static void flip_others(const CorRuns *runs, const uint8_t *is_kept, CorVoxels *voxels)
{
    for (size_t row = 0; row < runs->height_px; row++) {
        for (size_t i = runs->rows[row]; i < runs->rows[row + 1]; i++) {
            if (!is_kept[runs->labels[i] - 1]) {
                flip_run(row_at(voxels, row), &runs->runs[i]);
            }
        }
    }
}

void cor_kernel_voxels_keep(const CorRuns *runs, const uint8_t *is_kept, CorVoxels *voxels)
{
    flip_others(runs, is_kept, voxels);
}

void cor_kernel_voxels_fill(CorVoxels *voxels, bool ends_are_open, CorRuns *runs, uint8_t *is_kept)
{
    size_t count = cor_kernel_voxels_label(voxels, false, COR_NEIGHBOURS_6, runs);

    memset(is_kept, 0, count);
    for (size_t row = 0; row < runs->height_px; row++) {
        size_t y = row % voxels->height;
        size_t z = row / voxels->height;
        bool is_border = y == 0 || y + 1 == voxels->height ||
                         (ends_are_open && (z == 0 || z + 1 == voxels->depth));

        for (size_t i = runs->rows[row]; i < runs->rows[row + 1]; i++) {
            const CorRun *run = &runs->runs[i];

            if (is_border || run->begin_px == 0 || run->end_px == voxels->width) {
                is_kept[runs->labels[i] - 1] = 1;
            }
        }
    }
    flip_others(runs, is_kept, voxels);
}
