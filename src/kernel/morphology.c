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
 * mask, so clipping at the border, which leaves the guard rows zero, loses nothing.
 *
 * Erosion is the same with "and", which is why everything is written once for both.  If the
 * outside counts as set, zero words, tails and guard rows of the copy that is worked on are filled.
 */
#include "kernel/morphology.h"

#include <assert.h>
#include <string.h>

#include "kernel/kernel-ops.h"

/* Zero the tails and the words between the rows. */
static void clean(CorBits *bits)
{
    size_t full = bits->width_px / 64;
    uint64_t tail = ((uint64_t) 1 << (bits->width_px % 64)) - 1;

    for (size_t y = 0; y < bits->height_px; y++) {
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

/* src has good guard rows; a and b are scratch. */
static void disk(bool is_erosion, const CorBits *src, int radius, CorBits *to,
                 CorMorphology *scratch)
{
    const CorKernelOps *ops = cor_kernel_priv_ops();
    size_t stride = src->stride_words;
    size_t len = src->height_px * stride;
    const uint64_t *grown = src->words;
    uint64_t *next = scratch->a.words;
    uint64_t *other = scratch->b.words;
    int width = 0;

    memcpy(to->words, src->words, len * sizeof(uint64_t));
    for (int dy = radius; dy >= 0; dy--) {
        int wanted = half_width(radius, dy);

        while (width < wanted) {
            int d = wanted - width < 2 * width + 1 ? wanted - width : 2 * width + 1;
            uint64_t *swap = next;

            ops->grow(is_erosion, grown, len, (unsigned) d, next);
            width += d;
            grown = next;
            next = other;
            other = swap;
        }
        ops->join(is_erosion, grown, len, (size_t) dy * stride, to->words);
    }
    clean(to);
}

static void diamond(bool is_erosion, const CorBits *src, int radius, CorBits *to,
                    CorMorphology *scratch)
{
    const CorKernelOps *ops = cor_kernel_priv_ops();
    size_t stride = src->stride_words;
    size_t len = src->height_px * stride;
    const uint64_t *grown = src->words;
    uint64_t *next = scratch->a.words;
    uint64_t *other = scratch->b.words;

    for (int done = 0; done < radius;) {
        int d = radius - done < done / 2 + 1 ? radius - done : done / 2 + 1;
        uint64_t *swap = next;

        ops->cross(is_erosion, grown, len, (unsigned) d, (size_t) d * stride, next);
        done += d;
        grown = next;
        next = other;
        other = swap;
    }
    memcpy(to->words, grown, len * sizeof(uint64_t));
    clean(to);
}

static void check(const CorBits *from, const CorBits *to, const CorMorphology *scratch)
{
    assert(from->words != to->words);
    assert(from->width_px == to->width_px && from->height_px == to->height_px);
    assert(scratch->a.width_px == from->width_px && scratch->a.height_px == from->height_px);
    assert(scratch->b.width_px == from->width_px && scratch->b.height_px == from->height_px);
    (void) from;
    (void) to;
    (void) scratch;
}

void cor_kernel_dilate_disk(const CorBits *from, int radius_px, CorBits *to, CorMorphology *scratch)
{
    check(from, to, scratch);
    assert(radius_px >= 0 && radius_px <= COR_DISK_RADIUS_MAX_PX);

    disk(false, from, radius_px, to, scratch);
}

/* Fill everything outside the pixels, within the guard rows. */
static void fill_outside(CorBits *bits)
{
    size_t stride = bits->stride_words;
    size_t guard = COR_BITS_GUARD_ROWS * stride;
    size_t full = bits->width_px / 64;
    uint64_t tail = ((uint64_t) 1 << (bits->width_px % 64)) - 1;

    memset(bits->words - guard - 1, 0xff, (guard + 1) * sizeof(uint64_t));
    memset(bits->words + bits->height_px * stride, 0xff, guard * sizeof(uint64_t));
    for (size_t y = 0; y < bits->height_px; y++) {
        uint64_t *row = bits->words + y * stride;

        row[full] |= ~tail;
        row[stride - 1] = ~(uint64_t) 0;
    }
}

static void clear_guard(CorBits *bits)
{
    size_t guard = COR_BITS_GUARD_ROWS * bits->stride_words;

    memset(bits->words - guard - 1, 0, (guard + 1) * sizeof(uint64_t));
    memset(bits->words + bits->height_px * bits->stride_words, 0, guard * sizeof(uint64_t));
}

void cor_kernel_erode_disk(const CorBits *from, int radius_px, bool outside_is_set, CorBits *to,
                           CorMorphology *scratch)
{
    check(from, to, scratch);
    assert(radius_px >= 0 && radius_px <= COR_DISK_RADIUS_MAX_PX);

    if (!outside_is_set) {
        disk(true, from, radius_px, to, scratch);
        return;
    }
    cor_kernel_bits_copy(from, &scratch->b);
    fill_outside(&scratch->a);
    fill_outside(&scratch->b);
    disk(true, &scratch->b, radius_px, to, scratch);
    clear_guard(&scratch->a);
    clear_guard(&scratch->b);
}

void cor_kernel_dilate_diamond(const CorBits *from, int radius_px, CorBits *to,
                               CorMorphology *scratch)
{
    check(from, to, scratch);
    assert(radius_px >= 0 && radius_px <= COR_DIAMOND_RADIUS_MAX_PX);

    diamond(false, from, radius_px, to, scratch);
}

void cor_kernel_erode_diamond(const CorBits *from, int radius_px, CorBits *to,
                              CorMorphology *scratch)
{
    check(from, to, scratch);
    assert(radius_px >= 0 && radius_px <= COR_DIAMOND_RADIUS_MAX_PX);

    diamond(true, from, radius_px, to, scratch);
}
