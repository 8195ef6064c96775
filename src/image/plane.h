/* SPDX-License-Identifier: Apache-2.0 */
/* Two-dimensional pixels: what lies where.
 *
 * A CorPlane describes memory that somebody else owns: rows of width_px samples, row_bytes apart,
 * origin at the top left, x to the right, y down.  Samples have the machine's byte order and are
 * aligned to their size.
 *
 * Ownership  A plane owns nothing.
 * Threads    Thread-safe.
 * Errors     INVALID: a plane that cannot be (see cor_plane_check()).
 * Units      Samples of grey planes that algorithms see are modality values (for CT: HU).
 */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Longest side of a plane; fits the 16-bit rows and columns of DICOM (PS3.3 section C.7.6.3.1). */
#define COR_PLANE_SIDE_MAX_PX ((size_t) 65535)

typedef enum CorPixelType {
    COR_PIXEL_U8,
    COR_PIXEL_S8,
    COR_PIXEL_U16,
    COR_PIXEL_S16,
    COR_PIXEL_U32,
    COR_PIXEL_S32,
    COR_PIXEL_F32,
    COR_PIXEL_F64,
    COR_PIXEL_RGB8, /* 3 bytes, interleaved */
    COR_PIXEL_TYPE_COUNT_
} CorPixelType;

typedef struct CorPlane {
    const void *data;
    size_t width_px;
    size_t height_px;
    size_t row_bytes;
    CorPixelType type;
} CorPlane;

/** Bytes of one pixel. */
size_t cor_pixel_size(CorPixelType type);

/**
 * Check that a plane can be used: it has data, sides of 1 to COR_PLANE_SIDE_MAX_PX, a known type,
 * and rows that are long enough and aligned.  INVALID says what is wrong.
 */
COR_MUSTCHECK bool cor_plane_check(const CorPlane *plane, CorError *err);

/** The first byte of row y. */
const void *cor_plane_row(const CorPlane *plane, size_t y);

/** Write the width_px samples of row y of a grey plane as doubles; exact for every type. */
void cor_plane_row_to_f64(const CorPlane *plane, size_t y, double *values);

#ifdef __cplusplus
}
#endif
