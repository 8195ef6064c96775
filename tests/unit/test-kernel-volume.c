/* SPDX-License-Identifier: Apache-2.0 */
/* Small volumes against their definitions, over random sizes, spacings and masks. */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/array.h"
#include "kernel/volume.h"
#include "naive.h"

enum { ROUNDS = 60 };

static size_t pick(uint64_t *seed, size_t max)
{
    return 1 + naive_random(seed) % max;
}

static CorGrid random_grid(uint64_t *seed)
{
    CorGrid grid = {.width = pick(seed, 40), .height = pick(seed, 12), .depth = pick(seed, 9)};

    for (size_t i = 0; i < 3; i++) {
        grid.spacing_mm[i] = 0.25 + (double) (naive_random(seed) % 1000) / 200;
    }
    return grid;
}

static uint8_t *random_mask(const CorGrid *grid, uint64_t *seed)
{
    size_t len = cor_kernel_grid_len(grid);
    unsigned percent = naive_random(seed) % 101;
    uint8_t *mask = cor_new_array(uint8_t, len);

    for (size_t i = 0; i < len; i++) {
        mask[i] = naive_random(seed) % 100 < percent ? (uint8_t) pick(seed, 255) : 0;
    }
    return mask;
}

/* The smallest of what all targets are away, by definition. */
static int naive_distance(const CorGrid *grid, const uint8_t *mask, bool is_set, size_t from,
                          int cap)
{
    size_t slice = grid->width * grid->height;
    int best = cap;

    for (size_t i = 0; i < slice * grid->depth; i++) {
        double steps[3] = {(double) (i % grid->width) - (double) (from % grid->width),
                           (double) (i % slice / grid->width) -
                               (double) (from % slice / grid->width),
                           (double) (i / slice) - (double) (from / slice)};
        int sum = 0;

        for (size_t k = 0; k < 3; k++) {
            double mm = steps[k] * grid->spacing_mm[k];
            int axis = 4 * mm * mm + 0.5 < cap ? (int) (4 * mm * mm + 0.5) : cap;
            sum = COR_MIN(sum + axis, cap);
        }
        if ((mask[i] != 0) == is_set) {
            best = COR_MIN(best, sum);
        }
    }
    return best;
}

static void distances_are_the_smallest_of_all(void **state)
{
    uint64_t seed = 0x1d;
    (void) state;

    for (int round = 0; round < ROUNDS; round++) {
        CorGrid grid = random_grid(&seed);
        size_t len = cor_kernel_grid_len(&grid);
        uint8_t *mask = random_mask(&grid, &seed);
        int16_t *distances = cor_new_array(int16_t, len);
        int16_t *scratch = cor_new_array(int16_t, len);
        double cap_mm = 0.5 + (double) (naive_random(&seed) % 700) / 10; /* above the longest */
        bool is_set = naive_random(&seed) % 2;

        cor_kernel_volume_distance(&grid, mask, is_set, cap_mm, distances, scratch);
        for (size_t i = 0; i < len; i += 1 + len / 200) {
            assert_int_equal(distances[i],
                             naive_distance(&grid, mask, is_set, i, cor_kernel_mm_squared(cap_mm)));
        }
        free(mask);
        free(distances);
        free(scratch);
    }
}

static void a_blur_keeps_the_sum_and_spreads_a_point_by_its_sigma(void **state)
{
    CorGrid grid = {41, 35, 29, {1, 1.5, 2}};
    size_t len = cor_kernel_grid_len(&grid);
    size_t middle = (14 * grid.height + 17) * grid.width + 20;
    float *values = cor_new_array(float, len);
    float *scratch = cor_new_array(float, len);
    double sum = 0;
    double spread[3] = {0};
    (void) state;

    values[middle] = 1000;
    cor_kernel_volume_blur(&grid, 3, values, scratch);
    for (size_t i = 0; i < len; i++) {
        double mm[3] = {((double) (i % 41) - 20) * 1, ((double) (i / 41 % 35) - 17) * 1.5,
                        ((double) (i / 41 / 35) - 14) * 2};

        sum += (double) values[i];
        for (size_t k = 0; k < 3; k++) {
            spread[k] += (double) values[i] * mm[k] * mm[k];
        }
    }
    assert_true(fabs(sum - 1000) < 0.5);
    for (size_t k = 0; k < 3; k++) { /* a little less for the cut at three sigmas */
        assert_true(fabs(sqrt(spread[k] / sum) - 3) < 0.1);
    }
    free(values);
    free(scratch);
}

static void what_is_outside_the_grid_counts_as_nothing_in_a_blur(void **state)
{
    CorGrid grid = {5, 4, 3, {1, 1, 1}};
    float values[60];
    float scratch[60];
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(values); i++) {
        values[i] = 100;
    }
    cor_kernel_volume_blur(&grid, 20, values, scratch);
    for (size_t i = 0; i < COR_ARRAY_LEN(values); i++) {
        assert_true(values[i] > 0 && values[i] < 5);
    }
}

