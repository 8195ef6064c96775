/* SPDX-License-Identifier: Apache-2.0 */
/* Properties, for any bytes: fed whole or byte by byte the reader tells the same events and ends
 * the same way, and it never holds more than its bound.
 */
#include "fuzz.h"

#include <string.h>

#include "base/string.h"
#include "cli/sse.h"

enum { EVENT_MAX = 512 };

static bool collect(void *context, const char *type, const char *id, const char *data)
{
    FUZZ_CHECK(strlen(data) <= EVENT_MAX);
    cor_string_printf(context, "%s\x1f%s\x1f%s\x1e", type, id, data);
    return true;
}

static bool read_all(const uint8_t *data, size_t size, size_t step, CorString *out)
{
    COR_CLEANUP(cor_sse_freep) CorSse *sse = cor_sse_new(EVENT_MAX, collect, out);
    CorError err = {0};
    bool goes_on = true;

    FUZZ_CHECK(sse != NULL);
    for (size_t at = 0; goes_on && at < size; at += step) {
        goes_on =
            cor_sse_feed(sse, (const char *) data + at, size - at < step ? size - at : step, &err);
    }
    FUZZ_CHECK(goes_on == (err.code == COR_OK));
    FUZZ_CHECK(goes_on || err.code == COR_ERR_LIMIT);
    return goes_on;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    COR_CLEANUP(cor_string_freep) CorString *whole = cor_string_new(1 << 20);
    COR_CLEANUP(cor_string_freep) CorString *bytes = cor_string_new(1 << 20);

    if (size > 4096) {
        return 0;
    }
    bool whole_goes_on = read_all(data, size, size ? size : 1, whole);
    bool bytes_go_on = read_all(data, size, 1, bytes);
    FUZZ_CHECK(whole_goes_on == bytes_go_on);
    FUZZ_CHECK(strcmp(cor_string_text(whole), cor_string_text(bytes)) == 0);
    return 0;
}
