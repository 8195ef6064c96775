/* SPDX-License-Identifier: Apache-2.0 */
/* Modality values (PS3.3 section C.11.1): what a scanner measured, for CT Hounsfield units.
 *
 * The two results are the same numbers: whole slope, intercept and stored values below 2^31 have
 * exact products and sums in double precision, so an S16 plane is what the F64 plane would be, in a
 * quarter of the memory. */
#include <math.h>
#include <stdlib.h>

#include "base/array.h"
#include "dicom/dicom-pixels.h"

typedef struct Range {
    double min;
    double max;
} Range;

/* Call the macro with the C type of each plane type that grey pixels have. */
#define FOR_EACH_INTEGER_TYPE(Do)                                                  \
    Do(COR_PIXEL_U8, uint8_t) Do(COR_PIXEL_S8, int8_t) Do(COR_PIXEL_U16, uint16_t) \
        Do(COR_PIXEL_S16, int16_t) Do(COR_PIXEL_U32, uint32_t) Do(COR_PIXEL_S32, int32_t)
#define FOR_EACH_GREY_TYPE(Do) \
    FOR_EACH_INTEGER_TYPE(Do) Do(COR_PIXEL_F32, float) Do(COR_PIXEL_F64, double)

static Range range_of(const CorDicomFrame *frame, size_t count)
{
    Range range = {0, 0};

#define FIND_RANGE(type, Type)                                            \
    case type: {                                                          \
        const Type *values = (const Type *) (const void *) frame->pixels; \
        Type min = values[0];                                             \
        Type max = values[0];                                             \
        for (size_t i = 1; i < count; i++) {                              \
            min = values[i] < min ? values[i] : min;                      \
            max = values[i] > max ? values[i] : max;                      \
        }                                                                 \
        range = (Range){(double) min, (double) max};                      \
        break;                                                            \
    }
    switch (frame->plane.type) {
        FOR_EACH_GREY_TYPE(FIND_RANGE)
    default:
        break;
    }
#undef FIND_RANGE
    return range;
}

static bool is_whole(double value)
{
    return fabs(value) < 2147483648.0 && value == trunc(value);
}

static bool fits_s16(double value)
{
    return value >= INT16_MIN && value <= INT16_MAX;
}

/* Every result is known to fit, so arithmetic modulo 2^16 gives it, eight pixels at a time. */
static void rescale_to_s16(const CorDicomFrame *stored, size_t count, const CorDicomFrameInfo *info,
                           int16_t *out)
{
    uint16_t slope = (uint16_t) (int64_t) info->rescale_slope;
    uint16_t intercept = (uint16_t) (int64_t) info->rescale_intercept;

#define RESCALE(type, Type)                                                                  \
    case type: {                                                                             \
        const Type *in = (const Type *) (const void *) stored->pixels;                       \
        for (size_t i = 0; i < count; i++) {                                                 \
            out[i] = (int16_t) (uint16_t) ((uint32_t) (uint16_t) in[i] * slope + intercept); \
        }                                                                                    \
        break;                                                                               \
    }
    switch (stored->plane.type) {
        FOR_EACH_INTEGER_TYPE(RESCALE)
    default:
        break; /* real numbers are never rescaled to integers */
    }
#undef RESCALE
}

static void rescale_to_f64(const CorDicomFrame *stored, size_t count, const CorDicomFrameInfo *info,
                           double *out)
{
    double slope = info->rescale_slope;
    double intercept = info->rescale_intercept;

#define RESCALE(type, Type)                                                                     \
    case type: {                                                                                \
        const Type *in = (const Type *) (const void *) stored->pixels;                          \
        for (size_t i = 0; i < count; i++) {                                                    \
            out[i] = (double) in[i] * slope + intercept; /* two roundings: -ffp-contract=off */ \
        }                                                                                       \
        break;                                                                                  \
    }
    switch (stored->plane.type) {
        FOR_EACH_GREY_TYPE(RESCALE)
    default:
        break;
    }
#undef RESCALE
}

static bool new_plane(const CorDicomImage *image, CorPixelType type, size_t limit,
                      CorDicomFrame **ret_frame, CorError *err)
{
    size_t bytes = (size_t) image->rows * image->columns * cor_dicom_priv_sample_size(type);

    if (bytes > limit) {
        return cor_fail(err, COR_ERR_LIMIT, "modality values of %zu bytes are more than %zu", bytes,
                        limit);
    }
    return cor_dicom_priv_frame_new(image, image->columns, type, ret_frame, err);
}

static bool apply_rescale(const CorDicom *dicom, const CorDicomImage *image,
                          const CorDicomFrame *stored, const CorDicomFrameInfo *info,
                          CorDicomFrame **ret_frame, CorError *err)
{
    size_t count = (size_t) image->rows * image->columns;
    Range range = range_of(stored, count);
    bool is_integral = !image->is_float && is_whole(info->rescale_slope) &&
                       is_whole(info->rescale_intercept) &&
                       fits_s16(range.min * info->rescale_slope + info->rescale_intercept) &&
                       fits_s16(range.max * info->rescale_slope + info->rescale_intercept);
    CorPixelType type = is_integral ? COR_PIXEL_S16 : COR_PIXEL_F64;

    if (!new_plane(image, type, dicom->limits.frame_bytes_max, ret_frame, err)) {
        return false;
    }
    void *out = (*ret_frame)->pixels;
    if (is_integral) {
        rescale_to_s16(stored, count, info, out);
    } else {
        rescale_to_f64(stored, count, info, out);
    }
    return true;
}

