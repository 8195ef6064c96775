/* SPDX-License-Identifier: Apache-2.0 */
/* grey.h and paint.h. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/array.h"
#include "kernel/grey.h"
#include "kernel/kernel-ops.h"
#include "kernel/paint.h"
#include "naive.h"

#define ALL 65536

static int16_t integers[ALL];
static double doubles[ALL];
static uint8_t bytes[ALL];
static uint8_t expected[ALL];

static int make_all_integers(void **state)
{
    (void) state;

    for (int i = 0; i < ALL; i++) {
        integers[i] = (int16_t) (i + INT16_MIN);
        doubles[i] = integers[i];
    }
    return 0;
}

static void the_reference_window_is_the_integer_formula(void **state)
{
    static CorClip clip;
    (void) state;

    cor_kernel_clip_init(&clip, 30, 150);
    cor_kernel_clip_s16(&clip, integers, ALL, bytes);
    for (int i = 0; i < ALL; i++) {
        int value = integers[i] < 30 ? 30 : (integers[i] > 150 ? 150 : integers[i]);

        assert_int_equal(bytes[i], (value - 30) * 255 / 120);
    }
}

static void integers_and_doubles_give_the_same_window(void **state)
{
    static CorClip clip;
    static const int ends[][2] = {{0, 1},      {-1, 1},         {30, 150},        {0, 255},
                                  {-160, 240}, {-1024, 3071},   {7, 774},         {-1000, -999},
                                  {0, 17},     {-32768, 32767}, {-32768, -32767}, {0, 32767}};
    uint64_t seed = 14;
    (void) state;

    for (size_t k = 0; k < COR_ARRAY_LEN(ends) + 300; k++) {
        int low = (int) (naive_random(&seed) % 4000) - 1024;
        int high = low + 1 + (int) (naive_random(&seed) % (k % 2 ? 300 : 3000));

        cor_kernel_clip_init(&clip, k < COR_ARRAY_LEN(ends) ? ends[k][0] : low,
                             k < COR_ARRAY_LEN(ends) ? ends[k][1] : high);
        cor_kernel_clip_s16(&clip, integers, ALL, bytes);
        cor_kernel_clip_f64(&clip, doubles, ALL, expected);
        assert_memory_equal(bytes, expected, ALL);
        assert_int_equal(bytes[0], 0);
        assert_int_equal(bytes[ALL - 1], 255);
    }
}

static void integers_are_above_a_threshold_where_their_doubles_are(void **state)
{
    static const double thresholds[] = {120,   120.5,   -0.5,  0,      -1024.25, 32766,
                                        32767, 32766.9, 40000, -32768, -32768.5, -50000};
    (void) state;

    for (size_t k = 0; k < COR_ARRAY_LEN(thresholds); k++) {
        cor_kernel_above_s16(integers, ALL, thresholds[k], bytes);
        cor_kernel_above_f64(doubles, ALL, thresholds[k], expected);
        assert_memory_equal(bytes, expected, ALL);
    }
}

static void ranges_and_sums_are_those_of_a_plain_loop(void **state)
{
    uint64_t seed = 15;
    (void) state;

    for (size_t len = 1; len <= 200; len++) {
        int16_t row[200];
        double row_f64[200];
        int low = INT16_MAX;
        int high = INT16_MIN;
        double low_f64 = INFINITY;
        double high_f64 = -INFINITY;
        int64_t sum = 5;
        uint64_t squares = 6;
        int plain_low = INT16_MAX;
        int plain_high = INT16_MIN;
        int64_t plain_sum = 5;
        uint64_t plain_squares = 6;

        for (size_t i = 0; i < len; i++) {
            row[i] = (int16_t) naive_random(&seed);
            row_f64[i] = row[i];
            plain_low = row[i] < plain_low ? row[i] : plain_low;
            plain_high = row[i] > plain_high ? row[i] : plain_high;
            plain_sum += row[i];
            plain_squares += (uint64_t) ((int64_t) row[i] * row[i]);
        }
        cor_kernel_range_s16(row, len, &low, &high);
        assert_true(cor_kernel_range_f64(row_f64, len, &low_f64, &high_f64));
        cor_kernel_sums_s16(row, len, &sum, &squares);
        assert_int_equal(low, plain_low);
        assert_int_equal(high, plain_high);
        assert_true((int) low_f64 == plain_low && (int) high_f64 == plain_high);
        assert_int_equal(sum, plain_sum);
        assert_int_equal(squares, plain_squares);
    }
}

static void one_value_that_is_not_finite_is_noticed_anywhere(void **state)
{
    static const double wrong[] = {NAN, INFINITY, -INFINITY};
    (void) state;

    for (size_t len = 1; len <= 40; len++) {
        for (size_t at = 0; at < len; at++) {
            double row[40] = {0};
            double low = INFINITY;
            double high = -INFINITY;

            row[len - 1] = -1.7e308;
            assert_true(cor_kernel_is_finite_f64(row, len));
            row[at] = wrong[(len + at) % 3];
            assert_false(cor_kernel_is_finite_f64(row, len));
            assert_false(cor_kernel_range_f64(row, len, &low, &high));
        }
    }
}

static void scaling_rounds_once_with_and_without_the_instruction(void **state)
{
    uint64_t seed = 16;
    size_t differences = 0;
    (void) state;

    for (int round = 0; round < 40; round++) {
        double low = -(double) (naive_random(&seed) % 3000);
        double high = low + 1 + naive_random(&seed) % 5000 / 7.0;
        double scale = 255 * (1 / (high - low));
        double offset = 0 - low * scale;

        for (int i = 0; i < ALL; i++) {
            doubles[i] = low + (high - low) * naive_random(&seed) / (double) UINT32_MAX;
        }
        doubles[0] = low;
        doubles[1] = high;
        cor_kernel_scale_f64(doubles, ALL, scale, offset, bytes);
        cor_kernel_priv_scalar.scale_f64(doubles, ALL, scale, offset, expected);
        assert_memory_equal(bytes, expected, ALL);
        for (int i = 0; i < ALL; i++) {
            /* A long double holds the product of two doubles nearly exactly: same but for ties. */
            long double exact = (long double) doubles[i] * scale + offset;

            differences += bytes[i] != (uint8_t) (int) exact;
        }
    }
    assert_true(differences < 100);
    make_all_integers(NULL);
}

