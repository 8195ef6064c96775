/* SPDX-License-Identifier: Apache-2.0 */
/* Segmentation objects (PS3.3 section A.51): binary masks of any number of segments over the
 * slices of one series, as a DICOM file.
 *
 * A frame is the mask of one segment on one source image and lies exactly where that image lies.
 * Equal inputs give equal bytes (invariant 5): dates come from the caller, nothing is random.
 *
 * Ownership  The file is malloc()ed and the caller's.
 * Threads    Thread-safe.
 * Blocking   No; the cost is that of copying the masks.
 * Errors     INVALID: options contradict each other.  UNSUPPORTED: the sources differ in size or
 *            series.  LIMIT: the object would be larger than 4 GiB.  NOMEM.
 */
#pragma once

#include "dicom/dicom-source.h"

#define COR_DICOM_SEGMENTS_MAX ((size_t) 65535)

/* One thing that was segmented; its number is its index + 1. */
typedef struct CorDicomSegment {
    const char *label;     /* at most 64 characters */
    uint8_t rgb[3];        /* recommended to viewers */
    CorDicomCode category; /* PS3.16 CID 7150 */
    CorDicomCode type;     /* CID 7151 */
    CorDicomCode side;     /* CID 244, or none */
    const char *tracking_id;
    const char *tracking_uid;
} CorDicomSegment;

/* The mask of one segment on one source. */
typedef struct CorDicomMask {
    uint32_t segment;    /* index */
    uint32_t source;     /* index */
    const uint8_t *bits; /* rows * columns bits without padding, the first in the lowest bit */
} CorDicomMask;

typedef struct CorDicomSegmentation {
    CorDicomAlgorithm algorithm;
    const char *sop_instance_uid;
    const char *series_instance_uid;
    const char *dimension_organization_uid;
    int64_t content_unix_ms;       /* acceptance time of the job */
    const CorDicomSource *sources; /* of one series, in the order in which they lie */
    size_t source_len;
    const CorDicomSegment *segments;
    size_t segment_len;
    const CorDicomMask *masks; /* frames, in the order in which they are written */
    size_t mask_len;
} CorDicomSegmentation;

/** Bytes of a mask of so many pixels. */
static inline size_t cor_dicom_mask_bytes(size_t rows, size_t columns)
{
    return (rows * columns + 7) / 8;
}

/**
 * Write a Segmentation (1.2.840.10008.5.1.4.1.1.66.4, BINARY, explicit VR little endian).
 *
 * @param first     the file of sources[0]; patient and study are copied from it
 * @param ret_file  receives the whole file, malloc()ed
 * @param ret_size  receives its bytes
 */
COR_MUSTCHECK bool cor_dicom_write_segmentation(const CorDicom *first,
                                                const CorDicomSegmentation *segmentation,
                                                uint8_t **ret_file, size_t *ret_size,
                                                CorError *err);
