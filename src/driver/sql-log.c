/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's log, in few calls.
 *
 * SQLite writes each frame of its log with two calls, 24 bytes and a page; a commit of an image is
 * some forty.  They lie behind one another, and nobody reads them before the commit is over.  So
 * what is contiguous is gathered in memory, and written when anything else is done to the log.
 *
 * A synced commit syncs the log before it lets readers see its frames.  A relaxed one says nothing
 * in the end, but the header of its last frame alone has the size of the database in it
 * (fileformat2.html, section 4.1): with that header, and with the page that follows, all is
 * written. (A header may be written alone: those of frames that a commit has written twice.)
 *
 * The functions of the log's file are replaced in the file object that SQLite has for the writer's
 * connection (SQLITE_FCNTL_JOURNAL_POINTER); it is used by that connection alone, in its thread.
 */
#include "driver/sql-priv.h"

#include <stdlib.h>
#include <string.h>

enum {
    ROOM = 128 * 1024, /* 31 frames */
    FRAME_HEADER = 24,
    DATABASE_SIZE = 4, /* where it stands in there, 4 bytes long */
};

/* Our functions are the first member, and the file points to them. */
static CorSqlLog *log_of(sqlite3_file *file)
{
    return (CorSqlLog *) (uintptr_t) file->pMethods;
}

static int flush(sqlite3_file *file)
{
    CorSqlLog *log = log_of(file);
    int size = log->size;

    log->size = 0;
    return size > 0 ? log->real->xWrite(file, log->bytes, size, log->at) : SQLITE_OK;
}

static bool ends_commit(const void *data, int size)
{
    static const uint8_t none[4];

    return size == FRAME_HEADER &&
           memcmp((const uint8_t *) data + DATABASE_SIZE, none, sizeof(none)) != 0;
}

static int gather(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    CorSqlLog *log = log_of(file);
    bool fits = at == log->at + log->size && size <= ROOM - log->size;

    if (log->size > 0 && !fits) {
        int rc = flush(file);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    if (size > ROOM) {
        return log->real->xWrite(file, data, size, at);
    }
    if (log->size == 0) {
        log->at = at;
    }
    memcpy(log->bytes + log->size, data, (size_t) size);
    log->size += size;
    return SQLITE_OK;
}

static int write_log(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    CorSqlLog *log = log_of(file);
    bool is_header = ends_commit(data, size);
    bool is_last = log->is_relaxed && (is_header || log->is_ending);

    log->is_ending = is_header;
    int rc = gather(file, data, size, at);
    return rc == SQLITE_OK && is_last ? flush(file) : rc;
}

static int read_log(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
    int rc = flush(file);

    return rc == SQLITE_OK ? log_of(file)->real->xRead(file, data, size, at) : rc;
}

static int truncate_log(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = flush(file);

    return rc == SQLITE_OK ? log_of(file)->real->xTruncate(file, size) : rc;
}

static int sync_log(sqlite3_file *file, int flags)
{
    int rc = flush(file);

    return rc == SQLITE_OK ? log_of(file)->real->xSync(file, flags) : rc;
}

static int ask_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    int rc = flush(file);

    return rc == SQLITE_OK ? log_of(file)->real->xFileSize(file, ret_size) : rc;
}

static int close_log(sqlite3_file *file)
{
    CorSqlLog *log = log_of(file);
    int rc = flush(file);

    file->pMethods = log->real;
    log->real = NULL;
    free(log->bytes);
    log->bytes = NULL;
    int closed = file->pMethods->xClose(file);
    return rc == SQLITE_OK ? closed : rc;
}

/* Frames behind the one that ends a commit are written after the sync where a torn write may damage
 * what is beside it; there nothing is gathered. */
static bool has_plain_commits(sqlite3_file *file)
{
    return file->pMethods->xDeviceCharacteristics(file) & SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

int cor_sql_priv_log_sync(sqlite3 *conn)
{
    sqlite3_file *file = NULL;

    if (sqlite3_file_control(conn, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) != SQLITE_OK ||
        !file || !file->pMethods) {
        return SQLITE_OK; /* no log: nothing was written */
    }
    return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
}

void cor_sql_priv_log_attach(CorSqlLog *log, sqlite3 *conn)
{
    sqlite3_file *file = NULL;

    if (log->real || sqlite3_file_control(conn, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) ||
        !file || !file->pMethods || !has_plain_commits(file)) {
        return;
    }
    log->bytes = malloc(ROOM);
    if (!log->bytes) {
        return; /* it works without */
    }
    log->size = 0;
    log->real = file->pMethods;
    log->methods = *log->real;
    log->methods.xClose = close_log;
    log->methods.xRead = read_log;
    log->methods.xWrite = write_log;
    log->methods.xTruncate = truncate_log;
    log->methods.xSync = sync_log;
    log->methods.xFileSize = ask_size;
    file->pMethods = &log->methods;
}
