/* SPDX-License-Identifier: Apache-2.0 */
/* Variants of an image: what stays, what changes, and how values become pixels. */
#include "test.h"

#include "dicom/dicom-variant.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom-builder.h"

static Builder builder;
static const CorDicomAlgorithm algorithm = {
    .id = "denoise", .version = "1.2.3", .title = "Denoise", .params_text = "{\"strength\":2}"};
static const CorDicomSource sources[] = {
    {.sop_class_uid = "1.2.840.10008.5.1.4.1.1.2", .sop_instance_uid = "2.25.3"},
    {.sop_class_uid = "1.2.840.10008.5.1.4.1.1.2", .sop_instance_uid = "2.25.12"},
};
static const int16_t values[] = {-3000, -1024, 0, 40, 3071, 5000};

static CorDicomVariant make_variant(void)
{
    return (CorDicomVariant){
        .algorithm = &algorithm,
        .derivation = {"113087", "DCM", "Smoothing"},
        .sources = sources,
        .source_len = 1,
        .sop_instance_uid = "2.25.100",
        .series_instance_uid = "2.25.200",
        .content_unix_ms = 1767225599123, /* 2025-12-31 23:59:59.123 */
        .plane = {values, 3, 2, 6, COR_PIXEL_S16},
    };
}

/* A CT image of 2 rows and 3 columns, 12 bits stored. */
static void add_ct(bool is_signed, const char *slope, const char *intercept)
{
    const uint8_t pixels[12] = {0};

    builder_init(&builder, "1.2.840.10008.1.2.1");
    add_text(&builder, 0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL");
    add_uids(&builder);
    add_value(&builder, 0x00091001, "LO", "private", 7);
    add_text(&builder, 0x00100010, "PN", "A^B");
    add_text(&builder, 0x00180050, "DS", "2.5");
    add_text(&builder, 0x00180088, "DS", "2");
    add_study_and_series(&builder);
    add_text(&builder, 0x00200011, "IS", "3");
    add_text(&builder, 0x00200013, "IS", "17");
    add_grey(&builder, 2, 3, 16, 12, is_signed);
    add_us(&builder, 0x00280107, 77);
    add_text(&builder, 0x00281052, "DS", intercept);
    add_text(&builder, 0x00281053, "DS", slope);
    add_value(&builder, 0x60003000, "OW", "xx", 2);
    add_value(&builder, 0x7FE00010, "OW", pixels, sizeof(pixels));
}

static CorDicom *open_file(const void *data, size_t size)
{
    CorDicom *dicom = NULL;
    CorError err = {0};

    if (!cor_dicom_open_memory(data, size, NULL, &dicom, &err)) {
        fail_msg("%s", err.text);
    }
    return dicom;
}

static CorDicom *derive(const CorDicomVariant *variant, uint8_t **ret_file)
{
    CorDicom *source = open_file(builder.data, builder.size);
    size_t size = 0;
    CorError err = {0};

    if (!cor_dicom_write_variant(source, variant, ret_file, &size, &err)) {
        fail_msg("%s", err.text);
    }
    cor_dicom_free(source);
    return open_file(*ret_file, size);
}

static void assert_text(const CorDicom *dicom, uint32_t tag, const char *expected)
{
    char text[256];

    (void) cor_dicom_text(dicom, tag, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void everything_but_names_pixels_and_derivation_stays(void **state)
{
    CorDicomVariant variant = make_variant();
    uint8_t *file = NULL;
    (void) state;

    add_ct(false, "1", "-1024");
    CorDicom *derived = derive(&variant, &file);
    assert_text(derived, 0x00080008, "DERIVED"); /* the first of several */
    assert_text(derived, 0x00080018, "2.25.100");
    assert_text(derived, 0x0020000E, "2.25.200");
    assert_text(derived, 0x0020000D, "2.25.1");
    assert_text(derived, 0x0008103E, "denoise Derived");
    assert_text(derived, 0x00082111, "Denoise (denoise 1.2.3), parameters {\"strength\":2}");
    assert_text(derived, 0x00080023, "20251231");
    assert_text(derived, 0x00080033, "235959.123");
    assert_text(derived, 0x00100010, "A^B");
    assert_text(derived, 0x00180050, "2.5");
    assert_text(derived, 0x00180088, "2");
    assert_text(derived, 0x00200013, "17");
    assert_text(derived, 0x00281052, "-1024");
    assert_text(derived, 0x00282110, "00");
    assert_text(derived, 0x00091001, ""); /* private, and what speaks of the old pixels */
    assert_text(derived, 0x00280107, "");
    cor_dicom_free(derived);
    free(file);
}

static void values_come_back_through_the_rescale_within_the_bits(void **state)
{
    static const struct {
        bool is_signed;
        const char *slope;
        const char *intercept;
        int expected[6];
    } cases[] = {
        {false, "1", "-1024", {-1024, -1024, 0, 40, 3071, 3071}},
        {true, "1", "0", {-2048, -1024, 0, 40, 2047, 2047}},
        {true, "2", "10", {-3000, -1024, 0, 40, 3070, 4104}},
        {false, "-1", "3000", {-1095, -1024, 0, 40, 3000, 3000}},
    };
    CorDicomVariant variant = make_variant();
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        CorDicomFrame *frame = NULL;
        uint8_t *file = NULL;
        CorError err = {0};

        add_ct(cases[i].is_signed, cases[i].slope, cases[i].intercept);
        CorDicom *derived = derive(&variant, &file);
        assert_true(cor_dicom_modality_plane(derived, 0, &frame, &err));
        for (size_t k = 0; k < 6; k++) {
            const int16_t *row = cor_plane_row(cor_dicom_frame_plane(frame), k / 3);
            assert_int_equal(row[k % 3], cases[i].expected[k]);
        }
        cor_dicom_frame_free(frame);
        cor_dicom_free(derived);
        free(file);
    }
}

static void a_thicker_slice_says_so_and_names_its_sources(void **state)
{
    CorDicomVariant variant = make_variant();
    uint8_t *first = NULL;
    uint8_t *second = NULL;
    (void) state;

    variant.thickness_mm = 7.5;
    variant.source_len = 2;
    add_ct(false, "1", "-1024");
    CorDicom *derived = derive(&variant, &first);
    CorDicom *again = derive(&variant, &second);
    assert_text(derived, 0x00180050, "7.5");
    assert_text(derived, 0x00180088, "");    /* of the source's slices */
    assert_memory_equal(first, second, 400); /* equal inputs, equal bytes */
    cor_dicom_free(derived);
    cor_dicom_free(again);
    free(first);
    free(second);
}

static void what_cannot_be_derived_is_refused(void **state)
{
    CorDicomVariant variant = make_variant();
    const CorDicomVariant right = variant;
    uint8_t *file = NULL;
    size_t size = 0;
    (void) state;

    add_ct(false, "1", "-1024");
    CorDicom *source = open_file(builder.data, builder.size);
    for (int i = 0; i < 4; i++) {
        CorError err = {0};

        variant = right;
        variant.plane.width_px -= i == 0;
        variant.plane.type = i == 1 ? COR_PIXEL_U8 : variant.plane.type;
        variant.sop_instance_uid = i == 2 ? "abc" : variant.sop_instance_uid;
        variant.content_unix_ms = i == 3 ? -5 : variant.content_unix_ms;
        assert_false(cor_dicom_write_variant(source, &variant, &file, &size, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_null(file);
    }
    cor_dicom_free(source);
    add_ct(false, "0", "-1024");
    source = open_file(builder.data, builder.size);
    CorError err = {0};
    bool ok = cor_dicom_write_variant(source, &right, &file, &size, &err);
    assert_true(ok || err.code == COR_ERR_INVALID); /* readers may take a slope of 0 for none */
    cor_dicom_free(source);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_but_names_pixels_and_derivation_stays),
        cmocka_unit_test(values_come_back_through_the_rescale_within_the_bits),
        cmocka_unit_test(a_thicker_slice_says_so_and_names_its_sources),
        cmocka_unit_test(what_cannot_be_derived_is_refused),
    };

    return cmocka_run_group_tests_name("dicom-variant", tests, NULL, NULL);
}
