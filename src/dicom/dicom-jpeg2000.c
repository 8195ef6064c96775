/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG 2000 and HTJ2K by OpenJPEG 2.5, which writes the former only.
 *
 * Only the lowest precision bits of a sample are given, whatever sign the codestream claims: the
 * data set's Pixel Representation decides later.  (Files whose two headers disagree exist, and
 * everybody believes the data set.) */
#include <inttypes.h>
#include <openjpeg.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "dicom/dicom-codec.h"

enum { RESOLUTIONS_MAX = 6 };

typedef struct Source {
    const uint8_t *data;
    size_t size;
    size_t at;
} Source;

static void destroy_codecp(opj_codec_t **codec)
{
    opj_destroy_codec(*codec);
    *codec = NULL;
}

static void destroy_streamp(opj_stream_t **stream)
{
    opj_stream_destroy(*stream);
    *stream = NULL;
}

static void destroy_imagep(opj_image_t **image)
{
    opj_image_destroy(*image);
    *image = NULL;
}

static OPJ_SIZE_T read_source(void *buffer, OPJ_SIZE_T wanted, void *user)
{
    Source *source = user;
    size_t size = COR_MIN(wanted, source->size - source->at);

    if (size == 0) {
        return (OPJ_SIZE_T) -1;
    }
    memcpy(buffer, source->data + source->at, size);
    source->at += size;
    return size;
}

static OPJ_OFF_T skip_source(OPJ_OFF_T wanted, void *user)
{
    Source *source = user;

    if (wanted < 0) {
        return -1;
    }
    size_t size = COR_MIN((size_t) wanted, source->size - source->at);
    source->at += size;
    return (OPJ_OFF_T) size;
}

static OPJ_BOOL seek_source(OPJ_OFF_T place, void *user)
{
    Source *source = user;

    if (place < 0 || (size_t) place > source->size) {
        return OPJ_FALSE;
    }
    source->at = (size_t) place;
    return OPJ_TRUE;
}

static opj_stream_t *open_stream(Source *source)
{
    opj_stream_t *stream = opj_stream_create(COR_MIN(source->size, (size_t) 1 << 20), OPJ_TRUE);

    if (stream) {
        opj_stream_set_read_function(stream, read_source);
        opj_stream_set_skip_function(stream, skip_source);
        opj_stream_set_seek_function(stream, seek_source);
        opj_stream_set_user_data(stream, source, NULL);
        opj_stream_set_user_data_length(stream, source->size);
    }
    return stream;
}

/* Some wrap the codestream in a JP2 file, which DICOM does not allow and everybody reads. */
static OPJ_CODEC_FORMAT format_of(const Source *source)
{
    static const uint8_t box[] = {0, 0, 0, 12, 'j', 'P', ' ', ' '};

    return source->size > sizeof(box) && memcmp(source->data, box, sizeof(box)) == 0
               ? OPJ_CODEC_JP2
               : OPJ_CODEC_J2K;
}

/* Compare the codestream's header with the data set's, before anything is allocated by it. */
static bool check_image(const opj_image_t *image, const CorDicomSamples *samples, CorError *err)
{
    uint32_t columns = image->x1 - image->x0;
    uint32_t rows = image->y1 - image->y0;

    if (columns != samples->columns || rows != samples->rows ||
        image->numcomps != samples->samples_per_pixel) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "JPEG 2000 has %u x %u pixels of %u samples, the data set %u x %u of %u",
                        columns, rows, image->numcomps, samples->columns, samples->rows,
                        samples->samples_per_pixel);
    }
    /* OpenJPEG works on planes of 32 bits, and a codestream of a hundred bytes may ask for any
     * size. */
    uint64_t planes = (uint64_t) columns * rows * image->numcomps * sizeof(OPJ_INT32);
    if (planes > samples->memory_max) {
        return cor_fail(err, COR_ERR_LIMIT,
                        "JPEG 2000 planes of %" PRIu64 " bytes are more than %zu", planes,
                        samples->memory_max);
    }
    for (unsigned i = 0; i < image->numcomps; i++) {
        const opj_image_comp_t *component = &image->comps[i];

        if (component->dx != 1 || component->dy != 1 || component->prec < 1 ||
            component->prec > 31 || component->prec != image->comps[0].prec) {
            return cor_fail(err, COR_ERR_UNSUPPORTED,
                            "JPEG 2000 with subsampled components or components of different or "
                            "more than 31 bits");
        }
    }
    return true;
}

