/* SPDX-License-Identifier: Apache-2.0 */
/* gauss.h, majority.h and the packing of bits.h against their definitions. */
#include "test.h"

#include "base/array.h"
#include "kernel/kernel.h"
#include "naive.h"

/* Planes of the kind that the Gaussian is asked about: much zero, some flat, some noise. */
static void fill_plane(uint8_t *plane, long width, long height, long kind, uint64_t *seed)
{
    for (long i = 0; i < width * height; i++) {
        uint8_t random = (uint8_t) naive_random(seed);

        switch (kind % 5) {
        case 0:
            plane[i] = random;
            break;
        case 1:
            plane[i] = random < 4 ? 255 : 0;
            break;
        case 2:
            plane[i] = (uint8_t) (kind * 37);
            break;
        case 3:
            plane[i] = i % width > width / 2 ? 111 : (uint8_t) (108 + random % 6);
            break;
        default:
            plane[i] = random < 250 ? 255 : 254;
            break;
        }
    }
}

static void assert_gauss(const CorGauss *gauss, long width, long height, long kind, uint64_t *seed)
{
    size_t size = (size_t) (width * height);
    size_t scratch_len = cor_kernel_gauss_scratch_len(gauss, (size_t) width);
    uint8_t *from = cor_new_array(uint8_t, size);
    uint8_t *to = cor_new_array(uint8_t, size);
    uint8_t *between = cor_new_array(uint8_t, size);
    uint8_t *expected = cor_new_array(uint8_t, size);
    float *scratch = cor_new_array(float, scratch_len);

    fill_plane(from, width, height, kind, seed);
    memset(to, 0xaa, size);
    cor_kernel_gauss_u8(gauss, from, (size_t) width, (size_t) height, to, scratch);
    naive_gauss_pass(from, width, height, gauss->weights, (long) gauss->radius_px, true, between);
    naive_gauss_pass(between, width, height, gauss->weights, (long) gauss->radius_px, false,
                     expected);
    assert_memory_equal(to, expected, size);
    free(from);
    free(to);
    free(between);
    free(expected);
    free(scratch);
}

static void the_gaussian_is_the_sum_in_double_at_every_width(void **state)
{
    CorGauss gauss;
    uint64_t seed = 10;
    (void) state;

    cor_kernel_gauss_init(&gauss, 1.5);
    for (long width = 1; width <= 200; width++) {
        assert_gauss(&gauss, width, 1 + width % 31, width, &seed);
    }
}

static void the_gaussian_is_the_sum_in_double_at_every_sigma(void **state)
{
    uint64_t seed = 11;
    (void) state;

    for (int tenth = 0; tenth <= 100; tenth++) {
        CorGauss gauss;

        cor_kernel_gauss_init(&gauss, tenth / 10.0);
        assert_int_equal(gauss.radius_px, (4 * tenth + 5) / 10);
        assert_gauss(&gauss, 1 + tenth * 2, 1 + tenth % 23, tenth, &seed);
    }
}

static void a_flat_plane_stays_as_it_is_at_the_reference_sigma(void **state)
{
    CorGauss gauss;
    uint8_t from[70 * 3];
    uint8_t to[70 * 3];
    float *scratch = NULL;
    (void) state;

    cor_kernel_gauss_init(&gauss, 1.5);
    scratch = cor_new_array(float, cor_kernel_gauss_scratch_len(&gauss, 70));
    for (int value = 0; value <= 255; value++) {
        memset(from, value, sizeof(from));
        cor_kernel_gauss_u8(&gauss, from, 70, 3, to, scratch);
        assert_memory_equal(to, from, sizeof(from));
    }
    free(scratch);
}

static void weights_sum_up_to_one_and_fall_off_as_they_should(void **state)
{
    (void) state;

    for (int tenth = 2; tenth <= 100; tenth++) {
        double sigma = tenth / 10.0;
        CorGauss gauss;
        double sum = 0;

        cor_kernel_gauss_init(&gauss, sigma);
        for (size_t k = 0; k <= gauss.radius_px; k++) {
            double ratio = gauss.weights[k] / gauss.weights[0];

            sum += (k == 0 ? 1 : 2) * gauss.weights[k];
            assert_true(fabs(ratio / exp(-(double) (k * k) / (2 * sigma * sigma)) - 1) < 1e-14);
        }
        assert_true(fabs(sum - 1) < 1e-14);
    }
}

static void the_majority_is_where_the_median_is_above(void **state)
{
    uint64_t seed = 12;
    (void) state;

    for (long width = 1; width <= 130; width += 3) {
        long height = 1 + width % 29;
        long side = 1 + 2 * (width % 16);
        size_t size = (size_t) (width * height);
        size_t words = cor_kernel_bits_size_words((size_t) width, (size_t) height);
        size_t scratch_size = cor_kernel_majority_scratch_size((size_t) width, (size_t) height);
        double *values = cor_new_array(double, size);
        uint8_t *above = cor_new_array(uint8_t, size);
        uint8_t *row = cor_new_array(uint8_t, (size_t) width);
        uint8_t *scratch = cor_new_array(uint8_t, scratch_size);
        uint64_t *buffer = cor_new_array(uint64_t, words);
        CorBits bits = cor_kernel_bits_at(buffer, (size_t) width, (size_t) height);

        for (size_t i = 0; i < size; i++) {
            values[i] = (double) (naive_random(&seed) % 7) + 117.5;
        }
        cor_kernel_above_f64(values, size, 120, above);
        cor_kernel_majority(above, (size_t) side, &bits, scratch);
        for (long y = 0; y < height; y++) {
            cor_kernel_bits_unpack_row(&bits, (size_t) y, row);
            for (long x = 0; x < width; x++) {
                assert_int_equal(row[x], naive_median(values, width, height, side, x, y) > 120);
            }
        }
        free(values);
        free(above);
        free(row);
        free(scratch);
        free(buffer);
    }
}

