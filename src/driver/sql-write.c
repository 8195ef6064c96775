/* SPDX-License-Identifier: Apache-2.0 */
/* The writer thread: group commit.
 *
 * The thread takes everything that waits, runs it in one transaction and commits once.  While the
 * commit waits for the disk the next group gathers by itself, so the group grows with the load and
 * a single write waits for nobody.  In a group of more than one, each write runs in a savepoint.
 *
 *     WAITING --taken into a group--> TAKEN --ran, COMMIT went well--> finished, true
 *        |                              +----its own failure---------> finished, false; the group
 *        |                              |                              goes on without it
 *        |                              +----COMMIT failed-----------> finished, false, like all
 *        |                                                             of the group
 *        +--its caller's time was up----------------------------------> TIMEOUT, never run
 *
 * Durability is a property of the COMMIT: PRAGMA synchronous is FULL if any member of the group
 * wants to be synced, else NORMAL (in WAL mode: no fdatasync before the next checkpoint or the next
 * FULL commit, whose fdatasync of the same file covers all earlier frames).  The frames of the log
 * are a chain of checksums, so a power cut keeps a prefix of the commits.  What is not synced after
 * COR_SQL_RELAXED_MS is: with the next group if there is one by then, else by itself.
 *
 * A failed fdatasync may have dropped pages of the log that the kernel now believes to be clean; a
 * later fdatasync would succeed over the hole.  So after one, everything is moved into the main
 * file and the log begun anew before anything else is committed.
 *
 * Checkpoints are made by a thread of their own (sql-checkpoint.c), so nobody's commit waits for
 * one; the writer makes one itself only if that thread does not keep up and the log has grown very
 * long.
 */
#include "driver/sql-priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/time.h"

#define CHECKPOINT_PAGES 4000       /* 16 MB: ask for a checkpoint */
#define CHECKPOINT_AGAIN_PAGES 1000 /* and again after 4 MB more */
#define CHECKPOINT_OWN_PAGES 16000  /* 64 MB: make one before the next group */

static int note_log_pages(void *arg, sqlite3 *conn, const char *name, int pages)
{
    CorSqlWriter *writer = arg;

    (void) conn;
    (void) name;
    writer->wal_pages = pages;
    writer->has_written = true;
    return SQLITE_OK;
}

static bool run_text(CorSqlTxn *txn, const char *sql, CorError *err)
{
    return cor_sql_run(cor_sql_stmt(txn, sql), err);
}

static void roll_back(CorSqlTxn *txn)
{
    cor_sql_priv_end(txn);
    if (!sqlite3_get_autocommit(txn->conn)) {
        (void) sqlite3_exec(txn->conn, "ROLLBACK", NULL, NULL, NULL);
    }
}

static bool is_overdue(const CorSqlWriter *writer)
{
    return writer->unsynced_since_ms > 0 &&
           cor_time_ms() - writer->unsynced_since_ms >= COR_SQL_RELAXED_MS;
}

static void note_sync_failure(CorSqlWriter *writer, int rc)
{
    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC) {
        atomic_store(&writer->lost_sync, true);
    }
}

/* True once the log can be trusted again. */
static bool regain_sync(CorSqlWriter *writer, CorError *err)
{
    int rc = SQLITE_OK;

    if (!atomic_load(&writer->lost_sync)) {
        return true;
    }
    rc = sqlite3_wal_checkpoint_v2(writer->txn->conn, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc != SQLITE_OK) {
        return cor_sql_priv_fail(err, writer->txn->conn, rc, "write again what was not synced");
    }
    atomic_store(&writer->lost_sync, false);
    return true;
}

static bool set_synchronous(CorSqlWriter *writer, bool syncs, CorError *err)
{
    int rc = SQLITE_OK;

    if (writer->never_sync || writer->syncs == syncs) {
        return true;
    }
    rc = sqlite3_exec(writer->txn->conn,
                      syncs ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", NULL, NULL,
                      NULL);
    if (rc != SQLITE_OK) {
        return cor_sql_priv_fail(err, writer->txn->conn, rc, "set synchronous");
    }
    writer->syncs = syncs;
    return true;
}

