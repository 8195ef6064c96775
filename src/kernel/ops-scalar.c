/* SPDX-License-Identifier: Apache-2.0 */
/* The reference: every loop as plainly as it can be said.
 *
 * Packing goes through eight bytes at a time: multiplying bytes of 0 or 1 by 0x0102040810204080
 * gathers them in the highest byte.  That is arithmetic on a little-endian load, which is asked for
 * explicitly, so the result does not depend on the machine.
 *
 * A grey pixel becomes four equal bytes, of which the next pixel overwrites the last: one store per
 * pixel, the same on machines of either byte order.  The mix with magenta is (1020 + 6 v + 5) / 10
 * for red and blue and (6 v + 5) / 10 for green, in integers: 0.4 of 255 is 102, and halves do not
 * occur.
 */
#include <endian.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernel/kernel-ops.h"
#include "kernel/ops-words.h"

static inline uint64_t pack8(const uint8_t *bytes)
{
    uint64_t eight = 0;

    memcpy(&eight, bytes, sizeof(eight));
    return (le64toh(eight) * 0x0102040810204080u) >> 56;
}

/* One word of a row: a constant length where there is one makes it a vector loop. */
static inline uint64_t pack_word(const uint8_t *values, size_t len, uint8_t threshold)
{
    uint8_t above[64] = {0};
    uint64_t word = 0;

    for (size_t i = 0; i < len; i++) {
        above[i] = values[i] > threshold;
    }
    for (unsigned i = 0; i < 8; i++) {
        word |= pack8(above + 8 * i) << (8 * i);
    }
    return word;
}

static void pack_u8(const uint8_t *values, size_t width, uint8_t threshold, uint64_t *words)
{
    size_t full = width / OPS_WORD_BITS;
    size_t tail = width % OPS_WORD_BITS;

    for (size_t i = 0; i < full; i++) {
        words[i] = pack_word(values + OPS_WORD_BITS * i, OPS_WORD_BITS, threshold);
    }
    if (tail > 0) {
        words[full] = pack_word(values + OPS_WORD_BITS * full, tail, threshold);
    }
}

static void pack_s16(const int16_t *values, size_t width, int16_t low, int16_t high,
                     uint64_t *words)
{
    for (size_t x = 0; x < width; x += OPS_WORD_BITS) {
        size_t len = width - x < OPS_WORD_BITS ? width - x : OPS_WORD_BITS;
        uint8_t is_in[64];

        for (size_t i = 0; i < len; i++) {
            is_in[i] = (values[x + i] >= low) & (values[x + i] <= high);
        }
        words[x / OPS_WORD_BITS] = pack_word(is_in, len, 0);
    }
}

static inline uint64_t join_words(bool is_erosion, uint64_t a, uint64_t b)
{
    return is_erosion ? a & b : a | b;
}

static inline uint64_t join_sideways(bool is_erosion, const uint64_t *w, unsigned d)
{
    uint64_t right = w[0] << d | w[-1] >> (64 - d);
    uint64_t left = w[0] >> d | w[1] << (64 - d);

    return join_words(is_erosion, w[0], join_words(is_erosion, right, left));
}

static void grow(bool is_erosion, const uint64_t *from, size_t len, unsigned d, uint64_t *to)
{
    for (size_t i = 0; i < len; i++) {
        to[i] = join_sideways(is_erosion, from + i, d);
    }
}

static void cross(bool is_erosion, const uint64_t *from, size_t len, unsigned d, size_t rows,
                  uint64_t *to)
{
    const uint64_t *above = from - rows;
    const uint64_t *below = from + rows;

    for (size_t i = 0; i < len; i++) {
        to[i] = join_words(is_erosion, join_sideways(is_erosion, from + i, d),
                           join_words(is_erosion, above[i], below[i]));
    }
}

static void join(bool is_erosion, const uint64_t *from, size_t len, size_t rows, uint64_t *to)
{
    const uint64_t *above = from - rows;
    const uint64_t *below = from + rows;

    for (size_t i = 0; i < len; i++) {
        to[i] = join_words(is_erosion, to[i], join_words(is_erosion, above[i], below[i]));
    }
}

static inline int16_t clamp_s16(int16_t value, int16_t low, int16_t high)
{
    value = value < low ? low : value;
    return value > high ? high : value;
}

static void clip_s16(const CorClip *clip, const int16_t *values, size_t len, uint8_t *bytes)
{
    int16_t low = (int16_t) clip->low;
    int16_t high = (int16_t) clip->high;
    uint16_t factor = clip->factor;
    uint16_t times = (uint16_t) (1u << clip->shift);

    for (size_t i = 0; i < len; i++) {
        uint16_t above = (uint16_t) (clamp_s16(values[i], low, high) - low);
        uint16_t shifted = (uint16_t) (above * times);
        uint16_t byte = (uint16_t) (((uint32_t) shifted * factor) >> 16); /* all in 16-bit lanes */

        bytes[i] = (uint8_t) byte;
    }
}

