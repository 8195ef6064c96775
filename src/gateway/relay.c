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
#include "program/failpoint.h"
#include "program/log.h"

enum {
    BATCH = 64,
    PAUSE_FIRST_MS = 1000,
    PAUSE_MAX_MS = 30000,
    CANCEL_MS = 100,   /* between claiming a message and holding it a worker needs less */
    HELD_UP_MS = 200,  /* until results that were on their way are there */
    LETTERS_MS = 2000, /* between two looks at the number of dead letters, which costs nothing */
    LOST_MS = 10000,   /* between two searches for lost messages, until none is found */
};

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
    bool is_one_database;  /* queues and ledger: one commit order for both */

    /* Below: the relay's thread only */
    Row rows[BATCH];
    size_t row_len;
    int64_t after;       /* the last row of this round that was looked at */
    CorError trouble;    /* the first in this round */
    bool is_cancel_left; /* in this round: nobody holds a message that is leased */
    int64_t letters_ms;
    int64_t lost_ms;
    bool looks_for_lost;
    CorGatewaySearch search;
    bool has_told_reconcile;
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
    return cor_ledger_outbox(txn, ((CorRelay *) arg)->after, BATCH, take_row, arg, err);
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

/* Later: what can be done is done first.  The first reason is told. */
static void put_off(CorRelay *relay, const CorError *why)
{
    if (relay->trouble.code == COR_OK) {
        relay->trouble = *why;
    }
}

/* The row is what is wrong, not the store or this moment. */
static bool is_refused(const CorError *err)
{
    return !cor_error_is_transient(err) && err->code != COR_ERR_NOMEM && err->code != COR_ERR_IO;
}

static bool end_row(CorRelay *relay, Row *row, const char *code, const char *why, CorError *err)
{
    CorGatewayEnd end = {.job_id = row->job_id,
                         .algo_id = row->algo_id,
                         .client_id = row->client_id,
                         .code = code,
                         .why = why};

    row->is_done = cor_gateway_priv_end_job(relay->gateway, &end, err);
    return row->is_done;
}

/* The batch was refused: send row by row, so that one bad row costs one job. */
static bool send_each(CorRelay *relay, CorGatewayAlgo *algo, const CorQueueSend *sends,
                      Row *const *rows, size_t len, CorError *err)
{
    char message_id[COR_UUID_SIZE];

    for (size_t i = 0; i < len; i++) {
        CorError why = {0};

        rows[i]->is_done = cor_queue_send(algo->queue, &sends[i], message_id, &why);
        if (rows[i]->is_done) {
            continue;
        }
        if (!is_refused(&why)) {
            return cor_fail(err, why.code, "%s", why.text);
        }
        if (!end_row(relay, rows[i], "internal", why.text, err)) {
            return false;
        }
    }
    return true;
}

/* Send all requests of the batch that are for one algorithm.  In the ledger's own database they can
 * be sent again: the removal of the outbox row, which comes later, is never durable before them.
 * Another database has to be durable by itself (invariant 1). */
static bool send_requests(CorRelay *relay, CorGatewayAlgo *algo, CorError *err)
{
    CorQueueSend sends[BATCH];
    Row *rows[BATCH];
    CorError why = {0};
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
                                      .is_resendable = relay->is_one_database};
    }
    if (len == 0) {
        return true;
    }
    if (!cor_queue_send_many(algo->queue, sends, len, NULL, &why)) {
        return is_refused(&why) ? send_each(relay, algo, sends, rows, len, err)
                                : cor_fail(err, why.code, "%s", why.text);
    }
    for (size_t i = 0; i < len; i++) {
        rows[i]->is_done = true;
    }
    return true;
}

/* What is done no longer counts as unsent; if its row stays, it does again. */
static void count_done(CorRelay *relay, long long change)
{
    for (size_t i = 0; i < relay->row_len; i++) {
        const Row *row = &relay->rows[i];
        CorGatewayAlgo *algo = cor_gateway_priv_algo(relay->gateway, row->algo_id);
        if (algo && row->op == COR_OUTBOX_SEND && row->is_done) {
            (void) atomic_fetch_add(&algo->unsent, change);
        }
    }
}

/* The job is final already; take its message away, or stop whoever runs it.  Between the two, a
 * message is leased and nobody holds it yet, or any more: the row stays, and soon it is either
 * held, gone, or back in the line when its lease ends. */
static bool cancel_request(CorRelay *relay, Row *row, CorError *err)
{
    const CorGatewayAlgo *algo = cor_gateway_priv_algo(relay->gateway, row->algo_id);
    const CorGatewayHooks *hooks = &relay->gateway->hooks;
    CorError why = {0};
    bool is_removed = !algo;

    if (algo && !cor_queue_cancel(algo->queue, row->job_id, &is_removed, &why)) {
        if (why.code != COR_ERR_NOT_FOUND) {
            return cor_fail(err, why.code, "%s", why.text);
        }
        if (relay->trouble.code != COR_OK) {
            return true; /* perhaps its request is what could not be sent: first that */
        }
        is_removed = true;
    }
    if (!is_removed && !hooks->cancel_run(hooks->context, row->job_id)) {
        relay->is_cancel_left = true;
        return true;
    }
    row->is_done = true;
    cor_gateway_priv_sweep_later(relay->gateway->sweeper);
    return true;
}

