/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled table of routes.
 *
 * Ownership  cor_http_routes_compile() gives an object to free; handlers and contexts are borrowed.
 * Threads    Thread-safe: nobody changes it.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/string.h"

#include "http/http-server.h"
#include "http/http-target.h"

typedef enum CorHttpPieceKind {
    COR_HTTP_PIECE_LITERAL, /* must be equal */
    COR_HTTP_PIECE_PARAM,   /* "{id}": one segment that is not empty */
    COR_HTTP_PIECE_TAIL,    /* "{key...}": the rest, not empty */
} CorHttpPieceKind;

typedef struct CorHttpPiece {
    CorHttpPieceKind kind;
    char *text; /* the literal or the parameter's name */
} CorHttpPiece;

typedef struct CorHttpCompiledRoute {
    CorHttpRoute route; /* method and pattern are copies */
    CorHttpPiece *pieces;
    size_t pieces_len;
} CorHttpCompiledRoute;

typedef struct CorHttpRoutes CorHttpRoutes;

/** Copy and check a table; INVALID names the pattern that is wrong. */
COR_MUSTCHECK bool cor_http_routes_compile(const CorHttpRoute *routes, size_t len,
                                           CorHttpRoutes **ret_routes, CorError *err);
void cor_http_routes_free(CorHttpRoutes *routes);
COR_DEFINE_CLEANUP(CorHttpRoutes, cor_http_routes_free)

/**
 * Find the most specific route of a path and method: literals before parameters before tails,
 * decided at the first segment that differs.
 *
 * @return NULL if there is none; then cor_http_routes_allow() tells 404 from 405
 */
const CorHttpCompiledRoute *cor_http_routes_find(const CorHttpRoutes *routes,
                                                 const CorHttpTarget *target, const char *method);

/**
 * Append the methods that the path has, "GET, HEAD, OPTIONS"; nothing if there is no such path.
 *
 * A pattern that begins with a tail ("/{path...}", the console's files) does not make every path in
 * the world known: it counts only if with_catch_all.
 */
void cor_http_routes_allow(const CorHttpRoutes *routes, const CorHttpTarget *target,
                           bool with_catch_all, CorString *allow);

/** Value of the parameter name in a target that the route matched; NULL if it has none. */
const char *cor_http_route_param(const CorHttpCompiledRoute *route, const CorHttpTarget *target,
                                 const char *name);
