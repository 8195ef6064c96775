/* SPDX-License-Identifier: Apache-2.0 */
/* A held upload is a connection suspended in the middle of its body:
 *
 *     RUNNING --suspend()--> HELD --release(), time is up--> RUNNING
 *        |                     |
 *        +------gone()---------+--> GONE: the server stops, or the connection is broken
 *
 * A release while RUNNING is remembered: the next suspend() uses it up and stays RUNNING, so the
 * consumer is asked once more.  libmicrohttpd keeps what was not taken and calls again after the
 * connection is resumed.
 *
 * References: one for the caller of cor_http_hold_new(), one for the request. */
#include "http/http-hold.h"

#include <assert.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/time.h"
#include "http/http-priv.h"

typedef enum HoldState {
    HOLD_RUNNING, /* the consumer takes, or the body is over */
    HOLD_HELD,    /* the connection is suspended */
    HOLD_GONE,    /* it is to be closed */
} HoldState;

struct CorHttpHold {
    atomic_uint refs;
    int64_t wait_max_ms;
    int64_t since_ms; /* connection's thread, which writes it before HELD; watch while HELD */
    pthread_mutex_t mutex;
    HoldState state;                   /* guarded by mutex */
    bool is_released;                  /* guarded by mutex: while RUNNING */
    struct MHD_Connection *connection; /* guarded by mutex; valid while HELD */
};

CorHttpHold *cor_http_hold_ref(CorHttpHold *hold)
{
    atomic_fetch_add_explicit(&hold->refs, 1, memory_order_relaxed);
    return hold;
}

void cor_http_hold_unref(CorHttpHold *hold)
{
    if (hold && atomic_fetch_sub_explicit(&hold->refs, 1, memory_order_acq_rel) == 1) {
        (void) pthread_mutex_destroy(&hold->mutex);
        free(hold);
    }
}

bool cor_http_hold_new(CorHttpRequest *req, int64_t wait_max_ms, CorHttpHold **ret_hold,
                       CorError *err)
{
    assert(!req->hold && wait_max_ms >= 1 && wait_max_ms <= 86400000);

    CorHttpHold *hold = cor_new(CorHttpHold);
    if (!hold) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an upload");
    }
    atomic_init(&hold->refs, 2);
    (void) pthread_mutex_init(&hold->mutex, NULL);
    hold->wait_max_ms = wait_max_ms;
    req->hold = hold;
    *ret_hold = hold;
    return true;
}

/* Lock held.  The only place that leaves HELD. */
static void leave(CorHttpHold *hold, HoldState state)
{
    bool was_held = hold->state == HOLD_HELD;

    hold->state = state;
    if (was_held) {
        MHD_resume_connection(hold->connection);
    }
}

void cor_http_hold_release(CorHttpHold *hold)
{
    (void) pthread_mutex_lock(&hold->mutex);
    if (hold->state == HOLD_HELD) {
        leave(hold, HOLD_RUNNING);
    } else {
        hold->is_released = true;
    }
    (void) pthread_mutex_unlock(&hold->mutex);
}

static void on_tick(void *object, int64_t now_ms)
{
    CorHttpHold *hold = object;

    (void) pthread_mutex_lock(&hold->mutex);
    if (hold->state == HOLD_HELD && now_ms - hold->since_ms >= hold->wait_max_ms) {
        leave(hold, HOLD_RUNNING);
    }
    (void) pthread_mutex_unlock(&hold->mutex);
}

/* What was begun is finished: whoever it waits for is at work. */
static void on_drain(void *object)
{
    (void) object;
}

static void on_gone(void *object)
{
    CorHttpHold *hold = object;

    (void) pthread_mutex_lock(&hold->mutex);
    leave(hold, HOLD_GONE);
    (void) pthread_mutex_unlock(&hold->mutex);
}

static const HttpSuspension hold_suspension = {
    .tick = on_tick,
    .drain = on_drain,
    .gone = on_gone,
    .may_end_sending = true,
};

/* Wait unless there is a reason to go on at once. */
HttpHeld cor_http_priv_hold_suspend(CorHttpHold *hold, CorHttpRequest *req)
{
    HttpHeld held = HTTP_HELD;

    hold->since_ms = cor_time_ms();
    atomic_store(&req->conn->deadline_ms, 0);
    /* Watched first: a stop that begins from here on finds it. */
    cor_http_priv_suspension_set(req->conn, &hold_suspension, hold);
    (void) pthread_mutex_lock(&hold->mutex);
    if (hold->state == HOLD_GONE) {
        held = HTTP_HELD_NO_MORE;
    } else if (hold->is_released) {
        held = HTTP_NOT_HELD;
        hold->is_released = false;
    } else {
        hold->state = HOLD_HELD;
        hold->connection = req->connection;
        MHD_suspend_connection(req->connection);
    }
    (void) pthread_mutex_unlock(&hold->mutex);
    if (held != HTTP_HELD) {
        cor_http_priv_hold_resume(hold, req);
    }
    return held;
}

/* The upload goes on: its deadline moves by the time that it had to wait.  False if it is over. */
bool cor_http_priv_hold_resume(CorHttpHold *hold, CorHttpRequest *req)
{
    int64_t now_ms = cor_time_ms();

    cor_http_priv_suspension_clear(req->conn);
    req->body_deadline_ms += now_ms - hold->since_ms;
    (void) pthread_mutex_lock(&hold->mutex);
    bool is_over = hold->state == HOLD_GONE;
    (void) pthread_mutex_unlock(&hold->mutex);
    return !is_over;
}

/* Takes the request's reference. */
void cor_http_priv_hold_drop(CorHttpHold *hold)
{
    (void) pthread_mutex_lock(&hold->mutex);
    assert(hold->state != HOLD_HELD);
    hold->state = HOLD_GONE; /* later releases do nothing */
    (void) pthread_mutex_unlock(&hold->mutex);
    cor_http_hold_unref(hold);
}
