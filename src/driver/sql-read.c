/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of read-only connections.  One is opened when all others are in use, up to the maximum;
 * then callers wait for one.  BEGIN ... ROLLBACK around the function makes its statements see one
 * snapshot. */
#include "driver/sql-priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/time.h"

#define READER_CACHE_KIB 8192

void cor_sql_priv_readers_init(CorSqlReaders *readers, int max)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&readers->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&readers->free_again, &attributes);
    pthread_condattr_destroy(&attributes);
    readers->max = max;
}

void cor_sql_priv_readers_done(CorSqlReaders *readers)
{
    CorSqlTxn *next = NULL;

    for (CorSqlTxn *txn = readers->free; txn; txn = next) {
        next = txn->next_free;
        cor_sql_priv_disconnect(txn);
        readers->len--;
    }
    assert(readers->len == 0); /* somebody still reads */
    readers->free = NULL;
    pthread_cond_destroy(&readers->free_again);
    pthread_mutex_destroy(&readers->mutex);
}

/* Take a free connection, or leave *ret_txn NULL when the caller may open one (which is counted).
 */
static bool take(CorSqlReaders *readers, CorSqlTxn **ret_txn, CorError *err)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += COR_SQL_READ_WAIT_MS / 1000;

    pthread_mutex_lock(&readers->mutex);
    while (!readers->free && readers->len >= readers->max && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&readers->free_again, &readers->mutex, &until);
    }
    *ret_txn = readers->free;
    if (readers->free) {
        readers->free = readers->free->next_free;
    } else if (readers->len < readers->max) {
        readers->len++;
    } else {
        pthread_mutex_unlock(&readers->mutex);
        return cor_fail(err, COR_ERR_TIMEOUT, "read database: all connections are busy");
    }
    pthread_mutex_unlock(&readers->mutex);
    return true;
}

/* Give a connection back; NULL takes back the count of one that could not be opened. */
static void give_back(CorSqlReaders *readers, CorSqlTxn *txn)
{
    pthread_mutex_lock(&readers->mutex);
    if (txn) {
        txn->next_free = readers->free;
        readers->free = txn;
    } else {
        readers->len--;
    }
    pthread_mutex_unlock(&readers->mutex);
    pthread_cond_signal(&readers->free_again);
}

static bool run_snapshot(CorSqlTxn *txn, CorSqlRun *run, void *arg, CorError *err)
{
    static const char begin[] = "BEGIN";
    static const char rollback[] = "ROLLBACK";
    bool is_ok = false;

    if (!cor_sql_run(cor_sql_stmt(txn, begin), err)) {
        cor_error_wrap(err, "begin reading");
        return false;
    }
    txn->deadline_ms = cor_time_ms() + COR_SQL_READ_TIME_MS;
    is_ok = run(txn, arg, err);
    if (!is_ok && err->code == COR_OK) {
        cor_error_wrap(err, "read database"); /* a silent failure; others speak to a client */
    }
    cor_sql_priv_end(txn);
    txn->deadline_ms = 0;
    if (!cor_sql_run(cor_sql_stmt(txn, rollback), NULL)) {
        (void) sqlite3_exec(txn->conn, rollback, NULL, NULL, NULL); /* without memory for one */
    }
    cor_sql_priv_end(txn);
    return is_ok;
}

bool cor_sql_read(CorSql *db, CorSqlRun *run, void *arg, CorError *err)
{
    CorSqlReaders *readers = &db->readers;
    CorSqlTxn *txn = NULL;
    CorError failure = {0}; /* so that run() has one even if the caller has not */
    bool is_ok = false;

    assert(db && run);

    if (!take(readers, &txn, &failure)) {
        goto out;
    }
    if (!txn && !cor_sql_priv_connect(db->path, false, READER_CACHE_KIB, &txn, &failure)) {
        give_back(readers, NULL);
        goto out;
    }
    is_ok = run_snapshot(txn, run, arg, &failure);
    give_back(readers, txn);
out:
    if (!is_ok && err) {
        *err = failure;
    }
    return is_ok;
}