/* Write the components interleaved, each sample in as few bytes as its precision needs. */
static bool gather(const opj_image_t *image, CorDicomSamples *samples, CorError *err)
{
    size_t pixels = (size_t) samples->rows * samples->columns;
    unsigned count = samples->samples_per_pixel;
    unsigned bytes = image->comps[0].prec <= 8 ? 1 : image->comps[0].prec <= 16 ? 2 : 4;

    samples->precision = image->comps[0].prec;
    samples->bytes_per_sample = bytes;
    samples->data = reallocarray(NULL, pixels, count * bytes);
    if (!samples->data) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a frame of %zu bytes",
                        pixels * count * bytes);
    }
    for (unsigned c = 0; c < count; c++) {
        const opj_image_comp_t *component = &image->comps[c];
        const OPJ_INT32 *in = component->data;

        if (!in || (size_t) component->w * component->h != pixels) {
            return cor_fail(err, COR_ERR_CORRUPT, "JPEG 2000 component %u is not complete", c);
        }
        for (size_t i = 0; bytes == 1 && i < pixels; i++) {
            samples->data[i * count + c] = (uint8_t) in[i];
        }
        for (size_t i = 0; bytes == 2 && i < pixels; i++) {
            ((uint16_t *) (void *) samples->data)[i * count + c] = (uint16_t) in[i];
        }
        for (size_t i = 0; bytes == 4 && i < pixels; i++) {
            ((uint32_t *) (void *) samples->data)[i * count + c] = (uint32_t) in[i];
        }
    }
    return true;
}

bool cor_dicom_priv_jpeg2000(const uint8_t *data, size_t size, CorDicomSamples *samples,
                             CorError *err)
{
    Source source = {.data = data, .size = size};
    COR_CLEANUP(destroy_streamp) opj_stream_t *stream = NULL;
    COR_CLEANUP(destroy_codecp) opj_codec_t *codec = NULL;
    COR_CLEANUP(destroy_imagep) opj_image_t *image = NULL;
    opj_dparameters_t parameters;

    if (size < 12) {
        return cor_fail(err, COR_ERR_CORRUPT, "the frame is no JPEG 2000");
    }
    stream = open_stream(&source);
    codec = opj_create_decompress(format_of(&source));
    opj_set_default_decoder_parameters(&parameters);
    if (!stream || !codec || !opj_setup_decoder(codec, &parameters)) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for JPEG 2000");
    }
    if (!opj_read_header(stream, codec, &image)) {
        return cor_fail(err, COR_ERR_CORRUPT, "the frame is no JPEG 2000 or its header is damaged");
    }
    if (!check_image(image, samples, err)) {
        return false;
    }
    if (!opj_decode(codec, stream, image) || !opj_end_decompress(codec, stream)) {
        return cor_fail(err, COR_ERR_CORRUPT, "the frame's JPEG 2000 data is damaged or cut off");
    }
    return gather(image, samples, err);
}

/* --- encoding --- */

typedef struct Target {
    CorDicomPacked *packed;
    size_t at;
} Target;

static OPJ_SIZE_T write_target(void *buffer, OPJ_SIZE_T size, void *user)
{
    Target *target = user;

    if (size > target->packed->room - target->at) {
        return (OPJ_SIZE_T) -1;
    }
    memcpy(target->packed->data + target->at, buffer, size);
    target->at += size;
    target->packed->size = COR_MAX(target->packed->size, target->at);
    return size;
}

static OPJ_BOOL seek_target(OPJ_OFF_T place, void *user)
{
    Target *target = user;

    if (place < 0 || (size_t) place > target->packed->room) {
        return OPJ_FALSE;
    }
    target->at = (size_t) place;
    return OPJ_TRUE;
}

static OPJ_OFF_T skip_target(OPJ_OFF_T wanted, void *user)
{
    const Target *target = user;

    return wanted >= 0 && seek_target((OPJ_OFF_T) target->at + wanted, user) ? wanted : -1;
}

