/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/copy.h"

enum { LONGEST = 70000, MARGIN = 128 };

static void what_is_copied_is_the_same_and_nothing_beside_it_changes(void **state)
{
    static const size_t sizes[] = {0,    1,    63,   64,   65,    4095,  4096,
                                   4097, 4159, 4160, 4161, 65536, 65537, LONGEST};
    uint8_t *from = cor_new_array(uint8_t, LONGEST + MARGIN);
    uint8_t *to = cor_new_array(uint8_t, LONGEST + 2 * MARGIN);
    (void) state;

    assert_non_null(from);
    assert_non_null(to);
    for (size_t i = 0; i < LONGEST + MARGIN; i++) {
        from[i] = (uint8_t) (i * 7 + (i >> 8));
    }
    for (size_t s = 0; s < COR_ARRAY_LEN(sizes); s++) {
        for (size_t at = 0; at < 2 * 64; at += 9) {
            size_t size = sizes[s];
            memset(to, 0xA5, LONGEST + 2 * MARGIN);
            cor_copy_past_cache(to + at, from + at / 2, size);
            assert_memory_equal(to + at, from + at / 2, size);
            for (size_t i = 0; i < at; i++) {
                assert_int_equal(to[i], 0xA5);
            }
            for (size_t i = at + size; i < size + MARGIN; i++) {
                assert_int_equal(to[i], 0xA5);
            }
        }
    }
    free(from);
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_copied_is_the_same_and_nothing_beside_it_changes),
    };

    return cmocka_run_group_tests_name("copy", tests, NULL, NULL);
}
