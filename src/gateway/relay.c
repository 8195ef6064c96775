/* SPDX-License-Identifier: Apache-2.0 */
/* From the outbox to the queues.
 *
 * A row is written in the transaction that accepts or cancels a job.  The relay's thread carries it
 * out and removes it; after a crash in between it carries it out again, which changes nothing: a
 * request is deduplicated by its job id, and taking a message off a queue twice takes it off once.
 *
 *   WAITING --woken--> RELAYING --outbox empty--> WAITING
 *                          |  ^
 *                     store away: pause, 1 s doubling to 30 s, or until it is back
 */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "job/result.h"
#include "program/failpoint.h"
#include "program/log.h"

enum { BATCH = 64, PAUSE_FIRST_MS = 1000, PAUSE_MAX_MS = 30000 };

typedef struct Row {
    int64_t number;
    CorOutboxOp op;
    char *job_id;
    char *client_id;
    char *algo_id;
    char *group;
    char *request;
    bool is_done;
} Row;

struct CorRelay {
    CorGateway *gateway;
    CorThread *thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool is_woken;         /* guarded by mutex */
    bool is_hurried;       /* guarded by mutex: the store is back, no pause any more */
    bool is_stopping;      /* guarded by mutex */
    pthread_mutex_t batch; /* held while rows are carried out: cor_gateway_priv_relay_when_idle() */
    Row rows[BATCH];
    size_t row_len;
};

static void clear_rows(CorRelay *relay)
{
    for (size_t i = 0; i < relay->row_len; i++) {
        Row *row = &relay->rows[i];
        free(row->job_id);
        free(row->client_id);
        free(row->algo_id);
        free(row->group);
        free(row->request);
        *row = (Row){0};
    }
    relay->row_len = 0;
}

static bool take_row(void *context, const CorOutboxRow *from, CorError *err)
{
    CorRelay *relay = context;
    Row *row = &relay->rows[relay->row_len++];

    row->number = from->number;
    row->op = from->op;
    row->job_id = strdup(from->job_id);
    row->client_id = strdup(from->client_id);
    row->algo_id = strdup(from->algo_id);
    row->group =
        strdup(from->order_group && from->order_group[0] ? from->order_group : from->job_id);
    row->request = strdup(from->request ? from->request : "");
    if (!row->job_id || !row->client_id || !row->algo_id || !row->group || !row->request) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the outbox");
    }
    return true;
}

static bool read_rows(CorSqlTxn *txn, void *arg, CorError *err)
{
    return cor_ledger_outbox(txn, 0, BATCH, take_row, arg, err);
}

static bool remove_rows(CorSqlTxn *txn, void *arg, CorError *err)
{
    CorRelay *relay = arg;
    int64_t numbers[BATCH];
    size_t len = 0;

    for (size_t i = 0; i < relay->row_len; i++) {
        if (relay->rows[i].is_done) {
            numbers[len++] = relay->rows[i].number;
        }
    }
    return len == 0 || cor_ledger_outbox_done(txn, numbers, len, err);
}

/* --- carrying out --- */

/* Send all requests of the batch that are for one algorithm.  They can be sent again: the outbox
 * row goes only afterwards. */
static bool send_requests(CorRelay *relay, CorGatewayAlgo *algo, CorError *err)
{
    CorQueueSend sends[BATCH];
    Row *rows[BATCH];
    size_t len = 0;

    for (size_t i = 0; i < relay->row_len; i++) {
        Row *row = &relay->rows[i];
        if (row->op != COR_OUTBOX_SEND || row->is_done ||
            strcmp(row->algo_id, algo->algo->id) != 0) {
            continue;
        }
        rows[len] = row;
        sends[len++] = (CorQueueSend){.group_id = row->group,
                                      .dedup_id = row->job_id,
                                      .client_id = row->client_id,
                                      .body = row->request,
                                      .body_size = strlen(row->request),
                                      .is_resendable = true};
    }
    if (len > 0 && !cor_queue_send_many(algo->queue, sends, len, NULL, err)) {
        return false;
    }
    (void) atomic_fetch_sub(&algo->unsent, (long long) len);
    for (size_t i = 0; i < len; i++) {
        rows[i]->is_done = true;
    }
    return true;
}

/* The job is final already; take its message away, or stop whoever runs it. */
static bool cancel_request(CorRelay *relay, Row *row, CorError *err)
{
    const CorGatewayAlgo *algo = cor_gateway_priv_algo(relay->gateway, row->algo_id);
    CorError why = {0};
    bool is_removed = false;

    if (algo && !cor_queue_cancel(algo->queue, row->job_id, &is_removed, &why)) {
        if (why.code != COR_ERR_NOT_FOUND) {
            return cor_fail(err, why.code, "%s", why.text);
        }
        is_removed = true;
    }
    if (!is_removed) {
        relay->gateway->hooks.cancel_run(relay->gateway->hooks.context, row->job_id);
    }
    row->is_done = true;
    cor_gateway_priv_sweep_later(relay->gateway->sweeper);
    return true;
}

