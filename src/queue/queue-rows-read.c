/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the embedded queue: lanes, looking into the line, dead letters. */
#include <assert.h>
#include <stdlib.h>

#include "base/array.h"
#include "queue/queue-rows.h"

static bool first_int(CorSqlStmt *stmt, int64_t fallback, int64_t *ret_value, CorError *err)
{
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *ret_value = has_row ? cor_sql_column_int(stmt, 0) : fallback;
    cor_sql_reset(stmt);
    return true;
}

static bool find_or_make_lane(CorSqlTxn *txn, const char *name, int64_t *ret_lane, CorError *err)
{
    static const char insert[] = "INSERT INTO queue(name) VALUES (?1) ON CONFLICT(name) DO NOTHING";
    static const char select[] = "SELECT id FROM queue WHERE name = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, insert);

    cor_sql_bind_text(stmt, 1, name);
    if (!cor_sql_run(stmt, err)) {
        return false;
    }
    stmt = cor_sql_stmt(txn, select);
    cor_sql_bind_text(stmt, 1, name);
    return first_int(stmt, 0, ret_lane, err);
}

/* One pass over the lane's narrow rows, once per life. */
static bool count_states(CorSqlTxn *txn, int64_t lane, CorQueueLaneFacts *facts, CorError *err)
{
    static const char sql[] = "SELECT state, count(*), min(turn), min(until_unix_ms) "
                              "FROM queue_message WHERE queue = ?1 GROUP BY state";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    int64_t first_turn = INT64_MAX;
    bool has_row = true;

    cor_sql_bind_int(stmt, 1, lane);
    for (;;) {
        int64_t state = 0;

        if (!cor_sql_next(stmt, &has_row, err)) {
            return false;
        }
        if (!has_row) {
            break;
        }
        state = cor_sql_column_int(stmt, 0);
        if (state <= COR_QUEUE_NONE || state >= COR_QUEUE_DEAD) {
            return cor_fail(err, COR_ERR_CORRUPT, "messages in unknown state %lld",
                            (long long) state);
        }
        facts->counts[state] = cor_sql_column_int(stmt, 1);
        first_turn = COR_MIN(first_turn, cor_sql_column_int(stmt, 2));
        if (state == COR_QUEUE_DELAYED || state == COR_QUEUE_LEASED) {
            facts->next_due_unix_ms = COR_MIN(facts->next_due_unix_ms, cor_sql_column_int(stmt, 3));
        }
    }
    facts->turn = (first_turn == INT64_MAX) ? 0 : first_turn - 1;
    return true;
}

static bool count_dead(CorSqlTxn *txn, int64_t lane, int64_t *ret_count, CorError *err)
{
    static const char sql[] = "SELECT count(*) FROM queue_dead WHERE queue = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, lane);
    return first_int(stmt, 0, ret_count, err);
}

/* Turns begin anew in an empty lane, so what clients had there means nothing any more. */
static bool forget_clients(CorSqlTxn *txn, int64_t lane, CorError *err)
{
    static const char sql[] = "DELETE FROM queue_client WHERE queue = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, lane);
    return cor_sql_run(stmt, err);
}

bool cor_queue_priv_rows_lane(CorSqlTxn *txn, const char *name, int64_t *ret_lane,
                              CorQueueLaneFacts *ret_facts, CorError *err)
{
    CorQueueLaneFacts facts = {.next_due_unix_ms = COR_QUEUE_NEVER};
    int64_t lane = 0;

    if (!find_or_make_lane(txn, name, &lane, err) || !count_states(txn, lane, &facts, err) ||
        !count_dead(txn, lane, &facts.counts[COR_QUEUE_DEAD], err) ||
        (facts.turn == 0 && !forget_clients(txn, lane, err))) {
        return false;
    }
    *ret_lane = lane;
    *ret_facts = facts;
    return true;
}

bool cor_queue_priv_rows_position(CorSqlTxn *txn, int64_t lane, const char *dedup_id,
                                  int64_t *ret_position, CorError *err)
{
    static const char find[] = "SELECT id, turn, state, group_id "
                               "FROM queue_message INDEXED BY queue_message_dedup "
                               "WHERE queue = ?1 AND dedup_id = ?2 ORDER BY id LIMIT 1";
    /* Whoever could go now with an earlier turn, and whoever else is before it in its group. */
    static const char count[] =
        "SELECT (SELECT count(*) FROM (SELECT 1 FROM queue_message INDEXED BY queue_message_ready "
        "WHERE queue = ?1 AND state = 2 AND (turn, id) < (?3, ?2) LIMIT ?5)) + "
        "(SELECT count(*) FROM (SELECT 1 FROM queue_message INDEXED BY queue_message_group "
        "WHERE queue = ?1 AND group_id = ?4 AND id < ?2 AND "
        "NOT (state = 2 AND (turn, id) < (?3, ?2)) LIMIT ?5))";
    CorSqlStmt *found = cor_sql_stmt(txn, find);
    CorSqlStmt *stmt = NULL;
    bool has_row = false;

    cor_sql_bind_int(found, 1, lane);
    cor_sql_bind_text(found, 2, dedup_id);
    if (!cor_sql_next(found, &has_row, err)) {
        return false;
    }
    if (!has_row) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "there is no such message");
    }
    if (cor_sql_column_int(found, 2) == COR_QUEUE_LEASED) {
        *ret_position = 0;
        return true;
    }
    stmt = cor_sql_stmt(txn, count);
    cor_sql_bind_int(stmt, 1, lane);
    cor_sql_bind_int(stmt, 2, cor_sql_column_int(found, 0));
    cor_sql_bind_int(stmt, 3, cor_sql_column_int(found, 1));
    cor_sql_bind_text(stmt, 4, cor_sql_column_text(found, 3));
    cor_sql_bind_int(stmt, 5, COR_QUEUE_POSITION_MAX);
    return first_int(stmt, 0, ret_position, err);
}

