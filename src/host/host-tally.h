/* SPDX-License-Identifier: Apache-2.0 */
/* What is measured of every label, on one slice and over a whole run, and the masks themselves in
 * as little memory as they need.
 *
 * Ownership  cor_host_priv_tally_done() frees what is inside.
 * Threads    One thread at a time.
 * Errors     INVALID: a mask has a number that is no label's.  NOMEM.
 * Units      Millimetres, millilitres, values of the modality (HU).
 */
#pragma once

#include "algo/algo.h"
#include "base/json.h"

typedef struct CorHostCount {
    uint64_t pixels;
    double sum;
    double squares; /* of the deviations from shift */
    double shift;   /* the first value: keeps the squares small */
    double low;
    double high;
    double area_mm2;
    double volume_mm3;
    size_t slices;
} CorHostCount;

/* The mask of one label on one slice. */
typedef struct CorHostMask {
    size_t slice;
    size_t label;  /* index into the algorithm's labels */
    uint8_t *bits; /* as dicom/dicom-seg.h wants them */
    CorHostCount count;
} CorHostMask;

typedef struct CorHostTally {
    const CorAlgoLabel *labels;
    size_t label_len;
    uint8_t index[256];  /* label index + 1 by number; 0: no label */
    CorHostCount *now;   /* of the slice that was counted last */
    CorHostCount *total; /* of the run */
    bool has_area;
    bool has_volume;
    size_t largest;      /* the slice with the most pixels of all labels, of equal ones the first */
    uint64_t largest_px; /* 0: nothing was found on any slice */
    bool keeps_masks;
    CorHostMask *masks; /* those that are not empty, in the order of counting */
    size_t mask_len;
    size_t mask_room;
} CorHostTally;

/** Bytes of the mask of a slice. */
size_t cor_host_priv_mask_bytes(const CorPlane *plane);

COR_MUSTCHECK bool cor_host_priv_tally_init(CorHostTally *tally, const CorAlgoLabel *labels,
                                            size_t label_len, CorError *err);
void cor_host_priv_tally_done(CorHostTally *tally);

/**
 * Count a slice.
 *
 * @param mask         label numbers
 * @param interval_mm  what the slice stands for along the normal; 0 if unknown
 */
COR_MUSTCHECK bool cor_host_priv_tally_add(CorHostTally *tally, size_t slice,
                                           const CorAlgoSlice *values, const uint8_t *mask,
                                           double interval_mm, CorError *err);

/* What was counted of a label on a slice, somewhere else. */
typedef struct CorHostCounted {
    size_t label; /* index into the algorithm's labels */
    CorHostCount count;
    const uint8_t *bits; /* the mask, cor_host_priv_mask_bytes(); NULL if the tally keeps none */
} CorHostCounted;

/* A slice that another host has counted. */
typedef struct CorHostCountedSlice {
    size_t slice;
    const CorHostCounted *labels; /* those that were found */
    size_t label_len;
    double interval_mm; /* as for cor_host_priv_tally_add() */
} CorHostCountedSlice;

/** Add a slice that another host has counted, as if it had been counted here. */
COR_MUSTCHECK bool cor_host_priv_tally_join(CorHostTally *tally, const CorHostCountedSlice *counted,
                                            const CorAlgoSlice *values, CorError *err);

/** Forget the masks that are kept; what was counted stays. */
void cor_host_priv_tally_forget(CorHostTally *tally);

/** The figures of the labels that were found, by id: of the slice that was counted last. */
json_t *cor_host_priv_tally_slice(const CorHostTally *tally);

/** As above of the whole run. */
json_t *cor_host_priv_tally_total(const CorHostTally *tally);

/** As above of the slices of one group, from their masks, which are sorted. */
json_t *cor_host_priv_tally_group(const CorHostTally *tally, const uint32_t *groups,
                                  uint32_t group);

/** Sort the masks: by label, then by slice. */
void cor_host_priv_tally_sort(CorHostTally *tally);

/** Write a slice's masks as label numbers. */
void cor_host_priv_tally_draw(const CorHostTally *tally, size_t slice, uint8_t *mask, size_t len);
