/* SPDX-License-Identifier: Apache-2.0 */
/* A filled response becomes a libmicrohttpd response: conditional requests (RFC 9110 section 13),
 * ranges (section 14), CORS and security headers are added here, for all routes alike.
 *
 * A response cannot be queued while a body is still coming.  What must be said then is written to
 * the socket directly, where nothing else can be on its way: libmicrohttpd is reading. */
#include "http/http-priv.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/time.h"

#include "http/http-range.h"

/* What a socket takes at once anyhow. */
#define SMALL_BYTES ((uint64_t) 16 * 1024)

typedef void (*AddHeader)(void *to, const char *name, const char *value);

static void add_to_response(void *to, const char *name, const char *value)
{
    (void) MHD_add_response_header(to, name, value);
}

static void add_to_text(void *to, const char *name, const char *value)
{
    cor_string_printf(to, "%s: %s\r\n", name, value);
}

static void add_headers(const CorHttpRequest *req, bool is_bodiless, AddHeader add, void *to)
{
    const CorHttpResponse *res = &req->res;

    if (res->type && !is_bodiless) {
        add(to, "Content-Type", res->type);
    }
    if (res->etag) {
        add(to, "ETag", res->etag);
    }
    for (size_t i = 0; i < res->headers_len; i++) {
        add(to, res->headers[i].name, res->headers[i].value);
    }
    add(to, "X-Content-Type-Options", "nosniff");
    add(to, "Referrer-Policy", "no-referrer");
    if (req->server->csp) {
        add(to, "Content-Security-Policy", req->server->csp);
    }
    add(to, "Vary", "Origin");
    if (req->origin && req->origin_is_allowed) {
        add(to, "Access-Control-Allow-Origin", req->origin);
        add(to, "Access-Control-Expose-Headers",
            "accept-ranges, content-length, content-range, etag, link, location,"
            " preference-applied, retry-after, warning");
    }
}

static void free_bytes(void *bytes)
{
    cor_bytes_unref(bytes);
}

/* Set the range of a file; false if res has become a 416. */
static bool apply_range(CorHttpRequest *req, uint64_t *ret_offset, uint64_t *ret_size)
{
    CorHttpResponse *res = &req->res;
    uint64_t whole = res->file_size;

    *ret_offset = 0;
    *ret_size = whole;
    cor_http_res_header(res, "Accept-Ranges", "bytes");
    if (strcmp(req->method, "GET") != 0 ||
        !cor_http_if_range_holds(cor_http_req_header(req, "If-Range"), res->etag)) {
        return true;
    }
    switch (cor_http_range_parse(cor_http_req_header(req, "Range"), whole, ret_offset, ret_size)) {
    case COR_HTTP_RANGE_PART:
        res->status = 206;
        cor_http_res_header(res, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
                            *ret_offset, *ret_offset + *ret_size - 1, whole);
        return true;
    case COR_HTTP_RANGE_UNSATISFIABLE:
        cor_http_problem(res, 416, NULL, "the range begins behind the end");
        cor_http_res_header(res, "Content-Range", "bytes */%" PRIu64, whole);
        return false;
    default:
        return true;
    }
}