/* A job whose algorithm this program no longer has: it ends, and says so (invariant 3). */
static bool fail_orphan(CorSqlTxn *txn, void *arg, CorError *err)
{
    const Row *row = arg;
    COR_CLEANUP(cor_json_freep)
    json_t *event = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o}", "type", "result", "job_id", row->job_id, "algo_id",
        row->algo_id, "client_id", row->client_id, "status", "failed", "error",
        cor_result_error("unsupported", "this server no longer has the algorithm", "queued", 0));
    char *text = event ? cor_json_text(event) : NULL;
    int64_t seq = 0;
    bool is_first = false;

    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an event");
    }
    CorFinal final = {.job_id = row->job_id,
                      .state = COR_JOB_FAILED,
                      .event = text,
                      .now_unix_ms = cor_time_unix_ms()};
    bool ok = cor_ledger_finish(txn, &final, &seq, &is_first, err);
    free(text);
    return ok;
}

static bool end_orphans(CorRelay *relay, CorError *err)
{
    for (size_t i = 0; i < relay->row_len; i++) {
        Row *row = &relay->rows[i];
        if (row->op != COR_OUTBOX_SEND || row->is_done) {
            continue;
        }
        if (!cor_sql_write(relay->gateway->options.ledger, fail_orphan, row, COR_SQL_SYNCED, err)) {
            return false;
        }
        row->is_done = true;
        cor_deliver_wake(relay->gateway->deliver, row->client_id);
    }
    return true;
}

static bool carry_out(CorRelay *relay, CorError *err)
{
    bool ok = true;

    for (size_t i = 0; ok && i < relay->gateway->algo_len; i++) {
        ok = send_requests(relay, &relay->gateway->algos[i], err);
    }
    COR_FAILPOINT(AFTER_RELAY);
    for (size_t i = 0; ok && i < relay->row_len; i++) {
        if (relay->rows[i].op == COR_OUTBOX_CANCEL) {
            ok = cancel_request(relay, &relay->rows[i], err);
        }
    }
    return ok && end_orphans(relay, err);
}

/* One batch; *ret_more is true if there may be another. */
static bool relay_batch(CorRelay *relay, bool *ret_more, CorError *err)
{
    CorError later = {0};

    (void) pthread_mutex_lock(&relay->batch);
    bool ok = cor_sql_read(relay->gateway->options.ledger, read_rows, relay, err);
    if (ok && relay->row_len > 0) {
        ok = carry_out(relay, err);
        /* What was done is done, even if something behind it failed. */
        if (!cor_sql_write(relay->gateway->options.ledger, remove_rows, relay, COR_SQL_RELAXED,
                           &later) &&
            ok) {
            ok = cor_fail(err, later.code, "%s", later.text);
        }
    }
    *ret_more = ok && relay->row_len == BATCH;
    clear_rows(relay);
    (void) pthread_mutex_unlock(&relay->batch);
    return ok;
}

/* --- the thread --- */

/* Wait to be woken, or only for a pause; false when the relay stops. */
static bool wait_for_rows(CorRelay *relay, int64_t pause_ms)
{
    int64_t deadline_ms = pause_ms > 0 ? cor_time_ms() + pause_ms : INT64_MAX;

    (void) pthread_mutex_lock(&relay->mutex);
    while (!relay->is_stopping && !relay->is_hurried && (pause_ms > 0 || !relay->is_woken)) {
        if (!cor_cond_wait_until(&relay->wake, &relay->mutex, deadline_ms)) {
            break;
        }
    }
    relay->is_woken = false;
    relay->is_hurried = false;
    bool goes_on = !relay->is_stopping;
    (void) pthread_mutex_unlock(&relay->mutex);
    return goes_on;
}

static void run_relay(void *context)
{
    CorRelay *relay = context;
    int64_t pause_ms = 0;

    while (wait_for_rows(relay, pause_ms)) {
        CorError err = {0};
        bool is_more = true;
        bool ok = true;

        while (ok && is_more) {
            ok = relay_batch(relay, &is_more, &err);
        }
        if (ok) {
            pause_ms = 0;
            continue;
        }
        atomic_store(&relay->gateway->store_is_fine, false);
        if (pause_ms == 0) {
            cor_log_warning("jobs cannot be queued, retrying", COR_F("error", err.text));
        }
        pause_ms = pause_ms == 0 ? PAUSE_FIRST_MS : COR_MIN(pause_ms * 2, (int64_t) PAUSE_MAX_MS);
    }
}

