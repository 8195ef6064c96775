/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "http/http-target.h"

static CorHttpTarget *parse(const char *raw)
{
    CorHttpTarget *target = NULL;
    CorError err = {0};

    if (!cor_http_target_parse(raw, 8192, &target, &err)) {
        fail_msg("%s: %s", raw, err.text);
    }
    return target;
}

static void an_encoded_slash_belongs_to_its_segment(void **state)
{
    COR_CLEANUP(cor_http_target_freep) CorHttpTarget *target = parse("/a%2Fb/c%20d//e");
    (void) state;

    assert_int_equal(target->segments_len, 4);
    assert_string_equal(target->segments[0], "a/b");
    assert_string_equal(target->segments[1], "c d");
    assert_string_equal(target->segments[2], "");
    assert_string_equal(target->segments[3], "e");
    assert_string_equal(target->path, "/a/b/c d//e");
    assert_string_equal(target->tails[0], "a/b/c d//e");
    assert_string_equal(target->tails[1], "c d//e");
    assert_null(target->authority);
}

static void the_root_has_one_empty_segment(void **state)
{
    COR_CLEANUP(cor_http_target_freep) CorHttpTarget *target = parse("/");
    (void) state;

    assert_int_equal(target->segments_len, 1);
    assert_string_equal(target->segments[0], "");
    assert_string_equal(target->path, "/");
}

static void a_query_is_decoded_pair_by_pair(void **state)
{
    COR_CLEANUP(cor_http_target_freep)
    CorHttpTarget *target = parse("/x?a=1+2&b=%26%3D&&flag&a=%C3%A9&=v&c==");
    (void) state;

    assert_int_equal(target->query_len, 6);
    assert_string_equal(target->names[0], "a");
    assert_string_equal(target->values[0], "1 2");
    assert_string_equal(target->values[1], "&=");
    assert_string_equal(target->names[2], "flag");
    assert_string_equal(target->values[2], "");
    assert_string_equal(target->values[3], "\xC3\xA9");
    assert_string_equal(target->names[4], "");
    assert_string_equal(target->values[4], "v");
    assert_string_equal(target->values[5], "=");
}

static void a_plus_in_a_path_stays_a_plus(void **state)
{
    COR_CLEANUP(cor_http_target_freep) CorHttpTarget *target = parse("/a+b");
    (void) state;

    assert_string_equal(target->segments[0], "a+b");
}

static void the_absolute_form_brings_its_own_host(void **state)
{
    COR_CLEANUP(cor_http_target_freep) CorHttpTarget *first = parse("http://proxy.example:80/a?b");
    COR_CLEANUP(cor_http_target_freep) CorHttpTarget *second = parse("HTTP://h?q=1");
    (void) state;

    assert_string_equal(first->authority, "proxy.example:80");
    assert_string_equal(first->path, "/a");
    assert_string_equal(second->path, "/");
    assert_string_equal(second->values[0], "1");
}

static void what_cannot_be_decoded_is_refused(void **state)
{
    static const char *const bad[] = {"/a%00b",  "/a%",        "/a%2",     "/a%zz",   "/%FF",
                                      "/%C0%AF", "/%ED%A0%80", "/x?a=%00", "/x?%=1",  "",
                                      "a/b",     "/a b",       "/a\tb",    "/a#frag", "http:///x",
                                      "?a=1",    "/a\x7F"};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        CorHttpTarget *target = NULL;
        CorError err = {0};
        if (cor_http_target_parse(bad[i], 8192, &target, &err)) {
            fail_msg("'%s' was taken", bad[i]);
        }
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_null(target);
    }
}

static void sizes_are_bounded(void **state)
{
    char slashes[COR_HTTP_SEGMENT_MAX + 2];
    char pairs[3 + 2 * (COR_HTTP_QUERY_MAX + 1)];
    CorHttpTarget *target = NULL;
    CorError err = {0};
    (void) state;

    memset(slashes, '/', sizeof(slashes) - 1);
    slashes[sizeof(slashes) - 1] = '\0';
    assert_false(cor_http_target_parse(slashes, 8192, &target, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    slashes[COR_HTTP_SEGMENT_MAX] = '\0';
    assert_true(cor_http_target_parse(slashes, 8192, &target, &err));
    assert_int_equal(target->segments_len, COR_HTTP_SEGMENT_MAX);
    cor_http_target_free(target);
    target = NULL;

    memcpy(pairs, "/?", 3);
    for (size_t i = 0; i <= COR_HTTP_QUERY_MAX; i++) {
        memcpy(pairs + 2 + 2 * i, "a&", 3);
    }
    assert_false(cor_http_target_parse(pairs, 8192, &target, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    assert_false(cor_http_target_parse("/abc", 3, &target, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_encoded_slash_belongs_to_its_segment),
        cmocka_unit_test(the_root_has_one_empty_segment),
        cmocka_unit_test(a_query_is_decoded_pair_by_pair),
        cmocka_unit_test(a_plus_in_a_path_stays_a_plus),
        cmocka_unit_test(the_absolute_form_brings_its_own_host),
        cmocka_unit_test(what_cannot_be_decoded_is_refused),
        cmocka_unit_test(sizes_are_bounded),
    };

    return cmocka_run_group_tests_name("http-target", tests, NULL, NULL);
}
