/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads that must wait: the consumer of a streamed body takes less than it was given, and the
 * connection is suspended, without holding a thread, until somebody releases it.  What was not
 * taken comes again.
 *
 * The time that an upload was made to wait counts against none of its deadlines.
 *
 * Ordering   A release between the consumer's "not now" and the suspension is not lost.
 * Ownership  cor_http_hold_new() gives a reference to unref.
 * Threads    Thread-safe.
 * Blocking   Never.
 * Units      Milliseconds.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stdint.h>

#include "http/http-request.h"

typedef struct CorHttpHold CorHttpHold;

/**
 * Allow an upload to wait: for its begin(), once per request.
 *
 * @param wait_max_ms  1 to 86 400 000: after so long it is released by itself; the consumer knows
 *                     by its own clock that nobody else did
 * @param ret_hold     a reference; unref it
 */
COR_MUSTCHECK bool cor_http_hold_new(CorHttpRequest *req, int64_t wait_max_ms,
                                     CorHttpHold **ret_hold, CorError *err);

CorHttpHold *cor_http_hold_ref(CorHttpHold *hold);
void cor_http_hold_unref(CorHttpHold *hold);
COR_DEFINE_CLEANUP(CorHttpHold, cor_http_hold_unref)

/** Let the upload go on.  One that does not wait, or is over, does not mind. */
void cor_http_hold_release(CorHttpHold *hold);
