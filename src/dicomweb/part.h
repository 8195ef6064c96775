/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an answer, and how they are sent.
 *
 * Every retrieval is the same thing: some parts (files, frames, pictures), each with a media type
 * and a place from where its bytes come, sent alone or as multipart/related (RFC 2387).  A resource
 * says what its parts are; this module sends them in the way that costs least:
 *
 *     one part, in one piece of a file    sendfile(), with Range
 *     anything else                       one part after the other while the peer reads (bundle.h)
 *
 * What has to be made by a host first is made on the offload's threads; the first part before the
 * answer begins, so that its failure is a status and not a cut connection.
 *
 * Ownership  A CorPart owns its descriptor, bytes and runs: cor_dicomweb_priv_part_done().
 * Threads    describe() and open() are called one at a time; but once the first part is open, and
 *            if made_bytes_max says so, the next ones that have to be made are opened at once, on
 *            threads of the offload and while describe() runs.
 * Blocking   Parts in files are opened and read on the HTTP server's threads.
 * Errors     A failure of the first part is answered; later ones cut the connection.
 * Units      Bytes.
 */
#pragma once

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "catalog/catalog.h"
#include "dicomweb/offload.h"
#include "http/http-request.h"
#include "http/http-response.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_PART_TYPE_SIZE ((size_t) 160)
#define COR_PART_LOCATION_SIZE ((size_t) 768)
#define COR_PART_ETAG_SIZE ((size_t) 256)

/* One part: what it is, and where its bytes lie. */
typedef struct CorPart {
    char type[COR_PART_TYPE_SIZE];         /* Content-Type */
    char location[COR_PART_LOCATION_SIZE]; /* Content-Location; "": none */
    bool is_work;        /* has to be made: open() may wait, and only then the rest is known */
    CorBytes *bytes;     /* the content; or NULL, and then it is in a file: */
    int fd;              /* -1 before open() */
    CorCatalogRun run;   /* the piece of the file; if there are several of them, runs */
    CorCatalogRun *runs; /* malloc()ed; NULL: run is all */
    size_t runs_len;
} CorPart;

/* Where parts come from.  A plain value; context is owned until release(). */
typedef struct CorParts {
    size_t len;       /* at least 1 */
    const char *type; /* media type of the parts; static */
    bool is_multipart;
    bool
        is_slow_to_describe; /* asks the catalogue: of many parts the size is not told beforehand */
    char etag[COR_PART_ETAG_SIZE]; /* "": none; without quotes */
    uint64_t made_bytes_max; /* of a part that has to be made; 0: make none ahead of its turn */
    /* Fill type, location, is_work and, unless is_work, run or runs.  part is zeroed, with fd -1.
     */
    void (*describe)(void *context, size_t index, CorPart *part);
    /* Get the bytes: set fd or bytes, and change whatever turned out otherwise. */
    bool (*open)(void *context, size_t index, CorPart *part, CorError *err);
    /* Exactly once, when nothing uses context any more. */
    void (*release)(void *context);
    void *context;
} CorParts;

#define COR_PART_EMPTY ((CorPart){.fd = -1})

/** Free what a part holds and make it empty. */
void cor_dicomweb_priv_part_done(CorPart *part);

/** Bytes of the content. */
uint64_t cor_dicomweb_priv_part_size(const CorPart *part);

/** The index-th piece of a part that is in a file; false behind the last one. */
bool cor_dicomweb_priv_part_run(const CorPart *part, size_t index, CorCatalogRun *ret_run);

/** Make the first size bytes of a file, which it takes, the content of a part. */
void cor_dicomweb_priv_part_set_file(CorPart *part, int fd, uint64_t size);

/**
 * Answer with parts: the last thing that a handler does.
 *
 * @param parts  copied; released in any case
 */
void cor_dicomweb_priv_send_parts(CorOffload *offload, CorHttpRequest *req, CorHttpResponse *res,
                                  const CorParts *parts);

/** Set the headers that every answer with parts has: ETag, Vary, Cache-Control. */
void cor_dicomweb_priv_part_headers(CorHttpResponse *res, const CorParts *parts);

/** Answer with an error of retrieving: UNSUPPORTED is 406 here, the rest as http/http-error.c. */
void cor_dicomweb_priv_refuse(CorHttpResponse *res, const CorError *err);
