/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "dicom/dicom-image.h"

#include <stdlib.h>
#include <string.h>

#include "dicom-builder.h"
#include "dicom-prepare.h"

#define EXPLICIT "1.2.840.10008.1.2.1"
#define RLE "1.2.840.10008.1.2.5"

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

/* Decode a frame and compare its plane with values of its type. */
static void assert_stored(uint32_t frame, unsigned flags, CorPixelType type, const void *expected,
                          size_t size)
{
    CorDicom *dicom = open_builder(NULL);
    CorDicomFrame *decoded = NULL;
    CorError err = {0};

    if (!cor_dicom_decode_frame(dicom, frame, flags, &decoded, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(cor_dicom_frame_plane(decoded)->type, type);
    assert_int_equal(cor_dicom_frame_bytes(decoded), size);
    assert_memory_equal(cor_dicom_frame_plane(decoded)->data, expected, size);
    cor_dicom_frame_free(decoded);
    cor_dicom_free(dicom);
}

static void assert_refused(uint32_t frame, const CorDicomLimits *limits, CorErrorCode code,
                           const char *text)
{
    CorDicom *dicom = open_builder(limits);
    CorDicomFrame *decoded = NULL;
    CorError err = {0};

    assert_false(cor_dicom_decode_frame(dicom, frame, 0, &decoded, &err));
    assert_null(decoded);
    assert_string_equal(err.text, text);
    assert_int_equal(err.code, code);
    cor_dicom_free(dicom);
}

static void twelve_stored_bits_lose_what_is_above_and_keep_their_sign(void **state)
{
    static const uint16_t words[] = {0x0FFF, 0xF001, 0x0800, 0x07FF};
    static const int16_t with_sign[] = {-1, 1, -2048, 2047};
    static const uint16_t without[] = {0x0FFF, 0x0001, 0x0800, 0x07FF};
    (void) state;

    for (uint16_t is_signed = 0; is_signed < 2; is_signed++) {
        builder_init(&builder, EXPLICIT);
        add_grey(&builder, 2, 2, 16, 12, is_signed);
        add_value(&builder, 0x7FE00010, "OW", words, sizeof(words));
        assert_stored(0, 0, is_signed ? COR_PIXEL_S16 : COR_PIXEL_U16,
                      is_signed ? (const void *) with_sign : (const void *) without, 8);
    }
}

static void single_bits_of_a_frame_may_begin_inside_a_byte(void **state)
{
    static const uint8_t first[] = {1, 0, 1, 0, 0, 0};
    static const uint8_t second[] = {1, 1, 0, 0, 0, 1};
    (void) state;

    builder_init(&builder, EXPLICIT);
    add_text(&builder, 0x00280008, "IS", "2");
    add_grey(&builder, 2, 3, 1, 1, 0);
    add_value(&builder, 0x7FE00010, "OB", "\xC5\x08", 2); /* the lowest bit comes first */
    assert_stored(0, 0, COR_PIXEL_U8, first, sizeof(first));
    assert_stored(1, 0, COR_PIXEL_U8, second, sizeof(second));
}

static void colour_by_plane_becomes_colour_by_pixel(void **state)
{
    (void) state;
    builder_init(&builder, EXPLICIT);
    add_us(&builder, 0x00280002, 3);
    add_text(&builder, 0x00280004, "CS", "RGB");
    add_us(&builder, 0x00280006, 1);
    add_us(&builder, 0x00280010, 1);
    add_us(&builder, 0x00280011, 2);
    add_us(&builder, 0x00280100, 8);
    add_value(&builder, 0x7FE00010, "OB", "RrGgBb", 6);
    assert_stored(0, 0, COR_PIXEL_RGB8, "RGBrgb", 6);
}

static void ybr_becomes_rgb(void **state)
{
    static const uint8_t expected[] = {255, 0, 0, 128, 128, 128}; /* pure red, and grey */
    (void) state;

    builder_init(&builder, EXPLICIT);
    add_us(&builder, 0x00280002, 3);
    add_text(&builder, 0x00280004, "CS", "YBR_FULL");
    add_us(&builder, 0x00280006, 0);
    add_us(&builder, 0x00280010, 1);
    add_us(&builder, 0x00280011, 2);
    add_us(&builder, 0x00280100, 8);
    add_value(&builder, 0x7FE00010, "OB", "\x4C\x55\xFF\x80\x80\x80", 6);

    CorDicom *dicom = open_builder(NULL);
    CorDicomFrame *frame = NULL;
    CorError err = {0};
    assert_true(cor_dicom_decode_frame(dicom, 0, 0, &frame, &err));
    const uint8_t *pixels = cor_dicom_frame_plane(frame)->data;
    for (size_t i = 0; i < sizeof(expected); i++) {
        assert_in_range(pixels[i] + 1, expected[i], expected[i] + 2);
    }
    cor_dicom_frame_free(frame);
    cor_dicom_free(dicom);
}

static void a_palette_is_applied_when_asked_for(void **state)
{
    static const uint16_t descriptor[] = {2, 0, 16};
    static const uint16_t red[] = {0x1100, 0xFF00};
    static const uint16_t green[] = {0x2200, 0x0000};
    static const uint16_t blue[] = {0x3300, 0x8000};
    (void) state;

    builder_init(&builder, EXPLICIT);
    add_us(&builder, 0x00280002, 1);
    add_text(&builder, 0x00280004, "CS", "PALETTE COLOR");
    add_us(&builder, 0x00280010, 1);
    add_us(&builder, 0x00280011, 2);
    add_us(&builder, 0x00280100, 8);
    for (uint32_t c = 0; c < 3; c++) {
        add_value(&builder, 0x00281101 + c, "US", descriptor, sizeof(descriptor));
    }
    add_value(&builder, 0x00281201, "OW", red, sizeof(red));
    add_value(&builder, 0x00281202, "OW", green, sizeof(green));
    add_value(&builder, 0x00281203, "OW", blue, sizeof(blue));
    add_value(&builder, 0x7FE00010, "OB", "\x01\x00", 2);

    assert_stored(0, 0, COR_PIXEL_U8, "\x01\x00", 2);
    assert_stored(0, COR_DICOM_PALETTE_TO_RGB, COR_PIXEL_RGB8, "\xFF\x00\x80\x11\x22\x33", 6);
}

/* An RLE frame of one segment: a run of three, two literals, a run of three. */
static void add_rle_frame(void)
{
    static const uint8_t packed[] = {0xFE, 7, 1, 8, 9, 0xFE, 5};

    add_item(&builder, 0xE000, 64 + 8);
    add_number(&builder, 1, 4);
    add_number(&builder, 64, 4);
    add_bytes(&builder, (const uint8_t[56]){0}, 56);
    add_bytes(&builder, packed, sizeof(packed));
    add_bytes(&builder, "\0", 1);
}

static void run_lengths_are_unpacked(void **state)
{
    static const uint8_t expected[] = {7, 7, 7, 8, 9, 5, 5, 5};
    (void) state;

    builder_init(&builder, RLE);
    add_text(&builder, 0x00280008, "IS", "2");
    add_grey(&builder, 2, 4, 8, 8, 0);
    add_head(&builder, 0x7FE00010, "OB", 0xFFFFFFFFu);
    add_item(&builder, 0xE000, 0);
    add_rle_frame();
    add_rle_frame();
    add_item(&builder, 0xE0DD, 0);
    assert_stored(1, 0, COR_PIXEL_U8, expected, sizeof(expected));
}

static void a_frame_of_several_fragments_is_found_by_the_offset_table(void **state)
{
    static const uint8_t expected[] = {7, 7, 7, 8, 9, 5, 5, 5};
    (void) state;

    builder_init(&builder, RLE);
    add_text(&builder, 0x00280008, "IS", "2");
    add_grey(&builder, 2, 4, 8, 8, 0);
    add_head(&builder, 0x7FE00010, "OB", 0xFFFFFFFFu);
    add_item(&builder, 0xE000, 8);
    add_number(&builder, 0, 4);
    add_number(&builder, 80, 4);
    add_rle_frame();
    size_t begin = builder.size;
    add_rle_frame();
    /* Cut the second frame in two: 40 and 32 bytes. */
    uint8_t frame[72];
    memcpy(frame, builder.data + begin + 8, sizeof(frame));
    builder.size = begin;
    add_item(&builder, 0xE000, 40);
    add_bytes(&builder, frame, 40);
    add_item(&builder, 0xE000, 32);
    add_bytes(&builder, frame + 40, 32);
    add_item(&builder, 0xE0DD, 0);
    assert_stored(1, 0, COR_PIXEL_U8, expected, sizeof(expected));
}

static void pixels_that_are_cut_off_are_refused(void **state)
{
    (void) state;
    builder_init(&builder, EXPLICIT);
    add_text(&builder, 0x00280008, "IS", "2");
    add_grey(&builder, 2, 2, 16, 16, 0);
    add_head(&builder, 0x7FE00010, "OW", 16);
    add_bytes(&builder, "abcdefghijkl", 12);

    CorDicom *dicom = open_builder(NULL);
    assert_true(cor_dicom_is_truncated(dicom));
    cor_dicom_free(dicom);
    assert_stored(0, 0, COR_PIXEL_U16, "abcdefgh", 8);
    assert_refused(1, NULL, COR_ERR_CORRUPT,
                   "the pixel data has 12 bytes, too few for frame 2 of 8 bytes");
    assert_refused(2, NULL, COR_ERR_INVALID, "there is no frame 3: the image has 2");
}

static void a_frame_over_the_limit_is_refused(void **state)
{
    const CorDicomLimits limits = {.frame_bytes_max = 1000};
    (void) state;

    builder_init(&builder, EXPLICIT);
    add_grey(&builder, 60000, 60000, 16, 16, 0);
    add_value(&builder, 0x7FE00010, "OW", "ab", 2);
    assert_refused(0, &limits, COR_ERR_LIMIT, "a frame of 7200000000 bytes is larger than 1000");
}

static void a_file_without_pixels_says_so(void **state)
{
    (void) state;
    builder_init(&builder, EXPLICIT);
    add_uids(&builder);
    assert_refused(0, NULL, COR_ERR_NOT_FOUND, "the file has no pixel data");
}

static void an_unknown_transfer_syntax_is_refused_by_name(void **state)
{
    (void) state;
    builder_init(&builder, "1.2.840.10008.1.2.4.100");
    add_grey(&builder, 1, 2, 8, 8, 0);
    add_head(&builder, 0x7FE00010, "OB", 0xFFFFFFFFu);
    add_item(&builder, 0xE000, 0);
    add_item(&builder, 0xE0DD, 0);
    assert_refused(0, NULL, COR_ERR_UNSUPPORTED, "transfer syntax 1.2.840.10008.1.2.4.100");
}

/* --- modality values --- */

static void assert_modality(CorPixelType type, const void *expected, size_t size)
{
    CorDicom *dicom = open_builder(NULL);
    CorDicomFrame *frame = NULL;
    CorError err = {0};

    if (!cor_dicom_modality_plane(dicom, 0, &frame, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(cor_dicom_frame_plane(frame)->type, type);
    assert_int_equal(cor_dicom_frame_bytes(frame), size);
    assert_memory_equal(cor_dicom_frame_plane(frame)->data, expected, size);
    cor_dicom_frame_free(frame);
    cor_dicom_free(dicom);
}

static void build_rescaled(const char *slope, const char *intercept, const uint16_t words[2])
{
    builder_init(&builder, EXPLICIT);
    add_grey(&builder, 1, 2, 16, 16, 0);
    add_text(&builder, 0x00281052, "DS", intercept);
    add_text(&builder, 0x00281053, "DS", slope);
    add_value(&builder, 0x7FE00010, "OW", words, 4);
}

static void whole_modality_values_are_sixteen_bits(void **state)
{
    static const int16_t expected[] = {-1024, 32767};
    (void) state;

    build_rescaled("1", "-1024", (const uint16_t[]){0, 33791});
    assert_modality(COR_PIXEL_S16, expected, sizeof(expected));
}

static void modality_values_out_of_range_are_real_numbers(void **state)
{
    static const double expected[] = {-1024, 32768};
    (void) state;

    build_rescaled("1", "-1024", (const uint16_t[]){0, 33792});
    assert_modality(COR_PIXEL_F64, expected, sizeof(expected));
}

static void a_broken_slope_gives_real_numbers_in_two_roundings(void **state)
{
    volatile double product = 3 * 0.1;
    const double expected[] = {product + 0.2, 65535 * 0.1 + 0.2};
    (void) state;

    build_rescaled("0.1", "0.2", (const uint16_t[]){3, 65535});
    assert_modality(COR_PIXEL_F64, expected, sizeof(expected));
}

static void a_modality_lut_takes_the_place_of_the_rescale(void **state)
{
    static const uint16_t descriptor[] = {3, 10, 16};
    static const uint16_t entries[] = {100, 200, 300};
    static const int16_t expected[] = {100, 300}; /* below the table, and its last */
    (void) state;

    builder_init(&builder, EXPLICIT);
    add_grey(&builder, 1, 2, 8, 8, 0);
    add_head(&builder, 0x00283000, "SQ", 0xFFFFFFFFu);
    add_item(&builder, 0xE000, 0xFFFFFFFFu);
    add_value(&builder, 0x00283002, "US", descriptor, sizeof(descriptor));
    add_value(&builder, 0x00283006, "OW", entries, sizeof(entries));
    add_item(&builder, 0xE00D, 0);
    add_item(&builder, 0xE0DD, 0);
    add_value(&builder, 0x7FE00010, "OB", "\x03\x0C", 2);
    assert_modality(COR_PIXEL_S16, expected, sizeof(expected));
}

static void colour_has_no_modality_values(void **state)
{
    CorDicomFrame *frame = NULL;
    CorError err = {0};
    (void) state;

    builder_init(&builder, EXPLICIT);
    add_us(&builder, 0x00280002, 3);
    add_text(&builder, 0x00280004, "CS", "RGB");
    add_us(&builder, 0x00280010, 1);
    add_us(&builder, 0x00280011, 2);
    add_us(&builder, 0x00280100, 8);
    add_value(&builder, 0x7FE00010, "OB", "RGBrgb", 6);
    CorDicom *dicom = open_builder(NULL);
    assert_false(cor_dicom_modality_plane(dicom, 0, &frame, &err));
    assert_int_equal(err.code, COR_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "a grey image is needed, this one is RGB");
    cor_dicom_free(dicom);
}

static void a_frames_own_groups_come_before_the_shared_ones(void **state)
{
    CorDicomFrameInfo info = {0};
    CorError err = {0};
    (void) state;

    builder_init(&builder, EXPLICIT);
    add_text(&builder, 0x00280008, "IS", "2");
    add_head(&builder, 0x52009229, "SQ", 0xFFFFFFFFu); /* shared */
    add_item(&builder, 0xE000, 0xFFFFFFFFu);
    add_head(&builder, 0x00289110, "SQ", 0xFFFFFFFFu);
    add_item(&builder, 0xE000, 0xFFFFFFFFu);
    add_text(&builder, 0x00280030, "DS", "0.5\\0.25");
    add_item(&builder, 0xE00D, 0);
    add_item(&builder, 0xE0DD, 0);
    add_item(&builder, 0xE00D, 0);
    add_item(&builder, 0xE0DD, 0);
    add_head(&builder, 0x52009230, "SQ", 0xFFFFFFFFu); /* per frame */
    for (int frame = 0; frame < 2; frame++) {
        add_item(&builder, 0xE000, 0xFFFFFFFFu);
        add_head(&builder, 0x00209113, "SQ", 0xFFFFFFFFu);
        add_item(&builder, 0xE000, 0xFFFFFFFFu);
        add_text(&builder, 0x00200032, "DS", frame == 0 ? "1\\2\\3" : "4\\5\\6");
        add_item(&builder, 0xE00D, 0);
        add_item(&builder, 0xE0DD, 0);
        add_item(&builder, 0xE00D, 0);
    }
    add_item(&builder, 0xE0DD, 0);

    CorDicom *dicom = open_builder(NULL);
    assert_true(cor_dicom_frame_info(dicom, 1, &info, &err));
    assert_true(info.has_position && info.has_spacing && !info.has_orientation);
    assert_true(info.position_mm[0] == 4 && info.position_mm[2] == 6);
    assert_true(info.row_spacing_mm == 0.5 && info.column_spacing_mm == 0.25);
    assert_true(info.rescale_slope == 1 && info.rescale_intercept == 0);
    assert_false(cor_dicom_frame_info(dicom, 2, &info, &err));
    cor_dicom_free(dicom);
}

static void without_a_window_the_whole_range_is_shown(void **state)
{
    CorDicomFrame *frame = NULL;
    CorDicomFrameInfo info = {0};
    CorError err = {0};
    double center = 0;
    double width = 0;
    (void) state;

    build_rescaled("1", "0", (const uint16_t[]){100, 299});
    CorDicom *dicom = open_builder(NULL);
    assert_true(cor_dicom_frame_info(dicom, 0, &info, &err));
    assert_true(cor_dicom_modality_plane(dicom, 0, &frame, &err));
    cor_dicom_frame_window(frame, &info, &center, &width);
    assert_true(center == 200 && width == 200);
    cor_dicom_frame_free(frame);
    cor_dicom_free(dicom);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twelve_stored_bits_lose_what_is_above_and_keep_their_sign),
        cmocka_unit_test(single_bits_of_a_frame_may_begin_inside_a_byte),
        cmocka_unit_test(colour_by_plane_becomes_colour_by_pixel),
        cmocka_unit_test(ybr_becomes_rgb),
        cmocka_unit_test(a_palette_is_applied_when_asked_for),
        cmocka_unit_test(run_lengths_are_unpacked),
        cmocka_unit_test(a_frame_of_several_fragments_is_found_by_the_offset_table),
        cmocka_unit_test(pixels_that_are_cut_off_are_refused),
        cmocka_unit_test(a_frame_over_the_limit_is_refused),
        cmocka_unit_test(a_file_without_pixels_says_so),
        cmocka_unit_test(an_unknown_transfer_syntax_is_refused_by_name),
        cmocka_unit_test(whole_modality_values_are_sixteen_bits),
        cmocka_unit_test(modality_values_out_of_range_are_real_numbers),
        cmocka_unit_test(a_broken_slope_gives_real_numbers_in_two_roundings),
        cmocka_unit_test(a_modality_lut_takes_the_place_of_the_rescale),
        cmocka_unit_test(colour_has_no_modality_values),
        cmocka_unit_test(a_frames_own_groups_come_before_the_shared_ones),
        cmocka_unit_test(without_a_window_the_whole_range_is_shown),
    };

    return cmocka_run_group_tests_name("dicom-pixels", tests, prepare, NULL);
}
