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
#include "queue/queue-store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/time.h"

#define RETRY_MS 1000 /* the timer's rest after a failure */

static pthread_mutex_t stores_mutex = PTHREAD_MUTEX_INITIALIZER;
static CorQueueStore *stores; /* guarded by stores_mutex */

int64_t cor_queue_priv_store_now(const CorQueueStore *store)
{
    return store->clock ? store->clock(store->clock_arg)
                        : store->opened_unix_ms + cor_time_ms() - store->opened_ms;
}

static int64_t store_now(CorQueueStore *store)
{
    int64_t now = 0;

    pthread_mutex_lock(&store->mutex);
    now = cor_queue_priv_store_now(store);
    pthread_mutex_unlock(&store->mutex);
    return now;
}

void cor_queue_priv_wait_until_ms(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_ms)
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
static void tell(CorQueueStore *store, CorQueueLane *lane)
{
    pthread_mutex_lock(&store->mutex);
    pthread_cond_broadcast(&lane->arrived);
    for (CorQueueSqlite *queue = lane->queues; queue; queue = queue->next) {
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

static void give_back_reserved(CorQueueOp *op)
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
    CorQueueOp *op = arg;
    CorQueueStore *store = op->store;
    CorQueueLane *lane = op->lane;
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
CorQueueRows *cor_queue_priv_op_begin(CorQueueOp *op, CorSqlTxn *txn)
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

bool cor_queue_priv_op_write(CorQueueOp *op, CorSqlRun *run, CorSqlDurability durability,
                             CorError *err)
{
    bool is_ok = cor_sql_write_then(op->store->db, run, apply, op, durability, err);

    if (!op->is_applied) { /* it never ran */
        give_back_reserved(op);
    }
    return is_ok;
}

CorQueueOp cor_queue_priv_op_of(CorQueue *base)
{
    CorQueueSqlite *queue = (CorQueueSqlite *) base;

    return (CorQueueOp){.store = queue->store, .lane = queue->lane};
}

/* ---- time ---- */

static bool run_due(CorSqlTxn *txn, void *arg, CorError *err)
{
    return cor_queue_priv_rows_due(cor_queue_priv_op_begin(arg, txn), err);
}

/* The lane whose time comes first, or NULL. */
static CorQueueLane *next_due_lane(const CorQueueStore *store)
{
    CorQueueLane *first = NULL;

    for (CorQueueLane *lane = store->lanes; lane; lane = lane->next) {
        if (!first || lane->next_due_unix_ms < first->next_due_unix_ms) {
            first = lane;
        }
    }
    return (first && first->next_due_unix_ms != COR_QUEUE_NEVER) ? first : NULL;
}

static void *timer_main(void *arg)
{
    CorQueueStore *store = arg;
    int64_t rest_until_ms = 0;

    pthread_mutex_lock(&store->mutex);
    while (!store->is_stopping) {
        CorQueueLane *lane = next_due_lane(store);
        int64_t wait_ms = lane ? lane->next_due_unix_ms - cor_queue_priv_store_now(store) : 0;

        if (!lane) {
            pthread_cond_wait(&store->timer_wake, &store->mutex);
            continue;
        }
        wait_ms = COR_MAX(wait_ms, rest_until_ms - cor_time_ms());
        if (wait_ms > 0) {
            cor_queue_priv_wait_until_ms(&store->timer_wake, &store->mutex,
                                         cor_time_ms() + wait_ms);
            continue;
        }
        CorQueueOp op = {.store = store, .lane = lane};

        pthread_mutex_unlock(&store->mutex);
        if (!cor_queue_priv_op_write(&op, run_due, COR_SQL_RELAXED, NULL)) {
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

static bool start_timer(CorQueueStore *store, CorError *err)
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

static bool open_store(CorSql *db, CorQueueStore **ret_store, CorError *err)
{
    StartOp op = {.now_unix_ms = cor_time_unix_ms()};
    uint64_t random = 0;
    CorQueueStore *store = NULL;

    if (!cor_random_bytes(&random, sizeof(random), err) ||
        !cor_sql_write(db, run_start, &op, COR_SQL_SYNCED, err)) {
        return false;
    }
    store = cor_new(CorQueueStore);
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

static void close_store(CorQueueStore *store)
{
    pthread_mutex_lock(&store->mutex);
    store->is_stopping = true;
    pthread_cond_signal(&store->timer_wake);
    pthread_mutex_unlock(&store->mutex);
    pthread_join(store->timer, NULL);
    cor_sql_close(store->db);
    while (store->lanes) {
        CorQueueLane *lane = store->lanes;

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
static bool ref_store(const char *path, CorQueueStore **ret_store, CorError *err)
{
    CorSql *db = NULL;
    CorQueueStore *store = NULL;

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

static void unref_store(CorQueueStore *store)
{
    CorQueueStore **link = &stores;

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

static CorQueueLane *find_lane(CorQueueStore *store, const char *name)
{
    CorQueueLane *lane = NULL;

    pthread_mutex_lock(&store->mutex);
    for (lane = store->lanes; lane && strcmp(lane->name, name) != 0; lane = lane->next) {
    }
    pthread_mutex_unlock(&store->mutex);
    return lane;
}

/* With stores_mutex, so that a lane is made once. */
static bool open_lane(CorQueueStore *store, const char *name, CorQueueLane **ret_lane,
                      CorError *err)
{
    LaneOp op = {.name = name};
    CorQueueLane *lane = find_lane(store, name);

    if (lane) {
        *ret_lane = lane;
        return true;
    }
    if (!cor_sql_write(store->db, run_lane, &op, COR_SQL_SYNCED, err)) {
        return false;
    }
    lane = cor_new(CorQueueLane);
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

bool cor_queue_priv_store_open(const CorUri *uri, const char *name, CorQueue **ret_queue,
                               CorError *err)
{
    CorQueueSqlite *queue = cor_new(CorQueueSqlite);
    CorQueueStore *store = NULL;

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

void cor_queue_priv_store_watch(CorQueue *base, CorQueueWatch *watch, void *arg)
{
    CorQueueSqlite *queue = (CorQueueSqlite *) base;
    CorQueueStore *store = queue->store;
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

void cor_queue_priv_store_close(CorQueue *base)
{
    CorQueueSqlite *queue = (CorQueueSqlite *) base;
    CorQueueSqlite **link = NULL;
    CorQueueStore *store = queue->store;

    cor_queue_priv_store_watch(base, NULL, NULL);
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

void cor_queue_priv_store_set_clock(CorQueue *base, CorQueueClock *clock, void *arg)
{
    CorQueueStore *store = ((CorQueueSqlite *) base)->store;

    pthread_mutex_lock(&store->mutex);
    store->clock = clock;
    store->clock_arg = arg;
    pthread_cond_signal(&store->timer_wake);
    pthread_mutex_unlock(&store->mutex);
}