/* Few values of a large plane come from a table, many of a small one do not. */
static void integers_are_scaled_as_doubles_with_and_without_a_table(void **state)
{
    static const int ranges[][2] = {{0, 1},         {-1024, 3071},    {-32768, 32767},
                                    {32760, 32767}, {-32768, -32700}, {-3, 16381}};
    static CorScale scale;
    size_t tables = 0;
    (void) state;

    for (size_t isa = 0; cor_kernel_priv_ops_at(isa); isa++) {
        cor_kernel_priv_use(cor_kernel_priv_ops_at(isa));
        for (size_t i = 0; i < COR_ARRAY_LEN(ranges); i++) {
            int low = ranges[i][0];
            size_t len = (size_t) (ranges[i][1] - low) + 1;
            const int16_t *values = integers + (low - INT16_MIN);
            double factor = 255 * (1 / (double) (ranges[i][1] - low));
            double offset = 0 - low * factor;

            for (size_t k = 0; k < len; k++) {
                expected[k] = (uint8_t) (int) fma(values[k], factor, offset);
            }
            for (size_t plane = 1; plane <= 16 * len; plane *= 16 * len) {
                cor_kernel_scale_init(&scale, low, ranges[i][1], factor, offset, plane);
                tables += scale.has_table;
                memset(bytes, 0xAA, len);
                cor_kernel_scale_s16(&scale, values, len, bytes);
                assert_memory_equal(bytes, expected, len);
            }
        }
    }
    cor_kernel_priv_use(NULL);
    assert_int_equal(tables, COR_ARRAY_LEN(ranges)); /* for the large planes of the scalar set */
}

static void masked_pixels_are_four_tenths_magenta(void **state)
{
    uint8_t grey[256 + 3];
    uint8_t mask[256 + 3];
    uint8_t rgb[3 * (256 + 3) + 1];
    (void) state;

    for (size_t len = 1; len <= sizeof(grey); len++) {
        for (size_t i = 0; i < len; i++) {
            grey[i] = (uint8_t) i;
            mask[i] = i % 5 == 0 || (i > 64 && i < 128) ? (uint8_t) (1 + i % 7) : 0;
        }
        rgb[3 * len] = 77;
        cor_kernel_paint(grey, mask, len, rgb);
        assert_int_equal(rgb[3 * len], 77); /* not one byte too many */
        for (size_t i = 0; i < len; i++) {
            double red = mask[i] ? 0.4 * 255 + 0.6 * grey[i] : grey[i];
            double green = mask[i] ? 0.6 * grey[i] : grey[i];

            assert_int_equal(rgb[3 * i], (int) floor(red + 0.5));
            assert_int_equal(rgb[3 * i + 1], (int) floor(green + 0.5));
            assert_int_equal(rgb[3 * i + 2], rgb[3 * i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_window_is_the_integer_formula),
        cmocka_unit_test(integers_and_doubles_give_the_same_window),
        cmocka_unit_test(integers_are_above_a_threshold_where_their_doubles_are),
        cmocka_unit_test(ranges_and_sums_are_those_of_a_plain_loop),
        cmocka_unit_test(one_value_that_is_not_finite_is_noticed_anywhere),
        cmocka_unit_test(scaling_rounds_once_with_and_without_the_instruction),
        cmocka_unit_test(integers_are_scaled_as_doubles_with_and_without_a_table),
        cmocka_unit_test(masked_pixels_are_four_tenths_magenta),
    };

    return cmocka_run_group_tests_name("kernel-grey", tests, make_all_integers, NULL);
}
