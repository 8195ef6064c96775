/* SPDX-License-Identifier: Apache-2.0 */
/* Rendered resources (PS3.18 section 10.4.1.1.3) and thumbnails (section 10.4.1.1.4): which frames
 * of which instances are to be seen.  wado-pictures.c makes them. */
#include "dicomweb/wado-rendered.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicomweb/wado-frames.h"

enum { THUMBNAIL_PX = 128 };

/* A study of 1000 multi-frame objects of 1000 frames is no use as a page of pictures. */
static const size_t pictures_max = 100000;

static bool no_pixels(CorError *err)
{
    return cor_fail(err, COR_ERR_NOT_FOUND, "there is nothing with pixels to be seen");
}

static size_t frames_of(const CorCatalogInstance *instance)
{
    return instance->has_pixels && instance->frames > 0 ? (size_t) instance->frames : 0;
}

static bool new_pictures(size_t len, CorPicture **ret_pictures, CorError *err)
{
    if (len == 0) {
        return no_pixels(err);
    }
    if (len > pictures_max) {
        return cor_fail(err, COR_ERR_LIMIT, "that would be more than %zu pictures", pictures_max);
    }
    *ret_pictures = cor_new_array(CorPicture, len);
    return *ret_pictures || cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of pictures");
}

/* Every frame of every instance. */
static bool list_all(CorPicturesRequest *request, CorError *err)
{
    const CorCatalogInstances *instances = request->instances;
    size_t len = 0;

    for (size_t i = 0; i < instances->len; i++) {
        len += frames_of(instances->items[i]);
    }
    if (!new_pictures(len, &request->pictures, err)) {
        return false;
    }
    for (size_t i = 0; i < instances->len; i++) {
        for (size_t frame = 1; frame <= frames_of(instances->items[i]); frame++) {
            request->pictures[request->len++] =
                (CorPicture){.instance = i, .frame = (uint32_t) frame};
        }
    }
    return true;
}

/* The frames in a list, of the only instance. */
static bool list_frames(const char *list, CorPicturesRequest *request, CorError *err)
{
    COR_CLEANUP(cor_freep) uint32_t *frames = NULL;
    size_t max = frames_of(request->instances->items[0]);
    size_t len = 0;

    if (max == 0) {
        return no_pixels(err);
    }
    if (!cor_dicomweb_priv_read_frames(list, &frames, &len, err) ||
        !new_pictures(len, &request->pictures, err)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (frames[i] > max) {
            return cor_fail(err, COR_ERR_NOT_FOUND, "there is no frame %u, the last one is %zu",
                            frames[i], max);
        }
        request->pictures[request->len++] = (CorPicture){.frame = frames[i]};
    }
    return true;
}

/* --- one picture that stands for all --- */

/* Of a series: the middle one by Instance Number, then by position. */
static int in_order(const void *left, const void *right)
{
    const CorCatalogInstance *a = *(CorCatalogInstance *const *) left;
    const CorCatalogInstance *b = *(CorCatalogInstance *const *) right;

    if (a->instance_number != b->instance_number) {
        return a->instance_number < b->instance_number ? -1 : 1;
    }
    if (a->slice_position_mm < b->slice_position_mm ||
        a->slice_position_mm > b->slice_position_mm) {
        return a->slice_position_mm < b->slice_position_mm ? -1 : 1;
    }
    return strcmp(a->sop_instance_uid, b->sop_instance_uid);
}

static int by_series(const void *left, const void *right)
{
    const CorCatalogInstance *a = *(CorCatalogInstance *const *) left;
    const CorCatalogInstance *b = *(CorCatalogInstance *const *) right;
    int order = strcmp(a->series_instance_uid, b->series_instance_uid);

    return order ? order : in_order(left, right);
}