/* PS3.3 section C.11.1.1; the table gives whole numbers from 0 to 65535. */
static bool apply_lut(const CorDicom *dicom, const CorDicomImage *image,
                      const CorDicomFrame *stored, CorDicomFrame **ret_frame, CorError *err)
{
    static const CorDicomFrameInfo identity = {.rescale_slope = 1};
    size_t count = (size_t) image->rows * image->columns;
    CorDicomScope item;
    CorDicomLut lut;

    if (!cor_dicom_priv_first_item(dicom, cor_dicom_priv_root(dicom), 0x00283000, &item) ||
        !cor_dicom_priv_lut(dicom, cor_dicom_priv_find(dicom, item, 0x00283002),
                            cor_dicom_priv_find(dicom, item, 0x00283006), image->is_signed, &lut) ||
        image->is_float) {
        return cor_fail(err, COR_ERR_CORRUPT, "the modality LUT is damaged");
    }
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *indices = NULL;
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *values = NULL;
    if (!new_plane(image, COR_PIXEL_F64, SIZE_MAX, &indices, err) ||
        !new_plane(image, COR_PIXEL_U16, SIZE_MAX, &values, err)) {
        return false;
    }
    const double *in = (const double *) (const void *) indices->pixels;
    uint16_t *out = (uint16_t *) (void *) values->pixels;
    rescale_to_f64(stored, count, &identity, (double *) (void *) indices->pixels);
    for (size_t i = 0; i < count; i++) {
        out[i] = (uint16_t) cor_dicom_priv_lut_at(&lut, (int64_t) in[i]);
    }
    return apply_rescale(dicom, image, values, &identity, ret_frame, err);
}

bool cor_dicom_modality_plane(const CorDicom *dicom, uint32_t frame, CorDicomFrame **ret_frame,
                              CorError *err)
{
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *stored = NULL;
    CorDicomImage image = {0};
    CorDicomFrameInfo info = {0};

    if (!cor_dicom_image(dicom, &image, err)) {
        return false;
    }
    if (image.is_colour || image.has_palette) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "a grey image is needed, this one is %s",
                        image.photometric);
    }
    if (!cor_dicom_frame_info(dicom, frame, &info, err) ||
        !cor_dicom_decode_frame(dicom, frame, 0, &stored, err)) {
        return false;
    }
    return info.has_modality_lut ? apply_lut(dicom, &image, stored, ret_frame, err)
                                 : apply_rescale(dicom, &image, stored, &info, ret_frame, err);
}

void cor_dicom_frame_range(const CorDicomFrame *frame, double *ret_min, double *ret_max)
{
    Range range = range_of(frame, frame->plane.width_px * frame->plane.height_px);

    *ret_min = range.min;
    *ret_max = range.max;
}

bool cor_dicom_frame_voi_lut(const CorDicom *dicom, const CorDicomFrame *modality, uint8_t *grey)
{
    CorDicomImage image;
    CorDicomScope item;
    CorDicomLut lut;
    size_t count = modality->plane.width_px * modality->plane.height_px;
    const int16_t *narrow = (const int16_t *) (const void *) modality->pixels;
    const double *wide = (const double *) (const void *) modality->pixels;

    if (!cor_dicom_image(dicom, &image, NULL) ||
        !cor_dicom_priv_first_item(dicom, cor_dicom_priv_root(dicom), 0x00283010, &item) ||
        !cor_dicom_priv_lut(dicom, cor_dicom_priv_find(dicom, item, 0x00283002),
                            cor_dicom_priv_find(dicom, item, 0x00283006), image.is_signed, &lut) ||
        lut.bits == 0 || lut.bits > 16) {
        return false;
    }
    unsigned top = (1u << lut.bits) - 1;
    for (size_t i = 0; i < count; i++) {
        double value = modality->plane.type == COR_PIXEL_S16 ? narrow[i] : wide[i];
        int64_t index = value >= INT32_MAX  ? INT32_MAX
                        : value > INT32_MIN ? (int64_t) value
                                            : INT32_MIN;
        unsigned shown = COR_MIN(cor_dicom_priv_lut_at(&lut, index), top);

        grey[i] = (uint8_t) ((shown * 255 + top / 2) / top);
    }
    return true;
}

void cor_dicom_frame_window(const CorDicomFrame *modality, const CorDicomFrameInfo *info,
                            double *ret_center, double *ret_width)
{
    if (info->has_window) {
        *ret_center = info->window_center;
        *ret_width = info->window_width;
        return;
    }
    Range range = range_of(modality, modality->plane.width_px * modality->plane.height_px);
    /* A linear window of width w shows values from centre - 0.5 - (w - 1) / 2 to + (w - 1) / 2
     * (PS3.3 section C.11.2.1.2.1). */
    *ret_width = isfinite(range.max - range.min) ? range.max - range.min + 1 : 1;
    *ret_center = isfinite(range.min) ? range.min + (range.max - range.min) / 2 + 0.5 : 0;
}
