/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of adjacent rows that overlap
 * are joined in a forest whose roots are always the first run of their tree: labels then follow
 * from one pass in raster order.
 */
#include "kernel/runs.h"

#include <assert.h>

#include "kernel/kernel-ops.h"
#include "kernel/union-find.h"

#define WORD_BITS ((size_t) 64)

size_t cor_kernel_runs_count(const CorBits *bits, bool is_set)
{
    const CorKernelOps *ops = cor_kernel_priv_ops();
    uint64_t invert = is_set ? 0 : ~(uint64_t) 0;
    size_t count = 0;

    for (size_t y = 0; y < bits->height_px; y++) {
        count += ops->runs_count(bits->words + y * bits->stride_words, bits->width_px, invert);
    }
    return count;
}

void cor_kernel_runs_find(const CorBits *bits, bool is_set, CorRuns *runs)
{
    const CorKernelOps *ops = cor_kernel_priv_ops();
    uint64_t invert = is_set ? 0 : ~(uint64_t) 0;

    runs->len = 0;
    runs->height_px = bits->height_px;
    for (size_t y = 0; y < bits->height_px; y++) {
        runs->rows[y] = runs->len;
        runs->len += ops->runs_find(bits->words + y * bits->stride_words, bits->width_px, invert,
                                    runs->runs + runs->len);
    }
    runs->rows[bits->height_px] = runs->len;
}

/* Unite the runs of row y with those above that they touch. */
static void unite_row(CorRuns *runs, size_t y)
{
    size_t above = runs->rows[y - 1];
    size_t here = runs->rows[y];

    while (above < runs->rows[y] && here < runs->rows[y + 1]) {
        const CorRun *a = &runs->runs[above];
        const CorRun *b = &runs->runs[here];

        if (a->begin_px < b->end_px && b->begin_px < a->end_px) {
            cor_kernel_priv_unite(runs->labels, (uint32_t) above, (uint32_t) here);
        }
        if (a->end_px < b->end_px) {
            above++;
        } else {
            here++;
        }
    }
}

/* Afterwards labels[i] is an earlier run of the same component, or i itself if it is the first. */
static void unite_all(CorRuns *runs)
{
    assert(runs->len < UINT32_MAX);

    for (size_t i = 0; i < runs->len; i++) {
        runs->labels[i] = (uint32_t) i;
    }
    for (size_t y = 1; y < runs->height_px; y++) {
        unite_row(runs, y);
    }
}

size_t cor_kernel_runs_label(CorRuns *runs)
{
    uint32_t *labels = runs->labels;
    uint32_t count = 0;

    unite_all(runs);
    /* What lies before i has its number already. */
    for (size_t i = 0; i < runs->len; i++) {
        labels[i] = labels[i] == i ? ++count : labels[labels[i]];
    }
    return count;
}

void cor_kernel_runs_measure(const CorRuns *runs, CorComponent *components, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        components[i] = (CorComponent){0};
    }
    for (size_t y = 0; y < runs->height_px; y++) {
        for (size_t i = runs->rows[y]; i < runs->rows[y + 1]; i++) {
            CorComponent *component = &components[runs->labels[i] - 1];
            uint32_t begin = runs->runs[i].begin_px;
            uint32_t end = runs->runs[i].end_px;
            uint32_t area = end - begin;

            if (component->area_px == 0) {
                component->first_run = (uint32_t) i;
            }
            component->area_px += area;
            component->sum_x += (uint64_t) area * (begin + end - 1) / 2;
            component->sum_y += (uint64_t) area * y;
        }
    }
}

static void set_run(CorBits *bits, size_t y, const CorRun *run)
{
    uint64_t *row = bits->words + y * bits->stride_words;
    size_t first = run->begin_px / WORD_BITS;
    size_t last = (run->end_px - 1u) / WORD_BITS;
    uint64_t from_begin = ~(uint64_t) 0 << (run->begin_px % WORD_BITS);
    uint64_t to_end = ~(uint64_t) 0 >> (63 - (run->end_px - 1u) % WORD_BITS);

    if (first == last) {
        row[first] |= from_begin & to_end;
        return;
    }
    row[first] |= from_begin;
    for (size_t i = first + 1; i < last; i++) {
        row[i] = ~(uint64_t) 0;
    }
    row[last] |= to_end;
}

static bool touches_border(const CorRuns *runs, const CorBits *bits, size_t y, const CorRun *run)
{
    return y == 0 || y + 1 == runs->height_px || run->begin_px == 0 ||
           run->end_px == bits->width_px;
}

void cor_kernel_fill_holes(CorBits *bits, CorRuns *runs)
{
    size_t outside = SIZE_MAX; /* a run at the border; all of those are made one component */

    cor_kernel_runs_find(bits, false, runs);
    unite_all(runs);
    for (size_t y = 0; y < runs->height_px; y++) {
        for (size_t i = runs->rows[y]; i < runs->rows[y + 1]; i++) {
            if (!touches_border(runs, bits, y, &runs->runs[i])) {
                continue;
            }
            outside = outside == SIZE_MAX ? i : outside;
            cor_kernel_priv_unite(runs->labels, (uint32_t) outside, (uint32_t) i);
        }
    }
    for (size_t y = 0; y < runs->height_px; y++) {
        for (size_t i = runs->rows[y]; i < runs->rows[y + 1]; i++) {
            if (outside == SIZE_MAX ||
                cor_kernel_priv_find_root(runs->labels, (uint32_t) i) !=
                    cor_kernel_priv_find_root(runs->labels, (uint32_t) outside)) {
                set_run(bits, y, &runs->runs[i]);
            }
        }
    }
}

void cor_kernel_fill_small(CorBits *bits, size_t area_px, CorRuns *runs, uint32_t *areas)
{
    size_t count = 0;

    cor_kernel_runs_find(bits, false, runs);
    count = cor_kernel_runs_label(runs);
    for (size_t i = 0; i < count; i++) {
        areas[i] = 0;
    }
    for (size_t i = 0; i < runs->len; i++) {
        areas[runs->labels[i] - 1] += (uint32_t) (runs->runs[i].end_px - runs->runs[i].begin_px);
    }
    for (size_t y = 0; y < runs->height_px; y++) {
        for (size_t i = runs->rows[y]; i < runs->rows[y + 1]; i++) {
            if (areas[runs->labels[i] - 1] < area_px) {
                set_run(bits, y, &runs->runs[i]);
            }
        }
    }
}
