/* SPDX-License-Identifier: Apache-2.0 */
/* The slices of a request, in the order in which they lie in the patient.
 *
 * Ownership  cor_host_priv_slices_read() gives slices to be done with.
 * Threads    One thread at a time.
 * Blocking   Reads the header of each input, about 0.1 ms.
 * Errors     INVALID: an input is not the object that it was said to be, or there is none.
 *            UNSUPPORTED: several frames.  Others as dicom/dicom.h.  The text names the input.
 * Units      Millimetres.
 */
#pragma once

#include "base/id.h"
#include "host/host-op.h"

typedef struct CorDicom CorDicom; /* dicom/dicom.h */

/** Open input i as a DICOM file, within the limits that the pool was given. */
COR_MUSTCHECK bool cor_host_priv_open_input(CorHostContext *context, size_t i, CorDicom **ret_dicom,
                                            CorError *err);

typedef struct CorHostSlice {
    size_t input; /* index of the descriptor */
    char sop_instance_uid[COR_UID_SIZE];
    char series_instance_uid[COR_UID_SIZE];
    bool has_position;     /* orientation and position_mm are known */
    bool has_place;        /* place_mm is: the same for all slices of a request */
    double place_mm;       /* along the normal of the first slice */
    double orientation[6]; /* direction cosines of a row, then of a column */
    double position_mm[3];
    int64_t instance_number;
    uint32_t columns;
    uint32_t rows;
    double row_spacing_mm; /* 0: unknown, like the others */
    double column_spacing_mm;
    double thickness_mm;
    bool is_emitted; /* for whoever runs an algorithm over them */
} CorHostSlice;

typedef struct CorHostSlices {
    CorHostSlice *items;
    size_t len;
} CorHostSlices;

/**
 * Read the headers of all inputs and put them in order: by place along the normal if all lie in one
 * series and are parallel, else by series, instance number and SOP Instance UID.
 */
COR_MUSTCHECK bool cor_host_priv_slices_read(CorHostContext *context, CorHostSlices *ret_slices,
                                             CorError *err);

/** Free them; all zero afterwards. */
void cor_host_priv_slices_done(CorHostSlices *slices);
