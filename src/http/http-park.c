/* SPDX-License-Identifier: Apache-2.0 */
/* A parked request is a suspended connection with a flag that says why it goes on:
 *
 *     WAITING --wake()--> WOKEN      --drain or time is up--> LATE      --peer left--> GONE
 *
 * The first of these wins; move() is the only place that leaves WAITING.
 *
 * References: one for the caller of cor_http_park(), one for the request. */
#include "http/http-priv.h"

#include <assert.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/time.h"

struct CorHttpPark {
    atomic_uint refs;
    CorHttpParkOptions options;
    int64_t deadline_ms;
    pthread_mutex_t mutex;
    HttpParkState state;               /* guarded by mutex */
    bool is_suspended;                 /* guarded by mutex */
    struct MHD_Connection *connection; /* guarded by mutex; valid while suspended */
};

CorHttpPark *cor_http_park_ref(CorHttpPark *park)
{
    atomic_fetch_add_explicit(&park->refs, 1, memory_order_relaxed);
    return park;
}

void cor_http_park_unref(CorHttpPark *park)
{
    if (park && atomic_fetch_sub_explicit(&park->refs, 1, memory_order_acq_rel) == 1) {
        (void) pthread_mutex_destroy(&park->mutex);
        free(park);
    }
}

bool cor_http_park(CorHttpRequest *req, const CorHttpParkOptions *options, CorHttpPark **ret_park,
                   CorError *err)
{
    assert(options->again && !req->park);

    if (options->timeout_ms < 1 || options->timeout_ms > 86400000) {
        return cor_fail(err, COR_ERR_INVALID, "a request cannot be parked for %lld ms",
                        (long long) options->timeout_ms);
    }
    CorHttpPark *park = cor_new(CorHttpPark);
    if (!park) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory to park a request");
    }
    atomic_init(&park->refs, 2);
    (void) pthread_mutex_init(&park->mutex, NULL);
    park->options = *options;
    park->deadline_ms = cor_time_ms() + options->timeout_ms;
    req->park = park;
    *ret_park = park;
    return true;
}

/* The only place that assigns state. */
static void move(CorHttpPark *park, HttpParkState state)
{
    (void) pthread_mutex_lock(&park->mutex);
    if (park->state == HTTP_PARK_WAITING) {
        park->state = state;
        if (park->is_suspended) {
            park->is_suspended = false;
            MHD_resume_connection(park->connection);
        }
    }
    (void) pthread_mutex_unlock(&park->mutex);
}

void cor_http_park_wake(CorHttpPark *park)
{
    move(park, HTTP_PARK_WOKEN);
}

HttpParkState cor_http_priv_park_state(CorHttpPark *park)
{
    (void) pthread_mutex_lock(&park->mutex);
    HttpParkState state = park->state;
    (void) pthread_mutex_unlock(&park->mutex);
    return state;
}

static void on_tick(void *object, int64_t now_ms)
{
    CorHttpPark *park = object;

    if (now_ms >= park->deadline_ms) {
        move(park, HTTP_PARK_LATE);
    }
}

static void on_drain(void *object)
{
    move(object, HTTP_PARK_LATE);
}

static void on_gone(void *object)
{
    move(object, HTTP_PARK_GONE);
}

static const HttpSuspension park_suspension = {
    .tick = on_tick,
    .drain = on_drain,
    .gone = on_gone,
};

/* Suspend the connection unless there is already a reason to go on; then false. */
bool cor_http_priv_park_suspend(CorHttpPark *park, CorHttpRequest *req)
{
    /* Watched first: a drain that begins from here on finds it. */
    cor_http_priv_suspension_set(req->conn, &park_suspension, park);

    (void) pthread_mutex_lock(&park->mutex);
    bool waits = park->state == HTTP_PARK_WAITING;
    if (waits) {
        park->connection = req->connection;
        park->is_suspended = true;
        MHD_suspend_connection(req->connection);
    }
    (void) pthread_mutex_unlock(&park->mutex);
    if (!waits) {
        cor_http_priv_suspension_clear(req->conn);
    }
    return waits;
}

/* Takes the request's reference. */
void cor_http_priv_park_again(CorHttpPark *park, CorHttpRequest *req, bool is_woken)
{
    park->options.again(req, &req->res, is_woken, park->options.context);
    cor_http_priv_park_drop(park);
}

void cor_http_priv_park_drop(CorHttpPark *park)
{
    move(park, HTTP_PARK_GONE); /* later wake-ups do nothing */
    if (park->options.release) {
        park->options.release(park->options.context);
    }
    cor_http_park_unref(park);
}
