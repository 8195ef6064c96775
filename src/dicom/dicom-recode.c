/* SPDX-License-Identifier: Apache-2.0 */
/* How samples get from one encoding to another without changing.
 *
 * Native to native is a copy of bytes.  Everything else goes through samples.  Between native and
 * run-length encoded pixels, which both have room for Bits Allocated, all bits go over as they are.
 * A codestream gets Bits Stored bits of precision (PS3.5 section 8.2), except where overlays stand
 * in the bits above (retired, but there are files): then it gets all, so that nothing is lost.
 *
 * Colour: what is stated as YBR_FULL stays so where a lossless way leads from one to the other;
 * what comes out of lossy JPEG, and of the colour transformations of JPEG 2000, is RGB.
 * YBR_FULL_422, of which a native pixel has two thirds, becomes YBR_FULL.
 */
#include "dicom/dicom-recode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static bool is_target(const CorDicomRecoding *recoding, const char *uid)
{
    return strcmp(recoding->target_uid, uid) == 0;
}

static bool is_jpeg(const CorDicomRecoding *recoding)
{
    return is_target(recoding, COR_DICOM_JPEG_LOSSLESS) ||
           is_target(recoding, COR_DICOM_JPEG_LOSSLESS_SV1);
}

/* True if the source's samples have all of Bits Allocated. */
static bool has_whole_samples(const CorDicom *dicom)
{
    return dicom->syntax.codec == COR_CODEC_NATIVE || dicom->syntax.codec == COR_CODEC_RLE ||
           dicom->syntax.codec == COR_CODEC_DEFLATED_FRAME;
}

/* Overlays in the bits that pixels leave (PS3.5 section 8.1.2, retired): Overlay Bit Position is
 * not 0. */
static bool has_embedded_overlays(const CorDicom *dicom)
{
    CorDicomScope root = cor_dicom_priv_root(dicom);

    for (uint32_t group = 0x6000; group <= 0x601E; group += 2) {
        const CorDicomElement *position =
            cor_dicom_priv_find(dicom, root, COR_DICOM_TAG(group, 0x0102));
        int64_t bit = 0;

        if (cor_dicom_priv_integer(dicom, position, 0, &bit) && bit > 0) {
            return true;
        }
    }
    return false;
}

/* --- deciding --- */

static bool choose_precision(CorDicomRecoding *recoding, CorError *err)
{
    const CorDicomImage *image = &recoding->image;
    unsigned bits = recoding->has_all_bits ? image->bits_allocated : image->bits_stored;

    if (image->is_float) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "real numbers in transfer syntax %s",
                        recoding->target_uid);
    }
    if (is_target(recoding, COR_DICOM_RLE)) {
        recoding->precision = image->bits_allocated;
        return true;
    }
    if (image->bits_allocated > 16 ||
        (image->bits_allocated == 1 && !is_target(recoding, COR_DICOM_JPEG_2000))) {
        return cor_fail(err, COR_ERR_UNSUPPORTED,
                        "samples of %u allocated bits in transfer syntax %s", image->bits_allocated,
                        recoding->target_uid);
    }
    if (recoding->has_all_bits && image->high_bit + 1u != image->bits_stored) {
        return cor_fail(err, COR_ERR_UNSUPPORTED,
                        "overlays in samples whose high bit is %u of %u stored, compressed",
                        image->high_bit, image->bits_stored);
    }
    if (is_jpeg(recoding)) { /* these are the depths of the encoder's three builds */
        recoding->precision = bits <= 8 && image->bits_allocated == 8 ? 8 : bits <= 12 ? 12 : 16;
    } else if (is_target(recoding, COR_DICOM_JPEG_LS)) {
        /* Two bytes a sample are taken from 9 bits on, and 2 bits are the least. */
        recoding->precision = COR_MAX(bits, image->bits_allocated == 8 ? 2u : 9u);
    } else {
        recoding->precision = bits;
    }
    return true;
}

static bool is_stated(const CorDicomRecoding *recoding, const char *photometric)
{
    return strcmp(recoding->image.photometric, photometric) == 0;
}

