/* SPDX-License-Identifier: Apache-2.0 */
/* Embedded queue: what is in memory.
 *
 * All queues of one file share a Store; each name is a Lane, which lives as long as its store.  The
 * rows are in SQLite (queue-rows.c); a lane keeps what must cost nothing to know: how many messages
 * are in each state, the current turn, and when the next delay or lease is over.  Those are changed
 * by apply() alone, on the writer thread, once a transaction is committed and in the order of the
 * commits, so memory never says more than the disk.
 *
 *   receive()  reserves up to `ready` messages in memory and only then asks the database; with
 *              nothing ready it waits for a signal without touching it.  Claims of several threads
 *              that come while a commit runs share the next one.
 *   timer      one thread per store, which sleeps until the earliest delay or lease is over.
 *              next_due_unix_ms may be too early (a lease was acknowledged), never too late.
 *   watches    are called outside of the mutex; `calls` lets an ending watch wait for them.
 *
 * Time is the wall clock when the store was opened plus the monotonic time since then: setting the
 * clock ends nobody's lease.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/time.h"
#include "driver/sql.h"
#include "queue/queue-rows.h"

#define RETRY_MS 1000 /* the timer's rest after a failure */

typedef struct SqliteQueue SqliteQueue;
typedef struct Store Store;

/* One name. */
typedef struct Lane {
    int64_t id;
    char name[COR_QUEUE_NAME_MAX + 1];
    pthread_cond_t arrived; /* with the store's mutex */

    /* Guarded by the store's mutex; changed on the writer thread only. */
    int64_t counts[COR_QUEUE_STATE_COUNT_];
    int64_t turn;
    int64_t next_due_unix_ms;

    int64_t reserved;    /* of the ready ones, on their way to a receiver; guarded by the mutex */
    SqliteQueue *queues; /* objects that are open; guarded by the mutex */
    struct Lane *next;   /* guarded by the mutex */
} Lane;

struct Store {
    CorSql *db;
    int refs;    /* guarded by stores_mutex */
    Store *next; /* guarded by stores_mutex */

    CorQueueCounters counters; /* writer thread only */
    pthread_t timer;

    pthread_mutex_t mutex;
    pthread_cond_t timer_wake;
    pthread_cond_t watch_idle;
    Lane *lanes;          /* guarded by mutex, as all below */
    CorQueueClock *clock; /* NULL: the machine's */
    void *clock_arg;
    int64_t opened_unix_ms;
    int64_t opened_ms;
    bool is_stopping;
};

struct SqliteQueue {
    CorQueue base; /* first */
    Store *store;
    Lane *lane;
    CorQueueWatch *watch; /* guarded by the store's mutex, as all below */
    void *watch_arg;
    int calls; /* of the watch, running now */
    SqliteQueue *next;
};

/* What every write has in common; first member of what a verb needs more. */
typedef struct Op {
    Store *store;
    Lane *lane;
    int64_t reserved;
    CorQueueRows rows;
    bool is_applied;
} Op;

static pthread_mutex_t stores_mutex = PTHREAD_MUTEX_INITIALIZER;
static Store *stores; /* guarded by stores_mutex */

static int64_t now_locked(const Store *store)
{
    return store->clock ? store->clock(store->clock_arg)
                        : store->opened_unix_ms + cor_time_ms() - store->opened_ms;
}

static int64_t store_now(Store *store)
{
    int64_t now = 0;

    pthread_mutex_lock(&store->mutex);
    now = now_locked(store);
    pthread_mutex_unlock(&store->mutex);
    return now;
}

static void wait_until_ms(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_ms)
{
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = (until_ms % 1000) * 1000000};

    (void) pthread_cond_timedwait(cond, mutex, &until);
}

static void init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* ---- after a commit ---- */

