/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes that may differ from frame to frame.  In enhanced multi-frame objects they stand in
 * functional groups (PS3.3 section C.7.6.16): each item of the per-frame sequence belongs to one
 * frame and has one sequence for each group. */
#include <math.h>
#include <string.h>

#include "dicom/dicom-pixels.h"

#define TAG_SHARED_GROUPS 0x52009229u
#define TAG_PER_FRAME_GROUPS 0x52009230u

/* Functional groups by the tag of their sequence. */
#define GROUP_NONE 0u
#define GROUP_PLANE_POSITION 0x00209113u
#define GROUP_PLANE_ORIENTATION 0x00209116u
#define GROUP_PIXEL_MEASURES 0x00289110u
#define GROUP_FRAME_VOI_LUT 0x00289132u
#define GROUP_PIXEL_VALUES 0x00289145u

static const CorDicomElement *find_in_groups(const CorDicom *dicom, const CorDicomElement *groups,
                                             uint32_t item, uint32_t group, uint32_t tag)
{
    CorDicomScope inside;
    const CorDicomElement *item_element = NULL;

    if (groups && groups->vr == COR_DICOM_VR('S', 'Q')) {
        item_element = cor_dicom_priv_item(dicom, groups, item);
    }
    if (!item_element || !cor_dicom_priv_first_item(
                             dicom, cor_dicom_priv_inside(dicom, item_element), group, &inside)) {
        return NULL;
    }
    return cor_dicom_priv_find(dicom, inside, tag);
}

const CorDicomElement *cor_dicom_priv_frame_element(const CorDicom *dicom, uint32_t frame,
                                                    uint32_t group, uint32_t tag)
{
    CorDicomScope root = cor_dicom_priv_root(dicom);
    const CorDicomElement *found = NULL;

    if (group != GROUP_NONE) {
        found = find_in_groups(dicom, cor_dicom_priv_find(dicom, root, TAG_PER_FRAME_GROUPS), frame,
                               group, tag);
        if (!found) {
            found = find_in_groups(dicom, cor_dicom_priv_find(dicom, root, TAG_SHARED_GROUPS), 0,
                                   group, tag);
        }
    }
    return found ? found : cor_dicom_priv_find(dicom, root, tag);
}

/* Read len numbers; false if one is missing. */
static bool read_numbers(const CorDicom *dicom, const CorDicomElement *element, size_t len,
                         double *numbers)
{
    for (size_t i = 0; i < len; i++) {
        if (!cor_dicom_priv_number(dicom, element, i, &numbers[i])) {
            return false;
        }
    }
    return true;
}

static void read_rescale(const CorDicom *dicom, uint32_t frame, CorDicomFrameInfo *info)
{
    double slope = 1;
    double intercept = 0;
    CorDicomScope inside;

    info->rescale_slope = 1;
    bool has_slope = read_numbers(
        dicom, cor_dicom_priv_frame_element(dicom, frame, GROUP_PIXEL_VALUES, 0x00281053), 1,
        &slope);
    bool has_intercept = read_numbers(
        dicom, cor_dicom_priv_frame_element(dicom, frame, GROUP_PIXEL_VALUES, 0x00281052), 1,
        &intercept);
    info->has_rescale = has_slope || has_intercept;
    if (info->has_rescale) {
        info->rescale_slope = slope;
        info->rescale_intercept = intercept;
    }
    info->has_modality_lut =
        cor_dicom_priv_first_item(dicom, cor_dicom_priv_root(dicom), 0x00283000, &inside);
}

static void read_window(const CorDicom *dicom, uint32_t frame, CorDicomFrameInfo *info)
{
    const CorDicomElement *center =
        cor_dicom_priv_frame_element(dicom, frame, GROUP_FRAME_VOI_LUT, 0x00281050);
    const CorDicomElement *width =
        cor_dicom_priv_frame_element(dicom, frame, GROUP_FRAME_VOI_LUT, 0x00281051);
    char text[32];

    if (cor_dicom_priv_number(dicom, center, 0, &info->window_center) &&
        cor_dicom_priv_number(dicom, width, 0, &info->window_width) && info->window_width > 0) {
        info->has_window = true;
    }
    if (cor_dicom_priv_code(
            dicom, cor_dicom_priv_frame_element(dicom, frame, GROUP_FRAME_VOI_LUT, 0x00281056), 0,
            text, sizeof(text))) {
        info->is_window_sigmoid = strcmp(text, "SIGMOID") == 0;
        info->is_window_exact = strcmp(text, "LINEAR_EXACT") == 0;
    }
    CorDicomScope root = cor_dicom_priv_root(dicom);
    if (cor_dicom_priv_code(dicom, cor_dicom_priv_find(dicom, root, 0x20500020), 0, text,
                            sizeof(text))) {
        info->is_inverse = strcmp(text, "INVERSE") == 0;
    } else if (cor_dicom_priv_code(dicom, cor_dicom_priv_find(dicom, root, 0x00280004), 0, text,
                                   sizeof(text))) {
        info->is_inverse = strcmp(text, "MONOCHROME1") == 0;
    }
}

static void read_geometry(const CorDicom *dicom, uint32_t frame, CorDicomFrameInfo *info)
{
    double spacing[2];

    info->has_position = read_numbers(
        dicom, cor_dicom_priv_frame_element(dicom, frame, GROUP_PLANE_POSITION, 0x00200032), 3,
        info->position_mm);
    info->has_orientation = read_numbers(
        dicom, cor_dicom_priv_frame_element(dicom, frame, GROUP_PLANE_ORIENTATION, 0x00200037), 6,
        info->orientation);
    if (read_numbers(dicom,
                     cor_dicom_priv_frame_element(dicom, frame, GROUP_PIXEL_MEASURES, 0x00280030),
                     2, spacing) ||
        read_numbers(dicom, cor_dicom_priv_frame_element(dicom, frame, GROUP_NONE, 0x00181164), 2,
                     spacing)) {
        info->has_spacing = spacing[0] > 0 && spacing[1] > 0;
    }
    if (info->has_spacing) {
        info->row_spacing_mm = spacing[0];
        info->column_spacing_mm = spacing[1];
    }
    info->has_thickness = read_numbers(
        dicom, cor_dicom_priv_frame_element(dicom, frame, GROUP_PIXEL_MEASURES, 0x00180050), 1,
        &info->thickness_mm);
}

bool cor_dicom_frame_info(const CorDicom *dicom, uint32_t frame, CorDicomFrameInfo *ret_info,
                          CorError *err)
{
    CorDicomScope root = cor_dicom_priv_root(dicom);
    CorDicomFrameInfo info = {0};
    int64_t frames = 1;

    (void) cor_dicom_priv_integer(dicom, cor_dicom_priv_find(dicom, root, 0x00280008), 0, &frames);
    if (frame > 0 && (int64_t) frame >= frames) {
        return cor_fail(err, COR_ERR_INVALID, "there is no frame %u: the image has %lld", frame + 1,
                        (long long) frames);
    }
    read_rescale(dicom, frame, &info);
    read_window(dicom, frame, &info);
    read_geometry(dicom, frame, &info);
    info.has_instance_number = cor_dicom_priv_integer(
        dicom, cor_dicom_priv_find(dicom, root, 0x00200013), 0, &info.instance_number);
    (void) cor_dicom_priv_code(dicom, cor_dicom_priv_find(dicom, root, 0x00200052), 0,
                               info.frame_of_reference_uid, sizeof(info.frame_of_reference_uid));
    *ret_info = info;
    return true;
}
