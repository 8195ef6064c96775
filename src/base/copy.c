/* SPDX-License-Identifier: Apache-2.0 */
#include "base/copy.h"

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>

enum { LINE = 64, LEAST = 4096 }; /* less is not worth the wait in the end */

/* Whole lines, which are written by themselves: no half of one is left to be fetched. */
static void copy_lines(uint8_t *to, const uint8_t *from, size_t lines)
{
    for (; lines > 0; lines--, to += LINE, from += LINE) {
        __m128i quarters[4];
        for (int i = 0; i < 4; i++) {
            quarters[i] = _mm_loadu_si128((const __m128i *) (const void *) from + i);
        }
        for (int i = 0; i < 4; i++) {
            _mm_stream_si128((__m128i *) (void *) to + i, quarters[i]);
        }
    }
    _mm_sfence(); /* such writes are not in order with others */
}

void cor_copy_past_cache(void *to, const void *from, size_t size)
{
    uint8_t *at = to;
    const uint8_t *source = from;
    size_t lead = (size_t) (-(uintptr_t) at) % LINE;

    if (size < LEAST) {
        memcpy(to, from, size);
        return;
    }
    size_t lines = (size - lead) / LINE;
    memcpy(at, source, lead);
    copy_lines(at + lead, source + lead, lines);
    lead += lines * LINE;
    memcpy(at + lead, source + lead, size - lead);
}

#else

void cor_copy_past_cache(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}

#endif
