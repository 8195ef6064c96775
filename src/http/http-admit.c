/* SPDX-License-Identifier: Apache-2.0 */
/* The checks between "the headers are there" and "a body may come", in the order that
 * http-server.h promises.  Each fills the response and returns false to refuse. */
#include "http/http-priv.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "http/http-guard.h"

/* What one walk over the headers finds. */
typedef struct Seen {
    const char *host;
    const char *content_length;
    const char *transfer_encoding;
    unsigned hosts;
    unsigned content_lengths;
} Seen;

static enum MHD_Result see(void *context, enum MHD_ValueKind kind, const char *name,
                           const char *value)
{
    Seen *seen = context;
    (void) kind;

    if (!value) {
        value = "";
    }
    if (strcasecmp(name, "Host") == 0) {
        seen->host = value;
        seen->hosts++;
    } else if (strcasecmp(name, "Content-Length") == 0) {
        seen->content_length = value;
        seen->content_lengths++;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        seen->transfer_encoding = value;
    }
    return MHD_YES;
}

static bool refuse(CorHttpRequest *req, int status, const char *sentence)
{
    cor_http_problem(&req->res, status, NULL, "%s", sentence);
    return false;
}

static bool parse_size(const char *text, int64_t *ret_size)
{
    int64_t size = 0;

    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(size, 10, &size) ||
            __builtin_add_overflow(size, *at - '0', &size)) {
            return false;
        }
    }
    *ret_size = size;
    return text[0] != '\0';
}

/* Whoever disagrees with a proxy about where a body ends can smuggle a request (RFC 9112 section
 * 6.3): two opinions are an error, and the connection ends. */
static bool check_framing(CorHttpRequest *req, const Seen *seen)
{
    if (seen->transfer_encoding) {
        req->content_length = -1;
        if (seen->content_lengths > 0 || strcasecmp(seen->transfer_encoding, "chunked") != 0) {
            req->must_close = true;
            return refuse(req, 400, "Transfer-Encoding must be chunked, without Content-Length");
        }
        return true;
    }
    if (seen->content_lengths > 1 ||
        (seen->content_length && !parse_size(seen->content_length, &req->content_length))) {
        req->must_close = true;
        return refuse(req, 400, "Content-Length must be one number");
    }
    return true;
}

/* libmicrohttpd takes what it has room for, which is more.  Trailers of chunks are not counted. */
static bool check_header_size(CorHttpRequest *req)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(req->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    if (info && info->header_size > req->server->options.header_max) {
        req->must_close = true;
        return refuse(req, 431, "request line and headers are too long");
    }
    return true;
}

static bool check_host(CorHttpRequest *req, const Seen *seen)
{
    const CorHttpServerOptions *options = &req->server->options;
    const char *host = req->target->authority ? req->target->authority : seen->host;

    if (seen->hosts > 1) {
        return refuse(req, 400, "more than one Host");
    }
    if (!host) {
        return true; /* HTTP/1.0, which no browser speaks; 1.1 without Host never gets here */
    }
    if (!cor_http_host_is_allowed(host, options->hosts, options->hosts_len)) {
        return refuse(req, 421, "this server is not known by that Host; see the setting 'hosts'");
    }
    return true;
}

static bool any_host_is_allowed(const CorHttpServerOptions *options)
{
    for (size_t i = 0; i < options->hosts_len; i++) {
        if (strcmp(options->hosts[i], "*") == 0) {
            return true;
        }
    }
    return false;
}

static void judge_origin(CorHttpRequest *req, const Seen *seen)
{
    const CorHttpServerOptions *options = &req->server->options;

    req->origin = MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, "Origin");
    if (!req->origin) {
        return;
    }
    req->origin_is_allowed =
        cor_http_origin_is_allowed(req->origin, options->origins, options->origins_len);

    /* A page that this server itself gave.  With "*" as host that proves nothing: anybody's name
     * may point here (DNS rebinding). */
    if (!req->origin_is_allowed && seen->host && !any_host_is_allowed(options)) {
        req->origin_is_allowed = cor_http_origin_is_same(req->origin, seen->host);
    }
}

static bool changes_state(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 &&
           strcmp(method, "OPTIONS") != 0;
}

static bool check_origin(CorHttpRequest *req)
{
    if (req->origin && !req->origin_is_allowed && changes_state(req->method)) {
        return refuse(req, 403, "this Origin may not change anything; see the setting 'origins'");
    }
    return true;
}