static opj_stream_t *open_target(Target *target)
{
    opj_stream_t *stream = opj_stream_create((OPJ_SIZE_T) 1 << 16, OPJ_FALSE);

    if (stream) {
        opj_stream_set_write_function(stream, write_target);
        opj_stream_set_skip_function(stream, skip_target);
        opj_stream_set_seek_function(stream, seek_target);
        opj_stream_set_user_data(stream, target, NULL);
    }
    return stream;
}

/* Spread one component's samples over 32 bits, with their sign. */
static void scatter(const CorDicomRaw *raw, unsigned c, OPJ_INT32 *out)
{
    size_t pixels = (size_t) raw->rows * raw->columns;
    unsigned count = raw->samples_per_pixel;
    unsigned up = raw->is_signed ? 32 - raw->precision : 0;
    const uint16_t *wide = (const uint16_t *) (const void *) raw->data;

    for (size_t i = 0; i < pixels; i++) {
        uint32_t value =
            raw->bytes_per_sample == 1 ? raw->data[i * count + c] : wide[i * count + c];

        out[i] = (OPJ_INT32) (value << up) >> up;
    }
}

static opj_image_t *new_image(const CorDicomRaw *raw)
{
    opj_image_cmptparm_t parts[3] = {0};
    unsigned count = raw->samples_per_pixel;

    for (unsigned c = 0; c < count; c++) {
        parts[c] = (opj_image_cmptparm_t){.dx = 1,
                                          .dy = 1,
                                          .w = raw->columns,
                                          .h = raw->rows,
                                          .prec = raw->precision,
                                          .sgnd = raw->is_signed};
    }
    opj_image_t *image =
        opj_image_create(count, parts, count == 3 ? OPJ_CLRSPC_SRGB : OPJ_CLRSPC_GRAY);
    if (image) {
        image->x1 = raw->columns;
        image->y1 = raw->rows;
    }
    for (unsigned c = 0; image && c < count; c++) {
        scatter(raw, c, image->comps[c].data);
    }
    return image;
}

static void choose_parameters(const CorDicomRaw *raw, opj_cparameters_t *parameters)
{
    uint32_t side = COR_MIN(raw->rows, raw->columns);

    opj_set_default_encoder_parameters(parameters);
    parameters->tcp_numlayers = 1;
    parameters->cp_disto_alloc = 1;
    parameters->tcp_rates[0] = 0; /* lossless */
    parameters->tcp_mct = raw->samples_per_pixel == 3 && raw->colour == COR_COLOUR_RGB;
    parameters->numresolution = 1;
    while (parameters->numresolution < RESOLUTIONS_MAX && side >> parameters->numresolution > 0) {
        parameters->numresolution++;
    }
}

bool cor_dicom_priv_jpeg2000_encode(const CorDicomRaw *raw, CorDicomPacked *packed, CorError *err)
{
    Target target = {.packed = packed};
    COR_CLEANUP(destroy_streamp) opj_stream_t *stream = NULL;
    COR_CLEANUP(destroy_codecp) opj_codec_t *codec = NULL;
    COR_CLEANUP(destroy_imagep) opj_image_t *image = NULL;
    opj_cparameters_t parameters;
    uint64_t planes = (uint64_t) raw->rows * raw->columns * raw->samples_per_pixel * 4;

    if (planes > raw->memory_max) {
        return cor_fail(err, COR_ERR_LIMIT,
                        "JPEG 2000 planes of %" PRIu64 " bytes are more than %zu", planes,
                        raw->memory_max);
    }
    packed->size = 0;
    stream = open_target(&target);
    codec = opj_create_compress(OPJ_CODEC_J2K);
    image = new_image(raw);
    if (!stream || !codec || !image) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for JPEG 2000");
    }
    choose_parameters(raw, &parameters);
    return (opj_setup_encoder(codec, &parameters, image) &&
            opj_start_compress(codec, image, stream) && opj_encode(codec, stream) &&
            opj_end_compress(codec, stream)) ||
           cor_fail(err, COR_ERR_UNSUPPORTED, "the frame does not encode as JPEG 2000");
}
