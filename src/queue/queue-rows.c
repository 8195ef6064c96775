/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the embedded queue, as transactions on its rows.  queue-row.c draws the machine that
 * they move. */
#include "queue/queue-rows.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/time.h"
#include "queue/queue-row.h"

#define DUE_MAX 256 /* messages per transaction */

extern const char cor_queue_priv_schema_1[];

/* ---- send ---- */

static bool find_duplicate(CorQueueRows *rows, const char *dedup_id, char id[COR_UUID_SIZE],
                           CorError *err)
{
    static const char sql[] = "SELECT message_id FROM queue_dedup "
                              "WHERE queue = ?1 AND dedup_id = ?2 AND until_unix_ms > ?3";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);
    bool has_row = false;

    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_text(stmt, 2, dedup_id);
    cor_sql_bind_int(stmt, 3, rows->now_unix_ms);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    id[0] = '\0';
    if (has_row) {
        cor_queue_priv_row_text(id, COR_UUID_SIZE, stmt, 0);
        cor_sql_reset(stmt);
    }
    return true;
}

static bool note_dedup(CorQueueRows *rows, const CorQueueRow *row, CorError *err)
{
    static const char sql[] = "INSERT OR REPLACE INTO queue_dedup(queue, dedup_id, message_id, "
                              "until_unix_ms) VALUES (?1, ?2, ?3, ?4)";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);

    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_text(stmt, 2, row->dedup_id);
    cor_sql_bind_text(stmt, 3, row->message_id);
    cor_sql_bind_int(stmt, 4, rows->now_unix_ms + COR_QUEUE_DEDUP_WINDOW_MS);
    return cor_sql_run(stmt, err);
}

static bool insert_body(CorQueueRows *rows, int64_t id, const CorQueueSend *send, CorError *err)
{
    static const char sql[] = "INSERT INTO queue_body(id, body) VALUES (?1, ?2)";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);

    cor_sql_bind_int(stmt, 1, id);
    cor_sql_bind_blob(stmt, 2, send->body, send->body_size);
    return cor_sql_run(stmt, err);
}

static bool has_group(CorQueueRows *rows, const char *group_id, bool *ret_has, CorError *err)
{
    static const char sql[] = "SELECT 1 FROM queue_message INDEXED BY queue_message_group "
                              "WHERE queue = ?1 AND group_id = ?2 LIMIT 1";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);
    bool has_row = false;

    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_text(stmt, 2, group_id);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    cor_sql_reset(stmt);
    *ret_has = has_row;
    return true;
}

/* max(the queue's current turn, its client's last turn) + 1 */
static bool take_turn(CorQueueRows *rows, const char *client_id, int64_t *ret_turn, CorError *err)
{
    static const char select[] =
        "SELECT turn FROM queue_client WHERE queue = ?1 AND client_id = ?2";
    static const char upsert[] =
        "INSERT INTO queue_client(queue, client_id, turn) VALUES (?1, ?2, ?3) "
        "ON CONFLICT(queue, client_id) DO UPDATE SET turn = excluded.turn";
    CorSqlStmt *stmt = NULL;
    int64_t last = 0;
    bool has_row = false;

    if (!client_id[0]) {
        *ret_turn = rows->turn + 1;
        return true;
    }
    stmt = cor_sql_stmt(rows->txn, select);
    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_text(stmt, 2, client_id);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    last = has_row ? cor_sql_column_int(stmt, 0) : 0;
    cor_sql_reset(stmt);

    *ret_turn = COR_MAX(rows->turn, last) + 1;
    stmt = cor_sql_stmt(rows->txn, upsert);
    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_text(stmt, 2, client_id);
    cor_sql_bind_int(stmt, 3, *ret_turn);
    return cor_sql_run(stmt, err);
}

