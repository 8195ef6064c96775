/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures come from the cache, or from a host that renders them.  A picture is known by the digest
 * of its file, the frame and the parameters: what is the same bytes is the same picture. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/hash.h"
#include "dicomweb/wado-rendered.h"

#define RENDERER "1" /* to be counted up when the same parameters make another picture */

typedef struct Source {
    CorDicomweb *dicomweb;
    CorCatalogInstances *instances;
    CorPicture *pictures;
    CorRenderParams params;
    const char *type;                /* "image/jpeg" */
    const char *format;              /* "jpeg" */
    char text[COR_RENDER_TEXT_SIZE]; /* of params */
} Source;

/* --- making --- */

static void make_key(const Source *source, size_t index, char key[COR_RENDER_KEY_SIZE])
{
    const CorPicture *picture = &source->pictures[index];
    const CorCatalogInstance *instance = source->instances->items[picture->instance];

    (void) snprintf(key, COR_RENDER_KEY_SIZE, "%s/%u/%s", instance->sha256, picture->frame,
                    source->text);
}

static bool take_bytes(const CorHostFile *file, CorBytes **ret_bytes, CorError *err)
{
    size_t size = (size_t) file->size_bytes;
    void *address = size ? mmap(NULL, size, PROT_READ, MAP_SHARED, file->fd, 0) : MAP_FAILED;

    if (address == MAP_FAILED) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "a picture cannot be read");
    }
    CorBytes *bytes = cor_bytes_new(address, size);
    (void) munmap(address, size);
    if (!bytes) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a picture");
    }
    *ret_bytes = bytes;
    return true;
}

static bool render(const Source *source, size_t index, CorBytes **ret_bytes, CorError *err)
{
    const CorPicture *picture = &source->pictures[index];
    const CorRenderParams *params = &source->params;
    COR_CLEANUP(cor_fd_closep) int fd = -1;
    CorHostFile made = {.fd = -1};

    if (!cor_dicomweb_priv_open_instance(source->dicomweb,
                                         source->instances->items[picture->instance], &fd, err)) {
        return false;
    }
    const CorHostRender request = {.fd = fd,
                                   .frame = picture->frame,
                                   .has_window = params->has_window,
                                   .window_center = params->window_center,
                                   .window_width = params->window_width,
                                   .window_function = params->window_function,
                                   .has_region = params->has_region,
                                   .region = params->region,
                                   .width_px = params->width_px,
                                   .height_px = params->height_px,
                                   .may_enlarge = params->may_enlarge,
                                   .format = source->format,
                                   .quality = params->quality,
                                   .timeout_ms = COR_WADO_HOST_MS};
    bool ok = cor_host_render(source->dicomweb->options.hosts, &request, &made, err) &&
              take_bytes(&made, ret_bytes, err);
    cor_host_file_done(&made);
    return ok;
}

/* --- parts --- */

static void describe(void *context, size_t index, CorPart *part)
{
    const Source *source = context;
    const CorPicture *picture = &source->pictures[index];

    part->is_work = true;
    (void) snprintf(part->type, sizeof(part->type), "%s", source->type);
    cor_dicomweb_priv_locate(source->dicomweb, source->instances->items[picture->instance],
                             part->location, "/frames/%u/rendered", picture->frame);
}

static bool open_part(void *context, size_t index, CorPart *part, CorError *err)
{
    const Source *source = context;
    CorRenderCache *cache = source->dicomweb->pictures;
    char key[COR_RENDER_KEY_SIZE];

    make_key(source, index, key);
    part->bytes = cor_dicomweb_priv_render_cache_begin(cache, key);
    if (part->bytes) {
        return true;
    }
    bool ok = render(source, index, &part->bytes, err);
    cor_dicomweb_priv_render_cache_end(cache, key, part->bytes);
    return ok;
}

static void release(void *context)
{
    Source *source = context;

    cor_catalog_instances_free(source->instances);
    free(source->pictures);
    free(source);
}

/* --- answering --- */

/* A picture has the pixels of its frame, or of a viewport that may be larger. */
static uint64_t largest_picture(const Source *source)
{
    const CorRenderParams *params = &source->params;
    uint64_t largest =
        (uint64_t) COR_MAX(params->width_px, 1) * (uint64_t) COR_MAX(params->height_px, 1) * 4;

    for (size_t i = 0; i < source->instances->len; i++) {
        largest = COR_MAX(largest, cor_dicomweb_priv_made_bytes(source->instances->items[i]));
    }
    return largest;
}

