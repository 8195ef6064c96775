/* SPDX-License-Identifier: Apache-2.0 */
/* Output of the dicom room, piece by piece into a memory file.
 *
 * Ownership  cor_host_priv_sink_done() closes the memory file.
 * Threads    One thread at a time.
 * Blocking   No.
 * Errors     CANCELLED, HOST_LOST: as cor_host_priv_check().  LIMIT: larger than a host may write.
 * Units      Bytes.
 */
#pragma once

#include "dicom/dicom-transcode.h"
#include "host/host-op.h"

typedef struct CorHostSink {
    CorHostContext *context;
    int fd; /* not yet sealed */
    CorDicomSink sink;
} CorHostSink;

/** Begin a memory file.  The object must not move: sink points to it. */
COR_MUSTCHECK bool cor_host_priv_sink_init(CorHostSink *sink, CorHostContext *context,
                                           CorError *err);

/** Close it.  All zero but fd = -1 is ignored. */
void cor_host_priv_sink_done(CorHostSink *sink);
