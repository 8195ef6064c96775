/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/find.h"

enum { SIZE = 400 };

/* Of its own size, so that a sanitizer sees what is read beyond. */
static void check(const uint8_t *bytes, size_t size, const char *needle)
{
    uint8_t *own = malloc(size + 1);

    assert_non_null(own);
    uint8_t *begin = own + 1; /* at no boundary */
    memcpy(begin, bytes, size);
    const uint8_t *expected = memmem(begin, size, needle, strlen(needle));
    assert_ptr_equal(cor_find(begin, size, needle, strlen(needle)), expected);
    free(own);
}

static void what_is_there_is_found_wherever_it_begins(void **state)
{
    static const char *const needles[] = {"n", "nb", "\n--boundary",
                                          "\n--a-boundary-that-is-longer-than-sixty-four-bytes-"
                                          "which-one-block-of-places-has"};
    (void) state;

    for (size_t n = 0; n < COR_ARRAY_LEN(needles); n++) {
        size_t len = strlen(needles[n]);
        for (size_t at = 0; at + len <= SIZE; at++) {
            uint8_t bytes[SIZE];
            memset(bytes, 'x', sizeof(bytes));
            memcpy(bytes + at, needles[n], len);
            check(bytes, SIZE, needles[n]);
            check(bytes, at + len, needles[n]);
            check(bytes, at + len - 1, needles[n]);
        }
    }
}

static void what_only_begins_and_ends_like_it_is_not(void **state)
{
    uint8_t bytes[SIZE];
    (void) state;

    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (uint8_t) "\n-y"[i % 3];
    }
    check(bytes, SIZE, "\n--y");
    check(bytes, SIZE, "\n-x\n-y");
    check(bytes, SIZE, "\n-y\n-y\n-z\n-y");
}

static void random_bytes_agree_with_memmem(void **state)
{
    unsigned seed = 1;
    (void) state;

    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[SIZE];
        char needle[8] = {0};
        for (size_t i = 0; i < SIZE; i++) {
            seed = seed * 1103515245 + 12345;
            bytes[i] = (uint8_t) ('a' + (seed >> 16) % 3);
        }
        size_t len = 1 + (seed >> 8) % 7;
        memcpy(needle, bytes + seed % (SIZE - 8), len);
        needle[len - 1] = (char) ('a' + (seed >> 20) % 3);
        check(bytes, 1 + (seed >> 12) % SIZE, needle);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_is_found_wherever_it_begins),
        cmocka_unit_test(what_only_begins_and_ends_like_it_is_not),
        cmocka_unit_test(random_bytes_agree_with_memmem),
    };

    return cmocka_run_group_tests_name("find", tests, NULL, NULL);
}
