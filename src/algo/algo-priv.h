/* SPDX-License-Identifier: Apache-2.0 */
/* What the built-in algorithms share: parameters, memory, the run over slices, the choice of a
 * component.  For this room and its tests.
 *
 * An algorithm that works slice by slice is a function that turns a plane into labelled components
 * and chooses one (CorAlgoFind); cor_algo_priv_run() does the rest.
 *
 * Ownership  A CorAlgoWorkspace owns its memory, which is kept from slice to slice.
 * Threads    One thread at a time.
 * Errors     As in algo.h.
 */
#pragma once

#include "algo/algo.h"
#include "base/cleanup.h"
#include "kernel/kernel.h"

/* A numeric parameter; the same figures stand in schema/algorithms, and a test compares them. */
typedef struct CorAlgoNumber {
    const char *name;
    double fallback;
    double minimum;
    double maximum;
    bool is_integer;
} CorAlgoNumber;

typedef enum CorAlgoSide {
    COR_ALGO_SIDE_LEFT,
    COR_ALGO_SIDE_RIGHT,
    COR_ALGO_SIDE_ANY,
    COR_ALGO_SIDE_COUNT_
} CorAlgoSide;

/* Which component is taken: the largest of those that pass, of equal ones the first. */
typedef struct CorAlgoChoice {
    uint64_t area_min_px;
    double centroid_x_max; /* share of the width, from the side */
    double centroid_y_max; /* share of the height */
    CorAlgoSide side;
} CorAlgoChoice;

/* What was found on a slice. */
typedef struct CorAlgoOutcome {
    size_t component_len;
    size_t chosen; /* label, 0 if none */
    CorComponent component;
} CorAlgoOutcome;

/* Who wants to see every intermediate plane.  Each member may be NULL. */
typedef struct CorAlgoTrace {
    void (*bytes)(void *context, const char *name, const uint8_t *plane); /* dense */
    void (*bits)(void *context, const char *name, const CorBits *bits);
    void (*runs)(void *context, const CorRuns *runs); /* labelled */
    void *context;
} CorAlgoTrace;

typedef struct CorAlgoWorkspace {
    size_t width_px;
    size_t height_px;
    size_t scratch_size;
    size_t runs_capacity;
    size_t components_capacity;
    uint8_t *bytes[2]; /* dense planes */
    uint8_t *mask;     /* dense plane */
    uint64_t *words[2];
    CorBits bits[2];
    uint64_t *morphology; /* scratch */
    void *scratch;        /* scratch_size bytes, aligned for any type */
    CorRuns runs;
    uint32_t *areas; /* as many as runs */
    CorComponent *components;
} CorAlgoWorkspace;

/** Free what a workspace owns. */
void cor_algo_priv_workspace_done(CorAlgoWorkspace *workspace);

/**
 * Make a workspace, zeroed at first, ready for slices of this size.
 *
 * @param scratch_size  bytes of scratch that the algorithm's kernels need
 */
COR_MUSTCHECK bool cor_algo_priv_workspace_prepare(CorAlgoWorkspace *workspace,
                                                   const CorPlane *plane, size_t scratch_size,
                                                   CorError *err);

/** Fill the holes of a mask. */
COR_MUSTCHECK bool cor_algo_priv_fill_holes(CorAlgoWorkspace *workspace, CorBits *bits,
                                            CorError *err);

/** Fill small background components of a mask. */
COR_MUSTCHECK bool cor_algo_priv_fill_small(CorAlgoWorkspace *workspace, size_t area_px,
                                            CorBits *bits, CorError *err);

/** Label a mask and choose a component. */
COR_MUSTCHECK bool cor_algo_priv_choose(CorAlgoWorkspace *workspace, const CorBits *bits,
                                        const CorAlgoChoice *choice, const CorAlgoTrace *trace,
                                        CorAlgoOutcome *ret_outcome, CorError *err);

/** Write the mask of what was chosen, all zero if nothing was. */
void cor_algo_priv_draw_mask(CorAlgoWorkspace *workspace, const CorAlgoOutcome *outcome);

/**
 * Read len numbers of params into values.  INVALID for one that is out of its range: the platform
 * validates, but kernels rely on it.
 */
COR_MUSTCHECK bool cor_algo_priv_read_numbers(const json_t *params, const CorAlgoNumber *numbers,
                                              size_t len, double *values, CorError *err);

/** Read the parameter "side". */
COR_MUSTCHECK bool cor_algo_priv_read_side(const json_t *params, CorAlgoSide fallback,
                                           CorAlgoSide *ret_side, CorError *err);

/**
 * Find something on one slice.  The plane is S16 or F64 without NaN; the trace may be NULL.
 */