/* Wake who waits for messages of a lane and tell who watches it. */
static void tell(Store *store, Lane *lane)
{
    pthread_mutex_lock(&store->mutex);
    pthread_cond_broadcast(&lane->arrived);
    for (SqliteQueue *queue = lane->queues; queue; queue = queue->next) {
        CorQueueWatch *watch = queue->watch;
        void *arg = queue->watch_arg;

        if (!watch) {
            continue;
        }
        queue->calls++; /* keeps the object in the list */
        pthread_mutex_unlock(&store->mutex);
        watch(arg);
        pthread_mutex_lock(&store->mutex);
        if (--queue->calls == 0) {
            pthread_cond_broadcast(&store->watch_idle);
        }
    }
    pthread_mutex_unlock(&store->mutex);
}

static void give_back_reserved(Op *op)
{
    pthread_mutex_lock(&op->store->mutex);
    op->lane->reserved -= op->reserved;
    pthread_mutex_unlock(&op->store->mutex);
    if (op->reserved > 0) {
        tell(op->store, op->lane);
    }
    op->reserved = 0;
}

/* CorSqlDone of every write: bring memory up to what is on the disk. */
static void apply(void *arg, const CorError *err)
{
    Op *op = arg;
    Store *store = op->store;
    Lane *lane = op->lane;
    const CorQueueRows *rows = &op->rows;

    op->is_applied = true;
    if (err) {
        give_back_reserved(op);
        return;
    }
    pthread_mutex_lock(&store->mutex);
    for (int state = 0; state < COR_QUEUE_STATE_COUNT_; state++) {
        lane->counts[state] += rows->moved[state];
    }
    lane->turn = COR_MAX(lane->turn, rows->turn);
    lane->next_due_unix_ms = rows->is_next_due_exact
                                 ? rows->next_due_unix_ms
                                 : COR_MIN(lane->next_due_unix_ms, rows->next_due_unix_ms);
    lane->reserved -= op->reserved;
    op->reserved = 0;
    pthread_cond_signal(&store->timer_wake);
    pthread_mutex_unlock(&store->mutex);
    if (rows->woken > 0) {
        tell(store, lane);
    }
}

/* On the writer thread: a fresh look at clock and turn. */
static CorQueueRows *begin(Op *op, CorSqlTxn *txn)
{
    op->rows = (CorQueueRows){
        .txn = txn,
        .lane = op->lane->id,
        .now_unix_ms = store_now(op->store),
        .turn = op->lane->turn,
        .next_due_unix_ms = COR_QUEUE_NEVER,
    };
    return &op->rows;
}

static bool write_op(Op *op, CorSqlRun *run, CorSqlDurability durability, CorError *err)
{
    bool is_ok = cor_sql_write_then(op->store->db, run, apply, op, durability, err);

    if (!op->is_applied) { /* it never ran */
        give_back_reserved(op);
    }
    return is_ok;
}

static Op op_of(CorQueue *base)
{
    SqliteQueue *queue = (SqliteQueue *) base;

    return (Op){.store = queue->store, .lane = queue->lane};
}

/* ---- time ---- */

static bool run_due(CorSqlTxn *txn, void *arg, CorError *err)
{
    return cor_queue_priv_rows_due(begin(arg, txn), err);
}

/* The lane whose time comes first, or NULL. */
static Lane *next_due_lane(const Store *store)
{
    Lane *first = NULL;

    for (Lane *lane = store->lanes; lane; lane = lane->next) {
        if (!first || lane->next_due_unix_ms < first->next_due_unix_ms) {
            first = lane;
        }
    }
    return (first && first->next_due_unix_ms != COR_QUEUE_NEVER) ? first : NULL;
}

