/* SPDX-License-Identifier: Apache-2.0 */
/* All memory of a run.  Planes have the size of the slice; runs and components are as many as there
 * are, counted beforehand, so that noise costs memory and an ordinary slice does not.
 */
#include <string.h>

#include "algo/algo-priv.h"
#include "base/array.h"

void cor_algo_priv_workspace_done(CorAlgoWorkspace *workspace)
{
    free(workspace->bytes[0]);
    free(workspace->bytes[1]);
    free(workspace->mask);
    for (size_t i = 0; i < COR_ARRAY_LEN(workspace->words); i++) {
        free(workspace->words[i]);
    }
    free(workspace->scratch);
    free(workspace->morphology);
    free(workspace->runs.runs);
    free(workspace->runs.labels);
    free(workspace->runs.rows);
    free(workspace->areas);
    free(workspace->components);
    *workspace = (CorAlgoWorkspace){0};
}

bool cor_algo_priv_workspace_prepare(CorAlgoWorkspace *workspace, const CorPlane *plane,
                                     size_t scratch_size, CorError *err)
{
    size_t width = plane->width_px;
    size_t height = plane->height_px;
    size_t words_len = cor_kernel_bits_size_words(width, height);
    size_t morphology_len = cor_kernel_morphology_size_words(width);
    bool is_complete = true;

    if (workspace->width_px == width && workspace->height_px == height &&
        workspace->scratch_size == scratch_size) {
        return true;
    }
    cor_algo_priv_workspace_done(workspace);

    workspace->bytes[0] = malloc(width * height); /* style-ok: bounded by COR_ALGO_SIDE_MAX_PX */
    workspace->bytes[1] = malloc(width * height); /* style-ok: as above */
    workspace->mask = malloc(width * height);     /* style-ok: as above */
    workspace->scratch = malloc(scratch_size);
    workspace->morphology = cor_new_array(uint64_t, morphology_len);
    workspace->runs.rows = cor_new_array(size_t, height + 1);
    for (size_t i = 0; i < COR_ARRAY_LEN(workspace->words); i++) {
        workspace->words[i] = cor_new_array(uint64_t, words_len);
        is_complete = is_complete && workspace->words[i];
    }
    if (!is_complete || !workspace->bytes[0] || !workspace->bytes[1] || !workspace->mask ||
        !workspace->scratch || !workspace->morphology || !workspace->runs.rows) {
        cor_algo_priv_workspace_done(workspace);
        return cor_fail(err, COR_ERR_NOMEM, "no memory for a slice of %zu x %zu pixels", width,
                        height);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(workspace->words); i++) {
        workspace->bits[i] = cor_kernel_bits_at(workspace->words[i], width, height);
    }
    workspace->width_px = width;
    workspace->height_px = height;
    workspace->scratch_size = scratch_size;
    return true;
}

/* Make room for len runs; what the arrays held is lost. */
static bool reserve_runs(CorAlgoWorkspace *workspace, size_t len, CorError *err)
{
    if (len <= workspace->runs_capacity) {
        return true;
    }
    free(workspace->runs.runs);
    free(workspace->runs.labels);
    free(workspace->areas);
    workspace->runs.runs = cor_new_array(CorRun, len);
    workspace->runs.labels = cor_new_array(uint32_t, len);
    workspace->areas = cor_new_array(uint32_t, len);
    workspace->runs_capacity = len;
    if (!workspace->runs.runs || !workspace->runs.labels || !workspace->areas) {
        workspace->runs_capacity = 0;
        return cor_fail(err, COR_ERR_NOMEM, "no memory for %zu runs of pixels", len);
    }
    return true;
}

bool cor_algo_priv_fill_holes(CorAlgoWorkspace *workspace, CorBits *bits, CorError *err)
{
    if (!reserve_runs(workspace, cor_kernel_runs_count(bits, false), err)) {
        return false;
    }
    cor_kernel_fill_holes(bits, &workspace->runs);
    return true;
}

bool cor_algo_priv_fill_small(CorAlgoWorkspace *workspace, size_t area_px, CorBits *bits,
                              CorError *err)
{
    if (!reserve_runs(workspace, cor_kernel_runs_count(bits, false), err)) {
        return false;
    }
    cor_kernel_fill_small(bits, area_px, &workspace->runs, workspace->areas);
    return true;
}

/* Shares are quotients of exact sums, rounded twice like the reference's mean(x) / width. */
static bool passes(const CorAlgoChoice *choice, const CorBits *bits, const CorComponent *component)
{
    double area = component->area_px;
    uint64_t sum_x = component->sum_x;

    if (component->area_px < choice->area_min_px) {
        return false;
    }
    if (choice->side == COR_ALGO_SIDE_RIGHT) { /* as if the image were mirrored */
        sum_x = component->area_px * (uint64_t) (bits->width_px - 1) - sum_x;
    }
    if (choice->side != COR_ALGO_SIDE_ANY &&
        (double) sum_x / area / (double) bits->width_px > choice->centroid_x_max) {
        return false;
    }
    return !((double) component->sum_y / area / (double) bits->height_px > choice->centroid_y_max);
}

bool cor_algo_priv_choose(CorAlgoWorkspace *workspace, const CorBits *bits,
                          const CorAlgoChoice *choice, const CorAlgoTrace *trace,
                          CorAlgoOutcome *ret_outcome, CorError *err)
{
    CorAlgoOutcome outcome = {0};

    if (!reserve_runs(workspace, cor_kernel_runs_count(bits, true), err)) {
        return false;
    }
    cor_kernel_runs_find(bits, true, &workspace->runs);
    outcome.component_len = cor_kernel_runs_label(&workspace->runs);
    if (outcome.component_len > workspace->components_capacity) {
        free(workspace->components);
        workspace->components = cor_new_array(CorComponent, outcome.component_len);
        workspace->components_capacity = workspace->components ? outcome.component_len : 0;
        if (!workspace->components) {
            return cor_fail(err, COR_ERR_NOMEM, "no memory for %zu components",
                            outcome.component_len);
        }
    }
    cor_kernel_runs_measure(&workspace->runs, workspace->components, outcome.component_len);
    if (trace && trace->runs) {
        trace->runs(trace->context, &workspace->runs);
    }

    for (size_t i = 0; i < outcome.component_len; i++) {
        const CorComponent *component = &workspace->components[i];

        if (component->area_px > outcome.component.area_px && passes(choice, bits, component)) {
            outcome.chosen = i + 1;
            outcome.component = *component;
        }
    }
    *ret_outcome = outcome;
    return true;
}

void cor_algo_priv_draw_mask(CorAlgoWorkspace *workspace, const CorAlgoOutcome *outcome)
{
    const CorRuns *runs = &workspace->runs;

    memset(workspace->mask, 0, workspace->width_px * workspace->height_px);
    for (size_t y = 0; outcome->chosen && y < runs->height_px; y++) {
        for (size_t i = runs->rows[y]; i < runs->rows[y + 1]; i++) {
            const CorRun *run = &runs->runs[i];

            if (runs->labels[i] == outcome->chosen) {
                memset(workspace->mask + y * workspace->width_px + run->begin_px, 1,
                       (size_t) (run->end_px - run->begin_px));
            }
        }
    }
}

void cor_algo_priv_trace_bytes(const CorAlgoTrace *trace, const char *name, const uint8_t *plane)
{
    if (trace && trace->bytes) {
        trace->bytes(trace->context, name, plane);
    }
}

void cor_algo_priv_trace_bits(const CorAlgoTrace *trace, const char *name, const CorBits *bits)
{
    if (trace && trace->bits) {
        trace->bits(trace->context, name, bits);
    }
}
