/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/array.h"
#include "http/http-media-type.h"

static void a_type_comes_out_in_lower_case_with_its_parameters(void **state)
{
    CorHttpMediaType type;
    (void) state;

    assert_true(cor_http_media_type_parse_all(
        " Multipart/Related ; Type=\"application/DICOM\";BOUNDARY = aBc ;; ", &type, NULL));

    assert_string_equal(type.type, "multipart/related");
    assert_int_equal(type.parameters_len, 2);
    assert_string_equal(cor_http_media_type_parameter(&type, "type"), "application/DICOM");
    assert_string_equal(cor_http_media_type_parameter(&type, "boundary"), "aBc");
    assert_null(cor_http_media_type_parameter(&type, "q"));
}

static void a_value_may_lack_the_quotes_that_it_needs(void **state)
{
    CorHttpMediaType type;
    (void) state;

    assert_true(cor_http_media_type_parse_all(
        "multipart/related; type=application/dicom+json; boundary=--(a=b?)/:@; x", &type, NULL));

    assert_string_equal(cor_http_media_type_parameter(&type, "type"), "application/dicom+json");
    assert_string_equal(cor_http_media_type_parameter(&type, "boundary"), "--(a=b?)/:@");
    assert_string_equal(cor_http_media_type_parameter(&type, "x"), "");
}

static void quotes_hide_dividers_and_escapes_are_undone(void **state)
{
    const char *list = "a/b;p=\"x,\\\"y\\\\;z\", c/d";
    CorHttpMediaType type;
    (void) state;

    assert_true(cor_http_media_type_parse(&list, &type, NULL));
    assert_string_equal(cor_http_media_type_parameter(&type, "p"), "x,\"y\\;z");
    assert_string_equal(list, ", c/d");
}

static void a_list_goes_on_behind_an_element_that_is_nonsense(void **state)
{
    const char *list = "no subtype;q=\"a,b\" x, */*;q=0.2,*;q=.1";
    CorHttpMediaType type;
    CorError err = {0};
    (void) state;

    assert_false(cor_http_media_type_parse(&list, &type, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    assert_int_equal(*list, ',');
    list++;
    assert_true(cor_http_media_type_parse(&list, &type, NULL));
    assert_string_equal(type.type, "*/*");
    assert_string_equal(cor_http_media_type_parameter(&type, "q"), "0.2");
    list++;
    assert_true(cor_http_media_type_parse(&list, &type, NULL));
    assert_string_equal(type.type, "*/*");
    assert_string_equal(cor_http_media_type_parameter(&type, "q"), ".1");
    assert_string_equal(list, "");
}

static void what_is_no_media_type_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "a",
        "a/",
        "/b",
        "a b/c",
        "a/b c",
        "a/b;=x",
        "a/b;p=",
        "a/b;p=\"x",
        "a/b;p=\"x\"y",
        "a/b;p=\"\001\"",
        "a/b, c/d",
        "a/b;p q",
        "a/b;p=\"\\",
        "a/b;p=\x80",
        "a/b/c",
        ";a/b",
        "a/b;p=x\"y\"",
        "**",
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        CorHttpMediaType type;
        CorError err = {0};
        if (cor_http_media_type_parse_all(bad[i], &type, &err)) {
            fail_msg("'%s' was read", bad[i]);
        }
        assert_int_equal(err.code, COR_ERR_INVALID);
    }
}

static void size_and_number_of_parameters_are_bounded(void **state)
{
    char text[COR_HTTP_MEDIA_TYPE_MAX + 2];
    char many[COR_HTTP_MEDIA_PARAMETERS_MAX * 4 + 8] = "a/b";
    CorHttpMediaType type;
    CorError err = {0};
    (void) state;

    memset(text, 'x', sizeof(text));
    text[1] = '/';
    text[COR_HTTP_MEDIA_TYPE_MAX] = '\0';
    assert_true(cor_http_media_type_parse_all(text, &type, NULL));
    assert_int_equal(strlen(type.type), COR_HTTP_MEDIA_TYPE_MAX);
    text[COR_HTTP_MEDIA_TYPE_MAX] = 'x';
    text[COR_HTTP_MEDIA_TYPE_MAX + 1] = '\0';
    assert_false(cor_http_media_type_parse_all(text, &type, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);

    for (size_t i = 0; i < COR_HTTP_MEDIA_PARAMETERS_MAX; i++) {
        (void) strcat(many, ";p=v"); // style-ok: sized above
    }
    assert_true(cor_http_media_type_parse_all(many, &type, NULL));
    (void) strcat(many, ";p"); // style-ok: sized above
    assert_false(cor_http_media_type_parse_all(many, &type, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_type_comes_out_in_lower_case_with_its_parameters),
        cmocka_unit_test(a_value_may_lack_the_quotes_that_it_needs),
        cmocka_unit_test(quotes_hide_dividers_and_escapes_are_undone),
        cmocka_unit_test(a_list_goes_on_behind_an_element_that_is_nonsense),
        cmocka_unit_test(what_is_no_media_type_is_refused),
        cmocka_unit_test(size_and_number_of_parameters_are_bounded),
    };

    return cmocka_run_group_tests_name("http-media-type", tests, NULL, NULL);
}
