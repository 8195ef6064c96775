/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/array.h"
#include "http/http-guard.h"
#include "http/http-range.h"
#include "http/http-ticket.h"

static const char *const no_names[] = {""};

static void loopback_is_known_by_its_names_only(void **state)
{
    static const char *const good[] = {"localhost",   "LOCALHOST:8080", "127.0.0.1",
                                       "127.1.2.3:1", "[::1]",          "[::1]:8080"};
    static const char *const bad[] = {"localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "evil",
                                      "[::2]:80",
                                      "localhost:80x",
                                      "",
                                      ":80",
                                      "localhost:1234567",
                                      "user@localhost",
                                      "[::1",
                                      "127.0.0.1/",
                                      "1270.0.1"};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(good); i++) {
        assert_true(cor_http_host_is_allowed(good[i], no_names, 0));
        assert_true(cor_http_host_is_loopback(good[i]));
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        if (cor_http_host_is_allowed(bad[i], no_names, 0)) {
            fail_msg("'%s' was allowed", bad[i]);
        }
    }
}

static void a_configured_host_is_allowed_with_any_port(void **state)
{
    static const char *const names[] = {"pacs.local", "10.0.0.5"};
    static const char *const any[] = {"*"};
    (void) state;

    assert_true(cor_http_host_is_allowed("PACS.local:8080", names, 2));
    assert_true(cor_http_host_is_allowed("10.0.0.5", names, 2));
    assert_false(cor_http_host_is_allowed("pacs.local.evil", names, 2));
    assert_true(cor_http_host_is_allowed("whatever", any, 1));
    assert_false(cor_http_host_is_allowed("what ever", any, 1));
}

static void foreign_origins_are_told_from_friends(void **state)
{
    static const char *const patterns[] = {"https://viewer.example", "http://dev.example:*"};
    static const char *const good[] = {"http://localhost:5173", "http://127.0.0.1",
                                       "http://[::1]:80",       "https://viewer.example",
                                       "http://dev.example:9",  "http://dev.example"};
    static const char *const bad[] = {"null",
                                      "",
                                      "https://localhost",
                                      "http://localhost.evil.example",
                                      "https://viewer.example:444",
                                      "https://viewer.example.evil",
                                      "http://dev.example.evil:9",
                                      "http://127.0.0.2",
                                      "http://dev.example:x",
                                      "file://",
                                      "http://localhost:80/path"};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(good); i++) {
        if (!cor_http_origin_is_allowed(good[i], patterns, 2)) {
            fail_msg("'%s' was refused", good[i]);
        }
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        if (cor_http_origin_is_allowed(bad[i], patterns, 2)) {
            fail_msg("'%s' was allowed", bad[i]);
        }
    }
    assert_true(cor_http_origin_is_same("https://pacs.local", "pacs.local"));
    assert_false(cor_http_origin_is_same("https://pacs.local:1", "pacs.local"));
}

static void an_origin_pattern_is_checked_before_use(void **state)
{
    (void) state;

    assert_true(cor_http_origin_pattern_is_legal("https://viewer.example"));
    assert_true(cor_http_origin_pattern_is_legal("http://[::1]:*"));
    assert_true(cor_http_origin_pattern_is_legal("*"));
    assert_false(cor_http_origin_pattern_is_legal("viewer.example"));
    assert_false(cor_http_origin_pattern_is_legal("https://viewer.example/"));
    assert_false(cor_http_origin_pattern_is_legal("https://*.example"));
}

static void a_token_is_compared_whole(void **state)
{
    (void) state;

    assert_true(cor_http_token_is_right("secret", 6, "secret"));
    assert_false(cor_http_token_is_right("secre", 5, "secret"));
    assert_false(cor_http_token_is_right("secrets", 7, "secret"));
    assert_string_equal(cor_http_bearer("bearer  abc"), "abc");
    assert_null(cor_http_bearer("Basic abc"));
    assert_null(cor_http_bearer(NULL));
}

static void lists_and_media_types_ignore_parameters(void **state)
{
    (void) state;

    assert_true(cor_http_list_has("keep-alive, Upgrade", "upgrade"));
    assert_true(cor_http_list_has("text/html;q=0.5 , application/json ; v=1", "application/json"));
    assert_false(cor_http_list_has("upgrades", "upgrade"));
    assert_false(cor_http_list_has(NULL, "upgrade"));
    assert_true(cor_http_type_is("Application/JSON; charset=utf-8", "application/json"));
    assert_false(cor_http_type_is("application/jsonp", "application/json"));
    assert_false(cor_http_type_is(NULL, "application/json"));
}

