/* SPDX-License-Identifier: Apache-2.0 */
/* The place of a slice is the projection of Image Position (Patient) on the normal of the plane
 * (PS3.3 section C.7.6.2.1.1). */
#include "host/host-slices.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static const double parallel_tolerance = 1e-3; /* of a direction cosine */
static const double same_place_mm = 1e-3;

bool cor_host_priv_open_input(CorHostContext *context, size_t i, CorDicom **ret_dicom,
                              CorError *err)
{
    const CorDicomLimits limits = {.frame_bytes_max = cor_host_priv_frame_max(context)};

    return cor_dicom_open_fd(cor_host_priv_input_fd(context, i), &limits, ret_dicom, err);
}

void cor_host_priv_slices_done(CorHostSlices *slices)
{
    free(slices->items);
    *slices = (CorHostSlices){0};
}

/* What was announced must be what came. */
static bool check_uid(const json_t *said, const char *name, const char *uid, CorError *err)
{
    const char *wanted = cor_json_string(said, name, uid);

    return strcmp(wanted, uid) == 0 ||
           cor_fail(err, COR_ERR_INVALID, "the file is another object, %s", uid);
}

static bool add_slice(CorHostSlices *slices, size_t input, const CorDicomSource *source,
                      CorError *err)
{
    if (slices->len == slices->room) {
        size_t room = slices->room * 2;
        CorHostSlice *more = realloc(slices->items, room * sizeof(*more)); // style-ok: a doubling
        if (!more) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for slices");
        }
        slices->items = more;
        slices->room = room;
    }
    slices->items[slices->len++] = (CorHostSlice){.input = input, .source = *source};
    return true;
}

static bool read_input(CorHostContext *context, size_t input, CorHostSlices *slices, CorError *err)
{
    const json_t *said = cor_host_priv_input_json(context, input);
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    CorDicomSource source = {.frames = 1};

    if (!cor_host_priv_open_input(context, input, &dicom, err)) {
        return false;
    }
    for (uint32_t frame = 0; frame < source.frames; frame++) {
        if (!cor_dicom_source(dicom, frame, &source, err) ||
            !check_uid(said, "sop_instance_uid", source.sop_instance_uid, err) ||
            !check_uid(said, "series_instance_uid", source.series_instance_uid, err)) {
            return false;
        }
        if (slices->len + source.frames - frame > COR_HOST_SLICES_MAX) {
            return cor_fail(err, COR_ERR_LIMIT, "there are more than %zu slices",
                            COR_HOST_SLICES_MAX);
        }
        if (!add_slice(slices, input, &source, err)) {
            return false;
        }
    }
    return true;
}

static bool is_parallel(const CorDicomSource *one, const CorDicomSource *other)
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
    const CorDicomSource *first = &slices->items[0].source;
    double normal[3];
    bool has_places = true;

    cor_dicom_normal(first->orientation, normal);
    for (size_t i = 0; i < slices->len; i++) {
        CorHostSlice *slice = &slices->items[i];
        const CorDicomSource *source = &slice->source;
        has_places &= source->has_place && is_parallel(first, source) &&
                      strcmp(first->series_instance_uid, source->series_instance_uid) == 0;
        slice->place_mm = cor_dicom_place(normal, source->position_mm);
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
    const CorDicomSource *from = &one->source;
    const CorDicomSource *to = &other->source;

    if (one->has_place && one->place_mm != other->place_mm) {
        return one->place_mm < other->place_mm ? -1 : 1;
    }
    int order = strcmp(from->series_instance_uid, to->series_instance_uid);
    if (order == 0 && from->instance_number != to->instance_number) {
        order = from->instance_number < to->instance_number ? -1 : 1;
    }
    order = order ? order : strcmp(from->sop_instance_uid, to->sop_instance_uid);
    return order ? order : from->frame < to->frame ? -1 : from->frame > to->frame;
}

static int compare_doubles(const void *a, const void *b)
{
    double one = *(const double *) a;
    double other = *(const double *) b;

    return one < other ? -1 : one > other;
}

/* The median of the distances between neighbours; 0 if all are at one place. */
static bool find_interval(const CorHostSlices *slices, double *ret_interval, CorError *err)
{
    double *steps = cor_new_array(double, slices->len);
    size_t len = 0;

    if (!steps) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for slices");
    }
    for (size_t i = 1; i < slices->len; i++) {
        double step = slices->items[i].place_mm - slices->items[i - 1].place_mm;
        if (step > same_place_mm) {
            steps[len++] = step;
        }
    }
    qsort(steps, len, sizeof(*steps), compare_doubles);
    *ret_interval = len > 0 ? steps[(len - 1) / 2] : 0;
    free(steps);
    return true;
}

static bool find_extents(CorHostSlices *slices, CorError *err)
{
    double interval = 0;

    if (!slices->items[0].has_place) {
        return true;
    }
    if (!find_interval(slices, &interval, err)) {
        return false;
    }
    for (size_t from = 0, until = 0; from < slices->len; from = until) {
        double thickness = slices->items[from].source.thickness_mm;
        double extent = interval > 0 ? interval : COR_MAX(thickness, 0.0);
        while (until < slices->len &&
               slices->items[until].place_mm - slices->items[from].place_mm <= same_place_mm) {
            until++;
        }
        for (size_t i = from; i < until; i++) {
            slices->items[i].extent_mm = extent / (double) (until - from);
        }
    }
    return true;
}

static bool read_inputs(CorHostContext *context, size_t len, CorHostSlices *slices, CorError *err)
{
    for (size_t i = 0; i < len; i++) {
        if (!cor_host_priv_check(context, err) || !read_input(context, i, slices, err)) {
            if (err->code != COR_ERR_CANCELLED) {
                cor_error_wrap(err, "image %s",
                               cor_json_string(cor_host_priv_input_json(context, i),
                                               "sop_instance_uid", "without a name"));
            }
            return false;
        }
    }
    find_places(slices);
    qsort(slices->items, slices->len, sizeof(*slices->items), compare);
    return find_extents(slices, err);
}

bool cor_host_priv_slices_read(CorHostContext *context, size_t len, CorHostSlices *ret_slices,
                               CorError *err)
{
    if (len == 0) {
        return cor_fail(err, COR_ERR_INVALID, "there is no input");
    }
    CorHostSlices slices = {.items = cor_new_array(CorHostSlice, len), .room = len};
    if (!slices.items) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for slices");
    }
    if (!read_inputs(context, len, &slices, err)) {
        cor_host_priv_slices_done(&slices);
        return false;
    }
    *ret_slices = slices;
    return true;
}
