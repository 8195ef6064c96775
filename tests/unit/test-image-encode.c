/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

#include "image/encode.h"

#define WIDTH 61
#define HEIGHT 23

static uint8_t pixels[HEIGHT][3 * WIDTH + 5]; /* rows with padding */

static CorPlane make_plane(CorPixelType type)
{
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < (int) sizeof(pixels[0]); x++) {
            pixels[y][x] = (uint8_t) (100 + 2 * y + x / 3);
        }
    }
    return (CorPlane){.data = pixels,
                      .width_px = WIDTH,
                      .height_px = HEIGHT,
                      .row_bytes = sizeof(pixels[0]),
                      .type = type};
}

static void a_png_holds_exactly_the_pixels(void **state)
{
    (void) state;

    for (int is_colour = 0; is_colour <= 1; is_colour++) {
        CorPlane plane = make_plane(is_colour ? COR_PIXEL_RGB8 : COR_PIXEL_U8);
        size_t row_bytes = WIDTH * cor_pixel_size(plane.type);
        CorString *file = cor_string_new(1 << 20);
        png_image image = {.version = PNG_IMAGE_VERSION};
        uint8_t read[HEIGHT * WIDTH * 3];
        CorError err = {0};

        assert_true(cor_image_append_png(&plane, file, &err));
        assert_true(
            png_image_begin_read_from_memory(&image, cor_string_text(file), cor_string_size(file)));
        assert_int_equal(image.width, WIDTH);
        assert_int_equal(image.height, HEIGHT);
        assert_int_equal(image.format, is_colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY);
        assert_true(png_image_finish_read(&image, NULL, read, (int) row_bytes, NULL));
        for (size_t y = 0; y < HEIGHT; y++) {
            assert_memory_equal(read + y * row_bytes, pixels[y], row_bytes);
        }
        cor_string_free(file);
    }
}

static void a_jpeg_holds_nearly_the_pixels(void **state)
{
    (void) state;

    for (int is_colour = 0; is_colour <= 1; is_colour++) {
        CorPlane plane = make_plane(is_colour ? COR_PIXEL_RGB8 : COR_PIXEL_U8);
        CorString *file = cor_string_new(1 << 20);
        struct jpeg_decompress_struct jpeg = {0};
        struct jpeg_error_mgr errors;
        uint8_t row[3 * WIDTH];
        uint8_t *rows[] = {row};
        CorError err = {0};

        assert_true(cor_image_append_jpeg(&plane, 95, file, &err));
        jpeg.err = jpeg_std_error(&errors);
        jpeg_create_decompress(&jpeg);
        jpeg_mem_src(&jpeg, (const uint8_t *) cor_string_text(file), cor_string_size(file));
        assert_int_equal(jpeg_read_header(&jpeg, TRUE), JPEG_HEADER_OK);
        assert_int_equal(jpeg.image_width, WIDTH);
        assert_int_equal(jpeg.image_height, HEIGHT);
        assert_int_equal(jpeg.num_components, is_colour ? 3 : 1);
        jpeg_start_decompress(&jpeg);
        for (int y = 0; y < HEIGHT; y++) {
            jpeg_read_scanlines(&jpeg, rows, 1);
            for (int x = 0; x < WIDTH * jpeg.num_components; x++) {
                assert_in_range(row[x], pixels[y][x] - 12, pixels[y][x] + 12);
            }
        }
        jpeg_finish_decompress(&jpeg);
        jpeg_destroy_decompress(&jpeg);
        cor_string_free(file);
    }
}

static void the_same_pixels_give_the_same_bytes(void **state)
{
    CorPlane plane = make_plane(COR_PIXEL_RGB8);
    (void) state;

    for (int is_png = 0; is_png <= 1; is_png++) {
        CorString *files[2];

        for (int i = 0; i < 2; i++) {
            CorError err = {0};

            files[i] = cor_string_new(1 << 20);
            assert_true(is_png ? cor_image_append_png(&plane, files[i], &err)
                               : cor_image_append_jpeg(&plane, 80, files[i], &err));
        }
        assert_int_equal(cor_string_size(files[0]), cor_string_size(files[1]));
        assert_memory_equal(cor_string_text(files[0]), cor_string_text(files[1]),
                            cor_string_size(files[0]));
        cor_string_free(files[0]);
        cor_string_free(files[1]);
    }
}

static void a_file_larger_than_its_limit_is_refused(void **state)
{
    CorPlane plane = make_plane(COR_PIXEL_RGB8);
    (void) state;

    for (int is_png = 0; is_png <= 1; is_png++) {
        CorString *file = cor_string_new(100);
        CorError err = {0};

        assert_false(is_png ? cor_image_append_png(&plane, file, &err)
                            : cor_image_append_jpeg(&plane, 80, file, &err));
        assert_int_equal(err.code, COR_ERR_LIMIT);
        cor_string_free(file);
    }
}

static void only_8_bit_planes_are_encoded(void **state)
{
    CorPlane plane = make_plane(COR_PIXEL_U8);
    CorString *file = cor_string_new(1 << 20);
    CorError err = {0};
    (void) state;

    plane.type = COR_PIXEL_S8;
    assert_false(cor_image_append_png(&plane, file, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    assert_false(cor_image_append_jpeg(&plane, 80, file, NULL));
    plane.type = COR_PIXEL_U8;
    assert_false(cor_image_append_jpeg(&plane, 0, file, NULL));
    assert_false(cor_image_append_jpeg(&plane, 101, file, NULL));
    cor_string_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_png_holds_exactly_the_pixels),
        cmocka_unit_test(a_jpeg_holds_nearly_the_pixels),
        cmocka_unit_test(the_same_pixels_give_the_same_bytes),
        cmocka_unit_test(a_file_larger_than_its_limit_is_refused),
        cmocka_unit_test(only_8_bit_planes_are_encoded),
    };

    return cmocka_run_group_tests_name("image-encode", tests, NULL, NULL);
}
