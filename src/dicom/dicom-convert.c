/* SPDX-License-Identifier: Apache-2.0 */
/* From what a codec or the file gives to the plane that callers see.
 *
 * Bits: uncompressed and RLE samples carry their value in Bits Stored bits up to High Bit; what is
 * above may be overlays and is dropped.  Codestreams state a precision of their own; then the
 * smaller of the two holds, since some encoders write 12 stored bits as 16 and others as 12.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "dicom/dicom-pixels.h"

size_t cor_dicom_priv_sample_size(CorPixelType type)
{
    switch (type) {
    case COR_PIXEL_U16:
    case COR_PIXEL_S16:
        return 2;
    case COR_PIXEL_U32:
    case COR_PIXEL_S32:
    case COR_PIXEL_F32:
        return 4;
    case COR_PIXEL_F64:
        return 8;
    default:
        return 1;
    }
}

bool cor_dicom_priv_frame_new(const CorDicomImage *image, size_t width_px, CorPixelType type,
                              CorDicomFrame **ret_frame, CorError *err)
{
    size_t row_bytes =
        width_px * cor_dicom_priv_sample_size(type) * (type == COR_PIXEL_RGB8 ? 3 : 1);
    CorDicomFrame *frame = cor_new(CorDicomFrame);

    if (frame) {
        frame->bytes = row_bytes * image->rows;
        frame->pixels = malloc(frame->bytes);
    }
    if (!frame || !frame->pixels) {
        free(frame);
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame of %zu bytes",
                        row_bytes * image->rows);
    }
    frame->plane = (CorPlane){.data = frame->pixels,
                              .width_px = width_px,
                              .height_px = image->rows,
                              .row_bytes = row_bytes,
                              .type = type};
    *ret_frame = frame;
    return true;
}

/* Move every sample up and down again, so that what was above is gone and the sign is spread. */
static void settle_bits(uint8_t *data, size_t count, unsigned bytes, unsigned up, unsigned down,
                        bool is_signed)
{
#define SETTLE(Unsigned, Signed)                                       \
    do {                                                               \
        Unsigned *values = (Unsigned *) (void *) data;                 \
        for (size_t i = 0; i < count; i++) {                           \
            Unsigned raised = (Unsigned) ((uint64_t) values[i] << up); \
            Unsigned plain = (Unsigned) (raised >> down);              \
            Unsigned spread = (Unsigned) ((Signed) raised >> down);    \
            values[i] = is_signed ? spread : plain;                    \
        }                                                              \
    } while (0)

    if (up == 0 && down == 0) {
        return;
    }
    if (bytes == 1) {
        SETTLE(uint8_t, int8_t);
    } else if (bytes == 2) {
        SETTLE(uint16_t, int16_t);
    } else if (bytes == 4) {
        SETTLE(uint32_t, int32_t);
    }
#undef SETTLE
}

static void settle_samples(const CorDicomImage *image, CorDicomSamples *samples, size_t count)
{
    unsigned width = 8 * samples->bytes_per_sample;
    unsigned up = 0;
    unsigned down = 0;

    if (image->is_float || (image->bits_allocated == 1 && samples->precision <= 1)) {
        return;
    }
    if (samples->precision == 0) {
        up = width - 1 - image->high_bit;
        down = width - image->bits_stored;
    } else {
        up = down = width - COR_MIN(samples->precision, (unsigned) image->bits_stored);
    }
    settle_bits(samples->data, count, samples->bytes_per_sample, up, down, image->is_signed);
}

/* Copy samples into wider ones. */
static void widen(const CorDicomSamples *samples, size_t count, size_t wanted, bool is_signed,
                  uint8_t *out)
{
    const uint8_t *narrow = samples->data;
    const uint16_t *middle = (const uint16_t *) (const void *) samples->data;

    if (samples->bytes_per_sample == wanted) {
        memcpy(out, samples->data, count * wanted);
    } else if (wanted == 2) {
        for (size_t i = 0; i < count; i++) {
            ((uint16_t *) (void *) out)[i] = is_signed ? (uint16_t) (int8_t) narrow[i] : narrow[i];
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            uint32_t plain = samples->bytes_per_sample == 1 ? narrow[i] : middle[i];
            uint32_t spread = samples->bytes_per_sample == 1 ? (uint32_t) (int8_t) narrow[i]
                                                             : (uint32_t) (int16_t) middle[i];

            ((uint32_t *) (void *) out)[i] = is_signed ? spread : plain;
        }
    }
}

static uint8_t clamp(int value)
{
    return (uint8_t) (value < 0 ? 0 : value > 255 ? 255 : value);
}

