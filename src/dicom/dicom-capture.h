/* SPDX-License-Identifier: Apache-2.0 */
/* Derived Secondary Capture objects: an algorithm's picture of one source image, as a DICOM file.
 *
 * The object lies in the source's study, takes patient, study and geometry from it and refers to
 * it. Equal inputs give equal bytes (invariant 5): dates come from the caller, nothing is random.
 *
 * Ownership  The file is malloc()ed and the caller's.
 * Threads    Thread-safe.
 * Blocking   No; the cost is that of copying the pixels.
 * Errors     INVALID: the source lacks an attribute that the object needs, or options are illegal.
 * Units      Times are milliseconds since 1970 UTC; the object states Timezone Offset +0000 for
 * them.
 */
#pragma once

#include "dicom/dicom-image.h"

typedef struct CorDicomCapture {
    const char *algo_id;          /* "processing_1" */
    const char *algo_version;     /* "1.0.0" */
    const char *algo_title;       /* for people; NULL for none */
    const char *params_text;      /* canonical JSON of the parameters; NULL for none */
    const char *derivation;       /* one more sentence for Derivation Description; NULL for none */
    const char *sop_instance_uid; /* of the new object */
    const char *series_instance_uid; /* of the derived series */
    int64_t content_unix_ms;         /* acceptance time of the job */
    bool has_instance_number;        /* use instance_number, else the source's, else frame + 1 */
    int64_t instance_number;
    CorPlane plane; /* RGB8 */
} CorDicomCapture;

/* Names in the meta header of every file that we write (PS3.7 annex D.3.3.2): the UID is 2.25. and
 * the hash of the name, see cor_uid_from_texts(). */
#define COR_DICOM_IMPLEMENTATION_VERSION "CORSIA_1"

/**
 * Write a derived Secondary Capture (1.2.840.10008.5.1.4.1.1.7, 8-bit RGB, explicit VR little
 * endian).
 *
 * @param source    the image that the picture was made from
 * @param frame     its frame, from 0
 * @param ret_file  receives the whole file, malloc()ed
 * @param ret_size  receives its bytes
 */
COR_MUSTCHECK bool cor_dicom_write_secondary_capture(const CorDicom *source, uint32_t frame,
                                                     const CorDicomCapture *capture,
                                                     uint8_t **ret_file, size_t *ret_size,
                                                     CorError *err);
