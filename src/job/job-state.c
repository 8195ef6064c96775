/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a job.
 *
 *     QUEUED ----claim----> RUNNING ----result stored----> SUCCEEDED
 *      |  ^                  |   |
 *      |  +--lease lost------+   +-------gave up---------> FAILED
 *      +------cancelled (queued or running)--------------> CANCELLED
 *
 *   QUEUED    -> RUNNING     gateway: job_started(), told by the worker that claimed it
 *   RUNNING   -> QUEUED      gateway: job_postponed(), or the start of a server that finds it so
 *   any       -> SUCCEEDED   deliver: after the objects are durable (invariant 2)
 *   any       -> FAILED      deliver: permanent error or attempts used up
 *   any       -> CANCELLED   gateway: cancel_job(); the worker kills the host
 *
 * A result may overtake the news that its job was started (that news is written without waiting),
 * so QUEUED may go straight to SUCCEEDED or FAILED.  SUCCEEDED, FAILED and CANCELLED are final: the
 * first final transition wins, later ones change nothing, and output that lost is swept
 * (invariant 3).
 */
#include "job/job-state.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/array.h"

#define BIT(state) (1u << (state))

static const char *const state_names[] = {
    [COR_JOB_QUEUED] = "queued",       [COR_JOB_RUNNING] = "running",
    [COR_JOB_SUCCEEDED] = "succeeded", [COR_JOB_FAILED] = "failed",
    [COR_JOB_CANCELLED] = "cancelled",
};
static_assert(COR_ARRAY_LEN(state_names) == COR_JOB_STATE_COUNT_, "name every state");

/* Bit n of entry s is set when a job may go from state s to state n. */
static const uint32_t allowed_next[COR_JOB_STATE_COUNT_] = {
    [COR_JOB_QUEUED] = BIT(COR_JOB_RUNNING) | BIT(COR_JOB_SUCCEEDED) | BIT(COR_JOB_FAILED) |
                       BIT(COR_JOB_CANCELLED),
    [COR_JOB_RUNNING] =
        BIT(COR_JOB_QUEUED) | BIT(COR_JOB_SUCCEEDED) | BIT(COR_JOB_FAILED) | BIT(COR_JOB_CANCELLED),
};

const char *cor_job_state_name(CorJobState state)
{
    assert((unsigned) state < COR_JOB_STATE_COUNT_);

    return state_names[state];
}

bool cor_job_state_from_name(const char *name, CorJobState *ret_state)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(state_names); i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *ret_state = (CorJobState) i;
            return true;
        }
    }
    return false;
}

bool cor_job_state_is_final(CorJobState state)
{
    return allowed_next[state] == 0;
}

bool cor_job_move(CorJobState *state, CorJobState next, CorError *err)
{
    assert((unsigned) *state < COR_JOB_STATE_COUNT_ && (unsigned) next < COR_JOB_STATE_COUNT_);

    if (!(allowed_next[*state] & BIT(next))) {
        return cor_fail(err, COR_ERR_CONFLICT, "a job cannot go from %s to %s", state_names[*state],
                        state_names[next]);
    }
    *state = next;
    return true;
}