/* Count down a test's wish; true when this is the one that shall fail. */
static bool is_to_fail(CorSqlWriter *writer, int *counter)
{
    bool is_it = false;

    pthread_mutex_lock(&writer->mutex);
    if (*counter > 0) {
        is_it = (--*counter == 0);
    }
    pthread_mutex_unlock(&writer->mutex);
    return is_it;
}

static bool call_run(CorSqlWriter *writer, CorSqlRequest *request)
{
    bool is_ok = request->run(writer->txn, request->arg, &request->err);

    cor_sql_priv_end(writer->txn);
    if (is_ok && is_to_fail(writer, &writer->fail_run)) {
        return cor_fail(&request->err, COR_ERR_UNAVAILABLE, "failure made by a test");
    }
    if (!is_ok && request->err.code == COR_OK) {
        cor_error_wrap(&request->err, "write database"); /* a silent failure */
    }
    return is_ok;
}

static void run_in_savepoint(CorSqlWriter *writer, CorSqlRequest *request)
{
    CorSqlTxn *txn = writer->txn;
    CorError failure = {0};

    if (!run_text(txn, "SAVEPOINT one", &request->err)) {
        return;
    }
    request->is_ok = call_run(writer, request);
    if (sqlite3_get_autocommit(txn->conn)) {
        return; /* the failure was so bad that SQLite has rolled back everything */
    }
    if ((!request->is_ok && !run_text(txn, "ROLLBACK TO one", &failure)) ||
        !run_text(txn, "RELEASE one", &failure)) {
        roll_back(txn);
    }
    cor_sql_priv_end(txn);
}

/* Whoever has not failed on its own fails with this. */
static void fail_group(CorSqlRequest *group, const CorError *failure)
{
    for (CorSqlRequest *request = group; request; request = request->next) {
        if (request->is_ok || request->err.code == COR_OK) {
            request->is_ok = false;
            request->err = *failure;
        }
    }
}

static bool begin(CorSqlWriter *writer, const CorSqlRequest *group, CorError *err)
{
    bool syncs = false;

    for (const CorSqlRequest *request = group; request; request = request->next) {
        syncs = syncs || request->durability == COR_SQL_SYNCED;
    }
    syncs = syncs || is_overdue(writer);
    if (!regain_sync(writer, err) || !set_synchronous(writer, syncs, err)) {
        return false;
    }
    cor_sql_priv_log_attach(&writer->log, writer->txn->conn);
    writer->log.is_relaxed = !writer->syncs;
    return run_text(writer->txn, "BEGIN IMMEDIATE", err);
}

/* Sync what was committed without; if that fails, everything is moved and synced, and if that fails
 * as well, it is tried again after the same time. */
static bool catch_up(CorSqlWriter *writer, CorError *err)
{
    if (cor_sql_priv_log_sync(writer->txn->conn) != SQLITE_OK) {
        atomic_store(&writer->lost_sync, true);
    }
    bool is_synced = regain_sync(writer, err);
    writer->unsynced_since_ms = is_synced ? 0 : cor_time_ms();
    return is_synced;
}

static void catch_up_if_overdue(CorSqlWriter *writer)
{
    CorError why = {0};

    if (is_overdue(writer) && !catch_up(writer, &why)) {
        cor_error_wrap(&why, "sync the log"); /* nobody waits for it; it is tried again */
    }
}

/* A commit has been made.  One that has nothing to write syncs nothing either. */
static bool note_commit(CorSqlWriter *writer, CorError *err)
{
    bool is_behind = writer->unsynced_since_ms > 0;

    if (writer->never_sync) {
        return true;
    }
    if (writer->has_written) {
        int64_t since_ms = is_behind ? writer->unsynced_since_ms : cor_time_ms();
        writer->unsynced_since_ms = writer->syncs ? 0 : since_ms;
        return true;
    }
    return !writer->syncs || !is_behind || catch_up(writer, err);
}

