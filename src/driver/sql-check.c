/* SPDX-License-Identifier: Apache-2.0 */
/* Making and checking database files.
 *
 * SQLite trusts what it opens: a main file of zero bytes is an empty database to it (it even
 * deletes the log that lies beside it), and pages that are missing behind a valid header surface
 * later as garbage.  So the bytes are looked at first, as the file format describes them
 * (sqlite.org/fileformat2.html, section 1.3 "The Database Header" and section 4.1 "WAL File
 * Format"):
 *
 *   main file            log              verdict
 *   absent               absent or empty  new: made under another name, synced and renamed, so
 *                                         that an empty file of this name is always damage
 *   absent or empty      has frames       damaged: the log alone is no database
 *   empty                any              damaged
 *   header is wrong      any              damaged
 *   shorter than header  holds the rest   a checkpoint was interrupted: it will be repeated
 *   shorter than header  does not         damaged: truncated
 *
 * The log itself needs no check: each frame carries a checksum over everything before it, and
 * SQLite stops at the first that does not fit, which is the unfinished tail.  (A checkpoint syncs
 * the log before it copies from it, so a power cut takes nothing that was copied.  Somebody who
 * cuts off more than the tail by hand damages the database; the check of the pages then finds
 * that.)
 */
#include "driver/sql-priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/fd.h"

#define HEADER_SIZE 100
#define LOG_HEADER_SIZE 32
#define LOG_FRAME_HEADER_SIZE 24
#define LOG_USUAL_SIZE (8u * 1024 * 1024)
#define FULL_CHECK_MAX_BYTES (32 * 1024 * 1024)
#define APPLICATION_ID "0x436f7273" /* "Cors" */

/* Every refusal ends with the way out. */
static bool damaged(CorError *err, const char *path, const char *what)
{
    return cor_fail(err, COR_ERR_CORRUPT,
                    "database '%s' is damaged: %s; see docs/operations.md#damaged-database", path,
                    what);
}

