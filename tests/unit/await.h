/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for another thread: with an end, so that a test that hangs fails. */
#pragma once

#include "test.h"

#include <semaphore.h>
#include <time.h>

static inline void await(sem_t *semaphore)
{
    struct timespec end;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &end), 0);
    end.tv_sec += 20;
    assert_int_equal(sem_timedwait(semaphore, &end), 0);
}
