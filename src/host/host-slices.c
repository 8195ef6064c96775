/* SPDX-License-Identifier: Apache-2.0 */
/* The place of a slice is the projection of Image Position (Patient) on the normal of the plane
 * (PS3.3 section C.7.6.2.1.1). */
#include "host/host-slices.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-image.h"

static const double parallel_tolerance = 1e-3; /* of a direction cosine */

bool cor_host_priv_open_input(CorHostContext *context, size_t i, CorDicom **ret_dicom,
                              CorError *err)
{
    const CorDicomLimits limits = {.frame_bytes_max = cor_host_priv_frame_max(context)};

    return cor_dicom_open_fd(cor_host_priv_input_fd(context, i), &limits, ret_dicom, err);
}

void cor_host_priv_slices_done(CorHostSlices *slices)
{
    free(slices->items);
    slices->items = NULL;
    slices->len = 0;
}

/* What was announced must be what came. */
static bool check_uid(const json_t *said, const char *name, const char *uid, CorError *err)
{
    const char *wanted = cor_json_string(said, name, uid);

    if (strcmp(wanted, uid) != 0) {
        return cor_fail(err, COR_ERR_INVALID, "the file is another object, %s", uid);
    }
    return cor_uid_is_legal(uid) || cor_fail(err, COR_ERR_INVALID, "%s is no legal UID", name);
}

static bool read_slice(CorHostContext *context, size_t input, CorHostSlice *slice, CorError *err)
{
    const json_t *said = cor_host_priv_input_json(context, input);
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    CorDicomImage image;
    CorDicomFrameInfo info;

    slice->input = input;
    if (!cor_host_priv_open_input(context, input, &dicom, err) ||
        !cor_dicom_image(dicom, &image, err) || !cor_dicom_frame_info(dicom, 0, &info, err)) {
        return false;
    }
    (void) cor_dicom_text(dicom, COR_DICOM_TAG(0x0008, 0x0018), slice->sop_instance_uid,
                          sizeof(slice->sop_instance_uid));
    (void) cor_dicom_text(dicom, COR_DICOM_TAG(0x0020, 0x000e), slice->series_instance_uid,
                          sizeof(slice->series_instance_uid));
    if (!check_uid(said, "sop_instance_uid", slice->sop_instance_uid, err) ||
        !check_uid(said, "series_instance_uid", slice->series_instance_uid, err)) {
        return false;
    }
    if (image.frames != 1) {
        return cor_fail(err, COR_ERR_UNSUPPORTED,
                        "algorithms take single-frame images, this one has %u frames",
                        (unsigned) image.frames);
    }
    slice->instance_number = info.has_instance_number ? info.instance_number : 0;
    slice->columns = image.columns;
    slice->rows = image.rows;
    if (info.has_spacing) {
        slice->row_spacing_mm = info.row_spacing_mm;
        slice->column_spacing_mm = info.column_spacing_mm;
    }
    slice->thickness_mm = info.has_thickness ? info.thickness_mm : 0;
    slice->has_position = info.has_position && info.has_orientation;
    if (slice->has_position) {
        memcpy(slice->position_mm, info.position_mm, sizeof(slice->position_mm));
        memcpy(slice->orientation, info.orientation, sizeof(slice->orientation));
    }
    return true;
}

static bool is_parallel(const CorHostSlice *one, const CorHostSlice *other)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(one->orientation); i++) {
        if (!(fabs(one->orientation[i] - other->orientation[i]) <= parallel_tolerance)) {
            return false;
        }
    }
    return true;
}

/* Give every slice its place, or none of them. */
static void find_places(CorHostSlices *slices)
{
    const CorHostSlice *first = &slices->items[0];
    const double *o = first->orientation;
    double normal[3] = {o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5],
                        o[0] * o[4] - o[1] * o[3]};
    bool has_places = true;

    for (size_t i = 0; i < slices->len; i++) {
        CorHostSlice *slice = &slices->items[i];
        has_places &= slice->has_position && is_parallel(first, slice) &&
                      strcmp(first->series_instance_uid, slice->series_instance_uid) == 0;
        slice->place_mm = normal[0] * slice->position_mm[0] + normal[1] * slice->position_mm[1] +
                          normal[2] * slice->position_mm[2];
        has_places &= isfinite(slice->place_mm) != 0;
    }
    for (size_t i = 0; i < slices->len; i++) {
        slices->items[i].has_place = has_places;
    }
}

static int compare(const void *a, const void *b)
{
    const CorHostSlice *one = a;
    const CorHostSlice *other = b;

    if (one->has_place && one->place_mm != other->place_mm) {
        return one->place_mm < other->place_mm ? -1 : 1;
    }
    int order = strcmp(one->series_instance_uid, other->series_instance_uid);
    if (order == 0 && one->instance_number != other->instance_number) {
        order = one->instance_number < other->instance_number ? -1 : 1;
    }
    return order ? order : strcmp(one->sop_instance_uid, other->sop_instance_uid);
}

bool cor_host_priv_slices_read(CorHostContext *context, CorHostSlices *ret_slices, CorError *err)
{
    size_t len = cor_host_priv_input_len(context);
    CorHostSlices slices = {.items = cor_new_array(CorHostSlice, len), .len = len};

    if (!slices.items) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for slices");
    }
    if (len == 0) {
        cor_host_priv_slices_done(&slices);
        return cor_fail(err, COR_ERR_INVALID, "there is no input");
    }
    for (size_t i = 0; i < len; i++) {
        if (!cor_host_priv_check(context, err) || !read_slice(context, i, &slices.items[i], err)) {
            if (err->code != COR_ERR_CANCELLED) {
                cor_error_wrap(err, "image %s",
                               cor_json_string(cor_host_priv_input_json(context, i),
                                               "sop_instance_uid", "without a name"));
            }
            cor_host_priv_slices_done(&slices);
            return false;
        }
    }
    find_places(&slices);
    qsort(slices.items, len, sizeof(*slices.items), compare);
    *ret_slices = slices;
    return true;
}
