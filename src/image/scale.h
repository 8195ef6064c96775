/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of other sizes: smaller, larger, a part, mirrored.
 *
 * A smaller picture is the average over the area that each of its pixels covers, which neither
 * drops thin structures nor makes moiré; a larger one is interpolated between the nearest four
 * pixels.
 *
 * Ownership  Everything belongs to the caller.
 * Threads    Thread-safe.
 * Blocking   About 3 ns for each pixel of the larger picture.
 * Errors     INVALID: planes that are not both U8 or both RGB8.  NOMEM.
 * Units      Pixels.
 */
#pragma once

#include "image/plane.h"

/**
 * Fill a picture with another one, stretched to its size.
 *
 * @param plane  U8 or RGB8
 * @param out    of the same type; its memory is written to
 */
COR_MUSTCHECK bool cor_image_scale(const CorPlane *plane, const CorPlane *out, CorError *err);

/** The part of a plane that begins at left_px, top_px; what lies outside is cut off.  False if
 * nothing is left. */
bool cor_image_cut(const CorPlane *plane, size_t left_px, size_t top_px, size_t width_px,
                   size_t height_px, CorPlane *ret_part);

/** Change left and right of a picture of U8 or RGB8, in place. */
void cor_image_mirror(const CorPlane *plane);

/** Change top and bottom of a picture, in place. */
void cor_image_turn_over(const CorPlane *plane);
