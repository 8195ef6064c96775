/* SPDX-License-Identifier: Apache-2.0 */
/* voxels.h against its definitions, voxel by voxel. */
#include "test.h"

#include "base/array.h"
#include "kernel/kernel-ops.h"
#include "kernel/voxels.h"
#include "naive.h"

typedef struct Volume {
    long size[3]; /* width, height, depth */
    size_t len;
    uint8_t *bytes;
    uint64_t *words[2];
    CorVoxels voxels;
    CorVoxels to;
    CorRuns runs;
    uint32_t *labels;
    uint8_t *is_kept;
} Volume;

static const long sizes[][3] = {{1, 1, 1},   {5, 4, 3},   {64, 3, 5},  {65, 7, 4}, {63, 9, 2},
                                {13, 1, 11}, {128, 5, 3}, {200, 6, 6}, {2, 17, 9}, {70, 12, 8}};

static void make(Volume *volume, const long *size, unsigned percent, uint64_t *seed)
{
    size_t width = (size_t) size[0];
    size_t height = (size_t) size[1];
    size_t depth = (size_t) size[2];
    size_t words = cor_kernel_voxels_size_words(width, height, depth);
    size_t rows = height * depth;
    int16_t *values = NULL;

    *volume = (Volume){.size = {size[0], size[1], size[2]}, .len = width * height * depth};
    volume->bytes = cor_new_array(uint8_t, volume->len);
    volume->labels = cor_new_array(uint32_t, volume->len);
    volume->is_kept = cor_new_array(uint8_t, volume->len);
    volume->words[0] = cor_new_array(uint64_t, words);
    volume->words[1] = cor_new_array(uint64_t, words);
    volume->voxels = cor_kernel_voxels_at(volume->words[0], width, height, depth);
    volume->to = cor_kernel_voxels_at(volume->words[1], width, height, depth);
    volume->runs.runs = cor_new_array(CorRun, volume->len);
    volume->runs.labels = cor_new_array(uint32_t, volume->len);
    volume->runs.rows = cor_new_array(size_t, rows + 1);
    values = cor_new_array(int16_t, volume->len);
    for (size_t i = 0; i < volume->len; i++) {
        volume->bytes[i] = naive_random(seed) % 100 < percent;
        values[i] = (int16_t) (volume->bytes[i] ? 5 + i % 3 : (i % 2 ? 4 : 8));
    }
    for (size_t z = 0; z < depth; z++) {
        cor_kernel_voxels_from_s16(values + z * width * height, 5, 7, &volume->voxels, z);
    }
    free(values);
}

static void drop(Volume *volume)
{
    free(volume->bytes);
    free(volume->labels);
    free(volume->is_kept);
    free(volume->words[0]);
    free(volume->words[1]);
    free(volume->runs.runs);
    free(volume->runs.labels);
    free(volume->runs.rows);
}

static size_t index_of(const Volume *volume, long x, long y, long z)
{
    return (size_t) ((z * volume->size[1] + y) * volume->size[0] + x);
}

static bool is_inside(const Volume *volume, long x, long y, long z)
{
    return x >= 0 && y >= 0 && z >= 0 && x < volume->size[0] && y < volume->size[1] &&
           z < volume->size[2];
}

static void assert_voxels(const Volume *volume, const CorVoxels *voxels, const uint8_t *expected)
{
    size_t slice = (size_t) (volume->size[0] * volume->size[1]);
    uint8_t *plane = cor_new_array(uint8_t, slice);

    for (size_t z = 0; z < voxels->depth; z++) {
        cor_kernel_voxels_to_u8(voxels, z, plane);
        assert_memory_equal(plane, expected + z * slice, slice);
    }
    for (size_t row = 1; row <= voxels->height * voxels->depth; row++) {
        assert_int_equal(voxels->words[row * voxels->stride_words - 1], 0);
    }
    free(plane);
}

/* Give a voxel's component a label; a stack of voxels that are still to be looked at. */
static void flood(Volume *volume, size_t start, bool is_set, bool has_corners, uint32_t label)
{
    size_t *stack = cor_new_array(size_t, volume->len);
    size_t len = 0;

    stack[len++] = start;
    volume->labels[start] = label;
    while (len > 0) {
        long at = (long) stack[--len];
        long x = at % volume->size[0];
        long y = at / volume->size[0] % volume->size[1];
        long z = at / volume->size[0] / volume->size[1];

        for (long k = 0; k < 27; k++) {
            long dx = k % 3 - 1;
            long dy = k / 3 % 3 - 1;
            long dz = k / 9 - 1;
            size_t next = index_of(volume, x + dx, y + dy, z + dz);

            if ((has_corners || labs(dx) + labs(dy) + labs(dz) == 1) &&
                is_inside(volume, x + dx, y + dy, z + dz) && !volume->labels[next] &&
                volume->bytes[next] == is_set) {
                volume->labels[next] = label;
                stack[len++] = next;
            }
        }
    }
    free(stack);
}

