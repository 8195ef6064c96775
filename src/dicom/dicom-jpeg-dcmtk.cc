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
#include <dcmtk/oflog/oflog.h>

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
