/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/array.h"
#include "kernel/runs.h"
#include "naive.h"

typedef struct Mask {
    long width;
    long height;
    uint8_t *bytes;
    uint32_t *labels;
    uint64_t *words;
    CorBits bits;
    CorRuns runs;
    uint32_t *areas;
} Mask;

static void make(Mask *mask, long width, long height, unsigned percent, uint64_t *seed)
{
    size_t size = (size_t) (width * height);
    size_t words = cor_kernel_bits_size_words((size_t) width, (size_t) height);

    *mask = (Mask){.width = width, .height = height};
    mask->bytes = cor_new_array(uint8_t, size);
    mask->labels = cor_new_array(uint32_t, size);
    mask->areas = cor_new_array(uint32_t, size);
    mask->words = cor_new_array(uint64_t, words);
    mask->bits = cor_kernel_bits_at(mask->words, (size_t) width, (size_t) height);
    for (size_t i = 0; i < size; i++) {
        mask->bytes[i] = naive_random(seed) % 100 < percent;
    }
    for (long y = 0; y < height; y++) {
        cor_kernel_bits_pack_row(mask->bytes + y * width, &mask->bits, (size_t) y);
    }
}

/* Exactly as much room as was counted, so that the address sanitizer sees one run too many. */
static void make_runs(Mask *mask, bool is_set)
{
    size_t len = cor_kernel_runs_count(&mask->bits, is_set);

    mask->runs.runs = cor_new_array(CorRun, len);
    mask->runs.labels = cor_new_array(uint32_t, len);
    mask->runs.rows = cor_new_array(size_t, (size_t) mask->height + 1);
}

static void drop(Mask *mask)
{
    free(mask->bytes);
    free(mask->labels);
    free(mask->areas);
    free(mask->words);
    free(mask->runs.runs);
    free(mask->runs.labels);
    free(mask->runs.rows);
}

static void assert_bits_equal_bytes(const Mask *mask)
{
    uint8_t *row = cor_new_array(uint8_t, (size_t) mask->width);

    for (long y = 0; y < mask->height; y++) {
        cor_kernel_bits_unpack_row(&mask->bits, (size_t) y, row);
        assert_memory_equal(row, mask->bytes + y * mask->width, (size_t) mask->width);
        assert_int_equal(mask->bits.words[(size_t) (y + 1) * mask->bits.stride_words - 1], 0);
    }
    free(row);
}

static unsigned percent_of(long i)
{
    static const unsigned percents[] = {0, 5, 40, 50, 60, 70, 95, 100};

    return percents[(size_t) i % COR_ARRAY_LEN(percents)];
}

/* Compare the label of a run with that of its pixels, and forget those. */
static void take_run(Mask *mask, size_t y, size_t i)
{
    const CorRun *run = &mask->runs.runs[i];

    for (size_t x = run->begin_px; x < run->end_px; x++) {
        assert_int_equal(mask->runs.labels[i], mask->labels[y * (size_t) mask->width + x]);
        mask->labels[y * (size_t) mask->width + x] = 0;
    }
}

static void labels_are_those_of_a_flood_fill_in_raster_order(void **state)
{
    uint64_t seed = 5;
    (void) state;

    for (long width = 1; width <= 200; width++) {
        Mask mask;
        size_t count = 0;

        make(&mask, width, 1 + width % 37, percent_of(width), &seed);
        make_runs(&mask, true);
        cor_kernel_runs_find(&mask.bits, true, &mask.runs);
        assert_int_equal(mask.runs.len, cor_kernel_runs_count(&mask.bits, true));
        count = cor_kernel_runs_label(&mask.runs);

        assert_int_equal(count, naive_label(mask.bytes, mask.width, mask.height, 1, mask.labels));
        for (size_t y = 0; y < (size_t) mask.height; y++) {
            for (size_t i = mask.runs.rows[y]; i < mask.runs.rows[y + 1]; i++) {
                take_run(&mask, y, i);
            }
        }
        for (long i = 0; i < mask.width * mask.height; i++) {
            assert_int_equal(mask.labels[i], 0); /* no pixel was left out */
        }
        drop(&mask);
    }
}