static size_t label_all(Volume *volume, bool is_set, bool has_corners)
{
    uint32_t count = 0;

    memset(volume->labels, 0, volume->len * sizeof(uint32_t));
    for (size_t i = 0; i < volume->len; i++) {
        if (volume->bytes[i] == is_set && !volume->labels[i]) {
            flood(volume, i, is_set, has_corners, ++count);
        }
    }
    return count;
}

static void assert_labels(Volume *volume, CorNeighbours neighbours)
{
    bool has_corners = neighbours == COR_NEIGHBOURS_26;
    size_t count = label_all(volume, true, has_corners);
    CorVoxelComponent *components = cor_new_array(CorVoxelComponent, count + 1);
    CorVoxelComponent *expected = cor_new_array(CorVoxelComponent, count + 1);

    assert_int_equal(cor_kernel_voxels_label(&volume->voxels, true, neighbours, &volume->runs),
                     count);
    assert_int_equal(cor_kernel_voxels_runs_count(&volume->voxels, true), volume->runs.len);
    cor_kernel_voxels_measure(&volume->voxels, &volume->runs, components, count);
    for (size_t i = 0; i < volume->len; i++) {
        const size_t place[3] = {i % volume->voxels.width,
                                 i / volume->voxels.width % volume->voxels.height,
                                 i / volume->voxels.width / volume->voxels.height};
        CorVoxelComponent *component = &expected[volume->labels[i]];

        for (size_t k = 0; k < 3; k++) {
            component->sum[k] += place[k];
            component->begin[k] = component->len == 0 || place[k] < component->begin[k]
                                      ? place[k]
                                      : component->begin[k];
            component->end[k] = place[k] + 1 > component->end[k] ? place[k] + 1 : component->end[k];
        }
        component->len++;
    }
    if (count > 0) {
        assert_memory_equal(components, expected + 1, count * sizeof(CorVoxelComponent));
    }
    for (size_t row = 0; row < volume->runs.height_px; row++) {
        for (size_t i = volume->runs.rows[row]; i < volume->runs.rows[row + 1]; i++) {
            assert_int_equal(
                volume->labels[row * volume->voxels.width + volume->runs.runs[i].begin_px],
                volume->runs.labels[i]);
        }
    }
    free(components);
    free(expected);
}

static void for_all(void (*check)(Volume *volume))
{
    static const unsigned percents[] = {0, 3, 30, 60, 90, 100};
    uint64_t seed = 20;

    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        for (size_t k = 0; k < COR_ARRAY_LEN(percents); k++) {
            Volume volume;

            make(&volume, sizes[i], percents[k], &seed);
            assert_voxels(&volume, &volume.voxels, volume.bytes);
            check(&volume);
            drop(&volume);
        }
    }
}

static void check_components(Volume *volume)
{
    assert_labels(volume, COR_NEIGHBOURS_6);
    assert_labels(volume, COR_NEIGHBOURS_26);
    /* Keep every other one. */
    for (size_t i = 0; i < volume->len; i++) {
        volume->is_kept[i] = i % 2 == 0;
        volume->bytes[i] = volume->labels[i] % 2 == 1;
    }
    cor_kernel_voxels_keep(&volume->runs, volume->is_kept, &volume->voxels);
    assert_voxels(volume, &volume->voxels, volume->bytes);
}

static void check_holes_with(Volume *volume, bool ends_are_open)
{
    size_t count = label_all(volume, false, false);
    uint8_t *touches = cor_new_array(uint8_t, count + 1);

    for (size_t i = 0; i < volume->len; i++) {
        long x = (long) i % volume->size[0];
        long y = (long) i / volume->size[0] % volume->size[1];
        long z = (long) i / volume->size[0] / volume->size[1];

        if (x == 0 || y == 0 || x == volume->size[0] - 1 || y == volume->size[1] - 1 ||
            (ends_are_open && (z == 0 || z == volume->size[2] - 1))) {
            touches[volume->labels[i]] = 1;
        }
    }
    for (size_t i = 0; i < volume->len; i++) {
        volume->bytes[i] = volume->labels[i] == 0 || !touches[volume->labels[i]];
    }
    cor_kernel_voxels_fill(&volume->voxels, ends_are_open, &volume->runs, volume->is_kept);
    assert_voxels(volume, &volume->voxels, volume->bytes);
    free(touches);
}

static void check_holes(Volume *volume)
{
    check_holes_with(volume, true);
    check_holes_with(volume, false);
}

static double squared(const double *spacing, long dx, long dy, long dz)
{
    double x = (double) dx * spacing[0];
    double y = (double) dy * spacing[1];
    double z = (double) dz * spacing[2];

    return x * x + y * y + z * z;
}

