/* SPDX-License-Identifier: Apache-2.0 */
/* Loops on words of bits that are plain C under every instruction set and gain by its bit counting
 * instructions alone.  Included by the ops-<set>.c only, for each to have its own.
 */
#pragma once

#include "kernel/kernel-ops.h"

#define OPS_WORD_BITS ((size_t) 64)

static size_t words_count(const uint64_t *words, size_t len)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++) {
        count += (size_t) __builtin_popcountll(words[i]);
    }
    return count;
}

/* Word i of a row, inverted if asked, without the bits behind the row's end. */
static inline uint64_t words_at(const uint64_t *row, size_t i, size_t width, uint64_t invert)
{
    size_t left = width - i * OPS_WORD_BITS;
    uint64_t word = row[i] ^ invert;

    return left < OPS_WORD_BITS ? word & (((uint64_t) 1 << left) - 1) : word;
}

static size_t words_runs_count(const uint64_t *row, size_t width, uint64_t invert)
{
    uint64_t before = 0;
    size_t count = 0;

    for (size_t i = 0; i * OPS_WORD_BITS < width; i++) {
        uint64_t word = words_at(row, i, width, invert);

        count += (size_t) __builtin_popcountll(word & ~(word << 1 | before));
        before = word >> 63;
    }
    return count;
}

/* Beginnings and ends are looked for apart: no branch depends on which of them comes next. */
static size_t words_runs_find(const uint64_t *row, size_t width, uint64_t invert, CorRun *runs)
{
    uint64_t before = 0;
    size_t begins = 0;
    size_t ends = 0;

    for (size_t i = 0; i * OPS_WORD_BITS < width; i++) {
        uint64_t word = words_at(row, i, width, invert);
        uint64_t shifted = word << 1 | before;
        uint64_t at_begin = word & ~shifted;
        uint64_t at_end = ~word & shifted;

        for (; at_begin; at_begin &= at_begin - 1) {
            runs[begins++].begin_px =
                (uint16_t) (i * OPS_WORD_BITS + (size_t) __builtin_ctzll(at_begin));
        }
        for (; at_end; at_end &= at_end - 1) {
            runs[ends++].end_px = (uint16_t) (i * OPS_WORD_BITS + (size_t) __builtin_ctzll(at_end));
        }
        before = word >> 63;
    }
    if (ends < begins) {
        runs[ends].end_px = (uint16_t) width;
    }
    return begins;
}
