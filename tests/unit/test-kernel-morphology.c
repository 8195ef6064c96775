/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/array.h"
#include "kernel/morphology.h"
#include "naive.h"

/* A random mask, packed and as bytes, and what the operations need. */
typedef struct Masks {
    long width;
    long height;
    uint8_t *bytes;
    uint8_t *expected;
    uint8_t *row;
    uint64_t *words[2];
    CorBits from;
    CorBits to;
    uint64_t *scratch;
} Masks;

static void make(Masks *masks, long width, long height, unsigned percent, uint64_t *seed)
{
    size_t size = (size_t) (width * height);
    size_t words = cor_kernel_bits_size_words((size_t) width, (size_t) height);
    CorBits bits[2];
    size_t scratch_len = cor_kernel_morphology_size_words((size_t) width);

    *masks = (Masks){.width = width, .height = height};
    masks->bytes = cor_new_array(uint8_t, size);
    masks->expected = cor_new_array(uint8_t, size);
    masks->row = cor_new_array(uint8_t, (size_t) width);
    for (size_t i = 0; i < size; i++) {
        masks->bytes[i] = naive_random(seed) % 100 < percent;
    }
    for (size_t i = 0; i < 2; i++) {
        masks->words[i] = cor_new_array(uint64_t, words);
        bits[i] = cor_kernel_bits_at(masks->words[i], (size_t) width, (size_t) height);
    }
    masks->from = bits[0];
    masks->to = bits[1];
    masks->scratch = cor_new_array(uint64_t, scratch_len);
    for (long y = 0; y < height; y++) {
        cor_kernel_bits_pack_row(masks->bytes + y * width, &masks->from, (size_t) y);
    }
}

static void drop(Masks *masks)
{
    free(masks->bytes);
    free(masks->expected);
    free(masks->row);
    free(masks->scratch);
    for (size_t i = 0; i < 2; i++) {
        free(masks->words[i]);
    }
}

static void assert_equals_expected(Masks *masks)
{
    for (long y = 0; y < masks->height; y++) {
        const uint64_t *row = masks->to.words + (size_t) y * masks->to.stride_words;

        cor_kernel_bits_unpack_row(&masks->to, (size_t) y, masks->row);
        assert_memory_equal(masks->row, masks->expected + y * masks->width, (size_t) masks->width);
        /* Nothing may be left behind the row, or later operations would see it. */
        assert_int_equal(row[masks->to.stride_words - 1], 0);
        if (masks->width % 64 != 0) {
            assert_int_equal(row[masks->width / 64] >> (masks->width % 64), 0);
        }
    }
}

static void assert_all_operations(Masks *masks, int radius)
{
    for (int is_disk = 0; is_disk <= 1; is_disk++) {
        naive_morphology(masks->bytes, masks->width, masks->height, radius, is_disk, true, false,
                         masks->expected);
        (is_disk ? cor_kernel_dilate_disk : cor_kernel_dilate_diamond)(&masks->from, radius,
                                                                       &masks->to, masks->scratch);
        assert_equals_expected(masks);

        naive_morphology(masks->bytes, masks->width, masks->height, radius, is_disk, false, false,
                         masks->expected);
        if (is_disk) {
            cor_kernel_erode_disk(&masks->from, radius, false, &masks->to, masks->scratch);
        } else {
            cor_kernel_erode_diamond(&masks->from, radius, &masks->to, masks->scratch);
        }
        assert_equals_expected(masks);
    }
    naive_morphology(masks->bytes, masks->width, masks->height, radius, true, false, true,
                     masks->expected);
    cor_kernel_erode_disk(&masks->from, radius, true, &masks->to, masks->scratch);
    assert_equals_expected(masks);
}

static void every_width_gives_what_the_definition_gives(void **state)
{
    static const int radii[] = {0, 1, 2, 3, 7, 9};
    uint64_t seed = 1;
    (void) state;

    for (long width = 1; width <= 200; width++) {
        Masks masks;
        long height = 1 + (long) (naive_random(&seed) % 24);
        int radius = radii[(size_t) width % COR_ARRAY_LEN(radii)];
        bool is_dense = width % 2;

        make(&masks, width, height, is_dense ? 97 : 3, &seed);
        assert_all_operations(&masks, radius);
        drop(&masks);
    }
}

static void every_radius_gives_what_the_definition_gives(void **state)
{
    static const long widths[] = {1, 63, 64, 65, 129, 150};
    uint64_t seed = 2;
    (void) state;

    for (int radius = 0; radius <= COR_DISK_RADIUS_MAX_PX; radius++) {
        Masks masks;
        long width = widths[(size_t) radius % COR_ARRAY_LEN(widths)];

        /* One pixel in a hundred, or missing: dilations and erosions that leave something. */
        make(&masks, width, 14 + radius / 3, radius % 2 ? 99 : 1, &seed);
        assert_all_operations(&masks, radius);
        drop(&masks);
    }
}

static void the_disk_has_the_half_widths_of_the_reference(void **state)
{
    static const int half_widths_7[] = {0, 3, 4, 5, 6, 6, 6, 7, 6, 6, 6, 5, 4, 3, 0};
    static const int half_widths_9[] = {0, 4, 5, 6, 7, 8, 8, 8, 8, 9, 8, 8, 8, 8, 7, 6, 5, 4, 0};
    uint64_t seed = 3;
    (void) state;

    for (int radius = 7; radius <= 9; radius += 2) {
        const int *half_widths = radius == 7 ? half_widths_7 : half_widths_9;
        Masks masks;

        make(&masks, 64, 32, 0, &seed);
        masks.from.words[16 * masks.from.stride_words] = (uint64_t) 1 << 30;
        cor_kernel_dilate_disk(&masks.from, radius, &masks.to, masks.scratch);
        for (int dy = -radius; dy <= radius; dy++) {
            size_t row = (size_t) (16 + dy) * masks.to.stride_words;

            assert_int_equal(__builtin_popcountll(masks.to.words[row]),
                             2 * half_widths[dy + radius] + 1);
        }
        drop(&masks);
    }
}

static void nine_crosses_are_the_diamond_of_nine(void **state)
{
    uint64_t seed = 4;
    Masks once;
    Masks whole;
    (void) state;

    make(&once, 117, 90, 2, &seed);
    seed = 4;
    make(&whole, 117, 90, 2, &seed);
    for (int i = 0; i < 9; i++) {
        cor_kernel_dilate_disk(&once.from, 1, &once.to, once.scratch);
        cor_kernel_bits_copy(&once.to, &once.from);
    }
    cor_kernel_dilate_diamond(&whole.from, 9, &whole.to, whole.scratch);
    for (long y = 0; y < 90; y++) {
        cor_kernel_bits_unpack_row(&once.from, (size_t) y, whole.expected + y * 117);
    }
    assert_equals_expected(&whole);
    drop(&once);
    drop(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width_gives_what_the_definition_gives),
        cmocka_unit_test(every_radius_gives_what_the_definition_gives),
        cmocka_unit_test(the_disk_has_the_half_widths_of_the_reference),
        cmocka_unit_test(nine_crosses_are_the_diamond_of_nine),
    };

    return cmocka_run_group_tests_name("kernel-morphology", tests, NULL, NULL);
}
