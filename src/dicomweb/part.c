/* SPDX-License-Identifier: Apache-2.0 */
#include "dicomweb/part.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "dicomweb/bundle.h"
#include "http/http-pull.h"

/* What is mapped for one answer at most; 64 slow readers then hold 256 MiB of the page cache. */
enum { PIECES_BYTES_MAX = 4 * 1024 * 1024, PIECES_MAX = 128, SLOW_MAX = 256 };

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

/* --- pieces: heads and mapped files, without a copy --- */

typedef struct Map {
    void *address;
    size_t size;
} Map;

typedef struct Pieces {
    CorParts parts;
    struct iovec iov[2 * PIECES_MAX + 1];
    size_t iov_len;
    Map maps[PIECES_MAX];
    size_t maps_len;
    char *texts; /* a head for each part, and the tail */
} Pieces;

static void pieces_free(void *context)
{
    Pieces *pieces = context;

    for (size_t i = 0; i < pieces->maps_len; i++) {
        (void) munmap(pieces->maps[i].address, pieces->maps[i].size);
    }
    pieces->parts.release(pieces->parts.context);
    free(pieces->texts);
    free(pieces);
}

static void add_piece(Pieces *pieces, const void *data, size_t size)
{
    if (size > 0) {
        pieces->iov[pieces->iov_len++] = (struct iovec){(void *) (uintptr_t) data, size};
    }
}

static bool map_run(Pieces *pieces, int fd, const CorCatalogRun *run, CorError *err)
{
    uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE);
    uint64_t begin = run->offset / page * page;
    size_t size = (size_t) (run->offset - begin + run->size);

    if (run->size == 0) {
        return true;
    }
    /* Not MAP_POPULATE: it maps page by page, while faults on the way out map sixteen at a time. */
    void *address = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t) begin);
    if (address == MAP_FAILED) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "no memory to map an object");
    }
    pieces->maps[pieces->maps_len++] = (Map){address, size};
    add_piece(pieces, (const uint8_t *) address + (run->offset - begin), (size_t) run->size);
    return true;
}

static bool add_part(Pieces *pieces, size_t index, CorPart *part, CorError *err)
{
    uint64_t announced = cor_dicomweb_priv_part_size(part);
    CorCatalogRun run;

    if (!pieces->parts.open(pieces->parts.context, index, part, err)) {
        return false;
    }
    if (cor_dicomweb_priv_part_size(part) != announced) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "the object is being replaced");
    }
    for (size_t i = 0; cor_dicomweb_priv_part_run(part, i, &run); i++) {
        if (!map_run(pieces, part->fd, &run, err)) {
            return false;
        }
    }
    return true;
}

static bool fill_pieces(Pieces *pieces, const char *boundary, CorError *err)
{
    const CorParts *parts = &pieces->parts;
    char *text = pieces->texts;

    for (size_t i = 0; i < (parts->is_multipart ? parts->len : 1); i++) {
        COR_CLEANUP(cor_dicomweb_priv_part_done) CorPart part = COR_PART_EMPTY;
        parts->describe(parts->context, i, &part);
        if (parts->is_multipart) {
            add_piece(pieces, text, cor_dicomweb_priv_bundle_head(&part, i == 0, boundary, text));
            text += COR_BUNDLE_TEXT_SIZE;
        }
        if (!add_part(pieces, i, &part, err)) {
            return false;
        }
    }
    if (parts->is_multipart) {
        add_piece(pieces, text, cor_dicomweb_priv_bundle_tail(boundary, text));
    }
    return true;
}

static void send_pieces(CorHttpResponse *res, const CorParts *parts, const char *boundary)
{
    char type[COR_BUNDLE_TEXT_SIZE];
    Pieces *pieces = cor_new(Pieces);
    CorError err = {0};

    if (!pieces) {
        parts->release(parts->context);
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for an answer");
        cor_http_fail(res, NULL, &err);
        return;
    }
    pieces->parts = *parts;
    const size_t texts_size = (parts->len + 1) * COR_BUNDLE_TEXT_SIZE;
    pieces->texts = cor_new_array(char, texts_size);
    if (!pieces->texts) {
        pieces_free(pieces);
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for an answer");
        cor_http_fail(res, NULL, &err);
        return;
    }
    if (!fill_pieces(pieces, boundary, &err)) {
        pieces_free(pieces);
        cor_dicomweb_priv_refuse(res, &err);
        return;
    }
    cor_dicomweb_priv_bundle_type(parts, boundary, type);
    cor_http_res_pieces(res, parts->is_multipart ? type : parts->type, pieces->iov, pieces->iov_len,
                        pieces_free, pieces);
}

