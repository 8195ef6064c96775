/* SPDX-License-Identifier: Apache-2.0 */
/* One line, some threads.  A request in it is a Ticket with two holders: the parked request and the
 * thread that works; whoever lets go last releases the context, so a peer that leaves early pulls
 * nothing away from under the work. */
#include "dicomweb/offload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/array.h"
#include "http/http-stream.h"
#include "program/thread.h"

enum { ANSWER_TIMEOUT_MS = 120000 };

typedef struct Call {
    struct Call *next;
    void (*run)(void *context);
    void *context;
} Call;

struct CorOffload {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    Call *first;     /* guarded by mutex */
    Call **last;     /* guarded by mutex: where the next one goes */
    size_t line_len; /* guarded by mutex */
    bool is_ending;  /* guarded by mutex */
    size_t line_max;
    CorThread **threads;
    size_t threads_len;
};

/* --- threads --- */

static Call *take(CorOffload *offload)
{
    (void) pthread_mutex_lock(&offload->mutex);
    while (!offload->first && !offload->is_ending) {
        (void) pthread_cond_wait(&offload->filled, &offload->mutex);
    }
    Call *call = offload->first;
    if (call) {
        offload->first = call->next;
        offload->last = call->next ? offload->last : &offload->first;
        offload->line_len--;
    }
    (void) pthread_mutex_unlock(&offload->mutex);
    return call;
}

static void serve(void *context)
{
    CorOffload *offload = context;

    for (Call *call = take(offload); call; call = take(offload)) {
        call->run(call->context);
        free(call);
    }
}

bool cor_dicomweb_priv_offload_new(size_t threads, size_t line_max, CorOffload **ret_offload,
                                   CorError *err)
{
    CorOffload *offload = cor_new(CorOffload);

    if (!offload) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for threads");
    }
    (void) pthread_mutex_init(&offload->mutex, NULL);
    (void) pthread_cond_init(&offload->filled, NULL);
    offload->last = &offload->first;
    offload->line_max = line_max;
    offload->threads = cor_new_array(CorThread *, threads);
    bool ok = offload->threads || cor_fail(err, COR_ERR_NOMEM, "out of memory for threads");
    for (size_t i = 0; ok && i < threads; i++) {
        ok = cor_thread_start("dicomweb", 0, serve, offload, &offload->threads[i], err);
        offload->threads_len += ok;
    }
    if (!ok) {
        cor_dicomweb_priv_offload_free(offload);
        return false;
    }
    *ret_offload = offload;
    return true;
}

void cor_dicomweb_priv_offload_free(CorOffload *offload)
{
    if (!offload) {
        return;
    }
    (void) pthread_mutex_lock(&offload->mutex);
    offload->is_ending = true;
    (void) pthread_cond_broadcast(&offload->filled);
    (void) pthread_mutex_unlock(&offload->mutex);
    for (size_t i = 0; i < offload->threads_len; i++) {
        cor_thread_join(offload->threads[i]);
    }
    (void) pthread_cond_destroy(&offload->filled);
    (void) pthread_mutex_destroy(&offload->mutex);
    free(offload->threads);
    free(offload);
}

bool cor_dicomweb_priv_offload_run(CorOffload *offload, void (*run)(void *context), void *context,
                                   CorError *err)
{
    Call *call = cor_new(Call);

    if (!call) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a call");
    }
    *call = (Call){.run = run, .context = context};
    (void) pthread_mutex_lock(&offload->mutex);
    bool has_room = offload->line_len < offload->line_max;
    if (has_room) {
        *offload->last = call;
        offload->last = &call->next;
        offload->line_len++;
    }
    (void) pthread_mutex_unlock(&offload->mutex);
    if (!has_room) {
        free(call);
        return cor_fail(err, COR_ERR_LIMIT, "too many requests wait already");
    }
    (void) pthread_cond_signal(&offload->filled); /* unlocked: who wakes shall not wait for it */
    return true;
}

/* --- requests --- */

typedef struct Ticket {
    atomic_uint holders;
    CorOffloadRequest request;
    CorHttpPark *park;
} Ticket;

static void let_go(void *context)
{
    Ticket *ticket = context;

    if (atomic_fetch_sub(&ticket->holders, 1) == 1) {
        ticket->request.release(ticket->request.context);
        cor_http_park_unref(ticket->park);
        free(ticket);
    }
}

static void refuse(CorHttpResponse *res)
{
    cor_http_res_header(res, "Retry-After", "5");
    cor_http_problem(res, 503, NULL, "the server has too much to do at the moment");
}

static void on_again(CorHttpRequest *req, CorHttpResponse *res, bool is_woken, void *context)
{
    Ticket *ticket = context;

    if (is_woken) {
        ticket->request.answer(req, res, ticket->request.context);
    } else {
        refuse(res);
    }
}

static void work(void *context)
{
    Ticket *ticket = context;

    ticket->request.work(ticket->request.context);
    cor_http_park_wake(ticket->park);
    let_go(ticket);
}

void cor_dicomweb_priv_offload_request(CorOffload *offload, CorHttpRequest *req,
                                       CorHttpResponse *res, const CorOffloadRequest *request)
{
    Ticket *ticket = cor_new(Ticket);
    CorHttpParkOptions options = {
        .timeout_ms = ANSWER_TIMEOUT_MS, .again = on_again, .release = let_go, .context = ticket};
    CorError err = {0};

    if (!ticket) {
        request->release(request->context);
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for a request");
        cor_http_fail(res, NULL, &err);
        return;
    }
    ticket->request = *request;
    atomic_init(&ticket->holders, 1);
    if (!cor_http_park(req, &options, &ticket->park, &err)) {
        let_go(ticket);
        cor_http_fail(res, NULL, &err);
        return;
    }
    /* From here on the parked request holds the ticket, and lets go of it whatever happens. */
    atomic_fetch_add(&ticket->holders, 1);
    if (!cor_dicomweb_priv_offload_run(offload, work, ticket, &err)) {
        let_go(ticket);
        refuse(res);
    }
}
