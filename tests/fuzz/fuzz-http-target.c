/* SPDX-License-Identifier: Apache-2.0 */
/* Properties, for any bytes without NUL:
 *   1. a refused target says why and gives nothing;
 *   2. every decoded piece of an accepted one is valid UTF-8;
 *   3. the segments joined with '/' are the path, and each tail is the end of it;
 *   4. encoding the pieces again and parsing that gives the same pieces;
 *   5. memory is bounded by the size of the target.
 */
#include "fuzz.h"

#include <string.h>

#include "base/id.h"
#include "base/string.h"
#include "base/uri.h"
#include "http/http-target.h"

enum { SIZE_MAX_TARGET = 8192 };

static void check_texts(const CorHttpTarget *target)
{
    FUZZ_CHECK(target->path[0] == '/' || strcmp(target->path, "*") == 0);
    FUZZ_CHECK(cor_utf8_is_valid(target->path, strlen(target->path)));
    for (size_t i = 0; i < target->query_len; i++) {
        FUZZ_CHECK(cor_utf8_is_valid(target->names[i], strlen(target->names[i])));
        FUZZ_CHECK(cor_utf8_is_valid(target->values[i], strlen(target->values[i])));
    }
    const char *at = target->path;
    for (size_t i = 0; i < target->segments_len; i++) {
        size_t len = strlen(target->segments[i]);
        FUZZ_CHECK(cor_utf8_is_valid(target->segments[i], len));
        FUZZ_CHECK(*at++ == '/');
        FUZZ_CHECK(target->tails[i] == at);
        FUZZ_CHECK(strncmp(at, target->segments[i], len) == 0);
        at += len;
    }
    FUZZ_CHECK(target->segments_len == 0 || *at == '\0');
}

static void check_round_trip(const CorHttpTarget *first)
{
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new((size_t) 8 * SIZE_MAX_TARGET);
    COR_CLEANUP(cor_http_target_freep) CorHttpTarget *second = NULL;

    for (size_t i = 0; i < first->segments_len; i++) {
        cor_string_append_text(text, "/");
        cor_percent_encode(text, first->segments[i], "");
    }
    for (size_t i = 0; i < first->query_len; i++) {
        cor_string_append_text(text, i == 0 ? "?" : "&");
        cor_percent_encode(text, first->names[i], "");
        cor_string_append_text(text, "=");
        cor_percent_encode(text, first->values[i], "");
    }
    FUZZ_CHECK(cor_string_check(text, NULL));
    FUZZ_CHECK(
        cor_http_target_parse(cor_string_text(text), (size_t) 8 * SIZE_MAX_TARGET, &second, NULL));
    FUZZ_CHECK(second->segments_len == first->segments_len);
    FUZZ_CHECK(second->query_len == first->query_len);
    for (size_t i = 0; i < first->segments_len; i++) {
        FUZZ_CHECK(strcmp(first->segments[i], second->segments[i]) == 0);
    }
    for (size_t i = 0; i < first->query_len; i++) {
        FUZZ_CHECK(strcmp(first->names[i], second->names[i]) == 0);
        FUZZ_CHECK(strcmp(first->values[i], second->values[i]) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char raw[SIZE_MAX_TARGET + 2];
    COR_CLEANUP(cor_http_target_freep) CorHttpTarget *target = NULL;
    CorError err = {0};
    FuzzMemory before = fuzz_memory_now();

    if (size > sizeof(raw) - 1) {
        return 0;
    }
    memcpy(raw, data, size);
    raw[size] = '\0';
    if (!cor_http_target_parse(raw, SIZE_MAX_TARGET, &target, &err)) {
        FUZZ_CHECK(err.code != COR_OK && err.text[0] != '\0' && !target);
        return 0;
    }
    FUZZ_CHECK(fuzz_memory_peak_since(&before) <= sizeof(CorHttpTarget) + 4096 + 4 * size);
    check_texts(target);
    if (target->segments_len > 0) {
        check_round_trip(target);
    }
    return 0;
}
