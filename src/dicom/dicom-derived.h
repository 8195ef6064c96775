/* SPDX-License-Identifier: Apache-2.0 */
/* What all derived objects share: the writer, what was worked out from the source, and the modules
 * that are copied from it (Patient, General Study, parts of General Series and General Image).
 * Private to this room.
 *
 * Text of the source is copied as the bytes that it is, together with its Specific Character Set;
 * our own text is ASCII and so right in any of them.
 *
 * Ownership  The source is borrowed; the writer's buffer is whoever's set it up.
 * Threads    One thread at a time.
 * Errors     INVALID: the source lacks a UID, or the time is out of range.
 */
#pragma once

#include "base/id.h"
#include "dicom/dicom-image.h"
#include "dicom/dicom-priv.h"
#include "dicom/dicom-writer.h"

#define COR_DICOM_EXPLICIT_UID "1.2.840.10008.1.2.1"

#define COR_DICOM_GROUP_NONE 0u
#define COR_DICOM_GROUP_PLANE_POSITION 0x00209113u
#define COR_DICOM_GROUP_PLANE_ORIENTATION 0x00209116u
#define COR_DICOM_GROUP_PIXEL_MEASURES 0x00289110u

enum {
    COR_DICOM_COPIED_MAX = 1024, /* bytes of a value that is copied: more than their VRs allow */
    COR_DICOM_LO_SIZE = 65,
    COR_DICOM_ST_SIZE = 1025,
};

#define VR_AS COR_DICOM_VR('A', 'S')
#define VR_AT COR_DICOM_VR('A', 'T')
#define VR_CS COR_DICOM_VR('C', 'S')
#define VR_DA COR_DICOM_VR('D', 'A')
#define VR_DS COR_DICOM_VR('D', 'S')
#define VR_DT COR_DICOM_VR('D', 'T')
#define VR_IS COR_DICOM_VR('I', 'S')
#define VR_LO COR_DICOM_VR('L', 'O')
#define VR_LT COR_DICOM_VR('L', 'T')
#define VR_PN COR_DICOM_VR('P', 'N')
#define VR_SH COR_DICOM_VR('S', 'H')
#define VR_ST COR_DICOM_VR('S', 'T')
#define VR_TM COR_DICOM_VR('T', 'M')
#define VR_UI COR_DICOM_VR('U', 'I')
#define VR_UT COR_DICOM_VR('U', 'T')

typedef struct CorDicomDerived {
    const CorDicom *source;
    uint32_t frame; /* of the source */
    CorDicomWriter writer;
    char date[9];                     /* 20260131 */
    char time[16];                    /* 235959.123 */
    char sop_class_uid[COR_UID_SIZE]; /* of the source, like the rest */
    char sop_instance_uid[COR_UID_SIZE];
    char study_instance_uid[COR_UID_SIZE];
    char series_instance_uid[COR_UID_SIZE];
} CorDicomDerived;

/**
 * Set up everything but the writer.
 *
 * @param content_unix_ms  acceptance time of the job; written in the time zone that the source
 *                         states
 */
COR_MUSTCHECK bool cor_dicom_priv_derived_init(CorDicomDerived *derived, const CorDicom *source,
                                               uint32_t frame, int64_t content_unix_ms,
                                               CorError *err);

/** An element of the source's top level, or NULL. */
const CorDicomElement *cor_dicom_priv_derived_find(const CorDicomDerived *derived, uint32_t tag);

/** True if the source has a value at its top level that can be copied. */
bool cor_dicom_priv_derived_has(const CorDicomDerived *derived, uint32_t tag);

/** Copy a text element of the source, of the frame if it lies in a functional group; one that is
 * absent is left out (type 3). */
void cor_dicom_priv_derived_copy(CorDicomDerived *derived, uint32_t group, uint32_t tag,
                                 uint16_t vr);

/** As above from the top level; one that is absent is written empty (type 2). */
void cor_dicom_priv_derived_copy_or_empty(CorDicomDerived *derived, uint32_t tag, uint16_t vr);

/** Copy a date or time (type 2) without the dots and colons that ACR-NEMA had in them. */
void cor_dicom_priv_derived_copy_moment(CorDicomDerived *derived, uint32_t tag, uint16_t vr);

/** Write the Patient and Patient Study modules: group 0010. */
void cor_dicom_priv_derived_patient(CorDicomDerived *derived);

/** Write Patient Orientation, type 2C: the source's, or what its direction cosines mean, or empty.
 */
void cor_dicom_priv_derived_orientation(CorDicomDerived *derived);

/** Write Laterality, type 2C: not for body parts of which there is one, empty if nobody knows. */
void cor_dicom_priv_derived_laterality(CorDicomDerived *derived);

/** Write what the source says of lossy compression: once lossy, lossy for ever (PS3.3 section
 * C.7.6.1.1.5). */
void cor_dicom_priv_derived_lossy(CorDicomDerived *derived, bool is_lossy);

/** Make a text that may stand in any character set: what is not ASCII becomes '?'. */
void cor_dicom_priv_to_ascii(char *text);
