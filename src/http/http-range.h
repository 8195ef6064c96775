/* SPDX-License-Identifier: Apache-2.0 */
/* Range (RFC 9110 section 14) and entity tags (section 8.8.3), as pure functions.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum CorHttpRangeKind {
    COR_HTTP_RANGE_WHOLE,         /* no range, several, another unit, or not understood: send all */
    COR_HTTP_RANGE_PART,          /* one range that overlaps the representation */
    COR_HTTP_RANGE_UNSATISFIABLE, /* one range beyond the end: 416 */
} CorHttpRangeKind;

/**
 * Read a Range header's value against a representation of size bytes.
 *
 * @param header      NULL is COR_HTTP_RANGE_WHOLE
 * @param ret_offset  set for COR_HTTP_RANGE_PART, as is *ret_size, which is at least 1
 */
CorHttpRangeKind cor_http_range_parse(const char *header, uint64_t size, uint64_t *ret_offset,
                                      uint64_t *ret_size);

/** Weak comparison of If-None-Match with a quoted ETag; "*" matches. */
bool cor_http_etag_matches_any(const char *list, const char *etag);

/** Strong comparison of If-Range with a quoted ETag; a date never matches (we send none). */
bool cor_http_if_range_holds(const char *if_range, const char *etag);
