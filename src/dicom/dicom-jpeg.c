/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG's own header is read here, up to the first scan (ISO/IEC 10918-1 annex B): to compare its
 * size with the data set's, to choose the decoder of the right depth, and to tell which colours it
 * has.
 *
 * Whether three components are YCbCr or RGB is said by, in this order: an Adobe marker, components
 * that are named R, G and B, and the data set's Photometric Interpretation.  A JFIF marker is not
 * asked: DICOM files have it whatever their colours are. */
#include <stdlib.h>

#include "base/array.h"
#include "dicom/dicom-codec.h"
#include "dicom/dicom-priv.h"

typedef struct JpegHeader {
    unsigned precision;
    unsigned rows;
    unsigned columns;
    unsigned components;
    bool is_named_rgb;
    int adobe_transform; /* -1 without an Adobe marker */
} JpegHeader;

/* Start of frame, any kind: C0 to CF without DHT, JPG and DAC. */
static bool is_start_of_frame(uint8_t marker)
{
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

static void read_frame_segment(const uint8_t *segment, size_t size, JpegHeader *header)
{
    if (size < 6) {
        return;
    }
    header->precision = segment[0];
    header->rows = cor_dicom_priv_u16(segment + 1, true);
    header->columns = cor_dicom_priv_u16(segment + 3, true);
    header->components = segment[5];
    header->is_named_rgb = size >= 15 && header->components == 3 && segment[6] == 'R' &&
                           segment[9] == 'G' && segment[12] == 'B';
}

/* Read markers until the first scan; false if there is no frame before it. */
static bool read_header(const uint8_t *data, size_t size, JpegHeader *header)
{
    size_t at = 2;

    if (size < 4 || data[0] != 0xFF || data[1] != 0xD8) {
        return false;
    }
    while (at + 4 <= size) {
        uint8_t marker = data[at + 1];

        if (data[at] != 0xFF) {
            return false;
        }
        if (marker == 0xFF) {
            at++; /* fill byte */
            continue;
        }
        if (marker == 0xDA) {
            break;
        }
        size_t length = cor_dicom_priv_u16(data + at + 2, true);
        if (length < 2 || length > size - at - 2) {
            return false;
        }
        const uint8_t *segment = data + at + 4;
        if (is_start_of_frame(marker)) {
            read_frame_segment(segment, length - 2, header);
        } else if (marker == 0xEE && length >= 14 && segment[0] == 'A' && segment[1] == 'd') {
            header->adobe_transform = segment[11];
        }
        at += 2 + length;
    }
    return header->precision > 0;
}

static CorDicomColour colour_of(const JpegHeader *header)
{
    if (header->adobe_transform == 0) {
        return COR_COLOUR_RGB;
    }
    if (header->adobe_transform == 1) {
        return COR_COLOUR_YBR;
    }
    return header->is_named_rgb ? COR_COLOUR_RGB : COR_COLOUR_AS_STATED;
}

bool cor_dicom_priv_jpeg(const uint8_t *data, size_t size, CorDicomSamples *samples, CorError *err)
{
    JpegHeader header = {.adobe_transform = -1};
    size_t bytes = 0;

    if (!read_header(data, size, &header)) {
        return cor_fail(err, COR_ERR_CORRUPT, "the frame is no JPEG or its header is damaged");
    }
    if (header.rows != samples->rows || header.columns != samples->columns ||
        header.components != samples->samples_per_pixel) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "JPEG has %u x %u pixels of %u samples, the data set %u x %u of %u",
                        header.columns, header.rows, header.components, samples->columns,
                        samples->rows, samples->samples_per_pixel);
    }
    if (header.precision < 2 || header.precision > 16) {
        return cor_fail(err, COR_ERR_CORRUPT, "JPEG with %u bits a sample", header.precision);
    }
    samples->bytes_per_sample = header.precision <= 8 ? 1 : 2;
    samples->precision = header.precision;
    samples->colour = header.components == 3 ? colour_of(&header) : COR_COLOUR_AS_STATED;
    if (!cor_size_mul((size_t) samples->rows * samples->columns,
                      (size_t) samples->samples_per_pixel * samples->bytes_per_sample, &bytes,
                      err)) {
        return false;
    }
    samples->data = malloc(bytes);
    if (!samples->data) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame of %zu bytes", bytes);
    }
    const char *why = cor_dicom_priv_jpeg_run(header.precision, data, size, samples->data, bytes);
    return !why || cor_fail(err, COR_ERR_CORRUPT, "the frame's JPEG data is %s", why);
}

bool cor_dicom_priv_jpeg_encode(const CorDicomRaw *raw, int selection, CorDicomPacked *packed,
                                CorError *err)
{
    const char *why = cor_dicom_priv_jpeg_pack(raw, selection, packed);

    return !why || cor_fail(err, COR_ERR_UNSUPPORTED, "the frame as lossless JPEG is %s", why);
}