static bool commit(CorSqlWriter *writer, CorError *err)
{
    if (is_to_fail(writer, &writer->fail_commit)) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "failure made by a test");
    }
    writer->has_written = false;
    (void) atomic_fetch_add(&writer->version, 1);
    bool is_committed = run_text(writer->txn, "COMMIT", err);
    (void) atomic_fetch_add(&writer->version, 1);
    if (!is_committed) {
        note_sync_failure(writer, sqlite3_extended_errcode(writer->txn->conn));
        cor_error_wrap(err, "commit");
        return false;
    }
    if (!note_commit(writer, err)) {
        return false;
    }
    pthread_mutex_lock(&writer->mutex);
    writer->commits++;
    writer->synced += writer->syncs;
    pthread_mutex_unlock(&writer->mutex);
    return true;
}

static void run_group(CorSqlWriter *writer, CorSqlRequest *group)
{
    CorError failure = {0};
    bool is_alone = !group->next;

    if (!begin(writer, group, &failure)) {
        roll_back(writer->txn);
        fail_group(group, &failure);
        return;
    }
    for (CorSqlRequest *request = group; request; request = request->next) {
        if (is_alone) {
            request->is_ok = call_run(writer, request);
        } else {
            run_in_savepoint(writer, request);
        }
        if (sqlite3_get_autocommit(writer->txn->conn)) {
            failure = request->err;
            if (failure.code == COR_OK) {
                cor_fail(&failure, COR_ERR_UNAVAILABLE, "the transaction was rolled back");
            }
            fail_group(group, &failure);
            return;
        }
    }
    if (is_alone && !group->is_ok) {
        roll_back(writer->txn);
        return;
    }
    if (!commit(writer, &failure)) {
        roll_back(writer->txn);
        fail_group(group, &failure);
    } else {
        cor_sql_priv_tell_watchers(&writer->watchers);
    }
    cor_sql_priv_end(writer->txn);
}

static void finish(CorSqlRequest *request)
{
    if (request->done) {
        request->done(request->arg, request->is_ok ? NULL : &request->err);
    }
    if (request->is_async) {
        free(request);
        return;
    }
    atomic_store(&request->is_finished, true);
    (void) sem_post(&request->finished);
}

/* The next group, or NULL when there is nothing left and the thread shall end. */
static CorSqlRequest *take_group(CorSqlWriter *writer)
{
    for (;;) {
        int64_t since_ms = writer->unsynced_since_ms;
        bool is_over = false;
        CorSqlRequest *group = cor_sql_priv_line_take(
            &writer->line, since_ms > 0 ? since_ms + COR_SQL_RELAXED_MS : 0, &is_over);
        if (group || is_over) {
            return group;
        }
        catch_up_if_overdue(writer);
    }
}

static void care_for_log(CorSqlWriter *writer)
{
    if (writer->wal_pages < writer->wal_pages_told) {
        writer->wal_pages_told = 0; /* the log has begun anew */
    }
    if (writer->wal_pages >= CHECKPOINT_OWN_PAGES) {
        cor_sql_priv_checkpoint(writer->txn, &writer->lost_sync);
        writer->wal_pages = 0;
    } else if (writer->wal_pages >= CHECKPOINT_PAGES &&
               writer->wal_pages >= writer->wal_pages_told + CHECKPOINT_AGAIN_PAGES) {
        writer->wal_pages_told = writer->wal_pages;
        cor_sql_priv_checkpointer_wake(&writer->checkpointer);
    }
}

