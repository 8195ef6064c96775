/* SPDX-License-Identifier: Apache-2.0 */
/* Advanced SIMD of AArch64, which every such processor has.  As ops-avx2.c. */
#include <arm_neon.h>

#define OPS_VECTOR_BYTES 16
#include "kernel/ops-types.h"

static inline uint64_t bits_u8(VU8 is_set)
{
    const VU8 weights = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t picked = (uint8x16_t) (is_set & weights);

    return vaddv_u8(vget_low_u8(picked)) | (uint64_t) vaddv_u8(vget_high_u8(picked)) << 8;
}

static inline unsigned bits_s32(VS32 is_set)
{
    const VS32 weights = {1, 2, 4, 8};

    return (unsigned) vaddvq_s32((int32x4_t) (is_set & weights));
}

/* Lanes that are above 0 and whose rest is below a limit. */
static inline unsigned bits_near(VS32 whole, VF32 rest, VF32 limit)
{
    return bits_s32((rest < limit) & (whole > 0));
}

static inline VU16 mulhi_u16(VU16 a, VU16 b)
{
    uint32x4_t low = vmull_u16(vget_low_u16((uint16x8_t) a), vget_low_u16((uint16x8_t) b));
    uint32x4_t high = vmull_high_u16((uint16x8_t) a, (uint16x8_t) b);

    return (VU16) vuzp2q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high));
}

static inline VS16 min_s16(VS16 a, VS16 b)
{
    return (VS16) vminq_s16((int16x8_t) a, (int16x8_t) b);
}

static inline VS16 max_s16(VS16 a, VS16 b)
{
    return (VS16) vmaxq_s16((int16x8_t) a, (int16x8_t) b);
}

static inline VU8 narrow_u16(VU16 a, VU16 b)
{
    return (VU8) vmovn_high_u16(vmovn_u16((uint16x8_t) a), (uint16x8_t) b);
}

static inline VU16 widen_low_u8(VU8 v)
{
    return (VU16) vmovl_u8(vget_low_u8((uint8x16_t) v));
}

static inline VU16 widen_high_u8(VU8 v)
{
    return (VU16) vmovl_high_u8((uint8x16_t) v);
}

static inline VF32 load_u8_f32(const uint8_t *p)
{
    uint32_t four = 0;
    uint16x8_t words;

    __builtin_memcpy(&four, p, sizeof(four));
    words = vmovl_u8(vcreate_u8(four));
    return (VF32) vcvtq_f32_u32(vmovl_u16(vget_low_u16(words)));
}

static inline VF64 load_s16_f64(const int16_t *p)
{
    return (VF64){p[0], p[1]};
}

static inline VS32 trunc_f32(VF32 v)
{
    return (VS32) vcvtq_s32_f32((float32x4_t) v);
}

static inline void store_s32_u8(VS32 v, uint8_t *p)
{
    uint16x4_t words = vmovn_u32(vreinterpretq_u32_s32((int32x4_t) v));
    uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
    uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);

    __builtin_memcpy(p, &four, sizeof(four));
}

static inline void store_f64_u8(VF64 v, uint8_t *p)
{
    p[0] = (uint8_t) (int) v[0];
    p[1] = (uint8_t) (int) v[1];
}

static inline VF32 fma_f32(VF32 a, VF32 b, VF32 c)
{
    return (VF32) vfmaq_f32((float32x4_t) c, (float32x4_t) a, (float32x4_t) b);
}

static inline VF64 fma_f64(VF64 a, VF64 b, VF64 c)
{
    return (VF64) vfmaq_f64((float64x2_t) c, (float64x2_t) a, (float64x2_t) b);
}

static inline VU64 shift_up(VU64 w, VU64 before, unsigned d)
{
    return w << d | before >> (64 - d);
}

static inline VU64 shift_down(VU64 w, VU64 behind, unsigned d)
{
    return w >> d | behind << (64 - d);
}

static inline void store_rgb(VU8 red, VU8 green, uint8_t *rgb)
{
    uint8x16x3_t pixels = {{(uint8x16_t) red, (uint8x16_t) green, (uint8x16_t) red}};

    vst3q_u8(rgb, pixels);
}

#define OPS_NAME "neon"
#define OPS_TABLE cor_kernel_priv_neon
#include "kernel/ops-vector.h"
