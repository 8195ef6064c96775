/* SPDX-License-Identifier: Apache-2.0 */
/* Every instruction set that this processor has against the scalar reference, bit for bit: each
 * loop at every length up to more than two vectors and then some, from addresses of every kind,
 * over the whole range of values.  Buffers end where the data ends, so that the address sanitizer
 * sees what is read or written too far.
 */
#include "test.h"

#include "base/array.h"
#include "kernel/kernel-ops.h"
#include "naive.h"

#define LEN_MAX ((size_t) 2 * 64 + 67)

static const CorKernelOps *scalar;
static const CorKernelOps *ops; /* what is compared with it */
static uint64_t seed = 1;

/* Bytes that start `offset` behind a 64-byte boundary and end with the allocation. */
typedef struct Block {
    uint8_t *base;
    uint8_t *data;
    size_t size;
} Block;

static Block make_block(size_t offset, size_t size)
{
    Block block = {.size = size};

    assert_int_equal(posix_memalign((void **) &block.base, 64, offset + size + (size == 0)), 0);
    block.data = block.base + offset;
    for (size_t i = 0; i < size; i++) {
        block.data[i] = (uint8_t) naive_random(&seed);
    }
    return block;
}

static Block copy_block(const Block *from, size_t offset)
{
    Block block = make_block(offset, from->size);

    memcpy(block.data, from->data, from->size);
    return block;
}

static void assert_blocks(Block *a, Block *b)
{
    assert_memory_equal(a->data, b->data, a->size);
    free(a->base);
    free(b->base);
}

/* Call a check for each set and length. */
static void for_all(void (*check)(size_t len, size_t offset))
{
    scalar = cor_kernel_priv_ops_at(0);
    for (size_t i = 1; (ops = cor_kernel_priv_ops_at(i)); i++) {
        for (size_t len = 0; len <= LEN_MAX; len++) {
            check(len, 0);
            check(len, 8 * (1 + len % 7));
        }
    }
}

static void check_words(size_t len, size_t offset)
{
    Block row = make_block(offset, 8 * ((len + 63) / 64));
    const uint64_t *words = (const uint64_t *) (const void *) row.data;

    assert_int_equal(scalar->count(words, row.size / 8), ops->count(words, row.size / 8));
    for (int inverted = 0; inverted <= 1; inverted++) {
        uint64_t invert = inverted ? ~(uint64_t) 0 : 0;
        CorRun expected[LEN_MAX];
        CorRun found[LEN_MAX];
        size_t count = scalar->runs_find(words, len, invert, expected);

        assert_int_equal(scalar->runs_count(words, len, invert), count);
        assert_int_equal(ops->runs_count(words, len, invert), count);
        assert_int_equal(ops->runs_find(words, len, invert, found), count);
        assert_memory_equal(found, expected, count * sizeof(CorRun));
    }
    free(row.base);
}

static void check_pack(size_t len, size_t offset)
{
    Block values = make_block(offset + len % 5, len);
    Block expected = make_block(0, 8 * ((len + 63) / 64));
    Block found = make_block(offset, expected.size);
    uint8_t threshold = (uint8_t) (len % 3 == 0 ? 127 : naive_random(&seed));

    scalar->pack_u8(values.data, len, threshold, (uint64_t *) (void *) expected.data);
    ops->pack_u8(values.data, len, threshold, (uint64_t *) (void *) found.data);
    assert_blocks(&found, &expected);
    free(values.base);
}

static void check_pack_range(size_t len, size_t offset)
{
    Block values = make_block(offset + 2 * (len % 5), 2 * len);
    const int16_t *integers = (const int16_t *) (const void *) values.data;
    Block expected = make_block(0, 8 * ((len + 63) / 64));
    Block found = make_block(offset, expected.size);
    int16_t low = len % 3 ? -10000 : (int16_t) naive_random(&seed);
    int16_t high = len % 4 ? 12000 : (int16_t) naive_random(&seed);

    scalar->pack_s16(integers, len, low, high, (uint64_t *) (void *) expected.data);
    ops->pack_s16(integers, len, low, high, (uint64_t *) (void *) found.data);
    assert_blocks(&found, &expected);
    free(values.base);
}

static void check_morphology(size_t len, size_t offset)
{
    size_t rows = 1 + len % 9;
    Block from = make_block(offset, 8 * (len + 2 * rows + 2));
    const uint64_t *words = (const uint64_t *) (const void *) from.data + rows + 1;

    for (int is_erosion = 0; is_erosion <= 1; is_erosion++) {
        for (unsigned d = 1; d <= 63; d += 1 + (unsigned) len % 17) {
            Block expected = make_block(0, 8 * len);
            Block found = copy_block(&expected, offset);
            uint64_t *to = (uint64_t *) (void *) found.data;

            scalar->grow(is_erosion, words, len, d, (uint64_t *) (void *) expected.data);
            ops->grow(is_erosion, words, len, d, to);
            assert_memory_equal(found.data, expected.data, 8 * len);
            scalar->join(is_erosion, words, len, rows, (uint64_t *) (void *) expected.data);
            ops->join(is_erosion, words, len, rows, to);
            assert_memory_equal(found.data, expected.data, 8 * len);
            scalar->cross(is_erosion, words, len, d, rows, (uint64_t *) (void *) expected.data);
            ops->cross(is_erosion, words, len, d, rows, to);
            assert_blocks(&found, &expected);
        }
    }
    free(from.base);
}