static const char *const types[] = {"image/jpeg", "image/png"};
static const char *const formats[] = {"jpeg", "png"};

/* The index of the type, and whether it comes in parts. */
static bool choose(const CorPicturesRequest *request, size_t *ret_type, bool *ret_is_multipart,
                   CorError *err)
{
    CorAcceptOffer offers[4];
    size_t choices[4];
    size_t len = 0;
    bool has_single = request->len == 1 || request->may_be_first_only;

    for (int is_multipart = has_single ? 0 : 1; is_multipart <= 1; is_multipart++) {
        for (size_t i = 0; i < COR_ARRAY_LEN(types); i++) {
            choices[len] = i;
            offers[len++] = (CorAcceptOffer){.type = types[i],
                                             .is_multipart = is_multipart,
                                             .transfer_syntax = "",
                                             .is_default = true};
        }
    }
    size_t best = cor_dicomweb_priv_accept_best(request->accept, offers, len);
    if (best == COR_ACCEPT_NONE) {
        return cor_fail(err, COR_ERR_UNSUPPORTED,
                        "pictures come as image/jpeg or image/png%s in multipart/related",
                        has_single ? ", alone or" : ",");
    }
    *ret_type = choices[best];
    *ret_is_multipart = offers[best].is_multipart;
    return true;
}

/* One digest over everything that decides what the answer looks like. */
static void make_etag(const Source *source, size_t len, bool is_multipart,
                      char etag[COR_PART_ETAG_SIZE])
{
    COR_CLEANUP(cor_sha256_freep) CorSha256 *sha = cor_sha256_new();
    uint8_t digest[COR_SHA256_SIZE];
    char key[COR_RENDER_KEY_SIZE];
    char hex[33];

    if (!sha) {
        return; /* no ETag then */
    }
    for (size_t i = 0; i < len; i++) {
        make_key(source, i, key);
        cor_sha256_update(sha, key, strlen(key) + 1);
    }
    cor_sha256_final(sha, digest);
    (void) cor_hex_encode(digest, sizeof(hex) / 2, hex);
    (void) snprintf(etag, COR_PART_ETAG_SIZE, "r" RENDERER "-%s%s", hex, is_multipart ? "-m" : "");
}

/* The answer without any work, if the client or the cache has it. */
static bool answer_at_once(const Source *source, const CorParts *parts, CorHttpRequest *req,
                           CorHttpResponse *res)
{
    char key[COR_RENDER_KEY_SIZE];

    if (parts->etag[0] && cor_dicomweb_priv_is_unchanged(req, res, parts->etag)) {
        return true;
    }
    if (parts->is_multipart) {
        return false;
    }
    make_key(source, 0, key);
    COR_CLEANUP(cor_bytes_unrefp)
    CorBytes *picture = cor_dicomweb_priv_render_cache_find(source->dicomweb->pictures, key);
    if (!picture) {
        return false;
    }
    cor_http_res_bytes(res, 200, parts->type, picture);
    cor_dicomweb_priv_part_headers(res, parts);
    return true;
}

void cor_dicomweb_priv_send_pictures(CorDicomweb *dicomweb, CorHttpRequest *req,
                                     CorHttpResponse *res, const CorPicturesRequest *request)
{
    Source *source = cor_new(Source);
    size_t type = 0;
    CorError err = {0};
    CorParts parts = {
        .describe = describe, .open = open_part, .release = release, .context = source};

    if (!source) {
        cor_catalog_instances_free(request->instances);
        free(request->pictures);
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for an answer");
        cor_http_fail(res, NULL, &err);
        return;
    }
    *source = (Source){.dicomweb = dicomweb,
                       .instances = request->instances,
                       .pictures = request->pictures,
                       .params = request->params};
    if (!choose(request, &type, &parts.is_multipart, &err)) {
        release(source);
        cor_dicomweb_priv_refuse(res, &err);
        return;
    }
    source->type = types[type];
    source->format = formats[type];
    parts.type = source->type;
    parts.len = parts.is_multipart ? request->len : 1;
    parts.made_bytes_max = largest_picture(source);
    cor_dicomweb_priv_render_text(&source->params, source->format, source->text);
    make_etag(source, parts.len, parts.is_multipart, parts.etag);
    if (request->params.is_annotated) {
        cor_http_res_header(res, "Warning",
                            "299 corsia \"annotation and iccprofile are not done\"");
    }
    if (answer_at_once(source, &parts, req, res)) {
        release(source);
        return;
    }
    cor_dicomweb_priv_send_parts(dicomweb->offload, req, res, &parts);
}
