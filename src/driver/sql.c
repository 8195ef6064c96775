/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: one object per file and process, because there may be only one writer thread per
 * database (queue and ledger are both in corsia.db and share its commits).  The registry's mutex is
 * held while a database is opened or closed: the check of the bytes opens the main file by itself,
 * and closing a second descriptor of a file drops the locks that SQLite holds on it (POSIX
 * fcntl()). */
#include "driver/sql.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "driver/sql-priv.h"

#define CHECKPOINT_CACHE_KIB 64 /* it copies pages past the cache */

static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static CorSql *registry; /* guarded by registry_mutex */

/* The folder must exist; the file need not. */
static bool canonical_path(const char *path, char **ret_path, CorError *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char dir[PATH_MAX] = ".";
    char real_dir[PATH_MAX];
    char *whole = realpath(path, NULL);

    if (whole) {
        *ret_path = whole;
        return true;
    }
    if (errno != ENOENT) {
        return cor_fail_errno(err, errno, "open database '%s'", path);
    }
    if (slash) {
        snprintf(dir, sizeof(dir), "%.*s/", (int) (slash - path), path);
    }
    if (!realpath(dir, real_dir)) {
        return cor_fail_errno(err, errno, "open database '%s'", path);
    }
    if (!*name || asprintf(&whole, "%s/%s", strcmp(real_dir, "/") ? real_dir : "", name) < 0) {
        return cor_fail(err, COR_ERR_INVALID, "'%s' cannot name a database", path);
    }
    *ret_path = whole;
    return true;
}

/* Check, make if needed, connect the writer. */
static bool connect_writer(const char *path, int cache_kib, CorSqlTxn **ret_txn, CorError *err)
{
    CorSqlTxn *txn = NULL;
    bool exists = false;

    if (!cor_sql_priv_check_file(path, &exists, err)) {
        return false;
    }
    if (!exists && !cor_sql_priv_create(path, err)) {
        return false;
    }
    if (!cor_sql_priv_connect(path, true, cache_kib, &txn, err)) {
        if (err && err->code == COR_ERR_CORRUPT) {
            cor_fail(err, COR_ERR_CORRUPT,
                     "database '%s' is damaged: its first pages cannot be read; see "
                     "docs/operations.md#damaged-database",
                     path);
        }
        return false;
    }
    if (!cor_sql_priv_check_pages(txn, path, err)) {
        cor_sql_priv_disconnect(txn);
        return false;
    }
    cor_sql_priv_extend_log(path);
    *ret_txn = txn;
    return true;
}

static bool open_new(char *path, const CorSqlOptions *options, CorSql **ret_db, CorError *err)
{
    static const CorSqlOptions defaults = {0};
    const CorSqlOptions *use = options ? options : &defaults;
    CorSql *db = cor_new(CorSql);
    CorSqlTxn *txn = NULL;
    CorSqlTxn *checkpoint_txn = NULL;

    if (!db) {
        return cor_fail(err, COR_ERR_NOMEM, "open database: out of memory");
    }
    if (!connect_writer(path, use->cache_kib > 0 ? use->cache_kib : 65536, &txn, err) ||
        !cor_sql_priv_connect(path, true, CHECKPOINT_CACHE_KIB, &checkpoint_txn, err) ||
        !cor_sql_priv_writer_start(&db->writer, txn, checkpoint_txn, use->never_sync, err)) {
        cor_sql_priv_disconnect(checkpoint_txn);
        cor_sql_priv_disconnect(txn);
        free(db);
        return false;
    }
    cor_sql_priv_readers_init(&db->readers, use->readers_max > 0 ? use->readers_max : 8);
    db->path = path;
    db->refs = 1;
    *ret_db = db;
    return true;
}

/* SQLite counts its memory under one lock for all connections; nobody asks for the count. */
static void configure(void)
{
    (void) sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* too late is no harm */
}

bool cor_sql_open(const char *path, const CorSqlOptions *options, CorSql **ret_db, CorError *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char *real = NULL;
    CorSql *db = NULL;
    CorError failure = {0};

    assert(path && ret_db);

    (void) pthread_once(&once, configure);
    if (!canonical_path(path, &real, err)) {
        return false;
    }
    pthread_mutex_lock(&registry_mutex);
    for (db = registry; db && strcmp(db->path, real) != 0; db = db->next) {
    }
    if (db) {
        db->refs++;
        free(real);
    } else if (open_new(real, options, &db, &failure)) {
        db->next = registry;
        registry = db;
    } else {
        free(real);
        db = NULL;
    }
    pthread_mutex_unlock(&registry_mutex);

    if (!db) {
        if (err) {
            *err = failure;
        }
        return false;
    }
    *ret_db = db;
    return true;
}

void cor_sql_close(CorSql *db)
{
    CorSql **link = &registry;

    if (!db) {
        return;
    }
    pthread_mutex_lock(&registry_mutex);
    if (--db->refs > 0) {
        pthread_mutex_unlock(&registry_mutex);
        return;
    }
    while (*link != db) {
        link = &(*link)->next;
    }
    *link = db->next;
    cor_sql_priv_readers_done(&db->readers);
    cor_sql_priv_writer_stop(&db->writer);
    free(db->path);
    free(db);
    pthread_mutex_unlock(&registry_mutex);
}

const char *cor_sql_path(const CorSql *db)
{
    return db->path;
}
