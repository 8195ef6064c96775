/* SPDX-License-Identifier: Apache-2.0 */
/* A grey pixel is written as four equal bytes, of which the next pixel overwrites the last: one
 * store per pixel, the same on machines of either byte order.
 *
 * The mix is (1020 + 6 v + 5) / 10 for red and blue and (6 v + 5) / 10 for green, in integers: 0.4
 * of 255 is 102, and halves do not occur.
 */
#include "kernel/paint.h"

#include <string.h>

void cor_kernel_grey_to_rgb(const uint8_t *grey, size_t len, uint8_t *rgb)
{
    size_t i = 0;

    for (; i + 1 < len; i++) {
        uint32_t four = grey[i] * 0x01010101u;

        memcpy(rgb + 3 * i, &four, sizeof(four));
    }
    for (; i < len; i++) {
        memset(rgb + 3 * i, grey[i], 3);
    }
}

void cor_kernel_paint_mask(const uint8_t *mask, size_t len, uint8_t *rgb)
{
    size_t i = 0;

    while (i < len) {
        uint64_t eight = 0;

        if (i + 8 <= len) {
            memcpy(&eight, mask + i, sizeof(eight));
            if (eight == 0) {
                i += 8;
                continue;
            }
        }
        for (size_t end = i + 8 <= len ? i + 8 : len; i < end; i++) {
            if (mask[i]) {
                unsigned value = rgb[3 * i];

                rgb[3 * i] = (uint8_t) ((1020 + 6 * value + 5) / 10);
                rgb[3 * i + 1] = (uint8_t) ((6 * value + 5) / 10);
                rgb[3 * i + 2] = rgb[3 * i];
            }
        }
    }
}