static void above_s16(const int16_t *values, size_t len, int16_t threshold, uint8_t *bytes)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = values[i] > threshold;
    }
}

static void range_s16(const int16_t *values, size_t len, int *low, int *high)
{
    int16_t smallest = (int16_t) *low;
    int16_t largest = (int16_t) *high;

    for (size_t i = 0; i < len; i++) {
        smallest = values[i] < smallest ? values[i] : smallest;
        largest = values[i] > largest ? values[i] : largest;
    }
    *low = smallest;
    *high = largest;
}

/* How far value * scale + offset, rounded twice, may be from what is rounded once: half a unit of
 * the product and of each sum, and twice that for good measure. */
static inline double rounding_error(double offset)
{
    return (fabs(offset) + 1024) * DBL_EPSILON;
}

/* The C library's fma() without the instruction is slow, so it is asked only where the byte depends
 * on its rounding: where a whole number other than 0 is within the error. */
static inline uint8_t scale_one(double value, double scale, double offset, double error)
{
    double about = value * scale + offset;
    int low = error < 1 ? (int) (about - error) : 0;
    int high = error < 1 ? (int) (about + error) : 1;

    return (uint8_t) (low == high ? low : (int) fma(value, scale, offset));
}

static void scale_s16(const int16_t *values, size_t len, double scale, double offset,
                      uint8_t *bytes)
{
    double error = rounding_error(offset);

    for (size_t i = 0; i < len; i++) {
        bytes[i] = scale_one(values[i], scale, offset, error);
    }
}

static void scale_f64(const double *values, size_t len, double scale, double offset, uint8_t *bytes)
{
    double error = rounding_error(offset);

    for (size_t i = 0; i < len; i++) {
        bytes[i] = scale_one(values[i], scale, offset, error);
    }
}

static void paint(const uint8_t *grey, const uint8_t *mask, size_t len, uint8_t *rgb)
{
    size_t i = 0;

    for (; i + 1 < len; i++) {
        uint32_t four = grey[i] * 0x01010101u;

        memcpy(rgb + 3 * i, &four, sizeof(four));
    }
    for (; i < len; i++) {
        memset(rgb + 3 * i, grey[i], 3);
    }
    /* Most of a mask is nothing, so it is looked at eight pixels at a time. */
    for (i = 0; mask && i < len;) {
        uint64_t eight = 1;

        if (len - i >= sizeof(eight)) {
            memcpy(&eight, mask + i, sizeof(eight));
        }
        if (eight == 0) {
            i += sizeof(eight);
            continue;
        }
        if (mask[i]) {
            rgb[3 * i] = (uint8_t) ((1020 + 6 * grey[i] + 5) / 10);
            rgb[3 * i + 1] = (uint8_t) ((6 * grey[i] + 5) / 10);
            rgb[3 * i + 2] = rgb[3 * i];
        }
        i++;
    }
}

static void slide(const uint8_t *enter, const uint8_t *leave, size_t len, uint8_t *sums,
                  uint8_t *now)
{
    for (size_t i = 0; i < len; i++) {
        now[i] = (uint8_t) (sums[i] + enter[i]);
        sums[i] = (uint8_t) (now[i] - leave[i]);
    }
}

static void box(const CorOpsBox *box, size_t width, uint64_t *words)
{
    const uint8_t *columns = box->lines[0];
    uint8_t *restrict sums = box->lines[1];

    memcpy(sums, columns, width);
    for (size_t k = 1; k < box->side; k++) {
        for (size_t x = 0; x < width; x++) {
            sums[x] = (uint8_t) (sums[x] + columns[x + k]);
        }
    }
    pack_u8(sums, width, (uint8_t) (box->needed - 1), words);
}

const CorKernelOps cor_kernel_priv_scalar = {
    .name = "scalar",
    .count = words_count,
    .pack_u8 = pack_u8,
    .pack_s16 = pack_s16,
    .runs_count = words_runs_count,
    .runs_find = words_runs_find,
    .grow = grow,
    .cross = cross,
    .join = join,
    .clip_s16 = clip_s16,
    .above_s16 = above_s16,
    .range_s16 = range_s16,
    .is_scale_slow = true,
    .scale_s16 = scale_s16,
    .scale_f64 = scale_f64,
    .paint = paint,
    .slide = slide,
    .box = box,
    .gauss_down = cor_kernel_priv_gauss_down,
    .gauss_above = cor_kernel_priv_gauss_above,
};
