/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static void equal_values_have_equal_hashes_whatever_their_order(void **state)
{
    COR_CLEANUP(cor_json_freep) json_t *one = NULL;
    COR_CLEANUP(cor_json_freep) json_t *other = NULL;
    static const char first[] = "{\"a\": 1, \"b\": [true, null]}";
    static const char second[] = "{\"b\":[true,null],\"a\":1}";
    char hash_one[65];
    char hash_other[65];
    (void) state;

    assert_true(cor_json_parse(first, strlen(first), &one, NULL));
    assert_true(cor_json_parse(second, strlen(second), &other, NULL));
    assert_true(cor_json_sha256(one, hash_one, NULL));
    assert_true(cor_json_sha256(other, hash_other, NULL));

    assert_string_equal(hash_one, hash_other);
}

static void bad_texts_are_refused_with_a_reason(void **state)
{
    static const char *const bad[] = {"",     "{",  "{\"a\":1,\"a\":2}", "[1,]", "\"\xFF\"",
                                      "{} x", "nul"};
    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *json = NULL;
        CorError err = {0};
        assert_false(cor_json_parse(bad[i], strlen(bad[i]), &json, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_null(json);
    }
}

static void nesting_is_bounded(void **state)
{
    char deep[200];
    CorError err = {0};
    json_t *json = NULL;
    (void) state;

    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);

    assert_false(cor_json_parse(deep, sizeof(deep), &json, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    assert_false(cor_json_check_depth(deep, sizeof(deep), &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    assert_true(cor_json_check_depth(deep, 64, NULL));
    assert_false(cor_json_check_depth(deep, 65, NULL));
    assert_true(cor_json_check_depth("\"[[[\\\"[\"", 9, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_values_have_equal_hashes_whatever_their_order),
        cmocka_unit_test(bad_texts_are_refused_with_a_reason),
        cmocka_unit_test(nesting_is_bounded),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
