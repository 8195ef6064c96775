/* SPDX-License-Identifier: Apache-2.0 */
/* A long answer whose bytes are made while they are sent: the server asks for the next ones when
 * the connection has room for them, so nothing piles up, however slow the reader is.  Pieces of
 * files in it are sent from where they lie, without a copy, if the size of the whole is not told
 * beforehand.
 *
 * While there is nothing to give the connection is suspended and no thread waits.  A reader that
 * takes less than bytes_per_s_min is cut.  When the server drains, the answer goes on to its end.
 *
 * Ordering    One call of pull() at a time.
 * Ownership   cor_http_res_pull() gives a reference to unref.
 * Threads     Thread-safe.  Callbacks come on a thread of the server, without locks held.
 * Blocking    Never; pull() may shortly, on a disk.
 * Errors      NOMEM.
 * Units       Bytes.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "http/http-request.h"
#include "http/http-response.h"

#define COR_HTTP_PULL_ANY UINT64_MAX /* the size is not known: chunks */

/* What pull() may return beside how many bytes it has put, which is at least 1. */
#define COR_HTTP_PULL_WAIT ((ssize_t) 0)  /* nothing now; cor_http_pull_ready() will say when */
#define COR_HTTP_PULL_END ((ssize_t) -1)  /* everything was given */
#define COR_HTTP_PULL_LOST ((ssize_t) -2) /* cut the connection, so that the peer notices */

typedef struct CorHttpPull CorHttpPull;

/* A piece of a file, whose descriptor is borrowed. */
typedef struct CorHttpFile {
    int fd;
    uint64_t offset;
    uint64_t size;
} CorHttpFile;

typedef struct CorHttpPullOptions {
    const char *type;
    uint64_t size; /* of the whole body; or COR_HTTP_PULL_ANY */
    /* Put what comes next into data, and if ret_file is not NULL the piece of a file that follows
     * into *ret_file: it counts as given, and its descriptor stays open until the next call, or
     * on_end().  Nothing before such a piece is no reason to wait. */
    ssize_t (*pull)(void *context, void *data, size_t size, CorHttpFile *ret_file);
    /* Exactly once, last of all callbacks: the peer left, or everything is sent. */
    void (*on_end)(void *context);
    void *context;
} CorHttpPullOptions;

/**
 * Answer 200 with what pull() gives.  on_end() comes even if the answer is replaced or never sent,
 * but not if this fails.  For HEAD nothing is pulled.
 *
 * @param ret_pull  a reference; unref it
 */
COR_MUSTCHECK bool cor_http_res_pull(CorHttpResponse *res, const CorHttpPullOptions *options,
                                     CorHttpPull **ret_pull, CorError *err);

/** True if an answer of COR_HTTP_PULL_ANY to this request is asked for pieces of files. */
bool cor_http_pull_takes_files(const CorHttpRequest *req);

CorHttpPull *cor_http_pull_ref(CorHttpPull *pull);
void cor_http_pull_unref(CorHttpPull *pull);
COR_DEFINE_CLEANUP(CorHttpPull, cor_http_pull_unref)

/** Say that pull() is to be called again.  Too early, too late or twice does no harm. */
void cor_http_pull_ready(CorHttpPull *pull);
