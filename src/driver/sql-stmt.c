/* SPDX-License-Identifier: Apache-2.0 */
/* Connections, cached statements and the meaning of SQLite's error codes.
 *
 * Statements are told by the address of their text, which is static: a pointer hash is all that a
 * lookup costs.  A function may leave a loop over rows early; whatever it used is reset when it
 * returns, because a statement that still reads would pin the write-ahead log.
 */
#include "driver/sql-priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"

static CorErrorCode code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return (rc == SQLITE_IOERR_NOMEM) ? COR_ERR_NOMEM : COR_ERR_UNAVAILABLE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return COR_ERR_CORRUPT;
    case SQLITE_CONSTRAINT:
        return COR_ERR_CONFLICT;
    case SQLITE_NOMEM:
        return COR_ERR_NOMEM;
    case SQLITE_INTERRUPT:
        return COR_ERR_TIMEOUT;
    case SQLITE_TOOBIG:
        return COR_ERR_LIMIT;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return COR_ERR_DENIED;
    default:
        return COR_ERR_BUG;
    }
}

bool cor_sql_priv_fail(CorError *err, sqlite3 *conn, int rc, const char *what)
{
    const char *text = sqlite3_errstr(rc);

    /* The connection's own text names the constraint or the syntax error, if it is about this rc.
     */
    if (conn && (sqlite3_extended_errcode(conn) & 0xff) == (rc & 0xff)) {
        rc = sqlite3_extended_errcode(conn);
        text = sqlite3_errmsg(conn);
    }
    return cor_fail(err, code_of(rc), "%s: %s (sqlite %d)", what, text, rc);
}

/* Cuts off a reader that goes on past its deadline. */
static int is_late(void *arg)
{
    const CorSqlTxn *txn = arg;

    return txn->deadline_ms && cor_time_ms() > txn->deadline_ms;
}

/* Pragmas as measured (docs/decisions/relaxed-commits.md): Debian compiles SECURE_DELETE on, which
 * would overwrite every acknowledged message once more.  No mmap: a file cut under a running server
 * would be a SIGBUS instead of an error.  The writer checkpoints by itself, outside of anybody's
 * commit. */
