/* SPDX-License-Identifier: Apache-2.0 */
/* Frames from the file's encoding to another one.  Private to this room.
 *
 * Ownership  cor_dicom_priv_recoding_done() frees what a recoding holds.
 * Threads    One thread at a time.
 */
#pragma once

#include "dicom/dicom-output.h"
#include "dicom/dicom-pixels.h"

typedef struct CorDicomRecoding {
    const CorDicom *dicom;
    CorDicomImage image;
    const char *target_uid;
    bool is_native;       /* target: samples as they are, little endian */
    bool is_carried_over; /* both are native: bytes are copied, not samples */
    bool has_all_bits;    /* samples go over with what stands above High Bit */
    bool keeps_ybr;       /* else colour becomes RGB */
    unsigned precision;   /* of a codestream */
    char photometric[20]; /* of what is written */
    uint64_t frame_bits;  /* of a native frame as it is written */
    CorDicomFragments *ranges;
    CorDicomPacked packed; /* room for one frame */
} CorDicomRecoding;

/**
 * Decide how the frames get from here to there, and refuse what cannot be done.
 *
 * @param target_uid  one that cor_dicom_can_encode(); kept
 */
COR_MUSTCHECK bool cor_dicom_priv_recoding_begin(const CorDicom *dicom, const char *target_uid,
                                                 CorDicomRecoding *ret_recoding, CorError *err);

/** Free what it holds.  All zero is ignored. */
void cor_dicom_priv_recoding_done(CorDicomRecoding *recoding);

/* Bits that wait for their byte to become full. */
typedef struct CorDicomBits {
    uint8_t byte;
    unsigned len;
} CorDicomBits;

/**
 * Append one frame: native samples, or a compressed bit stream without padding.
 *
 * @param bits  pixels of one bit continue in the byte that the frame before left; what is left at
 *              the end is the caller's to write
 */
COR_MUSTCHECK bool cor_dicom_priv_recode(CorDicomRecoding *recoding, uint32_t frame,
                                         CorDicomOutput *output, CorDicomBits *bits, CorError *err);

/** Append what is left of a byte. */
void cor_dicom_priv_put_bits_end(CorDicomOutput *output, CorDicomBits *bits);
