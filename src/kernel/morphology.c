/* SPDX-License-Identifier: Apache-2.0 */
/* A mask is one flat array (bits.h), and dilating it sideways by d pixels is one loop over that:
 *
 *     grown[i] = w[i] | w[i] << d | w[i-1] >> (64-d) | w[i] >> d | w[i+1] << (64-d)
 *
 * Bits that leave a row stay in its zero word until the end.  Rows are at least 64 pixels apart
 * there and nothing moves by more than 63, so they never reach another row, and those that come
 * back are those that belong there.
 *
 * Disk.  Row dy of the disk is the stretch of half width h(dy), which shrinks with |dy|.  So the
 * mask is dilated sideways by the half widths in rising order, each from the one before, and after
 * each the rows with that half width are joined: to[y] |= grown[y - dy] | grown[y + dy].  A stretch
 * of half width h grows to h + d without a gap as long as d <= 2 h + 1.
 *
 * Diamond.  A diamond of radius n joined with itself moved by d up, down, left and right is the
 * diamond of radius n + d as long as d <= n / 2 + 1: a pixel farther than n away has then a
 * coordinate of at least d, and one move by d towards the centre leads into the old diamond.  So
 * nine crosses are five loops (1, 1, 2, 3, 2).  The pixel moved to lies between two pixels of the
 * mask, so clipping at the border loses nothing.
 *
 * Erosion is the same with "and", which is why everything is written once for both.  If the outside
 * counts as set, zero words, tails and the rows around are filled in a copy.
 *
 * The work goes band by band, so that what is grown stays in the nearest cache: each band brings as
 * many rows above and below (its halo) as it can see.  A row needs nothing right from the word
 * behind it, whose bits only come where those of a next row would; but the word before its first
 * one must be as the outside, and is set so wherever a grown band begins.
 */
#include "kernel/morphology.h"

#include <assert.h>
#include <string.h>

#include "kernel/kernel-ops.h"

#define PAD_WORDS ((size_t) 8) /* of a region, at either end */
#define CACHE_WORDS \
    ((size_t) 6144 / 8) /* of a band and its halos: a quarter of the nearest cache */
#define HALO_ROWS_MAX ((size_t) 64)

typedef struct Pass {
    const CorKernelOps *ops;
    bool is_erosion;
    bool outside_is_set;
    size_t radius;
    size_t halo; /* rows: the radius, rounded up to whole cache lines of any stride */
    size_t band_rows;
    uint64_t *regions[3]; /* to grow in, in turns; the last is for the copy */
} Pass;

/* Zero the tails and the words between the rows. */
static void clean(CorBits *bits, size_t begin, size_t end)
{
    size_t full = bits->width_px / 64;
    uint64_t tail = ((uint64_t) 1 << (bits->width_px % 64)) - 1;

    for (size_t y = begin; y < end; y++) {
        uint64_t *row = bits->words + y * bits->stride_words;

        row[full] &= tail;
        row[bits->stride_words - 1] = 0;
    }
}

/* Half width of row dy of a disk. */
static int half_width(int radius, int dy)
{
    int h = 0;

    while ((h + 1) * (h + 1) + dy * dy <= radius * radius) {
        h++;
    }
    return h;
}

static size_t rows_in_cache(size_t stride)
{
    size_t rows = CACHE_WORDS / stride;

    return rows > 4 * HALO_ROWS_MAX ? rows : 4 * HALO_ROWS_MAX;
}

static size_t region_len(size_t stride)
{
    return (rows_in_cache(stride) * stride + 2 * PAD_WORDS + 7) / 8 * 8;
}

size_t cor_kernel_morphology_size_words(size_t width_px)
{
    return 3 * region_len((width_px + 63) / 64 + 1) + PAD_WORDS;
}

static Pass start(bool is_erosion, size_t stride, int radius, uint64_t *scratch)
{
    uintptr_t past = (uintptr_t) scratch % 64 / sizeof(uint64_t);
    size_t rows = CACHE_WORDS / stride;
    Pass pass = {.ops = cor_kernel_priv_ops(),
                 .is_erosion = is_erosion,
                 .radius = (size_t) radius,
                 .halo = ((size_t) radius + 7) / 8 * 8};

    /* At least twice as many rows as come with them, or the halos would be most of the work. */
    pass.band_rows = rows > 4 * pass.halo + 8 ? (rows - 2 * pass.halo) / 8 * 8 : 2 * pass.halo;
    pass.band_rows = pass.band_rows > 8 ? pass.band_rows : 8;
    for (size_t i = 0; i < 3; i++) {
        pass.regions[i] = scratch + (past ? 8 - past : 0) + i * region_len(stride) + PAD_WORDS;
    }
    return pass;
}

static uint64_t outside(const Pass *pass)
{
    return pass->outside_is_set ? ~(uint64_t) 0 : 0;
}

