/* SPDX-License-Identifier: Apache-2.0 */
/* A real server on a free port, with a route for everything that a test asks. */
#pragma once

#include "http-client.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/json.h"
#include "http/http-server.h"

enum { UPLOAD_MAX = 4 * 1024 * 1024 };

typedef struct Fixture {
    CorHttpServer *server;
    uint16_t port;
    atomic_int uploads_begun;
    atomic_int uploads_aborted;
    atomic_int job_accesses;
    CorHttpTickets *tickets;
} Fixture;

static void hello(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) context;
    cor_http_res_json(res, 200,
                      json_pack("{s:s, s:s}", "method", cor_http_req_method(req), "path",
                                cor_http_req_path(req)));
}

/* What the parameters were, in JSON. */
static void params(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    static const char *const names[] = {"id", "bucket", "key"};
    json_t *answer = json_object();
    (void) context;

    for (size_t i = 0; i < COR_ARRAY_LEN(names); i++) {
        const char *value = cor_http_req_param(req, names[i]);
        if (value) {
            json_object_set_new(answer, names[i], json_string(value));
        }
    }
    for (size_t i = 0; i < cor_http_req_query_len(req); i++) {
        const char *name = NULL;
        const char *value = NULL;
        cor_http_req_query_at(req, i, &name, &value);
        json_object_set_new(answer, name, json_string(value));
    }
    cor_http_res_json(res, 200, answer);
}

static void limit(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorError err = {0};
    int64_t value = 0;
    (void) context;

    if (!cor_http_req_query_integer(req, "limit", (const int64_t[]){1, 100}, 20, &value, &err)) {
        cor_http_problem(res, 400, NULL, "%s", err.text);
        return;
    }
    cor_http_res_json(res, 200, json_pack("{s:I}", "limit", (json_int_t) value));
}

static void echo(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) context;
    if (!cor_http_req_json(req)) {
        cor_http_res_status(res, 204);
        return;
    }
    cor_http_res_json(res, 200, json_incref(cor_http_req_json(req)));
}

static void raw(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    size_t size = 0;
    const void *body = cor_http_req_body(req, &size);
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *bytes = cor_bytes_new(body, size);
    (void) context;

    cor_http_res_bytes(res, 200, "application/octet-stream", bytes);
}

static inline char *file_bytes(size_t *ret_size)
{
    *ret_size = 100000;
    char *bytes = malloc(*ret_size);
    assert_non_null(bytes);
    for (size_t i = 0; i < *ret_size; i++) {
        bytes[i] = (char) ('a' + i % 26);
    }
    return bytes;
}

static void file(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    size_t size = 0;
    char *bytes = file_bytes(&size);
    int fd = memfd_create("file", MFD_CLOEXEC);
    (void) req;
    (void) context;

    assert_int_equal(write(fd, "before", 6), 6);
    assert_int_equal(write(fd, bytes, size), (ssize_t) size);
    free(bytes);
    cor_http_res_file(res, "application/dicom", fd, 6, size);
    cor_http_res_etag(res, "v1");
    cor_http_res_disposition(res, true, "b\xC3\xA4r \"1\".dcm");
}

static void silent(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) req;
    (void) res;
    (void) context;
}

static void splitting(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) context;
    cor_http_res_status(res, 204);
    cor_http_res_header(res, "Location", "%s", cor_http_req_query(req, "to"));
}

typedef struct Upload {
    Fixture *fixture;
    CorSha256 *sha;
    uint64_t size;
} Upload;

static bool upload_begin(CorHttpRequest *req, CorHttpResponse *res, void *context,
                         void **ret_upload)
{
    Fixture *fixture = context;

    if (strcmp(cor_http_req_param(req, "key"), "refused") == 0) {
        cor_http_problem(res, 409, NULL, "there is one already");
        return false;
    }
    Upload *upload = cor_new(Upload);
    upload->fixture = fixture;
    upload->sha = cor_sha256_new();
    fixture->uploads_begun++;
    *ret_upload = upload;
    return true;
}

static bool upload_data(void *context, const void *data, size_t *ret_size, CorHttpResponse *res)
{
    Upload *upload = context;
    size_t size = *ret_size;

    if (size >= 4 && memcmp(data, "full", 4) == 0) {
        cor_http_problem(res, 507, NULL, "the disk is full");
        return false;
    }
    cor_sha256_update(upload->sha, data, size);
    upload->size += size;
    return true;
}