/* --- which way --- */

/* What is known before anything is opened. */
typedef struct Extent {
    bool is_known; /* nothing has to be made */
    uint64_t size; /* of the body, if it is known */
    size_t runs;   /* pieces of files */
    bool is_work;  /* the first part has to be made */
} Extent;

static Extent measure(const CorParts *parts, const char *boundary)
{
    Extent extent = {.is_known = !parts->is_slow_to_describe || parts->len <= SLOW_MAX};
    char text[COR_BUNDLE_TEXT_SIZE];

    for (size_t i = 0; i < (parts->is_multipart ? parts->len : 1); i++) {
        COR_CLEANUP(cor_dicomweb_priv_part_done) CorPart part = COR_PART_EMPTY;
        parts->describe(parts->context, i, &part);
        extent.is_work = i == 0 && part.is_work;
        extent.is_known &= !part.is_work;
        if (!extent.is_known) {
            break;
        }
        extent.runs += part.runs ? part.runs_len : 1;
        extent.size += cor_dicomweb_priv_part_size(&part);
        if (parts->is_multipart) {
            extent.size += cor_dicomweb_priv_bundle_head(&part, i == 0, boundary, text);
        }
    }
    if (parts->is_multipart) {
        extent.size += cor_dicomweb_priv_bundle_tail(boundary, text);
    }
    return extent;
}

static void send_bundle(CorOffload *offload, CorHttpResponse *res, const CorParts *parts,
                        CorPart *first, uint64_t size)
{
    CorBundleOptions options = {.parts = *parts, .first = *first, .size = size};

    *first = COR_PART_EMPTY;
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
    cor_dicomweb_priv_part_headers(res, parts);
    if (!parts->is_multipart && !making->first.runs) {
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
                           const CorParts *parts)
{
    Making *making = cor_new(Making);
    CorError err = {0};

    if (!making) {
        parts->release(parts->context);
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for an answer");
        cor_http_fail(res, NULL, &err);
        return;
    }
    *making = (Making){.offload = offload, .parts = *parts, .first = COR_PART_EMPTY};
    parts->describe(parts->context, 0, &making->first);
    const CorOffloadRequest request = {
        .work = make_first, .answer = answer_first, .release = release_making, .context = making};
    cor_dicomweb_priv_offload_request(offload, req, res, &request);
}

/* --- the door --- */

static void open_and_send(CorHttpResponse *res, const CorParts *parts)
{
    COR_CLEANUP(cor_dicomweb_priv_part_done) CorPart part = COR_PART_EMPTY;
    CorError err = {0};

    parts->describe(parts->context, 0, &part);
    if (parts->open(parts->context, 0, &part, &err)) {
        send_single(res, &part);
    } else {
        cor_dicomweb_priv_refuse(res, &err);
    }
    parts->release(parts->context);
}

void cor_dicomweb_priv_send_parts(CorOffload *offload, CorHttpRequest *req, CorHttpResponse *res,
                                  const CorParts *parts)
{
    char boundary[COR_BUNDLE_BOUNDARY_SIZE];
    CorPart none = COR_PART_EMPTY;
    bool is_head = cor_http_req_is_head(req);

    cor_dicomweb_priv_bundle_boundary(parts->etag, boundary);
    Extent extent = measure(parts, boundary);

    if (extent.is_work && !is_head) {
        make_then_send(offload, req, res, parts);
        return;
    }
    cor_dicomweb_priv_part_headers(res, parts);
    if (!parts->is_multipart && extent.is_known && extent.runs == 1) {
        open_and_send(res, parts);
    } else if (extent.is_known && !is_head && extent.size <= PIECES_BYTES_MAX &&
               extent.runs <= PIECES_MAX && parts->len <= PIECES_MAX) {
        send_pieces(res, parts, boundary);
    } else {
        send_bundle(offload, res, parts, &none, extent.is_known ? extent.size : COR_HTTP_PULL_ANY);
    }
}
