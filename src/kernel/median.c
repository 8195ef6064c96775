/* SPDX-License-Identifier: Apache-2.0 */
/* Median by histograms of columns (Perreault and Hebert, "Median Filtering in Constant Time",
 * 2007).
 *
 * Each column has a histogram of the side_px values around the present row, which one value enters
 * and one leaves per row.  The histogram of a square is the sum of those of its columns; from pixel
 * to pixel one enters and one leaves.  Histograms have two levels: coarse bins, each with as many
 * fine ones as there are coarse ones, about the square root of the number of values that the plane
 * has.  The median's coarse bin is looked for first, and only the fine bins below that are brought
 * up to date, from where they were last needed.
 *
 * It goes strip by strip, so that the histograms of a strip's columns stay in the cache.
 *
 * The mean is a sliding sum down the columns and another along each row, in integers.
 */
#include "kernel/median.h"

#include <assert.h>
#include <string.h>

#include "kernel/gauss.h"
#include "kernel/grey.h"

#define STRIP_PX ((size_t) 64)
#define BINS_MAX ((size_t) 256)

typedef struct Histograms {
    size_t side;
    int low; /* the smallest value */
    unsigned shift;
    size_t bins; /* coarse ones, and fine ones in each, rounded up to 16 */
    /* Of columns: at most `side` counts. */
    uint8_t *coarse; /* [column][bin] */
    uint8_t *fine;   /* [column][bin][bin] */
    /* Of the square. */
    uint16_t *square_coarse; /* [bin] */
    uint16_t *square_fine;   /* [bin][bin] */
    uint32_t *fine_at;       /* [bin]: first column that square_fine is of; the strip's end: none */
} Histograms;

typedef struct Plane {
    const int16_t *from;
    size_t width;
    size_t height;
    int16_t *to;
} Plane;

static size_t columns_of(size_t side)
{
    return STRIP_PX + side - 1;
}

size_t cor_kernel_median_scratch_size(size_t side_px)
{
    size_t columns = columns_of(side_px);

    return BINS_MAX * sizeof(uint32_t) + (BINS_MAX + BINS_MAX * BINS_MAX) * sizeof(uint16_t) +
           columns * (BINS_MAX + BINS_MAX * BINS_MAX) + sizeof(uint32_t);
}

static Histograms make_histograms(const Plane *plane, size_t side, void *scratch)
{
    int low = INT16_MAX;
    int high = INT16_MIN;
    unsigned bits = 0;
    uintptr_t past = (uintptr_t) scratch % sizeof(uint32_t);
    uint8_t *next = (uint8_t *) scratch + (past ? sizeof(uint32_t) - past : 0);
    Histograms all = {.side = side};

    cor_kernel_range_s16(plane->from, plane->width * plane->height, &low, &high);
    while ((high - low) >> bits) {
        bits++;
    }
    all.low = low;
    all.shift = bits / 2;
    all.bins = (size_t) 1 << (bits - bits / 2);
    all.bins = all.bins < 16 ? 16 : all.bins;
    all.fine_at = (uint32_t *) (void *) next;
    next += all.bins * sizeof(uint32_t);
    all.square_coarse = (uint16_t *) (void *) next;
    next += all.bins * sizeof(uint16_t);
    all.square_fine = (uint16_t *) (void *) next;
    next += all.bins * all.bins * sizeof(uint16_t);
    all.coarse = next;
    all.fine = next + columns_of(side) * all.bins;
    return all;
}

/* Count a value of a column, or (-1) count it no more. */
static inline void count(const Histograms *all, size_t column, int16_t value, int change)
{
    size_t index = (size_t) (value - all->low);
    size_t bin = index >> all->shift;
    size_t rest = index & (((size_t) 1 << all->shift) - 1);
    uint8_t *coarse = &all->coarse[column * all->bins + bin];
    uint8_t *fine = &all->fine[(column * all->bins + bin) * all->bins + rest];

    *coarse = (uint8_t) (*coarse + change);
    *fine = (uint8_t) (*fine + change);
}

static void count_row(const Histograms *all, const int16_t *row, const uint16_t *sources,
                      size_t columns, int change)
{
    for (size_t i = 0; i < columns; i++) {
        count(all, i, row[sources[i]], change);
    }
}

/* sums += enter - leave, either of which may be NULL; the length is a multiple of 16. */
static void slide(uint16_t *restrict sums, const uint8_t *enter, const uint8_t *leave, size_t len)
{
    for (size_t i = 0; enter && i < len; i++) {
        sums[i] = (uint16_t) (sums[i] + enter[i]);
    }
    for (size_t i = 0; leave && i < len; i++) {
        sums[i] = (uint16_t) (sums[i] - leave[i]);
    }
}

/* The bin in which the count passes *rank, which becomes the rank within it. */
static size_t find_bin(const uint16_t *counts, size_t *rank)
{
    size_t bin = 0;

    for (;;) {
        size_t sum = 0;

        for (size_t i = 0; i < 16; i++) {
            sum += counts[bin + i];
        }
        if (sum > *rank) {
            break;
        }
        *rank -= sum;
        bin += 16;
    }
    while (counts[bin] <= *rank) {
        *rank -= counts[bin++];
    }
    return bin;
}

