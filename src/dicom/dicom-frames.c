/* SPDX-License-Identifier: Apache-2.0 */
/* Uncompressed frames: where they begin in the pixel data and how their bytes become samples. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/array.h"
#include "dicom/dicom-pixels.h"

const CorDicomElement *cor_dicom_priv_pixel_element(const CorDicom *dicom)
{
    static const uint32_t tags[] = {COR_DICOM_TAG_PIXELS, COR_DICOM_TAG_FLOAT_PIXELS,
                                    COR_DICOM_TAG_DOUBLE_PIXELS};
    CorDicomScope root = cor_dicom_priv_root(dicom);

    for (size_t i = 0; i < COR_ARRAY_LEN(tags); i++) {
        const CorDicomElement *element = cor_dicom_priv_find(dicom, root, tags[i]);

        if (element && element->size > 0) {
            return element;
        }
    }
    return NULL;
}

static bool is_422(const CorDicomImage *image)
{
    return strcmp(image->photometric, "YBR_FULL_422") == 0 && image->samples_per_pixel == 3;
}

uint64_t cor_dicom_priv_native_bits(const CorDicomImage *image)
{
    uint64_t pixels = (uint64_t) image->rows * image->columns;

    if (is_422(image)) {
        return pixels * 2 * image->bits_allocated; /* two Y share one Cb and one Cr */
    }
    return pixels * image->samples_per_pixel * image->bits_allocated;
}

static bool check_native(const CorDicomImage *image, CorError *err)
{
    if (is_422(image) && (image->bits_allocated != 8 || image->columns % 2 != 0)) {
        return cor_fail(err, COR_ERR_UNSUPPORTED,
                        "YBR_FULL_422 with an odd number of columns or %u bits",
                        image->bits_allocated);
    }
    return true;
}

static void swap_words(uint8_t *data, size_t bytes, unsigned word)
{
    for (size_t i = 0; i + word <= bytes; i += word) {
        for (unsigned j = 0; j < word / 2; j++) {
            uint8_t other = data[i + j];

            data[i + j] = data[i + word - 1 - j];
            data[i + word - 1 - j] = other;
        }
    }
}

/* Y1 Y2 Cb Cr becomes Y1 Cb Cr Y2 Cb Cr. */
static void expand_422(const uint8_t *in, uint8_t *out, size_t pixels)
{
    for (size_t i = 0; i + 1 < pixels; i += 2, in += 4) {
        uint8_t *pair = out + 3 * i;

        pair[0] = in[0];
        pair[1] = pair[4] = in[2];
        pair[2] = pair[5] = in[3];
        pair[3] = in[1];
    }
}

static bool new_samples(CorDicomSamples *samples, unsigned bytes_per_sample, CorError *err)
{
    size_t bytes =
        (size_t) samples->rows * samples->columns * samples->samples_per_pixel * bytes_per_sample;

    samples->bytes_per_sample = bytes_per_sample;
    samples->data = malloc(bytes);
    return samples->data ||
           cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame of %zu bytes", bytes);
}

/* Copy from bytes in the file's order; first_bit is less than 8. */
static bool copy_native(const uint8_t *data, size_t size, unsigned first_bit,
                        const CorDicomImage *image, CorDicomSamples *samples, CorError *err)
{
    size_t pixels = (size_t) image->rows * image->columns;

    if (!new_samples(samples, image->bits_allocated == 1 ? 1 : image->bits_allocated / 8u, err)) {
        return false;
    }
    if (image->bits_allocated == 1) {
        for (size_t i = 0; i < pixels * image->samples_per_pixel; i++) {
            size_t bit = first_bit + i;

            samples->data[i] = data[bit / 8] >> (bit % 8) & 1;
        }
    } else if (is_422(image)) {
        expand_422(data, samples->data, pixels);
        samples->is_planar = false;
    } else {
        memcpy(samples->data, data, size);
    }
    return true;
}

