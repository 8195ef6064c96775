/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the transfer syntaxes that we write (PS3.5 annex A).
 *
 * Plain names: a server may include this without ever linking what parses DICOM bytes.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define COR_DICOM_EXPLICIT "1.2.840.10008.1.2.1"
#define COR_DICOM_DEFLATED "1.2.840.10008.1.2.1.99"
#define COR_DICOM_JPEG_LOSSLESS "1.2.840.10008.1.2.4.57"     /* process 14 */
#define COR_DICOM_JPEG_LOSSLESS_SV1 "1.2.840.10008.1.2.4.70" /* process 14, selection value 1 */
#define COR_DICOM_JPEG_LS "1.2.840.10008.1.2.4.80"
#define COR_DICOM_JPEG_2000 "1.2.840.10008.1.2.4.90"
#define COR_DICOM_RLE "1.2.840.10008.1.2.5"

/** True if cor_dicom_transcode() can write this transfer syntax. */
static inline bool cor_dicom_can_encode(const char *transfer_syntax_uid)
{
    static const char *const uids[] = {
        COR_DICOM_EXPLICIT,      COR_DICOM_DEFLATED,
        COR_DICOM_JPEG_LOSSLESS, COR_DICOM_JPEG_LOSSLESS_SV1,
        COR_DICOM_JPEG_LS,       COR_DICOM_JPEG_2000,
        COR_DICOM_RLE,
    };

    for (size_t i = 0; i < sizeof(uids) / sizeof(uids[0]); i++) {
        if (strcmp(uids[i], transfer_syntax_uid) == 0) {
            return true;
        }
    }
    return false;
}
