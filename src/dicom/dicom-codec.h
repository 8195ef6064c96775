/* SPDX-License-Identifier: Apache-2.0 */
/* Decompressing one frame.  Private to this room; C and C++.
 *
 * Every codec checks the size that the compressed data claims against what the data set says before
 * it allocates anything for it, so that a header of its own cannot lie us into a large allocation.
 *
 * Threads  cor_dicom_priv_jpeg_init(): once.  The rest: Thread-safe.
 * Errors   CORRUPT, UNSUPPORTED, LIMIT, NOMEM.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What three samples mean. */
typedef enum CorDicomColour {
    COR_COLOUR_AS_STATED, /* what Photometric Interpretation says */
    COR_COLOUR_RGB,
    COR_COLOUR_YBR,
} CorDicomColour;

/* What a codec is told, and what it gives. */
typedef struct CorDicomSamples {
    uint32_t rows; /* told */
    uint32_t columns;
    unsigned samples_per_pixel;
    unsigned bits_allocated;
    size_t memory_max; /* bytes that a codec may use for itself */

    uint8_t *data; /* given, malloc()ed: native byte order */
    unsigned bytes_per_sample;
    unsigned precision; /* bits that count, or 0 if the codec does not know */
    bool is_planar;
    CorDicomColour colour;
} CorDicomSamples;

/** Run-length encoding (PS3.5 annex G). */
COR_MUSTCHECK bool cor_dicom_priv_rle(const uint8_t *data, size_t size, CorDicomSamples *samples,
                                      CorError *err);

/** JPEG, ISO/IEC 10918-1: 8 and 12 bit, and lossless to 16 bit. */
COR_MUSTCHECK bool cor_dicom_priv_jpeg(const uint8_t *data, size_t size, CorDicomSamples *samples,
                                       CorError *err);

/** JPEG-LS, ISO/IEC 14495-1. */
COR_MUSTCHECK bool cor_dicom_priv_jpeg_ls(const uint8_t *data, size_t size,
                                          CorDicomSamples *samples, CorError *err);

/** JPEG 2000, ISO/IEC 15444-1, and High-Throughput JPEG 2000, 15444-15. */
COR_MUSTCHECK bool cor_dicom_priv_jpeg2000(const uint8_t *data, size_t size,
                                           CorDicomSamples *samples, CorError *err);

/** Prepare DCMTK's JPEG library. */
void cor_dicom_priv_jpeg_init(void);

/**
 * Run DCMTK's decoder for 8, 12 or 16 bits; it leaves colours as they are.
 *
 * @param out       room for the frame: 1 byte a sample for 8 bits, else 2
 * @return NULL, or a static text that says what went wrong
 */
const char *cor_dicom_priv_jpeg_run(unsigned bits, const uint8_t *data, size_t size, uint8_t *out,
                                    size_t out_size);

#ifdef __cplusplus
}
#endif
