/* SPDX-License-Identifier: Apache-2.0 */
/* Threads with a name, wake-ups that poll() can wait for, and conditions that end.
 *
 * Threads    CorThread: One thread at a time.  CorWakeup: Thread-safe.
 * Blocking   cor_thread_join() and cor_cond_wait_until() wait; nothing else does.
 * Units      Deadlines are monotonic milliseconds (cor_time_ms()).
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_THREAD_STACK_SMALL \
    ((size_t) 128 * 1024) /* for threads that only wait and call ports \
                           */

typedef struct CorThread CorThread;

/**
 * Start a thread.  Signals are blocked in it: they belong to main (program/shutdown.h).
 *
 * @param name         as ps and gdb show it; cut to 15 bytes
 * @param stack_bytes  0 for the system's default
 * @param run          called once with context; the thread ends when it returns
 * @param ret_thread   join it with cor_thread_join()
 */
COR_MUSTCHECK bool cor_thread_start(const char *name, size_t stack_bytes, void (*run)(void *),
                                    void *context, CorThread **ret_thread, CorError *err);

/** Wait for a thread to end and free it.  NULL is ignored.  Telling it to end comes before. */
void cor_thread_join(CorThread *thread);
COR_DEFINE_CLEANUP(CorThread, cor_thread_join)

/** Make a condition variable whose timed waits use the monotonic clock. */
COR_MUSTCHECK bool cor_cond_init(pthread_cond_t *cond, CorError *err);

/**
 * Wait on a condition with its mutex held, at most until deadline_ms.
 *
 * @return false if the deadline has passed.  True may be spurious: check again in a loop.
 */
bool cor_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms);

/* A wake-up is a flag with a descriptor: any number of calls before it is noticed count as one. */
typedef struct CorWakeup CorWakeup;

/** Make a wake-up (an eventfd). */
COR_MUSTCHECK bool cor_wakeup_new(CorWakeup **ret_wakeup, CorError *err);
void cor_wakeup_free(CorWakeup *wakeup);
COR_DEFINE_CLEANUP(CorWakeup, cor_wakeup_free)

/** Readable while a wake-up is pending; for poll() and epoll.  Stays the wake-up's. */
int cor_wakeup_fd(const CorWakeup *wakeup);

/** Wake whoever waits.  Never blocks; may be called in a signal handler. */
void cor_wakeup_signal(CorWakeup *wakeup);

/** Take back a pending wake-up; true if there was one. */
bool cor_wakeup_clear(CorWakeup *wakeup);

/** Wait until signalled or deadline_ms; clears it; false if the deadline has passed. */
bool cor_wakeup_wait_until(CorWakeup *wakeup, int64_t deadline_ms);
