/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs read and write as text: arguments, event streams, shell dialects. */
#include "test.h"

#include <string.h>

#include "base/array.h"
#include "cli/args.h"
#include "cli/shell.h"
#include "cli/sse.h"

/* Events as "type|id|data;" in the order in which they came. */
static bool collect(void *context, const char *type, const char *id, const char *data)
{
    cor_string_printf(context, "%s|%s|%s;", type, id, data);
    return strcmp(data, "stop") != 0;
}

static void assert_events(const char *stream, const char *events)
{
    size_t size = strlen(stream);

    for (size_t step = 1; step <= size; step++) { /* cut everywhere */
        COR_CLEANUP(cor_string_freep) CorString *got = cor_string_new(4096);
        COR_CLEANUP(cor_sse_freep) CorSse *sse = cor_sse_new(1024, collect, got);
        CorError err = {0};
        bool goes_on = true;
        for (size_t at = 0; goes_on && at < size; at += step) {
            goes_on = cor_sse_feed(sse, stream + at, COR_MIN(step, size - at), &err);
        }
        assert_int_equal(err.code, COR_OK);
        assert_string_equal(cor_string_text(got), events);
    }
}

static void events_are_read_however_the_bytes_are_cut(void **state)
{
    (void) state;

    assert_events("data: {\"a\":1}\n\n", "message||{\"a\":1};");
    assert_events("id: 7\nevent: result\ndata: x\n\ndata: y\n\n", "result|7|x;message|7|y;");
    assert_events(": keep-alive\n\ndata:no space\ndata: second line\n\n",
                  "message||no space\nsecond line;");
    assert_events("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "message||a;message||b;message||c;");
    assert_events("data\n\nunknown: 1\nretry: 5\ndata: z\n\ndata: cut", "message||;message||z;");
    assert_events("data: stop\n\ndata: never\n\n", "message||stop;");
}

static void an_event_that_is_too_large_is_refused(void **state)
{
    COR_CLEANUP(cor_string_freep) CorString *got = cor_string_new(4096);
    COR_CLEANUP(cor_sse_freep) CorSse *sse = cor_sse_new(64, collect, got);
    CorError err = {0};
    bool goes_on = true;
    (void) state;

    for (int i = 0; goes_on && i < 20; i++) {
        goes_on = cor_sse_feed(sse, "data: 0123456789\n", 17, &err);
    }
    assert_false(goes_on);
    assert_int_equal(err.code, COR_ERR_LIMIT);
}

static void a_value_can_never_become_a_command(void **state)
{
    COR_CLEANUP(cor_json_freep)
    json_t *names = json_pack("{s:s}", "API_BASE", "http://h/'$(rm)`\"\\\xE2\x80\x99");
    static const char *const lines[] = {
        [COR_SHELL_BASH] = "export API_BASE='http://h/'\\''$(rm)`\"\\\xE2\x80\x99'\n",
        [COR_SHELL_POWERSHELL] =
            "$env:API_BASE = 'http://h/''$(rm)`\"\\\xE2\x80\x99\xE2\x80\x99'\n",
        [COR_SHELL_DOTENV] = "API_BASE=\"http://h/'\\$(rm)\\`\\\"\\\\\xE2\x80\x99\"\n",
        [COR_SHELL_JSON] = "{\"API_BASE\":\"http://h/'$(rm)`\\\"\\\\\xE2\x80\x99\"}\n",
    };
    CorError err = {0};
    (void) state;

    for (int shell = 0; shell < COR_SHELL_COUNT_; shell++) {
        COR_CLEANUP(cor_string_freep) CorString *out = cor_string_new(4096);
        assert_true(cor_shell_print((CorShell) shell, names, out, &err));
        assert_string_equal(cor_string_text(out), lines[shell]);
    }
}

static void a_name_that_is_none_is_refused(void **state)
{
    static const char *const bad[] = {"A B", "a", "1A", "", "A;rm", "A=B"};
    CorError err = {0};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        COR_CLEANUP(cor_string_freep) CorString *out = cor_string_new(4096);
        COR_CLEANUP(cor_json_freep) json_t *names = json_pack("{s:s}", bad[i], "x");
        assert_false(cor_shell_print(COR_SHELL_BASH, names, out, &err));
        assert_int_equal(cor_string_size(out), 0);
    }
    COR_CLEANUP(cor_string_freep) CorString *out = cor_string_new(4096);
    COR_CLEANUP(cor_json_freep) json_t *names = json_pack("{s:s}", "A", "two\nlines");
    assert_false(cor_shell_print(COR_SHELL_DOTENV, names, out, &err));
}

