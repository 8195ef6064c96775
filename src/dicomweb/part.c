/* SPDX-License-Identifier: Apache-2.0 */
#include "dicomweb/part.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "dicomweb/bundle.h"
#include "http/http-pull.h"

enum { SLOW_MAX = 256 };

void cor_dicomweb_priv_part_done(CorPart *part)
{
    cor_bytes_unref(part->bytes);
    if (part->fd >= 0) {
        (void) close(part->fd);
    }
    free(part->runs);
    *part = COR_PART_EMPTY;
}

bool cor_dicomweb_priv_part_run(const CorPart *part, size_t index, CorCatalogRun *ret_run)
{
    if (part->runs ? index >= part->runs_len : index >= 1) {
        return false;
    }
    *ret_run = part->runs ? part->runs[index] : part->run;
    return true;
}

uint64_t cor_dicomweb_priv_part_size(const CorPart *part)
{
    CorCatalogRun run;
    uint64_t size = 0;

    if (part->bytes) {
        return cor_bytes_size(part->bytes);
    }
    for (size_t i = 0; cor_dicomweb_priv_part_run(part, i, &run); i++) {
        size += run.size;
    }
    return size;
}

void cor_dicomweb_priv_part_set_file(CorPart *part, int fd, uint64_t size)
{
    if (part->fd >= 0) {
        (void) close(part->fd);
    }
    free(COR_TAKE(part->runs));
    part->fd = fd;
    part->run = (CorCatalogRun){.offset = 0, .size = size};
}

void cor_dicomweb_priv_refuse(CorHttpResponse *res, const CorError *err)
{
    if (err->code == COR_ERR_UNSUPPORTED) {
        cor_http_problem(res, 406, NULL, "%s", err->text);
    } else {
        cor_http_fail(res, NULL, err);
    }
}

/* --- which way --- */

/* The size of the body, which libmicrohttpd is told before anything is opened; COR_HTTP_PULL_ANY if
 * something has to be made, or if it takes too long to tell. */
static uint64_t measure(const CorParts *parts, const char *boundary)
{
    char text[COR_BUNDLE_TEXT_SIZE];
    uint64_t size = 0;

    if (parts->is_slow_to_describe && parts->len > SLOW_MAX) {
        return COR_HTTP_PULL_ANY;
    }
    for (size_t i = 0; i < (parts->is_multipart ? parts->len : 1); i++) {
        COR_CLEANUP(cor_dicomweb_priv_part_done) CorPart part = COR_PART_EMPTY;
        parts->describe(parts->context, i, &part);
        if (part.is_work) {
            return COR_HTTP_PULL_ANY;
        }
        size += cor_dicomweb_priv_part_size(&part);
        if (parts->is_multipart) {
            size += cor_dicomweb_priv_bundle_head(&part, i == 0, boundary, text);
        }
    }
    return size + (parts->is_multipart ? cor_dicomweb_priv_bundle_tail(boundary, text) : 0);
}

static void send_bundle(CorOffload *offload, CorHttpResponse *res, const CorParts *parts,
                        CorPart *first, uint64_t size)
{
    CorBundleOptions options = {.parts = *parts, .first = *first, .size = size};

    *first = COR_PART_EMPTY;
    cor_dicomweb_priv_part_headers(res, parts);
    cor_dicomweb_priv_bundle_boundary(parts->etag, options.boundary);
    cor_dicomweb_priv_bundle_send(offload, res, &options);
}

/* A single part that is open: its content is the answer. */
static void send_single(CorHttpResponse *res, CorPart *part)
{
    if (part->bytes) {
        cor_http_res_bytes(res, 200, part->type, part->bytes);
    } else {
        cor_http_res_file(res, part->type, COR_TAKE_FD(part->fd), part->run.offset, part->run.size);
    }
}

void cor_dicomweb_priv_part_headers(CorHttpResponse *res, const CorParts *parts)
{
    cor_http_res_header(res, "Vary", "Accept");
    cor_http_res_header(res, "Cache-Control", "private, no-cache");
    if (parts->etag[0]) {
        cor_http_res_etag(res, parts->etag);
    }
}

/* --- the first part has to be made --- */

