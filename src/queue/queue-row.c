/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a message in the embedded queue.
 *
 *            send                  send
 *              |                     |
 *              v   the one before    v       claim
 *           BLOCKED ----left------> READY ------------> LEASED --acknowledged--> (gone)
 *              |                    ^   ^               |  |  |
 *              | left, but its      |   |  lease over,  |  |  +--failed--> DEAD --> (gone)
 *              | delay is not over  |   +---released----+  |
 *              |                    | delay over           | released with a delay
 *              +-----------------> DELAYED <---------------+
 *
 *   (none)  -> BLOCKED, READY, DELAYED  send_one(): blocked if its group is not empty
 *   BLOCKED -> READY, DELAYED           promote(), when the message before it has left
 *   READY   -> LEASED                   claim_one()
 *   READY   -> DEAD                     claim_one(): the body does not fit its checksum
 *   DELAYED -> READY                    cor_queue_priv_rows_due()
 *   LEASED  -> READY                    cor_queue_priv_rows_due(), _settle(), _start()
 *   LEASED  -> LEASED                   cor_queue_priv_rows_settle(): extended
 *   LEASED  -> DELAYED                  cor_queue_priv_rows_settle(): released with a delay
 *   LEASED  -> (none), DEAD             cor_queue_priv_rows_settle(): acknowledged, failed
 *   all but LEASED -> (none)            cor_queue_priv_rows_cancel()
 *   DEAD    -> (none)                   cor_queue_priv_rows_dead_remove()
 *
 * Only cor_queue_priv_row_move() changes a message's state.  What stays true between transactions:
 * a group's first message, and no other, is not BLOCKED.  So the ready index holds at most one row
 * per group, and a claim takes its first row, whatever else is in the table: its cost depends
 * neither on the length of a group nor on the number of groups.  A message that waits for its retry
 * is still its group's first and keeps the group.
 */
#include "queue/queue-row.h"

#include <assert.h>
#include <stdio.h>

#include "base/array.h"

static const char *const state_names[] = {
    [COR_QUEUE_NONE] = "none",       [COR_QUEUE_BLOCKED] = "blocked", [COR_QUEUE_READY] = "ready",
    [COR_QUEUE_DELAYED] = "delayed", [COR_QUEUE_LEASED] = "leased",   [COR_QUEUE_DEAD] = "dead",
};
static_assert(COR_ARRAY_LEN(state_names) == COR_QUEUE_STATE_COUNT_, "name every state");

#define TO(state) (1u << (state))

/* Bit n of entry s is set when a message may go from state s to state n. */
static const uint32_t allowed_next[COR_QUEUE_STATE_COUNT_] = {
    [COR_QUEUE_NONE] = TO(COR_QUEUE_BLOCKED) | TO(COR_QUEUE_READY) | TO(COR_QUEUE_DELAYED),
    [COR_QUEUE_BLOCKED] = TO(COR_QUEUE_READY) | TO(COR_QUEUE_DELAYED) | TO(COR_QUEUE_NONE),
    [COR_QUEUE_READY] = TO(COR_QUEUE_LEASED) | TO(COR_QUEUE_DEAD) | TO(COR_QUEUE_NONE),
    [COR_QUEUE_DELAYED] = TO(COR_QUEUE_READY) | TO(COR_QUEUE_NONE),
    [COR_QUEUE_LEASED] = TO(COR_QUEUE_READY) | TO(COR_QUEUE_DELAYED) | TO(COR_QUEUE_LEASED) |
                         TO(COR_QUEUE_NONE) | TO(COR_QUEUE_DEAD),
};