bool cor_queue_priv_rows_oldest(CorSqlTxn *txn, int64_t lane, int64_t *ret_unix_ms, CorError *err)
{
    static const char sql[] =
        "SELECT sent_unix_ms FROM queue_message WHERE queue = ?1 ORDER BY id LIMIT 1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, lane);
    return first_int(stmt, 0, ret_unix_ms, err);
}

static bool load_dead(CorSqlStmt *stmt, CorMessage **ret_message, CorError *err)
{
    CorMessageParts parts = {.message_id = cor_sql_column_text(stmt, 1),
                             .group_id = cor_sql_column_text(stmt, 2),
                             .dedup_id = cor_sql_column_text(stmt, 3),
                             .client_id = cor_sql_column_text(stmt, 4),
                             .reason = cor_sql_column_text(stmt, 8)};
    CorMessage *message = NULL;

    parts.body = cor_sql_column_blob(stmt, 9, &parts.body_size);
    message = cor_queue_priv_message_new(&parts);
    if (!message) {
        return cor_fail(err, COR_ERR_NOMEM, "list dead letters: out of memory");
    }
    message->seq = cor_sql_column_int(stmt, 0);
    message->receives = (int) cor_sql_column_int(stmt, 5);
    message->sent_unix_ms = cor_sql_column_int(stmt, 6);
    message->failed_unix_ms = cor_sql_column_int(stmt, 7);
    message->is_stale = true; /* nobody holds it */
    *ret_message = message;
    return true;
}

bool cor_queue_priv_rows_dead_list(CorSqlTxn *txn, int64_t lane, const CorQueueDeadQuery *query,
                                   CorMessage **ret_messages, size_t *ret_len, CorError *err)
{
#define DEAD_COLUMNS                                                                \
    "SELECT d.seq, d.message_id, d.group_id, d.dedup_id, d.client_id, d.receives, " \
    "d.sent_unix_ms, d.failed_unix_ms, d.reason, b.body "                           \
    "FROM queue_dead d LEFT JOIN queue_body b ON b.id = d.body WHERE d.queue = ?1 AND "
    static const char list[] = DEAD_COLUMNS "d.seq > ?2 ORDER BY d.seq LIMIT ?3";
    static const char find[] = DEAD_COLUMNS "d.message_id = ?2 LIMIT ?3";
    CorSqlStmt *stmt = cor_sql_stmt(txn, query->message_id ? find : list);
    bool has_row = false;

    cor_sql_bind_int(stmt, 1, lane);
    if (query->message_id) {
        cor_sql_bind_text(stmt, 2, query->message_id);
    } else {
        cor_sql_bind_int(stmt, 2, query->after);
    }
    cor_sql_bind_int(stmt, 3, (int64_t) query->max);
    for (;;) {
        if (!cor_sql_next(stmt, &has_row, err)) {
            return false;
        }
        if (!has_row) {
            return true;
        }
        if (!load_dead(stmt, &ret_messages[*ret_len], err)) {
            return false;
        }
        (*ret_len)++;
    }
}

static bool remove_dead(CorQueueRows *rows, const char *message_id, size_t *removed, CorError *err)
{
    static const char body[] = "DELETE FROM queue_body WHERE id IN "
                               "(SELECT body FROM queue_dead WHERE queue = ?1 AND message_id = ?2)";
    static const char dead[] = "DELETE FROM queue_dead WHERE queue = ?1 AND message_id = ?2";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, body);

    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_text(stmt, 2, message_id);
    if (!cor_sql_run(stmt, err)) {
        return false;
    }
    stmt = cor_sql_stmt(rows->txn, dead);
    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_text(stmt, 2, message_id);
    if (!cor_sql_run(stmt, err)) {
        return false;
    }
    rows->moved[COR_QUEUE_DEAD] -= cor_sql_changes(rows->txn);
    *removed += (size_t) cor_sql_changes(rows->txn);
    return true;
}

bool cor_queue_priv_rows_dead_remove(CorQueueRows *rows, const char *const *message_ids, size_t len,
                                     size_t *ret_removed, CorError *err)
{
    size_t removed = 0;

    for (size_t i = 0; i < len; i++) {
        if (!remove_dead(rows, message_ids[i], &removed, err)) {
            return false;
        }
    }
    *ret_removed = removed;
    return true;
}
