/* SPDX-License-Identifier: Apache-2.0 */
/* What the pixels are (PS3.3 section C.7.6.3), and the way of one frame: find its bytes,
 * decompress, convert. */
#include "dicom/dicom-pixels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static int64_t integer_at(const CorDicom *dicom, uint32_t tag, int64_t fallback)
{
    int64_t value = fallback;

    (void) cor_dicom_priv_integer(
        dicom, cor_dicom_priv_find(dicom, cor_dicom_priv_root(dicom), tag), 0, &value);
    return value;
}

/* A number, what it is if absent, and what it must be. */
typedef struct Wanted {
    uint32_t tag;
    int64_t fallback;
    int64_t min;
    int64_t max;
} Wanted;

static bool read_range(const CorDicom *dicom, Wanted wanted, int64_t *ret_value, CorError *err)
{
    int64_t value = integer_at(dicom, wanted.tag, wanted.fallback);

    if (value < wanted.min || value > wanted.max) {
        return cor_fail(err, COR_ERR_INVALID,
                        "element (%04" PRIX32 ",%04" PRIX32 ") is missing or not from %" PRId64
                        " to %" PRId64,
                        wanted.tag >> 16, wanted.tag & 0xFFFF, wanted.min, wanted.max);
    }
    *ret_value = value;
    return true;
}

static bool read_size(const CorDicom *dicom, CorDicomImage *image, CorError *err)
{
    int64_t rows = 0;
    int64_t columns = 0;
    int64_t frames = 0;
    int64_t samples = 0;

    if (!read_range(dicom, (Wanted){0x00280010, 0, 1, 65535}, &rows, err) ||
        !read_range(dicom, (Wanted){0x00280011, 0, 1, 65535}, &columns, err) ||
        !read_range(dicom, (Wanted){0x00280008, 1, 0, INT32_MAX}, &frames, err) ||
        !read_range(dicom, (Wanted){0x00280002, 1, 1, 65535}, &samples, err)) {
        return false;
    }
    if (samples != 1 && samples != 3) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "pixels of %" PRId64 " samples", samples);
    }
    image->rows = (uint32_t) rows;
    image->columns = (uint32_t) columns;
    image->frames = frames == 0 ? 1 : (uint32_t) frames;
    image->samples_per_pixel = (uint16_t) samples;
    image->is_planar = samples == 3 && integer_at(dicom, 0x00280006, 0) == 1;
    return true;
}

static bool read_bits(const CorDicom *dicom, const CorDicomElement *pixels, CorDicomImage *image,
                      CorError *err)
{
    int64_t allocated = 0;
    int64_t stored = 0;
    int64_t high = 0;

    if (pixels->tag != COR_DICOM_TAG_PIXELS) {
        if (image->samples_per_pixel != 1 || dicom->syntax.codec != COR_CODEC_NATIVE) {
            return cor_fail(err, COR_ERR_UNSUPPORTED, "real numbers as colour or compressed");
        }
        image->is_float = true;
        image->bits_allocated = pixels->tag == COR_DICOM_TAG_FLOAT_PIXELS ? 32 : 64;
        image->bits_stored = image->bits_allocated;
        image->high_bit = (uint16_t) (image->bits_allocated - 1);
        image->is_signed = true;
        return true;
    }
    if (!read_range(dicom, (Wanted){0x00280100, 0, 1, 64}, &allocated, err)) {
        return false;
    }
    if (allocated != 1 && allocated != 8 && allocated != 16 && allocated != 32) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "samples of %" PRId64 " allocated bits",
                        allocated);
    }
    if (!read_range(dicom, (Wanted){0x00280101, allocated, 1, allocated}, &stored, err) ||
        !read_range(dicom, (Wanted){0x00280102, stored - 1, stored - 1, allocated - 1}, &high,
                    err)) {
        return false;
    }
    image->bits_allocated = (uint16_t) allocated;
    image->bits_stored = (uint16_t) stored;
    image->high_bit = (uint16_t) high;
    image->is_signed = allocated > 1 && integer_at(dicom, 0x00280103, 0) == 1;
    return true;
}

static CorPixelType stored_type(const CorDicomImage *image)
{
    if (image->is_colour) {
        return COR_PIXEL_RGB8;
    }
    switch (image->bits_allocated) {
    case 64:
        return COR_PIXEL_F64;
    case 32:
        return image->is_float ? COR_PIXEL_F32 : image->is_signed ? COR_PIXEL_S32 : COR_PIXEL_U32;
    case 16:
        return image->is_signed ? COR_PIXEL_S16 : COR_PIXEL_U16;
    default:
        return image->is_signed ? COR_PIXEL_S8 : COR_PIXEL_U8;
    }
}

/* Pixel Padding Value, and the end of its range (PS3.3 section C.7.5.1.1.2).  Often its VR has the
 * wrong sign, so only the bits count. */
static void read_padding(const CorDicom *dicom, CorDicomImage *image)
{
    CorDicomScope root = cor_dicom_priv_root(dicom);
    int64_t first = 0;

    if (image->is_float ||
        !cor_dicom_priv_integer(dicom, cor_dicom_priv_find(dicom, root, 0x00280120), 0, &first)) {
        return;
    }
    int64_t last = integer_at(dicom, 0x00280121, first);
    first = image->is_signed ? (int16_t) first : (uint16_t) first;
    last = image->is_signed ? (int16_t) last : (uint16_t) last;
    image->has_padding = true;
    image->padding_first = COR_MIN(first, last);
    image->padding_last = COR_MAX(first, last);
}

