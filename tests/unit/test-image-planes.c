/* SPDX-License-Identifier: Apache-2.0 */
/* Planes, windows and overlays. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/array.h"
#include "image/overlay.h"
#include "image/plane.h"
#include "image/window.h"

#define WIDTH ((size_t) 37)
#define HEIGHT ((size_t) 11)

/* A plane with rows that are longer than needed, so that padding is not taken for pixels. */
typedef struct Picture {
    union {
        uint8_t bytes[65536];
        double aligned;
    } data;
    CorPlane plane;
} Picture;

static Picture picture;

static void set_sample(CorPixelType type, size_t x, size_t y, double value)
{
    uint8_t *row = picture.data.bytes + y * picture.plane.row_bytes;

    switch (type) {
    case COR_PIXEL_U8:
        row[x] = (uint8_t) value;
        break;
    case COR_PIXEL_S8:
        ((int8_t *) row)[x] = (int8_t) value;
        break;
    case COR_PIXEL_U16:
        ((uint16_t *) (void *) row)[x] = (uint16_t) value;
        break;
    case COR_PIXEL_S16:
        ((int16_t *) (void *) row)[x] = (int16_t) value;
        break;
    case COR_PIXEL_U32:
        ((uint32_t *) (void *) row)[x] = (uint32_t) value;
        break;
    case COR_PIXEL_S32:
        ((int32_t *) (void *) row)[x] = (int32_t) value;
        break;
    case COR_PIXEL_F32:
        ((float *) (void *) row)[x] = (float) value;
        break;
    default:
        ((double *) (void *) row)[x] = value;
        break;
    }
}

/* Values from 0 to 100, which every type can hold. */
static double value_at(size_t x, size_t y)
{
    return (double) ((x * 7 + y * 13) % 101);
}

static const CorPlane *make_picture(CorPixelType type)
{
    memset(&picture, 0xff, sizeof(picture));
    picture.plane = (CorPlane){.data = picture.data.bytes,
                               .width_px = WIDTH,
                               .height_px = HEIGHT,
                               .row_bytes = (WIDTH + 8) * cor_pixel_size(type),
                               .type = type};
    for (size_t y = 0; y < HEIGHT; y++) {
        for (size_t x = 0; x < WIDTH; x++) {
            set_sample(type, x, y, value_at(x, y));
        }
    }
    return &picture.plane;
}

static void every_type_converts_to_the_same_doubles(void **state)
{
    (void) state;

    for (CorPixelType type = COR_PIXEL_U8; type <= COR_PIXEL_F64; type++) {
        const CorPlane *plane = make_picture(type);
        double values[WIDTH];
        CorError err = {0};

        assert_true(cor_plane_check(plane, &err));
        for (size_t y = 0; y < HEIGHT; y++) {
            cor_plane_row_to_f64(plane, y, values);
            for (size_t x = 0; x < WIDTH; x++) {
                assert_true(fabs(values[x] - value_at(x, y)) <= 0);
            }
        }
    }
}

