/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG-LS by CharLS 2.4, both ways.  DCMTK has an older CharLS inside, which refuses fewer than 8
 * bits. */
#include <charls/charls.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "dicom/dicom-codec.h"

static void destroy_decoderp(charls_jpegls_decoder **decoder)
{
    charls_jpegls_decoder_destroy(*decoder);
    *decoder = NULL;
}

static void destroy_encoderp(charls_jpegls_encoder **encoder)
{
    charls_jpegls_encoder_destroy(*encoder);
    *encoder = NULL;
}

static bool fail(CorError *err, charls_jpegls_errc result)
{
    return cor_fail(
        err, result == CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY ? COR_ERR_NOMEM : COR_ERR_CORRUPT,
        "the frame's JPEG-LS data is damaged: %s", charls_get_error_message(result));
}

static bool read_info(charls_jpegls_decoder *decoder, CorDicomSamples *samples, CorError *err)
{
    charls_frame_info info = {0};
    charls_interleave_mode mode = CHARLS_INTERLEAVE_MODE_NONE;
    charls_jpegls_errc result = charls_jpegls_decoder_get_frame_info(decoder, &info);

    if (result == CHARLS_JPEGLS_ERRC_SUCCESS) {
        result = charls_jpegls_decoder_get_interleave_mode(decoder, &mode);
    }
    if (result != CHARLS_JPEGLS_ERRC_SUCCESS) {
        return fail(err, result);
    }
    if (info.width != samples->columns || info.height != samples->rows ||
        (unsigned) info.component_count != samples->samples_per_pixel) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "JPEG-LS has %u x %u pixels of %d samples, the data set %u x %u of %u",
                        info.width, info.height, info.component_count, samples->columns,
                        samples->rows, samples->samples_per_pixel);
    }
    samples->precision = (unsigned) info.bits_per_sample;
    samples->bytes_per_sample = info.bits_per_sample <= 8 ? 1 : 2;
    samples->is_planar = mode == CHARLS_INTERLEAVE_MODE_NONE;
    return true;
}

bool cor_dicom_priv_jpeg_ls(const uint8_t *data, size_t size, CorDicomSamples *samples,
                            CorError *err)
{
    COR_CLEANUP(destroy_decoderp) charls_jpegls_decoder *decoder = charls_jpegls_decoder_create();
    size_t bytes = 0;

    if (!decoder) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for JPEG-LS");
    }
    charls_jpegls_errc result = charls_jpegls_decoder_set_source_buffer(decoder, data, size);
    if (result == CHARLS_JPEGLS_ERRC_SUCCESS) {
        result = charls_jpegls_decoder_read_header(decoder);
    }
    if (result != CHARLS_JPEGLS_ERRC_SUCCESS) {
        return fail(err, result);
    }
    if (!read_info(decoder, samples, err)) {
        return false;
    }
    result = charls_jpegls_decoder_get_destination_size(decoder, 0, &bytes);
    size_t expected = (size_t) samples->rows * samples->columns * samples->samples_per_pixel *
                      samples->bytes_per_sample;
    if (result != CHARLS_JPEGLS_ERRC_SUCCESS || bytes != expected) {
        return cor_fail(err, COR_ERR_CORRUPT, "JPEG-LS needs %zu bytes for a frame of %zu", bytes,
                        expected);
    }
    samples->data = malloc(bytes);
    if (!samples->data) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame of %zu bytes", bytes);
    }
    result = charls_jpegls_decoder_decode_to_buffer(decoder, samples->data, bytes, 0);
    return result == CHARLS_JPEGLS_ERRC_SUCCESS || fail(err, result);
}

bool cor_dicom_priv_jpeg_ls_encode(const CorDicomRaw *raw, CorDicomPacked *packed, CorError *err)
{
    COR_CLEANUP(destroy_encoderp) charls_jpegls_encoder *encoder = charls_jpegls_encoder_create();
    const charls_frame_info info = {.width = raw->columns,
                                    .height = raw->rows,
                                    .bits_per_sample = (int32_t) raw->precision,
                                    .component_count = (int32_t) raw->samples_per_pixel};

    if (!encoder) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for JPEG-LS");
    }
    charls_jpegls_errc result = charls_jpegls_encoder_set_frame_info(encoder, &info);
    if (result == CHARLS_JPEGLS_ERRC_SUCCESS && raw->samples_per_pixel > 1) {
        result = charls_jpegls_encoder_set_interleave_mode(encoder, CHARLS_INTERLEAVE_MODE_SAMPLE);
    }
    if (result == CHARLS_JPEGLS_ERRC_SUCCESS) {
        result = charls_jpegls_encoder_set_destination_buffer(encoder, packed->data, packed->room);
    }
    if (result == CHARLS_JPEGLS_ERRC_SUCCESS) {
        size_t size =
            (size_t) raw->rows * raw->columns * raw->samples_per_pixel * raw->bytes_per_sample;

        result = charls_jpegls_encoder_encode_from_buffer(encoder, raw->data, size, 0);
    }
    if (result == CHARLS_JPEGLS_ERRC_SUCCESS) {
        result = charls_jpegls_encoder_get_bytes_written(encoder, &packed->size);
    }
    return result == CHARLS_JPEGLS_ERRC_SUCCESS ||
           cor_fail(err,
                    result == CHARLS_JPEGLS_ERRC_NOT_ENOUGH_MEMORY ? COR_ERR_NOMEM
                                                                   : COR_ERR_UNSUPPORTED,
                    "the frame as JPEG-LS: %s", charls_get_error_message(result));
}
