/* SPDX-License-Identifier: Apache-2.0 */
/* DICOM files: opening what came from outside, and what its header says.
 *
 * A CorDicom is an index over bytes that stay where they are: every element's tag, VR, place and
 * length.  Opening walks the bytes once, without recursion, and refuses what does not hold
 * together, so that everything after it works on checked places.  Pixels are in dicom-image.h, the
 * derived objects that we write in dicom-capture.h.
 *
 * To be used in host processes only (invariant 6).
 *
 * Ownership  cor_dicom_open_*() give an object to free.  Memory given to cor_dicom_open_memory()
 *            stays the caller's and must outlive the object and must not change.
 * Threads    cor_dicom_init(): once, before there are threads.  CorDicom: Thread-safe, since
 *            nothing changes after opening.
 * Blocking   Only on page faults of a mapped file.
 * Errors     CORRUPT: the bytes break the format, the text names the element.  UNSUPPORTED: legal,
 *            but we do not do it.  LIMIT: larger than allowed.  INVALID: an attribute that we need
 *            is missing or illegal.  Texts never hold values other than UIDs and numbers (invariant
 *            7).
 * Units      Lengths and offsets are bytes.  Offsets count from the start of the file or, in a
 *            deflated one, of the inflated data set.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A tag as one number: (0028,0010) is 0x00280010. */
#define COR_DICOM_TAG(group, element) (((uint32_t) (group) << 16) | (uint32_t) (element))

/* What a file may cost.  A member that is 0 means the default in brackets. */
typedef struct CorDicomLimits {
    size_t depth_max;          /* nested sequences (64, which is also the largest) */
    size_t elements_max;       /* elements, items and fragments (1,000,000); 32 bytes each */
    size_t inflated_bytes_max; /* a deflated data set (4 GiB).  Beyond 64 MiB it may not be more
                                * than 200 times its deflated size either */
    size_t frame_bytes_max;    /* one decoded frame, and a codec's own planes (512 MiB) */
    size_t json_bytes_max;     /* the text of cor_dicom_index_json() (16 MiB) */
} CorDicomLimits;

typedef struct CorDicom CorDicom;

/**
 * Prepare the process: silence the libraries' logs and load everything that is read from files on
 * first use (character set converters), so that a sandbox may close the file system afterwards.
 *
 * Call it once; later calls do nothing.  UNAVAILABLE if a converter that we need is not installed.
 */
COR_MUSTCHECK bool cor_dicom_init(CorError *err);

/**
 * Open a DICOM file that lies in memory.
 *
 * Read leniently: a missing preamble; a missing meta header (the encoding is guessed from the first
 * element); a meta header that lies about explicit or implicit VR; sequences and items whose
 * delimiters are missing at the very end; up to 7 stray bytes or any number of NULs at the end;
 * pixel data that is cut off (cor_dicom_is_truncated(); frames that are there can be decoded).
 *
 * @param limits  NULL for all defaults
 */
COR_MUSTCHECK bool cor_dicom_open_memory(const void *data, size_t size,
                                         const CorDicomLimits *limits, CorDicom **ret_dicom,
                                         CorError *err);

/**
 * Open a DICOM file by descriptor: a sealed memory file or one that nobody shortens while we read.
 *
 * The file is mapped; the descriptor is not kept and its offset not used.
 */
COR_MUSTCHECK bool cor_dicom_open_fd(int fd, const CorDicomLimits *limits, CorDicom **ret_dicom,
                                     CorError *err);

/** Free a data set.  NULL is ignored. */
void cor_dicom_free(CorDicom *dicom);
COR_DEFINE_CLEANUP(CorDicom, cor_dicom_free)

/** The transfer syntax UID as the file states it; for a file without meta header the one guessed.
 */
const char *cor_dicom_transfer_syntax_uid(const CorDicom *dicom);

/** True if the pixel data ends before the file says that it should. */
bool cor_dicom_is_truncated(const CorDicom *dicom);

/** True if there is an element with this tag and at least one byte of value at the top level. */
bool cor_dicom_has(const CorDicom *dicom, uint32_t tag);

/**
 * Copy the first value of a top-level text element as UTF-8, without padding, cut at a character
 * boundary if it does not fit.
 *
 * @return false and text "" if there is no such element or it is empty or no text
 */
bool cor_dicom_text(const CorDicom *dicom, uint32_t tag, char *text, size_t size);

/**
 * Make the catalogue record of the file, compact JSON in UTF-8:
 *
 *     {"sop_class_uid", "sop_instance_uid", "study_instance_uid", "series_instance_uid",
 *      "transfer_syntax_uid", "modality", "rows", "columns", "frames", "instance_number" or null,
 *      "has_pixels", "truncated", "lacks_meta", "data_set_offset" or null, "pixel_data" or null,
 *      "attributes": {...}}
 *
 * lacks_meta is true of what is no file of PS3.10 section 7.1: it has no preamble, or its meta
 * header states no transfer syntax, which then is the one that was guessed.
 * data_set_offset is where in the file the data set begins, behind group 2; null if it is deflated.
 * pixel_data says where in the file the frames are, one of
 *
 *     {"offset", "frame_bytes"}       uncompressed, little endian: frame n, counted from 1, is
 *                                     frame_bytes bytes at offset + (n - 1) * frame_bytes
 *     {"frames": [[offset, size, offset, size, ...], ...]}
 *                                     encapsulated: of each frame the fragments, without the heads
 *                                     of their items
 *
 * and null if that cannot be told: there are no pixels, some are missing, the value has more than
 * the frames and a byte of padding, frames do not begin at a byte, bytes would have to be swapped,
 * nothing says which fragments make a frame, they are video, or they are more than 65,536 numbers.
 *
 * attributes, the last member, is the DICOM JSON Model (PS3.18 annex F) of the header without group
 * 2.  Pixel data and binary values of more than 4 KiB are {"vr", "BulkDataURI": "bulkdata/<tag>"},
 * inside sequences "bulkdata/<tag>/<item>/<tag>".  The same goes for sequences below the sixteenth
 * level and, if the record would else pass json_bytes_max, for the per-frame functional groups.
 *
 * @param ret_json  receives malloc()ed text to free(), NUL-terminated
 * @param ret_size  receives its bytes without the NUL; may be NULL
 * @param err       INVALID names the UID that is missing or illegal (SOP Class, SOP Instance,
 * Study, Series)
 */
COR_MUSTCHECK bool cor_dicom_index_json(const CorDicom *dicom, char **ret_json, size_t *ret_size,
                                        CorError *err);

/**
 * Make only the attributes member of that record, whatever UIDs the file lacks.
 *
 * @param ret_json  receives malloc()ed text to free(), NUL-terminated
 * @param ret_size  receives its bytes without the NUL; may be NULL
 */
COR_MUSTCHECK bool cor_dicom_attributes_json(const CorDicom *dicom, char **ret_json,
                                             size_t *ret_size, CorError *err);

/**
 * List the elements for a log: tag, VR and length, one line each, never a value (invariant 7).
 *
 * @param lines_max  stop after so many lines
 * @return malloc()ed text to free(), NULL if there is no memory
 */
char *cor_dicom_describe(const CorDicom *dicom, size_t lines_max);
