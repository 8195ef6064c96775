/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/paint.h"

#include "kernel/kernel-ops.h"

void cor_kernel_paint(const uint8_t *grey, const uint8_t *mask, size_t len, uint8_t *rgb)
{
    cor_kernel_priv_ops()->paint(grey, mask, len, rgb);
}
