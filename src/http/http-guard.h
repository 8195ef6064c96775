/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in: Host, Origin, tokens and media types, as pure functions.
 *
 * A page from elsewhere must not read a hospital's images through a user's browser.  Host defeats
 * DNS rebinding, Origin cross-site requests; programs that are no browsers send no Origin.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** Length of the host part of "host:port" ("[::1]:80": 5); 0 if it is no such thing. */
size_t cor_http_host_len(const char *host);

/** True for localhost, 127.0.0.0/8 and [::1], with or without a port. */
bool cor_http_host_is_loopback(const char *host);

/**
 * True if a Host header's value is loopback or one of names (without port, without regard to case;
 * "*" is any).
 */
bool cor_http_host_is_allowed(const char *host, const char *const *names, size_t len);

/** True if pattern is something that cor_http_origin_is_allowed() understands. */
bool cor_http_origin_pattern_is_legal(const char *pattern);

/**
 * True if an Origin header's value is http on loopback with any port, or matches a pattern: an
 * origin
 * ("https://viewer.example"), one with any port ("http://host:*"), or "*".
 */
bool cor_http_origin_is_allowed(const char *origin, const char *const *patterns, size_t len);

/** True if origin is http or https on exactly this Host. */
bool cor_http_origin_is_same(const char *origin, const char *host);

/** The token of "Bearer <token>"; NULL if it is none. */
const char *cor_http_bearer(const char *authorization);

/** Compare a given token, of any length, with the right one in constant time. */
bool cor_http_token_is_right(const char *given, size_t size, const char *right);

/** True if a comma-separated list has the element, without regard to case and parameters. */
bool cor_http_list_has(const char *list, const char *element);

/**
 * Walk a comma-separated list.
 *
 * @param at  in: where to go on; out: behind the element
 * @return the element without surrounding blanks, or NULL at the end; *ret_size is its size
 */
const char *cor_http_list_next(const char **at, size_t *ret_size);

/** True if a Content-Type is this media type, whatever its parameters. */
bool cor_http_type_is(const char *content_type, const char *type);
