/* SPDX-License-Identifier: Apache-2.0 */
/* Filling a response only notes what to send; http-answer.c sends it.  Troubles are noted too, so
 * that handlers need no error path of their own: a broken response becomes a 500. */
#include "http/http-response.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/array.h"
#include "base/id.h"
#include "base/json.h"
#include "base/string.h"
#include "base/uri.h"

#include "http/http-priv.h"

/* RFC 9110 section 15 and those of its neighbours that we send. */
static const struct {
    int status;
    const char *title;
} titles[] = {
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {507, "Insufficient Storage"},
};

const char *cor_http_status_title(int status)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(titles); i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return "Error";
}

void cor_http_priv_res_init(CorHttpResponse *res)
{
    memset(res, 0, sizeof(*res));
    res->fd = -1;
}

/* Drop the body, so that another can take its place; headers stay. */
static void drop_body(CorHttpResponse *res)
{
    if (res->kind == HTTP_BUFFER) {
        free(res->data);
    }
    res->data = NULL;
    res->size = 0;
    cor_bytes_unref(COR_TAKE(res->bytes));
    if (res->fd >= 0) {
        (void) close(res->fd);
        res->fd = -1;
    }
    if (res->stream) {
        cor_http_priv_stream_drop(COR_TAKE(res->stream));
    }
    if (res->pull) {
        cor_http_priv_pull_drop(COR_TAKE(res->pull));
    }
    if (res->upgrade.abandoned) {
        res->upgrade.abandoned(res->upgrade.context);
    }
    memset(&res->upgrade, 0, sizeof(res->upgrade));
    free(COR_TAKE(res->protocol));
    free(COR_TAKE(res->type));
    res->kind = HTTP_UNTOUCHED;
}

void cor_http_priv_res_done(CorHttpResponse *res)
{
    drop_body(res);
    free(COR_TAKE(res->etag));
    for (size_t i = 0; i < res->headers_len; i++) {
        free(res->headers[i].name);
        free(res->headers[i].value);
    }
    res->headers_len = 0;
}

static void begin(CorHttpResponse *res, int status, const char *type, HttpBodyKind kind)
{
    drop_body(res);
    res->status = status;
    res->kind = kind;
    if (type) {
        res->type = strdup(type);
        res->is_broken |= !res->type;
    }
}

void cor_http_res_status(CorHttpResponse *res, int status)
{
    begin(res, status, NULL, HTTP_EMPTY);
}

void cor_http_res_buffer(CorHttpResponse *res, int status, const char *type, void *data,
                         size_t size)
{
    begin(res, status, type, HTTP_BUFFER);
    res->data = data;
    res->size = size;
    res->is_broken |= !data;
}

void cor_http_res_json(CorHttpResponse *res, int status, json_t *json)
{
    char *text = json ? cor_json_text(json) : NULL;

    json_decref(json);
    cor_http_res_buffer(res, status, "application/json", text, text ? strlen(text) : 0);
}

void cor_http_res_text(CorHttpResponse *res, int status, const char *type, const char *text)
{
    cor_http_res_buffer(res, status, type, strdup(text), strlen(text));
}

void cor_http_res_bytes(CorHttpResponse *res, int status, const char *type, CorBytes *bytes)
{
    begin(res, status, type, HTTP_BYTES);
    res->bytes = cor_bytes_ref(bytes);
}

void cor_http_res_static(CorHttpResponse *res, int status, const char *type, const void *data,
                         size_t size)
{
    begin(res, status, type, HTTP_STATIC);
    res->data = (void *) data;
    res->size = size;
}

void cor_http_res_file(CorHttpResponse *res, const char *type, int fd, uint64_t offset,
                       uint64_t size)
{
    begin(res, 200, type, HTTP_FILE);
    res->fd = fd;
    res->file_offset = offset;
    res->file_size = size;
}

void cor_http_priv_res_set_pull(CorHttpResponse *res, const char *type, CorHttpPull *pull)
{
    begin(res, 200, type, HTTP_PULL);
    res->pull = pull;
}

static bool may_repeat(const char *name)
{
    return strcasecmp(name, "Link") == 0 || strcasecmp(name, "Set-Cookie") == 0;
}