static void check_range(const char *header, CorHttpRangeKind kind, uint64_t offset, uint64_t size)
{
    uint64_t got_offset = 77;
    uint64_t got_size = 77;

    assert_int_equal(cor_http_range_parse(header, 1000, &got_offset, &got_size), kind);
    if (kind == COR_HTTP_RANGE_PART) {
        assert_int_equal(got_offset, offset);
        assert_int_equal(got_size, size);
    }
}

static void ranges_are_read_as_the_standard_says(void **state)
{
    (void) state;

    check_range("bytes=0-0", COR_HTTP_RANGE_PART, 0, 1);
    check_range("bytes=10-19", COR_HTTP_RANGE_PART, 10, 10);
    check_range("bytes=990-", COR_HTTP_RANGE_PART, 990, 10);
    check_range("bytes=-5", COR_HTTP_RANGE_PART, 995, 5);
    check_range("bytes=-5000", COR_HTTP_RANGE_PART, 0, 1000);
    check_range("bytes=0-99999999999999999999999", COR_HTTP_RANGE_PART, 0, 1000);
    check_range("bytes=1000-", COR_HTTP_RANGE_UNSATISFIABLE, 0, 0);
    check_range("bytes=99999999999999999999999-", COR_HTTP_RANGE_UNSATISFIABLE, 0, 0);
    check_range("bytes=-0", COR_HTTP_RANGE_UNSATISFIABLE, 0, 0);
    check_range("bytes=0-1,5-6", COR_HTTP_RANGE_WHOLE, 0, 0);
    check_range("bytes=9-3", COR_HTTP_RANGE_WHOLE, 0, 0);
    check_range("bytes=-", COR_HTTP_RANGE_WHOLE, 0, 0);
    check_range("items=0-1", COR_HTTP_RANGE_WHOLE, 0, 0);
    check_range(NULL, COR_HTTP_RANGE_WHOLE, 0, 0);
}

static void entity_tags_are_found_in_lists(void **state)
{
    (void) state;

    assert_true(cor_http_etag_matches_any("\"a\", W/\"b\" , \"c\"", "\"b\""));
    assert_true(cor_http_etag_matches_any("*", "\"b\""));
    assert_false(cor_http_etag_matches_any("\"ab\"", "\"b\""));
    assert_false(cor_http_etag_matches_any("\"b", "\"b\""));
    assert_false(cor_http_etag_matches_any(NULL, "\"b\""));
    assert_true(cor_http_if_range_holds(NULL, "\"b\""));
    assert_true(cor_http_if_range_holds("\"b\"", "\"b\""));
    assert_false(cor_http_if_range_holds("W/\"b\"", "\"b\""));
    assert_false(cor_http_if_range_holds("Mon, 01 Jan 2024 00:00:00 GMT", "\"b\""));
}

static void a_ticket_is_good_once(void **state)
{
    COR_CLEANUP(cor_http_tickets_freep) CorHttpTickets *tickets = cor_http_tickets_new(60000, 2);
    char first[COR_HTTP_TICKET_SIZE];
    char second[COR_HTTP_TICKET_SIZE];
    CorError err = {0};
    (void) state;

    assert_true(cor_http_tickets_issue(tickets, first, &err));
    assert_true(cor_http_tickets_issue(tickets, second, &err));
    assert_false(cor_http_tickets_issue(tickets, second, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    assert_true(cor_http_tickets_redeem(tickets, first));
    assert_false(cor_http_tickets_redeem(tickets, first));
    assert_false(cor_http_tickets_redeem(tickets, ""));
    assert_true(cor_http_tickets_issue(tickets, first, &err));
}

static void a_ticket_without_a_life_is_never_good(void **state)
{
    COR_CLEANUP(cor_http_tickets_freep) CorHttpTickets *tickets = cor_http_tickets_new(0, 1);
    char ticket[COR_HTTP_TICKET_SIZE];
    (void) state;

    assert_true(cor_http_tickets_issue(tickets, ticket, NULL));
    assert_false(cor_http_tickets_redeem(tickets, ticket));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_is_known_by_its_names_only),
        cmocka_unit_test(a_configured_host_is_allowed_with_any_port),
        cmocka_unit_test(foreign_origins_are_told_from_friends),
        cmocka_unit_test(an_origin_pattern_is_checked_before_use),
        cmocka_unit_test(a_token_is_compared_whole),
        cmocka_unit_test(lists_and_media_types_ignore_parameters),
        cmocka_unit_test(ranges_are_read_as_the_standard_says),
        cmocka_unit_test(entity_tags_are_found_in_lists),
        cmocka_unit_test(a_ticket_is_good_once),
        cmocka_unit_test(a_ticket_without_a_life_is_never_good),
    };

    return cmocka_run_group_tests_name("http-guard", tests, NULL, NULL);
}
