/* SPDX-License-Identifier: Apache-2.0 */
/* Which runs belong together: a forest in which every run points towards the first run of its set.
 *
 * Ownership  The parents are the caller's; parents[i] = i in the beginning.
 * Threads    One thread at a time.
 */
#pragma once

#include <stdint.h>

/** The first run of the set of run i; the way there becomes shorter. */
static inline uint32_t cor_kernel_priv_find_root(uint32_t *parents, uint32_t i)
{
    while (parents[i] != i) {
        parents[i] = parents[parents[i]];
        i = parents[i];
    }
    return i;
}

/** Make one set of the sets of two runs. */
static inline void cor_kernel_priv_unite(uint32_t *parents, uint32_t i, uint32_t k)
{
    if (parents[i] == parents[k]) {
        return;
    }
    i = cor_kernel_priv_find_root(parents, i);
    k = cor_kernel_priv_find_root(parents, k);
    if (i < k) {
        parents[k] = i;
    } else {
        parents[i] = k;
    }
}
