/* SPDX-License-Identifier: Apache-2.0 */
/* Structured reports of measurements: a Comprehensive 3D SR (PS3.3 section A.35.13) with the
 * template TID 1500 (PS3.16), one measurement group per segment of a Segmentation.
 *
 * Equal inputs give equal bytes (invariant 5): dates come from the caller, nothing is random.
 *
 * Ownership  The file is malloc()ed and the caller's.
 * Threads    Thread-safe.
 * Blocking   No.
 * Errors     INVALID: options contradict each other.  NOMEM.
 */
#pragma once

#include "dicom/dicom-seg.h"

/* One number of a group. */
typedef struct CorDicomMeasure {
    CorDicomCode concept;    /* "Volume" */
    CorDicomCode derivation; /* "Mean"; none if value is NULL */
    CorDicomCode unit;       /* UCUM */
    double value;            /* finite */
} CorDicomMeasure;

/* What was measured of one segment. */
typedef struct CorDicomMeasureGroup {
    const CorDicomSegment *segment;
    uint32_t segment_number; /* in the Segmentation, from 1 */
    uint32_t frame_number;   /* its frame there, from 1, if it has but one: the group is planar (TID
                                1410); 0: volumetric (TID 1411) */
    uint32_t source;         /* index of the source of that frame */
    const CorDicomMeasure *measures;
    size_t measure_len;
} CorDicomMeasureGroup;

typedef struct CorDicomReport {
    CorDicomAlgorithm algorithm;
    const char *sop_instance_uid;
    const char *series_instance_uid;
    const char *observer_uid; /* of the device: the same for the same algorithm */
    int64_t content_unix_ms;  /* acceptance time of the job */
    const CorDicomSource *sources;
    size_t source_len;
    const char *segmentation_sop_instance_uid;
    const char *segmentation_series_instance_uid;
    const CorDicomMeasureGroup *groups;
    size_t group_len;
} CorDicomReport;

/**
 * Write a report (1.2.840.10008.5.1.4.1.1.88.34, explicit VR little endian).
 *
 * @param first     the file of sources[0]; patient and study are copied from it
 * @param ret_file  receives the whole file, malloc()ed
 * @param ret_size  receives its bytes
 */
COR_MUSTCHECK bool cor_dicom_write_report(const CorDicom *first, const CorDicomReport *report,
                                          uint8_t **ret_file, size_t *ret_size, CorError *err);
