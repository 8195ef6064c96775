/* SPDX-License-Identifier: Apache-2.0 */
/* Properties, for any bytes without NUL taken as the value of a header:
 *   1. a range lies inside the representation and is not empty;
 *   2. what counts as loopback is a well-formed host; an origin that is allowed by default is http;
 *   3. walking a list ends, and its elements lie inside it, in order, without blanks around them;
 *   4. a list has each of its own elements that carries no parameters;
 *   5. a token is right only if it is equal;
 *   6. walking a list of media types ends, each one lies at or behind the one before, and what was
 * read has a type with one '/' at least and texts that lie inside it.
 */
#include "fuzz.h"

#include <string.h>
#include <strings.h>

#include "http/http-guard.h"
#include "http/http-media-type.h"
#include "http/http-range.h"

static void check_range(const char *text)
{
    static const uint64_t sizes[] = {0, 1, 1000, UINT64_MAX};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t offset = 0;
        uint64_t size = 0;
        if (cor_http_range_parse(text, sizes[i], &offset, &size) == COR_HTTP_RANGE_PART) {
            FUZZ_CHECK(size >= 1 && size <= sizes[i] && offset <= sizes[i] - size);
        }
    }
    (void) cor_http_etag_matches_any(text, "\"a\"");
    FUZZ_CHECK(!cor_http_if_range_holds(text, "\"a\"") || strcmp(text, "\"a\"") == 0);
}

static void check_names(const char *text)
{
    static const char *const none[] = {""};
    size_t len = cor_http_host_len(text);

    FUZZ_CHECK(len <= strlen(text));
    if (cor_http_host_is_allowed(text, none, 0)) {
        FUZZ_CHECK(len > 0 && cor_http_host_is_loopback(text));
        FUZZ_CHECK(!strpbrk(text, "/@ ,?#"));
    }
    if (cor_http_origin_is_allowed(text, none, 0)) {
        FUZZ_CHECK(strncasecmp(text, "http://", 7) == 0 && !strpbrk(text + 7, "/@ ,?#"));
    }
    if (cor_http_origin_pattern_is_legal(text) && !strchr(text, '*')) {
        FUZZ_CHECK(cor_http_origin_is_allowed(text, &text, 1));
    }
}

static void check_list(const char *text)
{
    const char *at = text;
    const char *end = text;
    const char *item = NULL;
    size_t size = 0;

    while ((item = cor_http_list_next(&at, &size))) {
        char copy[4097];
        FUZZ_CHECK(item >= end && item + size <= text + strlen(text));
        FUZZ_CHECK(size > 0 && !strchr(" \t,", item[0]) && !strchr(" \t,", item[size - 1]));
        memcpy(copy, item, size);
        copy[size] = '\0';
        FUZZ_CHECK(strchr(copy, ';') || cor_http_list_has(text, copy));
        end = item + size;
    }
}

static void check_media_types(const char *text)
{
    CorHttpMediaType type;
    const char *at = text;

    for (;;) {
        const char *begin = at;
        CorError err = {0};
        if (cor_http_media_type_parse(&at, &type, &err)) {
            FUZZ_CHECK(strchr(type.type, '/') &&
                       type.parameters_len <= COR_HTTP_MEDIA_PARAMETERS_MAX);
            for (size_t i = 0; i < type.parameters_len; i++) {
                const char *name = type.parameters[i].name;
                FUZZ_CHECK(name > type.texts && name < type.texts + sizeof(type.texts));
                FUZZ_CHECK(cor_http_media_type_parameter(&type, name) != NULL);
            }
        } else {
            FUZZ_CHECK(err.code != COR_OK && err.text[0] != '\0');
        }
        FUZZ_CHECK(at >= begin && (*at == ',' || *at == '\0'));
        if (*at == '\0') {
            return;
        }
        at++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[4097];

    if (size > sizeof(text) - 1) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    check_range(text);
    check_names(text);
    check_list(text);
    check_media_types(text);
    const char *token = cor_http_bearer(text);
    FUZZ_CHECK(!token || cor_http_token_is_right(token, strlen(token), "secret") ==
                             (strcmp(token, "secret") == 0));
    return 0;
}
