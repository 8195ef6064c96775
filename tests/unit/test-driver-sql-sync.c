/* SPDX-License-Identifier: Apache-2.0 */
/* When the log is synced, and what becomes of a sync that fails.  fdatasync() of SQLite comes here,
 * is counted and may be made to fail. */
#include "test.h"

#include <errno.h>
#include <limits.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "await.h"
#include "base/time.h"
#include "driver/sql-test.h"
#include "driver/sql.h"
#include "temp.h"

enum { PATIENCE_MS = 20000, IN_A_ROW = 300 };

static TempDir dir;
static CorSql *db;
static atomic_int syncs;            /* of the log */
static atomic_int failing;          /* so many of the next ones fail */
static sem_t synced;                /* after each, failed or not */
static _Thread_local int own_syncs; /* those of this thread */

static bool is_log(int fd)
{
    char link[64];
    char path[PATH_MAX] = "";

    (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    return len > 4 && strcmp(path + len - 4, "-wal") == 0;
}

int fdatasync(int fd)
{
    if (!is_log(fd)) {
        return (int) syscall(SYS_fdatasync, fd);
    }
    bool fails = atomic_load(&failing) > 0 && atomic_fetch_sub(&failing, 1) > 0;
    int rc = fails ? -1 : (int) syscall(SYS_fdatasync, fd);
    int why = fails ? EIO : errno;
    (void) atomic_fetch_add(&syncs, 1);
    own_syncs++;
    (void) sem_post(&synced);
    errno = why;
    return rc;
}

static bool create_items(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_sql_exec(txn, "CREATE TABLE item(id INTEGER PRIMARY KEY)", err);
}

static bool insert(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_sql_run(cor_sql_stmt(txn, "INSERT INTO item DEFAULT VALUES"), err);
}

static bool count(CorSqlTxn *txn, void *arg, CorError *err)
{
    CorSqlStmt *stmt = cor_sql_stmt(txn, "SELECT count(*) FROM item");
    int64_t *len = arg;
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *len = cor_sql_column_int(stmt, 0);
    return true;
}

static int64_t rows(CorSql *of)
{
    int64_t len = -1;
    CorError err = {0};

    if (!cor_sql_read(of, count, &len, &err)) {
        fail_msg("%s", err.text);
    }
    return len;
}

static CorSql *open_file(const char *path)
{
    CorSql *opened = NULL;
    CorError err = {0};

    if (!cor_sql_open(path, NULL, &opened, &err)) {
        fail_msg("%s", err.text);
    }
    return opened;
}

static void add_row(CorSqlDurability durability)
{
    CorError err = {0};

    if (!cor_sql_write(db, insert, NULL, durability, &err)) {
        fail_msg("%s", err.text);
    }
}

/* From here on, all that is there is synced. */
static void begin_to_count(void)
{
    add_row(COR_SQL_SYNCED);
    while (sem_trywait(&synced) == 0) {
    }
    atomic_store(&syncs, 0);
}

static int set_up(void **state)
{
    (void) state;
    dir = temp_dir_make();
    atomic_store(&failing, 0);
    if (sem_init(&synced, 0, 0) != 0) {
        return -1;
    }
    db = open_file(temp_path(&dir, "a.db"));
    return cor_sql_write(db, create_items, NULL, COR_SQL_SYNCED, NULL) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void) state;
    atomic_store(&failing, 0);
    cor_sql_close(db);
    (void) sem_destroy(&synced);
    temp_dir_remove(&dir);
    return 0;
}

static void a_relaxed_commit_is_synced_though_nothing_follows(void **state)
{
    (void) state;

    for (int i = 1; i <= 3; i++) { /* each time anew */
        begin_to_count();
        add_row(COR_SQL_RELAXED);
        await(&synced);
        assert_int_equal(atomic_load(&syncs), 1);
    }
}

/* However slow this machine is: between two syncs there is the time for which commits may wait. */
static void relaxed_commits_that_follow_each_other_share_a_sync(void **state)
{
    int64_t begun_ms = 0;
    (void) state;

    begin_to_count();
    begun_ms = cor_time_ms();
    for (int i = 0; i < IN_A_ROW; i++) {
        add_row(COR_SQL_RELAXED);
    }
    int64_t seen = atomic_load(&syncs);
    assert_true(seen <= 1 + (cor_time_ms() - begun_ms) / COR_SQL_RELAXED_MS);
    assert_int_equal(rows(db), 1 + IN_A_ROW);
}

typedef struct Chain {
    int syncs_before; /* of the writer's thread; -1: not known yet */
    int64_t end_ms;
    bool is_synced;
    sem_t finished;
} Chain;

/* Runs on the writer's thread: there is always a next one, so that it never waits.  It syncs with a
 * commit or between two; what the checkpointer syncs does not count. */
static void go_on(void *arg, const CorError *err)
{
    Chain *chain = arg;

    if (chain->syncs_before < 0) {
        chain->syncs_before = own_syncs;
    }
    chain->is_synced = own_syncs > chain->syncs_before;
    if (err || chain->is_synced || cor_time_ms() > chain->end_ms ||
        !cor_sql_write_async(db, insert, go_on, chain, COR_SQL_RELAXED, NULL)) {
        (void) sem_post(&chain->finished);
    }
}