static void upload_free(Upload *upload)
{
    cor_sha256_free(upload->sha);
    free(upload);
}

static void upload_abort(void *context)
{
    Upload *upload = context;

    upload->fixture->uploads_aborted++;
    upload_free(upload);
}

static void uploaded(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    Upload *upload = cor_http_req_upload(req);
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];
    (void) context;

    cor_sha256_final(upload->sha, digest);
    cor_hex_encode(digest, sizeof(digest), hex);
    cor_http_res_json(res, 201,
                      json_pack("{s:I, s:s}", "size", (json_int_t) upload->size, "sha256", hex));
    upload_free(upload);
}

static const CorHttpUpload upload_handlers = {
    .begin = upload_begin,
    .data = upload_data,
    .abort = upload_abort,
};

static const CorHttpRoute routes[] = {
    {.method = "GET", .pattern = "/", .handler = hello},
    {.method = "GET", .pattern = "/hello", .handler = hello},
    {.method = "GET", .pattern = "/open", .handler = hello, .flags = COR_HTTP_PUBLIC},
    {.method = "GET", .pattern = "/ws", .handler = hello, .flags = COR_HTTP_WEBSOCKET},
    {.method = "GET", .pattern = "/events", .handler = hello, .flags = COR_HTTP_TICKET},
    {.method = "GET", .pattern = "/jobs/{id}", .handler = params},
    {.method = "DELETE", .pattern = "/jobs/{id}", .handler = params},
    {.method = "GET", .pattern = "/jobs/special", .handler = hello},
    {.method = "GET", .pattern = "/objects/{bucket}/{key...}", .handler = params},
    {.method = "GET", .pattern = "/limit", .handler = limit},
    {.method = "GET", .pattern = "/silent", .handler = silent},
    {.method = "GET", .pattern = "/splitting", .handler = splitting},
    {.method = "GET", .pattern = "/file", .handler = file},
    {.method = "POST", .pattern = "/echo", .handler = echo, .body = COR_HTTP_BODY_JSON},
    {.method = "POST", .pattern = "/raw", .handler = raw, .body = COR_HTTP_BODY_RAW},
    {.method = "PUT",
     .pattern = "/files/{key...}",
     .handler = uploaded,
     .body = COR_HTTP_BODY_STREAM,
     .body_max = UPLOAD_MAX,
     .upload = &upload_handlers},
};

static void on_access(const CorHttpAccess *access, void *context)
{
    Fixture *fixture = context;

    if (access->status == 200 && strcmp(access->pattern, "/jobs/{id}") == 0) {
        fixture->job_accesses++;
    }
}

static int start(void **state, const char *token)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    static const char *const hosts[] = {"pacs.local"};
    static const char *const origins[] = {"https://viewer.example"};
    Fixture *fixture = cor_new(Fixture);
    CorError err = {0};

    fixture->tickets = cor_http_tickets_new(60000, 16);
    CorHttpServerOptions options = {
        .listen = listen,
        .listen_len = 1,
        .routes = routes,
        .routes_len = COR_ARRAY_LEN(routes),
        .route_context = fixture,
        .hosts = hosts,
        .hosts_len = 1,
        .origins = origins,
        .origins_len = 1,
        .token = token,
        .tickets = fixture->tickets,
        .csp = "default-src 'self'",
        .threads = 2,
        .body_max = 4096,
        .on_access = on_access,
        .access_context = fixture,
    };
    if (!cor_http_server_start(&options, &fixture->server, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    fixture->port = cor_http_server_port(fixture->server, 0);
    *state = fixture;
    return 0;
}

static inline int open_server(void **state)
{
    return start(state, NULL);
}

static inline int token_server(void **state)
{
    return start(state, "s3cret-token-of-the-test");
}

static inline int stop(void **state)
{
    Fixture *fixture = *state;

    cor_http_server_stop(fixture->server);
    cor_http_tickets_free(fixture->tickets);
    free(fixture);
    return 0;
}

static inline uint16_t port_of(void **state)
{
    return ((Fixture *) *state)->port;
}