static void planes_that_cannot_be_are_refused(void **state)
{
    (void) state;

    for (int i = 0; i < 7; i++) {
        CorPlane plane = *make_picture(COR_PIXEL_S16);
        CorError err = {0};

        plane.data = i == 0 ? NULL : plane.data;
        plane.width_px = i == 1 ? 0 : plane.width_px;
        plane.height_px = i == 2 ? 65536 : plane.height_px;
        plane.row_bytes = i == 3 ? 2 * WIDTH - 2 : plane.row_bytes;
        plane.row_bytes = i == 4 ? 2 * WIDTH + 1 : plane.row_bytes;
        plane.type = i == 5 ? COR_PIXEL_TYPE_COUNT_ : plane.type;
        plane.data = i == 6 ? picture.data.bytes + 1 : plane.data;
        assert_false(cor_plane_check(&plane, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
    }
}

/* PS3.3 section C.11.2.1.2.1 as it is written there. */
static double linear(double x, double c, double w)
{
    if (x <= c - 0.5 - (w - 1) / 2) {
        return 0;
    }
    if (x > c - 0.5 + (w - 1) / 2) {
        return 255;
    }
    return ((x - (c - 0.5)) / (w - 1) + 0.5) * 255;
}

/* PS3.3 section C.11.2.1.3.2. */
static double linear_exact(double x, double c, double w)
{
    if (x <= c - w / 2) {
        return 0;
    }
    if (x > c + w / 2) {
        return 255;
    }
    return ((x - c) / w + 0.5) * 255;
}

static double windowed(const CorWindow *window, double x)
{
    switch (window->function) {
    case COR_WINDOW_LINEAR:
        return linear(x, window->center, window->width);
    case COR_WINDOW_LINEAR_EXACT:
        return linear_exact(x, window->center, window->width);
    default:
        return 255 / (1 + exp(-4 * (x - window->center) / window->width));
    }
}

static void a_window_is_the_function_of_the_standard_for_every_type(void **state)
{
    static const double windows[][2] = {{50, 100}, {50, 1}, {40.5, 2}, {0, 400}, {90, 7.5}};
    static uint8_t grey[WIDTH * HEIGHT];
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(windows) * COR_WINDOW_FUNCTION_COUNT_ * 2; i++) {
        CorWindow window = {.center = windows[i / 6][0],
                            .width = windows[i / 6][1],
                            .function = (CorWindowFunction) (i / 2 % 3),
                            .is_inverse = i % 2};

        for (CorPixelType type = COR_PIXEL_U8; type <= COR_PIXEL_F64; type++) {
            CorError err = {0};

            assert_true(cor_image_window(make_picture(type), &window, grey, &err));
            for (size_t k = 0; k < WIDTH * HEIGHT; k++) {
                int expected = (int) floor(windowed(&window, value_at(k % WIDTH, k / WIDTH)) + 0.5);

                assert_int_equal(grey[k], window.is_inverse ? 255 - expected : expected);
            }
        }
    }
}

static void a_large_plane_is_windowed_like_its_rows(void **state)
{
    enum { SIDE = 300 };
    static int16_t values[SIDE * SIDE];
    static uint8_t whole[SIDE * SIDE];
    static uint8_t row[SIDE];
    CorPlane plane = {
        .data = values, .width_px = SIDE, .height_px = SIDE, .row_bytes = SIDE * sizeof(int16_t)};
    CorWindow window = {.center = 40, .width = 400};
    CorError err = {0};
    (void) state;

    for (int is_signed = 0; is_signed <= 1; is_signed++) {
        plane.type = is_signed ? COR_PIXEL_S16 : COR_PIXEL_U16;
        for (int i = 0; i < SIDE * SIDE; i++) {
            values[i] = (int16_t) (i * 7);
        }
        assert_true(cor_image_window(&plane, &window, whole, &err)); /* by a table */
        for (size_t y = 0; y < SIDE; y++) {
            CorPlane one = plane;

            one.data = values + y * SIDE;
            one.height_px = 1;
            assert_true(cor_image_window(&one, &window, row, &err)); /* too small for a table */
            assert_memory_equal(row, whole + y * SIDE, SIDE);
        }
    }
}

static void windows_that_the_standard_forbids_are_refused(void **state)
{
    static const CorWindow windows[] = {
        {.center = 0, .width = 0.5},
        {.center = 0, .width = 0, .function = COR_WINDOW_LINEAR_EXACT},
        {.center = 0, .width = -5, .function = COR_WINDOW_SIGMOID},
        {.center = NAN, .width = 5},
        {.center = 0, .width = INFINITY},
        {.center = 0, .width = 5, .function = COR_WINDOW_FUNCTION_COUNT_},
    };
    uint8_t grey[WIDTH * HEIGHT];
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(windows); i++) {
        CorError err = {0};

        assert_false(cor_image_window(make_picture(COR_PIXEL_S16), &windows[i], grey, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
    }
}

static void a_full_window_shows_the_smallest_black_and_the_largest_white(void **state)
{
    uint8_t grey[WIDTH * HEIGHT];
    CorWindow window = {0};
    CorError err = {0};
    (void) state;

    make_picture(COR_PIXEL_F64);
    set_sample(COR_PIXEL_F64, 3, 2, -1000.25);
    set_sample(COR_PIXEL_F64, 4, 2, 3000.5);
    set_sample(COR_PIXEL_F64, 5, 2, NAN);
    set_sample(COR_PIXEL_F64, 6, 2, INFINITY);
    assert_true(cor_image_full_window(&picture.plane, &window, &err));
    assert_true(cor_image_window(&picture.plane, &window, grey, &err));
    assert_int_equal(grey[2 * WIDTH + 3], 0);
    assert_int_equal(grey[2 * WIDTH + 4], 255);
    assert_int_equal(grey[2 * WIDTH + 5], 0);
    assert_int_equal(grey[2 * WIDTH + 6], 255);
    assert_true(grey[0] > 55 && grey[0] < 70);
}

/* Grey of the overlay by its definition. */
static uint8_t stretched(double value, double low, double high)
{
    double scale = 255 * (1 / (high - low));

    return (uint8_t) (int) fma(value, scale, 0 - low * scale);
}

static void an_overlay_is_the_same_for_every_type(void **state)
{
    static uint8_t rgb[3 * WIDTH * HEIGHT];
    static uint8_t grey[WIDTH * HEIGHT];
    static uint8_t mask[WIDTH * HEIGHT];
    (void) state;

    for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
        mask[i] = i % 4 == 1;
    }
    for (CorPixelType type = COR_PIXEL_U8; type <= COR_PIXEL_F64; type++) {
        CorError err = {0};

        assert_true(cor_image_overlay(make_picture(type), mask, rgb, grey, &err));
        for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
            unsigned v = stretched(value_at(i % WIDTH, i / WIDTH), 0, 100);

            assert_int_equal(grey[i], v);
            assert_int_equal(rgb[3 * i], mask[i] ? (1025 + 6 * v) / 10 : v);
            assert_int_equal(rgb[3 * i + 1], mask[i] ? (6 * v + 5) / 10 : v);
            assert_int_equal(rgb[3 * i + 2], rgb[3 * i]);
        }
    }
}

