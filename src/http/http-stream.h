/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that take their time, without holding a thread: streams that others write to
 * (Server-Sent Events), and requests that are parked until something happens (long poll,
 * rendering).
 *
 * The connection is suspended whenever there is nothing to send; nothing is polled.
 *
 * Ordering    What is written is sent in that order.
 * Ownership   cor_http_res_stream() and cor_http_park() give a reference to unref.
 * Threads     Thread-safe.  Callbacks come on a thread of the server, without locks held.
 * Blocking    Never.
 * Errors      LIMIT when the reader is too slow, CANCELLED when it has gone.
 * Units       Durations are ms, sizes bytes.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#include "http/http-request.h"
#include "http/http-response.h"

typedef struct CorHttpStream CorHttpStream;

typedef struct CorHttpStreamOptions {
    const char *type;  /* "text/event-stream" */
    size_t buffer_max; /* bytes waiting to be sent; 0: 1 MiB */
    const char
        *heartbeat;       /* written after heartbeat_ms of silence (": \n\n"); NULL: none; static */
    int64_t heartbeat_ms; /* 0: 15 s */
    /* The buffer has become empty: room for more (replaying a long log).  May be NULL. */
    void (*on_drained)(void *context);
    /* Exactly once, last of all callbacks: the peer left, or everything up to the close is sent. */
    void (*on_end)(void *context);
    void *context;
} CorHttpStreamOptions;

/**
 * Answer 200 with a stream.  on_end() comes even if the answer is replaced or never sent.
 *
 * @param ret_stream  a reference; unref it
 */
COR_MUSTCHECK bool cor_http_res_stream(CorHttpResponse *res, const CorHttpStreamOptions *options,
                                       CorHttpStream **ret_stream, CorError *err);

CorHttpStream *cor_http_stream_ref(CorHttpStream *stream);
void cor_http_stream_unref(CorHttpStream *stream);
COR_DEFINE_CLEANUP(CorHttpStream, cor_http_stream_unref)

/**
 * Append all of data or nothing.
 *
 * @param err  LIMIT if the buffer would overflow; CANCELLED if the stream is closed or the peer
 * left
 */
COR_MUSTCHECK bool cor_http_stream_write(CorHttpStream *stream, const void *data, size_t size,
                                         CorError *err);

/** Bytes waiting in the buffer. */
size_t cor_http_stream_pending(CorHttpStream *stream);

/** Send what is buffered, then end the answer.  Calling it again does nothing. */
void cor_http_stream_close(CorHttpStream *stream);

/** Drop what is buffered and cut the connection, so that the peer notices the loss. */
void cor_http_stream_abort(CorHttpStream *stream);

/* ---- Parked requests ---- */

typedef struct CorHttpPark CorHttpPark;

/* Answers a parked request, on a thread of the pool.  Leaving res untouched is a 500.
 *
 * is_woken  false if the time is up or the server drains */
typedef void (*CorHttpAgain)(CorHttpRequest *req, CorHttpResponse *res, bool is_woken,
                             void *context);

typedef struct CorHttpParkOptions {
    int64_t timeout_ms; /* 1 to 86 400 000 */
    CorHttpAgain again; /* called at most once: not if the peer leaves */
    /* Exactly once, after again() or instead of it: nothing uses context any more. */
    void (*release)(void *context); /* may be NULL */
    void *context;
} CorHttpParkOptions;

/**
 * Put the request aside until cor_http_park_wake().  The handler returns with res untouched.
 *
 * A wake-up before the handler has returned is not lost.
 *
 * @param ret_park  a reference; unref it
 */
COR_MUSTCHECK bool cor_http_park(CorHttpRequest *req, const CorHttpParkOptions *options,
                                 CorHttpPark **ret_park, CorError *err);

CorHttpPark *cor_http_park_ref(CorHttpPark *park);
void cor_http_park_unref(CorHttpPark *park);
COR_DEFINE_CLEANUP(CorHttpPark, cor_http_park_unref)

/** Let the request be answered.  Calling it again, or too late, does nothing. */
void cor_http_park_wake(CorHttpPark *park);
