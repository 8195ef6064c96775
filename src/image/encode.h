/* SPDX-License-Identifier: Apache-2.0 */
/* PNG and JPEG files in memory, over libpng and libjpeg.
 *
 * The same pixels give the same bytes: nothing of time or machine is written.
 *
 * Ownership  The caller's CorString grows; its ceiling is the limit of the file.
 * Threads    One thread at a time per CorString.
 * Blocking   512 x 512: 3 to 7 ms for PNG, about 1 ms for JPEG.
 * Errors     INVALID: a plane that is neither U8 nor RGB8, or too large for JPEG.  LIMIT: the file
 *            is larger than the string may be.  NOMEM.  On failure the string is poisoned or
 *            holds a part of a file: throw it away.
 */
#pragma once

#include "base/string.h"
#include "image/plane.h"

/** Append a PNG (8-bit grey or RGB, no alpha). */
COR_MUSTCHECK bool cor_image_append_png(const CorPlane *plane, CorString *file, CorError *err);

/** Append a baseline JPEG (JFIF) of quality 1 to 100. */
COR_MUSTCHECK bool cor_image_append_jpeg(const CorPlane *plane, int quality, CorString *file,
                                         CorError *err);
