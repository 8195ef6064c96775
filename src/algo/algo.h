/* SPDX-License-Identifier: Apache-2.0 */
/* What an algorithm is, and the registry of the built-in ones.
 *
 * An algorithm is handed slices of modality values (HU for CT) and gives back masks and
 * measurements; the platform makes pictures and DICOM objects of them.  It never sees DICOM, files
 * or sockets.  It runs in a host process (invariant 6), one job at a time.
 *
 * Order      Slices are loaded, emitted and reported one after the other, from the first to the
 * last. Ownership  Everything in CorAlgoJob belongs to the caller and lives as long as the run.
 * Threads    The registry: Thread-safe.  A run: One thread at a time.
 * Blocking   A run computes until it is done: about 1 ms for 512 x 512 pixels.
 * Errors     INVALID: the input or a parameter cannot be used, the text says why and names no
 *            patient data.  LIMIT: a slice larger than COR_ALGO_SIDE_MAX_PX.  NOMEM.  What load(),
 *            emit() and progress() say is passed on as it is (CANCELLED).
 */
#pragma once

#include "base/json.h"
#include "image/plane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest side of a slice. */
#define COR_ALGO_SIDE_MAX_PX ((size_t) 8192)

typedef enum CorScope {
    COR_SCOPE_IMAGE = 1u << 0,
    COR_SCOPE_SERIES = 1u << 1,
    COR_SCOPE_STUDY = 1u << 2,
} CorScope;

/* One slice as an algorithm sees it: S16 when every modality value is an integer in its range,
 * else F64. */
typedef struct CorAlgoSlice {
    CorPlane plane;
    double row_spacing_mm;    /* distance between rows; 0 if unknown */
    double column_spacing_mm; /* distance between columns; 0 if unknown */
} CorAlgoSlice;

/* What came out for one slice. */
typedef struct CorAlgoResult {
    size_t slice;         /* index into the job's slices */
    bool is_found;        /* false: nothing found, the mask is all zero */
    const uint8_t *mask;  /* width_px * height_px bytes, 0 or 1, no padding */
    json_t *measurements; /* borrowed object: area_px, area_mm2, mean_hu, sd_hu, ... */
} CorAlgoResult;

typedef struct CorAlgoJob {
    const json_t *params; /* complete: defaults are filled in, values are validated */
    size_t slice_len;     /* at least 1 */
    /* Give slice i; its memory is valid until the next load(). */
    bool (*load)(void *context, size_t slice, CorAlgoSlice *ret_slice, CorError *err);
    /* Take the result of a slice; it may be dropped afterwards. */
    bool (*emit)(void *context, const CorAlgoResult *result, CorError *err);
    /* Report the share of the work that is done, 0 to 1; false means stop (CANCELLED). */
    bool (*progress)(void *context, double fraction, CorError *err);
    void *context;
} CorAlgoJob;

typedef struct CorAlgorithm {
    const char *id;      /* "processing_1" */
    const char *version; /* semantic version; a change of any output bit changes it */
    const char *title;
    const char *description;
    const char *params_schema;  /* JSON text, from schema/algorithms/<id>.json */
    unsigned scopes;            /* CorScope bits */
    const char *const *outputs; /* what it can make, NULL-terminated: "overlay", ... */
    /* Say what is wrong with complete and schema-valid parameters as a whole (one must be below
     * another): INVALID.  Asked before a job is accepted. */
    bool (*check)(const json_t *params, CorError *err);
    bool (*run)(const CorAlgoJob *job, CorError *err);
} CorAlgorithm;

/** All algorithms, in the order in which they are listed. */
const CorAlgorithm *const *cor_algo_all(size_t *ret_len);

/** The algorithm of an id, or NULL. */
const CorAlgorithm *cor_algo_find(const char *id);
