/* SPDX-License-Identifier: Apache-2.0 */
/* The two signals are blocked in every thread and fetched by sigtimedwait() in main, so no handler
 * ever runs.  After the first they are given back to the system: the next one ends the process. */
#include "program/shutdown.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/time.h"

static atomic_bool is_asked;

static void asked_signals(sigset_t *set)
{
    (void) sigemptyset(set);
    (void) sigaddset(set, SIGTERM);
    (void) sigaddset(set, SIGINT);
}

bool cor_shutdown_prepare(CorError *err)
{
    sigset_t set;

    asked_signals(&set);
    int failure = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (failure != 0) {
        return cor_fail_errno(err, failure, "block signals");
    }
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGHUP, SIG_IGN) == SIG_ERR) {
        return cor_fail_errno(err, errno, "ignore signals");
    }
    return true;
}

bool cor_shutdown_wait(int64_t deadline_ms)
{
    sigset_t set;

    asked_signals(&set);
    while (!atomic_load(&is_asked)) {
        int64_t left_ms = COR_MAX(deadline_ms - cor_time_ms(), (int64_t) 0);
        left_ms = COR_MIN(left_ms, (int64_t) 3600 * 1000); /* INT64_MAX is no timespec */
        struct timespec left = {
            .tv_sec = (time_t) (left_ms / 1000),
            .tv_nsec = (long) (left_ms % 1000) * 1000000,
        };
        if (sigtimedwait(&set, NULL, &left) > 0) {
            atomic_store(&is_asked, true);
            (void) pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        } else if (cor_time_ms() >= deadline_ms) {
            return false;
        }
    }
    return true;
}

void cor_shutdown_request(void)
{
    (void) kill(getpid(), SIGTERM);
}

bool cor_shutdown_is_asked(void)
{
    return atomic_load(&is_asked);
}
