/* SPDX-License-Identifier: Apache-2.0 */
/* What the embedded queue keeps in memory: stores (one per file), lanes (one per name), and the way
 * of a write through the database and back into memory.
 *
 * Ownership  An open queue holds a reference on its store; lanes live as long as their store.
 * Threads    Thread-safe, with the guards that the fields name.
 * Blocking   cor_queue_priv_op_write() waits for its commit.
 * Errors     Those of driver/sql.h.
 */
#pragma once

#include <pthread.h>

#include "driver/sql.h"
#include "queue/queue-rows.h"

typedef struct CorQueueSqlite CorQueueSqlite;
typedef struct CorQueueStore CorQueueStore;

/* One name. */
typedef struct CorQueueLane {
    int64_t id;
    char name[COR_QUEUE_NAME_MAX + 1];
    pthread_cond_t arrived; /* with the store's mutex */

    /* Guarded by the store's mutex; changed on the writer thread only. */
    int64_t counts[COR_QUEUE_STATE_COUNT_];
    int64_t turn;
    int64_t next_due_unix_ms;

    int64_t reserved; /* of the ready ones, on their way to a receiver; guarded by the mutex */
    CorQueueSqlite *queues;    /* objects that are open; guarded by the mutex */
    struct CorQueueLane *next; /* guarded by the mutex */
} CorQueueLane;

struct CorQueueStore {
    CorSql *db;
    int refs;            /* guarded by stores_mutex */
    CorQueueStore *next; /* guarded by stores_mutex */

    CorQueueCounters counters; /* writer thread only */
    pthread_t timer;

    pthread_mutex_t mutex;
    pthread_cond_t timer_wake;
    pthread_cond_t watch_idle;
    CorQueueLane *lanes;  /* guarded by mutex, as all below */
    CorQueueClock *clock; /* NULL: the machine's */
    void *clock_arg;
    int64_t opened_unix_ms;
    int64_t opened_ms;
    bool is_stopping;
};

struct CorQueueSqlite {
    CorQueue base; /* first */
    CorQueueStore *store;
    CorQueueLane *lane;
    CorQueueWatch *watch; /* guarded by the store's mutex, as all below */
    void *watch_arg;
    int calls; /* of the watch, running now */
    CorQueueSqlite *next;
};

/* What every write has in common; first member of what a verb needs more. */
typedef struct CorQueueOp {
    CorQueueStore *store;
    CorQueueLane *lane;
    int64_t reserved;
    CorQueueRows rows;
    bool is_applied;
} CorQueueOp;

/** With the store's mutex: the time on the store's clock. */
int64_t cor_queue_priv_store_now(const CorQueueStore *store);

/** Wait on a condition until a time on the clock of cor_time_ms(), or earlier. */
void cor_queue_priv_wait_until_ms(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_ms);

/** What a verb begins with. */
CorQueueOp cor_queue_priv_op_of(CorQueue *queue);

/** On the writer thread: take a fresh look at clock and turn. */
CorQueueRows *cor_queue_priv_op_begin(CorQueueOp *op, CorSqlTxn *txn);

/** Run a verb on the writer thread; memory has followed the commit when this returns. */
COR_MUSTCHECK bool cor_queue_priv_op_write(CorQueueOp *op, CorSqlRun *run,
                                           CorSqlDurability durability, CorError *err);

/* Members of the vtable: see queue-backend.h. */
COR_MUSTCHECK bool cor_queue_priv_store_open(const CorUri *uri, const char *name,
                                             CorQueue **ret_queue, CorError *err);
void cor_queue_priv_store_watch(CorQueue *base, CorQueueWatch *watch, void *arg);
void cor_queue_priv_store_set_clock(CorQueue *base, CorQueueClock *clock, void *arg);
void cor_queue_priv_store_close(CorQueue *base);
