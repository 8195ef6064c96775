/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/id.h"
#include "base/uri.h"

static void a_uri_is_split_behind_its_scheme(void **state)
{
    CorUri uri;
    (void) state;

    assert_true(cor_uri_parse("sqlite:data/corsia.db", &uri, NULL));
    assert_string_equal(uri.scheme, "sqlite");
    assert_string_equal(uri.rest, "data/corsia.db");
    assert_string_equal(uri.shown, "sqlite:data/corsia.db");
    assert_true(cor_uri_parse("NATS://host:4222", &uri, NULL));
    assert_true(cor_uri_has_scheme(&uri, "nats"));
    assert_false(cor_uri_has_scheme(&uri, "nat"));
    assert_string_equal(uri.rest, "//host:4222");
    assert_true(cor_uri_parse("file:", &uri, NULL));
    assert_string_equal(uri.rest, "");
}

static void a_password_is_not_shown(void **state)
{
    static const char *const pairs[][2] = {
        {"nats://user:secret@host:4222/x", "nats://user:***@host:4222/x"},
        {"postgresql://u:@h/db", "postgresql://u:***@h/db"},
        {"nats://user:se:cr@et@host", "nats://user:***@host"},
        {"nats://user:sec/ret@host", "nats://user:***@host"},
        {"nats://user@host:4222", "nats://user@host:4222"},
        {"nats://host:4222", "nats://host:4222"},
        {"sqlite:a:b@c", "sqlite:a:b@c"},
    };
    CorUri uri;
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(pairs); i++) {
        assert_true(cor_uri_parse(pairs[i][0], &uri, NULL));
        assert_string_equal(uri.shown, pairs[i][1]);
    }
}

static void what_is_no_uri_is_refused(void **state)
{
    static const char *const bad[] = {"", "data", ":data", "a/b",
                                      "a-scheme-that-is-longer-than-any-other:x"};
    char longest[COR_URI_MAX + 1];
    CorUri uri;
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        CorError err = {0};
        assert_false(cor_uri_parse(bad[i], &uri, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
    }
    memset(longest, 'x', sizeof(longest));
    longest[1] = ':';
    longest[COR_URI_MAX - 9] = '\0';
    assert_true(cor_uri_parse(longest, &uri, NULL));
    longest[COR_URI_MAX - 9] = 'x';
    longest[COR_URI_MAX - 8] = '\0';
    assert_false(cor_uri_parse(longest, &uri, NULL));
}

static void the_longest_uri_keeps_its_end_when_a_password_is_hidden(void **state)
{
    char text[COR_URI_MAX];
    CorUri uri;
    (void) state;

    memset(text, 'h', sizeof(text));
    memcpy(text, "s://u:@", 7);
    text[COR_URI_MAX - 10] = '!';
    text[COR_URI_MAX - 9] = '\0';
    assert_true(cor_uri_parse(text, &uri, NULL));
    assert_int_equal(strlen(uri.shown), COR_URI_MAX - 9 + 3);
    assert_int_equal(uri.shown[strlen(uri.shown) - 1], '!');
}

/* ---- Percent-encoding ---- */

static void only_unreserved_and_kept_characters_stay_as_they_are(void **state)
{
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(1000);
    (void) state;

    cor_percent_encode(text, "AZaz09-._~", "");
    cor_percent_encode(text, "/ +%?#\x01\xC3\xA9", "");
    cor_percent_encode(text, "a/b c", "/");

    assert_string_equal(cor_string_text(text), "AZaz09-._~%2F%20%2B%25%3F%23%01%C3%A9a/b%20c");
}

static void escapes_are_decoded_in_either_case(void **state)
{
    char out[32];
    (void) state;

    assert_true(cor_percent_decode("a%2fb%2Fc%C3%a9+", 16, false, out, NULL));
    assert_string_equal(out, "a/b/c\xC3\xA9+");
    assert_true(cor_percent_decode("a+b%2B", 6, true, out, NULL));
    assert_string_equal(out, "a b+");
    assert_true(cor_percent_decode("%25rest is not looked at", 3, false, out, NULL));
    assert_string_equal(out, "%");
    assert_true(cor_percent_decode("", 0, false, out, NULL));
    assert_string_equal(out, "");
}

static void an_escape_is_decoded_once(void **state)
{
    char out[16];
    (void) state;

    assert_true(cor_percent_decode("%252F", 5, false, out, NULL));
    assert_string_equal(out, "%2F");
}

static void bad_escapes_and_bad_text_are_refused(void **state)
{
    static const char *const bad[] = {"%",   "a%",  "%2",     "%2",        "%zz",
                                      "%2g", "%-1", "% 1",    "%00",       "a%00b",
                                      "%FF", "%C3", "%C0%AF", "%ED%A0%80", "\xC3\x28"};
    char out[32];
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        CorError err = {0};
        assert_false(cor_percent_decode(bad[i], strlen(bad[i]), false, out, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
    }
    assert_false(cor_percent_decode("%41", 2, false, out, NULL)); /* the third is beyond its size */
}

/* Any valid text, encoded with any set of kept characters, comes back as it was. */
static void encoding_and_decoding_give_the_text_back(void **state)
{
    static const char *const alphabet[] = {"a",
                                           "Z",
                                           "9",
                                           "-",
                                           "~",
                                           "%",
                                           "/",
                                           "+",
                                           " ",
                                           "&",
                                           "=",
                                           "\x01",
                                           "\"",
                                           "\\",
                                           "?",
                                           "\xC3\xA9",
                                           "\xE2\x82\xAC",
                                           "\xF0\x9F\x98\x80"};
    static const char *const kept[] = {"", "/", "/+", "&=?"};
    uint32_t seed = 1;
    (void) state;

    for (int round = 0; round < 2000; round++) {
        COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(1000);
        COR_CLEANUP(cor_string_freep) CorString *encoded = cor_string_new(4000);
        char out[1000];

        for (int i = 0; i < round % 40; i++) {
            seed = seed * 1664525u + 1013904223u;
            cor_string_append_text(text, alphabet[(seed >> 16) % COR_ARRAY_LEN(alphabet)]);
        }
        cor_percent_encode(encoded, cor_string_text(text), kept[round % 4]);
        assert_true(cor_percent_decode(cor_string_text(encoded), cor_string_size(encoded), false,
                                       out, NULL));
        assert_string_equal(out, cor_string_text(text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_uri_is_split_behind_its_scheme),
        cmocka_unit_test(a_password_is_not_shown),
        cmocka_unit_test(what_is_no_uri_is_refused),
        cmocka_unit_test(the_longest_uri_keeps_its_end_when_a_password_is_hidden),
        cmocka_unit_test(only_unreserved_and_kept_characters_stay_as_they_are),
        cmocka_unit_test(escapes_are_decoded_in_either_case),
        cmocka_unit_test(an_escape_is_decoded_once),
        cmocka_unit_test(bad_escapes_and_bad_text_are_refused),
        cmocka_unit_test(encoding_and_decoding_give_the_text_back),
    };

    return cmocka_run_group_tests_name("uri", tests, NULL, NULL);
}
