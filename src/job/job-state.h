/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a job: its states and the moves between them (diagram in job-state.c).
 *
 * Threads  Thread-safe: pure functions over plain values.
 */
#pragma once

#include "base/error.h"

typedef enum CorJobState {
    COR_JOB_QUEUED,    /* accepted and durable; in the outbox or in its queue */
    COR_JOB_RUNNING,   /* a worker holds its message under a lease */
    COR_JOB_SUCCEEDED, /* final: its objects are durable and its event is in the client's log */
    COR_JOB_FAILED,    /* final: its event says why */
    COR_JOB_CANCELLED, /* final: somebody asked */
    COR_JOB_STATE_COUNT_
} CorJobState;

/** The state's name as clients see it: "queued". */
const char *cor_job_state_name(CorJobState state);

/** The state of a name; false if there is none. */
bool cor_job_state_from_name(const char *name, CorJobState *ret_state);

/** True for the three states that are never left. */
bool cor_job_state_is_final(CorJobState state);

/**
 * Move *state to next: the only function that assigns a job's state.
 * CONFLICT, and *state untouched, if the move is not allowed.
 */
COR_MUSTCHECK bool cor_job_move(CorJobState *state, CorJobState next, CorError *err);
