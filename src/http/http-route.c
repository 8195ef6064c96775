/* SPDX-License-Identifier: Apache-2.0 */
/* A table of some fifty patterns is searched from front to back: the first segment already decides
 * nearly always, so that this costs less than a clever tree's indirections. */
#include "http/http-route.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

struct CorHttpRoutes {
    CorHttpCompiledRoute *routes;
    size_t len;
};

static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char) text[i]) && text[i] != '_') {
            return false;
        }
    }
    return len > 0;
}

static bool compile_piece(const char *text, size_t len, bool is_last, CorHttpPiece *piece)
{
    piece->kind = COR_HTTP_PIECE_LITERAL;
    if (len >= 2 && text[0] == '{' && text[len - 1] == '}') {
        text++;
        len -= 2;
        piece->kind = COR_HTTP_PIECE_PARAM;
        if (len > 3 && memcmp(text + len - 3, "...", 3) == 0) {
            len -= 3;
            piece->kind = COR_HTTP_PIECE_TAIL;
        }
        if (!is_name(text, len) || (piece->kind == COR_HTTP_PIECE_TAIL && !is_last)) {
            return false;
        }
    } else if (memchr(text, '{', len) || memchr(text, '}', len)) {
        return false;
    }
    piece->text = strndup(text, len);
    return piece->text != NULL;
}

static bool compile_pattern(CorHttpCompiledRoute *compiled)
{
    size_t params = 0;
    const char *at = compiled->route.pattern;

    if (at[0] != '/') {
        return false;
    }
    compiled->pieces = cor_new_array(CorHttpPiece, COR_HTTP_SEGMENT_MAX);
    if (!compiled->pieces) {
        return false;
    }
    while (*at == '/') {
        size_t len = strcspn(++at, "/");
        CorHttpPiece *piece = &compiled->pieces[compiled->pieces_len];

        if (compiled->pieces_len == COR_HTTP_SEGMENT_MAX ||
            !compile_piece(at, len, at[len] == '\0', piece)) {
            return false;
        }
        compiled->pieces_len++;
        params += piece->kind != COR_HTTP_PIECE_LITERAL;
        at += len;
    }
    return params <= COR_HTTP_PARAM_MAX;
}

static bool compile(const CorHttpRoute *route, CorHttpCompiledRoute *compiled, CorError *err)
{
    compiled->route = *route;
    compiled->route.method = strdup(route->method);
    compiled->route.pattern = strdup(route->pattern);
    if (!compiled->route.method || !compiled->route.pattern) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for routes");
    }
    if (!route->handler || !compile_pattern(compiled)) {
        return cor_fail(err, COR_ERR_INVALID, "route '%s %s' is malformed", route->method,
                        route->pattern);
    }
    if (route->body == COR_HTTP_BODY_STREAM &&
        (route->body_max == 0 || !route->upload || !route->upload->data || !route->upload->abort)) {
        return cor_fail(err, COR_ERR_INVALID, "route '%s %s' lacks a limit or a consumer",
                        route->method, route->pattern);
    }
    return true;
}

bool cor_http_routes_compile(const CorHttpRoute *routes, size_t len, CorHttpRoutes **ret_routes,
                             CorError *err)
{
    COR_CLEANUP(cor_http_routes_freep) CorHttpRoutes *compiled = cor_new(CorHttpRoutes);

    if (compiled) {
        compiled->routes = cor_new_array(CorHttpCompiledRoute, len);
    }
    if (!compiled || !compiled->routes) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for routes");
    }
    for (size_t i = 0; i < len; i++) {
        compiled->len = i + 1; /* a half-built one is freed too */
        if (!compile(&routes[i], &compiled->routes[i], err)) {
            return false;
        }
    }
    *ret_routes = COR_TAKE(compiled);
    return true;
}