static bool send_one(CorQueueRows *rows, const CorQueueSend *send, CorQueueCounters *counters,
                     char id[COR_UUID_SIZE], CorError *err)
{
    CorQueueRow row = {.state = COR_QUEUE_NONE, .sent_unix_ms = rows->now_unix_ms};
    bool is_blocked = false;

    if (!find_duplicate(rows, send->dedup_id, id, err)) {
        return false;
    }
    if (id[0]) {
        return true;
    }
    if (send->message_id) {
        snprintf(row.message_id, sizeof(row.message_id), "%s", send->message_id);
    } else if (!cor_uuid4(row.message_id, err)) {
        return false;
    }
    snprintf(row.group_id, sizeof(row.group_id), "%s", send->group_id);
    snprintf(row.dedup_id, sizeof(row.dedup_id), "%s", send->dedup_id);
    snprintf(row.client_id, sizeof(row.client_id), "%s", send->client_id ? send->client_id : "");
    row.crc = cor_crc32(send->body, send->body_size);
    row.until_unix_ms = send->delay_ms ? rows->now_unix_ms + send->delay_ms : 0;
    if (!take_turn(rows, row.client_id, &row.turn, err) ||
        !has_group(rows, row.group_id, &is_blocked, err)) {
        return false;
    }

    row.id = counters->next_id++; /* a rolled back one leaves a gap, which is harmless */
    memcpy(id, row.message_id, COR_UUID_SIZE);
    return insert_body(rows, row.id, send, err) && note_dedup(rows, &row, err) &&
           cor_queue_priv_row_move(rows, &row,
                                   is_blocked       ? COR_QUEUE_BLOCKED
                                   : send->delay_ms ? COR_QUEUE_DELAYED
                                                    : COR_QUEUE_READY,
                                   err);
}

/* Forget what is over, twice as fast as it comes and never much at once. */
static bool prune(CorQueueRows *rows, size_t len, CorError *err)
{
    static const char dedup[] =
        "DELETE FROM queue_dedup WHERE (queue, dedup_id) IN (SELECT queue, dedup_id FROM "
        "queue_dedup INDEXED BY queue_dedup_until WHERE queue = ?1 AND until_unix_ms <= ?2 "
        "ORDER BY until_unix_ms LIMIT ?3)";
    static const char clients[] =
        "DELETE FROM queue_client WHERE (queue, client_id) IN (SELECT queue, client_id FROM "
        "queue_client INDEXED BY queue_client_turn WHERE queue = ?1 AND turn <= ?2 "
        "ORDER BY turn LIMIT ?3)";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, dedup);

    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_int(stmt, 2, rows->now_unix_ms);
    cor_sql_bind_int(stmt, 3, (int64_t) (2 * len));
    if (!cor_sql_run(stmt, err)) {
        return false;
    }
    stmt = cor_sql_stmt(rows->txn, clients);
    cor_sql_bind_int(stmt, 1, rows->lane);
    cor_sql_bind_int(stmt, 2, rows->turn);
    cor_sql_bind_int(stmt, 3, (int64_t) (2 * len));
    return cor_sql_run(stmt, err);
}

bool cor_queue_priv_rows_send(CorQueueRows *rows, const CorQueueSend *sends, size_t len,
                              CorQueueCounters *counters, char (*ids)[COR_UUID_SIZE], CorError *err)
{
    for (size_t i = 0; i < len; i++) {
        if (!send_one(rows, &sends[i], counters, ids[i], err)) {
            return false;
        }
    }
    return prune(rows, len, err);
}

/* ---- time ---- */

/* When the next delay or lease is over. */
static bool find_next_due(CorQueueRows *rows, CorError *err)
{
    static const char sql[] =
        "SELECT until_unix_ms FROM queue_message INDEXED BY queue_message_due "
        "WHERE queue = ?1 AND state >= 3 ORDER BY until_unix_ms LIMIT 1";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);
    bool has_row = false;

    cor_sql_bind_int(stmt, 1, rows->lane);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    rows->next_due_unix_ms = has_row ? cor_sql_column_int(stmt, 0) : COR_QUEUE_NEVER;
    rows->is_next_due_exact = true;
    cor_sql_reset(stmt);
    return true;
}

bool cor_queue_priv_rows_due(CorQueueRows *rows, CorError *err)
{
    static const char sql[] =
        "SELECT " COR_QUEUE_ROW_COLUMNS " FROM queue_message INDEXED BY queue_message_due "
        "WHERE queue = ?1 AND state >= 3 AND until_unix_ms <= ?2 "
        "ORDER BY until_unix_ms, id LIMIT 1";

    for (int i = 0; i < DUE_MAX; i++) {
        CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);
        CorQueueRow row;

        cor_sql_bind_int(stmt, 1, rows->lane);
        cor_sql_bind_int(stmt, 2, rows->now_unix_ms);
        if (!cor_queue_priv_row_load(stmt, &row, err)) {
            return false;
        }
        if (row.state == COR_QUEUE_NONE) {
            break;
        }
        row.until_unix_ms = 0;
        row.receipt = 0;
        if (!cor_queue_priv_row_move(rows, &row, COR_QUEUE_READY, err)) {
            return false;
        }
    }
    return find_next_due(rows, err);
}