static HttpHeader *header_slot(CorHttpResponse *res, const char *name)
{
    for (size_t i = 0; i < res->headers_len && !may_repeat(name); i++) {
        if (strcasecmp(res->headers[i].name, name) == 0) {
            return &res->headers[i];
        }
    }
    if (res->headers_len == COR_HTTP_PRIV_HEADERS_MAX) {
        return NULL;
    }
    HttpHeader *header = &res->headers[res->headers_len];
    header->name = strdup(name);
    if (!header->name) {
        return NULL;
    }
    header->value = NULL;
    res->headers_len++;
    return header;
}

static bool has_control(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char) *text < 0x20 || *text == 0x7F) {
            return true;
        }
    }
    return false;
}

void cor_http_res_header(CorHttpResponse *res, const char *name, const char *format, ...)
{
    char *value = NULL;
    va_list args;

    va_start(args, format);
    int len = vasprintf(&value, format, args);
    va_end(args);
    if (len < 0) {
        res->is_broken = true;
        return;
    }
    HttpHeader *header = has_control(value) ? NULL : header_slot(res, name);
    if (!header) {
        res->is_broken = true;
        free(value);
        return;
    }
    free(header->value);
    header->value = value;
}

void cor_http_res_etag(CorHttpResponse *res, const char *opaque)
{
    free(res->etag);
    if (asprintf(&res->etag, "\"%s\"", opaque) < 0) {
        res->etag = NULL;
        res->is_broken = true;
    }
    if (res->etag && (has_control(res->etag) || strchr(opaque, '"'))) {
        res->is_broken = true;
    }
}

void cor_http_res_disposition(CorHttpResponse *res, bool is_attachment, const char *file_name)
{
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(8192);

    cor_string_printf(text, "%s; filename=\"", is_attachment ? "attachment" : "inline");
    for (const char *at = file_name; *at; at++) {
        unsigned char byte = (unsigned char) *at;
        bool is_plain = byte >= 0x20 && byte < 0x7F && !strchr("\"\\/%;", byte);
        if (is_plain || byte < 0x80 || byte >= 0xC0) { /* one '_' per character of UTF-8 */
            cor_string_append(text, is_plain ? at : "_", 1);
        }
    }
    cor_string_append_text(text, "\"; filename*=UTF-8''");
    cor_percent_encode(text, file_name, "");
    if (!cor_string_check(text, NULL)) {
        res->is_broken = true;
        return;
    }
    cor_http_res_header(res, "Content-Disposition", "%s", cor_string_text(text));
}

int cor_http_res_get_status(const CorHttpResponse *res)
{
    return res->kind == HTTP_UNTOUCHED ? 0 : res->status;
}

/* A cut between the bytes of a character would make the text no UTF-8. */
static void trim_cut_character(char *text)
{
    size_t size = strlen(text);

    for (int i = 0; i < 4 && size > 0 && !cor_utf8_is_valid(text, size); i++) {
        text[--size] = '\0';
    }
}

/* A sentence may quote what a client sent; what is not UTF-8 must not make it disappear. */
static void fill_problem(CorHttpResponse *res, int status, const char *pointer, json_t *extra,
                         const char *text)
{
    const char *sentence =
        cor_utf8_is_valid(text, strlen(text)) ? text : cor_http_status_title(status);
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title",
                                cor_http_status_title(status), "status", status, "detail", sentence,
                                "error", sentence);

    if (problem && pointer) {
        (void) json_object_set_new(problem, "pointer", json_string(pointer));
    }
    if (problem && extra) {
        (void) json_object_update_missing(problem, extra);
    }
    json_decref(extra);
    cor_http_res_json(res, status, problem);
    free(res->type);
    res->type = strdup("application/problem+json");
    free(COR_TAKE(res->etag));
}

void cor_http_problem(CorHttpResponse *res, int status, const char *pointer, const char *format,
                      ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void) vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    trim_cut_character(text);
    fill_problem(res, status, pointer, NULL, text);
}

void cor_http_problem_extra(CorHttpResponse *res, int status, const char *pointer, json_t *extra,
                            const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void) vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    trim_cut_character(text);
    fill_problem(res, status, pointer, extra, text);
}

void cor_http_res_upgrade(CorHttpResponse *res, const char *protocol, const CorHttpUpgrade *upgrade)
{
    begin(res, 101, NULL, HTTP_UPGRADE);
    res->upgrade = *upgrade;
    res->protocol = strdup(protocol);
    res->is_broken |= !res->protocol;
}