static bool set_pragmas(CorSqlTxn *txn, bool is_writer, int cache_kib, CorError *err)
{
    static const char common[] = "PRAGMA secure_delete=OFF; PRAGMA temp_store=MEMORY;"
                                 "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;"
                                 "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;";
    static const char writer[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                 "PRAGMA journal_size_limit=67108864; PRAGMA wal_autocheckpoint=0;";
    static const char reader[] = "PRAGMA query_only=ON;";
    char cache[64];
    int rc = SQLITE_OK;

    sqlite3_snprintf((int) sizeof(cache), cache, "PRAGMA cache_size=-%d;", cache_kib);
    rc = sqlite3_exec(txn->conn, common, NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(txn->conn, cache, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(txn->conn, is_writer ? writer : reader, NULL, NULL, NULL);
    }
    return rc == SQLITE_OK || cor_sql_priv_fail(err, txn->conn, rc, "configure database");
}

bool cor_sql_priv_connect(const char *path, bool is_writer, int cache_kib, CorSqlTxn **ret_txn,
                          CorError *err)
{
    int flags = (is_writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOMUTEX |
                SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    CorSqlTxn *txn = cor_new(CorSqlTxn);
    int rc = SQLITE_OK;

    if (!txn) {
        return cor_fail(err, COR_ERR_NOMEM, "open database: out of memory");
    }
    rc = sqlite3_open_v2(path, &txn->conn, flags, NULL);
    if (rc != SQLITE_OK) {
        cor_sql_priv_fail(err, txn->conn, rc, "open database");
        cor_sql_priv_disconnect(txn);
        return false;
    }
    (void) sqlite3_busy_timeout(txn->conn, 5000); /* an operator's shell may hold the lock */
    if (!set_pragmas(txn, is_writer, cache_kib, err) || !cor_sql_priv_add_match(txn, err)) {
        cor_sql_priv_disconnect(txn);
        return false;
    }
    if (!is_writer) {
        sqlite3_progress_handler(txn->conn, 20000, is_late, txn);
    }
    *ret_txn = txn;
    return true;
}

void cor_sql_priv_disconnect(CorSqlTxn *txn)
{
    if (!txn) {
        return;
    }
    cor_sql_priv_end(txn);
    for (size_t i = 0; i < COR_SQL_SLOTS; i++) {
        if (txn->slots[i]) {
            (void) sqlite3_finalize(txn->slots[i]->handle);
            free(txn->slots[i]);
        }
    }
    (void) sqlite3_close_v2(txn->conn);
    free(txn);
}

void cor_sql_priv_end(CorSqlTxn *txn)
{
    CorSqlStmt *next = NULL;

    for (CorSqlStmt *stmt = txn->used; stmt; stmt = next) {
        next = stmt->next_used;
        stmt->next_used = NULL;
        stmt->is_used = false;
        if (stmt->is_once) {
            (void) sqlite3_finalize(stmt->handle);
            free(stmt);
            continue;
        }
        (void) sqlite3_reset(stmt->handle);
        (void) sqlite3_clear_bindings(stmt->handle);
    }
    txn->used = NULL;
}

static CorSqlStmt *new_stmt(CorSqlTxn *txn, const char *sql, bool is_once)
{
    unsigned flags = is_once ? 0 : SQLITE_PREPARE_PERSISTENT;
    CorSqlStmt *stmt = cor_new(CorSqlStmt);

    if (!stmt) {
        txn->no_memory = (CorSqlStmt){.txn = txn, .sql = "", .rc = SQLITE_NOMEM};
        return &txn->no_memory;
    }
    stmt->txn = txn;
    stmt->sql = sql;
    stmt->is_once = is_once;
    stmt->rc = sqlite3_prepare_v3(txn->conn, sql, -1, flags, &stmt->handle, NULL);
    if (stmt->rc == SQLITE_OK && !stmt->handle) {
        stmt->rc = SQLITE_MISUSE; /* an empty text or a comment */
    }
    return stmt;
}

static CorSqlStmt *use(CorSqlTxn *txn, CorSqlStmt *stmt)
{
    if (!stmt->is_used && stmt != &txn->no_memory) {
        stmt->is_used = true;
        stmt->next_used = txn->used;
        txn->used = stmt;
    }
    return stmt;
}

static size_t slot_of(const char *sql)
{
    return (size_t) (((uintptr_t) sql * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (COR_SQL_SLOTS - 1);
}

CorSqlStmt *cor_sql_stmt(CorSqlTxn *txn, const char *sql)
{
    size_t slot = slot_of(sql);
    CorSqlStmt *stmt = NULL;

    assert(txn && sql);

    while (txn->slots[slot] && txn->slots[slot]->sql != sql) {
        slot = (slot + 1) & (COR_SQL_SLOTS - 1);
    }
    stmt = txn->slots[slot];
    if (stmt) {
        (void) sqlite3_reset(stmt->handle);
        (void) sqlite3_clear_bindings(stmt->handle);
        stmt->rc = SQLITE_OK;
        return use(txn, stmt);
    }

    stmt = new_stmt(txn, sql, false);
    if (stmt->rc != SQLITE_OK || txn->slots_used >= COR_SQL_SLOTS / 2) {
        stmt->is_once = true; /* not worth or not able to be kept */
        return use(txn, stmt);
    }
    txn->slots[slot] = stmt;
    txn->slots_used++;
    return use(txn, stmt);
}

CorSqlStmt *cor_sql_stmt_once(CorSqlTxn *txn, const char *sql)
{
    return use(txn, new_stmt(txn, sql, true));
}

/* Remember the first failure; cor_sql_next() reports it. */
static void note(CorSqlStmt *stmt, int rc)
{
    if (stmt->rc == SQLITE_OK) {
        stmt->rc = rc;
    }
}

void cor_sql_bind_int(CorSqlStmt *stmt, int index, int64_t value)
{
    if (stmt->rc == SQLITE_OK) {
        note(stmt, sqlite3_bind_int64(stmt->handle, index, value));
    }
}

void cor_sql_bind_real(CorSqlStmt *stmt, int index, double value)
{
    if (stmt->rc == SQLITE_OK) {
        note(stmt, sqlite3_bind_double(stmt->handle, index, value));
    }
}

void cor_sql_bind_text(CorSqlStmt *stmt, int index, const char *text)
{
    cor_sql_bind_text_size(stmt, index, text, text ? strlen(text) : 0);
}

void cor_sql_bind_text_size(CorSqlStmt *stmt, int index, const char *text, size_t size)
{
    if (stmt->rc == SQLITE_OK) {
        note(stmt,
             sqlite3_bind_text64(stmt->handle, index, text, size, SQLITE_STATIC, SQLITE_UTF8));
    }
}

void cor_sql_bind_blob(CorSqlStmt *stmt, int index, const void *data, size_t size)
{
    if (stmt->rc == SQLITE_OK) {
        note(stmt, sqlite3_bind_blob64(stmt->handle, index, data, size, SQLITE_STATIC));
    }
}

void cor_sql_bind_null(CorSqlStmt *stmt, int index)
{
    if (stmt->rc == SQLITE_OK) {
        note(stmt, sqlite3_bind_null(stmt->handle, index));
    }
}

bool cor_sql_next(CorSqlStmt *stmt, bool *ret_has_row, CorError *err)
{
    int rc = stmt->rc;

    if (rc != SQLITE_OK) {
        return cor_sql_priv_fail(err, stmt->txn->conn, rc, "prepare statement");
    }
    rc = sqlite3_step(stmt->handle);
    if (rc == SQLITE_ROW) {
        *ret_has_row = true;
        return true;
    }
    if (rc == SQLITE_DONE) {
        (void) sqlite3_reset(stmt->handle);
        *ret_has_row = false;
        return true;
    }
    cor_sql_priv_fail(err, stmt->txn->conn, rc, "run statement");
    (void) sqlite3_reset(stmt->handle);
    return false;
}

bool cor_sql_run(CorSqlStmt *stmt, CorError *err)
{
    bool has_row = true;

    while (has_row) {
        if (!cor_sql_next(stmt, &has_row, err)) {
            return false;
        }
    }
    return true;
}

void cor_sql_reset(CorSqlStmt *stmt)
{
    (void) sqlite3_reset(stmt->handle);
}

int64_t cor_sql_column_int(CorSqlStmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

double cor_sql_column_real(CorSqlStmt *stmt, int column)
{
    return sqlite3_column_double(stmt->handle, column);
}

const char *cor_sql_column_text(CorSqlStmt *stmt, int column)
{
    return (const char *) sqlite3_column_text(stmt->handle, column);
}

const void *cor_sql_column_blob(CorSqlStmt *stmt, int column, size_t *ret_size)
{
    const void *data = sqlite3_column_blob(stmt->handle, column);

    *ret_size = (size_t) sqlite3_column_bytes(stmt->handle, column);
    return data;
}

bool cor_sql_column_is_null(CorSqlStmt *stmt, int column)
{
    return sqlite3_column_type(stmt->handle, column) == SQLITE_NULL;
}

int64_t cor_sql_changes(CorSqlTxn *txn)
{
    return sqlite3_changes64(txn->conn);
}

int64_t cor_sql_last_rowid(CorSqlTxn *txn)
{
    return sqlite3_last_insert_rowid(txn->conn);
}

bool cor_sql_exec(CorSqlTxn *txn, const char *script, CorError *err)
{
    int rc = sqlite3_exec(txn->conn, script, NULL, NULL, NULL);

    return rc == SQLITE_OK || cor_sql_priv_fail(err, txn->conn, rc, "run script");
}

static bool version_of(CorSqlTxn *txn, const char *room, int64_t *ret_version, CorError *err)
{
    static const char create[] = "CREATE TABLE IF NOT EXISTS schema_version("
                                 "room TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID";
    static const char select[] = "SELECT version FROM schema_version WHERE room = ?1";
    CorSqlStmt *stmt = NULL;
    bool has_row = false;

    if (!cor_sql_exec(txn, create, err)) {
        return false;
    }
    stmt = cor_sql_stmt_once(txn, select);
    cor_sql_bind_text(stmt, 1, room);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *ret_version = has_row ? cor_sql_column_int(stmt, 0) : 0;
    cor_sql_reset(stmt);
    return true;
}

bool cor_sql_migrate(CorSqlTxn *txn, const char *room, const char *const *steps, size_t steps_len,
                     CorError *err)
{
    static const char upsert[] = "INSERT INTO schema_version(room, version) VALUES (?1, ?2) "
                                 "ON CONFLICT(room) DO UPDATE SET version = excluded.version";
    int64_t version = 0;
    CorSqlStmt *stmt = NULL;

    if (!version_of(txn, room, &version, err)) {
        return false;
    }
    if (version < 0 || (uint64_t) version > steps_len) {
        return cor_fail(
            err, COR_ERR_CONFLICT,
            "tables of '%s' have version %lld, this program knows up to %zu: it is older "
            "than the one that wrote the file",
            room, (long long) version, steps_len);
    }
    for (size_t i = (size_t) version; i < steps_len; i++) {
        if (!cor_sql_exec(txn, steps[i], err)) {
            cor_error_wrap(err, "bring tables of '%s' to version %zu", room, i + 1);
            return false;
        }
    }
    if ((size_t) version == steps_len) {
        return true;
    }
    stmt = cor_sql_stmt_once(txn, upsert);
    cor_sql_bind_text(stmt, 1, room);
    cor_sql_bind_int(stmt, 2, (int64_t) steps_len);
    return cor_sql_run(stmt, err);
}
