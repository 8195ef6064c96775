/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdbool.h>
#include <time.h>

#include "base/array.h"
#include "base/time.h"

static const struct {
    int64_t unix_ms;
    const char *iso;
} moments[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {1, "1970-01-01T00:00:00.001Z"},
    {-1, "1969-12-31T23:59:59.999Z"},
    {-1000, "1969-12-31T23:59:59.000Z"},
    {951782400000, "2000-02-29T00:00:00.000Z"},
    {1700000000123, "2023-11-14T22:13:20.123Z"},
    {4102444799999, "2099-12-31T23:59:59.999Z"},
    {253402300799999, "9999-12-31T23:59:59.999Z"},
};

static void a_moment_is_written_as_iso_8601(void **state)
{
    char text[COR_TIME_ISO_SIZE];
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(moments); i++) {
        assert_string_equal(cor_time_iso(moments[i].unix_ms, text, sizeof(text)), moments[i].iso);
    }
}

static void what_was_written_is_read_back(void **state)
{
    char text[COR_TIME_ISO_SIZE];
    int64_t unix_ms = 0;
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(moments); i++) {
        assert_true(cor_time_parse_iso(moments[i].iso, &unix_ms));
        assert_int_equal(unix_ms, moments[i].unix_ms);
    }
    for (int64_t ms = -4000000000000; ms < 8000000000000; ms += 86399999777) {
        assert_true(cor_time_parse_iso(cor_time_iso(ms, text, sizeof(text)), &unix_ms));
        assert_int_equal(unix_ms, ms);
    }
}

static void a_fraction_may_be_absent_short_or_long(void **state)
{
    static const struct {
        const char *text;
        int64_t unix_ms;
    } fractions[] = {
        {"2023-11-14T22:13:20Z", 1700000000000},
        {"2023-11-14T22:13:20", 1700000000000},
        {"2023-11-14T22:13:20.1Z", 1700000000100},
        {"2023-11-14T22:13:20.12Z", 1700000000120},
        {"2023-11-14T22:13:20.123456Z", 1700000000123},
        {"2023-11-14T22:13:20.999999", 1700000000999},
    };
    int64_t unix_ms = 0;
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(fractions); i++) {
        assert_true(cor_time_parse_iso(fractions[i].text, &unix_ms));
        assert_int_equal(unix_ms, fractions[i].unix_ms);
    }
}

static void what_is_no_such_time_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "now",
        "2023-11-14",
        "2023-11-14 22:13:20Z",
        "2023-11-14T22:13Z",
        "2023-11-14T22:13:20+01:00",
        "2023-11-14T22:13:20z",
        "2023-11-14T22:13:20Zx",
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20.12a",
        "2023-13-01T00:00:00Z",
        "2023-00-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2023-04-31T00:00:00Z",
        "2023-11-14T24:00:00Z",
        "2023-11-14T22:60:00Z",
        "2023-11-14T22:13:61Z",
        "2023-1-4T2:3:2Z",
        " 2023-11-14T22:13:20Z",
        "2023-11- 4T22:13:20Z",
        "-023-11-14T22:13:20Z",
        "12023-11-14T22:13:20Z",
    };
    int64_t unix_ms = 42;
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        if (cor_time_parse_iso(bad[i], &unix_ms)) {
            fail_msg("accepted: %s", bad[i]);
        }
        assert_int_equal(unix_ms, 42);
    }
}

static void a_moment_beyond_all_calendars_still_fits(void **state)
{
    static const int64_t extremes[] = {INT64_MIN, INT64_MAX, INT64_MAX / 1000};
    char text[COR_TIME_ISO_SIZE];
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(extremes); i++) {
        assert_ptr_equal(cor_time_iso(extremes[i], text, sizeof(text)), text);
    }
}

static void the_clocks_run_forward_and_agree(void **state)
{
    int64_t ms = cor_time_ms();
    int64_t us = cor_time_us();
    int64_t unix_s = (int64_t) time(NULL);
    int64_t unix_ms = cor_time_unix_ms();
    (void) state;

    assert_true(us / 1000 >= ms);
    assert_true(cor_time_us() >= us && cor_time_ms() >= ms);
    assert_true(unix_ms / 1000 >= unix_s && unix_ms / 1000 <= (int64_t) time(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_written_as_iso_8601),
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(a_fraction_may_be_absent_short_or_long),
        cmocka_unit_test(what_is_no_such_time_is_refused),
        cmocka_unit_test(a_moment_beyond_all_calendars_still_fits),
        cmocka_unit_test(the_clocks_run_forward_and_agree),
    };

    return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
