/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512 with BW, DQ, VL, VBMI and VBMI2: Ice Lake, Zen 4 and what came after.  As ops-avx2.c. */
#include <immintrin.h>

#define OPS_VECTOR_BYTES 64
#include "kernel/ops-types.h"

static inline uint64_t bits_u8(VU8 is_set)
{
    return _mm512_movepi8_mask((__m512i) is_set);
}

static inline unsigned bits_s32(VS32 is_set)
{
    return _mm512_movepi32_mask((__m512i) is_set);
}

/* Lanes that are above 0 and whose rest is below a limit. */
static inline unsigned bits_near(VS32 whole, VF32 rest, VF32 limit)
{
    return _mm512_mask_cmp_ps_mask(_mm512_test_epi32_mask((__m512i) whole, (__m512i) whole),
                                   (__m512) rest, (__m512) limit, _CMP_LT_OQ);
}

static inline VU16 mulhi_u16(VU16 a, VU16 b)
{
    return (VU16) _mm512_mulhi_epu16((__m512i) a, (__m512i) b);
}

static inline VS16 min_s16(VS16 a, VS16 b)
{
    return (VS16) _mm512_min_epi16((__m512i) a, (__m512i) b);
}

static inline VS16 max_s16(VS16 a, VS16 b)
{
    return (VS16) _mm512_max_epi16((__m512i) a, (__m512i) b);
}

static inline VU8 narrow_u16(VU16 a, VU16 b)
{
    __m512i low = _mm512_castsi256_si512(_mm512_cvtepi16_epi8((__m512i) a));

    return (VU8) _mm512_inserti64x4(low, _mm512_cvtepi16_epi8((__m512i) b), 1);
}

static inline VU16 widen_low_u8(VU8 v)
{
    return (VU16) _mm512_cvtepu8_epi16(_mm512_castsi512_si256((__m512i) v));
}

static inline VU16 widen_high_u8(VU8 v)
{
    return (VU16) _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64((__m512i) v, 1));
}

static inline VF32 load_u8_f32(const uint8_t *p)
{
    return (VF32) _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *) p)));
}

static inline VF64 load_s16_f64(const int16_t *p)
{
    return (VF64) _mm512_cvtepi32_pd(_mm256_cvtepi16_epi32(_mm_loadu_si128((const void *) p)));
}

static inline VS32 trunc_f32(VF32 v)
{
    return (VS32) _mm512_cvttps_epi32((__m512) v);
}

static inline void store_s32_u8(VS32 v, uint8_t *p)
{
    _mm_storeu_si128((void *) p, _mm512_cvtepi32_epi8((__m512i) v));
}

static inline void store_f64_u8(VF64 v, uint8_t *p)
{
    _mm_storel_epi64((void *) p, _mm256_cvtepi32_epi8(_mm512_cvttpd_epi32((__m512d) v)));
}

static inline VF32 fma_f32(VF32 a, VF32 b, VF32 c)
{
    return (VF32) _mm512_fmadd_ps((__m512) a, (__m512) b, (__m512) c);
}

static inline VF64 fma_f64(VF64 a, VF64 b, VF64 c)
{
    return (VF64) _mm512_fmadd_pd((__m512d) a, (__m512d) b, (__m512d) c);
}

static inline VU64 shift_up(VU64 w, VU64 before, unsigned d)
{
    return (VU64) _mm512_shldv_epi64((__m512i) w, (__m512i) before, _mm512_set1_epi64(d));
}

static inline VU64 shift_down(VU64 w, VU64 behind, unsigned d)
{
    return (VU64) _mm512_shrdv_epi64((__m512i) w, (__m512i) behind, _mm512_set1_epi64(d));
}

/* Where each byte of 192 comes from: pixel i of red, or, with 64 added, of green. */
#define ALTERNATE(k) (uint8_t)((k) / 3 + ((k) % 3 == 1 ? 64 : 0))
#define ALTERNATE_8(k)                                                                    \
    ALTERNATE(k), ALTERNATE(k + 1), ALTERNATE(k + 2), ALTERNATE(k + 3), ALTERNATE(k + 4), \
        ALTERNATE(k + 5), ALTERNATE(k + 6), ALTERNATE(k + 7)
#define ALTERNATE_64(k)                                                           \
    ALTERNATE_8(k), ALTERNATE_8(k + 8), ALTERNATE_8(k + 16), ALTERNATE_8(k + 24), \
        ALTERNATE_8(k + 32), ALTERNATE_8(k + 40), ALTERNATE_8(k + 48), ALTERNATE_8(k + 56)

static inline void store_rgb(VU8 red, VU8 green, uint8_t *rgb)
{
    static const uint8_t sources[3][64] = {
        {ALTERNATE_64(0)},
        {ALTERNATE_64(64)},
        {ALTERNATE_64(128)},
    };

    for (int i = 0; i < 3; i++) {
        __m512i mixed = _mm512_permutex2var_epi8((__m512i) red, _mm512_loadu_si512(sources[i]),
                                                 (__m512i) green);

        _mm512_storeu_si512(rgb + 64 * i, mixed);
    }
}

#define OPS_NAME "avx512"
#define OPS_TABLE cor_kernel_priv_avx512
#include "kernel/ops-vector.h"