void cor_gateway_priv_relay_wake(CorRelay *relay)
{
    if (!relay) {
        return; /* not started yet: it begins with whatever is in the outbox */
    }
    (void) pthread_mutex_lock(&relay->mutex);
    relay->is_woken = true;
    (void) pthread_cond_signal(&relay->wake);
    (void) pthread_mutex_unlock(&relay->mutex);
}

void cor_gateway_priv_relay_hurry(CorRelay *relay)
{
    if (!relay) {
        return;
    }
    (void) pthread_mutex_lock(&relay->mutex);
    relay->is_hurried = true;
    (void) pthread_cond_signal(&relay->wake);
    (void) pthread_mutex_unlock(&relay->mutex);
}

/* --- idleness --- */

static bool count_live_jobs(CorSqlTxn *txn, void *arg, CorError *err)
{
    int64_t counts[COR_JOB_STATE_COUNT_] = {0};

    if (!cor_ledger_counts(txn, counts, err)) {
        return false;
    }
    *(int64_t *) arg = counts[COR_JOB_QUEUED] + counts[COR_JOB_RUNNING];
    return true;
}

static bool queue_is_empty(CorQueue *queue)
{
    CorQueueStats stats = {0};

    return cor_queue_stats(queue, &stats, NULL) &&
           stats.visible + stats.in_flight + stats.delayed == 0;
}

static bool is_idle(CorGateway *gateway)
{
    int64_t live = 0;

    for (size_t i = 0; i < gateway->algo_len; i++) {
        if (!queue_is_empty(gateway->algos[i].queue)) {
            return false;
        }
    }
    return queue_is_empty(gateway->options.results) &&
           cor_sql_read(gateway->options.ledger, count_live_jobs, &live, NULL) && live == 0;
}

bool cor_gateway_priv_relay_when_idle(CorRelay *relay, void (*run)(void *context), void *context)
{
    (void) pthread_mutex_lock(&relay->batch);
    bool idle = is_idle(relay->gateway);
    if (idle) {
        run(context);
    }
    (void) pthread_mutex_unlock(&relay->batch);
    return idle;
}

/* --- counting --- */

typedef struct Count {
    CorGateway *gateway;
    int64_t last;
    size_t len;
} Count;

static bool count_row(void *context, const CorOutboxRow *row, CorError *err)
{
    Count *count = context;
    CorGatewayAlgo *algo = cor_gateway_priv_algo(count->gateway, row->algo_id);
    (void) err;

    if (algo && row->op == COR_OUTBOX_SEND) {
        (void) atomic_fetch_add(&algo->unsent, 1);
    }
    count->last = row->number;
    count->len++;
    return true;
}

static bool count_page(CorSqlTxn *txn, void *arg, CorError *err)
{
    Count *count = arg;

    count->len = 0;
    return cor_ledger_outbox(txn, count->last, BATCH, count_row, count, err);
}

bool cor_gateway_priv_count_unsent(CorGateway *gateway, CorError *err)
{
    Count count = {.gateway = gateway};

    do {
        if (!cor_sql_read(gateway->options.ledger, count_page, &count, err)) {
            return false;
        }
    } while (count.len == BATCH);
    return true;
}

/* --- start and stop --- */

bool cor_gateway_priv_relay_new(CorGateway *gateway, CorRelay **ret_relay, CorError *err)
{
    CorRelay *relay = cor_new(CorRelay);

    if (!relay) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the relay");
    }
    if (!cor_cond_init(&relay->wake, err)) {
        free(relay);
        return false;
    }
    relay->gateway = gateway;
    relay->is_woken = true; /* what a crash left in the outbox */
    (void) pthread_mutex_init(&relay->mutex, NULL);
    (void) pthread_mutex_init(&relay->batch, NULL);
    *ret_relay = relay;
    return true;
}

bool cor_gateway_priv_relay_run(CorRelay *relay, CorError *err)
{
    return cor_thread_start("relay", 0, run_relay, relay, &relay->thread, err);
}

void cor_gateway_priv_relay_halt(CorRelay *relay)
{
    if (!relay) {
        return;
    }
    (void) pthread_mutex_lock(&relay->mutex);
    relay->is_stopping = true;
    (void) pthread_cond_signal(&relay->wake);
    (void) pthread_mutex_unlock(&relay->mutex);
    cor_thread_join(COR_TAKE(relay->thread));
}

void cor_gateway_priv_relay_free(CorRelay *relay)
{
    if (!relay) {
        return;
    }
    (void) pthread_cond_destroy(&relay->wake);
    (void) pthread_mutex_destroy(&relay->mutex);
    (void) pthread_mutex_destroy(&relay->batch);
    free(relay);
}
