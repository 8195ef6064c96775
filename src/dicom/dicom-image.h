/* SPDX-License-Identifier: Apache-2.0 */
/* Pixels of a DICOM file: what they are, where they lie in the patient, and their values.
 *
 * Three kinds of values, each a function of the one before:
 *   stored     what the file holds, after decompression       cor_dicom_decode_frame()
 *   modality   stored through rescale or modality LUT (CT: HU) cor_dicom_modality_plane()
 *   shown      modality through a window                       window of CorDicomFrameInfo; image/
 *
 * Ownership  A CorDicomFrame owns its pixels and is freed by its holder; it may outlive the
 *            CorDicom.
 * Threads    Thread-safe on one CorDicom.  CorDicomFrame: One thread at a time.
 * Blocking   Decoding a frame takes 0.1 to 30 ms for 512 x 512 x 16 bit.
 * Errors     NOT_FOUND: the file has no pixels.  UNSUPPORTED: an encoding that we do not read.
 *            CORRUPT: damaged or cut off pixels.  LIMIT: a frame larger than frame_bytes_max.
 *            INVALID: contradicting attributes, or no such frame.
 * Units      Millimetres; frames count from 0.
 */
#pragma once

#include "dicom/dicom.h"
#include "image/plane.h"

/* What all frames share (PS3.3 section C.7.6.3). */
typedef struct CorDicomImage {
    uint32_t rows;
    uint32_t columns;
    uint32_t frames;
    uint16_t samples_per_pixel;
    uint16_t bits_allocated;
    uint16_t bits_stored;
    uint16_t high_bit;
    bool is_signed;
    bool is_planar; /* colour by plane instead of by pixel, before decompression */
    bool is_float;  /* Float or Double Float Pixel Data */
    bool is_lossy;  /* lossily compressed now or at any time before */
    bool is_colour; /* three samples; a palette is not */
    bool has_palette;
    bool has_padding; /* pixels without meaning are marked by a value or a range of values ... */
    int64_t padding_first; /* ... of stored values, both ends included */
    int64_t padding_last;
    CorPixelType stored_type; /* of the planes that cor_dicom_decode_frame() gives */
    char photometric[20];     /* Photometric Interpretation */
} CorDicomImage;

/* What may differ from frame to frame: from the functional groups of enhanced objects, the frame's
 * own before the shared ones, else from the top level. */
typedef struct CorDicomFrameInfo {
    bool has_rescale;
    double rescale_slope; /* 1 if absent */
    double rescale_intercept;
    bool has_modality_lut;
    bool has_window; /* the first of several */
    double window_center;
    double window_width;
    bool is_window_sigmoid; /* VOI LUT Function, else linear ... */
    bool is_window_exact;   /* ... and if so LINEAR_EXACT */
    bool is_inverse; /* MONOCHROME1 or Presentation LUT Shape INVERSE: small values are bright */
    bool has_position;
    double position_mm[3]; /* centre of the first pixel, patient coordinates */
    bool has_orientation;
    double orientation[6]; /* direction cosines of a row, then of a column */
    bool has_spacing;      /* Pixel Spacing, or else Imager Pixel Spacing */
    double row_spacing_mm; /* between rows, so downwards */
    double column_spacing_mm;
    bool has_thickness;
    double thickness_mm;
    bool has_instance_number;
    int64_t instance_number;
    char frame_of_reference_uid[65]; /* "" if absent */
} CorDicomFrameInfo;

typedef struct CorDicomFrame CorDicomFrame;

/* How to decode; bits. */
#define COR_DICOM_PALETTE_TO_RGB (1u << 0) /* palette colours as RGB8 instead of indices */
#define COR_DICOM_KEEP_SAMPLES \
    (1u                        \
     << 1) /* colour wider than 8 bits as it is: a plane of columns * 3 samples, no conversion \
               */

/** Tell what the pixels are.  NOT_FOUND if there are none; LIMIT if a frame would be too large. */
COR_MUSTCHECK bool cor_dicom_image(const CorDicom *dicom, CorDicomImage *ret_image, CorError *err);

/**
 * Tell what belongs to one frame.  Works for files without pixels as well (one frame).
 *
 * Values that cannot be read count as absent.  INVALID if there is no such frame.
 */
COR_MUSTCHECK bool cor_dicom_frame_info(const CorDicom *dicom, uint32_t frame,
                                        CorDicomFrameInfo *ret_info, CorError *err);

/**
 * Decode one frame to its stored values.
 *
 * Grey and palette indices come in the smallest type that Bits Allocated asks for, sign-extended or
 * masked from Bits Stored; 1-bit pixels as U8 of 0 and 1; colour as RGB8 whatever it was (YBR is
 * converted as PS3.3 section C.7.6.3.1.2 says; wider samples lose their low bits).
 *
 * @param flags      COR_DICOM_PALETTE_TO_RGB, COR_DICOM_KEEP_SAMPLES or 0
 * @param ret_frame  receives the frame; free it with cor_dicom_frame_free()
 */
COR_MUSTCHECK bool cor_dicom_decode_frame(const CorDicom *dicom, uint32_t frame, unsigned flags,
                                          CorDicomFrame **ret_frame, CorError *err);

/**
 * Decode one frame to modality values, which is what algorithms see.
 *
 * S16 if every value is an integer in its range, else F64: stored * slope + intercept in double
 * precision, two roundings.  A modality LUT takes the place of the rescale.  Padding is not treated
 * specially, and MONOCHROME1 gives the same values as MONOCHROME2.  UNSUPPORTED for colour and
 * palette: a grey image is needed.
 */
COR_MUSTCHECK bool cor_dicom_modality_plane(const CorDicom *dicom, uint32_t frame,
                                            CorDicomFrame **ret_frame, CorError *err);

/** The pixels, valid as long as the frame.  Rows follow each other without gaps. */
const CorPlane *cor_dicom_frame_plane(const CorDicomFrame *frame);

/** Bytes of all rows of the frame's plane. */
size_t cor_dicom_frame_bytes(const CorDicomFrame *frame);

/** Free a frame.  NULL is ignored. */
void cor_dicom_frame_free(CorDicomFrame *frame);
COR_DEFINE_CLEANUP(CorDicomFrame, cor_dicom_frame_free)

/** The smallest and the largest value of a grey frame's plane. */
void cor_dicom_frame_range(const CorDicomFrame *frame, double *ret_min, double *ret_max);

/**
 * Show a grey frame through the file's VOI LUT Sequence (PS3.3 section C.11.2.1.1), its first item.
 *
 * @param modality  what cor_dicom_modality_plane() gave
 * @param grey      receives a byte for each pixel, before any inversion
 * @return false if the file has no such table or it is damaged
 */
bool cor_dicom_frame_voi_lut(const CorDicom *dicom, const CorDicomFrame *modality, uint8_t *grey);

/**
 * The window to show a grey frame with: the file's first, else from the smallest to the largest
 * value of the plane.
 *
 * @param modality  what cor_dicom_modality_plane() gave for this frame
 * @param info      what cor_dicom_frame_info() gave for this frame
 */
void cor_dicom_frame_window(const CorDicomFrame *modality, const CorDicomFrameInfo *info,
                            double *ret_center, double *ret_width);
