/* SPDX-License-Identifier: Apache-2.0 */
/* The only C++ in the house: DCMTK's three builds of the IJG library, for 8, 12 and 16 bits a
 * sample. Its codec classes are used directly, without a data set around them: those would look up
 * tags in a dictionary file, and a host has no files. */
#include "dicom/dicom-codec.h"

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmjpeg/djcparam.h>
#include <dcmtk/dcmjpeg/djdijg12.h>
#include <dcmtk/dcmjpeg/djdijg16.h>
#include <dcmtk/dcmjpeg/djdijg8.h>
#include <dcmtk/dcmjpeg/djeijg12.h>
#include <dcmtk/dcmjpeg/djeijg16.h>
#include <dcmtk/dcmjpeg/djeijg8.h>
#include <dcmtk/oflog/oflog.h>

#include <cstring>
#include <memory>

extern "C" void cor_dicom_priv_jpeg_init(void)
{
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
}

static const char *run(DJDecoder &decoder, const uint8_t *data, size_t size, uint8_t *out,
                       size_t out_size)
{
    if (size > 0x7FFFFFFF || out_size > 0xFFFFFFFFu) {
        return "too large";
    }
    if (decoder.init().bad()) {
        return "out of memory";
    }
    OFCondition result = decoder.decode(const_cast<Uint8 *>(data), static_cast<Uint32>(size), out,
                                        static_cast<Uint32>(out_size), OFFalse);
    if (result == EJ_Suspension) {
        return "cut off";
    }
    return result.good() ? nullptr : "damaged or of an unknown kind";
}

extern "C" const char *cor_dicom_priv_jpeg_run(unsigned bits, const uint8_t *data, size_t size,
                                               uint8_t *out, size_t out_size)
{
    const DJCodecParameter parameter(ECC_lossyYCbCr, EDC_never, EUC_never, EPC_default);

    try {
        if (bits <= 8) {
            DJDecompressIJG8Bit decoder(parameter, OFFalse);
            return run(decoder, data, size, out, out_size);
        }
        if (bits <= 12) {
            DJDecompressIJG12Bit decoder(parameter, OFFalse);
            return run(decoder, data, size, out, out_size);
        }
        DJDecompressIJG16Bit decoder(parameter, OFFalse);
        return run(decoder, data, size, out, out_size);
    } catch (...) {
        return "out of memory";
    }
}

static EP_Interpretation interpretation_of(const CorDicomRaw *raw)
{
    if (raw->samples_per_pixel == 1) {
        return EPI_Monochrome2;
    }
    return raw->colour == COR_COLOUR_YBR ? EPI_YBR_Full : EPI_RGB;
}

/* The encoder reads the samples, although it takes a pointer through which it could write. */
template <typename Sample>
static const char *pack(DJEncoder &encoder, const CorDicomRaw *raw, CorDicomPacked *packed)
{
    Sample *samples = reinterpret_cast<Sample *>(const_cast<uint8_t *>(raw->data));
    Uint8 *made = nullptr;
    Uint32 size = 0;

    if (encoder.bytesPerSample() != sizeof(Sample)) {
        return "of another depth than its encoder";
    }
    OFCondition result = encoder.encode(
        static_cast<Uint16>(raw->columns), static_cast<Uint16>(raw->rows), interpretation_of(raw),
        static_cast<Uint16>(raw->samples_per_pixel), samples, made, size);
    std::unique_ptr<Uint8[]> owned(made);
    if (result.bad() || !made) {
        return "not to be encoded";
    }
    if (size > packed->room) {
        return "too large";
    }
    std::memcpy(packed->data, made, size);
    packed->size = size;
    return nullptr;
}

extern "C" const char *cor_dicom_priv_jpeg_pack(const CorDicomRaw *raw, int selection,
                                                CorDicomPacked *packed)
{
    const DJCodecParameter parameter(ECC_lossyYCbCr, EDC_never, EUC_never, EPC_default);

    try {
        if (raw->precision == 8) {
            DJCompressIJG8Bit encoder(parameter, EJM_lossless, selection, 0);
            return pack<Uint8>(encoder, raw, packed);
        }
        if (raw->precision == 12) {
            DJCompressIJG12Bit encoder(parameter, EJM_lossless, selection, 0);
            return pack<Uint16>(encoder, raw, packed);
        }
        DJCompressIJG16Bit encoder(parameter, EJM_lossless, selection, 0);
        return pack<Uint16>(encoder, raw, packed);
    } catch (...) {
        return "out of memory";
    }
}