/* Bring the fine bins of a coarse one up to the square that begins at a column. */
static const uint16_t *fine_of(const Histograms *all, size_t bin, size_t column)
{
    uint16_t *sums = all->square_fine + bin * all->bins;
    size_t step = all->bins * all->bins;
    const uint8_t *fine = all->fine + bin * all->bins;
    size_t at = all->fine_at[bin];

    if (at == UINT32_MAX || column - at >= all->side) {
        memset(sums, 0, all->bins * sizeof(uint16_t));
        for (size_t i = 0; i < all->side; i++) {
            slide(sums, fine + (column + i) * step, NULL, all->bins);
        }
    } else {
        for (; at < column; at++) {
            slide(sums, fine + (at + all->side) * step, fine + at * step, all->bins);
        }
    }
    all->fine_at[bin] = (uint32_t) column;
    return sums;
}

static void filter_row(const Histograms *all, size_t len, int16_t *to)
{
    memset(all->square_coarse, 0, all->bins * sizeof(uint16_t));
    memset(all->fine_at, 0xff, all->bins * sizeof(uint32_t));
    for (size_t i = 0; i + 1 < all->side; i++) {
        slide(all->square_coarse, all->coarse + i * all->bins, NULL, all->bins);
    }
    for (size_t x = 0; x < len; x++) {
        const uint8_t *enter = all->coarse + (x + all->side - 1) * all->bins;
        const uint8_t *leave = x > 0 ? all->coarse + (x - 1) * all->bins : NULL;
        size_t rank = all->side * all->side / 2;
        size_t bin = 0;
        size_t rest = 0;

        slide(all->square_coarse, enter, leave, all->bins);
        bin = find_bin(all->square_coarse, &rank);
        rest = find_bin(fine_of(all, bin, x), &rank);
        to[x] = (int16_t) (all->low + (int) (bin << all->shift) + (int) rest);
    }
}

/* The strip of len columns from `begin` on. */
static void filter_strip(const Plane *plane, const Histograms *all, size_t begin, size_t len)
{
    uint16_t sources[STRIP_PX + COR_MEDIAN_SIDE_MAX_PX]; /* columns of the plane, mirrored */
    ptrdiff_t radius = (ptrdiff_t) all->side / 2;
    size_t columns = len + all->side - 1;

    for (size_t i = 0; i < columns; i++) {
        sources[i] = (uint16_t) cor_kernel_mirror((ptrdiff_t) (begin + i) - radius, plane->width);
    }
    memset(all->coarse, 0, columns_of(all->side) * (all->bins + all->bins * all->bins));
    for (ptrdiff_t y = -radius; y < radius; y++) {
        size_t row = cor_kernel_mirror(y, plane->height);

        count_row(all, plane->from + row * plane->width, sources, columns, 1);
    }
    for (ptrdiff_t y = 0; y < (ptrdiff_t) plane->height; y++) {
        size_t enter = cor_kernel_mirror(y + radius, plane->height);
        size_t leave = cor_kernel_mirror(y - radius, plane->height);

        count_row(all, plane->from + enter * plane->width, sources, columns, 1);
        filter_row(all, len, plane->to + (size_t) y * plane->width + begin);
        count_row(all, plane->from + leave * plane->width, sources, columns, -1);
    }
}

void cor_kernel_median_s16(const int16_t *from, const size_t size_px[2], size_t side_px,
                           int16_t *to, void *scratch)
{
    Plane plane = {.from = from, .width = size_px[0], .height = size_px[1], .to = to};
    Histograms all = make_histograms(&plane, side_px, scratch);

    assert(side_px % 2 == 1 && side_px <= COR_MEDIAN_SIDE_MAX_PX && from != to);
    for (size_t x = 0; x < plane.width; x += STRIP_PX) {
        size_t left = plane.width - x;

        filter_strip(&plane, &all, x, left < STRIP_PX ? left : STRIP_PX);
    }
}

size_t cor_kernel_mean_scratch_size(size_t width_px)
{
    return width_px * sizeof(int32_t);
}

static void add_row(const CorMean *mean, const int16_t *row, size_t width, int sign, int32_t *sums)
{
    for (size_t x = 0; x < width; x++) {
        int16_t value = row[x] < mean->low ? mean->low : row[x];

        value = value > mean->high ? mean->high : value;
        sums[x] += sign * value;
    }
}

static void mean_row(const int32_t *columns, size_t width, size_t radius, size_t rows, float *to)
{
    int32_t sum = 0;
    size_t begin = 0;
    size_t end = 0;

    for (size_t x = 0; x < width; x++) {
        while (end < width && end <= x + radius) {
            sum += columns[end++];
        }
        if (x > radius) {
            sum -= columns[begin++];
        }
        to[x] = (float) sum / (float) ((end - begin) * rows);
    }
}

void cor_kernel_mean_s16(const CorMean *mean, const int16_t *from, const size_t size_px[2],
                         float *to, void *scratch)
{
    size_t width = size_px[0];
    size_t height = size_px[1];
    int32_t *sums = scratch;
    size_t begin = 0;
    size_t end = 0;

    assert(mean->radius_px <= 255); /* so that sums fit */
    memset(sums, 0, width * sizeof(int32_t));
    for (size_t y = 0; y < height; y++) {
        for (; end < height && end <= y + mean->radius_px; end++) {
            add_row(mean, from + end * width, width, 1, sums);
        }
        if (y > mean->radius_px) {
            add_row(mean, from + begin++ * width, width, -1, sums);
        }
        mean_row(sums, width, mean->radius_px, end - begin, to + y * width);
    }
}