/* PS3.3 section C.7.6.3.1.2, in units of 1/65536. */
static void ybr_to_rgb(uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++, pixels += 3) {
        int y = pixels[0];
        int cb = pixels[1] - 128;
        int cr = pixels[2] - 128;

        pixels[0] = clamp(y + ((91881 * cr + 32768) >> 16));
        pixels[1] = clamp(y - ((22554 * cb + 46802 * cr + 32768) >> 16));
        pixels[2] = clamp(y + ((116130 * cb + 32768) >> 16));
    }
}

/* Sample i of the interleaved order, from either order. */
static uint32_t sample_at(const CorDicomSamples *samples, size_t i, size_t pixels)
{
    size_t place = samples->is_planar ? i % 3 * pixels + i / 3 : i;

    switch (samples->bytes_per_sample) {
    case 1:
        return samples->data[place];
    case 2:
        return ((const uint16_t *) (const void *) samples->data)[place];
    default:
        return ((const uint32_t *) (const void *) samples->data)[place];
    }
}

static bool is_stated_ybr(const CorDicomImage *image)
{
    return strcmp(image->photometric, "YBR_FULL") == 0 ||
           strcmp(image->photometric, "YBR_FULL_422") == 0;
}

static bool convert_colour(const CorDicomImage *image, const CorDicomSamples *samples,
                           unsigned flags, CorDicomFrame **ret_frame, CorError *err)
{
    size_t pixels = (size_t) image->rows * image->columns;
    unsigned bits = samples->precision ? samples->precision : image->bits_stored;
    unsigned drop = bits > 8 ? bits - 8 : 0;
    bool is_ybr = samples->colour == COR_COLOUR_YBR ||
                  (samples->colour == COR_COLOUR_AS_STATED && is_stated_ybr(image));
    CorDicomFrame *frame = NULL;

    if (strncmp(image->photometric, "YBR_PARTIAL", 11) == 0) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "photometric interpretation %s",
                        image->photometric);
    }
    if (!cor_dicom_priv_frame_new(image, image->columns, COR_PIXEL_RGB8, &frame, err)) {
        return false;
    }
    if (samples->bytes_per_sample == 1 && !samples->is_planar) {
        memcpy(frame->pixels, samples->data, 3 * pixels);
    } else {
        for (size_t i = 0; i < 3 * pixels; i++) {
            frame->pixels[i] = (uint8_t) (sample_at(samples, i, pixels) >> drop);
        }
    }
    if (is_ybr && !(flags & COR_DICOM_PRIV_KEEP_YBR)) {
        ybr_to_rgb(frame->pixels, pixels);
    }
    *ret_frame = frame;
    return true;
}

/* Colour wider than 8 bits as a plane three times as wide. */
static bool keep_samples(const CorDicomImage *image, const CorDicomSamples *samples,
                         CorDicomFrame **ret_frame, CorError *err)
{
    size_t pixels = (size_t) image->rows * image->columns;
    CorPixelType type = samples->bytes_per_sample == 2 ? COR_PIXEL_U16 : COR_PIXEL_U32;
    CorDicomFrame *frame = NULL;

    if (!cor_dicom_priv_frame_new(image, (size_t) image->columns * 3, type, &frame, err)) {
        return false;
    }
    for (size_t i = 0; i < 3 * pixels; i++) {
        uint32_t value = sample_at(samples, i, pixels);

        memcpy(frame->pixels + i * samples->bytes_per_sample, &value, samples->bytes_per_sample);
    }
    *ret_frame = frame;
    return true;
}

bool cor_dicom_priv_convert(const CorDicomImage *image, CorDicomSamples *samples, unsigned flags,
                            CorDicomFrame **ret_frame, CorError *err)
{
    size_t count = (size_t) image->rows * image->columns * image->samples_per_pixel;
    size_t wanted = cor_dicom_priv_sample_size(image->stored_type);
    CorDicomFrame *frame = NULL;

    settle_samples(image, samples, count);
    if (image->is_colour) {
        return (flags & COR_DICOM_KEEP_SAMPLES) && samples->bytes_per_sample > 1
                   ? keep_samples(image, samples, ret_frame, err)
                   : convert_colour(image, samples, flags, ret_frame, err);
    }
    if (samples->bytes_per_sample > wanted) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "the codestream has %u bits a sample, the data set allocates %u",
                        samples->precision, image->bits_allocated);
    }
    if (samples->bytes_per_sample == wanted) { /* nothing to copy */
        frame = cor_new(CorDicomFrame);
        if (!frame) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame");
        }
        frame->pixels = COR_TAKE(samples->data);
        frame->bytes = count * wanted;
        frame->plane = (CorPlane){.data = frame->pixels,
                                  .width_px = image->columns,
                                  .height_px = image->rows,
                                  .row_bytes = image->columns * wanted,
                                  .type = image->stored_type};
    } else {
        if (!cor_dicom_priv_frame_new(image, image->columns, image->stored_type, &frame, err)) {
            return false;
        }
        widen(samples, count, wanted, image->is_signed, frame->pixels);
    }
    *ret_frame = frame;
    return true;
}
