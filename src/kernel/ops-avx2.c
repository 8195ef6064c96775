/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2 with FMA, BMI and POPCNT: what x86-64 processors have since 2013 (Intel) and 2015 (AMD).
 * Only the steps that vector extensions of C have no words for; the loops are in ops-vector.h. */
#include <immintrin.h>

#define OPS_VECTOR_BYTES 32
#include "kernel/ops-types.h"

static inline uint64_t bits_u8(VU8 is_set)
{
    return (uint32_t) _mm256_movemask_epi8((__m256i) is_set);
}

static inline unsigned bits_s32(VS32 is_set)
{
    return (unsigned) _mm256_movemask_ps((__m256) is_set);
}

/* Lanes that are above 0 and whose rest is below a limit. */
static inline unsigned bits_near(VS32 whole, VF32 rest, VF32 limit)
{
    return bits_s32((rest < limit) & (whole > 0));
}

static inline VU16 mulhi_u16(VU16 a, VU16 b)
{
    return (VU16) _mm256_mulhi_epu16((__m256i) a, (__m256i) b);
}

static inline VS16 min_s16(VS16 a, VS16 b)
{
    return (VS16) _mm256_min_epi16((__m256i) a, (__m256i) b);
}

static inline VS16 max_s16(VS16 a, VS16 b)
{
    return (VS16) _mm256_max_epi16((__m256i) a, (__m256i) b);
}

/* Bytes of a, then of b; all are at most 255. */
static inline VU8 narrow_u16(VU16 a, VU16 b)
{
    __m256i mixed = _mm256_packus_epi16((__m256i) a, (__m256i) b);

    return (VU8) _mm256_permute4x64_epi64(mixed, 0xd8);
}

static inline VU16 widen_low_u8(VU8 v)
{
    return (VU16) _mm256_cvtepu8_epi16(_mm256_castsi256_si128((__m256i) v));
}

static inline VU16 widen_high_u8(VU8 v)
{
    return (VU16) _mm256_cvtepu8_epi16(_mm256_extracti128_si256((__m256i) v, 1));
}

static inline VF32 load_u8_f32(const uint8_t *p)
{
    return (VF32) _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *) p)));
}

static inline VF64 load_s16_f64(const int16_t *p)
{
    return (VF64) _mm256_cvtepi32_pd(_mm_cvtepi16_epi32(_mm_loadl_epi64((const void *) p)));
}

static inline VS32 trunc_f32(VF32 v)
{
    return (VS32) _mm256_cvttps_epi32((__m256) v);
}

static inline void store_s32_u8(VS32 v, uint8_t *p)
{
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128((__m256i) v),
                                     _mm256_extracti128_si256((__m256i) v, 1));

    _mm_storel_epi64((void *) p, _mm_packus_epi16(words, words));
}

static inline void store_f64_u8(VF64 v, uint8_t *p)
{
    __m128i words = _mm256_cvttpd_epi32((__m256d) v);
    int four = 0;

    words = _mm_packus_epi32(words, words);
    four = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    __builtin_memcpy(p, &four, sizeof(four));
}

static inline VF32 fma_f32(VF32 a, VF32 b, VF32 c)
{
    return (VF32) _mm256_fmadd_ps((__m256) a, (__m256) b, (__m256) c);
}

static inline VF64 fma_f64(VF64 a, VF64 b, VF64 c)
{
    return (VF64) _mm256_fmadd_pd((__m256d) a, (__m256d) b, (__m256d) c);
}

/* The bits of w moved up by d, filled from the word before; and down, from the one behind. */
static inline VU64 shift_up(VU64 w, VU64 before, unsigned d)
{
    return w << d | before >> (64 - d);
}

static inline VU64 shift_down(VU64 w, VU64 behind, unsigned d)
{
    return w >> d | behind << (64 - d);
}

/* Red, green, blue of 32 pixels; red and blue are equal.  Each half of a vector gives 48 bytes, in
 * three shuffles of red and three of green. */
static inline void store_rgb(VU8 red, VU8 green, uint8_t *rgb)
{
    const __m128i r[3] = {
        _mm_setr_epi8(0, -1, 0, 1, -1, 1, 2, -1, 2, 3, -1, 3, 4, -1, 4, 5),
        _mm_setr_epi8(-1, 5, 6, -1, 6, 7, -1, 7, 8, -1, 8, 9, -1, 9, 10, -1),
        _mm_setr_epi8(10, 11, -1, 11, 12, -1, 12, 13, -1, 13, 14, -1, 14, 15, -1, 15),
    };
    const __m128i g[3] = {
        _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1),
        _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10),
        _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1),
    };
    const __m128i reds[2] = {_mm256_castsi256_si128((__m256i) red),
                             _mm256_extracti128_si256((__m256i) red, 1)};
    const __m128i greens[2] = {_mm256_castsi256_si128((__m256i) green),
                               _mm256_extracti128_si256((__m256i) green, 1)};

    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < 3; i++) {
            __m128i mixed = _mm_or_si128(_mm_shuffle_epi8(reds[half], r[i]),
                                         _mm_shuffle_epi8(greens[half], g[i]));

            _mm_storeu_si128((void *) (rgb + 48 * half + 16 * i), mixed);
        }
    }
}

#define OPS_NAME "avx2"
#define OPS_TABLE cor_kernel_priv_avx2
#include "kernel/ops-vector.h"