static bool insert_row(CorQueueRows *rows, const CorQueueRow *row, CorQueueState state,
                       CorError *err)
{
    static const char sql[] =
        "INSERT INTO queue_message(queue, id, state, turn, until_unix_ms, receipt, receives, "
        "sent_unix_ms, crc, message_id, group_id, dedup_id, client_id) "
        "VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?7, ?8, ?9, ?10, ?11)";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);

    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_int(stmt, 2, row->id);
    cor_sql_bind_int(stmt, 3, state);
    cor_sql_bind_int(stmt, 4, row->turn);
    cor_sql_bind_int(stmt, 5, row->until_unix_ms);
    cor_sql_bind_int(stmt, 6, row->sent_unix_ms);
    cor_sql_bind_int(stmt, 7, row->crc);
    cor_sql_bind_text(stmt, 8, row->message_id);
    cor_sql_bind_text(stmt, 9, row->group_id);
    cor_sql_bind_text(stmt, 10, row->dedup_id);
    cor_sql_bind_text(stmt, 11, row->client_id);
    return cor_sql_run(stmt, err);
}

static bool update_row(CorQueueRows *rows, const CorQueueRow *row, CorQueueState state,
                       CorError *err)
{
    static const char sql[] = "UPDATE queue_message SET state = ?3, until_unix_ms = ?4, "
                              "receipt = ?5, receives = ?6 WHERE queue = ?1 AND id = ?2";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);

    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_int(stmt, 2, row->id);
    cor_sql_bind_int(stmt, 3, state);
    cor_sql_bind_int(stmt, 4, row->until_unix_ms);
    cor_sql_bind_int(stmt, 5, row->receipt);
    cor_sql_bind_int(stmt, 6, row->receives);
    return cor_sql_run(stmt, err);
}

static bool delete_row(CorQueueRows *rows, const CorQueueRow *row, CorError *err)
{
    static const char sql[] = "DELETE FROM queue_message WHERE queue = ?1 AND id = ?2";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);

    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_int(stmt, 2, row->id);
    return cor_sql_run(stmt, err);
}

static bool delete_body(CorQueueRows *rows, int64_t id, CorError *err)
{
    static const char sql[] = "DELETE FROM queue_body WHERE id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);

    cor_sql_bind_int(stmt, 1, id);
    return cor_sql_run(stmt, err);
}

static bool insert_dead(CorQueueRows *rows, const CorQueueRow *row, CorError *err)
{
    static const char sql[] =
        "INSERT INTO queue_dead(queue, body, message_id, group_id, dedup_id, client_id, receives, "
        "sent_unix_ms, failed_unix_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);

    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_int(stmt, 2, row->id);
    cor_sql_bind_text(stmt, 3, row->message_id);
    cor_sql_bind_text(stmt, 4, row->group_id);
    cor_sql_bind_text(stmt, 5, row->dedup_id);
    cor_sql_bind_text(stmt, 6, row->client_id);
    cor_sql_bind_int(stmt, 7, row->receives);
    cor_sql_bind_int(stmt, 8, row->sent_unix_ms);
    cor_sql_bind_int(stmt, 9, rows->now_unix_ms);
    cor_sql_bind_text(stmt, 10, row->reason);
    return cor_sql_run(stmt, err);
}

/* The only place that changes a message's state.  The row's other fields are the new ones. */
bool cor_queue_priv_row_move(CorQueueRows *rows, CorQueueRow *row, CorQueueState next,
                             CorError *err)
{
    bool is_ok = false;

    if ((unsigned) row->state >= COR_QUEUE_STATE_COUNT_ || !(allowed_next[row->state] & TO(next))) {
        return cor_fail(err, COR_ERR_CORRUPT, "message %lld cannot go from %s to %s",
                        (long long) row->id,
                        (unsigned) row->state < COR_QUEUE_STATE_COUNT_ ? state_names[row->state]
                                                                       : "an unknown state",
                        state_names[next]);
    }
    if (row->state == COR_QUEUE_NONE) {
        is_ok = insert_row(rows, row, next, err);
    } else if (next == COR_QUEUE_NONE) {
        is_ok = delete_row(rows, row, err) && delete_body(rows, row->id, err);
    } else if (next == COR_QUEUE_DEAD) {
        is_ok = insert_dead(rows, row, err) && delete_row(rows, row, err);
    } else {
        is_ok = update_row(rows, row, next, err);
    }
    if (!is_ok) {
        return false;
    }

    rows->moved[row->state]--;
    rows->moved[next]++;
    rows->woken += (next == COR_QUEUE_READY);
    if (next == COR_QUEUE_DELAYED || next == COR_QUEUE_LEASED) {
        rows->next_due_unix_ms = COR_MIN(rows->next_due_unix_ms, row->until_unix_ms);
    }
    row->state = next;
    return true;
}

