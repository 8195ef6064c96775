/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that wait for hosts and disks, so that no thread of the HTTP server does.
 *
 * Order      Calls begin in the order in which they were handed over.
 * Ownership  cor_dicomweb_priv_offload_new() gives an object to free.
 * Threads    Thread-safe.
 * Blocking   Handing over never blocks; free waits until every call has ended.
 * Errors     LIMIT: the line is full, come again later.  NOMEM.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "http/http-request.h"
#include "http/http-response.h"

#include <stddef.h>
#include <stdint.h>

typedef struct CorOffload CorOffload;

/**
 * Start the threads.
 *
 * @param threads   how many calls run at once
 * @param line_max  how many wait at most
 */
COR_MUSTCHECK bool cor_dicomweb_priv_offload_new(size_t threads, size_t line_max,
                                                 CorOffload **ret_offload, CorError *err);

/** Run what waits, stop and free.  NULL is ignored. */
void cor_dicomweb_priv_offload_free(CorOffload *offload);

/** Run a function on one of the threads; exactly once if this returns true, else never. */
COR_MUSTCHECK bool cor_dicomweb_priv_offload_run(CorOffload *offload, void (*run)(void *context),
                                                 void *context, CorError *err);

/* A request whose answer takes its time. */
typedef struct CorOffloadRequest {
    /* On a thread of the offload; the request and its texts are out of reach. */
    void (*work)(void *context);
    /* Then, on a thread of the HTTP server: fill res.  Not called if the peer has left. */
    void (*answer)(CorHttpRequest *req, CorHttpResponse *res, void *context);
    /* Exactly once, when nothing uses context any more; also if handing over failed. */
    void (*release)(void *context);
    void *context;
} CorOffloadRequest;

/**
 * Answer a request off the HTTP server's threads: to be the last thing that a handler does.  When
 * the line is full, or the work takes longer than two minutes or into the server's end, the answer
 * is 503.
 */
void cor_dicomweb_priv_offload_request(CorOffload *offload, CorHttpRequest *req,
                                       CorHttpResponse *res, const CorOffloadRequest *request);
