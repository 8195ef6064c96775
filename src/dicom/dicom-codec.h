/* SPDX-License-Identifier: Apache-2.0 */
/* Decompressing and compressing one frame.  Private to this room; C and C++.
 *
 * Every decoder checks the size that the compressed data claims against what the data set says
 * before it allocates anything for it, so that a header of its own cannot lie us into a large
 * allocation.
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

/* What an encoder is given. */
typedef struct CorDicomRaw {
    uint32_t rows;
    uint32_t columns;
    unsigned samples_per_pixel;
    unsigned bytes_per_sample; /* 1, 2 or 4 */
    unsigned precision;        /* bits that count; all others are 0 */
    bool is_signed;            /* two's complement in precision bits */
    CorDicomColour colour;     /* of three samples */
    size_t memory_max;         /* bytes that an encoder may use for itself */
    const uint8_t *data;       /* native byte order, colour by pixel */
} CorDicomRaw;

/* Room for a compressed frame. */
typedef struct CorDicomPacked {
    uint8_t *data;
    size_t room; /* at least cor_dicom_priv_packed_max() */
    size_t size; /* receives how much of it is used */
} CorDicomPacked;

/** Bytes that a compressed frame has at most: what does not compress grows a little. */
COR_MUSTCHECK bool cor_dicom_priv_packed_max(const CorDicomRaw *raw, size_t *ret_size,
                                             CorError *err);

/** Run-length encoding (PS3.5 annex G). */
COR_MUSTCHECK bool cor_dicom_priv_rle_encode(const CorDicomRaw *raw, CorDicomPacked *packed,
                                             CorError *err);

/** JPEG lossless, process 14 with a selection value of 1 to 7; 8, 12 or 16 bits of precision. */
COR_MUSTCHECK bool cor_dicom_priv_jpeg_encode(const CorDicomRaw *raw, int selection,
                                              CorDicomPacked *packed, CorError *err);

/** JPEG-LS, lossless. */
COR_MUSTCHECK bool cor_dicom_priv_jpeg_ls_encode(const CorDicomRaw *raw, CorDicomPacked *packed,
                                                 CorError *err);

/** JPEG 2000, reversible; RGB goes through the reversible colour transformation. */
COR_MUSTCHECK bool cor_dicom_priv_jpeg2000_encode(const CorDicomRaw *raw, CorDicomPacked *packed,
                                                  CorError *err);

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

/**
 * Run DCMTK's lossless encoder for raw->precision bits.
 *
 * @return NULL, or a static text that says what went wrong
 */
const char *cor_dicom_priv_jpeg_pack(const CorDicomRaw *raw, int selection, CorDicomPacked *packed);

#ifdef __cplusplus
}
#endif