/* Give a component its number by flooding it. */
static void flood(const CorGrid *grid, const uint8_t *mask, size_t from, uint32_t label,
                  uint32_t *labels)
{
    size_t slice = grid->width * grid->height;
    size_t len = slice * grid->depth;
    bool is_changed = true;

    labels[from] = label;
    while (is_changed) {
        is_changed = false;
        for (size_t i = 0; i < len; i++) {
            size_t x = i % grid->width;
            size_t y = i % slice / grid->width;
            bool is_next = (x > 0 && labels[i - 1] == label) ||
                           (x + 1 < grid->width && labels[i + 1] == label) ||
                           (y > 0 && labels[i - grid->width] == label) ||
                           (y + 1 < grid->height && labels[i + grid->width] == label) ||
                           (i >= slice && labels[i - slice] == label) ||
                           (i + slice < len && labels[i + slice] == label);

            if (mask[i] && !labels[i] && is_next) {
                labels[i] = label;
                is_changed = true;
            }
        }
    }
}

/* Check the labels of a run and clear them. */
static void take_run(const CorGridRun *run, uint32_t *labels)
{
    for (size_t x = run->begin; x < run->end; x++) {
        assert_int_equal(labels[x], run->label);
        labels[x] = 0;
    }
}

static void components_are_those_of_a_flood(void **state)
{
    uint64_t seed = 0x2f;
    (void) state;

    for (int round = 0; round < ROUNDS; round++) {
        CorGrid grid = random_grid(&seed);
        size_t len = cor_kernel_grid_len(&grid);
        uint8_t *mask = random_mask(&grid, &seed);
        uint32_t *labels = cor_new_array(uint32_t, len);
        uint32_t count = 0;
        CorGridRuns runs = {
            .items = cor_new_array(CorGridRun, cor_kernel_volume_runs_count(&grid, mask)),
            .rows = cor_new_array(size_t, grid.height * grid.depth + 1)};

        for (size_t i = 0; i < len; i++) {
            if (mask[i] && !labels[i]) {
                flood(&grid, mask, i, ++count, labels);
            }
        }
        assert_int_equal(cor_kernel_volume_label(&grid, mask, &runs), count);
        assert_int_equal(runs.rows[grid.height * grid.depth],
                         cor_kernel_volume_runs_count(&grid, mask));
        for (size_t row = 0; row < grid.height * grid.depth; row++) {
            for (size_t i = runs.rows[row]; i < runs.rows[row + 1]; i++) {
                take_run(&runs.items[i], labels + row * grid.width);
            }
        }
        for (size_t i = 0; i < len; i++) { /* every voxel was in a run */
            assert_int_equal(labels[i], 0);
        }
        free(mask);
        free(labels);
        free(runs.items);
        free(runs.rows);
    }
}

static bool in_ball(double x, double y, double z, double center_x, double radius)
{
    return (x - center_x) * (x - center_x) + (y - 20) * (y - 20) + (z - 12) * (z - 12) <
           radius * radius;
}

static void two_balls_that_touch_are_shared_at_their_neck(void **state)
{
    CorGrid grid = {60, 40, 24, {1, 1, 1}};
    size_t len = cor_kernel_grid_len(&grid);
    uint8_t *mask = cor_new_array(uint8_t, len);
    uint8_t *labels = cor_new_array(uint8_t, len);
    int16_t *distances = cor_new_array(int16_t, len);
    int16_t *scratch = cor_new_array(int16_t, len);
    uint32_t *queue = cor_new_array(uint32_t, len);
    size_t wrong = 0;
    (void) state;

    for (size_t i = 0; i < len; i++) {
        double x = (double) (i % 60);
        double y = (double) (i / 60 % 40);
        double z = (double) (i / 60 / 40);

        mask[i] = in_ball(x, y, z, 18, 11) || in_ball(x, y, z, 38, 11);
        labels[i] = in_ball(x, y, z, 18, 2) ? 1 : in_ball(x, y, z, 38, 2) ? 2 : 0;
    }
    cor_kernel_volume_distance(&grid, mask, false, 30, distances, scratch);
    cor_kernel_volume_share(&grid, mask, distances, labels, queue);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(labels[i] != 0, mask[i]);
        wrong += mask[i] && i % 60 != 28 && labels[i] != (i % 60 < 28 ? 1 : 2);
    }
    assert_in_range(wrong, 0, 40); /* of 10 000, at the neck */
    free(mask);
    free(labels);
    free(distances);
    free(scratch);
    free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_are_the_smallest_of_all),
        cmocka_unit_test(a_blur_keeps_the_sum_and_spreads_a_point_by_its_sigma),
        cmocka_unit_test(what_is_outside_the_grid_counts_as_nothing_in_a_blur),
        cmocka_unit_test(components_are_those_of_a_flood),
        cmocka_unit_test(two_balls_that_touch_are_shared_at_their_neck),
    };

    return cmocka_run_group_tests_name("kernel-volume", tests, NULL, NULL);
}
