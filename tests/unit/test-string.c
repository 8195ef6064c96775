/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/string.h"

static void appended_pieces_make_one_text(void **state)
{
    COR_CLEANUP(cor_string_freep) CorString *string = cor_string_new(100);
    (void) state;

    assert_string_equal(cor_string_text(string), "");
    assert_int_equal(cor_string_size(string), 0);
    cor_string_append(string, "ab\0cd", 2);
    cor_string_append_text(string, "-");
    cor_string_append(string, NULL, 0);
    cor_string_printf(string, "%d%s", 17, "!");

    assert_true(cor_string_check(string, NULL));
    assert_string_equal(cor_string_text(string), "ab-17!");
    assert_int_equal(cor_string_size(string), 6);
}

static void a_nul_inside_is_kept_and_counted(void **state)
{
    COR_CLEANUP(cor_string_freep) CorString *string = cor_string_new(10);
    (void) state;

    cor_string_append(string, "a\0b", 3);

    assert_int_equal(cor_string_size(string), 3);
    assert_memory_equal(cor_string_text(string), "a\0b", 4);
}

static void a_text_grows_up_to_its_ceiling_and_no_byte_further(void **state)
{
    enum { CEILING = 5000 };
    COR_CLEANUP(cor_string_freep) CorString *string = cor_string_new(CEILING);
    CorError err = {0};
    (void) state;

    for (size_t i = 0; i < CEILING; i++) {
        cor_string_append(string, &"0123456789"[i % 10], 1);
    }
    assert_true(cor_string_check(string, NULL));
    assert_int_equal(cor_string_size(string), CEILING);
    for (size_t i = 0; i < CEILING; i++) {
        assert_int_equal(cor_string_text(string)[i], '0' + (int) (i % 10));
    }
    cor_string_append_text(string, "x");

    assert_false(cor_string_check(string, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    assert_int_equal(cor_string_size(string), CEILING);
}

static void a_poisoned_string_takes_nothing_more(void **state)
{
    COR_CLEANUP(cor_string_freep) CorString *string = cor_string_new(4);
    CorError err = {0};
    (void) state;

    cor_string_append_text(string, "ab");
    cor_string_printf(string, "%s", "cde");
    cor_string_append_text(string, "c"); /* would fit */

    assert_string_equal(cor_string_text(string), "ab");
    assert_false(cor_string_check(string, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
}

static void cutting_keeps_the_head_and_the_poison(void **state)
{
    COR_CLEANUP(cor_string_freep) CorString *string = cor_string_new(4);
    (void) state;

    cor_string_append_text(string, "abcd");
    cor_string_truncate(string, 9);
    assert_string_equal(cor_string_text(string), "abcd");
    cor_string_append_text(string, "e");
    cor_string_truncate(string, 2);

    assert_string_equal(cor_string_text(string), "ab");
    assert_false(cor_string_check(string, NULL));
}

static void cutting_to_nothing_makes_it_good_again(void **state)
{
    COR_CLEANUP(cor_string_freep) CorString *used = cor_string_new(4);
    COR_CLEANUP(cor_string_freep) CorString *unused = cor_string_new(4);
    CorString *const both[] = {used, unused};
    (void) state;

    cor_string_append_text(used, "abcd");
    for (size_t i = 0; i < 2; i++) {
        cor_string_append_text(both[i], "too long"); /* the very first thing that unused sees */
        assert_false(cor_string_check(both[i], NULL));
        cor_string_truncate(both[i], 0);

        assert_true(cor_string_check(both[i], NULL));
        cor_string_append_text(both[i], "wxyz");
        assert_string_equal(cor_string_text(both[i]), "wxyz");
    }
}

static void taking_moves_the_text_out(void **state)
{
    CorString *string = cor_string_new(10);
    char *text = NULL;
    (void) state;

    cor_string_append_text(string, "mine");
    text = cor_string_take(string);
    assert_string_equal(text, "mine");
    free(text);

    text = cor_string_take(cor_string_new(10));
    assert_string_equal(text, "");
    free(text);
}

static void no_string_at_all_is_out_of_memory_and_harmless(void **state)
{
    CorError err = {0};
    (void) state;

    cor_string_append_text(NULL, "a");
    cor_string_printf(NULL, "%d", 1);
    cor_string_truncate(NULL, 0);
    cor_string_free(NULL);

    assert_false(cor_string_check(NULL, &err));
    assert_int_equal(err.code, COR_ERR_NOMEM);
    assert_string_equal(cor_string_text(NULL), "");
    assert_int_equal(cor_string_size(NULL), 0);
    assert_null(cor_string_take(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_pieces_make_one_text),
        cmocka_unit_test(a_nul_inside_is_kept_and_counted),
        cmocka_unit_test(a_text_grows_up_to_its_ceiling_and_no_byte_further),
        cmocka_unit_test(a_poisoned_string_takes_nothing_more),
        cmocka_unit_test(cutting_keeps_the_head_and_the_poison),
        cmocka_unit_test(cutting_to_nothing_makes_it_good_again),
        cmocka_unit_test(taking_moves_the_text_out),
        cmocka_unit_test(no_string_at_all_is_out_of_memory_and_harmless),
    };

    return cmocka_run_group_tests_name("string", tests, NULL, NULL);
}