static void read_meaning(const CorDicom *dicom, CorDicomImage *image)
{
    CorDicomScope root = cor_dicom_priv_root(dicom);
    char lossy[4];

    if (!cor_dicom_priv_code(dicom, cor_dicom_priv_find(dicom, root, 0x00280004), 0,
                             image->photometric, sizeof(image->photometric))) {
        snprintf(image->photometric, sizeof(image->photometric), "%s",
                 image->samples_per_pixel == 3 ? "RGB" : "MONOCHROME2");
    }
    image->is_colour = image->samples_per_pixel == 3;
    image->has_palette = !image->is_colour && strcmp(image->photometric, "PALETTE COLOR") == 0;
    (void) cor_dicom_priv_code(dicom, cor_dicom_priv_find(dicom, root, 0x00282110), 0, lossy,
                               sizeof(lossy));
    image->is_lossy = dicom->syntax.is_lossy || strcmp(lossy, "01") == 0;
}

bool cor_dicom_image(const CorDicom *dicom, CorDicomImage *ret_image, CorError *err)
{
    const CorDicomElement *pixels = cor_dicom_priv_pixel_element(dicom);
    CorDicomImage image = {0};

    if (!pixels) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "the file has no pixel data");
    }
    if (!read_size(dicom, &image, err) || !read_bits(dicom, pixels, &image, err)) {
        return false;
    }
    uint64_t bytes = (uint64_t) image.rows * image.columns * image.samples_per_pixel *
                     ((image.bits_allocated + 7u) / 8);
    if (bytes > dicom->limits.frame_bytes_max) {
        return cor_fail(err, COR_ERR_LIMIT, "a frame of %" PRIu64 " bytes is larger than %zu",
                        bytes, dicom->limits.frame_bytes_max);
    }
    read_meaning(dicom, &image);
    read_padding(dicom, &image);
    image.stored_type = stored_type(&image);
    *ret_image = image;
    return true;
}

bool cor_dicom_priv_decompress(const CorDicom *dicom, const CorDicomImage *image, uint32_t frame,
                               const CorDicomFragments *range, CorDicomSamples *samples,
                               CorError *err)
{
    CorDicomFrameBytes bytes = {0};
    bool is_done = false;

    *samples = (CorDicomSamples){.rows = image->rows,
                                 .columns = image->columns,
                                 .samples_per_pixel = image->samples_per_pixel,
                                 .bits_allocated = image->bits_allocated,
                                 .memory_max = dicom->limits.frame_bytes_max};

    if (dicom->syntax.codec == COR_CODEC_NONE) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "transfer syntax %s", dicom->syntax_uid);
    }
    if (dicom->syntax.codec == COR_CODEC_NATIVE) {
        return cor_dicom_priv_native(dicom, image, frame, samples, err);
    }
    if (range ? !cor_dicom_priv_gather(dicom, *range, &bytes, err)
              : !cor_dicom_priv_encapsulated(dicom, frame, image->frames, &bytes, err)) {
        return false;
    }
    switch (dicom->syntax.codec) {
    case COR_CODEC_RLE:
        is_done = cor_dicom_priv_rle(bytes.data, bytes.size, samples, err);
        break;
    case COR_CODEC_JPEG:
        is_done = cor_dicom_priv_jpeg(bytes.data, bytes.size, samples, err);
        break;
    case COR_CODEC_JPEG_LS:
        is_done = cor_dicom_priv_jpeg_ls(bytes.data, bytes.size, samples, err);
        break;
    case COR_CODEC_JPEG_2000:
        is_done = cor_dicom_priv_jpeg2000(bytes.data, bytes.size, samples, err);
        break;
    default:
        is_done = cor_dicom_priv_deflated_frame(bytes.data, bytes.size, image, samples, err);
        break;
    }
    free(bytes.gathered);
    return is_done;
}

bool cor_dicom_decode_frame(const CorDicom *dicom, uint32_t frame, unsigned flags,
                            CorDicomFrame **ret_frame, CorError *err)
{
    COR_CLEANUP(cor_dicom_frame_freep) CorDicomFrame *decoded = NULL;
    CorDicomImage image = {0};

    if (!cor_dicom_image(dicom, &image, err)) {
        return false;
    }
    if (frame >= image.frames) {
        return cor_fail(err, COR_ERR_INVALID,
                        "there is no frame %" PRIu32 ": the image has %" PRIu32, frame + 1,
                        image.frames);
    }
    CorDicomSamples samples = {0};
    bool is_done = cor_dicom_priv_decompress(dicom, &image, frame, NULL, &samples, err) &&
                   cor_dicom_priv_convert(&image, &samples, flags, &decoded, err);

    free(samples.data);
    if (!is_done) {
        return false;
    }
    if ((flags & COR_DICOM_PALETTE_TO_RGB) && image.has_palette &&
        !cor_dicom_priv_palette(dicom, &image, decoded, err)) {
        return false;
    }
    *ret_frame = COR_TAKE(decoded);
    return true;
}

const CorPlane *cor_dicom_frame_plane(const CorDicomFrame *frame)
{
    return &frame->plane;
}

size_t cor_dicom_frame_bytes(const CorDicomFrame *frame)
{
    return frame->bytes;
}

void cor_dicom_frame_free(CorDicomFrame *frame)
{
    if (frame) {
        free(frame->pixels);
        free(frame);
    }
}