static void *writer_main(void *arg)
{
    CorSqlWriter *writer = arg;
    CorSqlRequest *group = NULL;
    CorError failure = {0};

    while ((group = take_group(writer)) != NULL) {
        CorSqlRequest *next = NULL;

        run_group(writer, group);
        for (CorSqlRequest *request = group; request; request = next) {
            next = request->next;
            finish(request);
        }
        catch_up_if_overdue(writer);
        care_for_log(writer);
    }
    if (writer->unsynced_since_ms > 0 && !catch_up(writer, &failure)) {
        cor_error_wrap(&failure, "sync the log"); /* cor_sql_sync() would have told */
    }
    return NULL;
}

bool cor_sql_priv_writer_start(CorSqlWriter *writer, CorSqlTxn *txn, CorSqlTxn *checkpoint_txn,
                               bool never_sync, CorError *err)
{
    writer->txn = txn;
    writer->never_sync = never_sync;
    writer->syncs = !never_sync;
    writer->unsynced_since_ms = never_sync ? 0 : cor_time_ms(); /* what a killed process left */
    if (never_sync) {
        (void) sqlite3_exec(txn->conn, "PRAGMA synchronous=OFF", NULL, NULL, NULL);
        (void) sqlite3_exec(checkpoint_txn->conn, "PRAGMA synchronous=OFF", NULL, NULL, NULL);
    }
    sqlite3_wal_hook(txn->conn, note_log_pages, writer);
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_mutex_init(&writer->watchers.mutex, NULL);
    cor_sql_priv_line_init(&writer->line);
    if (!cor_sql_priv_checkpointer_start(&writer->checkpointer, checkpoint_txn, &writer->lost_sync,
                                         err)) {
        goto out;
    }
    if (cor_sql_priv_thread_start(&writer->thread, "sql-writer", writer_main, writer, err)) {
        return true;
    }
    writer->checkpointer.txn = NULL; /* still the caller's */
    cor_sql_priv_checkpointer_stop(&writer->checkpointer);
out:
    cor_sql_priv_line_done(&writer->line);
    pthread_mutex_destroy(&writer->watchers.mutex);
    pthread_mutex_destroy(&writer->mutex);
    return false;
}

void cor_sql_priv_writer_stop(CorSqlWriter *writer)
{
    cor_sql_priv_line_end(&writer->line);
    pthread_join(writer->thread, NULL);
    cor_sql_priv_checkpointer_stop(&writer->checkpointer);
    cor_sql_priv_line_done(&writer->line);
    pthread_mutex_destroy(&writer->watchers.mutex);
    pthread_mutex_destroy(&writer->mutex);
    cor_sql_priv_disconnect(writer->txn);
}

static bool wait_until(CorSqlRequest *request, const struct timespec *until)
{
    int rc = 0;

    do {
        rc = until ? sem_clockwait(&request->finished, CLOCK_MONOTONIC, until)
                   : sem_wait(&request->finished);
    } while (rc != 0 && errno == EINTR);
    return rc == 0 && atomic_load(&request->is_finished);
}

/* Wait for the commit; false if the request was never run. */
static bool wait_finished(CorSqlWriter *writer, CorSqlRequest *request)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += COR_SQL_WRITE_WAIT_MS / 1000;
    if (wait_until(request, &until)) {
        return true;
    }
    /* Either it was not begun, or it runs: the disk answers or fails. */
    return !cor_sql_priv_line_take_back(&writer->line, request) && wait_until(request, NULL);
}

/* Hand over a write, do something else meanwhile, and wait for it; the request receives how it
 * went. */
static void write_and_wait(CorSqlWriter *writer, CorSqlRequest *request, const CorSqlBeside *beside)
{
    if (pthread_equal(pthread_self(), writer->thread)) {
        (void) cor_fail(&request->err, COR_ERR_BUG, "the writer thread would wait for itself");
        return;
    }
    (void) sem_init(&request->finished, 0, 0);
    if (cor_sql_priv_line_put(&writer->line, request, beside && beside->was_announced,
                              &request->err)) {
        if (beside) {
            beside->meanwhile(request->arg);
        }
        if (!wait_finished(writer, request)) {
            (void) cor_fail(&request->err, COR_ERR_TIMEOUT,
                            "the database did not come to this write");
        }
    }
    (void) sem_destroy(&request->finished);
}

