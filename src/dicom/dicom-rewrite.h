/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the rewriting share: dicom-rewrite.c (the walk over a data set) and
 * dicom-rewrite-pixels.c (what stands where Pixel Data stood).  Private to this room.
 *
 * Threads  One thread at a time.
 */
#pragma once

#include "dicom/dicom-recode.h"

#define COR_DICOM_UNDEFINED_LENGTH 0xFFFFFFFFu
#define COR_DICOM_TAG_EXTENDED_OFFSETS 0x7FE00001u
#define COR_DICOM_TAG_EXTENDED_LENGTHS 0x7FE00002u

/* What an element is to be instead. */
typedef struct CorDicomReplacement {
    uint32_t tag;
    uint16_t vr;
    uint16_t size;
    char value[20];
    bool is_missing; /* it is not among the elements */
    bool is_written;
} CorDicomReplacement;

typedef struct CorDicomRewriter {
    const CorDicom *dicom;
    const CorDicomElement *pixels; /* of the data set itself, or NULL */
    CorDicomOutput *output;
    CorDicomRecoding recoding; /* of the pixels, if they change */
    bool is_recoding;
    CorDicomReplacement replacements[4]; /* in the order of their tags */
    size_t replacement_len;
} CorDicomRewriter;

/** Write a data set to the output in explicit VR little endian, its pixels as the target syntax
 * wants them. */
COR_MUSTCHECK bool cor_dicom_priv_rewrite(const CorDicom *dicom, const char *target_uid,
                                          CorDicomOutput *output, CorError *err);

/** True for the target syntaxes whose pixels are not compressed. */
bool cor_dicom_priv_is_native_uid(const char *target_uid);

/**
 * Write an element as it is.
 *
 * @param word  bytes of the words that a big-endian value is made of; 0: what its VR says
 */
COR_MUSTCHECK bool cor_dicom_priv_put_element(const CorDicomRewriter *rewriter,
                                              const CorDicomElement *element, unsigned word,
                                              CorError *err);

/** Write what makes a value of this size even (PS3.5 section 6.2). */
void cor_dicom_priv_put_padding(CorDicomOutput *output, uint16_t vr, uint64_t size);

/** Write the data set's own pixels. */
COR_MUSTCHECK bool cor_dicom_priv_put_pixels(CorDicomRewriter *rewriter,
                                             const CorDicomElement *element, CorError *err);

/** Write fragments as they are. */
void cor_dicom_priv_put_fragments(const CorDicomRewriter *rewriter, const CorDicomElement *element);
