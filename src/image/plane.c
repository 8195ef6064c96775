/* SPDX-License-Identifier: Apache-2.0 */
#include "image/plane.h"

#include <assert.h>

#include "base/array.h"

static const size_t sample_sizes[] = {
    [COR_PIXEL_U8] = 1,  [COR_PIXEL_S8] = 1,  [COR_PIXEL_U16] = 2,
    [COR_PIXEL_S16] = 2, [COR_PIXEL_U32] = 4, [COR_PIXEL_S32] = 4,
    [COR_PIXEL_F32] = 4, [COR_PIXEL_F64] = 8, [COR_PIXEL_RGB8] = 1,
};
_Static_assert(COR_ARRAY_LEN(sample_sizes) == COR_PIXEL_TYPE_COUNT_, "size every type");

size_t cor_pixel_size(CorPixelType type)
{
    assert((unsigned) type < COR_PIXEL_TYPE_COUNT_);

    return type == COR_PIXEL_RGB8 ? 3 : sample_sizes[type];
}

bool cor_plane_check(const CorPlane *plane, CorError *err)
{
    size_t sample_size = 0;

    if ((unsigned) plane->type >= COR_PIXEL_TYPE_COUNT_) {
        return cor_fail(err, COR_ERR_INVALID, "plane of unknown pixel type %d", (int) plane->type);
    }
    if (plane->width_px == 0 || plane->width_px > COR_PLANE_SIDE_MAX_PX || plane->height_px == 0 ||
        plane->height_px > COR_PLANE_SIDE_MAX_PX) {
        return cor_fail(err, COR_ERR_INVALID, "plane of %zu x %zu pixels", plane->width_px,
                        plane->height_px);
    }
    sample_size = sample_sizes[plane->type];
    if (plane->row_bytes < plane->width_px * cor_pixel_size(plane->type) ||
        plane->row_bytes % sample_size != 0 || plane->row_bytes > SIZE_MAX / plane->height_px) {
        return cor_fail(err, COR_ERR_INVALID, "plane of %zu pixels in rows of %zu bytes",
                        plane->width_px, plane->row_bytes);
    }
    if (!plane->data || (uintptr_t) plane->data % sample_size != 0) {
        return cor_fail(err, COR_ERR_INVALID, "plane without data, or misaligned");
    }
    return true;
}

const void *cor_plane_row(const CorPlane *plane, size_t y)
{
    assert(y < plane->height_px);

    return (const uint8_t *) plane->data + y * plane->row_bytes;
}

#define CONVERT(Type)                                 \
    for (size_t x = 0; x < plane->width_px; x++) {    \
        values[x] = (double) ((const Type *) row)[x]; \
    }                                                 \
    return

void cor_plane_row_to_f64(const CorPlane *plane, size_t y, double *values)
{
    const void *row = cor_plane_row(plane, y);

    switch (plane->type) {
    case COR_PIXEL_U8:
        CONVERT(uint8_t);
    case COR_PIXEL_S8:
        CONVERT(int8_t);
    case COR_PIXEL_U16:
        CONVERT(uint16_t);
    case COR_PIXEL_S16:
        CONVERT(int16_t);
    case COR_PIXEL_U32:
        CONVERT(uint32_t);
    case COR_PIXEL_S32:
        CONVERT(int32_t);
    case COR_PIXEL_F32:
        CONVERT(float);
    case COR_PIXEL_F64:
        CONVERT(double);
    case COR_PIXEL_RGB8:
    case COR_PIXEL_TYPE_COUNT_:
        break;
    }
    assert(!"a grey plane");
}