static void an_overlay_of_one_value_is_black(void **state)
{
    static const int16_t values[6] = {-7, -7, -7, -7, -7, -7};
    static const double doubles[6] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1};
    CorPlane plane = {
        .data = values, .width_px = 3, .height_px = 2, .row_bytes = 6, .type = COR_PIXEL_S16};
    uint8_t rgb[18];
    CorError err = {0};
    (void) state;

    for (int i = 0; i < 2; i++) {
        memset(rgb, 9, sizeof(rgb));
        assert_true(cor_image_overlay(&plane, NULL, rgb, NULL, &err));
        for (size_t k = 0; k < sizeof(rgb); k++) {
            assert_int_equal(rgb[k], 0);
        }
        plane.data = doubles;
        plane.row_bytes = 24;
        plane.type = COR_PIXEL_F64;
    }
}

static void an_overlay_needs_finite_grey(void **state)
{
    uint8_t rgb[3 * WIDTH * HEIGHT];
    CorPlane colour = *make_picture(COR_PIXEL_F64);
    static const double wrong[] = {NAN, INFINITY, 1.7e308};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(wrong); i++) {
        CorError err = {0};

        make_picture(COR_PIXEL_F64);
        set_sample(COR_PIXEL_F64, WIDTH - 1, HEIGHT - 1, wrong[i]);
        assert_false(cor_image_overlay(&picture.plane, NULL, rgb, NULL, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
    }
    colour.type = COR_PIXEL_RGB8;
    assert_false(cor_image_overlay(&colour, NULL, rgb, NULL, NULL));
}

static void labels_painted_in_magenta_are_the_overlay(void **state)
{
    enum { LEN = WIDTH * HEIGHT };
    uint8_t expected[3 * LEN];
    uint8_t painted[3 * LEN];
    uint8_t mask[LEN];
    uint8_t palette[256 * 3] = {0};
    CorError err = {0};
    (void) state;

    make_picture(COR_PIXEL_F64);
    for (size_t i = 0; i < LEN; i++) {
        mask[i] = (uint8_t) (i % 3); /* two labels of one colour */
    }
    for (size_t label = 1; label <= 2; label++) {
        memcpy(palette + 3 * label, "\xff\0\xff", 3);
    }
    assert_true(cor_image_overlay(&picture.plane, mask, expected, NULL, &err));
    assert_true(cor_image_overlay(&picture.plane, NULL, painted, NULL, &err));
    cor_image_paint_labels(mask, LEN, palette, painted);
    assert_memory_equal(painted, expected, sizeof(expected));

    memcpy(palette + 3, "\xff\x10\0", 3);
    memset(painted, 100, sizeof(painted));
    cor_image_paint_labels(mask, 2, palette, painted);
    assert_memory_equal(painted, "\x64\x64\x64\xa2\x42\x3c", 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_converts_to_the_same_doubles),
        cmocka_unit_test(planes_that_cannot_be_are_refused),
        cmocka_unit_test(a_window_is_the_function_of_the_standard_for_every_type),
        cmocka_unit_test(a_large_plane_is_windowed_like_its_rows),
        cmocka_unit_test(windows_that_the_standard_forbids_are_refused),
        cmocka_unit_test(a_full_window_shows_the_smallest_black_and_the_largest_white),
        cmocka_unit_test(an_overlay_is_the_same_for_every_type),
        cmocka_unit_test(an_overlay_of_one_value_is_black),
        cmocka_unit_test(an_overlay_needs_finite_grey),
        cmocka_unit_test(labels_painted_in_magenta_are_the_overlay),
    };

    return cmocka_run_group_tests_name("image-planes", tests, NULL, NULL);
}
