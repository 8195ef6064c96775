/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "dicom/dicom.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "dicom-attributes.h"
#include "dicom-builder.h"
#include "dicom-prepare.h"

#define EXPLICIT "1.2.840.10008.1.2.1"

static Builder builder;

static CorDicom *open_builder(const CorDicomLimits *limits)
{
    CorDicom *dicom = NULL;
    CorError err = {0};

    if (!cor_dicom_open_memory(builder.data, builder.size, limits, &dicom, &err)) {
        fail_msg("%s", err.text);
    }
    return dicom;
}

static void assert_refused(const CorDicomLimits *limits, CorErrorCode code, const char *text)
{
    CorDicom *dicom = NULL;
    CorError err = {0};

    assert_false(cor_dicom_open_memory(builder.data, builder.size, limits, &dicom, &err));
    assert_null(dicom);
    assert_string_equal(err.text, text);
    assert_int_equal(err.code, code);
}

static void a_file_without_preamble_and_meta_header_is_read(void **state)
{
    CorDicom *dicom = NULL;
    CorError err = {0};
    char text[32];
    (void) state;

    builder_init(&builder, EXPLICIT);
    size_t start = builder.size;
    add_uids(&builder);
    add_text(&builder, 0x00080060, "CS", "CT");
    assert_true(
        cor_dicom_open_memory(builder.data + start, builder.size - start, NULL, &dicom, &err));

    assert_string_equal(cor_dicom_transfer_syntax_uid(dicom), EXPLICIT);
    assert_true(cor_dicom_text(dicom, 0x00080060, text, sizeof(text)));
    assert_string_equal(text, "CT");
    cor_dicom_free(dicom);
}

static void what_is_no_dicom_is_refused(void **state)
{
    static const char *const others[] = {"", "x", "%PDF-1.4 and so on", "\x89PNG\r\n\x1a\n00000000",
                                         "{\"a\": 1, \"b\": 2}"};
    (void) state;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        builder.size = strlen(others[i]);
        memcpy(builder.data, others[i], builder.size);
        assert_refused(NULL, COR_ERR_INVALID, "this is not a DICOM file");
    }
}

static void a_length_past_the_end_is_refused_by_tag_and_offset(void **state)
{
    (void) state;
    builder_init(&builder, EXPLICIT);
    size_t offset = builder.size;
    char expected[128];

    add_head(&builder, 0x00280010, "UT", 4000000000u);
    snprintf(expected, sizeof(expected),
             "element (0028,0010) at offset %zu: length 4000000000 goes past the end of the file",
             offset);
    assert_refused(NULL, COR_ERR_CORRUPT, expected);
}

static void nesting_beyond_the_limit_is_refused(void **state)
{
    const CorDicomLimits limits = {.depth_max = 3};
    (void) state;

    builder_init(&builder, EXPLICIT);
    for (int i = 0; i < 4; i++) {
        add_head(&builder, 0x00081140, "SQ", 0xFFFFFFFFu);
        add_item(&builder, 0xE000, 0xFFFFFFFFu);
    }
    assert_refused(&limits, COR_ERR_LIMIT, "sequences are nested deeper than 3 levels");
    cor_dicom_free(open_builder(NULL));
}

static void elements_beyond_the_limit_are_refused(void **state)
{
    const CorDicomLimits limits = {.elements_max = 5};
    (void) state;

    builder_init(&builder, EXPLICIT);
    for (uint32_t i = 0; i < 6; i++) {
        add_us(&builder, 0x00280010 + i, 1);
    }
    assert_refused(&limits, COR_ERR_LIMIT, "the file has more than 5 elements");
}

static void delimiters_that_are_missing_at_the_end_are_forgiven(void **state)
{
    (void) state;
    builder_init(&builder, EXPLICIT);
    add_head(&builder, 0x00081140, "SQ", 0xFFFFFFFFu);
    add_item(&builder, 0xE000, 0xFFFFFFFFu);
    add_text(&builder, 0x00081150, "UI", "1.2.3");

    CorDicom *dicom = open_builder(NULL);
    assert_attribute(
        dicom, "00081140",
        "{\"Value\":[{\"00081150\":{\"Value\":[\"1.2.3\"],\"vr\":\"UI\"}}],\"vr\":\"SQ\"}");
    cor_dicom_free(dicom);
}

