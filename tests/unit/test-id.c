/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/id.h"

static void a_uuid_has_its_version_and_differs_each_time(void **state)
{
    char first[COR_UUID_SIZE];
    char second[COR_UUID_SIZE];
    (void) state;

    assert_true(cor_uuid4(first, NULL));
    assert_true(cor_uuid4(second, NULL));

    assert_int_equal(strlen(first), 36);
    assert_int_equal(first[14], '4');
    assert_string_not_equal(first, second);
}

static void an_id_is_legal_by_its_alphabet_and_length(void **state)
{
    char longest[131];
    (void) state;

    memset(longest, 'a', sizeof(longest));
    longest[128] = '\0';
    assert_true(cor_id_is_legal(longest));
    longest[128] = 'a';
    longest[129] = '\0';
    assert_false(cor_id_is_legal(longest));
    assert_true(cor_id_is_legal("A-z_0.~"));
    assert_false(cor_id_is_legal(""));
    assert_false(cor_id_is_legal("a b"));
    assert_false(cor_id_is_legal("caf\xC3\xA9"));
}

static void a_derived_uid_is_legal_and_depends_on_every_text(void **state)
{
    const char *const ab_c[] = {"ab", "c"};
    const char *const a_bc[] = {"a", "bc"};
    char one[COR_UID_SIZE];
    char other[COR_UID_SIZE];
    char again[COR_UID_SIZE];
    (void) state;

    cor_uid_from_texts(ab_c, 2, one);
    cor_uid_from_texts(a_bc, 2, other);
    cor_uid_from_texts(ab_c, 2, again);

    assert_true(cor_uid_is_legal(one));
    assert_memory_equal(one, "2.25.", 5);
    assert_string_not_equal(one, other);
    assert_string_equal(one, again);
}

static void keys_that_could_leave_their_root_are_refused(void **state)
{
    static const char *const bad[] = {
        "",       "/a",       "a/",   "a//b",   ".",        "a/..",  "../a",         "a\\b",
        "a/\x01", "a/.tmp-b", "\xFF", "a/\x7F", "\xC0\xAF", "a/./b", "\xED\xA0\x80", ".tmp-x"};
    static const char *const good[] = {"a",     "a/b.dcm", "liver1/x y/\xC3\xA9",
                                       "a/...", "a/.b",    ".tm"};
    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CorError err = {0};
        assert_false(cor_key_check(bad[i], &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(cor_key_check(good[i], NULL));
    }
}

static void a_key_part_has_at_most_255_bytes(void **state)
{
    char key[300];
    (void) state;

    memset(key, 'k', sizeof(key));
    key[255] = '\0';
    assert_true(cor_key_check(key, NULL));
    key[255] = 'k';
    key[256] = '\0';
    assert_false(cor_key_check(key, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uuid_has_its_version_and_differs_each_time),
        cmocka_unit_test(an_id_is_legal_by_its_alphabet_and_length),
        cmocka_unit_test(a_derived_uid_is_legal_and_depends_on_every_text),
        cmocka_unit_test(keys_that_could_leave_their_root_are_refused),
        cmocka_unit_test(a_key_part_has_at_most_255_bytes),
    };

    return cmocka_run_group_tests_name("id", tests, NULL, NULL);
}
