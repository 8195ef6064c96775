/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http-range.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Read digits; more than fit saturate, which is beyond every end.  False without a digit. */
static bool read_number(const char **at, uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *begin = *at;

    while (isdigit((unsigned char) **at)) {
        uint64_t digit = (uint64_t) (**at - '0');
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            value = UINT64_MAX;
        }
        (*at)++;
    }
    *ret_value = value;
    return *at != begin;
}

static CorHttpRangeKind suffix(uint64_t wanted, uint64_t size, uint64_t *ret_offset,
                               uint64_t *ret_size)
{
    if (wanted == 0 || size == 0) {
        return COR_HTTP_RANGE_UNSATISFIABLE;
    }
    *ret_size = wanted < size ? wanted : size;
    *ret_offset = size - *ret_size;
    return COR_HTTP_RANGE_PART;
}

CorHttpRangeKind cor_http_range_parse(const char *header, uint64_t size, uint64_t *ret_offset,
                                      uint64_t *ret_size)
{
    uint64_t first = 0;
    uint64_t last = UINT64_MAX;

    if (!header || strncasecmp(header, "bytes=", 6) != 0) {
        return COR_HTTP_RANGE_WHOLE;
    }
    const char *at = header + 6;
    at += strspn(at, " \t");
    bool has_first = read_number(&at, &first);
    if (*at++ != '-') {
        return COR_HTTP_RANGE_WHOLE;
    }
    bool has_last = read_number(&at, &last);
    at += strspn(at, " \t");
    if (*at || (!has_first && !has_last) || (has_first && has_last && last < first)) {
        return COR_HTTP_RANGE_WHOLE; /* several ranges, or nonsense: RFC 9110 section 14.2 */
    }
    if (!has_first) {
        return suffix(last, size, ret_offset, ret_size);
    }
    if (first >= size) {
        return COR_HTTP_RANGE_UNSATISFIABLE;
    }
    if (!has_last || last >= size) {
        last = size - 1;
    }
    *ret_offset = first;
    *ret_size = last - first + 1;
    return COR_HTTP_RANGE_PART;
}

/* Skip to the next quoted tag of a list; NULL if there is none. */
static const char *next_tag(const char *at, size_t *ret_size)
{
    at += strspn(at, " \t,");
    if (strncmp(at, "W/", 2) == 0) {
        at += 2;
    }
    if (*at != '"') {
        return NULL;
    }
    const char *end = strchr(at + 1, '"');
    if (!end) {
        return NULL;
    }
    *ret_size = (size_t) (end - at) + 1;
    return at;
}

bool cor_http_etag_matches_any(const char *list, const char *etag)
{
    size_t size = 0;

    if (!list || !etag) {
        return false;
    }
    if (strcmp(list + strspn(list, " \t"), "*") == 0) {
        return true;
    }
    for (const char *tag = next_tag(list, &size); tag; tag = next_tag(tag + size, &size)) {
        if (strlen(etag) == size && memcmp(tag, etag, size) == 0) {
            return true;
        }
    }
    return false;
}

bool cor_http_if_range_holds(const char *if_range, const char *etag)
{
    return !if_range || (etag && strcmp(if_range, etag) == 0);
}
