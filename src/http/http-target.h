/* SPDX-License-Identifier: Apache-2.0 */
/* A request target (RFC 9112 section 3.2) taken apart: path segments and query, decoded by us.
 *
 * libmicrohttpd would cut the path at "%00" and cannot tell "%2F" from '/'; so the raw target is
 * split first and every piece decoded on its own.
 *
 * Ownership  cor_http_target_parse() gives an object to free.
 * Threads    One thread at a time.
 * Errors     INVALID for bad escapes, NUL, what is not UTF-8; LIMIT for too much of something.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>

#define COR_HTTP_SEGMENT_MAX 640
#define COR_HTTP_QUERY_MAX 64

typedef struct CorHttpTarget {
    const char *authority; /* of the absolute form "http://authority/path"; NULL if there is none */
    const char *path;      /* decoded, begins with '/'; "*" for the asterisk form */
    const char *segments[COR_HTTP_SEGMENT_MAX]; /* decoded; "/" has one, which is empty */
    const char *tails[COR_HTTP_SEGMENT_MAX];    /* path from that segment on */
    size_t segments_len;
    const char *names[COR_HTTP_QUERY_MAX]; /* decoded, '+' is a space */
    const char *values[COR_HTTP_QUERY_MAX];
    size_t query_len;
    char text[]; /* what the pointers point into */
} CorHttpTarget;

/**
 * Take a target apart.
 *
 * @param raw         as it came, percent-encoded
 * @param size_max    longest allowed, in bytes
 * @param ret_target  free it with cor_http_target_free()
 */
COR_MUSTCHECK bool cor_http_target_parse(const char *raw, size_t size_max,
                                         CorHttpTarget **ret_target, CorError *err);
void cor_http_target_free(CorHttpTarget *target);
COR_DEFINE_CLEANUP(CorHttpTarget, cor_http_target_free)