/* A plane of the values of one kind, and doubles of them. */
static void fill_values(int16_t *values, double *doubles, size_t size, long kind, uint64_t *seed)
{
    static const uint32_t ranges[] = {65536, 4096, 1, 2, 300};

    for (size_t i = 0; i < size; i++) {
        uint32_t range = ranges[(size_t) kind % COR_ARRAY_LEN(ranges)];

        values[i] = (int16_t) ((int) (naive_random(seed) % range) + (range > 40000 ? -32768 : -70));
        doubles[i] = values[i];
    }
}

static void medians_are_those_of_sorted_squares(void **state)
{
    uint64_t seed = 18;
    (void) state;

    for (long width = 1; width <= 140; width += 7) {
        const size_t size_px[2] = {(size_t) width, 1 + (size_t) width % 12};
        size_t size = size_px[0] * size_px[1];
        size_t side = 1 + 2 * ((size_t) width % 8);
        int16_t *from = cor_new_array(int16_t, size);
        int16_t *to = cor_new_array(int16_t, size);
        double *doubles = cor_new_array(double, size);
        void *scratch = malloc(cor_kernel_median_scratch_size(side));

        fill_values(from, doubles, size, width / 7, &seed);
        cor_kernel_median_s16(from, size_px, side, to, scratch);
        for (size_t i = 0; i < size; i++) {
            double expected = naive_median(doubles, width, (long) size_px[1], (long) side,
                                           (long) (i % size_px[0]), (long) (i / size_px[0]));

            assert_int_equal(to[i], (int) expected);
        }
        free(from);
        free(to);
        free(doubles);
        free(scratch);
    }
}

static float naive_mean(const CorMean *mean, const double *values, const size_t size_px[2],
                        size_t at)
{
    long radius = (long) mean->radius_px;
    long side = 2 * radius + 1;
    double sum = 0;
    size_t count = 0;

    for (long i = 0; i < side * side; i++) {
        long x = (long) (at % size_px[0]) + i % side - radius;
        long y = (long) (at / size_px[0]) + i / side - radius;

        if (x >= 0 && y >= 0 && x < (long) size_px[0] && y < (long) size_px[1]) {
            sum += fmin(fmax(values[y * (long) size_px[0] + x], mean->low), mean->high);
            count++;
        }
    }
    return (float) sum / (float) count;
}

static void means_are_of_what_lies_in_the_plane(void **state)
{
    uint64_t seed = 19;
    (void) state;

    for (size_t width = 1; width <= 60; width += 5) {
        const size_t size_px[2] = {width, 1 + width % 17};
        CorMean mean = {.radius_px = width % 9, .low = -1024, .high = 1500};
        size_t size = size_px[0] * size_px[1];
        int16_t *from = cor_new_array(int16_t, size);
        float *to = cor_new_array(float, size);
        double *doubles = cor_new_array(double, size);
        void *scratch = malloc(cor_kernel_mean_scratch_size(width));

        fill_values(from, doubles, size, (long) width, &seed);
        cor_kernel_mean_s16(&mean, from, size_px, to, scratch);
        for (size_t i = 0; i < size; i++) {
            assert_true(fabsf(to[i] - naive_mean(&mean, doubles, size_px, i)) <= 0);
        }
        free(from);
        free(to);
        free(doubles);
        free(scratch);
    }
}

static void packing_and_unpacking_gives_the_same_bytes(void **state)
{
    uint64_t seed = 13;
    (void) state;

    for (size_t width = 1; width <= 200; width++) {
        size_t words = cor_kernel_bits_size_words(width, 3);
        uint64_t *buffer = cor_new_array(uint64_t, words);
        CorBits bits = cor_kernel_bits_at(buffer, width, 3);
        size_t size = 3 * width;
        uint8_t *plane = cor_new_array(uint8_t, size);
        uint8_t *row = cor_new_array(uint8_t, width);
        size_t count = 0;

        for (size_t i = 0; i < size; i++) {
            plane[i] = (uint8_t) naive_random(&seed);
        }
        cor_kernel_bits_from_u8_above(plane, 110, &bits);
        for (size_t i = 0; i < size; i++) {
            plane[i] = plane[i] > 110;
            count += plane[i];
        }
        assert_int_equal(cor_kernel_bits_count(&bits), count);
        for (size_t y = 0; y < 3; y++) {
            cor_kernel_bits_unpack_row(&bits, y, row);
            assert_memory_equal(row, plane + y * width, width);
            cor_kernel_bits_pack_row(row, &bits, y);
        }
        assert_int_equal(cor_kernel_bits_count(&bits), count);
        free(buffer);
        free(plane);
        free(row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gaussian_is_the_sum_in_double_at_every_width),
        cmocka_unit_test(the_gaussian_is_the_sum_in_double_at_every_sigma),
        cmocka_unit_test(a_flat_plane_stays_as_it_is_at_the_reference_sigma),
        cmocka_unit_test(weights_sum_up_to_one_and_fall_off_as_they_should),
        cmocka_unit_test(the_majority_is_where_the_median_is_above),
        cmocka_unit_test(medians_are_those_of_sorted_squares),
        cmocka_unit_test(means_are_of_what_lies_in_the_plane),
        cmocka_unit_test(packing_and_unpacking_gives_the_same_bytes),
    };

    return cmocka_run_group_tests_name("kernel-filter", tests, NULL, NULL);
}