/* ---- claim ---- */

static bool find_ready(CorQueueRows *rows, CorQueueRow *ret_row, CorError *err)
{
    static const char sql[] =
        "SELECT " COR_QUEUE_ROW_COLUMNS " FROM queue_message INDEXED BY queue_message_ready "
        "WHERE queue = ?1 AND state = 2 ORDER BY turn, id LIMIT 1";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);

    cor_sql_bind_int(stmt, 1, rows->lane);
    return cor_queue_priv_row_load(stmt, ret_row, err);
}

/* A message with its body; *ret_message stays NULL if the body is damaged. */
static bool load_message(CorQueueRows *rows, const CorQueueRow *row, CorMessage **ret_message,
                         CorError *err)
{
    static const char sql[] = "SELECT body FROM queue_body WHERE id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);
    CorMessageParts parts = {.message_id = row->message_id,
                             .group_id = row->group_id,
                             .dedup_id = row->dedup_id,
                             .client_id = row->client_id};
    bool has_row = false;

    cor_sql_bind_int(stmt, 1, row->id);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (!has_row) {
        return true;
    }
    parts.body = cor_sql_column_blob(stmt, 0, &parts.body_size);
    if (parts.body && cor_crc32(parts.body, parts.body_size) == row->crc) {
        *ret_message = cor_queue_priv_message_new(&parts);
        if (!*ret_message) {
            return cor_fail(err, COR_ERR_NOMEM, "receive message: out of memory");
        }
    }
    cor_sql_reset(stmt);
    return true;
}

static bool claim_one(CorQueueRows *rows, CorQueueRow *row, int64_t lease_ms, int64_t receipt,
                      CorMessage **ret_message, CorError *err)
{
    COR_CLEANUP(cor_message_freep) CorMessage *message = NULL;

    if (!load_message(rows, row, &message, err)) {
        return false;
    }
    if (!message) {
        row->reason = "damaged: the body does not fit its checksum";
        return cor_queue_priv_row_take_out(rows, row, COR_QUEUE_DEAD, err);
    }
    row->until_unix_ms = rows->now_unix_ms + lease_ms;
    row->receipt = receipt;
    row->receives++;
    if (!cor_queue_priv_row_move(rows, row, COR_QUEUE_LEASED, err)) {
        return false;
    }
    rows->turn = COR_MAX(rows->turn, row->turn);
    message->seq = row->id;
    message->receipt = receipt;
    message->receives = (int) row->receives;
    message->sent_unix_ms = row->sent_unix_ms;
    message->lease_end_ms = cor_time_ms() + lease_ms;
    *ret_message = COR_TAKE(message);
    return true;
}

bool cor_queue_priv_rows_claim(CorQueueRows *rows, const CorQueueReceive *how,
                               CorQueueCounters *counters, CorMessage **ret_messages,
                               size_t *ret_len, CorError *err)
{
    while (*ret_len < how->max) {
        CorMessage *message = NULL;
        CorQueueRow row;

        if (!find_ready(rows, &row, err)) {
            return false;
        }
        if (row.state == COR_QUEUE_NONE) {
            return true;
        }
        if (!claim_one(rows, &row, how->lease_ms, counters->next_receipt++, &message, err)) {
            return false;
        }
        if (message) {
            ret_messages[(*ret_len)++] = message;
        }
    }
    return true;
}

/* ---- settle ---- */

bool cor_queue_priv_rows_settle(CorQueueRows *rows, const CorMessage *message,
                                const CorQueueSettle *settle, bool *ret_is_stale, CorError *err)
{
    CorQueueRow row;

    if (!cor_queue_priv_row_find(rows, message->seq, &row, err)) {
        return false;
    }
    *ret_is_stale = row.state != COR_QUEUE_LEASED || row.receipt != message->receipt;
    if (*ret_is_stale) {
        return true;
    }
    switch (settle->kind) {
    case COR_QUEUE_ACK:
        return cor_queue_priv_row_take_out(rows, &row, COR_QUEUE_NONE, err);
    case COR_QUEUE_FAIL:
        row.reason = settle->reason;
        return cor_queue_priv_row_take_out(rows, &row, COR_QUEUE_DEAD, err);
    case COR_QUEUE_EXTEND:
        row.until_unix_ms = rows->now_unix_ms + settle->delay_ms;
        return cor_queue_priv_row_move(rows, &row, COR_QUEUE_LEASED, err);
    case COR_QUEUE_RELEASE:
        row.until_unix_ms = settle->delay_ms ? rows->now_unix_ms + settle->delay_ms : 0;
        row.receipt = 0;
        row.receives -= !settle->counts;
        return cor_queue_priv_row_move(rows, &row,
                                       settle->delay_ms ? COR_QUEUE_DELAYED : COR_QUEUE_READY, err);
    }
    return cor_fail(err, COR_ERR_BUG, "no such settlement");
}

