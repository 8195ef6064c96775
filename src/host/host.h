/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithm host: the child process that touches DICOM bytes and runs algorithms.
 *
 * It speaks the protocol of host-protocol.h on descriptor 3 and nothing else.  It is started by a
 * pool (host-pool.h) and ends when the other side closes descriptor 3 or dies.
 *
 * Ownership  A service and everything in it is borrowed for the life of the process.
 * Threads    One thread at a time: the child has one.
 * Blocking   Until the other side is gone.
 * Errors     An operation's error is answered to the caller; only a broken protocol ends the host.
 * Units      Milliseconds, bytes.
 */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct CorHostContext CorHostContext; /* host-op.h: what an operation may use */

typedef struct CorHostOperation {
    const char *name; /* the request's "op" */
    /* Answer one request.  On success *ret_result is an object whose members become the answer's.
     */
    bool (*run)(CorHostContext *context, const json_t *request, json_t **ret_result, CorError *err);
} CorHostOperation;

typedef struct CorHostService {
    const CorHostOperation *operations;
    size_t operation_len;
    /* Load whatever needs the file system; called once, before the sandbox closes.  May be NULL. */
    bool (*init)(CorError *err);
    /* The algorithms for the answer to `hello`, a new array of {id, version}.  May be NULL. */
    json_t *(*describe)(void);
} CorHostService;

/**
 * Serve on descriptor 3 until the other side is gone: close everything else above 2, send what is
 * printed nowhere, take limits and sandbox mode from `hello`, lock the sandbox, answer requests.
 *
 * @return exit status: 0 at end of file, 1 if descriptor 3 is no socket or the protocol was broken
 */
int cor_host_serve(const CorHostService *service);

/** Be `corsia host`: cor_host_serve() with DICOM and the built-in algorithms.  Returns the exit
 * status. */
int cor_host_main(void);