static bool choose_colour(CorDicomRecoding *recoding, CorError *err)
{
    const CorDicomImage *image = &recoding->image;
    bool is_full = is_stated(recoding, "YBR_FULL") || is_stated(recoding, "YBR_FULL_422");
    const char *photometric = image->photometric;

    if (strncmp(image->photometric, "YBR_PARTIAL", 11) == 0) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "photometric interpretation %s",
                        image->photometric);
    }
    recoding->keeps_ybr =
        is_full && (recoding->dicom->syntax.codec != COR_CODEC_JPEG || image->bits_allocated > 8);
    if (image->is_colour && recoding->keeps_ybr) {
        photometric = "YBR_FULL";
    } else if (image->is_colour && (strncmp(photometric, "YBR_", 4) == 0 ||
                                    recoding->dicom->syntax.codec == COR_CODEC_JPEG)) {
        photometric = "RGB";
    }
    if (image->is_colour && is_target(recoding, COR_DICOM_JPEG_2000) &&
        strcmp(photometric, "RGB") == 0) {
        photometric = "YBR_RCT";
    }
    snprintf(recoding->photometric, sizeof(recoding->photometric), "%s", photometric);
    return true;
}

/* All frames must be there before tables are made for them. */
static bool find_frames(CorDicomRecoding *recoding, CorError *err)
{
    const CorDicom *dicom = recoding->dicom;
    const CorDicomImage *image = &recoding->image;
    const CorDicomElement *pixels = cor_dicom_priv_pixel_element(dicom);
    uint64_t bits = 0;

    if (dicom->syntax.codec == COR_CODEC_NONE) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "transfer syntax %s", dicom->syntax_uid);
    }
    if (dicom->syntax.codec != COR_CODEC_NATIVE) {
        return cor_dicom_priv_fragments(dicom, image->frames, &recoding->ranges, err);
    }
    if (__builtin_mul_overflow(cor_dicom_priv_native_bits(image), image->frames, &bits) ||
        (bits + 7) / 8 > pixels->size) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "the pixel data has %" PRIu64 " bytes, too few for %" PRIu32 " frames",
                        pixels->size, image->frames);
    }
    return true;
}

static CorDicomRaw raw_of(const CorDicomRecoding *recoding)
{
    const CorDicomImage *image = &recoding->image;

    return (CorDicomRaw){.rows = image->rows,
                         .columns = image->columns,
                         .samples_per_pixel = image->samples_per_pixel,
                         .bytes_per_sample = (image->bits_allocated + 7u) / 8,
                         .precision = recoding->precision,
                         .is_signed = image->is_signed,
                         .colour = recoding->keeps_ybr ? COR_COLOUR_YBR : COR_COLOUR_RGB,
                         .memory_max = recoding->dicom->limits.frame_bytes_max};
}

static bool make_room(CorDicomRecoding *recoding, CorError *err)
{
    const CorDicomRaw raw = raw_of(recoding);

    if (!cor_dicom_priv_packed_max(&raw, &recoding->packed.room, err)) {
        return false;
    }
    recoding->packed.data = malloc(recoding->packed.room);
    return recoding->packed.data ||
           cor_fail(err, COR_ERR_NOMEM, "out of memory for %zu bytes", recoding->packed.room);
}

static bool decide(CorDicomRecoding *recoding, CorError *err)
{
    const CorDicom *dicom = recoding->dicom;
    CorDicomImage *image = &recoding->image;
    bool is_whole = has_whole_samples(dicom);

    if (!cor_dicom_image(dicom, image, err) || !find_frames(recoding, err)) {
        return false;
    }
    recoding->is_native =
        is_target(recoding, COR_DICOM_EXPLICIT) || is_target(recoding, COR_DICOM_DEFLATED);
    recoding->is_carried_over = recoding->is_native && dicom->syntax.codec == COR_CODEC_NATIVE;
    recoding->has_all_bits =
        is_whole &&
        (recoding->is_native || is_target(recoding, COR_DICOM_RLE) || has_embedded_overlays(dicom));
    if (recoding->is_carried_over) {
        snprintf(recoding->photometric, sizeof(recoding->photometric), "%s", image->photometric);
        recoding->frame_bits = cor_dicom_priv_native_bits(image);
        return true;
    }
    recoding->frame_bits =
        (uint64_t) image->rows * image->columns * image->samples_per_pixel * image->bits_allocated;
    if (!choose_colour(recoding, err)) {
        return false;
    }
    return recoding->is_native || (choose_precision(recoding, err) && make_room(recoding, err));
}

