/* SPDX-License-Identifier: Apache-2.0 */
#include "dicomweb/syntax.h"

#include <stddef.h>
#include <string.h>

#include "base/array.h"

#define UID(tail) "1.2.840.10008.1.2" tail
#define NATIVE(tail)                                                 \
    {                                                                \
        .uid = UID(tail), .type = COR_TYPE_OCTETS, .is_native = true \
    }
#define LOSSLESS(tail, type_)             \
    {                                     \
        .uid = UID(tail), .type = (type_) \
    }
#define LOSSY(tail, type_)                                  \
    {                                                       \
        .uid = UID(tail), .type = (type_), .is_lossy = true \
    }
#define DEFAULT(tail, type_)                                       \
    {                                                              \
        .uid = UID(tail), .type = (type_), .is_type_default = true \
    }

/* PS3.6 annex A. */
static const CorSyntax syntaxes[] = {
    NATIVE(""),   /* implicit VR little endian */
    NATIVE(".1"), /* explicit VR little endian */
    {.uid = UID(".1.98"), .type = COR_TYPE_OCTETS, .is_native = true, .is_encapsulated = true},
    NATIVE(".1.99"),                 /* deflated as a whole */
    NATIVE(".2"),                    /* explicit VR big endian */
    LOSSY(".4.50", "image/jpeg"),    /* baseline */
    LOSSY(".4.51", "image/jpeg"),    /* extended, 12 bits */
    LOSSY(".4.53", "image/jpeg"),    /* spectral selection */
    LOSSY(".4.55", "image/jpeg"),    /* full progression */
    LOSSLESS(".4.57", "image/jpeg"), /* lossless */
    DEFAULT(".4.70", "image/jpeg"),  /* lossless, selection value 1 */
    DEFAULT(".4.80", "image/jls"),
    LOSSY(".4.81", "image/jls"), /* near-lossless */
    DEFAULT(".4.90", "image/jp2"),
    LOSSY(".4.91", "image/jp2"),
    DEFAULT(".4.92", "image/jpx"), /* multi-component */
    LOSSY(".4.93", "image/jpx"),
    LOSSY(".4.100", "video/mpeg"),
    LOSSY(".4.100.1", "video/mpeg"),
    LOSSY(".4.101", "video/mpeg"),
    LOSSY(".4.101.1", "video/mpeg"),
    LOSSY(".4.102", "video/mp4"),
    LOSSY(".4.102.1", "video/mp4"),
    LOSSY(".4.103", "video/mp4"),
    LOSSY(".4.103.1", "video/mp4"),
    LOSSY(".4.104", "video/mp4"),
    LOSSY(".4.104.1", "video/mp4"),
    LOSSY(".4.105", "video/mp4"),
    LOSSY(".4.105.1", "video/mp4"),
    LOSSY(".4.106", "video/mp4"),
    LOSSY(".4.106.1", "video/mp4"),
    LOSSY(".4.107", "video/mp4"), /* HEVC */
    LOSSY(".4.108", "video/mp4"),
    DEFAULT(".4.110", "image/jxl"),
    LOSSY(".4.111", "image/jxl"), /* recompressed JPEG */
    LOSSY(".4.112", "image/jxl"),
    DEFAULT(".4.201", "image/jphc"),
    LOSSLESS(".4.202", "image/jphc"), /* with RPCL */
    LOSSY(".4.203", "image/jphc"),
    DEFAULT(".5", "image/dicom-rle"),
    DEFAULT(".8.1", "application/x-deflate"), /* deflated frame by frame */
};

CorSyntax cor_dicomweb_priv_syntax(const char *uid)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(syntaxes); i++) {
        if (strcmp(syntaxes[i].uid, uid) == 0) {
            return syntaxes[i];
        }
    }
    return (CorSyntax){.uid = uid, .type = COR_TYPE_OCTETS, .is_lossy = true};
}
