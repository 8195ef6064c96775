/* SPDX-License-Identifier: Apache-2.0 */
/* How a process is told to end: SIGTERM and SIGINT.
 *
 * The first one asks: cor_shutdown_wait() returns and main drains.  The second one ends the process
 * at once, as if nothing had been caught; everything accepted is durable, so that is safe
 * (invariant 1).  SIGPIPE and SIGHUP are ignored.
 *
 * Threads   One thread at a time: main. cor_shutdown_request() and cor_shutdown_is_asked():
 *           Thread-safe.
 * Blocking  cor_shutdown_wait() waits.
 * Children  inherit the blocked signals: whoever spawns resets the mask (POSIX_SPAWN_SETSIGMASK)
 *           and SIGPIPE and SIGHUP (POSIX_SPAWN_SETSIGDEF).
 */
#pragma once

#include "base/error.h"

#include <stdint.h>

/** Take over the signals; call it in main before any thread starts. */
COR_MUSTCHECK bool cor_shutdown_prepare(CorError *err);

/**
 * Wait until the process is asked to end, at most until deadline_ms (monotonic).
 *
 * @return true if it was asked to; from then on one more signal ends the process at once
 */
bool cor_shutdown_wait(int64_t deadline_ms);

/** Ask this process to end, as SIGTERM would. */
void cor_shutdown_request(void);

/** True once the process was asked to end. */
bool cor_shutdown_is_asked(void);
