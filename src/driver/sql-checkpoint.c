/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints, on a thread and a connection of their own.
 *
 * A passive checkpoint syncs the log, copies its newest pages into the main file and syncs that. It
 * takes no lock that a commit needs, so commits go on meanwhile.  When everything has been copied,
 * the next commit begins the log anew at its front, over blocks that are already there.
 *
 * A failing checkpoint is no failure of anybody's write: the log keeps growing, and the next one
 * tries again.  A failed fsync is told to the writer, which then distrusts the log (sql-write.c).
 */
#include "driver/sql-priv.h"

#include <signal.h>

void cor_sql_priv_checkpoint(CorSqlTxn *txn, atomic_bool *lost_sync)
{
    int rc = sqlite3_wal_checkpoint_v2(txn->conn, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

    rc = (rc == SQLITE_OK) ? rc : sqlite3_extended_errcode(txn->conn);
    if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC) {
        atomic_store(lost_sync, true);
    }
}

bool cor_sql_priv_thread_start(pthread_t *ret_thread, const char *name, void *(*main_of)(void *),
                               void *arg, CorError *err)
{
    sigset_t all;
    sigset_t before;
    int rc = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(ret_thread, NULL, main_of, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return cor_fail_errno(err, rc, "start thread '%s'", name);
    }
    (void) pthread_setname_np(*ret_thread, name);
    return true;
}

static void *checkpointer_main(void *arg)
{
    CorSqlCheckpointer *checkpointer = arg;

    pthread_mutex_lock(&checkpointer->mutex);
    while (!checkpointer->is_stopping) {
        if (!checkpointer->is_wanted) {
            pthread_cond_wait(&checkpointer->wake, &checkpointer->mutex);
            continue;
        }
        checkpointer->is_wanted = false;
        pthread_mutex_unlock(&checkpointer->mutex);
        cor_sql_priv_checkpoint(checkpointer->txn, checkpointer->lost_sync);
        pthread_mutex_lock(&checkpointer->mutex);
    }
    pthread_mutex_unlock(&checkpointer->mutex);
    return NULL;
}

bool cor_sql_priv_checkpointer_start(CorSqlCheckpointer *checkpointer, CorSqlTxn *txn,
                                     atomic_bool *lost_sync, CorError *err)
{
    checkpointer->txn = txn;
    checkpointer->lost_sync = lost_sync;
    pthread_mutex_init(&checkpointer->mutex, NULL);
    pthread_cond_init(&checkpointer->wake, NULL);
    if (!cor_sql_priv_thread_start(&checkpointer->thread, "sql-checkpoint", checkpointer_main,
                                   checkpointer, err)) {
        pthread_cond_destroy(&checkpointer->wake);
        pthread_mutex_destroy(&checkpointer->mutex);
        return false;
    }
    return true;
}

void cor_sql_priv_checkpointer_wake(CorSqlCheckpointer *checkpointer)
{
    pthread_mutex_lock(&checkpointer->mutex);
    checkpointer->is_wanted = true;
    pthread_cond_signal(&checkpointer->wake);
    pthread_mutex_unlock(&checkpointer->mutex);
}

void cor_sql_priv_checkpointer_stop(CorSqlCheckpointer *checkpointer)
{
    pthread_mutex_lock(&checkpointer->mutex);
    checkpointer->is_stopping = true;
    pthread_cond_signal(&checkpointer->wake);
    pthread_mutex_unlock(&checkpointer->mutex);
    pthread_join(checkpointer->thread, NULL);
    pthread_cond_destroy(&checkpointer->wake);
    pthread_mutex_destroy(&checkpointer->mutex);
    cor_sql_priv_disconnect(checkpointer->txn);
}
