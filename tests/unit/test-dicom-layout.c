/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "dicom/dicom.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "dicom-builder.h"

#define EXPLICIT "1.2.840.10008.1.2.1"
#define BIG_ENDIAN_UID "1.2.840.10008.1.2.2"
#define JPEG "1.2.840.10008.1.2.4.70"
#define MPEG4 "1.2.840.10008.1.2.4.102"

static Builder builder;

static json_t *record_of(const Builder *file)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    char *text = NULL;
    size_t size = 0;
    json_t *json = NULL;
    CorError err = {0};

    if (!cor_dicom_open_memory(file->data, file->size, NULL, &dicom, &err) ||
        !cor_dicom_index_json(dicom, &text, &size, &err)) {
        fail_msg("%s", err.text);
    }
    assert_true(cor_json_parse(text, size, &json, &err));
    free(text);
    return json;
}

/* Compare the member "pixel_data" with JSON text, compact and with sorted members. */
static void assert_layout(const char *expected)
{
    json_t *record = record_of(&builder);
    char *text = cor_json_canonical(json_object_get(record, "pixel_data"));

    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
    json_decref(record);
}

/* An image of 2 x 3 pixels and so many frames, without its pixels. */
static void begin_image(const char *syntax, const char *frames, uint16_t bits)
{
    builder_init(&builder, syntax);
    add_uids(&builder);
    add_study_and_series(&builder);
    add_text(&builder, 0x00280008, "IS", frames);
    add_grey(&builder, 2, 3, bits, bits, 0);
}

static void begin_fragments(void)
{
    add_head(&builder, 0x7FE00010, "OB", 0xFFFFFFFF);
}

static void add_fragment(const void *bytes, size_t size)
{
    add_item(&builder, 0xE000, (uint32_t) size);
    add_bytes(&builder, bytes, size);
}

static void the_data_set_begins_behind_the_meta_header(void **state)
{
    (void) state;

    builder_init(&builder, EXPLICIT);
    size_t start = builder.size;
    add_uids(&builder);
    add_study_and_series(&builder);
    json_t *record = record_of(&builder);
    assert_int_equal(cor_json_integer(record, "data_set_offset", -1), start);
    assert_true(json_is_null(json_object_get(record, "pixel_data")));
    json_decref(record);
}

static bool lacks_meta(const void *data, size_t size)
{
    COR_CLEANUP(cor_dicom_freep) CorDicom *dicom = NULL;
    COR_CLEANUP(cor_freep) char *text = NULL;
    COR_CLEANUP(cor_json_freep) json_t *record = NULL;

    assert_true(cor_dicom_open_memory(data, size, NULL, &dicom, NULL));
    assert_true(cor_dicom_index_json(dicom, &text, NULL, NULL));
    assert_true(cor_json_parse(text, strlen(text), &record, NULL));
    return cor_json_boolean(record, "lacks_meta", false);
}

static void a_file_that_is_none_of_part_10_is_known(void **state)
{
    Builder bare = {.size = 132};
    (void) state;

    builder_init(&builder, EXPLICIT);
    size_t start = builder.size;
    add_uids(&builder);
    add_study_and_series(&builder);
    assert_false(lacks_meta(builder.data, builder.size));
    assert_true(lacks_meta(builder.data + 128, builder.size - 128)); /* no preamble */
    assert_true(lacks_meta(builder.data + 132, builder.size - 132));
    assert_true(lacks_meta(builder.data + start, builder.size - start));

    memcpy(bare.data, builder.data, bare.size);
    add_bytes(&bare, builder.data + start, builder.size - start);
    assert_true(lacks_meta(bare.data, bare.size)); /* a preamble, but no transfer syntax */
}

static void plain_frames_follow_each_other_from_an_offset(void **state)
{
    char expected[64];
    (void) state;

    begin_image(EXPLICIT, "2", 16);
    add_value(&builder, 0x7FE00010, "OW", "abcdefghijklmnopqrstuvwx", 24);
    snprintf(expected, sizeof(expected), "{\"frame_bytes\":12,\"offset\":%zu}", builder.size - 24);
    assert_layout(expected);
}

static void frames_that_are_missing_are_not_promised(void **state)
{
    (void) state;

    begin_image(EXPLICIT, "3", 16);
    add_value(&builder, 0x7FE00010, "OW", "abcdefghijklmnopqrstuvwx", 24);
    assert_layout("null");
}

static void frames_that_are_not_the_whole_value_are_not_told(void **state)
{
    char expected[64];
    (void) state;

    begin_image(EXPLICIT, "no", 8); /* which is one frame, of six bytes */
    add_value(&builder, 0x7FE00010, "OB", "abcdefgh", 8);
    assert_layout("null");

    begin_image(EXPLICIT, "1", 8);
    add_value(&builder, 0x7FE00010, "OB", "abcdefg", 7);
    assert_layout("null");

    begin_image(EXPLICIT, "1", 8);
    add_value(&builder, 0x7FE00010, "OB", "abcdef", 6);
    snprintf(expected, sizeof(expected), "{\"frame_bytes\":6,\"offset\":%zu}", builder.size - 6);
    assert_layout(expected);
}

static void frames_that_do_not_begin_at_a_byte_have_no_place(void **state)
{
    char expected[64];
    (void) state;

    begin_image(EXPLICIT, "2", 1); /* six bits each */
    add_value(&builder, 0x7FE00010, "OB", "ab", 2);
    assert_layout("null");

    begin_image(EXPLICIT, "1", 1);
    add_value(&builder, 0x7FE00010, "OB", "ab", 2);
    snprintf(expected, sizeof(expected), "{\"frame_bytes\":1,\"offset\":%zu}", builder.size - 2);
    assert_layout(expected);
}

