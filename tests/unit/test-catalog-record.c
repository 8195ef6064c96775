/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "catalog/catalog-priv.h"

static json_t *parse(const char *text)
{
    json_t *json = NULL;
    CorError err = {0};

    if (!cor_json_parse(text, strlen(text), &json, &err)) {
        fail_msg("%s", err.text);
    }
    return json;
}

#define UIDS                                                                                 \
    "\"sop_class_uid\":\"1.2\",\"sop_instance_uid\":\"1.3\",\"study_instance_uid\":\"1.4\"," \
    "\"series_instance_uid\":\"1.5\",\"transfer_syntax_uid\":\"1.6\""

static void numbers_may_be_missing_null_or_nonsense(void **state)
{
    static const char *const odd[] = {
        "{" UIDS ",\"attributes\":{}}",
        "{" UIDS ",\"attributes\":{},\"instance_number\":null,\"rows\":null,\"modality\":null}",
        "{" UIDS ",\"attributes\":{},\"instance_number\":\"7\",\"rows\":-1,\"frames\":1e300}",
        "{" UIDS ",\"attributes\":{\"00200032\":7,\"00200037\":{\"Value\":{}}},\"modality\":\"\"}",
        "{" UIDS ",\"attributes\":{\"00200032\":{\"Value\":[1,2,\"x\"]},\"00200037\":{\"Value\":"
        "[1,0,0,0,1,0]}},\"modality\":\"SEVENTEEN LETTERS\"}",
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(odd); i++) {
        CorCatalogRecord record;
        CorError err = {0};
        COR_CLEANUP(cor_json_freep) json_t *json = parse(odd[i]);

        assert_true(cor_catalog_priv_record(json, &record, &err));
        assert_false(record.has_instance_number);
        assert_false(record.has_slice_position);
        assert_int_equal(record.rows, 0);
        assert_int_equal(record.frames, 0);
        assert_null(record.modality);
    }
}

static void the_slice_position_is_along_the_normal_of_the_image(void **state)
{
    static const struct {
        const char *text;
        double expected;
    } cases[] = {
        {"[\"10\",\"20 \",-30.5]},\"00200037\":{\"Value\":[1,0,0,0,1,0]}", -30.5}, /* axial */
        {"[10,20,30]},\"00200037\":{\"Value\":[0,1,0,0,0,-1]}", -10},              /* sagittal */
        {"[10,20,30]},\"00200037\":{\"Value\":[\"1\",\"0\",\"0\",\"0\",\"0\",\"-1\"]}",
         20}, /* coronal */
    };
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        char text[512];
        CorCatalogRecord record;

        (void) snprintf(text, sizeof(text),
                        "{" UIDS ",\"attributes\":{\"00200032\":{\"Value\":%s}}", cases[i].text);
        COR_CLEANUP(cor_json_freep) json_t *json = parse(text);
        assert_true(cor_catalog_priv_record(json, &record, NULL));
        assert_true(record.has_slice_position);
        assert_true(record.slice_position_mm == cases[i].expected);
    }
}

static void a_name_is_its_groups_joined_as_in_a_file(void **state)
{
    char name[COR_CATALOG_TEXT_MAX + 1];
    COR_CLEANUP(cor_json_freep)
    json_t *json = parse("{\"1\":{\"Value\":[{\"Alphabetic\":\"A^B\",\"Phonetic\":\"c\"}]},"
                         "\"2\":{\"Value\":[{\"Alphabetic\":\"A^B\"}]},\"3\":{\"Value\":[]},"
                         "\"4\":{\"Value\":[null]},\"5\":{\"Value\":[{\"Alphabetic\":5}]}}");
    (void) state;

    cor_catalog_priv_person_name(json, "1", name);
    assert_string_equal(name, "A^B==c");
    cor_catalog_priv_person_name(json, "2", name);
    assert_string_equal(name, "A^B");
    for (int i = 3; i <= 6; i++) {
        char tag[2] = {(char) ('0' + i), '\0'};
        cor_catalog_priv_person_name(json, tag, name);
        assert_string_equal(name, "");
    }
}

static void names_are_folded_for_searching(void **state)
{
    static const char *const pairs[][2] = {
        {"Doe^Jane", "doe jane"},
        {"^^  DOE ^ Jane ^^^", "doe jane"},
        {"M\xC3\x9CLLER^\xC3\x89va", "m\xC3\xBCller \xC3\xA9va"},
        {"\xD0\x98\xD0\x92\xD0\x90\xD0\x9D", "\xD0\xB8\xD0\xB2\xD0\xB0\xD0\xBD"},
        {"\xE5\xB1\xB1\xE7\x94\xB0^\xE5\xA4\xAA\xE9\x83\x8E",
         "\xE5\xB1\xB1\xE7\x94\xB0 \xE5\xA4\xAA\xE9\x83\x8E"},
        {"\xF0\x90\x90\x80", "\xF0\x90\x90\xA8"},
        {"", ""},
    };
    char folded[COR_CATALOG_TEXT_MAX + 1];
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(pairs); i++) {
        cor_catalog_priv_fold_name(pairs[i][0], folded);
        assert_string_equal(folded, pairs[i][1]);
    }
}

static void long_texts_are_cut_between_characters(void **state)
{
    char name[COR_CATALOG_TEXT_MAX + 1];
    char folded[COR_CATALOG_TEXT_MAX + 1];
    char text[3 * COR_CATALOG_TEXT_MAX + 1];
    (void) state;

    for (size_t i = 0; i < 3 * COR_CATALOG_TEXT_MAX; i += 3) {
        memcpy(text + i, "\xE5\xB1\xB1", 3);
    }
    text[3 * COR_CATALOG_TEXT_MAX] = '\0';
    COR_CLEANUP(cor_json_freep)
    json_t *json =
        json_pack("{s:{s:[{s:s,s:s}]}}", "1", "Value", "Alphabetic", text, "Phonetic", text);
    cor_catalog_priv_person_name(json, "1", name);
    assert_true(strlen(name) > COR_CATALOG_TEXT_MAX - 8);
    assert_true(cor_utf8_is_valid(name, strlen(name)));
    cor_catalog_priv_fold_name(name, folded);
    assert_true(cor_utf8_is_valid(folded, strlen(folded)));
    assert_int_equal(cor_catalog_priv_text_size("a\xC3\xA9", 2), 1);
    assert_int_equal(cor_catalog_priv_text_size("a\xC3\xA9", 3), 3);
    assert_int_equal(cor_catalog_priv_text_size("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_may_be_missing_null_or_nonsense),
        cmocka_unit_test(the_slice_position_is_along_the_normal_of_the_image),
        cmocka_unit_test(a_name_is_its_groups_joined_as_in_a_file),
        cmocka_unit_test(names_are_folded_for_searching),
        cmocka_unit_test(long_texts_are_cut_between_characters),
    };

    return cmocka_run_group_tests_name("catalog-record", tests, NULL, NULL);
}