static void a_sequence_under_the_name_of_un_is_read_as_implicit(void **state)
{
    (void) state;
    builder_init(&builder, EXPLICIT);
    add_head(&builder, 0x00081140, "UN", 0xFFFFFFFFu);
    add_item(&builder, 0xE000, 0xFFFFFFFFu);
    add_number(&builder, 0x11500008, 4); /* (0008,1150) without a VR */
    add_number(&builder, 6, 4);
    add_bytes(&builder, "1.2.3\0", 6);
    add_item(&builder, 0xE00D, 0);
    add_item(&builder, 0xE0DD, 0);

    CorDicom *dicom = open_builder(NULL);
    assert_attribute(
        dicom, "00081140",
        "{\"Value\":[{\"00081150\":{\"Value\":[\"1.2.3\"],\"vr\":\"UI\"}}],\"vr\":\"SQ\"}");
    cor_dicom_free(dicom);
}

static void padding_at_the_end_is_forgiven(void **state)
{
    (void) state;
    builder_init(&builder, EXPLICIT);
    add_uids(&builder);
    add_bytes(&builder, (const uint8_t[1000]){0}, 1000);

    CorDicom *dicom = open_builder(NULL);
    assert_true(cor_dicom_has(dicom, 0x00080018));
    cor_dicom_free(dicom);
}

static void a_meta_header_that_lies_about_implicit_vr_is_not_believed(void **state)
{
    char text[32];
    (void) state;

    builder_init(&builder, "1.2.840.10008.1.2");
    add_text(&builder, 0x00080060, "CS", "MR");
    CorDicom *dicom = open_builder(NULL);
    assert_true(cor_dicom_text(dicom, 0x00080060, text, sizeof(text)));
    assert_string_equal(text, "MR");
    cor_dicom_free(dicom);
}

static void the_record_names_the_uid_that_is_missing(void **state)
{
    char *json = NULL;
    CorError err = {0};
    (void) state;

    builder_init(&builder, EXPLICIT);
    add_uids(&builder);
    add_text(&builder, 0x0020000D, "UI", "2.25.1");
    CorDicom *dicom = open_builder(NULL);
    assert_false(cor_dicom_index_json(dicom, &json, NULL, &err));
    assert_null(json);
    assert_int_equal(err.code, COR_ERR_INVALID);
    assert_string_equal(err.text, "Series Instance UID (0020,000E) is missing or empty");
    cor_dicom_free(dicom);
}

static void an_illegal_uid_is_refused(void **state)
{
    char *json = NULL;
    CorError err = {0};
    (void) state;

    builder_init(&builder, EXPLICIT);
    add_text(&builder, 0x00080016, "UI", "../../etc");
    CorDicom *dicom = open_builder(NULL);
    assert_false(cor_dicom_index_json(dicom, &json, NULL, &err));
    assert_string_equal(err.text, "SOP Class UID (0008,0016) is no legal UID");
    cor_dicom_free(dicom);
}

static void the_record_has_the_facts_of_an_image(void **state)
{
    char *text = NULL;
    size_t size = 0;
    json_t *json = NULL;
    CorError err = {0};
    (void) state;

    builder_init(&builder, EXPLICIT);
    add_uids(&builder);
    add_text(&builder, 0x00080060, "CS", "CT");
    add_study_and_series(&builder);
    add_text(&builder, 0x00200013, "IS", "17");
    add_grey(&builder, 2, 3, 8, 8, 0);
    add_value(&builder, 0x7FE00010, "OB", "abcdef", 6);
    CorDicom *dicom = open_builder(NULL);
    assert_true(cor_dicom_index_json(dicom, &text, &size, &err));
    assert_int_equal(strlen(text), size);
    assert_true(cor_json_parse(text, size, &json, &err));

    assert_string_equal(cor_json_string(json, "series_instance_uid", ""), "2.25.2");
    assert_string_equal(cor_json_string(json, "modality", ""), "CT");
    assert_int_equal(cor_json_integer(json, "rows", 0), 2);
    assert_int_equal(cor_json_integer(json, "columns", 0), 3);
    assert_int_equal(cor_json_integer(json, "frames", 0), 1);
    assert_int_equal(cor_json_integer(json, "instance_number", 0), 17);
    assert_true(cor_json_boolean(json, "has_pixels", false));
    json_decref(json);
    free(text);
    assert_attribute(dicom, "7FE00010", "{\"BulkDataURI\":\"bulkdata/7FE00010\",\"vr\":\"OB\"}");
    assert_attribute(dicom, "00280010", "{\"Value\":[2],\"vr\":\"US\"}");
    cor_dicom_free(dicom);
}