static void relaxed_commits_without_a_pause_are_synced_among_them(void **state)
{
    Chain chain = {.syncs_before = -1, .end_ms = cor_time_ms() + PATIENCE_MS};
    (void) state;

    assert_int_equal(sem_init(&chain.finished, 0, 0), 0);
    begin_to_count();
    assert_true(cor_sql_write_async(db, insert, go_on, &chain, COR_SQL_RELAXED, NULL));
    await(&chain.finished);
    assert_true(chain.is_synced);
    (void) sem_destroy(&chain.finished);
}

/* What is in the main file alone, as if the log had been lost. */
static int64_t rows_without_log(void)
{
    const char *path = temp_path(&dir, "a.db");
    const char *copy = temp_path(&dir, "copy.db");

    temp_copy(path, copy, temp_size(path));
    CorSql *other = open_file(copy);
    int64_t len = rows(other);
    cor_sql_close(other);
    assert_int_equal(unlink(copy), 0);
    return len;
}

static void after_a_sync_that_failed_the_log_begins_anew(void **state)
{
    (void) state;

    for (int i = 1; i <= 2; i++) {
        int64_t before = rows(db);
        begin_to_count();
        atomic_store(&failing, 1);
        add_row(COR_SQL_RELAXED);
        await(&synced);
        add_row(COR_SQL_RELAXED);
        assert_true(rows_without_log() >= before + 2); /* all that was in the log then */
        assert_int_equal(rows(db), before + 3);
    }
    cor_sql_close(db);
    db = open_file(temp_path(&dir, "a.db"));
    assert_int_equal(rows(db), 6);
}

static void while_syncs_fail_nothing_is_promised(void **state)
{
    CorError err = {0};
    (void) state;

    begin_to_count();
    atomic_store(&failing, 1000000);
    add_row(COR_SQL_RELAXED);
    await(&synced);
    assert_false(cor_sql_write(db, insert, NULL, COR_SQL_SYNCED, &err));
    assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
    assert_int_equal(rows(db), 2);
    atomic_store(&failing, 0);
    add_row(COR_SQL_SYNCED);
    assert_true(rows_without_log() >= 2);
    assert_int_equal(rows(db), 3);
}

static void a_sync_that_failed_is_tried_again_though_nothing_follows(void **state)
{
    int64_t before = rows(db);
    (void) state;

    begin_to_count();
    atomic_store(&failing, 2); /* that of the log, and that of what is to make up for it */
    add_row(COR_SQL_RELAXED);
    for (int i = 0; i < 3; i++) {
        await(&synced);
    }
    add_row(COR_SQL_RELAXED); /* comes after it */
    assert_true(rows_without_log() >= before + 1);
}

static void a_synced_commit_of_nothing_syncs_what_came_before(void **state)
{
    (void) state;

    begin_to_count();
    add_row(COR_SQL_RELAXED);
    assert_true(cor_sql_sync(db, NULL));
    assert_true(atomic_load(&syncs) > 0);
}

static void what_a_killed_process_left_is_synced_though_nothing_follows(void **state)
{
    char copy[2][PATH_MAX];
    CorSql *live = db;
    (void) state;

    add_row(COR_SQL_SYNCED);
    (void) snprintf(copy[0], sizeof(copy[0]), "%s", temp_path(&dir, "left.db"));
    (void) snprintf(copy[1], sizeof(copy[1]), "%s", temp_path(&dir, "left.db-wal"));
    temp_copy(temp_path(&dir, "a.db"), copy[0], temp_size(temp_path(&dir, "a.db")));
    temp_copy(temp_path(&dir, "a.db-wal"), copy[1], temp_size(temp_path(&dir, "a.db-wal")));
    begin_to_count();
    db = open_file(copy[0]);
    await(&synced);
    cor_sql_close(db);
    db = live;
}

static void closing_syncs_what_is_not(void **state)
{
    (void) state;

    begin_to_count();
    add_row(COR_SQL_RELAXED);
    cor_sql_close(db);
    assert_true(atomic_load(&syncs) > 0);
    db = open_file(temp_path(&dir, "a.db"));
    assert_int_equal(rows(db), 2);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_relaxed_commit_is_synced_though_nothing_follows),
        CASE(relaxed_commits_that_follow_each_other_share_a_sync),
        CASE(relaxed_commits_without_a_pause_are_synced_among_them),
        CASE(after_a_sync_that_failed_the_log_begins_anew),
        CASE(while_syncs_fail_nothing_is_promised),
        CASE(a_sync_that_failed_is_tried_again_though_nothing_follows),
        CASE(a_synced_commit_of_nothing_syncs_what_came_before),
        CASE(what_a_killed_process_left_is_synced_though_nothing_follows),
        CASE(closing_syncs_what_is_not),
    };

    return cmocka_run_group_tests_name("driver-sql-sync", tests, NULL, NULL);
}