bool cor_sql_write_then(CorSql *db, CorSqlRun *run, CorSqlDone *done, void *arg,
                        CorSqlDurability durability, CorError *err)
{
    CorSqlRequest request = {.run = run, .done = done, .arg = arg, .durability = durability};

    assert(db && run);

    write_and_wait(&db->writer, &request, NULL);
    return request.is_ok || cor_fail(err, request.err.code, "%s", request.err.text);
}

void cor_sql_announce(CorSql *db)
{
    cor_sql_priv_line_announce(&db->writer.line);
}

void cor_sql_withdraw(CorSql *db)
{
    cor_sql_priv_line_withdraw(&db->writer.line);
}

bool cor_sql_write_beside(CorSql *db, CorSqlRun *run, const CorSqlBeside *beside, void *arg,
                          CorSqlDurability durability, CorError *err)
{
    CorSqlRequest request = {.run = run, .arg = arg, .durability = durability};

    assert(db && run && beside);

    write_and_wait(&db->writer, &request, beside);
    return request.is_ok || cor_fail(err, request.err.code, "%s", request.err.text);
}

bool cor_sql_write(CorSql *db, CorSqlRun *run, void *arg, CorSqlDurability durability,
                   CorError *err)
{
    return cor_sql_write_then(db, run, NULL, arg, durability, err);
}

bool cor_sql_write_async(CorSql *db, CorSqlRun *run, CorSqlDone *done, void *arg,
                         CorSqlDurability durability, CorError *err)
{
    CorSqlRequest *request = cor_new(CorSqlRequest);

    assert(db && run);

    if (!request) {
        return cor_fail(err, COR_ERR_NOMEM, "write database: out of memory");
    }
    request->run = run;
    request->done = done;
    request->arg = arg;
    request->durability = durability;
    request->is_async = true;
    if (!cor_sql_priv_line_put(&db->writer.line, request, false, err)) {
        free(request);
        return false;
    }
    return true;
}

static bool write_nothing(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) txn;
    (void) arg;
    (void) err;
    return true;
}

bool cor_sql_sync(CorSql *db, CorError *err)
{
    return cor_sql_write(db, write_nothing, NULL, COR_SQL_SYNCED, err);
}

void cor_sql_test_fail(CorSql *db, CorSqlFailure where, int n)
{
    pthread_mutex_lock(&db->writer.mutex);
    *(where == COR_SQL_FAIL_RUN ? &db->writer.fail_run : &db->writer.fail_commit) = n;
    pthread_mutex_unlock(&db->writer.mutex);
}

uint64_t cor_sql_version(const CorSql *db)
{
    return atomic_load(&db->writer.version);
}

static bool sum_steps(CorSqlTxn *txn, void *arg, CorError *err)
{
    int64_t *sum = arg;

    (void) err;
    for (size_t i = 0; i < COR_SQL_SLOTS; i++) {
        if (txn->slots[i]) {
            *sum += sqlite3_stmt_status(txn->slots[i]->handle, SQLITE_STMTSTATUS_VM_STEP, 0);
        }
    }
    return true;
}

int64_t cor_sql_test_vm_steps(CorSql *db)
{
    int64_t sum = 0;

    return cor_sql_write(db, sum_steps, &sum, COR_SQL_RELAXED, NULL) ? sum : -1;
}

void cor_sql_test_commits(CorSql *db, int64_t *ret_commits, int64_t *ret_synced)
{
    pthread_mutex_lock(&db->writer.mutex);
    *ret_commits = db->writer.commits;
    *ret_synced = db->writer.synced;
    pthread_mutex_unlock(&db->writer.mutex);
}