bool cor_dicom_priv_recoding_begin(const CorDicom *dicom, const char *target_uid,
                                   CorDicomRecoding *ret_recoding, CorError *err)
{
    CorDicomRecoding recoding = {.dicom = dicom, .target_uid = target_uid};

    if (!decide(&recoding, err)) {
        cor_dicom_priv_recoding_done(&recoding);
        return false;
    }
    *ret_recoding = recoding;
    return true;
}

void cor_dicom_priv_recoding_done(CorDicomRecoding *recoding)
{
    free(recoding->ranges);
    free(recoding->packed.data);
    memset(recoding, 0, sizeof(*recoding));
}

/* --- one frame --- */

/* Colour by plane becomes colour by pixel. */
static bool interleave(const CorDicomSamples *samples, uint8_t **data, CorError *err)
{
    size_t pixels = (size_t) samples->rows * samples->columns;
    size_t width = samples->bytes_per_sample;
    uint8_t *out = reallocarray(NULL, pixels, 3 * width);

    if (!out) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame of %zu bytes",
                        3 * pixels * width);
    }
    for (size_t c = 0; c < 3; c++) {
        const uint8_t *in = *data + c * pixels * width;

        for (size_t i = 0; i < pixels; i++) {
            memcpy(out + (3 * i + c) * width, in + i * width, width);
        }
    }
    free(*data);
    *data = out;
    return true;
}

/* 8-bit colour in 16 allocated bits. */
static bool widen(size_t count, uint8_t **data, CorError *err)
{
    uint16_t *wide = reallocarray(NULL, count, sizeof(*wide));

    if (!wide) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame of %zu bytes", 2 * count);
    }
    for (size_t i = 0; i < count; i++) {
        wide[i] = (*data)[i];
    }
    free(*data);
    *data = (uint8_t *) wide;
    return true;
}

/* Stored values in Bits Allocated bits, whatever the codestream had. */
static bool settle(const CorDicomRecoding *recoding, CorDicomSamples *samples, uint8_t **ret_data,
                   CorError *err)
{
    const CorDicomImage *image = &recoding->image;
    size_t count = (size_t) image->rows * image->columns * image->samples_per_pixel;
    size_t wanted = (image->bits_allocated + 7u) / 8;
    unsigned flags = COR_DICOM_KEEP_SAMPLES | (recoding->keeps_ybr ? COR_DICOM_PRIV_KEEP_YBR : 0);
    CorDicomFrame *frame = NULL;

    if (!cor_dicom_priv_convert(image, samples, flags, &frame, err)) {
        return false;
    }
    size_t given = frame->bytes / count;
    uint8_t *data = COR_TAKE(frame->pixels);
    cor_dicom_frame_free(frame);
    if (given > wanted || (given < wanted && wanted != 2)) {
        free(data);
        return cor_fail(err, COR_ERR_CORRUPT,
                        "the codestream has samples of %zu bytes, the data set allocates %zu",
                        given, wanted);
    }
    if (given < wanted && !widen(count, &data, err)) {
        free(data);
        return false;
    }
    *ret_data = data;
    return true;
}

/* Decode one frame to samples of Bits Allocated bits, colour by pixel; pixels of one bit have a
 * byte each. */
static bool decode(const CorDicomRecoding *recoding, uint32_t frame, uint8_t **ret_data,
                   CorError *err)
{
    const CorDicomImage *image = &recoding->image;
    const CorDicomFragments *range = recoding->ranges ? &recoding->ranges[frame] : NULL;
    CorDicomSamples samples = {0};

    bool is_done = cor_dicom_priv_decompress(recoding->dicom, image, frame, range, &samples, err);
    if (is_done && !recoding->has_all_bits) {
        is_done = settle(recoding, &samples, ret_data, err);
    } else if (is_done) {
        is_done = !samples.is_planar || image->samples_per_pixel != 3 ||
                  interleave(&samples, &samples.data, err);
        if (is_done) {
            *ret_data = COR_TAKE(samples.data);
        }
    }
    free(samples.data);
    return is_done;
}

/* Leave only the bits that the codestream has. */
static void mask(const CorDicomRaw *raw, uint8_t *data)
{
    size_t count = (size_t) raw->rows * raw->columns * raw->samples_per_pixel;
    unsigned bits = (1u << raw->precision) - 1; /* at most 16 */

    if (raw->bytes_per_sample == 1) {
        for (size_t i = 0; i < count; i++) {
            data[i] = (uint8_t) (data[i] & bits);
        }
        return;
    }
    uint16_t *wide = (uint16_t *) (void *) data;
    for (size_t i = 0; i < count; i++) {
        wide[i] = (uint16_t) (wide[i] & bits);
    }
}