/* The rows of a band with its halos, filled wherever no pixel is. */
static const uint64_t *copy_filled(const Pass *pass, const CorBits *from, size_t begin, size_t rows)
{
    size_t stride = from->stride_words;
    size_t full = from->width_px / 64;
    uint64_t tail = ((uint64_t) 1 << (from->width_px % 64)) - 1;
    uint64_t *to = pass->regions[2];

    to[-1] = ~(uint64_t) 0;
    for (size_t i = 0; i < rows + 2 * pass->halo; i++, to += stride) {
        size_t y = begin + i - pass->halo; /* wraps where it is above the mask */

        if (y >= from->height_px) {
            memset(to, 0xff, stride * sizeof(uint64_t));
            continue;
        }
        memcpy(to, from->words + y * stride, stride * sizeof(uint64_t));
        to[full] |= ~tail;
        to[stride - 1] = ~(uint64_t) 0;
    }
    return pass->regions[2];
}

/* The first row of a band's upper halo; there are good rows and one word before. */
static const uint64_t *source(const Pass *pass, const CorBits *from, size_t begin, size_t rows)
{
    if (pass->outside_is_set) {
        return copy_filled(pass, from, begin, rows);
    }
    return from->words + (ptrdiff_t) (begin * from->stride_words) -
           (ptrdiff_t) (pass->halo * from->stride_words);
}

static void disk_band(const Pass *pass, const CorBits *from, size_t begin, size_t rows, CorBits *to)
{
    size_t stride = from->stride_words;
    size_t middle = pass->halo * stride;
    const uint64_t *grown = source(pass, from, begin, rows);
    uint64_t *next = pass->regions[0];
    uint64_t *other = pass->regions[1];
    uint64_t *out = to->words + begin * stride;
    int width = 0;

    memcpy(out, grown + middle, rows * stride * sizeof(uint64_t));
    for (int dy = (int) pass->radius; dy >= 0; dy--) {
        int wanted = half_width((int) pass->radius, dy);
        size_t seen = ((size_t) dy + 7) / 8 * 8;
        size_t at = (pass->halo - seen) * stride;

        while (width < wanted) {
            int d = wanted - width < 2 * width + 1 ? wanted - width : 2 * width + 1;
            uint64_t *swap = next;

            pass->ops->grow(pass->is_erosion, grown + at, (rows + 2 * seen) * stride, (unsigned) d,
                            next + at);
            next[(ptrdiff_t) at - 1] = outside(pass);
            width += d;
            grown = next;
            next = other;
            other = swap;
        }
        pass->ops->join(pass->is_erosion, grown + middle, rows * stride, (size_t) dy * stride, out);
    }
    clean(to, begin, begin + rows);
}

static void diamond_band(const Pass *pass, const CorBits *from, size_t begin, size_t rows,
                         CorBits *to)
{
    size_t stride = from->stride_words;
    size_t middle = pass->halo * stride;
    const uint64_t *grown = source(pass, from, begin, rows);
    uint64_t *next = pass->regions[0];
    uint64_t *other = pass->regions[1];

    for (size_t done = 0; done < pass->radius;) {
        size_t left = pass->radius - done;
        size_t d = left < done / 2 + 1 ? left : done / 2 + 1;
        size_t seen = left - d;
        size_t at = (pass->halo - seen) * stride;
        uint64_t *swap = next;

        pass->ops->cross(pass->is_erosion, grown + at, (rows + 2 * seen) * stride, (unsigned) d,
                         d * stride, next + at);
        next[(ptrdiff_t) at - 1] = outside(pass);
        done += d;
        grown = next;
        next = other;
        other = swap;
    }
    memcpy(to->words + begin * stride, grown + middle, rows * stride * sizeof(uint64_t));
    clean(to, begin, begin + rows);
}

typedef void (*Band)(const Pass *pass, const CorBits *from, size_t begin, size_t rows, CorBits *to);

static void run(const Pass *pass, const CorBits *from, Band band, CorBits *to)
{
    assert(from->words != to->words);
    assert(from->width_px == to->width_px && from->height_px == to->height_px);
    assert(pass->radius < HALO_ROWS_MAX);

    for (size_t y = 0; y < from->height_px; y += pass->band_rows) {
        size_t left = from->height_px - y;

        band(pass, from, y, left < pass->band_rows ? left : pass->band_rows, to);
    }
}

void cor_kernel_dilate_disk(const CorBits *from, int radius_px, CorBits *to, uint64_t *scratch)
{
    Pass pass = start(false, from->stride_words, radius_px, scratch);

    run(&pass, from, disk_band, to);
}

void cor_kernel_erode_disk(const CorBits *from, int radius_px, bool outside_is_set, CorBits *to,
                           uint64_t *scratch)
{
    Pass pass = start(true, from->stride_words, radius_px, scratch);

    pass.outside_is_set = outside_is_set;
    run(&pass, from, disk_band, to);
}

void cor_kernel_dilate_diamond(const CorBits *from, int radius_px, CorBits *to, uint64_t *scratch)
{
    Pass pass = start(false, from->stride_words, radius_px, scratch);

    run(&pass, from, diamond_band, to);
}

void cor_kernel_erode_diamond(const CorBits *from, int radius_px, CorBits *to, uint64_t *scratch)
{
    Pass pass = start(true, from->stride_words, radius_px, scratch);

    run(&pass, from, diamond_band, to);
}
