/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "dicom/dicom-capture.h"

#include <stdlib.h>
#include <string.h>

#include "dicom-builder.h"
#include "dicom-prepare.h"

static Builder builder;
static const uint8_t picture[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static const CorDicomCapture capture = {
    .algo_id = "processing_1",
    .algo_version = "1.2.3",
    .params_text = "{\"sigma\":2.0}",
    .sop_instance_uid = "2.25.100",
    .series_instance_uid = "2.25.200",
    .content_unix_ms = 1767225599123, /* 2025-12-31 23:59:59.123 */
    .plane = {picture, 2, 2, 6, COR_PIXEL_RGB8},
};

static CorDicom *open_source(bool with_timezone)
{
    CorDicom *dicom = NULL;
    CorError err = {0};

    builder_init(&builder, "1.2.840.10008.1.2.1");
    add_text(&builder, 0x00080005, "CS", "ISO_IR 144");
    add_uids(&builder);
    add_text(&builder, 0x00080020, "DA", "1994.11.05"); /* as ACR-NEMA wrote it */
    if (with_timezone) {
        add_text(&builder, 0x00080201, "SH", "+0130");
    }
    add_text(&builder, 0x00100010, "PN", "\xBB\xEE\xDA");
    add_study_and_series(&builder);
    add_text(&builder, 0x00200013, "IS", "17");
    add_text(&builder, 0x00200037, "DS", "1\\0\\0\\0\\0\\-1");
    add_grey(&builder, 1, 2, 8, 8, 0);
    add_value(&builder, 0x7FE00010, "OB", "ab", 2);
    if (!cor_dicom_open_memory(builder.data, builder.size, NULL, &dicom, &err)) {
        fail_msg("%s", err.text);
    }
    return dicom;
}

static void assert_text(const CorDicom *dicom, uint32_t tag, const char *expected)
{
    char text[256];

    (void) cor_dicom_text(dicom, tag, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void a_capture_is_a_readable_file_in_the_sources_study(void **state)
{
    CorDicom *source = open_source(false);
    CorDicom *derived = NULL;
    CorDicomFrame *frame = NULL;
    uint8_t *file = NULL;
    size_t size = 0;
    CorError err = {0};
    (void) state;

    assert_true(cor_dicom_write_secondary_capture(source, 0, &capture, &file, &size, &err));
    assert_true(cor_dicom_open_memory(file, size, NULL, &derived, &err));
    assert_text(derived, 0x00080016, "1.2.840.10008.5.1.4.1.1.7");
    assert_text(derived, 0x00080018, "2.25.100");
    assert_text(derived, 0x0020000D, "2.25.1");
    assert_text(derived, 0x0020000E, "2.25.200");
    assert_text(derived, 0x00200011, "999");
    assert_text(derived, 0x00200013, "17");
    assert_text(derived, 0x00200020, "L"); /* the first of L\F */
    assert_text(derived, 0x0008103E, "processing_1 Derived");
    assert_text(derived, 0x00181030, "Post-processed with processing_1");
    assert_text(derived, 0x00082111,
                "processing_1 (processing_1 1.2.3), parameters {\"sigma\":2.0}");
    assert_text(derived, 0x00100010, "Люк");
    assert_text(derived, 0x00080020, "19941105");
    assert_text(derived, 0x00080023, "20251231");
    assert_text(derived, 0x00080033, "235959.123");
    assert_true(cor_dicom_decode_frame(derived, 0, 0, &frame, &err));
    assert_memory_equal(cor_dicom_frame_plane(frame)->data, picture, sizeof(picture));

    cor_dicom_frame_free(frame);
    cor_dicom_free(derived);
    cor_dicom_free(source);
    free(file);
}

static void two_captures_of_the_same_are_the_same_bytes(void **state)
{
    CorDicom *source = open_source(false);
    uint8_t *first = NULL;
    uint8_t *second = NULL;
    size_t first_size = 0;
    size_t second_size = 0;
    CorError err = {0};
    (void) state;

    assert_true(cor_dicom_write_secondary_capture(source, 0, &capture, &first, &first_size, &err));
    assert_true(
        cor_dicom_write_secondary_capture(source, 0, &capture, &second, &second_size, &err));
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    free(first);
    free(second);
    cor_dicom_free(source);
}

static void times_are_those_of_the_sources_zone(void **state)
{
    CorDicom *source = open_source(true);
    CorDicom *derived = NULL;
    uint8_t *file = NULL;
    size_t size = 0;
    CorError err = {0};
    (void) state;

    assert_true(cor_dicom_write_secondary_capture(source, 0, &capture, &file, &size, &err));
    assert_true(cor_dicom_open_memory(file, size, NULL, &derived, &err));
    assert_text(derived, 0x00080201, "+0130");
    assert_text(derived, 0x00080023, "20260101");
    assert_text(derived, 0x00080033, "012959.123");
    cor_dicom_free(derived);
    cor_dicom_free(source);
    free(file);
}

static void rows_with_gaps_are_closed_up(void **state)
{
    static const uint8_t gaps[] = {1, 2, 3, 4, 5, 6, 99, 99, 7, 8, 9, 10, 11, 12};
    CorDicomCapture with_gaps = capture;
    CorDicom *source = open_source(false);
    uint8_t *first = NULL;
    uint8_t *second = NULL;
    size_t first_size = 0;
    size_t second_size = 0;
    CorError err = {0};
    (void) state;

    with_gaps.plane.data = gaps;
    with_gaps.plane.row_bytes = 8;
    assert_true(cor_dicom_write_secondary_capture(source, 0, &capture, &first, &first_size, &err));
    assert_true(
        cor_dicom_write_secondary_capture(source, 0, &with_gaps, &second, &second_size, &err));
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    free(first);
    free(second);
    cor_dicom_free(source);
}

static void a_source_without_its_uids_is_refused(void **state)
{
    CorDicom *source = NULL;
    uint8_t *file = NULL;
    size_t size = 7;
    CorError err = {0};
    (void) state;

    builder_init(&builder, "1.2.840.10008.1.2.1");
    add_uids(&builder);
    add_grey(&builder, 1, 2, 8, 8, 0);
    add_value(&builder, 0x7FE00010, "OB", "ab", 2);
    assert_true(cor_dicom_open_memory(builder.data, builder.size, NULL, &source, &err));
    assert_false(cor_dicom_write_secondary_capture(source, 0, &capture, &file, &size, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    assert_string_equal(err.text, "the source has no legal Study Instance UID");
    assert_null(file);
    assert_int_equal(size, 7);
    cor_dicom_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_capture_is_a_readable_file_in_the_sources_study),
        cmocka_unit_test(two_captures_of_the_same_are_the_same_bytes),
        cmocka_unit_test(times_are_those_of_the_sources_zone),
        cmocka_unit_test(rows_with_gaps_are_closed_up),
        cmocka_unit_test(a_source_without_its_uids_is_refused),
    };

    return cmocka_run_group_tests_name("dicom-capture", tests, prepare, NULL);
}
