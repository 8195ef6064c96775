/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler may ask a request.
 *
 * Ownership   Everything returned is borrowed and lives as long as the request: until the answer is
 *             sent, for a parked request until then.
 * Threads     One thread at a time.
 * Blocking    Never.
 * Errors      Getters return NULL for what is not there.
 * Units       Bytes.  Text is UTF-8 without NUL, percent-decoded.
 */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CorHttpRequest CorHttpRequest;

/** "GET", "HEAD", "POST", ... */
const char *cor_http_req_method(const CorHttpRequest *req);

/** True for HEAD, whose route is that of GET: the body is left out by itself. */
bool cor_http_req_is_head(const CorHttpRequest *req);

/** Pattern of the matched route. */
const char *cor_http_req_pattern(const CorHttpRequest *req);

/** A parameter of the pattern ("id" of "/jobs/{id}"); of a tail, the segments joined with '/'. */
const char *cor_http_req_param(const CorHttpRequest *req, const char *name);

/** The whole decoded path; "%2F" in it has become '/'. */
const char *cor_http_req_path(const CorHttpRequest *req);

/** Path and query as they came, percent-encoded; holds secrets: not for logs. */
const char *cor_http_req_raw_target(const CorHttpRequest *req);

/** First value of a query parameter; "" for one without '='; NULL if absent. */
const char *cor_http_req_query(const CorHttpRequest *req, const char *name);

/** Number of query parameters, repetitions counted. */
size_t cor_http_req_query_len(const CorHttpRequest *req);

/** The index-th query parameter in the order of the target. */
void cor_http_req_query_at(const CorHttpRequest *req, size_t index, const char **ret_name,
                           const char **ret_value);

/**
 * A query parameter that is an integer from min to max; fallback if it is absent.
 *
 * @param err  INVALID naming the parameter
 */
COR_MUSTCHECK bool cor_http_req_query_integer(const CorHttpRequest *req, const char *name,
                                              const int64_t range[2], int64_t fallback,
                                              int64_t *ret_value, CorError *err);

/** A header's (first) value; names without regard to case. */
const char *cor_http_req_header(const CorHttpRequest *req, const char *name);

/** The index-th header of a name (a list may come in several); NULL behind the last one. */
const char *cor_http_req_header_at(const CorHttpRequest *req, const char *name, size_t index);

/** True if a comma-separated header has this element, without regard to case and parameters. */
bool cor_http_req_header_has(const CorHttpRequest *req, const char *name, const char *token);

/** The parsed body of a route with COR_HTTP_BODY_JSON; NULL if there was none. */
json_t *cor_http_req_json(const CorHttpRequest *req);

/** The body of a route with COR_HTTP_BODY_JSON or _RAW; followed by a NUL that does not count. */
const void *cor_http_req_body(const CorHttpRequest *req, size_t *ret_size);

/** What begin() of a route with COR_HTTP_BODY_STREAM made; the handler now owns it. */
void *cor_http_req_upload(const CorHttpRequest *req);

/** Announced size of the body; -1 if it is chunked. */
int64_t cor_http_req_content_length(const CorHttpRequest *req);

/** The peer as "127.0.0.1:40000". */
const char *cor_http_req_peer(const CorHttpRequest *req);

/** The context of the route, else of the server. */
void *cor_http_req_context(const CorHttpRequest *req);
