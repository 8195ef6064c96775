/* SPDX-License-Identifier: Apache-2.0 */
/* The steps between a frame's bytes and its plane.  Private to this room.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include "dicom/dicom-codec.h"
#include "dicom/dicom-image.h"
#include "dicom/dicom-priv.h"

struct CorDicomFrame {
    CorPlane plane;
    uint8_t *pixels; /* malloc()ed; what the plane shows */
    size_t bytes;
};

/* Where the bytes of a frame are: in the file, or gathered. */
typedef struct CorDicomFrameBytes {
    const uint8_t *data;
    size_t size;
    uint8_t *gathered;  /* to free(), or NULL */
    unsigned first_bit; /* of the first byte where the frame begins; uncompressed only */
    bool is_swapped;    /* samples are big endian; uncompressed only */
} CorDicomFrameBytes;

/** The element that holds the pixels, or NULL. */
const CorDicomElement *cor_dicom_priv_pixel_element(const CorDicom *dicom);

/** Number of Frames, 1 if it is absent or illegal. */
uint32_t cor_dicom_priv_frames(const CorDicom *dicom);

/* The fragments of one frame: from begin to before end, indices into the table of elements. */
typedef struct CorDicomFragments {
    uint32_t begin;
    uint32_t end;
} CorDicomFragments;

/**
 * Tell for every frame which fragments it is made of (PS3.5 section A.4).
 *
 * @param ret_ranges  receives one for each frame, to free()
 */
COR_MUSTCHECK bool cor_dicom_priv_fragments(const CorDicom *dicom, uint32_t frames,
                                            CorDicomFragments **ret_ranges, CorError *err);

/** Join a frame's fragments. */
COR_MUSTCHECK bool cor_dicom_priv_gather(const CorDicom *dicom, CorDicomFragments range,
                                         CorDicomFrameBytes *ret_bytes, CorError *err);

/** Find the compressed bytes of one frame: fragments and gather for a single one. */
COR_MUSTCHECK bool cor_dicom_priv_encapsulated(const CorDicom *dicom, uint32_t frame,
                                               uint32_t frames, CorDicomFrameBytes *ret_bytes,
                                               CorError *err);

/** Bits of one uncompressed frame, as it stands in the file. */
uint64_t cor_dicom_priv_native_bits(const CorDicomImage *image);

/** Find the bytes of one uncompressed frame; size counts the whole ones. */
COR_MUSTCHECK bool cor_dicom_priv_native_bytes(const CorDicom *dicom, const CorDicomImage *image,
                                               uint32_t frame, CorDicomFrameBytes *ret_bytes,
                                               CorError *err);

/** Copy one uncompressed frame into samples, 1-bit pixels unpacked, YBR_FULL_422 expanded. */
COR_MUSTCHECK bool cor_dicom_priv_native(const CorDicom *dicom, const CorDicomImage *image,
                                         uint32_t frame, CorDicomSamples *samples, CorError *err);

/** Inflate one frame (Deflated Image Frame Compression, PS3.5 section A.4.14). */
COR_MUSTCHECK bool cor_dicom_priv_deflated_frame(const uint8_t *data, size_t size,
                                                 const CorDicomImage *image,
                                                 CorDicomSamples *samples, CorError *err);

/**
 * Decompress one frame, or copy it if it is not compressed.
 *
 * @param range    its fragments, NULL to have them looked for
 * @param samples  receives what the codec gives; data is to be freed even after a failure
 */
COR_MUSTCHECK bool cor_dicom_priv_decompress(const CorDicom *dicom, const CorDicomImage *image,
                                             uint32_t frame, const CorDicomFragments *range,
                                             CorDicomSamples *samples, CorError *err);

/* More ways to convert than callers have. */
#define COR_DICOM_PRIV_KEEP_YBR (1u << 2) /* no conversion of colours that are stated as YBR */

/** Make a frame of the plane's type from samples, which it takes: widen, sign, colour. */
COR_MUSTCHECK bool cor_dicom_priv_convert(const CorDicomImage *image, CorDicomSamples *samples,
                                          unsigned flags, CorDicomFrame **ret_frame, CorError *err);

/** Replace palette indices by RGB8 (PS3.3 section C.7.6.3.1.5). */
COR_MUSTCHECK bool cor_dicom_priv_palette(const CorDicom *dicom, const CorDicomImage *image,
                                          CorDicomFrame *frame, CorError *err);

/** Append where the pixels are as the record of cor_dicom_index_json() tells it: an object or null.
 */
void cor_dicom_priv_append_layout(const CorDicom *dicom, CorString *text);

/** A frame with room for its plane. */
COR_MUSTCHECK bool cor_dicom_priv_frame_new(const CorDicomImage *image, size_t width_px,
                                            CorPixelType type, CorDicomFrame **ret_frame,
                                            CorError *err);

/** Bytes of one sample of a plane type (of one channel for RGB8). */
size_t cor_dicom_priv_sample_size(CorPixelType type);

/**
 * An element that may stand in a functional group: in the frame's own, in the shared ones, else at
 * the top level.  NULL if it is nowhere.
 *
 * @param group  the functional group's sequence
 */
const CorDicomElement *cor_dicom_priv_frame_element(const CorDicom *dicom, uint32_t frame,
                                                    uint32_t group, uint32_t tag);

/** A lookup table (PS3.3 section C.11.1.1): values by index from `first` on. */
typedef struct CorDicomLut {
    uint32_t len;
    int32_t first;
    unsigned bits;
    bool is_wide; /* 16-bit entries */
    bool is_big_endian;
    const uint8_t *entries;
} CorDicomLut;

/** Read a table's descriptor and data from two elements, both may be NULL; false if they do not
 * fit. */
bool cor_dicom_priv_lut(const CorDicom *dicom, const CorDicomElement *descriptor,
                        const CorDicomElement *data, bool is_signed, CorDicomLut *ret_lut);

/**
 * Write a segmented palette (PS3.3 section C.7.9.2) out in full.
 *
 * @param lut     with the length that the descriptor states; becomes one over the entries
 * @param data    the segments
 * @param ret_entries  receives the 16-bit entries, to free()
 */
COR_MUSTCHECK bool cor_dicom_priv_expand_segments(const CorDicom *dicom,
                                                  const CorDicomElement *data, CorDicomLut *lut,
                                                  uint16_t **ret_entries, CorError *err);

/** The table's value for a stored value; the first or last for what lies outside. */
static inline unsigned cor_dicom_priv_lut_at(const CorDicomLut *lut, int64_t stored)
{
    int64_t index = stored - lut->first;

    index = index < 0 ? 0 : index >= lut->len ? (int64_t) lut->len - 1 : index;
    return lut->is_wide ? cor_dicom_priv_u16(lut->entries + 2 * index, lut->is_big_endian)
                        : lut->entries[index];
}
