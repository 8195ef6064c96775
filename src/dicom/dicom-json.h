/* SPDX-License-Identifier: Apache-2.0 */
/* A data set as DICOM JSON Model (PS3.18 annex F).  Private to this room.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include "dicom/dicom-priv.h"

/**
 * Append the whole data set as one JSON object.
 *
 * @param text               where to; its ceiling is the caller's to check
 * @param without_per_frame  leave the per-frame functional groups out as bulk data
 */
COR_MUSTCHECK bool cor_dicom_priv_json_attributes(const CorDicom *dicom, bool without_per_frame,
                                                  CorString *text, CorError *err);

/* A sequence somewhere in a data set. */
typedef struct CorDicomJsonItems {
    const CorDicomElement *sequence;
    CorDicomCharset charset; /* around it */
    const char *path;        /* to it, as in a BulkDataURI */
    size_t prefix_size;      /* of the path, before the sequence's own tag */
} CorDicomJsonItems;

/** Append the items of a sequence as one JSON array. */
COR_MUSTCHECK bool cor_dicom_priv_json_items(const CorDicom *dicom, const CorDicomJsonItems *items,
                                             CorString *text, CorError *err);

/** Append UTF-8 as a JSON string with its quotes. */
void cor_dicom_priv_json_string(const char *utf8, size_t size, CorString *text);

/** Append the text of an element, all values, as UTF-8 without the padding at its end. */
void cor_dicom_priv_utf8(const CorDicom *dicom, const CorDicomElement *element,
                         CorDicomCharset charset, CorString *text);
