/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite, shared by queue, ledger and catalog: one writer thread per database, which commits for
 * everybody (group commit), and a small pool of read-only connections.
 *
 * What arrives while a commit runs shares the next one.  Writes run one after the other, in the
 * order in which they were handed over, each inside a savepoint: one that fails is rolled back
 * alone.
 *
 * Durability  Each write says what it needs.
 *             COR_SQL_SYNCED: true means that it survives a power cut (fdatasync was done).
 *             COR_SQL_RELAXED: true means that it survives the death of this process at any moment
 *             (kill -9), is ordered after everything committed before it and before everything
 *             committed after it, and that a power cut within COR_SQL_RELAXED_MS may undo it
 *             unless a SYNCED write was committed meanwhile.  So RELAXED is for what may happen
 *             twice (a claim, an acknowledgement, "mark as sent"), or can be made again from what
 *             is durable.  A power cut never keeps a later commit and loses an earlier one.
 *             See docs/decisions/relaxed-commits.md.
 *             If COMMIT itself fails (full or read-only disk), all writes of that group fail with
 *             UNAVAILABLE, nothing of them is kept, and the next group tries again by itself.
 * Ownership   cor_sql_open() gives a reference to close with cor_sql_close(); opens of the same
 *             file within the process share one object.  Statements belong to their transaction.
 * Threads     CorSql: Thread-safe.  CorSqlTxn, CorSqlStmt: One thread at a time (they live only
 *             inside the function that got them).
 * Blocking    cor_sql_write() waits for the commit, at most COR_SQL_WRITE_WAIT_MS for its turn.
 *             cor_sql_read() waits at most COR_SQL_READ_WAIT_MS for a connection and is cut off
 *             after COR_SQL_READ_TIME_MS.  Not for the WebSocket thread, which uses
 *             cor_sql_write_async().
 * Errors      Full or failing disk, read-only, cannot open, busy: UNAVAILABLE.  Damaged: CORRUPT.
 *             A violated constraint: CONFLICT.  Interrupted: TIMEOUT.  Misused statement: BUG.
 * Units       Durations are milliseconds.  Parameters count from 1, columns from 0, as in SQLite.
 *
 * A write looks like this:
 *
 *     static bool insert_client(CorSqlTxn *txn, void *arg, CorError *err)
 *     {
 *         static const char sql[] = "INSERT INTO client(client_id, seen) VALUES (?1, ?2)";
 *         const Client *client = arg;
 *         CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
 *
 *         cor_sql_bind_text(stmt, 1, client->id);
 *         cor_sql_bind_int(stmt, 2, client->seen_unix_ms);
 *         return cor_sql_run(stmt, err);
 *     }
 *     ...
 *     if (!cor_sql_write(db, insert_client, &client, COR_SQL_SYNCED, err)) {
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_SQL_WRITE_WAIT_MS 30000
#define COR_SQL_READ_WAIT_MS 10000
#define COR_SQL_READ_TIME_MS 10000
#define COR_SQL_RELAXED_MS 200    /* then a relaxed commit is synced as well */
#define COR_SQL_PENDING_MAX 65536 /* writes waiting for their turn; more are UNAVAILABLE */

typedef struct CorSql CorSql;
typedef struct CorSqlTxn CorSqlTxn;
typedef struct CorSqlStmt CorSqlStmt;

typedef enum CorSqlDurability {
    COR_SQL_SYNCED = 0, /* survives a power cut */
    COR_SQL_RELAXED,    /* survives kill -9; may be undone by a power cut, never out of order */
} CorSqlDurability;

typedef struct CorSqlOptions {
    int readers_max; /* read-only connections; 0 means 8 */
    int cache_kib;   /* page cache of the writer; 0 means 65536 */
    bool never_sync; /* scratch databases of tests and benches: SYNCED is treated as RELAXED */
} CorSqlOptions;

/**
 * Work inside a transaction.  Returns false with err set to have it rolled back.  Must change
 * nothing in memory that a failing COMMIT would have to undo: that belongs into a CorSqlDone.
 */
typedef bool CorSqlRun(CorSqlTxn *txn, void *arg, CorError *err);

/**
 * Called once on the writer thread when a write is committed (err is NULL) or has failed (err says
 * why), in the order of the writes.  Must be short, must not block and must not call
 * cor_sql_write(); cor_sql_write_async() is allowed.
 */
typedef void CorSqlDone(void *arg, const CorError *err);

/**
 * Open a database file, creating it if it is not there, or share it if this process has it open.
 *
 * A damaged file (truncated, not a database, broken pages) is refused with CORRUPT and a text that
 * names the file and the way out.  A write-ahead log that was cut loses its unfinished tail only.
 * Ready within a second whatever the size: the full check of pages is made up to 32 MiB; damage
 * in a larger file beyond its header, length and schema is reported as CORRUPT when it is met.
 *
 * @param options  NULL for the defaults; those of the first open of a file stand
 */
COR_MUSTCHECK bool cor_sql_open(const char *path, const CorSqlOptions *options, CorSql **ret_db,
                                CorError *err);

/** Give back a reference; the last one finishes what is pending and closes.  NULL is ignored. */
void cor_sql_close(CorSql *db);
COR_DEFINE_CLEANUP(CorSql, cor_sql_close)

/** The canonical path of the file.  Borrowed. */
const char *cor_sql_path(const CorSql *db);

/**
 * Run a function in a transaction on the writer thread and wait for the commit.
 *
 * The function sees everything that was handed over earlier.  Must not be called on the writer
 * thread.  TIMEOUT means that its turn did not come: nothing was done.
 */
COR_MUSTCHECK bool cor_sql_write(CorSql *db, CorSqlRun *run, void *arg, CorSqlDurability durability,
                                 CorError *err);

/** As cor_sql_write(); done (may be NULL) has been called on the writer thread before it returns.
 */
COR_MUSTCHECK bool cor_sql_write_then(CorSql *db, CorSqlRun *run, CorSqlDone *done, void *arg,
                                      CorSqlDurability durability, CorError *err);

/**
 * Tell that a write of this thread will be handed over in a moment, when something has been done
 * that takes a millisecond: commits that are about to be made wait for it, up to two of them, and
 * it shares one.  A cor_sql_write_beside() that says so must follow, or cor_sql_withdraw().
 */
void cor_sql_announce(CorSql *db);
void cor_sql_withdraw(CorSql *db);

typedef struct CorSqlBeside {
    void (*meanwhile)(void *arg); /* not called if the write was not handed over */
    bool was_announced;
} CorSqlBeside;

/**
 * Hand over a write, do something else in this thread while it runs, and wait for the commit: as
 * cor_sql_write().
 *
 * @param arg  of both
 */
COR_MUSTCHECK bool cor_sql_write_beside(CorSql *db, CorSqlRun *run, const CorSqlBeside *beside,
                                        void *arg, CorSqlDurability durability, CorError *err);

/**
 * Hand over a write and return at once.  If this returns true, done (may be NULL) will be called
 * exactly once; arg must live until then, and the database must stay open until this has returned.
 */
COR_MUSTCHECK bool cor_sql_write_async(CorSql *db, CorSqlRun *run, CorSqlDone *done, void *arg,
                                       CorSqlDurability durability, CorError *err);

/** Return when everything that was committed survives a power cut. */
COR_MUSTCHECK bool cor_sql_sync(CorSql *db, CorError *err);

/**
 * Run a function on a read-only connection, in the calling thread.  All its statements see one
 * consistent snapshot, which holds every write that had returned before.
 */
COR_MUSTCHECK bool cor_sql_read(CorSql *db, CorSqlRun *run, void *arg, CorError *err);

/**
 * A number for what readers see: while it stays the same, so does that.  Odd while a commit is
 * being made, when it may be either.
 *
 * What is kept of the database is true if the number was even before it was read, and is the same
 * when it is used.
 */
uint64_t cor_sql_version(const CorSql *db);

/** Called on the writer thread after a COMMIT: readers see it.  As short as a CorSqlDone, and must
 * not call cor_sql_watch() or cor_sql_unwatch(). */
typedef void CorSqlCommitted(void *context);

/** Hear of each commit from now on, whoever made it.  LIMIT if eight do already. */
COR_MUSTCHECK bool cor_sql_watch(CorSql *db, CorSqlCommitted *committed, void *context,
                                 CorError *err);

/** End it; when this returns, no call runs or will come. */
void cor_sql_unwatch(CorSql *db, CorSqlCommitted *committed, void *context);

/**
 * Bring the tables of a room to the newest version: runs the steps that this file has not seen, in
 * order, and notes the version.  Call it inside cor_sql_write() before anything else.
 *
 * @param room   whose tables: "queue", "ledger", "catalog"
 * @param steps  SQL scripts; step n leads from version n to version n + 1.  Never edit one that was
 *               released, add another
 * @param err    CONFLICT if the file was written by a newer program
 */
COR_MUSTCHECK bool cor_sql_migrate(CorSqlTxn *txn, const char *room, const char *const *steps,
                                   size_t steps_len, CorError *err);

/**
 * The prepared statement of a static SQL text, ready to bind; kept with its connection for ever.
 *
 * Never NULL: what went wrong is reported by cor_sql_next() or cor_sql_run().  Asking again for the
 * same text restarts the same statement, so a loop over its rows must not ask for it.  All
 * statements end with the transaction function.
 *
 * @param sql  one statement; a string that lives as long as the program, told by its address
 */
CorSqlStmt *cor_sql_stmt(CorSqlTxn *txn, const char *sql);

/** As cor_sql_stmt() for a text made at run time (from constant parts!), for this transaction only.
 */
CorSqlStmt *cor_sql_stmt_once(CorSqlTxn *txn, const char *sql);

/* Bind parameters, counted from 1.  Texts and blobs are borrowed until the statement is restarted
 * or the transaction function returns.  A failure is reported by cor_sql_next() or cor_sql_run().
 */
void cor_sql_bind_int(CorSqlStmt *stmt, int index, int64_t value);
void cor_sql_bind_real(CorSqlStmt *stmt, int index, double value);
/** Bind a text; NULL binds SQL NULL. */
void cor_sql_bind_text(CorSqlStmt *stmt, int index, const char *text);
/** Bind size bytes as TEXT. */
void cor_sql_bind_text_size(CorSqlStmt *stmt, int index, const char *text, size_t size);
/** Bind size bytes as BLOB; NULL binds SQL NULL. */
void cor_sql_bind_blob(CorSqlStmt *stmt, int index, const void *data, size_t size);
void cor_sql_bind_null(CorSqlStmt *stmt, int index);

/**
 * A test of a text; NULL for SQL NULL.  Must be short, and depend on nothing but its arguments.
 */
typedef bool CorSqlMatch(const void *context, const char *text, size_t size);

/** Bind a test for "matches(?n, column)", which is 1 or 0.  The context is borrowed like texts. */
void cor_sql_bind_match(CorSqlStmt *stmt, int index, CorSqlMatch *match, const void *context);

/** Run to the end, dropping rows; afterwards the statement can be bound and run again. */
COR_MUSTCHECK bool cor_sql_run(CorSqlStmt *stmt, CorError *err);

/** Go to the next row; *ret_has_row is false at the end, and the statement is then restarted. */
COR_MUSTCHECK bool cor_sql_next(CorSqlStmt *stmt, bool *ret_has_row, CorError *err);

/** Give up the remaining rows, keeping the bindings. */
void cor_sql_reset(CorSqlStmt *stmt);

/* Columns of the current row, counted from 0.  Pointers are good until the next cor_sql_next(). */
int64_t cor_sql_column_int(CorSqlStmt *stmt, int column);
double cor_sql_column_real(CorSqlStmt *stmt, int column);
/** NULL for SQL NULL; otherwise NUL-terminated. */
const char *cor_sql_column_text(CorSqlStmt *stmt, int column);
/** NULL for SQL NULL and for an empty blob. */
const void *cor_sql_column_blob(CorSqlStmt *stmt, int column, size_t *ret_size);
bool cor_sql_column_is_null(CorSqlStmt *stmt, int column);

/** Rows inserted, changed or deleted by the last INSERT, UPDATE or DELETE that ran to its end. */
int64_t cor_sql_changes(CorSqlTxn *txn);

/** The rowid of the last INSERT. */
int64_t cor_sql_last_rowid(CorSqlTxn *txn);

/** Run a script of several statements, for tables and indexes. */
COR_MUSTCHECK bool cor_sql_exec(CorSqlTxn *txn, const char *script, CorError *err);