static uint32_t big32(const uint8_t *bytes)
{
    return (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8 |
           bytes[3];
}

/* A file's descriptor and size; -1 and 0 if there is none. */
static bool open_existing(const char *path, int *ret_fd, uint64_t *ret_size, CorError *err)
{
    COR_CLEANUP(cor_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;

    if (fd < 0) {
        if (errno != ENOENT) {
            return cor_fail_errno(err, errno, "open '%s'", path);
        }
        *ret_fd = -1;
        *ret_size = 0;
        return true;
    }
    if (fstat(fd, &info) != 0) {
        return cor_fail_errno(err, errno, "stat '%s'", path);
    }
    if (!S_ISREG(info.st_mode)) {
        return cor_fail(err, COR_ERR_INVALID, "'%s' is no regular file", path);
    }
    *ret_size = (uint64_t) info.st_size;
    *ret_fd = COR_TAKE_FD(fd);
    return true;
}

/* Page size and page count by the header; 0 pages if it does not say. */
static bool check_header(const uint8_t *header, uint32_t *ret_page_size, uint32_t *ret_pages)
{
    uint32_t page_size = (uint32_t) header[16] << 8 | header[17];

    page_size = (page_size == 1) ? 65536 : page_size;
    if (memcmp(header, "SQLite format 3", 16) != 0 || page_size < 512 ||
        (page_size & (page_size - 1)) != 0 || header[21] != 64 || header[22] != 32 ||
        header[23] != 32) {
        return false;
    }
    *ret_page_size = page_size;
    *ret_pages = (big32(header + 24) == big32(header + 92)) ? big32(header + 28) : 0;
    return true;
}

/* Tick the pages from first to last that the log holds. */
static void tick_pages_of_log(int log, uint32_t page_size, uint32_t first, uint32_t last,
                              uint8_t *is_there)
{
    uint8_t head[LOG_HEADER_SIZE];
    uint8_t frame[LOG_FRAME_HEADER_SIZE];
    off_t at = LOG_HEADER_SIZE;

    if (log < 0 || pread(log, head, sizeof(head), 0) != (ssize_t) sizeof(head) ||
        (big32(head) & ~1u) != 0x377f0682u || big32(head + 8) != page_size) {
        return;
    }
    while (pread(log, frame, sizeof(frame), at) == (ssize_t) sizeof(frame) &&
           memcmp(frame + 8, head + 16, 8) == 0) {
        uint32_t page = big32(frame);

        if (page >= first && page <= last) {
            is_there[page - first] = 1;
        }
        at += (off_t) (LOG_FRAME_HEADER_SIZE + page_size);
    }
}

static bool check_length(const char *path, uint64_t size, const uint8_t *header, int log,
                         CorError *err)
{
    uint32_t page_size = 0;
    uint32_t pages = 0;
    uint64_t there = 0;
    uint8_t *is_there = NULL;
    bool is_whole = true;

    if (!check_header(header, &page_size, &pages)) {
        return damaged(err, path, "its header is not that of a database");
    }
    there = size / page_size;
    if (there >= pages) {
        return true;
    }

    is_there = cor_new_array(uint8_t, pages - there);
    if (!is_there) {
        return cor_fail(err, COR_ERR_NOMEM, "check database: out of memory");
    }
    tick_pages_of_log(log, page_size, (uint32_t) there + 1, pages, is_there);
    for (uint32_t i = 0; i < pages - there; i++) {
        is_whole = is_whole && is_there[i];
    }
    free(is_there);
    return is_whole || damaged(err, path, "it was truncated");
}

/* True if the log holds at least one frame's worth of anything but zeros in its header. */
static bool has_frames(int log, uint64_t log_size)
{
    uint8_t head[LOG_HEADER_SIZE];

    return log >= 0 && log_size > LOG_HEADER_SIZE &&
           pread(log, head, sizeof(head), 0) == (ssize_t) sizeof(head) &&
           (big32(head) & ~1u) == 0x377f0682u;
}

bool cor_sql_priv_check_file(const char *path, bool *ret_exists, CorError *err)
{
    COR_CLEANUP(cor_fd_closep) int file = -1;
    COR_CLEANUP(cor_fd_closep) int log = -1;
    char log_path[PATH_MAX];
    uint64_t size = 0;
    uint64_t log_size = 0;
    uint8_t header[HEADER_SIZE];

    if (snprintf(log_path, sizeof(log_path), "%s-wal", path) >= (int) sizeof(log_path)) {
        return cor_fail(err, COR_ERR_INVALID, "path of database is too long");
    }
    if (!open_existing(path, &file, &size, err) || !open_existing(log_path, &log, &log_size, err)) {
        return false;
    }
    if (file < 0) {
        if (has_frames(log, log_size)) {
            return damaged(err, path, "it is missing but its write-ahead log is there");
        }
        *ret_exists = false;
        return true;
    }
    if (size < HEADER_SIZE) {
        return damaged(err, path, size ? "it was truncated" : "it is empty");
    }
    if (pread(file, header, sizeof(header), 0) != (ssize_t) sizeof(header)) {
        return cor_fail_errno(err, errno, "read '%s'", path);
    }
    *ret_exists = true;
    return check_length(path, size, header, log, err);
}

/* One text answer of a pragma or query; "" if there is none. */
static int ask(sqlite3 *conn, const char *sql, char *text, size_t size)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(conn, sql, -1, &stmt, NULL);

    text[0] = '\0';
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            const char *answer = (const char *) sqlite3_column_text(stmt, 0);

            snprintf(text, size, "%s", answer ? answer : "");
        }
        rc = (rc == SQLITE_ROW || rc == SQLITE_DONE) ? SQLITE_OK : rc;
    }
    (void) sqlite3_finalize(stmt);
    return rc;
}

/* Large files: descend once into every table and index. */
static int touch_all(sqlite3 *conn)
{
    static const char list[] = "SELECT format('SELECT 1 FROM \"%w\" LIMIT 1', name) "
                               "FROM sqlite_schema WHERE type = 'table' AND rootpage > 0";
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(conn, list, -1, &stmt, NULL);
    char text[16];

    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        rc = ask(conn, (const char *) sqlite3_column_text(stmt, 0), text, sizeof(text));
    }
    (void) sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