static void check_integers(size_t len, size_t offset)
{
    static CorClip clip;
    Block values = make_block(offset + 2 * (len % 3), 2 * len);
    const int16_t *integers = (const int16_t *) (const void *) values.data;
    Block expected = make_block(0, len);
    Block found = make_block(offset + len % 5, len);
    int16_t threshold = (int16_t) naive_random(&seed);
    int range[2] = {INT16_MAX, INT16_MIN};
    int found_range[2] = {INT16_MAX, INT16_MIN};

    cor_kernel_clip_init(&clip, len % 2 ? 30 : -160, len % 2 ? 150 : 240);
    assert_true(clip.has_factor || len % 2 == 0);
    if (clip.has_factor) {
        scalar->clip_s16(&clip, integers, len, expected.data);
        ops->clip_s16(&clip, integers, len, found.data);
        assert_memory_equal(found.data, expected.data, len);
    }
    scalar->above_s16(integers, len, threshold, expected.data);
    ops->above_s16(integers, len, threshold, found.data);
    assert_memory_equal(found.data, expected.data, len);
    scalar->range_s16(integers, len, &range[0], &range[1]);
    ops->range_s16(integers, len, &found_range[0], &found_range[1]);
    assert_memory_equal(found_range, range, sizeof(range));
    scalar->scale_s16(integers, len, 255.0 / 65535, 32768 * 255.0 / 65535, expected.data);
    ops->scale_s16(integers, len, 255.0 / 65535, 32768 * 255.0 / 65535, found.data);
    assert_blocks(&found, &expected);
    free(values.base);
}

static void check_doubles(size_t len, size_t offset)
{
    Block values = make_block(offset, 8 * len);
    double *doubles = (double *) (void *) values.data;
    Block expected = make_block(0, len);
    Block found = make_block(offset + len % 5, len);

    for (size_t i = 0; i < len; i++) {
        doubles[i] = naive_random(&seed) / 0x1p22 - 512; /* -512 to 512 */
    }
    scalar->scale_f64(doubles, len, 255.0 / 1024, 127.5, expected.data);
    ops->scale_f64(doubles, len, 255.0 / 1024, 127.5, found.data);
    assert_blocks(&found, &expected);
    free(values.base);
}

static void check_paint(size_t len, size_t offset)
{
    Block grey = make_block(offset + len % 5, len);
    Block mask = make_block(offset + len % 7, len);
    Block expected = make_block(0, 3 * len);
    Block found = make_block(offset + len % 3, 3 * len);

    for (size_t i = 0; i < len; i++) {
        mask.data[i] = (uint8_t) (mask.data[i] & (i / 64 % 2 ? 0 : 3));
    }
    scalar->paint(grey.data, NULL, len, expected.data);
    ops->paint(grey.data, NULL, len, found.data);
    assert_memory_equal(found.data, expected.data, expected.size);
    scalar->paint(grey.data, mask.data, len, expected.data);
    ops->paint(grey.data, mask.data, len, found.data);
    assert_blocks(&found, &expected);
    free(grey.base);
    free(mask.base);
}

static void check_slide(size_t len, size_t offset)
{
    Block enter = make_block(offset, len);
    Block leave = make_block(offset + 1, len);
    Block sums = make_block(offset + 2, len);
    Block expected_sums = copy_block(&sums, 0);
    Block now = make_block(offset + 3, len);
    Block expected_now = make_block(0, len);

    scalar->slide(enter.data, leave.data, len, expected_sums.data, expected_now.data);
    ops->slide(enter.data, leave.data, len, sums.data, now.data);
    assert_blocks(&sums, &expected_sums);
    assert_blocks(&now, &expected_now);
    free(enter.base);
    free(leave.base);
}

static void check_box(size_t len, size_t offset)
{
    for (size_t side = 1; side <= 15 && len > 0; side += 2) {
        CorOpsBox box = {.side = side, .needed = (side * side + 1) / 2};
        Block lines = make_block(offset, 4 * (len + side + 2 * COR_OPS_SLACK_BYTES));
        Block expected = make_block(0, 8 * ((len + 63) / 64));
        Block found = make_block(offset, expected.size);

        for (size_t i = 0; i < 4; i++) {
            box.lines[i] = lines.data + i * lines.size / 4;
        }
        for (size_t i = 0; i < len + side; i++) {
            box.lines[0][i] = (uint8_t) (box.lines[0][i] % (side + 1));
        }
        scalar->box(&box, len, (uint64_t *) (void *) expected.data);
        ops->box(&box, len, (uint64_t *) (void *) found.data);
        assert_blocks(&found, &expected);
        free(lines.base);
    }
}

