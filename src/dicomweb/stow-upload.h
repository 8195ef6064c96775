/* SPDX-License-Identifier: Apache-2.0 */
/* One upload between its first byte and its last part: bytes come in, parts go to threads that
 * store them, outcomes are collected.  stow.c is what HTTP sees of it.
 *
 * Ownership  cor_dicomweb_priv_stow_upload_new() gives a reference to unref; every part that is
 *            being stored holds another.
 * Threads    Functions that take bytes: one thread at a time, that of the connection.
 * Blocking   Never, but for the disk.
 */
#pragma once

#include "dicomweb/dicomweb-priv.h"
#include "dicomweb/multipart.h"
#include "dicomweb/stow-gate.h"
#include "dicomweb/stow-outcome.h"

#include "http/http-guard.h"
#include "http/http-hold.h"
#include "http/http-stream.h"

#include <stdatomic.h>

/* What all uploads share: stow.c makes it. */
struct CorStow {
    CorOffload *offload;   /* threads that read and store parts */
    CorStowGate *gate;     /* places for parts */
    atomic_size_t uploads; /* that are going on */
};

typedef struct CorStowUpload CorStowUpload;

typedef struct CorStowUploadOptions {
    CorDicomweb *dicomweb;
    const char *study;      /* of the path; "" for none; copied */
    const char *boundary;   /* NULL: the body is one file */
    const char *media_type; /* of the answer; lives for ever */
    bool is_lenient;        /* refused files are no error of the request */
} CorStowUploadOptions;

/** Begin an upload.  req is only used to make its hold. */
COR_MUSTCHECK bool cor_dicomweb_priv_stow_upload_new(CorHttpRequest *req,
                                                     const CorStowUploadOptions *options,
                                                     CorStowUpload **ret_upload, CorError *err);

/** Take bytes, all or as many as there is room for. */
size_t cor_dicomweb_priv_stow_upload_take(CorStowUpload *upload, const void *bytes, size_t size);

/** The body is over: its last part is handed on if it is complete. */
void cor_dicomweb_priv_stow_upload_end(CorStowUpload *upload);

/** True if the body as a whole is refused, and there is too much of it to wait for its end. */
bool cor_dicomweb_priv_stow_upload_is_refused(const CorStowUpload *upload);

/** True if no part is being stored; else park, which may be NULL, is woken when that is so. */
bool cor_dicomweb_priv_stow_upload_is_settled(CorStowUpload *upload, CorHttpPark *park);

/** Fill the answer of a settled upload, and log the line of the request. */
void cor_dicomweb_priv_stow_upload_answer(CorStowUpload *upload, CorHttpResponse *res);

/** Let go of what was begun: parts that are complete are stored all the same. */
void cor_dicomweb_priv_stow_upload_unref(CorStowUpload *upload);
