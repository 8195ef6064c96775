/* SPDX-License-Identifier: Apache-2.0 */
/* What a derived object says of an image that it was made from: its names and its place.
 *
 * A plain value, so that a volume of any number of slices can be described without holding their
 * files.  Places are kept as numbers, for comparing, and as the text that the source has, so that
 * an object lies exactly where its source lies.
 *
 * Threads   Thread-safe.
 * Blocking  No.
 * Errors    INVALID: a UID is missing or illegal, or there is no such frame.  NOT_FOUND: no pixels.
 * Units     Millimetres, in the patient's coordinates.
 */
#pragma once

#include "base/id.h"
#include "dicom/dicom-image.h"

#define COR_DICOM_PLACE_SIZE 128

/* A coded concept: "10200004", "SCT", "Liver".  All texts of these structs are ASCII. */
typedef struct CorDicomCode {
    const char *value; /* NULL: there is none */
    const char *scheme;
    const char *meaning;
} CorDicomCode;

/* Who made a derived object. */
typedef struct CorDicomAlgorithm {
    const char *id;          /* "processing_1" */
    const char *version;     /* "1.0.0" */
    const char *title;       /* for people */
    CorDicomCode family;     /* PS3.16 CID 7162 */
    const char *params_text; /* canonical JSON */
} CorDicomAlgorithm;

typedef struct CorDicomSource {
    char sop_class_uid[COR_UID_SIZE];
    char sop_instance_uid[COR_UID_SIZE];
    char study_instance_uid[COR_UID_SIZE];
    char series_instance_uid[COR_UID_SIZE];
    char frame_of_reference_uid[COR_UID_SIZE]; /* "" if there is none */
    uint32_t frame;                            /* from 0 */
    uint32_t frames;                           /* of the object; 1 if it is no multi-frame image */
    uint32_t rows;
    uint32_t columns;
    bool is_lossy;
    bool has_place; /* position and orientation */
    double position_mm[3];
    double orientation[6];
    double row_spacing_mm; /* 0: unknown, like the next two */
    double column_spacing_mm;
    double thickness_mm;
    int64_t instance_number;             /* 0 if unknown */
    char position[COR_DICOM_PLACE_SIZE]; /* "-250\-250\-766.5", or "" like the others */
    char orientation_text[COR_DICOM_PLACE_SIZE];
    char spacing[COR_DICOM_PLACE_SIZE];
    char thickness[COR_DICOM_PLACE_SIZE];
} CorDicomSource;

/** Describe one frame of an image. */
COR_MUSTCHECK bool cor_dicom_source(const CorDicom *dicom, uint32_t frame,
                                    CorDicomSource *ret_source, CorError *err);

/** The Frame of Reference UID that all sources have, "" if there is none such. */
const char *cor_dicom_common_frame_of_reference(const CorDicomSource *sources, size_t len);

/** The unit normal of a plane: the cross product of its directions. */
void cor_dicom_normal(const double orientation[6], double ret_normal[3]);

/** How far along a normal a position lies. */
double cor_dicom_place(const double normal[3], const double position_mm[3]);