static void free_texts(CorHttpCompiledRoute *compiled)
{
    for (size_t i = 0; compiled->pieces && i < compiled->pieces_len; i++) {
        free(compiled->pieces[i].text);
    }
    free(compiled->pieces);
    free((char *) compiled->route.method);
    free((char *) compiled->route.pattern);
}

void cor_http_routes_free(CorHttpRoutes *routes)
{
    if (!routes) {
        return;
    }
    for (size_t i = 0; routes->routes && i < routes->len; i++) {
        free_texts(&routes->routes[i]);
    }
    free(routes->routes);
    free(routes);
}

static bool matches(const CorHttpCompiledRoute *compiled, const CorHttpTarget *target)
{
    for (size_t i = 0; i < compiled->pieces_len; i++) {
        const CorHttpPiece *piece = &compiled->pieces[i];

        if (i >= target->segments_len) {
            return false;
        }
        if (piece->kind == COR_HTTP_PIECE_TAIL) {
            return target->tails[i][0] != '\0';
        }
        if (piece->kind == COR_HTTP_PIECE_PARAM ? target->segments[i][0] == '\0'
                                                : strcmp(piece->text, target->segments[i]) != 0) {
            return false;
        }
    }
    return compiled->pieces_len == target->segments_len;
}

/* Both match the same path. */
static bool is_more_specific(const CorHttpCompiledRoute *a, const CorHttpCompiledRoute *b)
{
    size_t len = COR_MIN(a->pieces_len, b->pieces_len);

    for (size_t i = 0; i < len; i++) {
        if (a->pieces[i].kind != b->pieces[i].kind) {
            return a->pieces[i].kind < b->pieces[i].kind;
        }
    }
    return false;
}

static bool answers(const CorHttpCompiledRoute *compiled, const char *method)
{
    return strcmp(compiled->route.method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(compiled->route.method, "GET") == 0);
}

const CorHttpCompiledRoute *cor_http_routes_find(const CorHttpRoutes *routes,
                                                 const CorHttpTarget *target, const char *method)
{
    const CorHttpCompiledRoute *best = NULL;

    for (size_t i = 0; i < routes->len; i++) {
        const CorHttpCompiledRoute *compiled = &routes->routes[i];
        if (matches(compiled, target) && answers(compiled, method) &&
            (!best || is_more_specific(compiled, best))) {
            best = compiled;
        }
    }
    return best;
}

static void add_method(CorString *allow, const char *method)
{
    const char *text = cor_string_text(allow);
    const char *found = strstr(text, method);
    size_t len = strlen(method);

    if (found && (found[len] == '\0' || found[len] == ',')) {
        return; /* no method's name ends another's */
    }
    cor_string_printf(allow, "%s%s", text[0] ? ", " : "", method);
}

void cor_http_routes_allow(const CorHttpRoutes *routes, const CorHttpTarget *target,
                           bool with_catch_all, CorString *allow)
{
    for (size_t i = 0; i < routes->len; i++) {
        const CorHttpCompiledRoute *compiled = &routes->routes[i];
        bool is_catch_all = compiled->pieces[0].kind == COR_HTTP_PIECE_TAIL;

        if ((is_catch_all && !with_catch_all) || !matches(compiled, target)) {
            continue;
        }
        add_method(allow, compiled->route.method);
        if (strcmp(compiled->route.method, "GET") == 0) {
            add_method(allow, "HEAD");
        }
    }
    if (cor_string_size(allow) > 0) {
        add_method(allow, "OPTIONS");
    }
}

const char *cor_http_route_param(const CorHttpCompiledRoute *route, const CorHttpTarget *target,
                                 const char *name)
{
    for (size_t i = 0; i < route->pieces_len; i++) {
        const CorHttpPiece *piece = &route->pieces[i];
        if (piece->kind != COR_HTTP_PIECE_LITERAL && strcmp(piece->text, name) == 0) {
            return piece->kind == COR_HTTP_PIECE_TAIL ? target->tails[i] : target->segments[i];
        }
    }
    return NULL;
}