bool cor_queue_priv_rows_cancel(CorQueueRows *rows, const char *dedup_id, bool *ret_removed,
                                CorError *err)
{
    static const char sql[] =
        "SELECT " COR_QUEUE_ROW_COLUMNS " FROM queue_message INDEXED BY queue_message_dedup "
        "WHERE queue = ?1 AND dedup_id = ?2 AND id > ?3 ORDER BY id LIMIT 1";
    CorQueueRow row = {.id = 0};
    size_t found = 0;

    *ret_removed = true;
    for (;;) {
        CorSqlStmt *stmt = cor_sql_stmt(rows->txn, sql);

        cor_sql_bind_int(stmt, 1, rows->lane);
        cor_sql_bind_text(stmt, 2, dedup_id);
        cor_sql_bind_int(stmt, 3, row.id);
        if (!cor_queue_priv_row_load(stmt, &row, err)) {
            return false;
        }
        if (row.state == COR_QUEUE_NONE) {
            break;
        }
        found++;
        if (row.state == COR_QUEUE_LEASED) {
            *ret_removed = false;
        } else if (!cor_queue_priv_row_take_out(rows, &row, COR_QUEUE_NONE, err)) {
            return false;
        }
    }
    return found > 0 || cor_fail(err, COR_ERR_NOT_FOUND, "there is no such message");
}

/* ---- start ---- */

/* Whoever held these leases is gone with the process that ran this queue: nobody else can have had
 * them, and it was not the messages' fault. */
static bool end_leases(CorSqlTxn *txn, int64_t now_unix_ms, CorError *err)
{
    static const char sql[] =
        "SELECT " COR_QUEUE_ROW_COLUMNS ", queue FROM queue_message WHERE state = 4 AND "
        "(queue, id) > (?1, ?2) ORDER BY queue, id LIMIT 1";
    CorQueueRows rows = {.txn = txn, .now_unix_ms = now_unix_ms};
    CorQueueRow row = {.id = 0};

    for (;;) {
        CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
        bool has_row = false;

        cor_sql_bind_int(stmt, 1, rows.lane);
        cor_sql_bind_int(stmt, 2, row.id);
        if (!cor_sql_next(stmt, &has_row, err)) {
            return false;
        }
        if (!has_row) {
            return true;
        }
        rows.lane = cor_sql_column_int(stmt, 12);
        row.id = cor_sql_column_int(stmt, 0);
        cor_sql_reset(stmt);
        if (!cor_queue_priv_row_find(&rows, row.id, &row, err)) {
            return false;
        }
        row.until_unix_ms = 0;
        row.receipt = 0;
        row.receives = COR_MAX(row.receives - 1, 0);
        if (!cor_queue_priv_row_move(&rows, &row, COR_QUEUE_READY, err)) {
            return false;
        }
    }
}

/* If the wall clock was set back while nobody ran, nothing waits longer than a delay may be. */
static bool shorten_delays(CorSqlTxn *txn, int64_t now_unix_ms, CorError *err)
{
    static const char sql[] =
        "UPDATE queue_message SET until_unix_ms = ?1 WHERE until_unix_ms > ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, now_unix_ms + COR_QUEUE_DELAY_MAX_MS);
    return cor_sql_run(stmt, err);
}

static bool find_last_id(CorSqlTxn *txn, int64_t *ret_id, CorError *err)
{
    static const char sql[] = "SELECT coalesce(max(id), 0) FROM queue_body";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *ret_id = has_row ? cor_sql_column_int(stmt, 0) : 0;
    return true;
}

bool cor_queue_priv_rows_start(CorSqlTxn *txn, int64_t now_unix_ms, CorQueueCounters *counters,
                               CorError *err)
{
    const char *const steps[] = {cor_queue_priv_schema_1};
    int64_t last_id = 0;

    if (!cor_sql_migrate(txn, "queue", steps, COR_ARRAY_LEN(steps), err) ||
        !end_leases(txn, now_unix_ms, err) || !shorten_delays(txn, now_unix_ms, err) ||
        !find_last_id(txn, &last_id, err)) {
        return false;
    }
    counters->next_id = last_id + 1;
    return true;
}
