/* SPDX-License-Identifier: Apache-2.0 */
/* How the log is written.  SQLite calls pwrite() through a table that tests may change. */
#include "test.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/array.h"
#include "driver/sql.h"
#include "temp.h"

static TempDir dir;
static CorSql *db;
static atomic_int writes;  /* calls of pwrite() */
static atomic_int fail_at; /* number of the call that finds the disk full; 0 for none */

static ssize_t counted_pwrite(int fd, const void *data, size_t size, off_t at)
{
    (void) atomic_fetch_add(&writes, 1);
    if (atomic_load(&fail_at) > 0 && atomic_fetch_sub(&fail_at, 1) == 1) {
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, data, size, at);
}

static void count_pwrite(sqlite3_syscall_ptr function)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    assert_non_null(vfs);
    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite", function), SQLITE_OK);
    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite64", function), SQLITE_OK);
}

static bool create_items(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_sql_exec(txn, "CREATE TABLE item(id INTEGER PRIMARY KEY, pad BLOB)", err);
}

/* Some pages; arg is how many. */
static bool insert(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char sql[] = "INSERT INTO item(pad) VALUES (randomblob(3900))";
    const int *rows = arg;

    for (int i = 0; i < *rows; i++) {
        if (!cor_sql_run(cor_sql_stmt(txn, sql), err)) {
            return false;
        }
    }
    return true;
}

/* What spilled is written a second time. */
static bool insert_and_change(CorSqlTxn *txn, void *arg, CorError *err)
{
    return insert(txn, arg, err) &&
           cor_sql_exec(txn, "UPDATE item SET pad = randomblob(3900)", err);
}

static bool insert_and_fail(CorSqlTxn *txn, void *arg, CorError *err)
{
    return insert(txn, arg, err) && cor_fail(err, COR_ERR_INVALID, "on purpose");
}

static bool count_rows(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char sql[] = "SELECT count(*), sum(length(pad)) FROM item";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    int64_t *count = arg;
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *count = cor_sql_column_int(stmt, 0);
    return cor_sql_column_int(stmt, 1) == *count * 3900 ||
           cor_fail(err, COR_ERR_CORRUPT, "a row is not whole");
}

/* On another connection, which reads the log from its file. */
static int rows(void)
{
    int64_t count = -1;
    CorError err = {0};

    if (!cor_sql_read(db, count_rows, &count, &err)) {
        fail_msg("%s", err.text);
    }
    return (int) count;
}

static void open_again(void)
{
    static const CorSqlOptions small = {.cache_kib = 100}; /* so that large writes spill */
    CorError err = {0};

    cor_sql_close(db);
    if (!cor_sql_open(temp_path(&dir, "a.db"), &small, &db, &err)) {
        fail_msg("%s", err.text);
    }
}

static int set_up(void **state)
{
    (void) state;
    dir = temp_dir_make();
    db = NULL;
    atomic_store(&fail_at, 0);
    count_pwrite((sqlite3_syscall_ptr) counted_pwrite);
    open_again();
    return cor_sql_write(db, create_items, NULL, COR_SQL_SYNCED, NULL) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void) state;
    cor_sql_close(db);
    count_pwrite(NULL);
    temp_dir_remove(&dir);
    return 0;
}

static void write_rows(int len, CorSqlDurability durability)
{
    CorError err = {0};

    atomic_store(&writes, 0);
    if (!cor_sql_write(db, insert, &len, durability, &err)) {
        fail_msg("%s", err.text);
    }
}

static void a_synced_commit_writes_its_log_with_one_call(void **state)
{
    (void) state;

    write_rows(10, COR_SQL_SYNCED);
    assert_int_equal(atomic_load(&writes), 1);
    assert_int_equal(rows(), 10);
}

