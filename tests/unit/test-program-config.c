/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "program/config.h"

static char folder[] = "/tmp/corsia-config-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void) state;
    if (!mkdtemp(folder)) {
        return -1;
    }
    (void) snprintf(path, sizeof(path), "%s/c.conf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void) state;
    (void) unlink(path);
    return rmdir(folder);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static CorConfig *load(char *const *argv, char *const *environment)
{
    CorConfig *config = NULL;
    CorError err = {0};
    int argc = 0;

    while (argv && argv[argc]) {
        argc++;
    }
    if (!cor_config_load(argc, argv, environment, &config, &err)) {
        fail_msg("%s", err.text);
    }
    return config;
}

static void assert_refused(char *const *argv, char *const *environment, const char *sentence)
{
    CorConfig *config = NULL;
    CorError err = {0};
    int argc = 0;

    while (argv && argv[argc]) {
        argc++;
    }
    assert_false(cor_config_load(argc, argv, environment, &config, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    assert_string_equal(err.text, sentence);
    assert_null(config);
}

#define ARGS(...) ((char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void the_defaults_are_those_of_the_design(void **state)
{
    COR_CLEANUP(cor_config_freep) CorConfig *config = load(NULL, NULL);
    (void) state;

    assert_int_equal(config->listen.len, 1);
    assert_string_equal(config->listen.items[0], "127.0.0.1:8080");
    assert_string_equal(config->public_url, "http://127.0.0.1:8080");
    assert_true(config->public_url_is_derived);
    assert_string_equal(config->queue, "sqlite:./data/corsia.db");
    assert_string_equal(config->blob, "file:./data/objects");
    assert_int_equal(config->queue_bound, 100000);
    assert_int_equal(config->body_max_bytes, 256 * 1024);
    assert_int_equal(config->file_max_bytes, INT64_C(4) << 30);
    assert_int_equal(config->frame_max_bytes, INT64_C(512) << 20);
    assert_int_equal(config->host_memory_bytes, INT64_C(2) << 30);
    assert_int_equal(config->disk_floor_bytes, INT64_C(1) << 30);
    assert_int_equal(config->retention_days, 7);
    assert_int_equal(config->lease_ms, 30000);
    assert_int_equal(config->job_timeout_ms, 15 * 60 * 1000);
    assert_int_equal(config->ws_buffer_bytes, 1 << 20);
    assert_int_equal(config->ws_connections_per_client, 32);
    assert_int_equal(config->log_level, COR_LOG_INFO);
    assert_in_range(config->job_hosts_max, 1, 10);
    assert_false(cor_config_is_beyond_loopback(config));
}

static void a_flag_goes_before_the_environment_and_that_before_the_file(void **state)
{
    (void) state;
    write_file("[Limits]\nqueue_bound = 1\nattempts_max = 2 ; a word\nws_ping=5 s\n");
    COR_CLEANUP(cor_config_freep)
    CorConfig *config = load(ARGS("--config", path, "--ws-ping=7s"),
                             ARGS("CORSIA_QUEUE_BOUND=10", "CORSIA_WS_PING=6 s", "HOME=/"));

    assert_int_equal(config->attempts_max, 2);
    assert_int_equal(config->queue_bound, 10);
    assert_int_equal(config->ws_ping_ms, 7000);
}

static void the_file_may_be_named_in_the_environment(void **state)
{
    char variable[96];
    (void) state;

    (void) snprintf(variable, sizeof(variable), "CORSIA_CONFIG=%s", path);
    write_file("data = /srv/corsia\n");
    COR_CLEANUP(cor_config_freep) CorConfig *config = load(NULL, ARGS(variable));

    assert_string_equal(config->queue, "sqlite:/srv/corsia/corsia.db");
}

static void a_list_goes_on_in_indented_lines(void **state)
{
    (void) state;
    write_file("origins = https://a.example, https://b.example\n  https://c.example\nhosts = x\n");
    COR_CLEANUP(cor_config_freep) CorConfig *config = load(ARGS("--config", path), NULL);

    assert_int_equal(config->origins.len, 3);
    assert_string_equal(config->origins.items[2], "https://c.example");
    assert_int_equal(config->hosts.len, 1);
}

static void assert_only_host(const char *flag, const char *host)
{
    COR_CLEANUP(cor_config_freep)
    CorConfig *config = load(ARGS((char *) flag, "--insecure=yes"), NULL);

    assert_int_equal(config->hosts.len, 1);
    assert_string_equal(config->hosts.items[0], host);
}

static void the_host_in_the_public_url_may_be_asked_for(void **state)
{
    (void) state;
    assert_only_host("--public-url=https://pacs.example/corsia/", "pacs.example");
    assert_only_host("--public-url=http://pacs.example:8080", "pacs.example");
    assert_only_host("--public-url=http://[2001:db8::1]:80/x", "[2001:db8::1]");
    assert_only_host("--listen=192.0.2.7:80", "192.0.2.7");
    assert_refused(ARGS("--public-url=http:///x"), NULL, "public_url: 'http:///x' has no host");
}

static void an_unknown_key_is_refused_with_its_place_and_a_guess(void **state)
{
    char sentence[256];
    (void) state;

    write_file("# words\n\nqueue_bond = 5\n");
    (void) snprintf(sentence, sizeof(sentence),
                    "%s:3: unknown key 'queue_bond'; did you mean 'queue_bound'?", path);
    assert_refused(ARGS("--config", path), NULL, sentence);
    assert_refused(ARGS("--lsten", "x"), NULL,
                   "--lsten: unknown key 'lsten'; did you mean 'listen'?");
    assert_refused(NULL, ARGS("CORSIA_WATERMARK=1"),
                   "environment variable CORSIA_WATERMARK: unknown key 'watermark'");
}

static void what_kubernetes_sets_for_a_service_called_corsia_is_passed_over(void **state)
{
    COR_CLEANUP(cor_config_freep)
    CorConfig *config = load(NULL, ARGS("CORSIA_SERVICE_HOST=10.0.0.1", "CORSIA_PORT=tcp://x",
                                        "CORSIA_PORT_8080_TCP_PROTO=tcp"));
    (void) state;
    assert_non_null(config);
}

static void a_bad_value_is_refused_even_where_a_flag_would_replace_it(void **state)
{
    char sentence[256];
    (void) state;

    write_file("lease = 30\n");
    (void) snprintf(sentence, sizeof(sentence),
                    "%s:1: lease: '30' is no duration such as 500 ms, 30 s or 15 min", path);
    assert_refused(ARGS("--config", path, "--lease=30s"), NULL, sentence);
}

static void every_type_says_what_would_be_right(void **state)
{
    static const struct {
        const char *flag, *value, *sentence;
    } cases[] = {
        {"--queue-bound", "many", "--queue-bound: 'many' is no whole number"},
        {"--queue-bound", "0", "--queue-bound: '0' is not between 1 and 100000000"},
        {"--queue-bound", "99999999999999999999",
         "--queue-bound: '99999999999999999999' is no whole number"},
        {"--body-max", "5 apples", "--body-max: '5 apples' is no size such as 256 KiB or 4 GiB"},
        {"--body-max", "1 KB", "--body-max: '1 KB' is no size such as 256 KiB or 4 GiB"},
        {"--body-max", "1 B", "--body-max: '1 B' is not between 1024 and 67108864 bytes"},
        {"--sandbox", "none", "--sandbox: 'none' is none of strict, best-effort"},
        {"--insecure=maybe", NULL, "--insecure: 'maybe' is neither yes nor no"},
        {"--listen", "8080", "listen: '8080' is no address such as 127.0.0.1:8080 or [::1]:8080"},
        {"--listen", "::1:8080",
         "listen: '::1:8080' is no address such as 127.0.0.1:8080 or [::1]:8080"},
        {"--listen", "", "listen: needs at least one address"},
        {"--public-url", "viewer", "public_url: 'viewer' is no http:// or https:// URL"},
        {"--queue", NULL, "--queue: needs a value"},
        {"stray", NULL, "unexpected argument 'stray'"},
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        assert_refused(ARGS((char *) cases[i].flag, (char *) cases[i].value), NULL,
                       cases[i].sentence);
    }
}

static void a_line_that_is_too_long_or_no_line_at_all_is_refused(void **state)
{
    char text[600] = "origins = ";
    char sentence[256];
    (void) state;

    memset(text + 10, 'a', sizeof(text) - 12);
    text[sizeof(text) - 2] = '\n';
    text[sizeof(text) - 1] = '\0';
    write_file(text);
    CorConfig *config = NULL;
    CorError err = {0};
    assert_false(cor_config_load(2, ARGS("--config", path), NULL, &config, &err));
    assert_non_null(strstr(err.text, ":1: the line is longer than"));

    write_file("listen here\n");
    (void) snprintf(sentence, sizeof(sentence), "%s:1: neither 'key = value' nor a comment", path);
    assert_refused(ARGS("--config", path), NULL, sentence);

    write_file("lease = 30 s\nlease = 31 s\n");
    (void) snprintf(sentence, sizeof(sentence), "%s:2: 'lease' is set twice", path);
    assert_refused(ARGS("--config", path), NULL, sentence);
}

static void listening_beyond_loopback_needs_a_token_or_a_plain_yes(void **state)
{
    static const char *const beyond[] = {"0.0.0.0:8080", "[::]:80", "10.1.2.3:8080",
                                         "127.0.0.1:1,192.168.0.1:1", "viewer.example:80"};
    static const char *const loopback[] = {"127.0.0.1:0", "127.9.9.9:1", "[::1]:8080",
                                           "localhost:8080"};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(beyond); i++) {
        CorConfig *config = NULL;
        CorError err = {0};
        assert_false(cor_config_load(2, ARGS("--listen", (char *) beyond[i]), NULL, &config, &err));
        assert_non_null(strstr(err.text, "token_file"));
        COR_CLEANUP(cor_config_freep)
        CorConfig *open = load(ARGS("--insecure", "--listen", (char *) beyond[i]), NULL);
        COR_CLEANUP(cor_config_freep)
        CorConfig *token = load(ARGS("--listen", (char *) beyond[i], "--token-file", "t"), NULL);
        assert_true(open->insecure);
        assert_true(cor_config_is_beyond_loopback(token));
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(loopback); i++) {
        COR_CLEANUP(cor_config_freep)
        CorConfig *config = load(ARGS("--listen", (char *) loopback[i]), NULL);
        assert_false(cor_config_is_beyond_loopback(config));
    }
}

static void a_token_is_one_visible_line_that_not_everybody_can_read(void **state)
{
    char *token = NULL;
    CorError err = {0};
    (void) state;

    assert_true(cor_config_read_token("", &token, &err));
    assert_null(token);

    write_file("0123456789abcdef\n");
    assert_int_equal(chmod(path, 0604), 0);
    assert_false(cor_config_read_token(path, &token, &err));
    assert_int_equal(err.code, COR_ERR_DENIED);
    assert_int_equal(chmod(path, 0600), 0);
    assert_true(cor_config_read_token(path, &token, &err));
    assert_string_equal(token, "0123456789abcdef");
    free(token);

    write_file("short\n");
    assert_false(cor_config_read_token(path, &token, &err));
    write_file("two lines that are\nlong enough\n");
    assert_false(cor_config_read_token(path, &token, &err));
    assert_null(strstr(err.text, "long enough"));
}

static void the_sample_names_every_key_and_loads(void **state)
{
    COR_CLEANUP(cor_string_freep) CorString *sample = cor_string_new(1 << 16);
    COR_CLEANUP(cor_string_freep) CorString *active = cor_string_new(1 << 16);
    COR_CLEANUP(cor_string_freep) CorString *now = cor_string_new(1 << 16);
    COR_CLEANUP(cor_string_freep) CorString *before = cor_string_new(1 << 16);
    (void) state;

    cor_config_sample(sample);
    for (const char *c = cor_string_text(sample); *c; c++) { /* "#key =" -> "key =" */
        bool is_key = *c == '#' && c[1] >= 'a' && c[1] <= 'z';
        cor_string_append(active, c + is_key, 1);
        c += is_key;
    }
    write_file(cor_string_text(active));
    COR_CLEANUP(cor_config_freep) CorConfig *config = load(ARGS("--config", path), NULL);
    COR_CLEANUP(cor_config_freep) CorConfig *defaults = load(NULL, NULL);
    cor_config_print(config, now);
    cor_config_print(defaults, before);
    assert_string_equal(cor_string_text(now), cor_string_text(before));
    assert_true(cor_string_size(now) > 500);
}

static void the_committed_sample_is_what_the_table_writes(void **state)
{
    const char *root = getenv("COR_SOURCE_ROOT");
    COR_CLEANUP(cor_string_freep) CorString *sample = cor_string_new(1 << 16);
    char text[1 << 14];
    char name[512];
    (void) state;

    if (!root) {
        print_message("COR_SOURCE_ROOT is not set\n");
        skip();
    }
    (void) snprintf(name, sizeof(name), "%s/corsia.conf.sample", root);
    FILE *file = fopen(name, "re");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    (void) fclose(file);
    text[size] = '\0';
    cor_config_sample(sample);
    assert_string_equal(text, cor_string_text(sample));
}

static void a_password_in_a_uri_is_not_printed(void **state)
{
    COR_CLEANUP(cor_string_freep) CorString *out = cor_string_new(1 << 16);
    COR_CLEANUP(cor_config_freep)
    CorConfig *config = load(ARGS("--queue", "postgres://me:hunter2@db/corsia"), NULL);
    (void) state;

    cor_config_print(config, out);
    assert_null(strstr(cor_string_text(out), "hunter2"));
    assert_non_null(strstr(cor_string_text(out), "db/corsia"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_those_of_the_design),
        cmocka_unit_test(a_flag_goes_before_the_environment_and_that_before_the_file),
        cmocka_unit_test(the_file_may_be_named_in_the_environment),
        cmocka_unit_test(a_list_goes_on_in_indented_lines),
        cmocka_unit_test(the_host_in_the_public_url_may_be_asked_for),
        cmocka_unit_test(an_unknown_key_is_refused_with_its_place_and_a_guess),
        cmocka_unit_test(what_kubernetes_sets_for_a_service_called_corsia_is_passed_over),
        cmocka_unit_test(a_bad_value_is_refused_even_where_a_flag_would_replace_it),
        cmocka_unit_test(every_type_says_what_would_be_right),
        cmocka_unit_test(a_line_that_is_too_long_or_no_line_at_all_is_refused),
        cmocka_unit_test(listening_beyond_loopback_needs_a_token_or_a_plain_yes),
        cmocka_unit_test(a_token_is_one_visible_line_that_not_everybody_can_read),
        cmocka_unit_test(the_sample_names_every_key_and_loads),
        cmocka_unit_test(the_committed_sample_is_what_the_table_writes),
        cmocka_unit_test(a_password_in_a_uri_is_not_printed),
    };

    return cmocka_run_group_tests_name("program-config", tests, make_folder, remove_folder);
}