static bool encode(CorDicomRecoding *recoding, uint8_t *data, CorError *err)
{
    CorDicomRaw raw = raw_of(recoding);

    raw.data = data;
    if (raw.is_signed && raw.precision < 8 * raw.bytes_per_sample) {
        mask(&raw, data);
    }
    if (is_target(recoding, COR_DICOM_RLE)) {
        return cor_dicom_priv_rle_encode(&raw, &recoding->packed, err);
    }
    if (is_jpeg(recoding)) {
        int selection = is_target(recoding, COR_DICOM_JPEG_LOSSLESS_SV1) ? 1 : 6;

        return cor_dicom_priv_jpeg_encode(&raw, selection, &recoding->packed, err);
    }
    if (is_target(recoding, COR_DICOM_JPEG_LS)) {
        return cor_dicom_priv_jpeg_ls_encode(&raw, &recoding->packed, err);
    }
    return cor_dicom_priv_jpeg2000_encode(&raw, &recoding->packed, err);
}

/* --- native frames --- */

static void put_bits(CorDicomOutput *output, const uint8_t *samples, size_t count,
                     CorDicomBits *bits)
{
    uint8_t block[1024];
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        bits->byte = (uint8_t) (bits->byte | (samples[i] & 1) << bits->len);
        if (++bits->len == 8) {
            block[used++] = bits->byte;
            *bits = (CorDicomBits){0};
        }
        if (used == sizeof(block)) {
            cor_dicom_priv_put(output, block, used);
            used = 0;
        }
    }
    cor_dicom_priv_put(output, block, used);
}

void cor_dicom_priv_put_bits_end(CorDicomOutput *output, CorDicomBits *bits)
{
    if (bits->len > 0) {
        cor_dicom_priv_put(output, &bits->byte, 1);
        *bits = (CorDicomBits){0};
    }
}

static void put_samples(const CorDicomRecoding *recoding, const uint8_t *data,
                        CorDicomOutput *output, CorDicomBits *bits)
{
    const CorDicomImage *image = &recoding->image;
    size_t count = (size_t) image->rows * image->columns * image->samples_per_pixel;

    if (image->bits_allocated == 1) {
        put_bits(output, data, count, bits);
    } else {
        cor_dicom_priv_put(output, data, count * (image->bits_allocated / 8u));
    }
}

/* Native to native: the frame's bytes, in the order of colours that they have. */
static bool carry_over(const CorDicomRecoding *recoding, uint32_t frame, CorDicomOutput *output,
                       CorDicomBits *bits, CorError *err)
{
    const CorDicomImage *image = &recoding->image;
    CorDicomFrameBytes bytes = {0};

    if (image->bits_allocated == 1) {
        CorDicomSamples samples = {0};
        bool is_done =
            cor_dicom_priv_decompress(recoding->dicom, image, frame, NULL, &samples, err);

        if (is_done) {
            put_samples(recoding, samples.data, output, bits);
        }
        free(samples.data);
        return is_done;
    }
    if (!cor_dicom_priv_native_bytes(recoding->dicom, image, frame, &bytes, err)) {
        return false;
    }
    if (bytes.is_swapped) {
        cor_dicom_priv_put_swapped(output, bytes.data, bytes.size, image->bits_allocated / 8u);
    } else {
        cor_dicom_priv_put(output, bytes.data, bytes.size);
    }
    free(bytes.gathered);
    return true;
}

bool cor_dicom_priv_recode(CorDicomRecoding *recoding, uint32_t frame, CorDicomOutput *output,
                           CorDicomBits *bits, CorError *err)
{
    uint8_t *data = NULL;

    if (recoding->is_carried_over) {
        return carry_over(recoding, frame, output, bits, err);
    }
    if (!decode(recoding, frame, &data, err)) {
        cor_error_wrap(err, "frame %" PRIu32, frame + 1);
        return false;
    }
    bool is_done = true;
    if (recoding->is_native) {
        put_samples(recoding, data, output, bits);
    } else {
        is_done = encode(recoding, data, err);
        if (is_done) {
            cor_dicom_priv_put(output, recoding->packed.data, recoding->packed.size);
        }
    }
    free(data);
    return is_done;
}
