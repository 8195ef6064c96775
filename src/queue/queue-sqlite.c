/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded backend of the queue port: one function per verb.  What is on the disk is in
 * queue-rows.c, what is in memory in queue-store.c. */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "queue/queue-store.h"

/* ---- send ---- */

typedef struct SendOp {
    CorQueueOp op; /* first */
    const CorQueueSend *sends;
    size_t len;
    char (*ids)[COR_UUID_SIZE];
} SendOp;

static bool run_send(CorSqlTxn *txn, void *arg, CorError *err)
{
    SendOp *send = arg;

    return cor_queue_priv_rows_send(cor_queue_priv_op_begin(&send->op, txn), send->sends, send->len,
                                    &send->op.store->counters, send->ids, err);
}

static bool sqlite_send(CorQueue *base, const CorQueueSend *sends, size_t len,
                        char (*ret_message_ids)[COR_UUID_SIZE], CorError *err)
{
    SendOp send = {
        .op = cor_queue_priv_op_of(base), .sends = sends, .len = len, .ids = ret_message_ids};
    CorSqlDurability durability = COR_SQL_RELAXED;

    for (size_t i = 0; i < len; i++) {
        durability = sends[i].is_resendable ? durability : COR_SQL_SYNCED;
    }
    return cor_queue_priv_op_write(&send.op, run_send, durability, err);
}

/* ---- receive ---- */

typedef struct ReceiveOp {
    CorQueueOp op; /* first */
    CorQueueReceive how;
    CorMessage **messages;
    size_t len;
} ReceiveOp;

static bool run_receive(CorSqlTxn *txn, void *arg, CorError *err)
{
    ReceiveOp *receive = arg;
    CorQueueRows *rows = cor_queue_priv_op_begin(&receive->op, txn);

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
    CorQueueStore *store = receive->op.store;
    CorQueueLane *lane = receive->op.lane;
    bool is_due = false;
    int64_t ready = 0;

    pthread_mutex_lock(&store->mutex);
    for (;;) {
        ready = lane->counts[COR_QUEUE_READY] - lane->reserved;
        is_due = lane->next_due_unix_ms <= cor_queue_priv_store_now(store);
        if (ready > 0 || is_due || cor_time_ms() >= deadline_ms) {
            break;
        }
        cor_queue_priv_wait_until_ms(&lane->arrived, &store->mutex, deadline_ms);
    }
    ready = COR_MIN(COR_MAX(ready, 0), (int64_t) max);
    lane->reserved += ready;
    pthread_mutex_unlock(&store->mutex);

    receive->op.reserved = ready;
    receive->how.max = is_due ? max : (size_t) ready;
    return ready > 0 || is_due;
}

/* Hand over messages that were read, or drop them: the caller's array is set only on success. */
static void give(CorMessage **messages, size_t len, CorMessage **ret_messages)
{
    memcpy(ret_messages, messages, len * sizeof(CorMessage *));
}

static void drop(CorMessage **messages, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        cor_message_free(messages[i]);
    }
}

static bool sqlite_receive(CorQueue *base, const CorQueueReceive *how, CorMessage **ret_messages,
                           size_t *ret_len, CorError *err)
{
    int64_t deadline_ms = cor_time_ms() + how->wait_ms;
    CorMessage *messages[COR_QUEUE_BATCH_MAX];

    for (;;) {
        ReceiveOp receive = {.op = cor_queue_priv_op_of(base), .how = *how, .messages = messages};

        if (!reserve(&receive, how->max, deadline_ms)) {
            return true;
        }
        if (!cor_queue_priv_op_write(&receive.op, run_receive, COR_SQL_RELAXED, err)) {
            drop(messages, receive.len);
            return false;
        }
        if (receive.len > 0 || cor_time_ms() >= deadline_ms) {
            give(messages, receive.len, ret_messages);
            *ret_len = receive.len;
            return true;
        }
    }
}

/* ---- settle ---- */

typedef struct SettleOp {
    CorQueueOp op; /* first */
    CorMessage *const *messages;
    size_t len;
    const CorQueueSettle *settle;
    bool is_stale[COR_QUEUE_BATCH_MAX];
} SettleOp;

static bool run_settle(CorSqlTxn *txn, void *arg, CorError *err)
{
    SettleOp *settle = arg;
    CorQueueRows *rows = cor_queue_priv_op_begin(&settle->op, txn);

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
    SettleOp op = {
        .op = cor_queue_priv_op_of(base), .messages = messages, .len = len, .settle = settle};
    const CorMessage *stale = NULL;

    if (!cor_queue_priv_op_write(&op.op, run_settle, COR_SQL_RELAXED, err)) {
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
    CorQueueOp op; /* first */
    const char *dedup_id;
    bool is_removed;
    int64_t number;
} NameOp;

static bool run_cancel(CorSqlTxn *txn, void *arg, CorError *err)
{
    NameOp *op = arg;

    return cor_queue_priv_rows_cancel(cor_queue_priv_op_begin(&op->op, txn), op->dedup_id,
                                      &op->is_removed, err);
}

static bool sqlite_cancel(CorQueue *base, const char *dedup_id, bool *ret_removed, CorError *err)
{
    NameOp op = {.op = cor_queue_priv_op_of(base), .dedup_id = dedup_id};

    if (!cor_queue_priv_op_write(&op.op, run_cancel, COR_SQL_RELAXED, err)) {
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
    NameOp op = {.op = cor_queue_priv_op_of(base), .dedup_id = dedup_id};

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
    NameOp op = {.op = cor_queue_priv_op_of(base)};
    CorQueueStore *store = op.op.store;
    const int64_t *counts = op.op.lane->counts;
    int64_t now = 0;

    if (!cor_sql_read(store->db, run_oldest, &op, err)) {
        return false;
    }
    pthread_mutex_lock(&store->mutex);
    now = cor_queue_priv_store_now(store);
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
    CorQueueOp op; /* first */
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
    CorMessage *messages[COR_QUEUE_BATCH_MAX];
    DeadOp op = {.op = cor_queue_priv_op_of(base), .query = query, .messages = messages};

    if (!cor_sql_read(op.op.store->db, run_dead_list, &op, err)) {
        drop(messages, op.len);
        return false;
    }
    give(messages, op.len, ret_messages);
    *ret_len = op.len;
    return true;
}

static bool run_dead_remove(CorSqlTxn *txn, void *arg, CorError *err)
{
    DeadOp *op = arg;

    return cor_queue_priv_rows_dead_remove(cor_queue_priv_op_begin(&op->op, txn), op->message_ids,
                                           op->message_ids_len, &op->len, err);
}

static bool sqlite_dead_remove(CorQueue *base, const char *const *message_ids, size_t len,
                               size_t *ret_removed, CorError *err)
{
    DeadOp op = {
        .op = cor_queue_priv_op_of(base), .message_ids = message_ids, .message_ids_len = len};

    if (!cor_queue_priv_op_write(&op.op, run_dead_remove, COR_SQL_SYNCED, err)) {
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
    .open = cor_queue_priv_store_open,
    .send = sqlite_send,
    .receive = sqlite_receive,
    .settle = sqlite_settle,
    .cancel = sqlite_cancel,
    .position = sqlite_position,
    .stats = sqlite_stats,
    .dead_list = sqlite_dead_list,
    .dead_remove = sqlite_dead_remove,
    .watch = cor_queue_priv_store_watch,
    .list_names = sqlite_list_names,
    .set_clock = cor_queue_priv_store_set_clock,
    .close = cor_queue_priv_store_close,
};
