/* SPDX-License-Identifier: Apache-2.0 */
/* Two made CT slices for the demo, so that it needs no image of anybody.
 *
 * A body, a spine and a "liver" in Hounsfield units with a little noise: on the first slice the
 * liver is large enough for the algorithms' area limits (algorithms.md), on the second it is not.
 * Every byte is the same each time, so a second demo finds its images already stored.
 *
 * Threads   One thread at a time.
 * Blocking  Writes files.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>

#define COR_PHANTOM_LEN ((size_t) 2)

/** The file name of a slice: "slice-1.dcm". */
const char *cor_phantom_name(size_t slice);

/** Write slice 0 or 1 as a DICOM file (explicit VR little endian) to a new file at path. */
COR_MUSTCHECK bool cor_phantom_write(size_t slice, const char *path, CorError *err);
