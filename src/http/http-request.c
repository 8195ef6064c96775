/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http-request.h"

#include <string.h>
#include <strings.h>

#include "http/http-guard.h"
#include "http/http-priv.h"

const char *cor_http_req_method(const CorHttpRequest *req)
{
    return req->method;
}

bool cor_http_req_is_head(const CorHttpRequest *req)
{
    return req->is_head;
}

const char *cor_http_req_pattern(const CorHttpRequest *req)
{
    return req->route ? req->route->route.pattern : "";
}

const char *cor_http_req_param(const CorHttpRequest *req, const char *name)
{
    return req->route ? cor_http_route_param(req->route, req->target, name) : NULL;
}

const char *cor_http_req_path(const CorHttpRequest *req)
{
    return req->target->path;
}

const char *cor_http_req_raw_target(const CorHttpRequest *req)
{
    return req->raw;
}

const char *cor_http_req_query(const CorHttpRequest *req, const char *name)
{
    for (size_t i = 0; i < req->target->query_len; i++) {
        if (strcmp(req->target->names[i], name) == 0) {
            return req->target->values[i];
        }
    }
    return NULL;
}

size_t cor_http_req_query_len(const CorHttpRequest *req)
{
    return req->target->query_len;
}

void cor_http_req_query_at(const CorHttpRequest *req, size_t index, const char **ret_name,
                           const char **ret_value)
{
    *ret_name = req->target->names[index];
    *ret_value = req->target->values[index];
}

/* Plain decimal digits with an optional '-', all of the text. */
static bool parse_integer(const char *text, int64_t *ret_value)
{
    bool is_negative = text[0] == '-';
    int64_t value = 0;
    const char *at = text + is_negative;

    if (*at == '\0') {
        return false;
    }
    for (; *at; at++) {
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *at - '0', &value)) {
            return false;
        }
    }
    *ret_value = is_negative ? -value : value;
    return true;
}

bool cor_http_req_query_integer(const CorHttpRequest *req, const char *name, const int64_t range[2],
                                int64_t fallback, int64_t *ret_value, CorError *err)
{
    const char *text = cor_http_req_query(req, name);
    int64_t value = 0;

    if (!text) {
        *ret_value = fallback;
        return true;
    }
    if (!parse_integer(text, &value) || value < range[0] || value > range[1]) {
        return cor_fail(err, COR_ERR_INVALID, "%s must be an integer from %lld to %lld", name,
                        (long long) range[0], (long long) range[1]);
    }
    *ret_value = value;
    return true;
}

const char *cor_http_req_header(const CorHttpRequest *req, const char *name)
{
    return MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, name);
}

typedef struct HeaderAt {
    const char *name;
    size_t left; /* of that name, before the one that is wanted */
    const char *value;
} HeaderAt;

static enum MHD_Result look_at_header(void *context, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    HeaderAt *wanted = context;
    (void) kind;

    if (strcasecmp(name, wanted->name) != 0) {
        return MHD_YES;
    }
    if (wanted->left > 0) {
        wanted->left--;
        return MHD_YES;
    }
    wanted->value = value;
    return MHD_NO;
}

const char *cor_http_req_header_at(const CorHttpRequest *req, const char *name, size_t index)
{
    HeaderAt wanted = {.name = name, .left = index};

    (void) MHD_get_connection_values(req->connection, MHD_HEADER_KIND, look_at_header, &wanted);
    return wanted.value;
}

bool cor_http_req_header_has(const CorHttpRequest *req, const char *name, const char *token)
{
    return cor_http_list_has(cor_http_req_header(req, name), token);
}

json_t *cor_http_req_json(const CorHttpRequest *req)
{
    return req->json;
}

const void *cor_http_req_body(const CorHttpRequest *req, size_t *ret_size)
{
    *ret_size = req->body_size;
    return req->body ? (const void *) req->body : "";
}

void *cor_http_req_upload(const CorHttpRequest *req)
{
    return req->upload;
}

int64_t cor_http_req_content_length(const CorHttpRequest *req)
{
    return req->content_length;
}

const char *cor_http_req_peer(const CorHttpRequest *req)
{
    return req->conn->peer;
}

void *cor_http_req_context(const CorHttpRequest *req)
{
    return req->route && req->route->route.context ? req->route->route.context
                                                   : req->server->options.route_context;
}
