/* SPDX-License-Identifier: Apache-2.0 */
#include "dicom/dicom-source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-derived.h"
#include "dicom/dicom-pixels.h"

/* The element's text if it is so many decimal strings of legal length, else the numbers anew. */
static void place_text(const CorDicom *dicom, const CorDicomElement *element, const double *numbers,
                       size_t len, char text[COR_DICOM_PLACE_SIZE])
{
    const char *value = NULL;
    size_t size = 0;
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        bool is_kept = element && cor_dicom_priv_value(dicom, element, i, &value, &size) &&
                       size > 0 && size <= 16;
        int wrote = is_kept ? snprintf(text + used, COR_DICOM_PLACE_SIZE - used, "%s%.*s",
                                       i ? "\\" : "", (int) size, value)
                            : snprintf(text + used, COR_DICOM_PLACE_SIZE - used, "%s%.10g",
                                       i ? "\\" : "", numbers[i]);
        used += (size_t) wrote;
        if (used >= COR_DICOM_PLACE_SIZE) {
            text[0] = '\0';
            return;
        }
    }
}

static const CorDicomElement *find(const CorDicom *dicom, uint32_t frame, uint32_t group,
                                   uint32_t tag)
{
    return cor_dicom_priv_frame_element(dicom, frame, group, tag);
}

static bool are_finite(const double *numbers, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isfinite(numbers[i])) {
            return false;
        }
    }
    return true;
}

static void take_place(const CorDicom *dicom, uint32_t frame, const CorDicomFrameInfo *info,
                       CorDicomSource *source)
{
    const double spacing[2] = {info->row_spacing_mm, info->column_spacing_mm};

    source->has_place = info->has_position && info->has_orientation &&
                        are_finite(info->position_mm, 3) && are_finite(info->orientation, 6);
    if (source->has_place) {
        memcpy(source->position_mm, info->position_mm, sizeof(source->position_mm));
        memcpy(source->orientation, info->orientation, sizeof(source->orientation));
        place_text(dicom, find(dicom, frame, COR_DICOM_GROUP_PLANE_POSITION, 0x00200032),
                   info->position_mm, 3, source->position);
        place_text(dicom, find(dicom, frame, COR_DICOM_GROUP_PLANE_ORIENTATION, 0x00200037),
                   info->orientation, 6, source->orientation_text);
    }
    if (info->has_spacing) {
        const CorDicomElement *element =
            find(dicom, frame, COR_DICOM_GROUP_PIXEL_MEASURES, 0x00280030);
        source->row_spacing_mm = spacing[0];
        source->column_spacing_mm = spacing[1];
        place_text(dicom, element, spacing, 2, source->spacing);
    }
    if (info->has_thickness) {
        source->thickness_mm = info->thickness_mm;
        place_text(dicom, find(dicom, frame, COR_DICOM_GROUP_PIXEL_MEASURES, 0x00180050),
                   &info->thickness_mm, 1, source->thickness);
    }
}

static bool take_uids(const CorDicom *dicom, CorDicomSource *source, CorError *err)
{
    const struct {
        uint32_t tag;
        const char *name;
        char *uid;
    } uids[] = {
        {0x00080016, "SOP Class UID", source->sop_class_uid},
        {0x00080018, "SOP Instance UID", source->sop_instance_uid},
        {0x0020000D, "Study Instance UID", source->study_instance_uid},
        {0x0020000E, "Series Instance UID", source->series_instance_uid},
    };

    for (size_t i = 0; i < COR_ARRAY_LEN(uids); i++) {
        const CorDicomElement *element =
            cor_dicom_priv_find(dicom, cor_dicom_priv_root(dicom), uids[i].tag);
        if (!cor_dicom_priv_code(dicom, element, 0, uids[i].uid, COR_UID_SIZE) ||
            !cor_uid_is_legal(uids[i].uid)) {
            return cor_fail(err, COR_ERR_INVALID, "the image has no legal %s", uids[i].name);
        }
    }
    return true;
}

bool cor_dicom_source(const CorDicom *dicom, uint32_t frame, CorDicomSource *ret_source,
                      CorError *err)
{
    CorDicomSource source = {.frame = frame};
    CorDicomFrameInfo info;
    CorDicomImage image;

    if (!cor_dicom_image(dicom, &image, err) || !cor_dicom_frame_info(dicom, frame, &info, err) ||
        !take_uids(dicom, &source, err)) {
        return false;
    }
    source.frames = image.frames;
    source.rows = image.rows;
    source.columns = image.columns;
    source.is_lossy = image.is_lossy;
    source.instance_number = info.has_instance_number ? info.instance_number : 0;
    if (cor_uid_is_legal(info.frame_of_reference_uid)) {
        (void) snprintf(source.frame_of_reference_uid, COR_UID_SIZE, "%s",
                        info.frame_of_reference_uid);
    }
    take_place(dicom, frame, &info, &source);
    *ret_source = source;
    return true;
}

const char *cor_dicom_common_frame_of_reference(const CorDicomSource *sources, size_t len)
{
    const char *common = len > 0 ? sources[0].frame_of_reference_uid : "";

    for (size_t i = 1; i < len; i++) {
        if (strcmp(sources[i].frame_of_reference_uid, common) != 0) {
            return "";
        }
    }
    return common;
}

void cor_dicom_normal(const double orientation[6], double ret_normal[3])
{
    const double *o = orientation;

    ret_normal[0] = o[1] * o[5] - o[2] * o[4];
    ret_normal[1] = o[2] * o[3] - o[0] * o[5];
    ret_normal[2] = o[0] * o[4] - o[1] * o[3];
}

double cor_dicom_place(const double normal[3], const double position_mm[3])
{
    return normal[0] * position_mm[0] + normal[1] * position_mm[1] + normal[2] * position_mm[2];
}
