/* SPDX-License-Identifier: Apache-2.0 */
/* The same object in another transfer syntax: as a whole file, as one frame, as one value.
 *
 * Everything but the encoding stays: UIDs, attributes and their order, and every pixel value.  What
 * the standard ties to the encoding follows it: group 2, which is written anew, VRs that implicit
 * encoding leaves out, group lengths (which are dropped, PS3.5 section 7.2), lengths of sequences
 * (undefined), and the attributes that describe the pixels' encoding.
 *
 * Ownership  Everything belongs to the caller.
 * Threads    Thread-safe on one CorDicom.
 * Blocking   As long as decoding and encoding takes: 1 to 60 ms for 512 x 512 x 16 bit.
 * Errors     UNSUPPORTED: pixels that we cannot decode, or that the syntax cannot hold.  CORRUPT:
 *            damaged pixels.  NOT_FOUND, INVALID: no such frame or element.  LIMIT: a value longer
 *            than the syntax allows.  What a sink failed with comes back as it is.
 * Units      Bytes; frames count from 0.
 */
#pragma once

#include "dicom/dicom-syntax.h"
#include "dicom/dicom.h"

/* Where output goes, piece by piece. */
typedef struct CorDicomSink {
    /* Append bytes. */
    bool (*write)(void *context, const void *bytes, size_t size, CorError *err);
    /* Replace bytes that have been appended: tables of offsets come before what they point to. */
    bool (*write_at)(void *context, uint64_t offset, const void *bytes, size_t size, CorError *err);
    void *context;
} CorDicomSink;

/**
 * Write the whole file in another transfer syntax.
 *
 * Source and target may be the same.  Native pixels are carried over as they are, bits above High
 * Bit included.  Icon images in sequences become native, whatever the target.
 *
 * @param transfer_syntax_uid  one that cor_dicom_can_encode()
 */
COR_MUSTCHECK bool cor_dicom_transcode(const CorDicom *dicom, const char *transfer_syntax_uid,
                                       const CorDicomSink *sink, CorError *err);

/**
 * Write the file with a preamble and a meta header of ours (PS3.10 section 7.1) and the data set as
 * it is, byte for byte; what is deflated is deflated anew.
 */
COR_MUSTCHECK bool cor_dicom_write_file(const CorDicom *dicom, const CorDicomSink *sink,
                                        CorError *err);

/* What is said of a frame or value that was written. */
typedef struct CorDicomWritten {
    char transfer_syntax_uid[65]; /* of a frame's bytes */
    char photometric[20];         /* what the samples of a frame mean */
    char vr[3];                   /* of a value */
} CorDicomWritten;

/**
 * Write one frame as it would stand in Pixel Data of a transfer syntax: uncompressed samples, those
 * of one bit packed from bit 0 of the first byte on, or a compressed bit stream.
 *
 * @param transfer_syntax_uid  one that cor_dicom_can_encode(), or NULL: as it is in the file, but
 *                             uncompressed samples always little endian
 */
COR_MUSTCHECK bool cor_dicom_write_frame(const CorDicom *dicom, uint32_t frame,
                                         const char *transfer_syntax_uid, const CorDicomSink *sink,
                                         CorDicomWritten *ret_written, CorError *err);

/**
 * Write the value of the element that a BulkDataURI of cor_dicom_index_json() names, little endian;
 * of a sequence its items as a JSON array.
 *
 * @param path  what follows "bulkdata/": "<tag>" or "<tag>/<item from 1>/<tag>" and so on
 * @param err   INVALID: no path.  NOT_FOUND.  UNSUPPORTED: encapsulated pixel data
 */
COR_MUSTCHECK bool cor_dicom_write_bulk(const CorDicom *dicom, const char *path,
                                        const CorDicomSink *sink, CorDicomWritten *ret_written,
                                        CorError *err);