void cor_queue_priv_row_text(char *to, size_t size, CorSqlStmt *stmt, int column)
{
    const char *text = cor_sql_column_text(stmt, column);

    snprintf(to, size, "%s", text ? text : "");
}

/* The first row of a bound SELECT of COR_QUEUE_ROW_COLUMNS; state NONE if there is none. */
bool cor_queue_priv_row_load(CorSqlStmt *stmt, CorQueueRow *ret_row, CorError *err)
{
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *ret_row = (CorQueueRow){.state = COR_QUEUE_NONE};
    if (!has_row) {
        return true;
    }
    ret_row->id = cor_sql_column_int(stmt, 0);
    ret_row->state = (CorQueueState) cor_sql_column_int(stmt, 1);
    ret_row->turn = cor_sql_column_int(stmt, 2);
    ret_row->until_unix_ms = cor_sql_column_int(stmt, 3);
    ret_row->receipt = cor_sql_column_int(stmt, 4);
    ret_row->receives = cor_sql_column_int(stmt, 5);
    ret_row->sent_unix_ms = cor_sql_column_int(stmt, 6);
    ret_row->crc = (uint32_t) cor_sql_column_int(stmt, 7);
    cor_queue_priv_row_text(ret_row->message_id, sizeof(ret_row->message_id), stmt, 8);
    cor_queue_priv_row_text(ret_row->group_id, sizeof(ret_row->group_id), stmt, 9);
    cor_queue_priv_row_text(ret_row->dedup_id, sizeof(ret_row->dedup_id), stmt, 10);
    cor_queue_priv_row_text(ret_row->client_id, sizeof(ret_row->client_id), stmt, 11);
    cor_sql_reset(stmt);
    return true;
}

bool cor_queue_priv_row_find(CorQueueRows *rows, int64_t id, CorQueueRow *ret_row, CorError *err)
{
    static const char sql[] =
        "SELECT " COR_QUEUE_ROW_COLUMNS " FROM queue_message WHERE queue = ?1 AND id = ?2";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);

    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_int(stmt, 2, id);
    return cor_queue_priv_row_load(stmt, ret_row, err);
}

/* Make the next message of a group its first, after the first one has left. */
static bool promote(CorQueueRows *rows, const char *group_id, CorError *err)
{
    static const char sql[] =
        "SELECT " COR_QUEUE_ROW_COLUMNS " FROM queue_message INDEXED BY queue_message_group "
        "WHERE queue = ?1 AND group_id = ?2 ORDER BY id LIMIT 1";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);
    CorQueueRow row;

    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_text(stmt, 2, group_id);
    if (!cor_queue_priv_row_load(stmt, &row, err)) {
        return false;
    }
    if (row.state == COR_QUEUE_NONE) {
        return true; /* the group is empty now */
    }
    return cor_queue_priv_row_move(
        rows, &row, row.until_unix_ms > rows->now_unix_ms ? COR_QUEUE_DELAYED : COR_QUEUE_READY,
        err);
}

/* Take a message out of the line, for good or to the dead letters. */
bool cor_queue_priv_row_take_out(CorQueueRows *rows, CorQueueRow *row, CorQueueState next,
                                 CorError *err)
{
    bool is_first = row->state != COR_QUEUE_BLOCKED;

    return cor_queue_priv_row_move(rows, row, next, err) &&
           (!is_first || promote(rows, row->group_id, err));
}
