/* SPDX-License-Identifier: Apache-2.0 */
/* What an algorithm is, and the registry of the built-in ones.
 *
 * An algorithm is handed slices of modality values (HU for CT) with their places in the patient and
 * gives back masks and measurements; the platform makes pictures and DICOM objects of them.  It
 * never sees DICOM, files or sockets.  It runs in a host process (invariant 6), one job at a time.
 *
 * A mask is a plane of label numbers: what an algorithm can find is a constant table of labels,
 * each with a name, a colour and codes (PS3.16 CID 7150, 7151, 244).  So every rendition of a
 * result - overlay, Segmentation, report - says the same of it.
 *
 * Order      The slices of one series that are parallel are in the order of their places along the
 *            normal, the cross product of the direction cosines of row and column; else by series,
 *            instance number, UID.  They may be loaded in any order and more than once, and are
 *            emitted in any order, each at most once; a slice that is never emitted has no result.
 *            conclude(), if at all, comes once after the last of them.
 * Ownership  Everything in CorAlgoJob belongs to the caller and lives as long as the run.  What is
 *            emitted is the algorithm's and is not used after the call.
 * Threads    The registry: Thread-safe.  A run: One thread at a time.
 * Blocking   A run computes until it is done, from 1 ms for one slice to seconds for a volume; it
 *            calls load() or progress() at least every 100 ms, which is where it is cancelled.
 * Errors     INVALID: the input or a parameter cannot be used, the text says why and names no
 *            patient data.  LIMIT: a slice larger than COR_ALGO_SIDE_MAX_PX.  NOMEM.  What load(),
 *            emit() and progress() say is passed on as it is (CANCELLED).
 * Units      Millimetres, in the patient's coordinates (PS3.3 section C.7.6.2.1.1).
 */
#pragma once

#include "base/json.h"
#include "image/plane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest side of a slice. */
#define COR_ALGO_SIDE_MAX_PX ((size_t) 8192)

#define COR_ALGO_LABELS_MAX ((size_t) 255)

typedef enum CorScope {
    COR_SCOPE_IMAGE = 1u << 0,
    COR_SCOPE_SERIES = 1u << 1,
    COR_SCOPE_STUDY = 1u << 2,
} CorScope;

/* A coded concept: "10200004", "SCT", "Liver". */
typedef struct CorAlgoCode {
    const char *value; /* at most 16 characters; NULL: there is none */
    const char *scheme;
    const char *meaning;
} CorAlgoCode;

/* Something that an algorithm can find.  All texts are ASCII. */
typedef struct CorAlgoLabel {
    uint8_t number;       /* in masks: 1 to 255, rising through the table */
    const char *id;       /* in JSON: "lung_left" */
    const char *name;     /* for people, at most 64 characters: "Left lung" */
    uint8_t rgb[3];       /* in pictures, and recommended to viewers */
    CorAlgoCode category; /* CID 7150: "Anatomical Structure" */
    CorAlgoCode type;     /* CID 7151 or what it includes: "Lung" */
    CorAlgoCode side;     /* CID 244: "Left"; value NULL if there is no side to tell */
} CorAlgoLabel;

/* One slice as an algorithm sees it: S16 when every modality value is an integer in its range,
 * else F64. */
typedef struct CorAlgoSlice {
    CorPlane plane;
    double row_spacing_mm;    /* distance between rows; 0 if unknown */
    double column_spacing_mm; /* distance between columns; 0 if unknown */
    double thickness_mm;      /* 0 if unknown; not the distance to the next slice */
    bool has_place;           /* the two below are known */
    double position_mm[3];    /* centre of the first pixel */
    double orientation[6];    /* direction cosines of a row, then of a column */
} CorAlgoSlice;

/* A derived image, which takes the place of a slice: its own size and place, other values. */
typedef struct CorAlgoImage {
    CorPlane plane;         /* S16 or F64, modality values */
    size_t source_begin;    /* the slices that it was made from: the first ... */
    size_t source_len;      /* ... and how many */
    double thickness_mm;    /* 0: as the slice */
    CorAlgoCode derivation; /* CID 7203: "Smoothing" */
} CorAlgoImage;

/* What came out for one slice: a mask or an image. */
typedef struct CorAlgoResult {
    size_t slice;  /* index into the job's slices */
    bool is_found; /* false: nothing found, the mask is all zero */
    const uint8_t
        *mask; /* width_px * height_px label numbers, 0 for nothing, no padding; or NULL */
    const CorAlgoImage *image; /* or NULL */
    json_t *measurements; /* borrowed object: area_px, mean_hu, ...; NULL if there is nothing to say
                             beyond what the platform measures of every label by itself */
} CorAlgoResult;

typedef struct CorAlgoJob {
    const json_t *params; /* complete: defaults are filled in, values are validated */
    size_t slice_len;     /* at least 1 */
    /* Give size and place of slice i, which cost next to nothing; plane.data is NULL and plane.type
     * means nothing. */
    bool (*describe)(void *context, size_t slice, CorAlgoSlice *ret_slice, CorError *err);
    /* Give slice i; its memory is valid until the next load() or emit(). */
    bool (*load)(void *context, size_t slice, CorAlgoSlice *ret_slice, CorError *err);
    /* Take the result of a slice. */
    bool (*emit)(void *context, const CorAlgoResult *result, CorError *err);
    /* Report the share of the work that is done, 0 to 1; false means stop (CANCELLED). */
    bool (*progress)(void *context, double fraction, CorError *err);
    /* Take what was measured over the whole run: an object, borrowed, whose members come before
     * those that the platform has of its own.  Its member "labels" may have an object for the id of
     * each label: volume_ml, mean_hu, sd_hu, ... */
    bool (*conclude)(void *context, const json_t *measurements, CorError *err);
    void *context;
} CorAlgoJob;

typedef struct CorAlgorithm {
    const char *id;      /* "processing_1" */
    const char *version; /* semantic version; a change of any output bit changes it */
    const char *title;
    const char *description;
    const char *params_schema;   /* JSON text, from schema/algorithms/<id>.json */
    unsigned scopes;             /* CorScope bits */
    const char *const *outputs;  /* what it can make, NULL-terminated: "overlay", ... */
    const char *const *defaults; /* of those, what is made if nobody says; NULL: all */
    CorAlgoCode family;          /* what kind of algorithm it is: CID 7162 */
    const CorAlgoLabel *labels;  /* what it can find, at most COR_ALGO_LABELS_MAX */
    size_t label_len;
    bool is_volumetric; /* the mask of a slice depends on the other slices: names of what is derived
                           take the scope in */
    bool comes_back;    /* loads slices again after others: they are worth keeping */
    /* Say what is wrong with complete and schema-valid parameters as a whole (one must be below
     * another): INVALID.  Asked before a job is accepted. */
    bool (*check)(const json_t *params, CorError *err);
    bool (*run)(const CorAlgoJob *job, CorError *err);
} CorAlgorithm;

/** All algorithms, in the order in which they are listed. */
const CorAlgorithm *const *cor_algo_all(size_t *ret_len);

/** The algorithm of an id, or NULL. */
const CorAlgorithm *cor_algo_find(const char *id);