static const CorCliVerb verb = {.name = "v", .usage = "X", .summary = "S.", .positional_max = 2};

static int parse(char **argv, CorCliArgs *args, const char **text, CorCliTexts *many, bool *flag)
{
    int argc = 0;
    const CorCliOption options[] = {
        {.name = "text", .value = "T", .text = text, .help = "h"},
        {.name = "many", .value = "M", .texts = many, .help = "h"},
        {.name = "flag", .flag = flag, .help = "h"},
    };

    while (argv[argc]) {
        argc++;
    }
    return cor_cli_parse(&verb, options, COR_ARRAY_LEN(options), argc, argv, args);
}

#define ARGV(...) ((char *[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void options_and_arguments_may_be_mixed(void **state)
{
    const char *text = NULL;
    CorCliTexts many = {0};
    CorCliArgs args = {0};
    bool flag = false;
    (void) state;

    int status = parse(ARGV("a", "--many=1", "--text", "t", "--flag", "--many", "2", "--json",
                            "--server", "http://s", "--", "--b"),
                       &args, &text, &many, &flag);

    assert_int_equal(status, -1);
    assert_string_equal(text, "t");
    assert_int_equal(many.len, 2);
    assert_string_equal(many.items[1], "2");
    assert_true(flag && args.json);
    assert_string_equal(args.server, "http://s");
    assert_int_equal(args.positional.len, 2);
    assert_string_equal(args.positional.items[1], "--b");
}

static void wrong_usage_is_status_2(void **state)
{
    char **const cases[] = {
        ARGV("--unknown"), ARGV("-x"),          ARGV("--text"),
        ARGV("--flag=1"),  ARGV("a", "b", "c"), ARGV("--texts", "x"),
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        const char *text = NULL;
        CorCliTexts many = {0};
        CorCliArgs args = {0};
        bool flag = false;
        assert_int_equal(parse(cases[i], &args, &text, &many, &flag), COR_CLI_USAGE);
    }
}

static void numbers_have_bounds(void **state)
{
    long long number = -7;
    (void) state;

    assert_true(cor_cli_parse_number("0", 5, &number) && number == 0);
    assert_true(cor_cli_parse_number("5", 5, &number) && number == 5);
    assert_true(cor_cli_parse_number("9223372036854775807", INT64_MAX, &number));
    assert_false(cor_cli_parse_number("9223372036854775808", INT64_MAX, &number));
    assert_false(cor_cli_parse_number("6", 5, &number));
    assert_false(cor_cli_parse_number("", 5, &number));
    assert_false(cor_cli_parse_number("-1", 5, &number));
    assert_false(cor_cli_parse_number("1x", 50, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_read_however_the_bytes_are_cut),
        cmocka_unit_test(an_event_that_is_too_large_is_refused),
        cmocka_unit_test(a_value_can_never_become_a_command),
        cmocka_unit_test(a_name_that_is_none_is_refused),
        cmocka_unit_test(options_and_arguments_may_be_mixed),
        cmocka_unit_test(wrong_usage_is_status_2),
        cmocka_unit_test(numbers_have_bounds),
    };

    return cmocka_run_group_tests_name("cli-text", tests, NULL, NULL);
}