static void *timer_main(void *arg)
{
    Store *store = arg;
    int64_t rest_until_ms = 0;

    pthread_mutex_lock(&store->mutex);
    while (!store->is_stopping) {
        Lane *lane = next_due_lane(store);
        int64_t wait_ms = lane ? lane->next_due_unix_ms - now_locked(store) : 0;

        if (!lane) {
            pthread_cond_wait(&store->timer_wake, &store->mutex);
            continue;
        }
        wait_ms = COR_MAX(wait_ms, rest_until_ms - cor_time_ms());
        if (wait_ms > 0) {
            wait_until_ms(&store->timer_wake, &store->mutex, cor_time_ms() + wait_ms);
            continue;
        }
        Op op = {.store = store, .lane = lane};

        pthread_mutex_unlock(&store->mutex);
        if (!write_op(&op, run_due, COR_SQL_RELAXED, NULL)) {
            rest_until_ms = cor_time_ms() + RETRY_MS;
        }
        pthread_mutex_lock(&store->mutex);
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}

/* ---- open and close ---- */

typedef struct StartOp {
    int64_t now_unix_ms;
    CorQueueCounters counters;
} StartOp;

static bool run_start(CorSqlTxn *txn, void *arg, CorError *err)
{
    StartOp *op = arg;

    return cor_queue_priv_rows_start(txn, op->now_unix_ms, &op->counters, err);
}

static bool start_timer(Store *store, CorError *err)
{
    sigset_t all;
    sigset_t before;
    int rc = 0;

    sigfillset(&all); /* signals are the program's business */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&store->timer, NULL, timer_main, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return cor_fail_errno(err, rc, "start timer thread");
    }
    (void) pthread_setname_np(store->timer, "queue-timer");
    return true;
}

static bool open_store(CorSql *db, Store **ret_store, CorError *err)
{
    StartOp op = {.now_unix_ms = cor_time_unix_ms()};
    uint64_t random = 0;
    Store *store = NULL;

    if (!cor_random_bytes(&random, sizeof(random), err) ||
        !cor_sql_write(db, run_start, &op, COR_SQL_SYNCED, err)) {
        return false;
    }
    store = cor_new(Store);
    if (!store) {
        return cor_fail(err, COR_ERR_NOMEM, "open queue: out of memory");
    }
    store->db = db;
    store->refs = 1;
    store->counters = op.counters;
    /* A receipt of an earlier life must not fit a lease of this one. */
    store->counters.next_receipt = (int64_t) (random >> 2) + 1;
    store->opened_unix_ms = op.now_unix_ms;
    store->opened_ms = cor_time_ms();
    pthread_mutex_init(&store->mutex, NULL);
    init_cond(&store->timer_wake);
    init_cond(&store->watch_idle);
    if (!start_timer(store, err)) {
        pthread_cond_destroy(&store->watch_idle);
        pthread_cond_destroy(&store->timer_wake);
        pthread_mutex_destroy(&store->mutex);
        free(store);
        return false;
    }
    *ret_store = store;
    return true;
}

