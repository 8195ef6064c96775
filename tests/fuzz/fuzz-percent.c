/* SPDX-License-Identifier: Apache-2.0 */
/* Properties, for any bytes:
 *   1. refused bytes are INVALID and say why;
 *   2. what is decoded is valid UTF-8 without NUL and no longer than its source;
 *   3. encoding it gives unreserved characters and escapes only, and decoding that gives it back.
 */
#include "fuzz.h"

#include <string.h>

#include "base/id.h"
#include "base/uri.h"

enum { SIZE_LIMIT = 4096 };

static void check_encoded(const char *encoded)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%";

    FUZZ_CHECK(strspn(encoded, allowed) == strlen(encoded));
}

static void check(const char *text, size_t size, bool plus_is_space)
{
    char decoded[SIZE_LIMIT + 1];
    char again[SIZE_LIMIT + 1];
    COR_CLEANUP(cor_string_freep) CorString *encoded = cor_string_new((size_t) 3 * SIZE_LIMIT);
    CorError err = {0};

    if (!cor_percent_decode(text, size, plus_is_space, decoded, &err)) {
        FUZZ_CHECK(err.code == COR_ERR_INVALID && err.text[0] != '\0');
        return;
    }
    FUZZ_CHECK(strlen(decoded) <= size);
    FUZZ_CHECK(cor_utf8_is_valid(decoded, strlen(decoded)));
    cor_percent_encode(encoded, decoded, "");
    FUZZ_CHECK(cor_string_check(encoded, NULL));
    check_encoded(cor_string_text(encoded));
    FUZZ_CHECK(cor_percent_decode(cor_string_text(encoded), cor_string_size(encoded), plus_is_space,
                                  again, NULL));
    FUZZ_CHECK(strcmp(again, decoded) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > SIZE_LIMIT) {
        return 0;
    }
    check((const char *) data, size, false);
    check((const char *) data, size, true);
    return 0;
}
