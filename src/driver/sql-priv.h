/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the SQL driver share.
 *
 * Ownership  A CorSqlTxn is one connection with its cached statements; its pool or writer owns it.
 * Threads    CorSqlTxn: One thread at a time.  What a mutex of CorSql guards is said there.
 */
#pragma once

#include "driver/sql-test.h"
#include "driver/sql.h"

#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdatomic.h>

#define COR_SQL_SLOTS 1024 /* cached statements per connection, a power of two */

struct CorSqlStmt {
    sqlite3_stmt *handle; /* NULL if it could not be prepared: rc says why */
    CorSqlTxn *txn;
    const char *sql;
    int rc; /* first failure since it was asked for */
    bool is_once;
    bool is_used; /* sits in txn->used */
    CorSqlStmt *next_used;
};

/* One connection.  The same object is "the transaction" of the function that runs on it. */
struct CorSqlTxn {
    sqlite3 *conn;
    CorSqlStmt *slots[COR_SQL_SLOTS];
    size_t slots_used;
    CorSqlStmt *used;     /* to reset when the function returns */
    CorSqlStmt no_memory; /* handed out when there is no memory for another */
    int64_t deadline_ms;  /* readers: when to interrupt; 0 never */
    CorSqlTxn *next_free; /* readers: guarded by the pool's mutex */
};

/* A write on its way through the writer thread. */
typedef struct CorSqlRequest {
    CorSqlRun *run;
    CorSqlDone *done;
    void *arg;
    CorSqlDurability durability;
    bool is_async; /* malloc()ed, nobody waits */
    bool is_ok;
    CorError err;
    struct CorSqlRequest *next; /* guarded by the line's mutex */
    bool is_taken;              /* guarded by the line's mutex */
    sem_t finished;             /* not of a write that nobody waits for */
    atomic_bool is_finished;    /* set before finished */
} CorSqlRequest;

/* Those that wait: sql-line.c. */
typedef struct CorSqlLine {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    CorSqlRequest *first; /* guarded by mutex, as all below */
    CorSqlRequest *last;
    size_t len;
    size_t announced; /* writes that will be there in a moment */
    bool is_ending;
    bool is_idle;      /* the thread waits for anything, or is about to */
    bool is_lingering; /* it waits for what is announced */
} CorSqlLine;

/* A thread with a connection of its own that moves the log into the main file. */
typedef struct CorSqlCheckpointer {
    CorSqlTxn *txn;         /* its thread only, after start */
    atomic_bool *lost_sync; /* the writer's */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool is_wanted;   /* guarded by mutex */
    bool is_stopping; /* guarded by mutex */
} CorSqlCheckpointer;

#define COR_SQL_WATCHERS_MAX 8

typedef struct CorSqlWatcher {
    CorSqlCommitted *committed; /* NULL: this place is free */
    void *context;
} CorSqlWatcher;

typedef struct CorSqlWatchers {
    pthread_mutex_t mutex;
    CorSqlWatcher items[COR_SQL_WATCHERS_MAX]; /* guarded by mutex */
} CorSqlWatchers;

/* What the writer has of its log and not yet written: sql-log.c.  Writer thread only. */
typedef struct CorSqlLog {
    sqlite3_io_methods methods;     /* first */
    const sqlite3_io_methods *real; /* NULL: not attached */
    uint8_t *bytes;
    int size;
    sqlite3_int64 at; /* where they go */
    bool is_relaxed;  /* the next commit will not be synced */
    bool is_ending;   /* the next write is the last page of a commit */
} CorSqlLog;

/* The writer thread of a database and its line. */
typedef struct CorSqlWriter {
    CorSqlTxn *txn; /* writer thread only, after start */
    pthread_t thread;
    bool never_sync;

    CorSqlLine line;

    pthread_mutex_t mutex;
    int fail_run; /* guarded by mutex, as those below */
    int fail_commit;
    int64_t commits;
    int64_t synced;

    CorSqlWatchers watchers;
    CorSqlCheckpointer checkpointer;
    CorSqlLog log;
    int wal_pages;             /* writer thread only, as all below */
    int wal_pages_told;        /* when the checkpointer was asked last */
    int64_t unsynced_since_ms; /* the first commit that is not synced; 0: all are */
    bool has_written;          /* the latest commit wrote to the log */
    bool syncs;                /* the present value of PRAGMA synchronous is FULL */
    _Atomic uint64_t version;  /* odd while a COMMIT runs */
    atomic_bool lost_sync;     /* an fsync failed: the log must be moved before it can be trusted */
} CorSqlWriter;

/* The pool of read-only connections. */
typedef struct CorSqlReaders {
    pthread_mutex_t mutex;
    pthread_cond_t free_again;
    CorSqlTxn *free; /* guarded by mutex */
    int len;         /* guarded by mutex */
    int max;
} CorSqlReaders;