/* Of a study: the series with most images, which must be in the order of by_series(). */
static void find_largest(CorCatalogInstance *const *items, size_t len, size_t *ret_begin,
                         size_t *ret_len)
{
    size_t begin = 0;

    *ret_len = 0;
    for (size_t i = 1; i <= len; i++) {
        bool goes_on = i < len && strcmp(items[i]->series_instance_uid,
                                         items[begin]->series_instance_uid) == 0;
        if (goes_on) {
            continue;
        }
        if (i - begin > *ret_len) {
            *ret_begin = begin;
            *ret_len = i - begin;
        }
        begin = i;
    }
}

static bool list_representative(CorPicturesRequest *request, CorError *err)
{
    CorCatalogInstances *instances = request->instances;
    size_t len = 0;
    size_t begin = 0;
    size_t series_len = 0;

    /* What has pixels comes first; the rest stays, to be freed with the list. */
    for (size_t i = 0; i < instances->len; i++) {
        CorCatalogInstance *item = instances->items[i];
        if (frames_of(item) > 0) {
            instances->items[i] = instances->items[len];
            instances->items[len++] = item;
        }
    }
    if (!new_pictures(len, &request->pictures, err)) {
        return false;
    }
    qsort(instances->items, len, sizeof(CorCatalogInstance *), by_series);
    find_largest(instances->items, len, &begin, &series_len);
    size_t middle = begin + series_len / 2;
    request->pictures[0] = (CorPicture){
        .instance = middle, .frame = (uint32_t) (1 + frames_of(instances->items[middle]) / 2)};
    request->len = 1;
    return true;
}

/* --- handlers --- */

/* A part of the frame that is not there is the client's fault, which is to be named. */
static bool check_region(const CorPicturesRequest *request, CorError *err)
{
    const CorHostRegion *region = &request->params.region;

    for (size_t i = 0; request->params.has_region && i < request->len; i++) {
        const CorCatalogInstance *instance =
            request->instances->items[request->pictures[i].instance];
        if (region->left_px >= (size_t) instance->columns ||
            region->top_px >= (size_t) instance->rows) {
            return cor_fail(err, COR_ERR_INVALID,
                            "viewport names a part beside the frame, which has %d columns and %d"
                            " rows",
                            instance->columns, instance->rows);
        }
    }
    return true;
}

typedef bool (*ListPictures)(const char *frames, CorPicturesRequest *request, CorError *err);

static bool list_rendered(const char *frames, CorPicturesRequest *request, CorError *err)
{
    return frames ? list_frames(frames, request, err) : list_all(request, err);
}

static bool list_thumbnail(const char *frames, CorPicturesRequest *request, CorError *err)
{
    request->params.may_enlarge = false;
    if (request->params.width_px == 0) {
        request->params.width_px = THUMBNAIL_PX;
        request->params.height_px = THUMBNAIL_PX;
    }
    bool ok = frames ? list_frames(frames, request, err) : list_representative(request, err);
    request->len = ok ? 1 : 0;
    return ok;
}

static void answer(CorHttpRequest *req, CorHttpResponse *res, CorDicomweb *dicomweb,
                   ListPictures list)
{
    CorCatalogUids uids = cor_dicomweb_priv_uids(req);
    CorAccept accept;
    CorPicturesRequest request = {.may_be_first_only = uids.sop_instance_uid != NULL,
                                  .accept = &accept};
    CorError err = {0};

    if (!cor_dicomweb_priv_read_render_params(req, &request.params, &err) ||
        !cor_dicomweb_priv_accept_of(req, &accept, &err) ||
        !cor_dicomweb_priv_find_instances(dicomweb, &uids, &request.instances, &err) ||
        !list(cor_http_req_param(req, "frames"), &request, &err) || !check_region(&request, &err)) {
        cor_catalog_instances_free(request.instances);
        free(request.pictures);
        cor_dicomweb_priv_refuse(res, &err);
        return;
    }
    cor_dicomweb_priv_send_pictures(dicomweb, req, res, &request);
}

void cor_dicomweb_priv_retrieve_rendered(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    answer(req, res, context, list_rendered);
}

void cor_dicomweb_priv_retrieve_thumbnail(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    answer(req, res, context, list_thumbnail);
}
