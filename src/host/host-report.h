/* SPDX-License-Identifier: Apache-2.0 */
/* Segmentation and report of a run, and the way of every DICOM object out of the host.
 *
 * Ownership  The run is borrowed.
 * Threads    One thread at a time.
 * Errors     As host-renditions.h.
 */
#pragma once

#include "host/host-run.h"

/* A DICOM object that was written, on its way through the gate. */
typedef struct CorHostObject {
    const char *role;
    const CorHostSlice *first; /* the source that names it */
    const CorDicomSource *sources;
    size_t source_len;
    const char *const *sibling_uids; /* derived objects that it may refer to */
    size_t sibling_len;
    const char *sop_instance_uid;
    const char *series_instance_uid;
    uint8_t *file; /* malloc()ed */
    size_t size;
    json_t *details; /* more members for its description, or NULL */
} CorHostObject;

/** Let an object through the gate and send it, or send it as refused; frees file and details. */
COR_MUSTCHECK bool cor_host_priv_send_object(CorHostRunning *run, CorHostObject *object,
                                             CorError *err);

/** Make the Segmentation and the report of a run that has found something.  A report refers to the
 * Segmentation, so both are made if either is wanted. */
COR_MUSTCHECK bool cor_host_priv_report_run(CorHostRunning *run, CorError *err);