static void sums_of_a_component_are_those_of_its_pixels(void **state)
{
    uint64_t seed = 6;
    (void) state;

    for (long round = 0; round < 60; round++) {
        Mask mask;
        size_t count = 0;
        CorComponent *components = NULL;

        make(&mask, 1 + round * 3, 50, percent_of(round), &seed);
        make_runs(&mask, true);
        cor_kernel_runs_find(&mask.bits, true, &mask.runs);
        count = cor_kernel_runs_label(&mask.runs);
        components = cor_new_array(CorComponent, count);
        cor_kernel_runs_measure(&mask.runs, components, count);
        naive_label(mask.bytes, mask.width, mask.height, 1, mask.labels);
        for (long i = 0; i < mask.width * mask.height; i++) {
            if (mask.labels[i]) {
                CorComponent *component = &components[mask.labels[i] - 1];

                component->area_px--;
                component->sum_x -= (uint64_t) (i % mask.width);
                component->sum_y -= (uint64_t) (i / mask.width);
            }
        }
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(components[i].area_px, 0);
            assert_int_equal(components[i].sum_x, 0);
            assert_int_equal(components[i].sum_y, 0);
        }
        free(components);
        drop(&mask);
    }
}

static void holes_that_do_not_touch_the_border_are_filled(void **state)
{
    uint64_t seed = 7;
    (void) state;

    for (long width = 1; width <= 200; width++) {
        Mask mask;

        make(&mask, width, 1 + width % 41, percent_of(width), &seed);
        make_runs(&mask, false);
        cor_kernel_fill_holes(&mask.bits, &mask.runs);
        naive_fill(mask.bytes, mask.width, mask.height, true, 0);
        assert_bits_equal_bytes(&mask);
        drop(&mask);
    }
}

static void small_background_is_filled_at_the_border_too(void **state)
{
    static const uint32_t areas[] = {0, 1, 2, 5, 40, 100000};
    uint64_t seed = 8;
    (void) state;

    for (long width = 1; width <= 200; width++) {
        uint32_t area = areas[(size_t) width % COR_ARRAY_LEN(areas)];
        Mask mask;

        make(&mask, width, 1 + width % 43, percent_of(width / 3), &seed);
        make_runs(&mask, false);
        cor_kernel_fill_small(&mask.bits, area, &mask.runs, mask.areas);
        naive_fill(mask.bytes, mask.width, mask.height, false, area);
        assert_bits_equal_bytes(&mask);
        drop(&mask);
    }
}

/* A spiral joins nearly every run to an earlier one at its very end. */
static void a_spiral_is_one_component(void **state)
{
    enum { SIDE = 151 };
    uint64_t seed = 9;
    Mask mask;
    long x = 0;
    long y = 0;
    long dx = 1;
    long dy = 0;
    (void) state;

    make(&mask, SIDE, SIDE, 0, &seed);
    for (long turns = 0; turns < 2;) {
        long next_x = x + 2 * dx;
        long next_y = y + 2 * dy;
        long turn = dx;

        mask.bytes[y * SIDE + x] = 1;
        if (x + dx >= 0 && x + dx < SIDE && y + dy >= 0 && y + dy < SIDE &&
            !naive_at(mask.bytes, SIDE, SIDE, next_x, next_y, false)) {
            x += dx;
            y += dy;
            turns = 0;
            continue;
        }
        dx = -dy;
        dy = turn;
        turns++;
    }
    for (size_t row = 0; row < SIDE; row++) {
        cor_kernel_bits_pack_row(mask.bytes + row * SIDE, &mask.bits, row);
    }
    assert_true(cor_kernel_bits_count(&mask.bits) > SIDE * SIDE / 3);
    make_runs(&mask, true);
    cor_kernel_runs_find(&mask.bits, true, &mask.runs);
    assert_int_equal(cor_kernel_runs_label(&mask.runs), 1);
    drop(&mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_those_of_a_flood_fill_in_raster_order),
        cmocka_unit_test(sums_of_a_component_are_those_of_its_pixels),
        cmocka_unit_test(holes_that_do_not_touch_the_border_are_filled),
        cmocka_unit_test(small_background_is_filled_at_the_border_too),
        cmocka_unit_test(a_spiral_is_one_component),
    };

    return cmocka_run_group_tests_name("kernel-runs", tests, NULL, NULL);
}
