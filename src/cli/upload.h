/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads of DICOM files, several at a time.
 *
 * Each file is streamed from the disk: PUT /objects/pacs/{key}.  A server that is busy or short of
 * disk (429, 503) is asked again for a while, as its Retry-After says; one that cannot be reached
 * ends the run.
 *
 * Order      Files are begun in their order; callbacks come as they end.
 * Ownership  Borrows everything for the call.
 * Threads    One thread at a time.
 * Blocking   Until all files have ended, or it was told to stop.
 */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "cli/http-client.h"
#include "cli/import-walk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_UPLOAD_PARALLEL_MAX 64

typedef enum CorUploadOutcome {
    COR_UPLOAD_STORED,
    COR_UPLOAD_DUPLICATE, /* the same bytes were there */
    COR_UPLOAD_REFUSED,   /* no DICOM that can be read */
    COR_UPLOAD_FAILED,    /* everything else */
    COR_UPLOAD_OUTCOME_COUNT_
} CorUploadOutcome;

typedef struct CorUploadOptions {
    int parallel; /* 1 to COR_UPLOAD_PARALLEL_MAX */
    /* A file has ended.  stored is what the server says of it (its UIDs, the key under which it is
     * now or was before), borrowed; NULL unless STORED or DUPLICATE.  why is "" then. */
    void (*on_end)(void *context, const CorWalkFile *file, CorUploadOutcome outcome,
                   const json_t *stored, const char *why);
    /* Called often; bytes sent so far.  Return false to stop. */
    bool (*on_tick)(void *context, uint64_t bytes);
    void *context;
} CorUploadOptions;

/**
 * Upload the files of a walk that have a key.
 *
 * @param err  CANCELLED if on_tick stopped it; UNAVAILABLE if the server cannot be reached any
 * more. What ended before has been reported.
 */
COR_MUSTCHECK bool cor_upload_files(CorClient *client, const CorWalk *walk,
                                    const CorUploadOptions *options, CorError *err);
