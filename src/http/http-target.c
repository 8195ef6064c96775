/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding never lengthens, so one allocation holds everything: twice the raw target (the whole
 * path for tails, and each segment with a NUL of its own) and the query. */
#include "http/http-target.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/uri.h"

/* Where the next decoded text goes. */
typedef struct Pen {
    char *at;
} Pen;

static bool decode(Pen *pen, const char *raw, size_t size, bool is_query, const char **ret_text,
                   CorError *err)
{
    if (!cor_percent_decode(raw, size, is_query, pen->at, err)) {
        return false;
    }
    *ret_text = pen->at;
    pen->at += strlen(pen->at) + 1;
    return true;
}

/* Spaces and controls end a request line or split a header; a fragment is never sent. */
static bool check_characters(const char *raw, CorError *err)
{
    for (const char *at = raw; *at; at++) {
        unsigned char byte = (unsigned char) *at;
        if (byte <= 0x20 || byte == 0x7F || byte == '#') {
            return cor_fail(err, COR_ERR_INVALID, "target has a character that must be encoded");
        }
    }
    return true;
}

static bool parse_path(CorHttpTarget *target, Pen *pen, const char *raw, size_t size, CorError *err)
{
    char *whole = pen->at;
    size_t offsets[COR_HTTP_SEGMENT_MAX];
    size_t used = 0;

    pen->at += size + 1;
    for (size_t i = 0; i < size;) { /* raw[i] is '/' */
        const char *begin = raw + i + 1;
        const char *slash = memchr(begin, '/', size - i - 1);
        size_t len = slash ? (size_t) (slash - begin) : size - i - 1;
        const char *segment = NULL;

        if (target->segments_len == COR_HTTP_SEGMENT_MAX) {
            return cor_fail(err, COR_ERR_LIMIT, "path has more than %d segments",
                            COR_HTTP_SEGMENT_MAX);
        }
        if (!decode(pen, begin, len, false, &segment, err)) {
            return false;
        }
        whole[used++] = '/';
        offsets[target->segments_len] = used;
        target->segments[target->segments_len++] = segment;
        memcpy(whole + used, segment, strlen(segment));
        used += strlen(segment);
        i += len + 1;
    }
    whole[used] = '\0';
    target->path = whole;
    for (size_t i = 0; i < target->segments_len; i++) {
        target->tails[i] = whole + offsets[i];
    }
    return true;
}

static bool parse_pair(CorHttpTarget *target, Pen *pen, const char *raw, size_t size, CorError *err)
{
    const char *equals = memchr(raw, '=', size);
    size_t name_size = equals ? (size_t) (equals - raw) : size;
    const char *name = NULL;
    const char *value = "";

    if (target->query_len == COR_HTTP_QUERY_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "more than %d query parameters", COR_HTTP_QUERY_MAX);
    }
    if (!decode(pen, raw, name_size, true, &name, err)) {
        return false;
    }
    if (equals && !decode(pen, equals + 1, size - name_size - 1, true, &value, err)) {
        return false;
    }
    target->names[target->query_len] = name;
    target->values[target->query_len++] = value;
    return true;
}

static bool parse_query(CorHttpTarget *target, Pen *pen, const char *raw, CorError *err)
{
    while (*raw) {
        size_t size = strcspn(raw, "&");
        if (size > 0 && !parse_pair(target, pen, raw, size, err)) {
            return false;
        }
        raw += size;
        raw += *raw == '&';
    }
    return true;
}

/* "http://host:80/path" is what proxies send; its authority counts instead of Host. */
static bool take_authority(CorHttpTarget *target, Pen *pen, const char **raw, CorError *err)
{
    size_t scheme = strncasecmp(*raw, "http://", 7) == 0    ? 7
                    : strncasecmp(*raw, "https://", 8) == 0 ? 8
                                                            : 0;

    if (scheme == 0) {
        return true;
    }
    size_t size = strcspn(*raw + scheme, "/?");
    if (size == 0) {
        return cor_fail(err, COR_ERR_INVALID, "target has an empty host");
    }
    memcpy(pen->at, *raw + scheme, size);
    pen->at[size] = '\0';
    target->authority = pen->at;
    pen->at += size + 1;
    *raw += scheme + size;
    return true;
}

bool cor_http_target_parse(const char *raw, size_t size_max, CorHttpTarget **ret_target,
                           CorError *err)
{
    size_t size = strlen(raw);
    COR_CLEANUP(cor_http_target_freep) CorHttpTarget *target = NULL;

    if (size > size_max) {
        return cor_fail(err, COR_ERR_LIMIT, "target is longer than %zu bytes", size_max);
    }
    if (!check_characters(raw, err)) {
        return false;
    }
    target = calloc(1, sizeof(*target) + 2 * size + 2 * COR_HTTP_SEGMENT_MAX + 8);
    if (!target) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a target");
    }

    Pen pen = {.at = target->text};
    if (strcmp(raw, "*") == 0) {
        target->path = "*";
        *ret_target = COR_TAKE(target);
        return true;
    }
    if (!take_authority(target, &pen, &raw, err)) {
        return false;
    }
    size_t path_size = strcspn(raw, "?");
    const char *query = raw + path_size;
    if (path_size == 0 && target->authority) {
        raw = "/"; /* RFC 9112 section 3.2.2: an empty path is the root */
        path_size = 1;
    }
    if (path_size == 0 || raw[0] != '/') {
        return cor_fail(err, COR_ERR_INVALID, "target does not begin with '/'");
    }
    if (!parse_path(target, &pen, raw, path_size, err)) {
        cor_error_wrap(err, "path");
        return false;
    }
    if (*query == '?' && !parse_query(target, &pen, query + 1, err)) {
        cor_error_wrap(err, "query");
        return false;
    }
    *ret_target = COR_TAKE(target);
    return true;
}

void cor_http_target_free(CorHttpTarget *target)
{
    free(target);
}
