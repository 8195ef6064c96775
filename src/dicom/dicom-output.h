/* SPDX-License-Identifier: Apache-2.0 */
/* A buffer in front of a sink, which also deflates if it is told to.  Private to this room.
 *
 * Like a CorDicomWriter it is poisoned by its first failure: callers write freely and ask once.
 *
 * Ownership  cor_dicom_priv_output_done() frees what it holds.
 * Threads    One thread at a time.
 */
#pragma once

#include <zlib.h>

#include "dicom/dicom-priv.h"
#include "dicom/dicom-transcode.h"

typedef struct CorDicomOutput {
    const CorDicomSink *sink;
    uint8_t *buffer;
    size_t used;      /* of the buffer */
    uint64_t written; /* appended so far, before deflating */
    bool is_deflating;
    z_stream deflater;
    CorError why; /* of the first failure; code is COR_OK before */
} CorDicomOutput;

/** Begin to write to a sink. */
COR_MUSTCHECK bool cor_dicom_priv_output_init(CorDicomOutput *output, const CorDicomSink *sink,
                                              CorError *err);

/** Free what it holds.  All zero is ignored. */
void cor_dicom_priv_output_done(CorDicomOutput *output);

/** Deflate everything from here on (PS3.5 section A.5). */
void cor_dicom_priv_output_deflate(CorDicomOutput *output);

/** Append bytes. */
void cor_dicom_priv_put(CorDicomOutput *output, const void *bytes, size_t size);

/** Append words with their bytes in the other order; a rest that is no word goes as it is. */
void cor_dicom_priv_put_swapped(CorDicomOutput *output, const uint8_t *bytes, size_t size,
                                unsigned word);

/** Append tag, VR and length. */
void cor_dicom_priv_put_head(CorDicomOutput *output, uint32_t tag, uint16_t vr, uint32_t length);

/** Append an item or a delimiter. */
void cor_dicom_priv_put_item(CorDicomOutput *output, uint32_t tag, uint32_t length);

/** Replace what was appended at an offset; not when deflating. */
void cor_dicom_priv_put_at(CorDicomOutput *output, uint64_t offset, const void *bytes, size_t size);

/** False once something has failed. */
static inline bool cor_dicom_priv_output_ok(const CorDicomOutput *output)
{
    return output->why.code == COR_OK;
}

/** Write out what is held back, and tell whether everything was written. */
COR_MUSTCHECK bool cor_dicom_priv_output_end(CorDicomOutput *output, CorError *err);

/** Bytes of the words that a big-endian value of this VR is made of; 1 if it is none. */
unsigned cor_dicom_priv_word_size(uint16_t vr);

/** Append an element's value in little endian; word as above, 0: by its VR. */
void cor_dicom_priv_put_value(CorDicomOutput *output, const CorDicom *dicom,
                              const CorDicomElement *element, unsigned word);