struct CorSql {
    char *path;
    int refs;     /* guarded by the registry's mutex */
    CorSql *next; /* guarded by the registry's mutex */
    CorSqlWriter writer;
    CorSqlReaders readers;
};

/** Record an SQLite failure under the code that tells the caller what to do; returns false. */
bool cor_sql_priv_fail(CorError *err, sqlite3 *conn, int rc, const char *what);

/** Open one connection with the pragmas of the house. */
COR_MUSTCHECK bool cor_sql_priv_connect(const char *path, bool is_writer, int cache_kib,
                                        CorSqlTxn **ret_txn, CorError *err);

/** Close a connection and its statements.  NULL is ignored. */
void cor_sql_priv_disconnect(CorSqlTxn *txn);

/** Give a connection the SQL function of cor_sql_bind_match(). */
COR_MUSTCHECK bool cor_sql_priv_add_match(CorSqlTxn *txn, CorError *err);

void cor_sql_priv_line_init(CorSqlLine *line);
void cor_sql_priv_line_done(CorSqlLine *line);

/** Put a write at the end of the line.  UNAVAILABLE: it is full.
 *
 * @param is_announced  it was announced, and is not any more, whatever this returns */
COR_MUSTCHECK bool cor_sql_priv_line_put(CorSqlLine *line, CorSqlRequest *request,
                                         bool is_announced, CorError *err);

/** Take a write out of the line again; false if the writer has it. */
bool cor_sql_priv_line_take_back(CorSqlLine *line, CorSqlRequest *request);

void cor_sql_priv_line_announce(CorSqlLine *line);

/** What was announced does not come. */
void cor_sql_priv_line_withdraw(CorSqlLine *line);

/** Nothing will be put any more. */
void cor_sql_priv_line_end(CorSqlLine *line);

/** Wait for the next group and take it: a chain by next.
 *
 * @param until_ms     on the clock of cor_time_ms(): NULL if nothing came by then; 0: no bound
 * @param ret_is_over  receives whether the line is empty and has ended */
CorSqlRequest *cor_sql_priv_line_take(CorSqlLine *line, int64_t until_ms, bool *ret_is_over);

/** Call everybody who watches. */
void cor_sql_priv_tell_watchers(CorSqlWatchers *watchers);

/** Reset what a function has used. */
void cor_sql_priv_end(CorSqlTxn *txn);

/** Refuse a damaged file by its bytes, before SQLite opens it; a file that is not there is fine. */
COR_MUSTCHECK bool cor_sql_priv_check_file(const char *path, bool *ret_exists, CorError *err);

/** Refuse a damaged file by what SQLite finds in it. */
COR_MUSTCHECK bool cor_sql_priv_check_pages(CorSqlTxn *txn, const char *path, CorError *err);

/** Make a new database so that there is either none or a whole one. */
COR_MUSTCHECK bool cor_sql_priv_create(const char *path, CorError *err);

/** Give an empty log its usual size, so that commits overwrite blocks instead of appending. */
void cor_sql_priv_extend_log(const char *path);

/** Gather what is written to the log of an open connection, from now on; if that cannot be done it
 * goes on as it is.  Does nothing if it does already. */
void cor_sql_priv_log_attach(CorSqlLog *log, sqlite3 *conn);

/** Sync the log of a connection; an SQLite code. */
int cor_sql_priv_log_sync(sqlite3 *conn);

/** Start a thread that takes no signals; they are the program's business. */
COR_MUSTCHECK bool cor_sql_priv_thread_start(pthread_t *ret_thread, const char *name,
                                             void *(*main_of)(void *), void *arg, CorError *err);

/** Start the checkpointer; takes the connection on success. */
COR_MUSTCHECK bool cor_sql_priv_checkpointer_start(CorSqlCheckpointer *checkpointer, CorSqlTxn *txn,
                                                   atomic_bool *lost_sync, CorError *err);

/** Ask for a checkpoint, without waiting for it. */
void cor_sql_priv_checkpointer_wake(CorSqlCheckpointer *checkpointer);

/** Stop the thread and close its connection. */
void cor_sql_priv_checkpointer_stop(CorSqlCheckpointer *checkpointer);

/** Move what is possible from the log into the main file without waiting for anybody. */
void cor_sql_priv_checkpoint(CorSqlTxn *txn, atomic_bool *lost_sync);

/** Start the writer thread and its checkpointer; takes both connections on success. */
COR_MUSTCHECK bool cor_sql_priv_writer_start(CorSqlWriter *writer, CorSqlTxn *txn,
                                             CorSqlTxn *checkpoint_txn, bool never_sync,
                                             CorError *err);

/** Finish what is pending, stop the thread and close its connection. */
void cor_sql_priv_writer_stop(CorSqlWriter *writer);

/** Prepare the pool; no connection is opened yet. */
void cor_sql_priv_readers_init(CorSqlReaders *readers, int max);

/** Close all connections; none is in use. */
void cor_sql_priv_readers_done(CorSqlReaders *readers);
