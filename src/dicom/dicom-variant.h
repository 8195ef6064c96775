/* SPDX-License-Identifier: Apache-2.0 */
/* Variants: an image of the source's own class with other pixels.
 *
 * Everything that the source says of patient, study, equipment, acquisition, geometry, rescale and
 * windows stays, and so do bits, sign and photometric interpretation: what has changed are the
 * pixels, the names, and what is said of the derivation.  Private elements, icons, overlays and
 * signatures are left out, for they speak of the old pixels.  Equal inputs give equal bytes
 * (invariant 5).
 *
 * Ownership  The file is malloc()ed and the caller's.
 * Threads    Thread-safe.
 * Blocking   Copies the pixels; sources in implicit or big-endian syntax are rewritten first.
 * Errors     INVALID: the source lacks a UID, or the plane has another size.  UNSUPPORTED: several
 *            frames, colour, float pixels, a modality LUT.  LIMIT, NOMEM.
 * Units      Millimetres; times are milliseconds since 1970 UTC.
 */
#pragma once

#include "dicom/dicom-source.h"

typedef struct CorDicomVariant {
    const CorDicomAlgorithm *algorithm;
    CorDicomCode derivation;      /* of PS3.16 CID 7203: "Smoothing" */
    const char *sop_instance_uid; /* of the new object */
    const char *series_instance_uid;
    int64_t content_unix_ms;
    double thickness_mm;           /* 0: as the source */
    const CorDicomSource *sources; /* what it was made from */
    size_t source_len;             /* at least 1 */
    CorPlane plane;                /* modality values: S16 or F64, of the source's size */
} CorDicomVariant;

/**
 * Write a variant, explicit VR little endian.
 *
 * Values become stored values through the source's rescale, rounded and held to its bits.
 *
 * @param source    the image whose place it takes
 * @param ret_file  receives the whole file, malloc()ed
 * @param ret_size  receives its bytes
 */
COR_MUSTCHECK bool cor_dicom_write_variant(const CorDicom *source, const CorDicomVariant *variant,
                                           uint8_t **ret_file, size_t *ret_size, CorError *err);
