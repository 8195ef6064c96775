/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog-fixture.h"

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

typedef struct Reading {
    json_t *json;
    CorCatalogRecord record;
} Reading;

static bool run_record(CorSqlTxn *txn, void *arg, CorError *err)
{
    Reading *reading = arg;

    return cor_catalog_priv_record(reading->json, &reading->record, err) &&
           cor_catalog_priv_record_attributes(txn, reading->json, &reading->record, err);
}

static void reading_done(Reading *reading)
{
    cor_catalog_priv_record_done(&reading->record);
    json_decref(reading->json);
}

/* Read a record with its attributes. */
static void read_record(Fixture *fixture, const char *text, Reading *reading)
{
    CorError err = {0};

    reading->json = parse(text);
    if (!cor_sql_read(fixture->db, run_record, reading, &err)) {
        fail_msg("%s", err.text);
    }
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

    for (size_t i = 0; i < COR_ARRAY_LEN(odd); i++) {
        COR_CLEANUP(reading_done) Reading reading = {0};

        read_record(*state, odd[i], &reading);
        assert_false(reading.record.has_instance_number);
        assert_false(reading.record.has_slice_position);
        assert_int_equal(reading.record.rows, 0);
        assert_int_equal(reading.record.frames, 0);
        assert_null(reading.record.modality);
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

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        COR_CLEANUP(reading_done) Reading reading = {0};
        char text[512];

        (void) snprintf(text, sizeof(text),
                        "{" UIDS ",\"attributes\":{\"00200032\":{\"Value\":%s}}", cases[i].text);
        read_record(*state, text, &reading);
        assert_true(reading.record.has_slice_position);
        assert_true(reading.record.slice_position_mm == cases[i].expected);
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
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_open, fixture_close)
    const struct CMUnitTest tests[] = {
        CASE(numbers_may_be_missing_null_or_nonsense),
        CASE(the_slice_position_is_along_the_normal_of_the_image),
        cmocka_unit_test(a_name_is_its_groups_joined_as_in_a_file),
        cmocka_unit_test(names_are_folded_for_searching),
        cmocka_unit_test(long_texts_are_cut_between_characters),
    };

    return cmocka_run_group_tests_name("catalog-record", tests, NULL, NULL);
}
