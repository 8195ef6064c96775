/* SPDX-License-Identifier: Apache-2.0 */
/* Clients and their logs.
 *
 * next_seq is the number that the next event gets, so the last one is next_seq - 1 even when every
 * event has been pruned.  The oldest one that is kept is the first of the client's stretch in the
 * table; pruning takes events in the order in which they ended, which is the order of the numbers.
 */
#include <string.h>

#include "base/array.h"
#include "ledger/ledger-priv.h"
#include "ledger/ledger.h"

bool cor_ledger_priv_copy(char *field, size_t size, const char *text, CorError *err)
{
    if (!text || strlen(text) >= size) {
        return cor_fail(err, COR_ERR_CORRUPT, "ledger: a text is missing or too long");
    }
    memcpy(field, text, strlen(text) + 1);
    return true;
}

bool cor_ledger_client(CorSqlReader *reader, const char *client_id, CorClientLog *ret_log,
                       CorError *err)
{
    static const char sql[] =
        "SELECT next_seq - 1, acked_seq, coalesce((SELECT seq FROM event WHERE client_id = ?1"
        " ORDER BY seq LIMIT 1), next_seq) FROM client WHERE client_id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(reader, sql);
    bool has_row = false;

    cor_sql_bind_text(stmt, 1, client_id);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (!has_row) {
        *ret_log = (CorClientLog){.oldest = 1};
        return true;
    }
    *ret_log = (CorClientLog){
        .last = cor_sql_column_int(stmt, 0),
        .acked = cor_sql_column_int(stmt, 1),
        .oldest = cor_sql_column_int(stmt, 2),
    };
    cor_sql_reset(stmt);
    return true;
}

bool cor_ledger_events(CorSqlReader *reader, const CorEventRange *range,
                       bool (*visit)(void *context, int64_t seq, int64_t created_unix_ms,
                                     const char *body, CorError *err),
                       void *context, CorError *err)
{
    static const char sql[] = "SELECT seq, created, body FROM event WHERE client_id = ?1"
                              " AND seq > ?2 ORDER BY seq LIMIT ?3";
    CorSqlStmt *stmt = cor_sql_stmt(reader, sql);
    bool has_row = false;

    cor_sql_bind_text(stmt, 1, range->client_id);
    cor_sql_bind_int(stmt, 2, range->since);
    cor_sql_bind_int(stmt, 3, (int64_t) range->max);
    while (cor_sql_next(stmt, &has_row, err)) {
        if (!has_row) {
            return true;
        }
        if (!visit(context, cor_sql_column_int(stmt, 0), cor_sql_column_int(stmt, 1),
                   cor_sql_column_text(stmt, 2), err)) {
            return false;
        }
    }
    return false;
}

bool cor_ledger_ack(CorSqlTxn *txn, const char *client_id, int64_t seq, CorError *err)
{
    static const char sql[] = "UPDATE client SET acked_seq = min(?2, next_seq - 1)"
                              " WHERE client_id = ?1 AND acked_seq < min(?2, next_seq - 1)";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, client_id);
    cor_sql_bind_int(stmt, 2, seq);
    return cor_sql_run(stmt, err);
}

bool cor_ledger_seen(CorSqlTxn *txn, const char *client_id, int64_t now_unix_ms, CorError *err)
{
    static const char sql[] = "INSERT INTO client(client_id, seen) VALUES (?1, ?2)"
                              " ON CONFLICT(client_id) DO UPDATE SET seen = max(seen, ?2)";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, client_id);
    cor_sql_bind_int(stmt, 2, now_unix_ms);
    return cor_sql_run(stmt, err);
}