/* Pack a value of so many bits with its bytes in the other order. */
static void add_big(uint64_t value, size_t size)
{
    while (size > 0) {
        uint8_t byte = (uint8_t) (value >> (8 * --size));

        add_bytes(&builder, &byte, 1);
    }
}

static void add_big_head(uint32_t tag, const char *vr, uint16_t size)
{
    add_big(tag >> 16, 2);
    add_big(tag & 0xFFFF, 2);
    add_bytes(&builder, vr, 2);
    if (vr[0] == 'O') {
        add_big(0, 2);
        add_big(size, 4);
    } else {
        add_big(size, 2);
    }
}

static void begin_big_image(uint16_t bits)
{
    static const struct {
        uint32_t tag;
        const char *uid;
    } uids[] = {{0x00080016, "2.25.4"},
                {0x00080018, "2.25.3"},
                {0x0020000D, "2.25.1"},
                {0x0020000E, "2.25.2"}};
    const uint16_t numbers[][2] = {{0x0002, 1},    {0x0010, 2},    {0x0011, 3},
                                   {0x0100, bits}, {0x0101, bits}, {0x0102, (uint16_t) (bits - 1)}};

    builder_init(&builder, BIG_ENDIAN_UID);
    for (size_t i = 0; i < sizeof(uids) / sizeof(*uids); i++) {
        add_big_head(uids[i].tag, "UI", 6);
        add_bytes(&builder, uids[i].uid, 6);
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        add_big_head(0x00280000u | numbers[i][0], "US", 2);
        add_big(numbers[i][1], 2);
    }
}

static void big_endian_words_have_no_place_but_bytes_do(void **state)
{
    char expected[64];
    (void) state;

    begin_big_image(16);
    add_big_head(0x7FE00010, "OW", 12);
    add_bytes(&builder, "abcdefghijkl", 12);
    assert_layout("null");

    begin_big_image(8);
    add_big_head(0x7FE00010, "OW", 6);
    add_bytes(&builder, "abcdef", 6);
    assert_layout("null");

    begin_big_image(8);
    add_big_head(0x7FE00010, "OB", 6);
    add_bytes(&builder, "abcdef", 6);
    snprintf(expected, sizeof(expected), "{\"frame_bytes\":6,\"offset\":%zu}", builder.size - 6);
    assert_layout(expected);
}

static void fragments_are_told_frame_by_frame(void **state)
{
    static const uint8_t offsets[] = {0, 0, 0, 0, 24, 0, 0, 0};
    char expected[96];
    (void) state;

    begin_image(JPEG, "2", 8);
    begin_fragments();
    add_fragment(offsets, sizeof(offsets));
    size_t first = builder.size + 8;
    add_fragment("abcd", 4);
    add_fragment("efgh", 4);
    add_fragment("ij", 2);
    add_item(&builder, 0xE0DD, 0);
    snprintf(expected, sizeof(expected), "{\"frames\":[[%zu,4,%zu,4],[%zu,2]]}", first, first + 12,
             first + 24);
    assert_layout(expected);
}

static void fragments_without_a_table_are_told_by_what_they_begin_with(void **state)
{
    char expected[96];
    (void) state;

    begin_image(JPEG, "2", 8);
    begin_fragments();
    add_fragment("", 0);
    size_t first = builder.size + 8;
    add_fragment("\xFF\xD8\xFF\xC3", 4);
    add_fragment("cdef", 4);
    add_fragment("\xFF\xD8\xFF\xC3", 4);
    add_item(&builder, 0xE0DD, 0);
    snprintf(expected, sizeof(expected), "{\"frames\":[[%zu,4,%zu,4],[%zu,4]]}", first, first + 12,
             first + 24);
    assert_layout(expected);
}

static void fragments_that_nothing_assigns_to_frames_are_not_told(void **state)
{
    (void) state;

    begin_image(JPEG, "2", 8);
    begin_fragments();
    add_fragment("", 0);
    add_fragment("abcd", 4);
    add_fragment("efgh", 4);
    add_fragment("ijkl", 4);
    add_item(&builder, 0xE0DD, 0);
    assert_layout("null");

    begin_image(MPEG4, "1", 8);
    begin_fragments();
    add_fragment("", 0);
    add_fragment("abcd", 4);
    add_item(&builder, 0xE0DD, 0);
    assert_layout("null");
}

static void frames_that_are_cut_off_are_not_told(void **state)
{
    (void) state;

    begin_image(JPEG, "1", 8);
    begin_fragments();
    add_fragment("", 0);
    add_item(&builder, 0xE000, 100);
    add_bytes(&builder, "abcd", 4);
    assert_layout("null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_data_set_begins_behind_the_meta_header),
        cmocka_unit_test(a_file_that_is_none_of_part_10_is_known),
        cmocka_unit_test(plain_frames_follow_each_other_from_an_offset),
        cmocka_unit_test(frames_that_are_missing_are_not_promised),
        cmocka_unit_test(frames_that_are_not_the_whole_value_are_not_told),
        cmocka_unit_test(frames_that_do_not_begin_at_a_byte_have_no_place),
        cmocka_unit_test(big_endian_words_have_no_place_but_bytes_do),
        cmocka_unit_test(fragments_are_told_frame_by_frame),
        cmocka_unit_test(fragments_without_a_table_are_told_by_what_they_begin_with),
        cmocka_unit_test(fragments_that_nothing_assigns_to_frames_are_not_told),
        cmocka_unit_test(frames_that_are_cut_off_are_not_told),
    };

    return cmocka_run_group_tests_name("dicom-layout", tests, NULL, NULL);
}
