/* SPDX-License-Identifier: Apache-2.0 */
/* Slots and leases.
 *
 * A slot is a thread that looks through the request queues, beginning each time with another one so
 * that no algorithm starves, and does what it claims to the end.  When all queues are empty it
 * waits; the queues' watches count arrivals, so a message that comes between looking and waiting is
 * not missed.  One thread renews the leases of whatever the slots hold.
 *
 *   slot     IDLE --claim--> WORKING --settled--> IDLE --stop--> gone
 *
 * While the store is away nobody claims: a thousand jobs would only compute for nothing and wait
 * one by one.  After 1 s, doubling to 60 s, or when somebody knows that it is back, the slots try
 * again.
 *
 * A lease that cannot be renewed is given up one renewal interval before it ends: the host is
 * cancelled and nothing is settled, since somebody else may have the message.
 */
#include "worker/worker-priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "program/log.h"
#include "program/thread.h"

enum {
    RENEWALS_PER_LEASE = 3,
    TROUBLE_WAIT_MS = 1000,
    STORE_FIRST_MS = 1000, /* while a store is away; doubles up to the next */
    STORE_MAX_MS = 60000,
};

/* --- what others may do to held work --- */

/* Ask a run to stop; the first reason stands.  worker->mutex is held. */
static void stop_work(CorWork *work, CorWorkStop why)
{
    if (work->stop != COR_WORK_GOES_ON) {
        return;
    }
    work->stop = why;
    for (size_t i = 0; i < work->host_len; i++) {
        cor_host_lease_cancel(work->hosts[i]);
    }
}

bool cor_worker_priv_expose_host(CorWork *work, CorHostLease *host, CorError *err)
{
    CorWorker *worker = work->worker;

    (void) pthread_mutex_lock(&worker->mutex);
    bool is_stopped = work->stop != COR_WORK_GOES_ON;
    if (!is_stopped) {
        assert(work->host_len < COR_WORK_HOSTS);
        work->hosts[work->host_len++] = host;
    }
    (void) pthread_mutex_unlock(&worker->mutex);
    return is_stopped ? cor_fail(err, COR_ERR_CANCELLED, "the job was stopped") : true;
}

void cor_worker_priv_hide_host(CorWork *work, const CorHostLease *host)
{
    (void) pthread_mutex_lock(&work->worker->mutex);
    for (size_t i = 0; i < work->host_len; i++) {
        if (work->hosts[i] == host) {
            work->hosts[i] = work->hosts[--work->host_len];
            break;
        }
    }
    (void) pthread_mutex_unlock(&work->worker->mutex);
}

void cor_worker_priv_cancel_hosts(CorWork *work)
{
    (void) pthread_mutex_lock(&work->worker->mutex);
    for (size_t i = 0; i < work->host_len; i++) {
        cor_host_lease_cancel(work->hosts[i]);
    }
    (void) pthread_mutex_unlock(&work->worker->mutex);
}

CorWorkStop cor_worker_priv_begin_settling(CorWork *work)
{
    CorWorker *worker = work->worker;

    (void) pthread_mutex_lock(&worker->mutex);
    work->is_settling = true;
    while (work->is_renewing) {
        (void) pthread_cond_wait(&worker->changed, &worker->mutex);
    }
    CorWorkStop stop = work->stop;
    (void) pthread_mutex_unlock(&worker->mutex);
    return stop;
}

bool cor_worker_priv_note_timeout(CorWorker *worker, const char *message_id)
{
    bool is_known = false;

    (void) pthread_mutex_lock(&worker->mutex);
    for (size_t i = 0; i < COR_WORKER_TIMEOUTS && !is_known; i++) {
        is_known = strcmp(worker->timeouts[i], message_id) == 0;
    }
    if (!is_known) {
        char *slot = worker->timeouts[worker->timeout_len++ % COR_WORKER_TIMEOUTS];
        (void) snprintf(slot, COR_UUID_SIZE, "%s", message_id);
    }
    (void) pthread_mutex_unlock(&worker->mutex);
    return is_known;
}

bool cor_worker_cancel(CorWorker *worker, const char *job_id)
{
    bool is_held = false;

    (void) pthread_mutex_lock(&worker->mutex);
    for (CorWork *work = worker->held; work; work = work->next) {
        if (strcmp(work->request.job_id, job_id) == 0) {
            stop_work(work, COR_WORK_CANCELLED);
            is_held = work->stop == COR_WORK_CANCELLED && !work->is_settling;
        }
    }
    (void) pthread_mutex_unlock(&worker->mutex);
    return is_held;
}

static void hold(CorWork *work)
{
    CorWorker *worker = work->worker;

    (void) pthread_mutex_lock(&worker->mutex);
    work->lease_until_ms = cor_message_lease_end_ms(work->message);
    work->next = worker->held;
    worker->held = work;
    if (atomic_load(&worker->is_stopping)) {
        stop_work(work, COR_WORK_SHUTDOWN);
    }
    (void) pthread_mutex_unlock(&worker->mutex);
}