bool cor_sql_priv_check_pages(CorSqlTxn *txn, const char *path, CorError *err)
{
    static const char is_ours[] =
        "SELECT application_id = " APPLICATION_ID " FROM pragma_application_id";
    struct stat info;
    char text[128];
    int rc = SQLITE_OK;

    rc = ask(txn->conn, is_ours, text, sizeof(text));
    if (rc == SQLITE_OK && strcmp(text, "1") != 0) {
        return cor_fail(err, COR_ERR_INVALID, "'%s' is a database of another program", path);
    }
    if (rc == SQLITE_OK && stat(path, &info) == 0 && info.st_size > FULL_CHECK_MAX_BYTES) {
        text[0] = '\0';
        rc = touch_all(txn->conn);
    } else if (rc == SQLITE_OK) {
        rc = ask(txn->conn, "PRAGMA quick_check(1)", text, sizeof(text));
        if (rc == SQLITE_OK && strcmp(text, "ok") != 0) {
            return damaged(err, path, "its pages contradict each other");
        }
    }
    (void) sqlite3_db_release_memory(txn->conn); /* the check has filled the cache */
    if (rc == SQLITE_OK) {
        return true;
    }
    if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB) {
        return damaged(err, path, "its pages cannot be read");
    }
    return cor_sql_priv_fail(err, txn->conn, rc, "check database");
}

static bool sync_path(const char *path, int flags, CorError *err)
{
    COR_CLEANUP(cor_fd_closep) int fd = open(path, flags | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0) {
        return cor_fail_errno(err, errno, "sync '%s'", path);
    }
    return true;
}

static bool make_file(const char *temp, CorError *err)
{
    static const char script[] = "PRAGMA application_id=" APPLICATION_ID ";"
                                 "PRAGMA journal_mode=WAL; PRAGMA user_version=1;";
    sqlite3 *conn = NULL;
    int rc = sqlite3_open_v2(temp, &conn, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(conn, script, NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK) {
        cor_sql_priv_fail(err, conn, rc, "create database");
    }
    (void) sqlite3_close_v2(conn);
    return rc == SQLITE_OK;
}

bool cor_sql_priv_create(const char *path, CorError *err)
{
    char temp[PATH_MAX];
    char dir[PATH_MAX];
    char *slash = NULL;

    if (snprintf(temp, sizeof(temp), "%s.new", path) >= (int) sizeof(temp)) {
        return cor_fail(err, COR_ERR_INVALID, "path of database is too long");
    }
    snprintf(dir, sizeof(dir), "%s", path);
    slash = strrchr(dir, '/');
    slash[slash == dir] = '\0';

    (void) unlink(temp); /* left by a crash in here */
    if (!make_file(temp, err) || !sync_path(temp, O_RDWR, err)) {
        (void) unlink(temp);
        return false;
    }
    if (rename(temp, path) != 0) {
        return cor_fail_errno(err, errno, "create '%s'", path);
    }
    return sync_path(dir, O_RDONLY | O_DIRECTORY, err);
}

/* Appending to a file costs its file system a journal entry per fdatasync; overwriting does not.  A
 * log full of zeros has no valid header, so to SQLite it is as good as empty. */
void cor_sql_priv_extend_log(const char *path)
{
    static const uint8_t zeros[256 * 1024];
    char log_path[PATH_MAX];
    COR_CLEANUP(cor_fd_closep) int log = -1;
    struct stat info;
    size_t done = 0;

    if (snprintf(log_path, sizeof(log_path), "%s-wal", path) >= (int) sizeof(log_path)) {
        return;
    }
    log = open(log_path, O_WRONLY | O_CLOEXEC);
    if (log < 0 || fstat(log, &info) != 0 || info.st_size != 0) {
        return;
    }
    while (done < LOG_USUAL_SIZE &&
           pwrite(log, zeros, sizeof(zeros), (off_t) done) == (ssize_t) sizeof(zeros)) {
        done += sizeof(zeros);
    }
    if ((done < LOG_USUAL_SIZE || fdatasync(log) != 0) && ftruncate(log, 0) != 0) {
        return; /* a full disk either way: commits will say so themselves */
    }
}