/* What is not in the table of routes: preflights, 404 and 405. */
static bool answer_without_route(CorHttpRequest *req)
{
    COR_CLEANUP(cor_string_freep) CorString *allow = cor_string_new(256);
    bool is_options = strcmp(req->method, "OPTIONS") == 0;

    if (strcmp(req->target->path, "*") == 0) {
        cor_string_append_text(allow, is_options ? "GET, HEAD, OPTIONS" : "");
    } else {
        cor_http_routes_allow(req->server->routes, req->target, is_options, allow);
    }
    const char *methods = cor_string_text(allow);
    if (methods[0] == '\0') {
        return refuse(req, 404, "there is nothing at this path");
    }
    cor_http_res_header(&req->res, "Allow", "%s", methods);
    if (!is_options) {
        return refuse(req, 405, "this path does not have that method");
    }
    if (req->origin_is_allowed) {
        cor_http_res_header(&req->res, "Access-Control-Allow-Methods", "%s", methods);
        cor_http_res_header(&req->res, "Access-Control-Allow-Headers",
                            "accept, authorization, content-type, if-none-match, last-event-id,"
                            " prefer, range");
        cor_http_res_header(&req->res, "Access-Control-Max-Age", "600");
    }
    cor_http_res_status(&req->res, 204);
    return false;
}

static bool find_route(CorHttpRequest *req)
{
    if (strcmp(req->target->path, "*") != 0) {
        req->route = cor_http_routes_find(req->server->routes, req->target, req->method);
    }
    if (!req->route) {
        return answer_without_route(req);
    }
    if ((req->route->route.flags & COR_HTTP_WEBSOCKET) && req->origin && !req->origin_is_allowed) {
        return refuse(req, 403, "this Origin may not connect; see the setting 'origins'");
    }
    return true;
}

/* "Sec-WebSocket-Protocol: bearer.<token>", for browsers, which cannot set Authorization. */
static bool has_token_protocol(CorHttpRequest *req, const char *token)
{
    const char *list =
        MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, "Sec-WebSocket-Protocol");
    const char *item = NULL;
    size_t size = 0;
    bool is_right = false;

    while (list && (item = cor_http_list_next(&list, &size))) {
        if (size > 7 && strncasecmp(item, "bearer.", 7) == 0) {
            is_right |= cor_http_token_is_right(item + 7, size - 7, token);
        }
    }
    return is_right;
}

static bool check_token(CorHttpRequest *req)
{
    const CorHttpServerOptions *options = &req->server->options;
    uint32_t flags = req->route->route.flags;

    if (!options->token || (flags & COR_HTTP_PUBLIC)) {
        return true;
    }
    const char *bearer = cor_http_bearer(
        MHD_lookup_connection_value(req->connection, MHD_HEADER_KIND, "Authorization"));
    if (bearer && cor_http_token_is_right(bearer, strlen(bearer), options->token)) {
        return true;
    }
    if ((flags & COR_HTTP_WEBSOCKET) && has_token_protocol(req, options->token)) {
        return true;
    }
    const char *ticket = cor_http_req_query(req, "ticket");
    if ((flags & (COR_HTTP_WEBSOCKET | COR_HTTP_TICKET)) && ticket && options->tickets &&
        cor_http_tickets_redeem(options->tickets, ticket)) {
        return true;
    }
    cor_http_res_header(&req->res, "WWW-Authenticate", "Bearer realm=\"corsia\"");
    return refuse(req, 401, "a valid token is needed: Authorization: Bearer <token>");
}

static bool check_body(CorHttpRequest *req)
{
    const CorHttpRoute *route = &req->route->route;

    if (route->body == COR_HTTP_BODY_NONE) {
        req->body_max = COR_HTTP_PRIV_DRAIN_MAX;
    } else {
        req->body_max = route->body_max > 0 ? route->body_max : req->server->options.body_max;
    }
    if (req->content_length == 0) {
        return true;
    }
    if (route->body == COR_HTTP_BODY_JSON &&
        !cor_http_type_is(cor_http_req_header(req, "Content-Type"), "application/json")) {
        return refuse(req, 415, "the body must be sent as application/json");
    }
    if (req->content_length > 0 && (uint64_t) req->content_length > req->body_max) {
        cor_http_problem(&req->res, 413, NULL, "the body is larger than %" PRIu64 " bytes",
                         req->body_max);
        return false;
    }
    return true;
}

static bool check_target(CorHttpRequest *req)
{
    if (req->target) {
        return true;
    }
    switch (req->target_error.code) {
    case COR_ERR_INVALID:
        return refuse(req, 400, req->target_error.text);
    case COR_ERR_LIMIT:
        return refuse(req, 414, req->target_error.text);
    default:
        return refuse(req, 500, "out of memory");
    }
}

bool cor_http_priv_admit(CorHttpRequest *req)
{
    Seen seen = {0};

    (void) MHD_get_connection_values(req->connection, MHD_HEADER_KIND, see, &seen);
    const char *expect = cor_http_req_header(req, "Expect");
    req->expects_continue = expect && strcasecmp(expect, "100-continue") == 0;

    /* Framing first: how to go on after a refusal depends on it. */
    if (!check_framing(req, &seen) || !check_header_size(req) || !check_target(req) ||
        !check_host(req, &seen)) {
        return false;
    }
    judge_origin(req, &seen);
    return check_origin(req) && find_route(req) && check_token(req) && check_body(req);
}