static void let_go(CorWork *work)
{
    CorWorker *worker = work->worker;

    (void) cor_worker_priv_begin_settling(work);
    (void) pthread_mutex_lock(&worker->mutex);
    for (CorWork **slot = &worker->held; *slot; slot = &(*slot)->next) {
        if (*slot == work) {
            *slot = work->next;
            break;
        }
    }
    (void) pthread_cond_broadcast(&worker->changed);
    (void) pthread_mutex_unlock(&worker->mutex);
}

/* --- slots --- */

static void on_arrival(void *context)
{
    CorWorker *worker = context;

    (void) pthread_mutex_lock(&worker->wake_mutex);
    worker->arrivals++;
    (void) pthread_cond_broadcast(&worker->wake); /* one call may announce many messages */
    (void) pthread_mutex_unlock(&worker->wake_mutex);
}

static uint64_t count_arrivals(CorWorker *worker)
{
    (void) pthread_mutex_lock(&worker->wake_mutex);
    uint64_t arrivals = worker->arrivals;
    (void) pthread_mutex_unlock(&worker->wake_mutex);
    return arrivals;
}

/* Wait for an arrival after those that were seen, or for the worker's end. */
static void wait_for_arrival(CorWorker *worker, uint64_t seen)
{
    (void) pthread_mutex_lock(&worker->wake_mutex);
    while (!atomic_load(&worker->is_stopping) && worker->arrivals == seen) {
        (void) pthread_cond_wait(&worker->wake, &worker->wake_mutex);
    }
    (void) pthread_mutex_unlock(&worker->wake_mutex);
}

/* --- a store that is away --- */

int64_t cor_worker_priv_doubled(int64_t first_ms, int times, int64_t max_ms)
{
    int64_t delay_ms = first_ms;

    for (int i = 0; i < times && delay_ms < max_ms; i++) {
        delay_ms *= 2;
    }
    return COR_MIN(delay_ms, max_ms);
}

void cor_worker_priv_store_is_away(CorWorker *worker)
{
    int64_t now_ms = cor_time_ms();

    (void) pthread_mutex_lock(&worker->wake_mutex);
    if (worker->store_retry_ms <= now_ms) { /* else another slot has just said so */
        worker->store_retry_ms =
            now_ms + cor_worker_priv_doubled(STORE_FIRST_MS, worker->store_trials, STORE_MAX_MS);
        worker->store_trials++;
    }
    (void) pthread_mutex_unlock(&worker->wake_mutex);
}

void cor_worker_priv_store_is_fine(CorWorker *worker)
{
    (void) pthread_mutex_lock(&worker->wake_mutex);
    bool was_away = worker->store_retry_ms > 0;
    worker->store_retry_ms = 0;
    worker->store_trials = 0;
    if (was_away) {
        (void) pthread_cond_broadcast(&worker->wake);
    }
    (void) pthread_mutex_unlock(&worker->wake_mutex);
}

void cor_worker_store_is_back(CorWorker *worker)
{
    (void) pthread_mutex_lock(&worker->wake_mutex);
    if (worker->store_retry_ms > 0) {
        worker->store_retry_ms = cor_time_ms(); /* the next job will tell whether it is true */
        (void) pthread_cond_broadcast(&worker->wake);
    }
    (void) pthread_mutex_unlock(&worker->wake_mutex);
}

static void wait_for_store(CorWorker *worker)
{
    (void) pthread_mutex_lock(&worker->wake_mutex);
    while (!atomic_load(&worker->is_stopping) && worker->store_retry_ms > cor_time_ms()) {
        (void) cor_cond_wait_until(&worker->wake, &worker->wake_mutex, worker->store_retry_ms);
    }
    (void) pthread_mutex_unlock(&worker->wake_mutex);
}

bool cor_worker_priv_pause(CorWorker *worker, int64_t pause_ms)
{
    int64_t deadline_ms = cor_time_ms() + pause_ms;

    (void) pthread_mutex_lock(&worker->wake_mutex);
    while (!atomic_load(&worker->is_stopping) &&
           cor_cond_wait_until(&worker->wake, &worker->wake_mutex, deadline_ms)) {
    }
    (void) pthread_mutex_unlock(&worker->wake_mutex);
    return !atomic_load(&worker->is_stopping);
}

/* --- what a slot does --- */

/* Later, and no attempt: what is missing is ours. */
static void postpone_message(CorWorker *worker, CorQueue *queue, CorMessage *message,
                             const CorError *why)
{
    CorError err = {0};

    cor_log_warning("request waits", COR_F("message", cor_message_id(message)),
                    COR_F("error", why->text));
    cor_worker_priv_store_is_away(worker);
    if (!cor_queue_release(queue, message, TROUBLE_WAIT_MS, false, &err)) {
        cor_log_warning("message not settled, its lease will end",
                        COR_F("message", cor_message_id(message)), COR_F("error", err.text));
    }
}