/* Planes with flat stretches, sums at the threshold, noise and nothing. */
static void fill_grey(uint8_t *plane, size_t width, size_t height, size_t kind)
{
    for (size_t i = 0; i < width * height; i++) {
        uint8_t random = (uint8_t) naive_random(&seed);
        bool is_right = i % width > width / 2;
        const uint8_t values[] = {
            random,
            (uint8_t) (random < 3 ? 255 : 0),
            (uint8_t) (i % width / 9 % 2 ? 255 : 0),
            (uint8_t) (is_right ? 111 : 108 + random % 6),
            (uint8_t) (is_right ? 255 : random),
            (uint8_t) (i / width < height / 2 ? 0 : 100 + random % 20),
        };

        plane[i] = values[kind % COR_ARRAY_LEN(values)];
    }
}

static void check_gauss_at(size_t width, size_t height, double sigma, size_t kind)
{
    const size_t size_px[2] = {width, height};
    CorGauss gauss;
    Block from = make_block(kind % 9, width * height);
    Block expected = make_block(0, width * height);
    Block found = make_block(kind % 5, width * height);
    Block bits = make_block(0, 8 * ((width + 63) / 64));
    Block found_bits = make_block(0, bits.size);
    float *scratch = NULL;

    cor_kernel_gauss_init(&gauss, sigma);
    scratch = cor_new_array(float, cor_kernel_gauss_scratch_len(&gauss, width));
    fill_grey(from.data, width, height, kind);
    scalar->gauss_down(&gauss, from.data, size_px, expected.data, scratch);
    ops->gauss_down(&gauss, from.data, size_px, found.data, scratch);
    assert_memory_equal(found.data, expected.data, expected.size);
    for (size_t y = 0; y < height; y++) {
        uint8_t threshold = (uint8_t) (y % 3 == 2 ? naive_random(&seed) % 255 : 110);

        scalar->gauss_above(&gauss, expected.data + y * width, width, threshold,
                            (uint64_t *) (void *) bits.data, scratch);
        ops->gauss_above(&gauss, expected.data + y * width, width, threshold,
                         (uint64_t *) (void *) found_bits.data, scratch);
        assert_memory_equal(found_bits.data, bits.data, bits.size);
    }
    free(from.base);
    free(bits.base);
    free(found_bits.base);
    free(scratch);
    assert_blocks(&found, &expected);
}

static void check_gauss(size_t len, size_t offset)
{
    static const double sigmas[] = {0, 0.2, 0.5, 1, 2.3, 7, 9, 10};

    if (len > 0) {
        check_gauss_at(len, 1 + len % 37 + offset, 1.5, len + offset);
        check_gauss_at(len, 1 + len % 11, sigmas[len % COR_ARRAY_LEN(sigmas)], len + offset);
    }
}

static void bits_are_counted_and_packed_alike(void **state)
{
    (void) state;

    for_all(check_words);
    for_all(check_pack);
    for_all(check_pack_range);
}

static void masks_grow_and_shrink_alike(void **state)
{
    (void) state;

    for_all(check_morphology);
}

static void grey_values_are_mapped_alike(void **state)
{
    (void) state;

    for_all(check_integers);
    for_all(check_doubles);
    for_all(check_paint);
}

static void boxes_are_counted_alike(void **state)
{
    (void) state;

    for_all(check_slide);
    for_all(check_box);
}

static void the_gaussian_is_the_same_bit_for_bit(void **state)
{
    (void) state;

    for_all(check_gauss);
}

static void the_set_in_use_is_the_one_that_was_asked_for(void **state)
{
    const CorKernelOps *best = NULL;
    (void) state;

    for (size_t i = 0; cor_kernel_priv_ops_at(i); i++) {
        const char *name = cor_kernel_priv_ops_at(i)->name;

        print_message("%s\n", name);
        setenv("CORSIA_SIMD", name, 1);
        cor_kernel_priv_use(NULL);
        assert_ptr_equal(cor_kernel_priv_ops(), cor_kernel_priv_ops_at(i));
        best = cor_kernel_priv_ops_at(i);
    }
    /* Anything else is as good as nothing. */
    setenv("CORSIA_SIMD", "mmx", 1);
    cor_kernel_priv_use(NULL);
    assert_ptr_equal(cor_kernel_priv_ops(), best);
    unsetenv("CORSIA_SIMD");
    cor_kernel_priv_use(NULL);
    assert_ptr_equal(cor_kernel_priv_ops(), best);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_counted_and_packed_alike),
        cmocka_unit_test(masks_grow_and_shrink_alike),
        cmocka_unit_test(grey_values_are_mapped_alike),
        cmocka_unit_test(boxes_are_counted_alike),
        cmocka_unit_test(the_gaussian_is_the_same_bit_for_bit),
        cmocka_unit_test(the_set_in_use_is_the_one_that_was_asked_for),
    };

    return cmocka_run_group_tests_name("kernel-isa", tests, NULL, NULL);
}
