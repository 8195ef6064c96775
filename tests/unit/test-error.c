/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/id.h"

static void wrapping_puts_the_outer_context_first(void **state)
{
    CorError err = {0};
    (void) state;

    assert_false(cor_fail_errno(&err, ENOSPC, "fsync"));
    cor_error_wrap(&err, "put blob '%s'", "a/b");

    assert_string_equal(err.text, "put blob 'a/b': fsync: No space left on device");
    assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
    assert_true(cor_error_is_transient(&err));
}

static void wrapping_a_silent_failure_makes_it_a_bug(void **state)
{
    CorError err = {0};
    (void) state;

    cor_error_wrap(&err, "open");

    assert_int_equal(err.code, COR_ERR_BUG);
}

static void a_text_that_is_too_long_is_cut_between_characters(void **state)
{
    CorError err = {0};
    char text[600];
    (void) state;

    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', sizeof(text));
        for (size_t i = shift; i + 3 < sizeof(text); i += 3) {
            memcpy(text + i, "\xE2\x82\xAC", 3);
        }
        text[sizeof(text) - 1] = '\0';
        assert_false(cor_fail(&err, COR_ERR_INVALID, "%s", text));
        assert_true(cor_utf8_is_valid(err.text, strlen(err.text)));
        assert_true(strlen(err.text) > COR_ERROR_TEXT_SIZE - 5);
    }
}

static void only_unavailable_and_timeout_are_transient(void **state)
{
    (void) state;

    for (int code = 1; code < COR_ERR_COUNT_; code++) {
        CorError err = {.code = (CorErrorCode) code};
        assert_int_equal(cor_error_is_transient(&err),
                         code == COR_ERR_UNAVAILABLE || code == COR_ERR_TIMEOUT);
    }
}

static void a_code_is_found_again_by_its_name(void **state)
{
    (void) state;

    for (int code = 0; code < COR_ERR_COUNT_; code++) {
        assert_int_equal(cor_error_code_from_name(cor_error_code_name((CorErrorCode) code)), code);
    }
    assert_int_equal(cor_error_code_from_name("unheard of"), COR_ERR_BUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrapping_puts_the_outer_context_first),
        cmocka_unit_test(wrapping_a_silent_failure_makes_it_a_bug),
        cmocka_unit_test(a_text_that_is_too_long_is_cut_between_characters),
        cmocka_unit_test(only_unavailable_and_timeout_are_transient),
        cmocka_unit_test(a_code_is_found_again_by_its_name),
    };

    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