static struct MHD_Response *of_memory(CorHttpResponse *res)
{
    if (res->kind == HTTP_BUFFER) {
        struct MHD_Response *response =
            MHD_create_response_from_buffer(res->size, res->data, MHD_RESPMEM_MUST_FREE);
        if (response) {
            res->data = NULL; /* libmicrohttpd frees it */
        }
        return response;
    }
    if (res->kind == HTTP_BYTES) {
        struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
            cor_bytes_size(res->bytes), (void *) (uintptr_t) cor_bytes_data(res->bytes), free_bytes,
            res->bytes);
        if (response) {
            res->bytes = NULL;
        }
        return response;
    }
    return MHD_create_response_from_buffer(res->size, res->data, MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *of_file(CorHttpResponse *res, uint64_t offset, uint64_t size)
{
    if (size == 0) {
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    }
    struct MHD_Response *response =
        MHD_create_response_from_fd_at_offset64(size, res->fd, res->file_offset + offset);
    if (response) {
        res->fd = -1; /* libmicrohttpd closes it */
    }
    return response;
}

static void on_upgrade(void *context, struct MHD_Connection *connection, void *slot,
                       const char *early, size_t early_size, MHD_socket socket,
                       struct MHD_UpgradeResponseHandle *handle)
{ // style-ok: libmicrohttpd's signature
    CorHttpRequest *req = slot;
    CorHttpUpgrade upgrade = req->res.upgrade;
    (void) context;
    (void) connection;

    /* With a descriptor of our own libmicrohttpd can forget the connection and its 32 KiB at once.
     */
    int fd = fcntl(socket, F_DUPFD_CLOEXEC, 3);
    memset(&req->res.upgrade, 0, sizeof(req->res.upgrade));
    if (fd >= 0 && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0) {
        upgrade.taken(upgrade.context, fd, early, early_size);
    } else {
        if (fd >= 0) {
            (void) close(fd);
        }
        upgrade.abandoned(upgrade.context);
    }
    (void) MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

static struct MHD_Response *of_upgrade(CorHttpResponse *res)
{
    struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, NULL);

    if (response) {
        (void) MHD_add_response_header(response, "Upgrade", res->protocol);
    }
    return response;
}

static struct MHD_Response *make_response(CorHttpRequest *req, uint64_t *ret_bytes)
{
    CorHttpResponse *res = &req->res;
    uint64_t offset = 0;
    uint64_t size = 0;

    switch (res->kind) {
    case HTTP_FILE:
        if (!apply_range(req, &offset, &size)) {
            *ret_bytes = res->size;
            return of_memory(res); /* the problem has taken the file's place */
        }
        *ret_bytes = size;
        return of_file(res, offset, size);
    case HTTP_STREAM:
        return cor_http_priv_stream_response(COR_TAKE(res->stream), req);
    case HTTP_PULL:
        return cor_http_priv_pull_response(COR_TAKE(res->pull), req);
    case HTTP_UPGRADE:
        return of_upgrade(res);
    case HTTP_BYTES:
        *ret_bytes = cor_bytes_size(res->bytes);
        return of_memory(res);
    default:
        *ret_bytes = res->size;
        return of_memory(res);
    }
}

/* Never nothing, never half of something. */
static void settle(CorHttpRequest *req)
{
    CorHttpResponse *res = &req->res;

    if (res->kind == HTTP_UNTOUCHED || res->is_broken) {
        res->is_broken = false;
        cor_http_problem(res, 500, NULL, "internal error");
        if (res->is_broken) { /* no memory for words */
            res->is_broken = false;
            cor_http_res_status(res, 500);
        }
    }
    bool is_read = strcmp(req->method, "GET") == 0 || req->is_head;
    if (is_read && res->status == 200 &&
        cor_http_etag_matches_any(cor_http_req_header(req, "If-None-Match"), res->etag)) {
        cor_http_res_status(res, 304);
    }
}

enum MHD_Result cor_http_priv_answer(CorHttpRequest *req)
{
    uint64_t bytes = 0;

    settle(req);
    struct MHD_Response *response = make_response(req, &bytes);
    if (!response) {
        return MHD_NO;
    }
    int status = req->res.status;
    bool is_bodiless = status == 204 || status == 304 || status == 101;
    add_headers(req, is_bodiless, add_to_response, response);
    if (status != 101 && (req->must_close || atomic_load(&req->server->is_draining))) {
        add_to_response(response, "Connection", "close");
    }
    req->stage = HTTP_STAGE_ANSWERED;
    req->bytes_sent = req->is_head || is_bodiless ? 0 : bytes;

    const CorHttpServerOptions *options = &req->server->options;
    if (req->res.kind == HTTP_STREAM || req->res.kind == HTTP_PULL || status == 101) {
        atomic_store(&req->conn->deadline_ms, 0);
    } else {
        if (bytes > SMALL_BYTES) {
            cor_http_priv_limit_patience(req->conn);
        }
        atomic_store(&req->conn->deadline_ms,
                     cor_time_ms() + options->idle_timeout_ms +
                         (int64_t) (bytes / (uint64_t) options->bytes_per_s_min) * 1000);
    }
    enum MHD_Result result = MHD_queue_response(req->connection, (unsigned) status, response);
    MHD_destroy_response(response);
    return result;
}

/* Best effort: the socket's buffer is empty, so that a small answer goes out whole. */
bool cor_http_priv_answer_raw(CorHttpRequest *req)
{
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new((size_t) 64 * 1024);

    settle(req);
    CorHttpResponse *res = &req->res;
    bool has_body = res->kind == HTTP_BUFFER || res->kind == HTTP_STATIC;
    size_t size = has_body ? res->size : 0;

    cor_string_printf(text, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %zu\r\n",
                      res->status, cor_http_status_title(res->status), size);
    add_headers(req, !has_body, add_to_text, text);
    cor_string_append_text(text, "\r\n");
    if (has_body && !req->is_head) {
        cor_string_append(text, res->data, size);
    }
    req->bytes_sent = size;
    if (!cor_string_check(text, NULL)) {
        return false;
    }
    return send(req->conn->fd, cor_string_text(text), cor_string_size(text),
                MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t) cor_string_size(text);
}

void cor_http_priv_limit_patience(HttpConn *conn)
{
    unsigned int patience_ms =
        (unsigned int) COR_MIN(2 * conn->server->options.request_timeout_ms, (int64_t) INT_MAX);

    if (conn->has_patience) {
        return;
    }
    conn->has_patience = true;
    (void) setsockopt(conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof(patience_ms));
}

void cor_http_priv_send_timeout(int fd)
{
    static const char body[] =
        "{\"type\":\"about:blank\",\"title\":\"Request Timeout\",\"status\":408,"
        "\"detail\":\"the request did not arrive in time\","
        "\"error\":\"the request did not arrive in time\"}";
    char text[512];

    int size = snprintf(text, sizeof(text),
                        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                        "Content-Type: application/problem+json\r\nContent-Length: %zu\r\n"
                        "X-Content-Type-Options: nosniff\r\n\r\n%s",
                        sizeof(body) - 1, body);
    (void) send(fd, text, (size_t) size, MSG_NOSIGNAL | MSG_DONTWAIT);
}
