/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that is made of a result: pictures, DICOM objects and figures.  Each is sent as soon
 * as it is written, and what is DICOM has passed the gate (dicom/dicom-gate.h) before.
 *
 * Ownership  The run is borrowed.
 * Threads    One thread at a time.
 * Errors     DENIED: the gate refused an object; it was sent with its reason, to be kept apart.
 *            Others as dicom/dicom-capture.h and dicom/dicom-seg.h say.
 */
#pragma once

#include "host/host-run.h"

/** Make what a slice gives by itself; the slice is loaded. */
COR_MUSTCHECK bool cor_host_priv_render_slice(CorHostRunning *run, const CorAlgoResult *result,
                                              CorError *err);

/** Note the UID of something that was made: no two of a run may have one.  DENIED if they do. */
COR_MUSTCHECK bool cor_host_priv_note_uid(CorHostRunning *run, const char *uid, CorError *err);

/** Make what the whole run gives, when everything was emitted. */
COR_MUSTCHECK bool cor_host_priv_render_run(CorHostRunning *run, CorError *err);
