/* SPDX-License-Identifier: Apache-2.0 */
/* Backend URIs ("sqlite:data/corsia.db", "file:data/objects") and percent-encoding (RFC 3986).
 *
 * Threads  Thread-safe.
 */
#pragma once

#include "base/error.h"
#include "base/string.h"

#include <stddef.h>

#define COR_URI_MAX 2048

typedef struct CorUri {
    char scheme[32];         /* lower case, without ':' */
    char rest[COR_URI_MAX];  /* everything after "scheme:" as written */
    char shown[COR_URI_MAX]; /* the whole, with a password replaced by *** */
} CorUri;

/** Split a URI; INVALID if it has no scheme or is too long. */
COR_MUSTCHECK bool cor_uri_parse(const char *text, CorUri *ret_uri, CorError *err);

bool cor_uri_has_scheme(const CorUri *uri, const char *scheme);

/**
 * Decode %XX in size bytes of text into out (room for size + 1); INVALID for a bad escape, a NUL
 * or what is not UTF-8 after decoding.  '+' stays '+' unless plus_is_space.
 */
COR_MUSTCHECK bool cor_percent_decode(const char *text, size_t size, bool plus_is_space, char *out,
                                      CorError *err);

/** Append text with everything but unreserved characters and those in keep encoded. */
void cor_percent_encode(CorString *out, const char *text, const char *keep);