/* A message that is no request goes to the dead letters, after its job was told to have failed
 * (invariants 3 and 8). */
static void refuse_message(CorWorker *worker, CorQueue *queue, CorMessage *message,
                           const CorError *why)
{
    CorError err = {0};

    if (why->code == COR_ERR_NOMEM) {
        postpone_message(worker, queue, message, why);
        return;
    }
    cor_log_error("request cannot be read", COR_F("message", cor_message_id(message)),
                  COR_F("error", why->text));
    if (!cor_worker_priv_send_refusal(worker, queue, message, why->text, &err)) {
        if (cor_error_is_transient(&err) || err.code == COR_ERR_NOMEM) {
            postpone_message(worker, queue, message, &err);
            return;
        }
        cor_log_error("result of an unreadable request not sent",
                      COR_F("message", cor_message_id(message)), COR_F("error", err.text));
        err = (CorError){0};
    }
    if (!cor_queue_fail(queue, message, why->text, &err)) {
        cor_log_warning("message not settled, its lease will end",
                        COR_F("message", cor_message_id(message)), COR_F("error", err.text));
    }
}

static void handle(CorWorker *worker, CorQueue *queue, CorMessage *message)
{
    CorError err = {0};
    CorWork work = {
        .worker = worker, .queue = queue, .message = message, .claimed_us = cor_time_us()};

    if (!cor_request_parse(cor_message_body(message), cor_message_size(message), &work.request,
                           &err)) {
        refuse_message(worker, queue, message, &err);
        return;
    }
    hold(&work);
    cor_worker_priv_work(&work);
    let_go(&work);
    cor_request_done(&work.request);
}

/* Look through all queues once, from the given one on; true if there was work. */
static bool serve_round(CorWorker *worker, size_t first, bool *ret_trouble)
{
    CorQueueReceive how = {.lease_ms = worker->options.lease_ms, .wait_ms = 0, .max = 1};

    for (size_t i = 0; i < worker->options.request_len; i++) {
        CorQueue *queue = worker->requests[(first + i) % worker->options.request_len];
        COR_CLEANUP(cor_message_freep) CorMessage *message = NULL;
        CorError err = {0};
        size_t len = 0;

        if (!cor_queue_receive(queue, &how, &message, &len, &err)) {
            if (!atomic_exchange(&worker->has_told_trouble, true)) {
                cor_log_warning("queue does not answer, retrying",
                                COR_F("queue", cor_queue_name(queue)), COR_F("error", err.text));
            }
            *ret_trouble = true;
            continue;
        }
        if (len == 1) {
            handle(worker, queue, message);
            return true;
        }
    }
    if (!*ret_trouble) {
        atomic_store(&worker->has_told_trouble, false);
    }
    return false;
}

static void run_slot(void *context)
{
    CorWorker *worker = context;

    for (size_t turn = 0; !atomic_load(&worker->is_stopping); turn++) {
        wait_for_store(worker);
        uint64_t seen = count_arrivals(worker);
        bool trouble = false;

        if (serve_round(worker, turn, &trouble)) {
            continue;
        }
        if (trouble) {
            (void) cor_worker_priv_pause(worker, TROUBLE_WAIT_MS); /* whatever arrives */
        } else {
            wait_for_arrival(worker, seen);
        }
    }
}

/* --- leases --- */

/* The next work whose lease is due at now_ms, marked as being renewed; NULL if there is none. */
static CorWork *take_due(CorWorker *worker, int64_t now_ms)
{
    int64_t renew_before_ms = worker->options.lease_ms / RENEWALS_PER_LEASE * 2;
    CorWork *due = NULL;

    (void) pthread_mutex_lock(&worker->mutex);
    for (CorWork *work = worker->held; work && !due; work = work->next) {
        if (work->stop == COR_WORK_GOES_ON && !work->is_settling && work->renewed_ms != now_ms &&
            work->lease_until_ms - now_ms <= renew_before_ms) {
            work->is_renewing = true;
            work->renewed_ms = now_ms;
            due = work;
        }
    }
    (void) pthread_mutex_unlock(&worker->mutex);
    return due;
}

static void renew(CorWork *work)
{
    CorWorker *worker = work->worker;
    int64_t interval_ms = worker->options.lease_ms / RENEWALS_PER_LEASE;
    CorError err = {0};

    bool ok = cor_queue_extend(work->queue, work->message, worker->options.lease_ms, &err);

    (void) pthread_mutex_lock(&worker->mutex);
    if (ok) {
        work->lease_until_ms = cor_message_lease_end_ms(work->message);
    } else if (!cor_error_is_transient(&err) ||
               work->lease_until_ms - cor_time_ms() <= interval_ms) {
        stop_work(work, COR_WORK_LEASE_LOST);
    }
    work->is_renewing = false;
    (void) pthread_cond_broadcast(&worker->changed);
    (void) pthread_mutex_unlock(&worker->mutex);
}