/* Swap the words that hold a frame of bytes or bits, which stand in big-endian words. */
static bool swap_back(const CorDicom *dicom, uint64_t first, uint64_t bits,
                      CorDicomFrameBytes *bytes, CorError *err)
{
    const CorDicomElement *pixels = cor_dicom_priv_pixel_element(dicom);
    size_t begin = (size_t) (first / 8) & ~(size_t) 1;
    size_t end = COR_MIN(((size_t) ((first + bits + 7) / 8) + 1) & ~(size_t) 1, pixels->size);
    uint8_t *words = malloc(end - begin);

    if (!words) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for %zu bytes", end - begin);
    }
    memcpy(words, cor_dicom_priv_bytes(dicom, pixels) + begin, end - begin);
    swap_words(words, end - begin, 2);
    bytes->gathered = words;
    bytes->data = words + (first / 8 - begin);
    return true;
}

bool cor_dicom_priv_native_bytes(const CorDicom *dicom, const CorDicomImage *image, uint32_t frame,
                                 CorDicomFrameBytes *ret_bytes, CorError *err)
{
    const CorDicomElement *pixels = cor_dicom_priv_pixel_element(dicom);
    uint64_t bits = cor_dicom_priv_native_bits(image);
    bool is_big = pixels->flags & COR_DICOM_IS_BIG_ENDIAN;
    uint64_t first = 0;

    if (pixels->flags & COR_DICOM_IS_FRAGMENTED) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "the pixel data is compressed but the transfer syntax is not");
    }
    if (__builtin_mul_overflow(bits, (uint64_t) frame, &first) ||
        (first + bits + 7) / 8 > pixels->size) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "the pixel data has %" PRIu64 " bytes, too few for frame %" PRIu32
                        " of %" PRIu64 " bytes",
                        pixels->size, frame + 1, (bits + 7) / 8);
    }
    CorDicomFrameBytes bytes = {.data = cor_dicom_priv_bytes(dicom, pixels) + first / 8,
                                .size = (size_t) (bits / 8),
                                .first_bit = (unsigned) (first % 8),
                                .is_swapped = is_big && image->bits_allocated >= 16};
    if (is_big && image->bits_allocated < 16 && pixels->vr == COR_DICOM_VR('O', 'W') &&
        !swap_back(dicom, first, bits, &bytes, err)) {
        return false;
    }
    *ret_bytes = bytes;
    return true;
}

bool cor_dicom_priv_native(const CorDicom *dicom, const CorDicomImage *image, uint32_t frame,
                           CorDicomSamples *samples, CorError *err)
{
    CorDicomFrameBytes bytes = {0};

    if (!check_native(image, err) ||
        !cor_dicom_priv_native_bytes(dicom, image, frame, &bytes, err)) {
        return false;
    }
    samples->is_planar = image->is_planar;
    bool is_done = copy_native(bytes.data, bytes.size, bytes.first_bit, image, samples, err);
    if (is_done && bytes.is_swapped) {
        swap_words(samples->data, bytes.size, image->bits_allocated / 8u);
    }
    free(bytes.gathered);
    return is_done;
}

bool cor_dicom_priv_deflated_frame(const uint8_t *data, size_t size, const CorDicomImage *image,
                                   CorDicomSamples *samples, CorError *err)
{
    size_t bytes = (size_t) ((cor_dicom_priv_native_bits(image) + 7) / 8);
    z_stream stream = {.next_in = (Bytef *) (uintptr_t) data};

    if (!check_native(image, err)) {
        return false;
    }
    uint8_t *inflated = malloc(bytes);
    if (!inflated || inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
        free(inflated);
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame of %zu bytes", bytes);
    }
    stream.avail_in = (uInt) COR_MIN(size, (size_t) UINT32_MAX);
    stream.next_out = inflated;
    stream.avail_out = (uInt) bytes; /* at most frame_bytes_max */
    (void) inflate(&stream, Z_FINISH);
    bool is_whole = stream.avail_out == 0;
    (void) inflateEnd(&stream);
    samples->is_planar = image->is_planar;
    bool is_done = is_whole
                       ? copy_native(inflated, bytes, 0, image, samples, err)
                       : cor_fail(err, COR_ERR_CORRUPT, "the deflated frame is damaged or cut off");
    free(inflated);
    return is_done;
}
