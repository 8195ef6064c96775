/* SPDX-License-Identifier: Apache-2.0 */
/* The slices of a request, in the order in which they lie in the patient.  Each frame of a
 * multi-frame image is a slice.
 *
 * Ownership  cor_host_priv_slices_read() gives slices to be done with.
 * Threads    One thread at a time.
 * Blocking   Reads the header of each input, about 0.1 ms.
 * Errors     INVALID: an input is not the object that it was said to be, or there is none.
 *            LIMIT: more slices than COR_HOST_SLICES_MAX.  Others as dicom/dicom.h.  The text names
 *            the input.
 * Units      Millimetres.
 */
#pragma once

#include "dicom/dicom-source.h"
#include "host/host-op.h"

#define COR_HOST_SLICES_MAX ((size_t) 16000)

/** Open input i as a DICOM file, within the limits that the pool was given. */
COR_MUSTCHECK bool cor_host_priv_open_input(CorHostContext *context, size_t i, CorDicom **ret_dicom,
                                            CorError *err);

typedef struct CorHostSlice {
    size_t input; /* index of the descriptor */
    CorDicomSource source;
    bool has_place;   /* place_mm is known: the same for all slices of a request */
    double place_mm;  /* along the normal of the first slice */
    double extent_mm; /* what it stands for along the normal; 0 if unknown */
    bool is_emitted;  /* for whoever runs an algorithm over them */
} CorHostSlice;

typedef struct CorHostSlices {
    CorHostSlice *items;
    size_t len;
    size_t room;
} CorHostSlices;

/**
 * Read the headers of the first len inputs and put them in order: by place along the normal if all
 * lie in one series and are parallel, else by series, instance number, SOP Instance UID and frame.
 *
 * A slice stands for the median of the distances between neighbours, divided by the number of
 * slices at its place; the only one of a request for its thickness.
 */
COR_MUSTCHECK bool cor_host_priv_slices_read(CorHostContext *context, size_t len,
                                             CorHostSlices *ret_slices, CorError *err);

/** Free them; all zero afterwards. */
void cor_host_priv_slices_done(CorHostSlices *slices);
