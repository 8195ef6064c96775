/* SPDX-License-Identifier: Apache-2.0 */
/* How a handler answers: it fills a response, which is sent when it returns.
 *
 * Filling it a second time replaces the first answer (headers that were added stay).  Conditional
 * requests (If-None-Match), Range, HEAD and CORS are done by the server.
 *
 * Ownership   "takes" means also on failure.  The response itself is the server's.
 * Threads     One thread at a time.
 * Blocking    Never.
 * Errors      Out of memory turns the answer into a 500; callers need not check.
 * Units       Bytes.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CorHttpResponse CorHttpResponse;

/** Answer without a body: 204, 304, 202. */
void cor_http_res_status(CorHttpResponse *res, int status);

/** Answer with JSON.  Takes the reference; NULL is out of memory. */
void cor_http_res_json(CorHttpResponse *res, int status, json_t *json);

/** Answer with a copy of text. */
void cor_http_res_text(CorHttpResponse *res, int status, const char *type, const char *text);

/** Answer with a malloc()ed buffer, which it takes. */
void cor_http_res_buffer(CorHttpResponse *res, int status, const char *type, void *data,
                         size_t size);

/** Answer with shared bytes; takes a reference of its own. */
void cor_http_res_bytes(CorHttpResponse *res, int status, const char *type, CorBytes *bytes);

/** Answer with bytes that live for ever (compiled-in files). */
void cor_http_res_static(CorHttpResponse *res, int status, const char *type, const void *data,
                         size_t size);

/**
 * Answer 200 with part of a file by sendfile(); Range and If-Range are honoured (one range: 206 or
 * 416; several: the whole).
 *
 * @param fd      regular file, taken and closed
 * @param offset  where the representation begins, size  how long it is
 */
void cor_http_res_file(CorHttpResponse *res, const char *type, int fd, uint64_t offset,
                       uint64_t size);

/**
 * Set a header, replacing one of that name but for Link and Set-Cookie, which may repeat.
 *
 * @param value  control characters make the answer a 500 (no response splitting)
 */
void cor_http_res_header(CorHttpResponse *res, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Set the ETag from its opaque part (visible ASCII without '"'); quotes are put around it. */
void cor_http_res_etag(CorHttpResponse *res, const char *opaque);

/** Content-Disposition with a file name, ASCII fallback and filename* (RFC 6266, RFC 8187). */
void cor_http_res_disposition(CorHttpResponse *res, bool is_attachment, const char *file_name);

/** The status set so far; 0 if the response is untouched. */
int cor_http_res_get_status(const CorHttpResponse *res);

/**
 * Answer with a problem document (RFC 9457): type "about:blank", title, status, detail, "error"
 * (the sentence) and, if given, "pointer" (RFC 6901; "" is the whole body).
 *
 * @param pointer  NULL for none
 */
void cor_http_problem(CorHttpResponse *res, int status, const char *pointer, const char *format,
                      ...) __attribute__((format(printf, 4, 5)));

/** As cor_http_problem() with further members; takes the reference to extra, an object or NULL. */
void cor_http_problem_extra(CorHttpResponse *res, int status, const char *pointer, json_t *extra,
                            const char *format, ...) __attribute__((format(printf, 5, 6)));

/**
 * Answer with the problem of an error: 4xx with its text, 5xx logged and not shown.
 *
 * @param pointer  as of cor_http_problem()
 */
void cor_http_fail(CorHttpResponse *res, const char *pointer, const CorError *err);

/** The HTTP status of an error code. */
int cor_http_error_status(CorErrorCode code);

/** "Not Found" for 404: the reason phrase; "Error" for what nobody knows. */
const char *cor_http_status_title(int status);

/* ---- Upgrade: for ws/ ---- */

typedef struct CorHttpUpgrade {
    /* The socket after "101" has been sent: non-blocking, owned by the callee.  early is what the
     * peer has already sent behind its request; borrowed for the call. */
    void (*taken)(void *context, int fd, const void *early, size_t early_size);
    /* The peer left before that. */
    void (*abandoned)(void *context);
    void *context;
} CorHttpUpgrade;

/** Answer 101 and hand the socket over.  Exactly one of the callbacks comes, on another thread. */
void cor_http_res_upgrade(CorHttpResponse *res, const char *protocol,
                          const CorHttpUpgrade *upgrade);
