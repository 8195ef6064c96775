/* SPDX-License-Identifier: Apache-2.0 */
/* DICOMweb (PS3.18): search (QIDO-RS), retrieve (WADO-RS, WADO-URI), store (STOW-RS), delete, and
 * the feed of changes, under /dicom-web.
 *
 * Searches and metadata come from the catalogue; files and frames are sent as they are stored
 * wherever the client takes them so; whatever needs DICOM bytes to be understood (rendering,
 * another transfer syntax) is done by hosts (invariant 6) and waited for on threads of this room,
 * never on those of the HTTP server.
 *
 * Ownership  cor_dicomweb_open() gives an object to close.  What its options point to stays the
 *            caller's and outlives it.
 * Threads    Thread-safe.
 * Blocking   Handlers read the catalogue; cor_dicomweb_close() waits for what runs.
 * Errors     http/http-error.c turns them into HTTP statuses.
 * Units      Bytes, milliseconds.
 */
#pragma once

#include "archive/archive.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "blob/blob.h"
#include "driver/sql.h"
#include "host/host-pool.h"
#include "http/http-server.h"
#include "program/config.h"

#include <stddef.h>

typedef struct CorDicomweb CorDicomweb;

typedef struct CorDicomwebOptions {
    const CorConfig *config;
    CorSql *catalog;
    CorBlobStore *blobs;
    CorArchive *archive;
    CorHostPool *hosts; /* that read, render and transcode for viewers */
    /* The URL under which clients reach the server now, without a final slash; borrowed. */
    const char *(*public_url)(void *context);
    /* False, with UNAVAILABLE, when nothing new may be stored. */
    bool (*is_writable)(void *context, CorError *err);
    void *context;
} CorDicomwebOptions;

/** Make the room's object and start its threads. */
COR_MUSTCHECK bool cor_dicomweb_open(const CorDicomwebOptions *options, CorDicomweb **ret_dicomweb,
                                     CorError *err);

/** Finish what runs, stop the threads and free.  No handler may be running.  NULL is ignored. */
void cor_dicomweb_close(CorDicomweb *dicomweb);
COR_DEFINE_CLEANUP(CorDicomweb, cor_dicomweb_close)

/** The routes; their context is the CorDicomweb.  Lives for ever. */
const CorHttpRoute *cor_dicomweb_routes(size_t *ret_len);
