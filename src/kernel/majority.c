/* SPDX-License-Identifier: Apache-2.0 */
/* Squares of up to 15 pixels have counts that fit in bytes: sliding sums down the columns, then
 * each row of those along (kernel-ops.h).
 *
 * Larger ones go the other way round, first along each row, then sliding down.  Along a row all
 * windows are summed at once by doubling: with S_n[x] the sum of n pixels from x on, S_2n[x] =
 * S_n[x] + S_n[x + n], and the binary digits of the side say which S_n, put one behind the other,
 * make the window.
 */
#include "kernel/majority.h"

#include <assert.h>
#include <string.h>

#include "kernel/gauss.h"
#include "kernel/kernel-ops.h"

#define BYTE_SIDE_MAX_PX ((size_t) 15)

static size_t line_size(size_t width_px)
{
    /* Doubling looks up to twice the side ahead. */
    size_t size = width_px + 4 * COR_MAJORITY_SIDE_MAX_PX + 2 * COR_OPS_SLACK_BYTES;

    return (size + COR_OPS_SLACK_BYTES - 1) / COR_OPS_SLACK_BYTES * COR_OPS_SLACK_BYTES;
}

size_t cor_kernel_majority_scratch_size(size_t width_px, size_t height_px)
{
    size_t column_sums = (width_px + 1) * sizeof(uint16_t);

    return column_sums + width_px * height_px + 6 * line_size(width_px);
}

static void add(const uint8_t *a, const uint8_t *b, size_t len, uint8_t *restrict to)
{
    for (size_t x = 0; x < len; x++) {
        to[x] = (uint8_t) (a[x] + b[x]);
    }
}

static void accumulate(const uint8_t *from, size_t len, uint8_t *restrict to)
{
    for (size_t x = 0; x < len; x++) {
        to[x] = (uint8_t) (to[x] + from[x]);
    }
}

static void sum_row(const uint8_t *from, size_t width, size_t side, uint8_t *lines, uint8_t *to)
{
    size_t radius = side / 2;
    size_t offset = 0;
    uint8_t *line = lines;
    uint8_t *next = lines + line_size(width);

    memset(lines, 0, 2 * line_size(width));
    memcpy(line + radius, from, width);
    for (size_t i = 0; i < radius; i++) {
        line[i] = from[cor_kernel_mirror((ptrdiff_t) i - (ptrdiff_t) radius, width)];
        line[radius + width + i] = from[cor_kernel_mirror((ptrdiff_t) (width + i), width)];
    }

    memset(to, 0, width);
    for (size_t n = 1; n <= side; n *= 2) {
        uint8_t *swap = line;

        if (side & n) {
            accumulate(line + offset, width, to);
            offset += n;
        }
        add(line, line + n, width + 2 * radius, next);
        line = next;
        next = swap;
    }
}

static void count_in_bytes(const uint8_t *plane, size_t side, CorBits *to, uint8_t *scratch)
{
    const CorKernelOps *ops = cor_kernel_priv_ops();
    size_t width = to->width_px;
    size_t height = to->height_px;
    size_t radius = side / 2;
    uintptr_t past = (uintptr_t) scratch % COR_OPS_SLACK_BYTES;
    uint8_t *sums = scratch + (past ? COR_OPS_SLACK_BYTES - past : 0);
    CorOpsBox box = {.side = side, .needed = (side * side + 1) / 2};

    for (size_t i = 0; i < 4; i++) {
        box.lines[i] = sums + (i + 1) * line_size(width);
    }
    memset(sums, 0, 5 * line_size(width));
    for (size_t k = 0; k + 1 < side; k++) {
        const uint8_t *row =
            plane + cor_kernel_mirror((ptrdiff_t) k - (ptrdiff_t) radius, height) * width;

        accumulate(row, width, sums);
    }
    for (size_t y = 0; y < height; y++) {
        ptrdiff_t at = (ptrdiff_t) y;
        size_t enter = cor_kernel_mirror(at + (ptrdiff_t) radius, height);
        size_t leave = cor_kernel_mirror(at - (ptrdiff_t) radius, height);
        uint8_t *line = box.lines[0];

        ops->slide(plane + enter * width, plane + leave * width, width, sums, line + radius);
        for (size_t i = 0; i < radius; i++) {
            size_t left = i < width ? i : cor_kernel_mirror(-1 - (ptrdiff_t) i, width);
            size_t right =
                i < width ? width - 1 - i : cor_kernel_mirror((ptrdiff_t) (width + i), width);

            line[radius - 1 - i] = line[radius + left];
            line[radius + width + i] = line[radius + right];
        }
        ops->box(&box, width, to->words + y * to->stride_words);
    }
}

void cor_kernel_majority(const uint8_t *plane, size_t side_px, CorBits *to, uint8_t *scratch)
{
    size_t width = to->width_px;
    size_t height = to->height_px;
    ptrdiff_t radius = (ptrdiff_t) side_px / 2;
    uint16_t needed = (uint16_t) ((side_px * side_px + 1) / 2);
    uint16_t *sums = (uint16_t *) (void *) scratch;
    uint8_t *rows = scratch + (width + 1) * sizeof(uint16_t);
    uint8_t *lines = rows + width * height;
    uint8_t *is_major = lines + 2 * line_size(width);

    assert(side_px % 2 == 1 && side_px <= COR_MAJORITY_SIDE_MAX_PX);
    if (side_px <= BYTE_SIDE_MAX_PX) {
        count_in_bytes(plane, side_px, to, scratch);
        return;
    }

    for (size_t y = 0; y < height; y++) {
        sum_row(plane + y * width, width, side_px, lines, rows + y * width);
    }

    memset(sums, 0, width * sizeof(uint16_t));
    for (ptrdiff_t k = -radius; k < radius; k++) {
        const uint8_t *row = rows + cor_kernel_mirror(k, height) * width;

        for (size_t x = 0; x < width; x++) {
            sums[x] = (uint16_t) (sums[x] + row[x]);
        }
    }
    for (size_t y = 0; y < height; y++) {
        const uint8_t *enter = rows + cor_kernel_mirror((ptrdiff_t) y + radius, height) * width;
        const uint8_t *leave = rows + cor_kernel_mirror((ptrdiff_t) y - radius, height) * width;

        for (size_t x = 0; x < width; x++) {
            uint16_t sum = (uint16_t) (sums[x] + enter[x]);

            is_major[x] = sum >= needed;
            sums[x] = (uint16_t) (sum - leave[x]);
        }
        cor_kernel_bits_pack_row(is_major, to, y);
    }
}
