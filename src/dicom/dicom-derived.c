/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/dicom-derived.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "dicom/dicom-pixels.h"

/* Body parts that have no side (PS3.3 section C.7.3.1; terms of PS3.16 annex L that are not
 * paired). */
static const char *const unpaired_parts[] = {
    "ABDOMEN",
    "ABDOMENPELVIS",
    "AORTA",
    "BLADDER",
    "BRAIN",
    "CERVIX",
    "CHEST",
    "CHESTABDOMEN",
    "CHESTABDPELVIS",
    "COCCYX",
    "COLON",
    "CSPINE",
    "CTSPINE",
    "DUODENUM",
    "ESOPHAGUS",
    "GALLBLADDER",
    "HEAD",
    "HEADNECK",
    "HEART",
    "JAW",
    "LARYNX",
    "LIVER",
    "LSPINE",
    "LSSPINE",
    "MEDIASTINUM",
    "MOUTH",
    "NECK",
    "NECKCHEST",
    "NECKCHESTABDOMEN",
    "NOSE",
    "PANCREAS",
    "PELVIS",
    "PENIS",
    "PHARYNX",
    "PROSTATE",
    "RECTUM",
    "SCROTUM",
    "SELLA",
    "SKULL",
    "SPINE",
    "SPLEEN",
    "SSPINE",
    "STERNUM",
    "STOMACH",
    "TLSPINE",
    "TRACHEA",
    "TSPINE",
    "UTERUS",
    "VAGINA",
    "WHOLEBODY",
};

const CorDicomElement *cor_dicom_priv_derived_find(const CorDicomDerived *derived, uint32_t tag)
{
    return cor_dicom_priv_find(derived->source, cor_dicom_priv_root(derived->source), tag);
}

static bool is_copied(const CorDicomElement *element)
{
    return element && element->size > 0 && element->size <= COR_DICOM_COPIED_MAX &&
           cor_dicom_priv_vr_is_text(element->vr);
}

void cor_dicom_priv_derived_copy(CorDicomDerived *derived, uint32_t group, uint32_t tag,
                                 uint16_t vr)
{
    const CorDicomElement *element =
        cor_dicom_priv_frame_element(derived->source, derived->frame, group, tag);

    if (is_copied(element)) {
        cor_dicom_priv_write(&derived->writer, tag, vr,
                             cor_dicom_priv_bytes(derived->source, element), element->size);
    }
}

void cor_dicom_priv_derived_copy_or_empty(CorDicomDerived *derived, uint32_t tag, uint16_t vr)
{
    if (is_copied(cor_dicom_priv_derived_find(derived, tag))) {
        cor_dicom_priv_derived_copy(derived, COR_DICOM_GROUP_NONE, tag, vr);
    } else {
        cor_dicom_priv_write(&derived->writer, tag, vr, NULL, 0);
    }
}

void cor_dicom_priv_derived_copy_moment(CorDicomDerived *derived, uint32_t tag, uint16_t vr)
{
    const CorDicomElement *element = cor_dicom_priv_derived_find(derived, tag);
    char moment[32];
    size_t len = 0;

    for (size_t i = 0; is_copied(element) && i < element->size && len < sizeof(moment); i++) {
        char c = (char) cor_dicom_priv_bytes(derived->source, element)[i];

        if ((c >= '0' && c <= '9') || (c == '.' && vr == VR_TM)) {
            moment[len++] = c;
        }
    }
    cor_dicom_priv_write(&derived->writer, tag, vr, moment, len);
}

bool cor_dicom_priv_derived_has(const CorDicomDerived *derived, uint32_t tag)
{
    return is_copied(cor_dicom_priv_derived_find(derived, tag));
}

static void text(CorDicomDerived *derived, uint32_t tag, uint16_t vr, const char *value)
{
    cor_dicom_priv_write_text(&derived->writer, tag, vr, value);
}

/* The offset in ms that the source states, "+0130"; 0 if it states none. */
static int64_t timezone_ms(const CorDicomDerived *derived)
{
    char offset[8];
    int hours = 0;
    int minutes = 0;

    if (!cor_dicom_priv_code(derived->source, cor_dicom_priv_derived_find(derived, 0x00080201), 0,
                             offset, sizeof(offset)) ||
        strlen(offset) != 5 || sscanf(offset + 1, "%2d%2d", &hours, &minutes) != 2) {
        return 0;
    }
    int64_t ms = (hours * 60 + minutes) * INT64_C(60000);
    return offset[0] == '-' ? -ms : ms;
}

static bool prepare_time(CorDicomDerived *derived, int64_t unix_ms, CorError *err)
{
    struct tm parts;

    /* Years of four digits. */
    if (unix_ms < 0 || unix_ms > INT64_C(253402000000000)) {
        return cor_fail(err, COR_ERR_INVALID, "content time is out of range");
    }
    unix_ms += timezone_ms(derived);
    time_t seconds = (time_t) (unix_ms / 1000);
    if (unix_ms < 0 || !gmtime_r(&seconds, &parts)) {
        return cor_fail(err, COR_ERR_INVALID, "content time is out of range");
    }
    (void) strftime(derived->date, sizeof(derived->date), "%Y%m%d", &parts);
    (void) strftime(derived->time, sizeof(derived->time), "%H%M%S", &parts);
    snprintf(derived->time + 6, sizeof(derived->time) - 6, ".%03d", (int) (unix_ms % 1000));
    return true;
}