/* Sleep until the next round; false when the worker stops and nothing is held any more. */
static bool wait_for_round(CorWorker *worker)
{
    int64_t deadline_ms = cor_time_ms() + worker->options.lease_ms / RENEWALS_PER_LEASE / 2;

    (void) pthread_mutex_lock(&worker->mutex);
    while (!(atomic_load(&worker->is_stopping) && !worker->held) &&
           cor_cond_wait_until(&worker->changed, &worker->mutex, deadline_ms)) {
    }
    bool goes_on = !(atomic_load(&worker->is_stopping) && !worker->held);
    (void) pthread_mutex_unlock(&worker->mutex);
    return goes_on;
}

static void run_renewer(void *context)
{
    CorWorker *worker = context;

    while (wait_for_round(worker)) {
        int64_t now_ms = cor_time_ms();
        for (CorWork *work = NULL; (work = take_due(worker, now_ms));) {
            renew(work);
        }
    }
}

/* --- start and stop --- */

static bool start_threads(CorWorker *worker, CorError *err)
{
    for (size_t i = 0; i < worker->options.slots; i++) {
        if (!cor_thread_start("worker", 0, run_slot, worker, &worker->threads[i], err)) {
            return false;
        }
        worker->thread_len++;
    }
    return cor_thread_start("leases", COR_THREAD_STACK_SMALL, run_renewer, worker, &worker->renewer,
                            err);
}

bool cor_worker_start(const CorWorkerOptions *options, CorWorker **ret_worker, CorError *err)
{
    CorWorker *worker = cor_new(CorWorker);

    if (!worker) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the worker");
    }
    worker->options = *options;
    worker->requests = cor_new_array(CorQueue *, options->request_len);
    worker->threads = cor_new_array(CorThread *, options->slots);
    (void) pthread_mutex_init(&worker->mutex, NULL);
    (void) pthread_mutex_init(&worker->wake_mutex, NULL);
    if (!worker->requests || !worker->threads) {
        cor_worker_stop(worker);
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the worker");
    }
    memcpy(worker->requests, options->requests, options->request_len * sizeof(CorQueue *));
    if (!cor_cond_init(&worker->wake, err) || !cor_cond_init(&worker->changed, err)) {
        cor_worker_stop(worker);
        return false;
    }
    for (size_t i = 0; i < options->request_len; i++) {
        cor_queue_watch(worker->requests[i], on_arrival, worker);
    }
    if (!start_threads(worker, err)) {
        cor_worker_stop(worker);
        return false;
    }
    *ret_worker = worker;
    return true;
}

void cor_worker_drain(CorWorker *worker, int64_t drain_ms)
{
    int64_t deadline_ms = cor_time_ms() + drain_ms;

    if (!worker) {
        return;
    }
    (void) pthread_mutex_lock(&worker->wake_mutex);
    atomic_store(&worker->is_stopping, true);
    (void) pthread_cond_broadcast(&worker->wake);
    (void) pthread_mutex_unlock(&worker->wake_mutex);

    (void) pthread_mutex_lock(&worker->mutex);
    while (worker->held && cor_cond_wait_until(&worker->changed, &worker->mutex, deadline_ms)) {
    }
    for (CorWork *work = worker->held; work; work = work->next) {
        stop_work(work, COR_WORK_SHUTDOWN);
    }
    while (worker->held) {
        (void) pthread_cond_wait(&worker->changed, &worker->mutex);
    }
    (void) pthread_cond_broadcast(&worker->changed);
    (void) pthread_mutex_unlock(&worker->mutex);
}

void cor_worker_stop(CorWorker *worker)
{
    if (!worker) {
        return;
    }
    for (size_t i = 0; worker->requests && i < worker->options.request_len; i++) {
        if (worker->requests[i]) {
            cor_queue_watch(worker->requests[i], NULL, NULL);
        }
    }
    if (worker->thread_len > 0) {
        cor_worker_drain(worker, 0);
    }
    for (size_t i = 0; i < worker->thread_len; i++) {
        cor_thread_join(worker->threads[i]);
    }
    cor_thread_join(worker->renewer);
    (void) pthread_cond_destroy(&worker->wake);
    (void) pthread_cond_destroy(&worker->changed);
    (void) pthread_mutex_destroy(&worker->mutex);
    (void) pthread_mutex_destroy(&worker->wake_mutex);
    free(worker->threads);
    free(worker->requests);
    free(worker);
}
