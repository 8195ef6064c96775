/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "program/log.h"

#define FIELDS(...) ((const CorLogField[]){__VA_ARGS__ __VA_OPT__(, ){.kind = COR_LOG_END}})

static void a_line_names_time_level_room_and_fields(void **state)
{
    char line[512];
    (void) state;

    size_t size = cor_log_format(
        &(CorLogEvent){1769903999123, COR_LOG_INFO, "../src/worker/worker.c", "job done",
                       FIELDS(COR_F("job", "7c1e"), COR_FI("ms", 412), COR_FR("x", 0.5))},
        line, sizeof(line));

    assert_string_equal(line, "ts=2026-01-31T23:59:59.123Z level=info room=worker msg=\"job done\" "
                              "job=7c1e ms=412 x=0.5\n");
    assert_int_equal(size, strlen(line));
}

static void a_value_from_outside_cannot_begin_a_line_or_a_field(void **state)
{
    char line[512];
    (void) state;

    cor_log_format(&(CorLogEvent){0, COR_LOG_ERROR, "main.c", "a",
                                  FIELDS(COR_F("v", "x\nts=1 \"q\" \\ \x1b[31m"))},
                   line, sizeof(line));
    assert_string_equal(line, "ts=1970-01-01T00:00:00.000Z level=error room=main msg=\"a\" "
                              "v=\"x\\nts=1 \\\"q\\\" \\\\ \\x1b[31m\"\n");
    cor_log_format(&(CorLogEvent){0, COR_LOG_ERROR, "main.c", "a",
                                  FIELDS(COR_F("a", ""), COR_F("b", NULL), COR_F("c", "k=v"),
                                         COR_F("d", "\xff"), COR_F("e", "Z\xc3\xbcrich"))},
                   line, sizeof(line));
    assert_non_null(strstr(line, " a=\"\" b=null c=\"k=v\" d=\"\\xff\" e=\"Z\xc3\xbcrich\"\n"));
}

static void a_line_that_is_too_long_is_cut_and_still_ends(void **state)
{
    char line[64];
    char text[200];
    (void) state;

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    size_t size = cor_log_format(&(CorLogEvent){0, COR_LOG_INFO, "main.c", text, FIELDS()}, line,
                                 sizeof(line));
    assert_int_equal(size, sizeof(line) - 1);
    assert_int_equal(line[size - 1], '\n');
    assert_int_equal(line[size], '\0');
}

static void a_level_that_is_not_wanted_costs_nothing(void **state)
{
    int evaluated = 0;
    (void) state;

    cor_log_set_level(COR_LOG_ERROR);
    cor_log_debug("nothing", COR_FI("n", ++evaluated));
    cor_log_info("nothing");
    assert_int_equal(evaluated, 0);
    cor_log_set_level(COR_LOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_names_time_level_room_and_fields),
        cmocka_unit_test(a_value_from_outside_cannot_begin_a_line_or_a_field),
        cmocka_unit_test(a_line_that_is_too_long_is_cut_and_still_ends),
        cmocka_unit_test(a_level_that_is_not_wanted_costs_nothing),
    };

    return cmocka_run_group_tests_name("program-log", tests, NULL, NULL);
}