typedef bool (*CorAlgoFind)(const void *params, const CorPlane *plane, CorAlgoWorkspace *workspace,
                            const CorAlgoTrace *trace, CorAlgoOutcome *ret_outcome, CorError *err);

/** Run over all slices of a job: load, check, find, measure, emit, report. */
COR_MUSTCHECK bool cor_algo_priv_run(const CorAlgoJob *job, CorAlgoFind find, const void *params,
                                     CorError *err);

/** Check a slice: its type, its size, and that no value is NaN or infinite. */
COR_MUSTCHECK bool cor_algo_priv_check(const CorPlane *plane, CorError *err);

/** Measure what the mask of the workspace covers; a new reference, or NULL if there is no memory.
 */
json_t *cor_algo_priv_measure(const CorAlgoWorkspace *workspace, const CorAlgoSlice *slice,
                              const CorAlgoOutcome *outcome);

void cor_algo_priv_trace_bytes(const CorAlgoTrace *trace, const char *name, const uint8_t *plane);
void cor_algo_priv_trace_bits(const CorAlgoTrace *trace, const char *name, const CorBits *bits);

/* The algorithms, to the tests. */
typedef struct CorProcessing1 {
    int hu_min;
    int hu_max;
    uint8_t threshold;
    int closing_radius_px;
    int opening_radius_px;
    size_t small_hole_px;
    CorAlgoChoice choice;
    CorGauss gauss;
    CorClip clip;
} CorProcessing1;

typedef struct CorProcessing6 {
    size_t median_size_px;
    double threshold_hu;
    int closing_radius_px;
    int closing_iterations;
    int cross_opening_iterations;
    int cross_closing_iterations;
    CorAlgoChoice choice;
} CorProcessing6;

/* Everything that can be made of masks, NULL-terminated. */
extern const char *const cor_algo_priv_all_outputs[];

/* One label, the liver, in the magenta of the reference. */
#define COR_ALGO_PRIV_LIVER_LABEL_LEN 1
extern const CorAlgoLabel cor_algo_priv_liver_labels[COR_ALGO_PRIV_LIVER_LABEL_LEN];

extern const CorAlgorithm cor_algo_priv_processing_1;
extern const CorAlgorithm cor_algo_priv_processing_6;
extern const CorAlgorithm cor_algo_priv_liver;
extern const CorAlgorithm cor_algo_priv_denoise;
extern const CorAlgorithm cor_algo_priv_projection;
extern const CorAlgorithm cor_algo_priv_body;
extern const CorAlgorithm cor_algo_priv_bone;
extern const CorAlgorithm cor_algo_priv_lungs;

/* Made from schema/algorithms. */
extern const char cor_algo_priv_schema_processing_1[];
extern const char cor_algo_priv_schema_processing_6[];
extern const char cor_algo_priv_schema_liver[];
extern const char cor_algo_priv_schema_denoise[];
extern const char cor_algo_priv_schema_projection[];
extern const char cor_algo_priv_schema_lungs[];
extern const char cor_algo_priv_schema_body[];
extern const char cor_algo_priv_schema_bone[];

/** The numeric parameters of an algorithm. */
const CorAlgoNumber *cor_algo_priv_processing_1_numbers(size_t *ret_len);
const CorAlgoNumber *cor_algo_priv_processing_6_numbers(size_t *ret_len);
const CorAlgoNumber *cor_algo_priv_liver_numbers(size_t *ret_len);
const CorAlgoNumber *cor_algo_priv_denoise_numbers(size_t *ret_len);
const CorAlgoNumber *cor_algo_priv_projection_numbers(size_t *ret_len);
const CorAlgoNumber *cor_algo_priv_body_numbers(size_t *ret_len);
const CorAlgoNumber *cor_algo_priv_bone_numbers(size_t *ret_len);
const CorAlgoNumber *cor_algo_priv_lungs_numbers(size_t *ret_len);

/** Read the parameters; INVALID if they contradict each other. */
COR_MUSTCHECK bool cor_algo_priv_processing_1_read(const json_t *json, CorProcessing1 *ret_params,
                                                   CorError *err);
COR_MUSTCHECK bool cor_algo_priv_processing_6_read(const json_t *json, CorProcessing6 *ret_params,
                                                   CorError *err);

/** CorAlgoFind of the two. */
bool cor_algo_priv_processing_1_find(const void *params, const CorPlane *plane,
                                     CorAlgoWorkspace *workspace, const CorAlgoTrace *trace,
                                     CorAlgoOutcome *ret_outcome, CorError *err);
bool cor_algo_priv_processing_6_find(const void *params, const CorPlane *plane,
                                     CorAlgoWorkspace *workspace, const CorAlgoTrace *trace,
                                     CorAlgoOutcome *ret_outcome, CorError *err);