/* A job whose algorithm this program no longer has: it ends, and says so (invariant 3). */
static bool end_orphan(CorRelay *relay, Row *row, CorError *err)
{
    return cor_gateway_priv_algo(relay->gateway, row->algo_id) ||
           end_row(relay, row, "unsupported", "this server no longer has the algorithm", err);
}

static void carry_out(CorRelay *relay)
{
    for (size_t i = 0; i < relay->gateway->algo_len; i++) {
        CorError err = {0};
        CorGatewayAlgo *algo = &relay->gateway->algos[i];
        if (!algo->is_put_off && !send_requests(relay, algo, &err)) {
            algo->is_put_off = true; /* what comes behind in the same group may not be before */
            put_off(relay, &err);
        }
    }
    count_done(relay, -1);
    COR_FAILPOINT(AFTER_RELAY);
    for (size_t i = 0; i < relay->row_len; i++) {
        Row *row = &relay->rows[i];
        CorError err = {0};
        if (!(row->op == COR_OUTBOX_CANCEL ? cancel_request(relay, row, &err)
                                           : row->is_done || end_orphan(relay, row, &err))) {
            put_off(relay, &err);
        }
    }
}

/* One batch of the rows after relay->after; *ret_more is true if there may be another.  False if
 * the ledger does not answer. */
static bool relay_batch(CorRelay *relay, bool *ret_more, CorError *err)
{
    (void) pthread_mutex_lock(&relay->batch);
    bool ok = cor_sql_read(relay->gateway->options.ledger, read_rows, relay, err);
    if (ok && relay->row_len > 0) {
        carry_out(relay);
        /* What was done is done, even if something beside it failed. */
        ok =
            cor_sql_write(relay->gateway->options.ledger, remove_rows, relay, COR_SQL_RELAXED, err);
        if (!ok) {
            count_done(relay, 1);
        }
        relay->after = relay->rows[relay->row_len - 1].number;
    }
    *ret_more = relay->row_len == BATCH;
    clear_rows(relay);
    (void) pthread_mutex_unlock(&relay->batch);
    return ok;
}

/* Go through the whole outbox once.  What cannot be done is passed over, so that it is in nobody's
 * way. */
static bool relay_all(CorRelay *relay, CorError *err)
{
    bool is_more = true;

    relay->after = 0;
    relay->trouble = (CorError){0};
    relay->is_cancel_left = false;
    for (size_t i = 0; i < relay->gateway->algo_len; i++) {
        relay->gateway->algos[i].is_put_off = false;
    }
    while (is_more) {
        if (!relay_batch(relay, &is_more, err)) {
            return false;
        }
    }
    return relay->trouble.code == COR_OK
               ? true
               : cor_fail(err, relay->trouble.code, "%s", relay->trouble.text);
}

static bool is_searching(const CorRelay *relay)
{
    return relay->looks_for_lost && cor_time_ms() >= relay->lost_ms;
}

/* One page, so that what is accepted meanwhile does not wait for the whole search. */
static bool search_page(CorRelay *relay, int64_t now_ms, CorError *err)
{
    if (!is_searching(relay)) {
        return true;
    }
    bool ok = cor_gateway_priv_find_lost(relay->gateway, &relay->search, err);
    if (!ok || relay->search.is_over) {
        relay->looks_for_lost = !ok || relay->search.waits;
        relay->lost_ms = now_ms + LOST_MS;
        relay->search = (CorGatewaySearch){0};
    } else if (relay->search.is_held_up) {
        relay->lost_ms = now_ms + HELD_UP_MS;
    }
    return ok;
}

/* Jobs that nobody would end; failing only means to look again. */
static void reconcile(CorRelay *relay)
{
    int64_t now_ms = cor_time_ms();
    CorError err = {0};
    bool waits = false;
    bool ok = true;

    if (now_ms >= relay->letters_ms) {
        ok = cor_gateway_priv_check_letters(relay->gateway, &waits, &err);
        relay->letters_ms = now_ms + LETTERS_MS;
    }
    ok = ok && search_page(relay, now_ms, &err);
    if (!ok && !relay->has_told_reconcile) {
        cor_log_warning("jobs and queues cannot be compared, retrying", COR_F("error", err.text));
    }
    relay->has_told_reconcile = !ok;
}

/* --- the thread --- */

/* Wait to be woken, or if there is a pause only for its end; false when the relay stops. */
static bool wait_for_rows(CorRelay *relay, int64_t pause_ms)
{
    int64_t most_ms = pause_ms > 0            ? pause_ms
                      : is_searching(relay)   ? 0
                      : relay->is_cancel_left ? CANCEL_MS
                      : relay->looks_for_lost ? HELD_UP_MS
                                              : LETTERS_MS;
    int64_t deadline_ms = cor_time_ms() + most_ms;

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

        if (relay_all(relay, &err)) {
            pause_ms = 0;
            reconcile(relay);
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

/* Another way to write the same path only costs a sync. */
static bool is_one_database(const CorConfig *config)
{
    static const char scheme[] = "sqlite:";
    static const char name[] = "/corsia.db";
    size_t size = strlen(config->data);

    if (strncmp(config->queue, scheme, sizeof(scheme) - 1) != 0) {
        return false;
    }
    const char *path = config->queue + sizeof(scheme) - 1;
    return strncmp(path, config->data, size) == 0 && strcmp(path + size, name) == 0;
}

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
    relay->looks_for_lost = true;
    relay->is_one_database = is_one_database(gateway->options.config);
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
