/* SPDX-License-Identifier: Apache-2.0 */
/* A queue around another one whose n-th call fails: how tests see what their code does when a store
 * is gone for a moment.  The queue behind it is a real one.
 *
 * Ownership  faulty_queue_new() takes the inner queue, which is closed with the wrapper.
 * Threads    Thread-safe.
 */
#pragma once

#include "queue/queue.h"

/** Wrap a queue.  NULL if there is no memory. */
CorQueue *faulty_queue_new(CorQueue *inner);

/**
 * Let the n-th call (from 1) from now on fail with UNAVAILABLE; 0: none.
 *
 * @param after  false: the call never reaches the store; true: the store does it and the answer is
 *               lost, the worse case
 */
void faulty_queue_fail(CorQueue *queue, int n, bool after);

/** Calls so far. */
int faulty_queue_calls(CorQueue *queue);