static void close_store(Store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->is_stopping = true;
    pthread_cond_signal(&store->timer_wake);
    pthread_mutex_unlock(&store->mutex);
    pthread_join(store->timer, NULL);
    cor_sql_close(store->db);
    while (store->lanes) {
        Lane *lane = store->lanes;

        store->lanes = lane->next;
        pthread_cond_destroy(&lane->arrived);
        free(lane);
    }
    pthread_cond_destroy(&store->watch_idle);
    pthread_cond_destroy(&store->timer_wake);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

/* With stores_mutex: the store of a file, opened if nobody has. */
static bool ref_store(const char *path, Store **ret_store, CorError *err)
{
    CorSql *db = NULL;
    Store *store = NULL;

    if (!cor_sql_open(path, NULL, &db, err)) {
        return false;
    }
    for (store = stores; store && store->db != db; store = store->next) {
    }
    if (store) {
        cor_sql_close(db); /* the store has its own reference */
        store->refs++;
    } else {
        if (!open_store(db, &store, err)) {
            cor_sql_close(db);
            return false;
        }
        store->next = stores;
        stores = store;
    }
    *ret_store = store;
    return true;
}

static void unref_store(Store *store)
{
    Store **link = &stores;

    if (--store->refs > 0) {
        return;
    }
    while (*link != store) {
        link = &(*link)->next;
    }
    *link = store->next;
    close_store(store);
}

typedef struct LaneOp {
    const char *name;
    int64_t id;
    CorQueueLaneFacts facts;
} LaneOp;

static bool run_lane(CorSqlTxn *txn, void *arg, CorError *err)
{
    LaneOp *op = arg;

    return cor_queue_priv_rows_lane(txn, op->name, &op->id, &op->facts, err);
}

static Lane *find_lane(Store *store, const char *name)
{
    Lane *lane = NULL;

    pthread_mutex_lock(&store->mutex);
    for (lane = store->lanes; lane && strcmp(lane->name, name) != 0; lane = lane->next) {
    }
    pthread_mutex_unlock(&store->mutex);
    return lane;
}

/* With stores_mutex, so that a lane is made once. */
static bool open_lane(Store *store, const char *name, Lane **ret_lane, CorError *err)
{
    LaneOp op = {.name = name};
    Lane *lane = find_lane(store, name);

    if (lane) {
        *ret_lane = lane;
        return true;
    }
    if (!cor_sql_write(store->db, run_lane, &op, COR_SQL_SYNCED, err)) {
        return false;
    }
    lane = cor_new(Lane);
    if (!lane) {
        return cor_fail(err, COR_ERR_NOMEM, "open queue: out of memory");
    }
    lane->id = op.id;
    snprintf(lane->name, sizeof(lane->name), "%s", name);
    memcpy(lane->counts, op.facts.counts, sizeof(lane->counts));
    lane->turn = op.facts.turn;
    lane->next_due_unix_ms = op.facts.next_due_unix_ms;
    init_cond(&lane->arrived);
    pthread_mutex_lock(&store->mutex);
    lane->next = store->lanes;
    store->lanes = lane;
    pthread_cond_signal(&store->timer_wake);
    pthread_mutex_unlock(&store->mutex);
    *ret_lane = lane;
    return true;
}

static bool sqlite_open(const CorUri *uri, const char *name, CorQueue **ret_queue, CorError *err)
{
    SqliteQueue *queue = cor_new(SqliteQueue);
    Store *store = NULL;

    if (!queue) {
        return cor_fail(err, COR_ERR_NOMEM, "open queue: out of memory");
    }
    pthread_mutex_lock(&stores_mutex);
    if (!ref_store(uri->rest, &store, err)) {
        store = NULL;
    } else if (!open_lane(store, name, &queue->lane, err)) {
        unref_store(store);
        store = NULL;
    }
    pthread_mutex_unlock(&stores_mutex);
    if (!store) {
        free(queue);
        return false;
    }

    queue->base.backend = &cor_queue_priv_sqlite;
    queue->store = store;
    pthread_mutex_lock(&store->mutex);
    queue->next = queue->lane->queues;
    queue->lane->queues = queue;
    pthread_mutex_unlock(&store->mutex);
    *ret_queue = &queue->base;
    return true;
}

static void sqlite_watch(CorQueue *base, CorQueueWatch *watch, void *arg)
{
    SqliteQueue *queue = (SqliteQueue *) base;
    Store *store = queue->store;
    bool is_ready = false;

    pthread_mutex_lock(&store->mutex);
    queue->watch = watch;
    queue->watch_arg = arg;
    while (!watch && queue->calls > 0) {
        pthread_cond_wait(&store->watch_idle, &store->mutex);
    }
    is_ready = queue->lane->counts[COR_QUEUE_READY] > queue->lane->reserved;
    pthread_mutex_unlock(&store->mutex);
    if (watch && is_ready) {
        watch(arg);
    }
}

static void sqlite_close(CorQueue *base)
{
    SqliteQueue *queue = (SqliteQueue *) base;
    SqliteQueue **link = NULL;
    Store *store = queue->store;

    sqlite_watch(base, NULL, NULL);
    pthread_mutex_lock(&store->mutex);
    for (link = &queue->lane->queues; *link != queue; link = &(*link)->next) {
    }
    *link = queue->next;
    pthread_mutex_unlock(&store->mutex);
    free(queue);

    pthread_mutex_lock(&stores_mutex);
    unref_store(store);
    pthread_mutex_unlock(&stores_mutex);
}

static void sqlite_set_clock(CorQueue *base, CorQueueClock *clock, void *arg)
{
    Store *store = ((SqliteQueue *) base)->store;

    pthread_mutex_lock(&store->mutex);
    store->clock = clock;
    store->clock_arg = arg;
    pthread_cond_signal(&store->timer_wake);
    pthread_mutex_unlock(&store->mutex);
}

/* ---- send ---- */

typedef struct SendOp {
    Op op; /* first */
    const CorQueueSend *sends;
    size_t len;
    char (*ids)[COR_UUID_SIZE];
} SendOp;

static bool run_send(CorSqlTxn *txn, void *arg, CorError *err)
{
    SendOp *send = arg;

    return cor_queue_priv_rows_send(begin(&send->op, txn), send->sends, send->len,
                                    &send->op.store->counters, send->ids, err);
}

static bool sqlite_send(CorQueue *base, const CorQueueSend *sends, size_t len,
                        char (*ret_message_ids)[COR_UUID_SIZE], CorError *err)
{
    SendOp send = {.op = op_of(base), .sends = sends, .len = len, .ids = ret_message_ids};
    CorSqlDurability durability = COR_SQL_RELAXED;

    for (size_t i = 0; i < len; i++) {
        durability = sends[i].is_resendable ? durability : COR_SQL_SYNCED;
    }
    return write_op(&send.op, run_send, durability, err);
}

/* ---- receive ---- */

typedef struct ReceiveOp {
    Op op; /* first */
    CorQueueReceive how;
    CorMessage **messages;
    size_t len;
} ReceiveOp;

static bool run_receive(CorSqlTxn *txn, void *arg, CorError *err)
{
    ReceiveOp *receive = arg;
    CorQueueRows *rows = begin(&receive->op, txn);

    if (receive->op.lane->next_due_unix_ms <= rows->now_unix_ms &&
        !cor_queue_priv_rows_due(rows, err)) {
        return false;
    }
    return cor_queue_priv_rows_claim(rows, &receive->how, &receive->op.store->counters,
                                     receive->messages, &receive->len, err);
}

/* Wait for something to claim and reserve it.  False when the time is up. */
static bool reserve(ReceiveOp *receive, size_t max, int64_t deadline_ms)
{
    Store *store = receive->op.store;
    Lane *lane = receive->op.lane;
    bool is_due = false;
    int64_t ready = 0;

    pthread_mutex_lock(&store->mutex);
    for (;;) {
        ready = lane->counts[COR_QUEUE_READY] - lane->reserved;
        is_due = lane->next_due_unix_ms <= now_locked(store);
        if (ready > 0 || is_due || cor_time_ms() >= deadline_ms) {
            break;
        }
        wait_until_ms(&lane->arrived, &store->mutex, deadline_ms);
    }
    ready = COR_MIN(COR_MAX(ready, 0), (int64_t) max);
    lane->reserved += ready;
    pthread_mutex_unlock(&store->mutex);

    receive->op.reserved = ready;
    receive->how.max = is_due ? max : (size_t) ready;
    return ready > 0 || is_due;
}

static bool sqlite_receive(CorQueue *base, const CorQueueReceive *how, CorMessage **ret_messages,
                           size_t *ret_len, CorError *err)
{
    int64_t deadline_ms = cor_time_ms() + how->wait_ms;

    for (;;) {
        ReceiveOp receive = {.op = op_of(base), .how = *how, .messages = ret_messages};

        if (!reserve(&receive, how->max, deadline_ms)) {
            return true;
        }
        if (!write_op(&receive.op, run_receive, COR_SQL_RELAXED, err)) {
            for (size_t i = 0; i < receive.len; i++) {
                cor_message_free(ret_messages[i]);
            }
            return false;
        }
        if (receive.len > 0 || cor_time_ms() >= deadline_ms) {
            *ret_len = receive.len;
            return true;
        }
    }
}

/* ---- settle ---- */

typedef struct SettleOp {
    Op op; /* first */
    CorMessage *const *messages;
    size_t len;
    const CorQueueSettle *settle;
    bool is_stale[COR_QUEUE_BATCH_MAX];
} SettleOp;

static bool run_settle(CorSqlTxn *txn, void *arg, CorError *err)
{
    SettleOp *settle = arg;
    CorQueueRows *rows = begin(&settle->op, txn);

    for (size_t i = 0; i < settle->len; i++) {
        if (!cor_queue_priv_rows_settle(rows, settle->messages[i], settle->settle,
                                        &settle->is_stale[i], err)) {
            return false;
        }
    }
    return true;
}

static bool sqlite_settle(CorQueue *base, CorMessage *const *messages, size_t len,
                          const CorQueueSettle *settle, CorError *err)
{
    SettleOp op = {.op = op_of(base), .messages = messages, .len = len, .settle = settle};
    const CorMessage *stale = NULL;

    if (!write_op(&op.op, run_settle, COR_SQL_RELAXED, err)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (op.is_stale[i]) {
            messages[i]->is_stale = true;
            stale = messages[i];
        } else if (settle->kind == COR_QUEUE_EXTEND) {
            messages[i]->lease_end_ms = cor_time_ms() + settle->delay_ms;
        }
    }
    return !stale ||
           cor_fail(err, COR_ERR_CONFLICT, "the lease of message %s has ended", stale->message_id);
}

/* ---- the rest ---- */

typedef struct NameOp {
    Op op; /* first */
    const char *dedup_id;
    bool is_removed;
    int64_t number;
} NameOp;

static bool run_cancel(CorSqlTxn *txn, void *arg, CorError *err)
{
    NameOp *op = arg;

    return cor_queue_priv_rows_cancel(begin(&op->op, txn), op->dedup_id, &op->is_removed, err);
}

static bool sqlite_cancel(CorQueue *base, const char *dedup_id, bool *ret_removed, CorError *err)
{
    NameOp op = {.op = op_of(base), .dedup_id = dedup_id};

    if (!write_op(&op.op, run_cancel, COR_SQL_RELAXED, err)) {
        return false;
    }
    *ret_removed = op.is_removed;
    return true;
}

static bool run_position(CorSqlTxn *txn, void *arg, CorError *err)
{
    NameOp *op = arg;

    return cor_queue_priv_rows_position(txn, op->op.lane->id, op->dedup_id, &op->number, err);
}

static bool sqlite_position(CorQueue *base, const char *dedup_id, int64_t *ret_position,
                            CorError *err)
{
    NameOp op = {.op = op_of(base), .dedup_id = dedup_id};

    if (!cor_sql_read(op.op.store->db, run_position, &op, err)) {
        return false;
    }
    *ret_position = op.number;
    return true;
}

static bool run_oldest(CorSqlTxn *txn, void *arg, CorError *err)
{
    NameOp *op = arg;

    return cor_queue_priv_rows_oldest(txn, op->op.lane->id, &op->number, err);
}

static bool sqlite_stats(CorQueue *base, CorQueueStats *ret_stats, CorError *err)
{
    NameOp op = {.op = op_of(base)};
    Store *store = op.op.store;
    const int64_t *counts = op.op.lane->counts;
    int64_t now = 0;

    if (!cor_sql_read(store->db, run_oldest, &op, err)) {
        return false;
    }
    pthread_mutex_lock(&store->mutex);
    now = now_locked(store);
    ret_stats->visible = counts[COR_QUEUE_BLOCKED] + counts[COR_QUEUE_READY];
    ret_stats->receivable = counts[COR_QUEUE_READY];
    ret_stats->delayed = counts[COR_QUEUE_DELAYED];
    ret_stats->in_flight = counts[COR_QUEUE_LEASED];
    ret_stats->dead = counts[COR_QUEUE_DEAD];
    pthread_mutex_unlock(&store->mutex);
    ret_stats->oldest_age_ms = op.number ? COR_MAX(now - op.number, 0) : 0;
    return true;
}

typedef struct DeadOp {
    Op op; /* first */
    const CorQueueDeadQuery *query;
    CorMessage **messages;
    size_t len;
    const char *const *message_ids;
    size_t message_ids_len;
} DeadOp;

static bool run_dead_list(CorSqlTxn *txn, void *arg, CorError *err)
{
    DeadOp *op = arg;

    return cor_queue_priv_rows_dead_list(txn, op->op.lane->id, op->query, op->messages, &op->len,
                                         err);
}

static bool sqlite_dead_list(CorQueue *base, const CorQueueDeadQuery *query,
                             CorMessage **ret_messages, size_t *ret_len, CorError *err)
{
    DeadOp op = {.op = op_of(base), .query = query, .messages = ret_messages};

    if (!cor_sql_read(op.op.store->db, run_dead_list, &op, err)) {
        for (size_t i = 0; i < op.len; i++) {
            cor_message_free(ret_messages[i]);
        }
        return false;
    }
    *ret_len = op.len;
    return true;
}

static bool run_dead_remove(CorSqlTxn *txn, void *arg, CorError *err)
{
    DeadOp *op = arg;

    return cor_queue_priv_rows_dead_remove(begin(&op->op, txn), op->message_ids,
                                           op->message_ids_len, &op->len, err);
}

static bool sqlite_dead_remove(CorQueue *base, const char *const *message_ids, size_t len,
                               size_t *ret_removed, CorError *err)
{
    DeadOp op = {.op = op_of(base), .message_ids = message_ids, .message_ids_len = len};

    if (!write_op(&op.op, run_dead_remove, COR_SQL_SYNCED, err)) {
        return false;
    }
    *ret_removed = op.len;
    return true;
}

typedef struct NamesOp {
    char **names;
    size_t len;
} NamesOp;

static bool add_name(NamesOp *op, const char *name, CorError *err)
{
    char **names = realloc(op->names, (op->len + 1) * sizeof(*names));

    if (!names) {
        return cor_fail(err, COR_ERR_NOMEM, "list queues: out of memory");
    }
    op->names = names;
    op->names[op->len] = strdup(name ? name : "");
    if (!op->names[op->len]) {
        return cor_fail(err, COR_ERR_NOMEM, "list queues: out of memory");
    }
    op->len++;
    return true;
}

static bool run_names(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char has_table[] =
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'queue'";
    static const char sql[] = "SELECT name FROM queue ORDER BY name";
    CorSqlStmt *stmt = cor_sql_stmt(txn, has_table);
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (!has_row) {
        return true; /* nobody has opened a queue here yet */
    }
    stmt = cor_sql_stmt(txn, sql);
    for (;;) {
        if (!cor_sql_next(stmt, &has_row, err)) {
            return false;
        }
        if (!has_row) {
            return true;
        }
        if (!add_name(arg, cor_sql_column_text(stmt, 0), err)) {
            return false;
        }
    }
}

static bool sqlite_list_names(const CorUri *uri, char ***ret_names, size_t *ret_len, CorError *err)
{
    COR_CLEANUP(cor_sql_closep) CorSql *db = NULL;
    NamesOp op = {0};

    if (!cor_sql_open(uri->rest, NULL, &db, err)) {
        return false;
    }
    if (!cor_sql_read(db, run_names, &op, err)) {
        cor_queue_names_free(op.names, op.len);
        return false;
    }
    *ret_names = op.names;
    *ret_len = op.len;
    return true;
}

const CorQueueBackend cor_queue_priv_sqlite = {
    .scheme = "sqlite",
    .features = COR_QUEUE_TAKES_TURNS,
    .open = sqlite_open,
    .send = sqlite_send,
    .receive = sqlite_receive,
    .settle = sqlite_settle,
    .cancel = sqlite_cancel,
    .position = sqlite_position,
    .stats = sqlite_stats,
    .dead_list = sqlite_dead_list,
    .dead_remove = sqlite_dead_remove,
    .watch = sqlite_watch,
    .list_names = sqlite_list_names,
    .set_clock = sqlite_set_clock,
    .close = sqlite_close,
};