static void decimal_strings_become_numbers_that_json_allows(void **state)
{
    (void) state;
    builder_init(&builder, EXPLICIT);
    add_text(&builder, 0x00180050, "DS", "+007.50\\-.5\\1.\\1e999\\abc\\\\ 12 ");
    CorDicom *dicom = open_builder(NULL);
    assert_attribute(dicom, "00180050",
                     "{\"Value\":[7.5,-0.5,1,\"1e999\",\"abc\",null,12],\"vr\":\"DS\"}");
    cor_dicom_free(dicom);
}

static void a_tag_that_comes_twice_is_told_once(void **state)
{
    (void) state;
    builder_init(&builder, EXPLICIT);
    add_text(&builder, 0x00100020, "LO", "first");
    add_text(&builder, 0x00100010, "PN", "A^B=C=D");
    add_text(&builder, 0x00100020, "LO", "second");
    CorDicom *dicom = open_builder(NULL);
    assert_attribute(dicom, "00100020", "{\"Value\":[\"first\"],\"vr\":\"LO\"}");
    assert_attribute(
        dicom, "00100010",
        "{\"Value\":[{\"Alphabetic\":\"A^B\",\"Ideographic\":\"C\",\"Phonetic\":\"D\"}],"
        "\"vr\":\"PN\"}");
    cor_dicom_free(dicom);
}

static void binary_values_are_inline_when_short_and_a_link_when_long(void **state)
{
    static const uint8_t bytes[5000];
    (void) state;

    builder_init(&builder, EXPLICIT);
    add_value(&builder, 0x00091010, "OB", "\x01\x02\x03\x04", 4);
    add_value(&builder, 0x00091011, "OB", bytes, sizeof(bytes));
    CorDicom *dicom = open_builder(NULL);
    assert_attribute(dicom, "00091010", "{\"InlineBinary\":\"AQIDBA==\",\"vr\":\"OB\"}");
    assert_attribute(dicom, "00091011", "{\"BulkDataURI\":\"bulkdata/00091011\",\"vr\":\"OB\"}");
    cor_dicom_free(dicom);
}

static void a_record_over_its_limit_is_refused(void **state)
{
    const CorDicomLimits limits = {.json_bytes_max = 64};
    char *text = NULL;
    CorError err = {0};
    (void) state;

    builder_init(&builder, EXPLICIT);
    add_text(&builder, 0x00104000, "LT",
             "a long comment, longer than the sixty-four bytes that this record may have");
    CorDicom *dicom = open_builder(&limits);
    assert_false(cor_dicom_attributes_json(dicom, &text, NULL, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    cor_dicom_free(dicom);
}

static void the_listing_for_logs_has_no_values(void **state)
{
    (void) state;
    builder_init(&builder, EXPLICIT);
    add_text(&builder, 0x00100010, "PN", "Doe^Jane");
    CorDicom *dicom = open_builder(NULL);
    char *listing = cor_dicom_describe(dicom, 10);
    assert_string_equal(listing, "(0010,0010) PN 8\n");
    free(listing);
    cor_dicom_free(dicom);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_without_preamble_and_meta_header_is_read),
        cmocka_unit_test(what_is_no_dicom_is_refused),
        cmocka_unit_test(a_length_past_the_end_is_refused_by_tag_and_offset),
        cmocka_unit_test(nesting_beyond_the_limit_is_refused),
        cmocka_unit_test(elements_beyond_the_limit_are_refused),
        cmocka_unit_test(delimiters_that_are_missing_at_the_end_are_forgiven),
        cmocka_unit_test(a_sequence_under_the_name_of_un_is_read_as_implicit),
        cmocka_unit_test(padding_at_the_end_is_forgiven),
        cmocka_unit_test(a_meta_header_that_lies_about_implicit_vr_is_not_believed),
        cmocka_unit_test(the_record_names_the_uid_that_is_missing),
        cmocka_unit_test(an_illegal_uid_is_refused),
        cmocka_unit_test(the_record_has_the_facts_of_an_image),
        cmocka_unit_test(decimal_strings_become_numbers_that_json_allows),
        cmocka_unit_test(a_tag_that_comes_twice_is_told_once),
        cmocka_unit_test(binary_values_are_inline_when_short_and_a_link_when_long),
        cmocka_unit_test(a_record_over_its_limit_is_refused),
        cmocka_unit_test(the_listing_for_logs_has_no_values),
    };

    return cmocka_run_group_tests_name("dicom-file", tests, prepare, NULL);
}