static bool prepare_uids(CorDicomDerived *derived, CorError *err)
{
    const struct {
        uint32_t tag;
        const char *name;
        char *uid;
    } uids[] = {
        {0x00080016, "SOP Class UID", derived->sop_class_uid},
        {0x00080018, "SOP Instance UID", derived->sop_instance_uid},
        {0x0020000D, "Study Instance UID", derived->study_instance_uid},
        {0x0020000E, "Series Instance UID", derived->series_instance_uid},
    };

    for (size_t i = 0; i < COR_ARRAY_LEN(uids); i++) {
        if (!cor_dicom_priv_code(derived->source, cor_dicom_priv_derived_find(derived, uids[i].tag),
                                 0, uids[i].uid, COR_UID_SIZE) ||
            !cor_uid_is_legal(uids[i].uid)) {
            return cor_fail(err, COR_ERR_INVALID, "the source has no legal %s", uids[i].name);
        }
    }
    return true;
}

bool cor_dicom_priv_derived_init(CorDicomDerived *derived, const CorDicom *source, uint32_t frame,
                                 int64_t content_unix_ms, CorError *err)
{
    *derived = (CorDicomDerived){.source = source, .frame = frame};
    return prepare_uids(derived, err) && prepare_time(derived, content_unix_ms, err);
}

void cor_dicom_priv_derived_patient(CorDicomDerived *derived)
{
    cor_dicom_priv_derived_copy_or_empty(derived, 0x00100010, VR_PN);
    cor_dicom_priv_derived_copy_or_empty(derived, 0x00100020, VR_LO);
    cor_dicom_priv_derived_copy(derived, COR_DICOM_GROUP_NONE, 0x00100021, VR_LO);
    cor_dicom_priv_derived_copy_moment(derived, 0x00100030, VR_DA);
    cor_dicom_priv_derived_copy_or_empty(derived, 0x00100040, VR_CS);
    cor_dicom_priv_derived_copy(derived, COR_DICOM_GROUP_NONE, 0x00101010, VR_AS);
    cor_dicom_priv_derived_copy(derived, COR_DICOM_GROUP_NONE, 0x00101020, VR_DS);
    cor_dicom_priv_derived_copy(derived, COR_DICOM_GROUP_NONE, 0x00101030, VR_DS);
}

/* Append the letters of one direction, the longest component first: "L", "AF" (PS3.3 section
 * C.7.6.1.1.1).  Directions less than 0.1 off a plane are taken as in it. */
static void append_direction(const double direction[3], char *letters)
{
    static const char names[3][2] = {{'R', 'L'}, {'A', 'P'}, {'F', 'H'}}; /* minus, plus */
    double left[3] = {direction[0], direction[1], direction[2]};

    for (int n = 0; n < 3; n++) {
        int longest = 0;

        for (int i = 1; i < 3; i++) {
            longest = fabs(left[i]) > fabs(left[longest]) ? i : longest;
        }
        if (!(fabs(left[longest]) > 0.1)) {
            break;
        }
        *letters++ = names[longest][left[longest] > 0];
        left[longest] = 0;
    }
    *letters = '\0';
}

void cor_dicom_priv_derived_orientation(CorDicomDerived *derived)
{
    CorDicomFrameInfo info = {0};
    char letters[16] = "";

    if (is_copied(cor_dicom_priv_derived_find(derived, 0x00200020))) {
        cor_dicom_priv_derived_copy(derived, COR_DICOM_GROUP_NONE, 0x00200020, VR_CS);
        return;
    }
    if (cor_dicom_frame_info(derived->source, derived->frame, &info, NULL) &&
        info.has_orientation) {
        append_direction(info.orientation, letters);
        size_t len = strlen(letters);
        letters[len++] = '\\';
        append_direction(info.orientation + 3, letters + len);
    }
    text(derived, 0x00200020, VR_CS, letters);
}

void cor_dicom_priv_derived_laterality(CorDicomDerived *derived)
{
    char part[32];

    if (cor_dicom_priv_code(derived->source, cor_dicom_priv_derived_find(derived, 0x00180015), 0,
                            part, sizeof(part))) {
        for (size_t i = 0; i < COR_ARRAY_LEN(unpaired_parts); i++) {
            if (strcmp(part, unpaired_parts[i]) == 0) {
                return;
            }
        }
    }
    cor_dicom_priv_derived_copy_or_empty(derived, 0x00200060, VR_CS);
}

void cor_dicom_priv_derived_lossy(CorDicomDerived *derived, bool is_lossy)
{
    if (!is_lossy) {
        return;
    }
    text(derived, 0x00282110, VR_CS, "01");
    cor_dicom_priv_derived_copy(derived, COR_DICOM_GROUP_NONE, 0x00282112, VR_DS);
    cor_dicom_priv_derived_copy(derived, COR_DICOM_GROUP_NONE, 0x00282114, VR_CS);
}

void cor_dicom_priv_to_ascii(char *text)
{
    for (char *c = text; *c; c++) {
        if (*c < 0x20 || *c > 0x7E) {
            *c = '?';
        }
    }
}