typedef struct Making {
    CorOffload *offload;
    CorParts parts;
    bool is_handed_on; /* parts belong to the answer */
    CorPart first;
    bool ok;
    CorError err;
} Making;

static void make_first(void *context)
{
    Making *making = context;

    making->ok = making->parts.open(making->parts.context, 0, &making->first, &making->err);
}

/* What a host says of a stored file is no fault of the server's: that file cannot be had so. */
static void refuse_made(CorHttpResponse *res, CorError *err)
{
    if (err->code == COR_ERR_CORRUPT || err->code == COR_ERR_INVALID) {
        err->code = COR_ERR_UNSUPPORTED;
    }
    cor_dicomweb_priv_refuse(res, err);
}

static void answer_first(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    Making *making = context;
    const CorParts *parts = &making->parts;
    (void) req;

    if (!making->ok) {
        refuse_made(res, &making->err);
        return;
    }
    if (!parts->is_multipart && !making->first.runs) {
        cor_dicomweb_priv_part_headers(res, parts);
        send_single(res, &making->first);
        return;
    }
    making->is_handed_on = true;
    send_bundle(making->offload, res, parts, &making->first, COR_HTTP_PULL_ANY);
}

static void release_making(void *context)
{
    Making *making = context;

    cor_dicomweb_priv_part_done(&making->first);
    if (!making->is_handed_on) {
        making->parts.release(making->parts.context);
    }
    free(making);
}

static void make_then_send(CorOffload *offload, CorHttpRequest *req, CorHttpResponse *res,
                           const CorParts *parts, CorPart *first)
{
    Making *making = cor_new(Making);
    CorError err = {0};

    if (!making) {
        parts->release(parts->context);
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for an answer");
        cor_http_fail(res, NULL, &err);
        return;
    }
    *making = (Making){.offload = offload, .parts = *parts, .first = *first};
    *first = COR_PART_EMPTY;
    const CorOffloadRequest request = {
        .work = make_first, .answer = answer_first, .release = release_making, .context = making};
    cor_dicomweb_priv_offload_request(offload, req, res, &request);
}

/* --- the door --- */

/* The first part is described and needs no work. */
static void open_then_send(CorOffload *offload, CorHttpRequest *req, CorHttpResponse *res,
                           const CorParts *parts, CorPart *first)
{
    char boundary[COR_BUNDLE_BOUNDARY_SIZE];
    uint64_t announced = cor_dicomweb_priv_part_size(first);
    uint64_t size = COR_HTTP_PULL_ANY;
    CorError err = {0};

    bool ok = parts->open(parts->context, 0, first, &err);
    if (ok && cor_dicomweb_priv_part_size(first) != announced) {
        ok = cor_fail(&err, COR_ERR_UNAVAILABLE, "the object is being replaced");
    }
    if (!ok) {
        cor_dicomweb_priv_refuse(res, &err);
        parts->release(parts->context);
        return;
    }
    if (!parts->is_multipart && !first->runs) {
        cor_dicomweb_priv_part_headers(res, parts);
        send_single(res, first);
        parts->release(parts->context);
        return;
    }
    if (!cor_http_pull_takes_files(req)) {
        cor_dicomweb_priv_bundle_boundary(parts->etag, boundary);
        size = measure(parts, boundary);
    }
    send_bundle(offload, res, parts, first, size);
}

static void send_head(CorOffload *offload, CorHttpResponse *res, const CorParts *parts)
{
    char boundary[COR_BUNDLE_BOUNDARY_SIZE];
    CorPart none = COR_PART_EMPTY;

    cor_dicomweb_priv_bundle_boundary(parts->etag, boundary);
    send_bundle(offload, res, parts, &none, measure(parts, boundary));
}

void cor_dicomweb_priv_send_parts(CorOffload *offload, CorHttpRequest *req, CorHttpResponse *res,
                                  const CorParts *parts)
{
    COR_CLEANUP(cor_dicomweb_priv_part_done) CorPart first = COR_PART_EMPTY;

    parts->describe(parts->context, 0, &first);
    bool is_file = !parts->is_multipart && !first.is_work && !first.runs;
    if (cor_http_req_is_head(req) && !is_file) {
        send_head(offload, res, parts);
        return;
    }
    (first.is_work ? make_then_send : open_then_send)(offload, req, res, parts, &first);
}