/* What a ball makes of one voxel: is any (or, eroding, every) voxel of it set? */
static bool under_ball(const Volume *volume, const CorBall *ball, size_t at, bool is_erosion,
                       bool outside_is_set)
{
    long x = (long) at % volume->size[0];
    long y = (long) at / volume->size[0] % volume->size[1];
    long z = (long) at / volume->size[0] / volume->size[1];
    long side = 2 * ((long) (ball->radius_mm / 0.5) + 1) + 1;

    for (long i = 0; i < side * side * side; i++) {
        long dx = i % side - side / 2;
        long dy = i / side % side - side / 2;
        long dz = i / side / side - side / 2;
        bool is_set = is_inside(volume, x + dx, y + dy, z + dz)
                          ? volume->bytes[index_of(volume, x + dx, y + dy, z + dz)]
                          : outside_is_set;

        if (squared(ball->spacing_mm, dx, dy, dz) <= ball->radius_mm * ball->radius_mm &&
            is_set != is_erosion) {
            return is_set;
        }
    }
    return is_erosion;
}

static void check_balls(Volume *volume)
{
    static const CorBall balls[] = {
        {0, {1, 1, 1}}, {1, {1, 1, 1}}, {2.5, {0.5, 0.75, 1.5}}, {3, {1, 0.6, 5}}};
    size_t words = cor_kernel_ball_size_words(&volume->voxels);
    uint64_t *scratch = cor_new_array(uint64_t, words);
    uint8_t *expected = cor_new_array(uint8_t, volume->len);

    for (size_t k = 0; k < COR_ARRAY_LEN(balls) && volume->len < 2000; k++) {
        for (int mode = 0; mode < 3; mode++) {
            for (size_t i = 0; i < volume->len; i++) {
                expected[i] = under_ball(volume, &balls[k], i, mode > 0, mode > 1);
            }
            memset(scratch, 0xa5, words * sizeof(uint64_t));
            if (mode == 0) {
                cor_kernel_ball_dilate(&volume->voxels, &balls[k], &volume->to, scratch);
            } else {
                cor_kernel_ball_erode(&volume->voxels, &balls[k], mode > 1, &volume->to, scratch);
            }
            assert_voxels(volume, &volume->to, expected);
        }
    }
    free(scratch);
    free(expected);
}

static double nearest(const Volume *volume, const double *spacing, size_t at)
{
    double best = INFINITY;

    for (size_t i = 0; i < volume->len; i++) {
        double distance =
            squared(spacing, (long) (i % volume->voxels.width) - (long) (at % volume->voxels.width),
                    (long) (i / volume->voxels.width % volume->voxels.height) -
                        (long) (at / volume->voxels.width % volume->voxels.height),
                    (long) (i / volume->voxels.width / volume->voxels.height) -
                        (long) (at / volume->voxels.width / volume->voxels.height));

        best = volume->bytes[i] && distance < best ? distance : best;
    }
    return best;
}

static void check_distances(Volume *volume)
{
    static const double spacings[][3] = {{1, 1, 1}, {0.7, 0.7, 5}, {0.5, 0.9, 1.3}};
    float *distances = cor_new_array(float, volume->len);
    void *scratch = malloc(cor_kernel_voxels_distance_scratch_size(&volume->voxels));

    for (size_t k = 0; k < COR_ARRAY_LEN(spacings) && volume->len < 4000; k++) {
        cor_kernel_voxels_distance(&volume->voxels, spacings[k], distances, scratch);
        for (size_t i = 0; i < volume->len; i++) {
            double expected = nearest(volume, spacings[k], i);

            assert_true(isinf(expected) ? isinf(distances[i])
                                        : fabs(distances[i] - expected) <= 1e-5 * expected);
        }
    }
    free(distances);
    free(scratch);
}

static void check_sets(Volume *volume)
{
    size_t count = 0;

    for (size_t i = 0; i < volume->len; i++) {
        count += volume->bytes[i];
    }
    assert_int_equal(cor_kernel_voxels_count(&volume->voxels), count);
    cor_kernel_voxels_or(&volume->voxels, &volume->to);
    assert_voxels(volume, &volume->to, volume->bytes);
    cor_kernel_voxels_and(&volume->to, &volume->voxels);
    assert_voxels(volume, &volume->voxels, volume->bytes);
    cor_kernel_voxels_and_not(&volume->to, &volume->voxels);
    assert_int_equal(cor_kernel_voxels_count(&volume->voxels), 0);
}

static void components_are_those_of_a_flood_fill(void **state)
{
    (void) state;

    for_all(check_components);
}

static void holes_are_what_does_not_reach_the_border(void **state)
{
    (void) state;

    for_all(check_holes);
}

static void balls_are_measured_in_millimetres(void **state)
{
    (void) state;

    for_all(check_balls);
}

static void distances_are_those_to_the_nearest_voxel(void **state)
{
    (void) state;

    for_all(check_distances);
}

static void volumes_are_counted_and_joined(void **state)
{
    (void) state;

    for_all(check_sets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(components_are_those_of_a_flood_fill),
        cmocka_unit_test(holes_are_what_does_not_reach_the_border),
        cmocka_unit_test(balls_are_measured_in_millimetres),
        cmocka_unit_test(distances_are_those_to_the_nearest_voxel),
        cmocka_unit_test(volumes_are_counted_and_joined),
    };

    return cmocka_run_group_tests_name("kernel-voxels", tests, NULL, NULL);
}
