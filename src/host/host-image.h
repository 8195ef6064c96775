/* SPDX-License-Identifier: Apache-2.0 */
/* The derived image of a slice, of algorithms that give images: written, let through the gate and
 * sent.
 *
 * Ownership  The run is borrowed.
 * Threads    One thread at a time.
 * Errors     As host-renditions.h, and as dicom/dicom-variant.h says.
 */
#pragma once

#include "host/host-run.h"

/** Make the image of a result; the slice is loaded, and run->measurements are those of it. */
COR_MUSTCHECK bool cor_host_priv_render_image(CorHostRunning *run, const CorAlgoResult *result,
                                              CorError *err);