static void a_relaxed_commit_is_in_the_file_when_it_is_done(void **state)
{
    (void) state;

    write_rows(10, COR_SQL_RELAXED);
    assert_int_equal(atomic_load(&writes), 2);
    assert_int_equal(rows(), 10);
    write_rows(1, COR_SQL_SYNCED);
    write_rows(1, COR_SQL_RELAXED);
    assert_int_equal(rows(), 12);
}

static void copy(const char *from, const char *to)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t copied = 0;

    assert_true(in >= 0 && out >= 0);
    do {
        copied = copy_file_range(in, NULL, out, NULL, SIZE_MAX / 4, 0);
    } while (copied > 0);
    assert_int_equal(copied, 0);
    assert_int_equal(close(in) + close(out), 0);
}

/* What is in the files at this moment, as the next process finds it when this one is killed. */
static int rows_after_kill(void)
{
    CorSql *live = db;
    char to[2][256];

    (void) snprintf(to[0], sizeof(to[0]), "%s", temp_path(&dir, "copy.db"));
    (void) snprintf(to[1], sizeof(to[1]), "%s", temp_path(&dir, "copy.db-wal"));
    copy(temp_path(&dir, "a.db"), to[0]);
    copy(temp_path(&dir, "a.db-wal"), to[1]);
    if (!cor_sql_open(to[0], NULL, &db, NULL)) {
        fail_msg("the copy cannot be opened");
    }
    int found = rows();
    cor_sql_close(db);
    db = live;
    assert_int_equal(unlink(to[0]), 0);
    return found;
}

static void a_relaxed_commit_survives_the_end_of_the_process(void **state)
{
    int lens[] = {1, 31, 300, 3};
    int all = 0;
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(lens); i++) {
        write_rows(lens[i], COR_SQL_RELAXED);
        assert_int_equal(rows_after_kill(), all + lens[i]);
        assert_true(cor_sql_write(db, insert_and_change, &lens[i], COR_SQL_RELAXED, NULL));
        all += 2 * lens[i];
        assert_int_equal(rows_after_kill(), all);
    }
}

static void what_does_not_fit_is_written_in_between(void **state)
{
    (void) state;

    write_rows(300, COR_SQL_SYNCED); /* spills, is read again, and is several times the room */
    assert_int_equal(rows(), 300);
    write_rows(3, COR_SQL_SYNCED);
    open_again();
    assert_int_equal(rows(), 303);
}

static void what_is_rolled_back_leaves_nothing_to_be_written(void **state)
{
    CorError err = {0};
    (void) state;

    for (int i = 0; i < 3; i++) {
        int many = 100 + 100 * i;
        assert_false(cor_sql_write(db, insert_and_fail, &many, COR_SQL_SYNCED, &err));
        write_rows(2, i % 2 ? COR_SQL_SYNCED : COR_SQL_RELAXED);
        assert_int_equal(rows(), 2 * (i + 1));
    }
    open_again();
    assert_int_equal(rows(), 6);
}

static void a_full_disk_fails_the_commit_and_no_later_one(void **state)
{
    CorError err = {0};
    int len = 10;
    (void) state;

    write_rows(1, COR_SQL_SYNCED);
    atomic_store(&fail_at, 1);
    assert_false(cor_sql_write(db, insert, &len, COR_SQL_SYNCED, &err));
    assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
    assert_int_equal(rows(), 1);
    write_rows(2, COR_SQL_SYNCED);
    assert_int_equal(rows(), 3);
    open_again();
    assert_int_equal(rows(), 3);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_synced_commit_writes_its_log_with_one_call),
        CASE(a_relaxed_commit_is_in_the_file_when_it_is_done),
        CASE(a_relaxed_commit_survives_the_end_of_the_process),
        CASE(what_does_not_fit_is_written_in_between),
        CASE(what_is_rolled_back_leaves_nothing_to_be_written),
        CASE(a_full_disk_fails_the_commit_and_no_later_one),
    };

    return cmocka_run_group_tests_name("driver-sql-log", tests, NULL, NULL);
}
