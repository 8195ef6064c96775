/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdatomic.h>
#include <string.h>

#include "base/array.h"
#include "driver/sql-test.h"
#include "driver/sql.h"
#include "temp.h"

typedef struct Fixture {
    TempDir dir;
    CorSql *db;
} Fixture;

static bool make_items(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_sql_exec(txn,
                        "CREATE TABLE item(name TEXT);"
                        "INSERT INTO item VALUES ('one'), ('two'), (NULL), ('three')",
                        err);
}

static int open_db(void **state)
{
    Fixture *fixture = cor_new(Fixture);
    CorSqlOptions options = {.never_sync = true};

    fixture->dir = temp_dir_make();
    assert_true(cor_sql_open(temp_path(&fixture->dir, "a.db"), &options, &fixture->db, NULL));
    assert_true(cor_sql_write(fixture->db, make_items, NULL, COR_SQL_RELAXED, NULL));
    *state = fixture;
    return 0;
}

static int close_db(void **state)
{
    Fixture *fixture = *state;

    cor_sql_close(fixture->db);
    temp_dir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

/* --- matches() --- */

static bool begins_with(const void *context, const char *text, size_t size)
{
    const char *start = context;
    return text ? size >= strlen(start) && memcmp(text, start, strlen(start)) == 0 : !start[0];
}

typedef struct Count {
    const char *start;
    int64_t rows;
} Count;

static bool run_count(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char sql[] = "SELECT count(*) FROM item WHERE matches(?1, name)";
    Count *count = arg;
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;

    if (count->start) {
        cor_sql_bind_match(stmt, 1, begins_with, count->start);
    }
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    count->rows = cor_sql_column_int(stmt, 0);
    return true;
}

static void a_statement_tests_rows_in_c(void **state)
{
    const Fixture *fixture = *state;
    Count two = {.start = "t"};
    Count all = {.start = ""};
    Count none = {.start = "x"};

    assert_true(cor_sql_read(fixture->db, run_count, &two, NULL));
    assert_true(cor_sql_write(fixture->db, run_count, &all, COR_SQL_RELAXED, NULL));
    assert_true(cor_sql_read(fixture->db, run_count, &none, NULL));
    assert_int_equal(two.rows, 2);
    assert_int_equal(all.rows, 4);
    assert_int_equal(none.rows, 0);
}

static void a_test_that_was_not_bound_is_an_error(void **state)
{
    const Fixture *fixture = *state;
    Count bound = {.start = "t"};
    Count unbound = {0};

    assert_true(cor_sql_read(fixture->db, run_count, &bound, NULL));
    assert_false(cor_sql_read(fixture->db, run_count, &unbound, NULL));
}

/* --- watching --- */

static void note_commit(void *context)
{
    atomic_fetch_add((atomic_int *) context, 1);
}

static bool insert_one(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_sql_exec(txn, "INSERT INTO item VALUES ('more')", err);
}

static bool fail_always(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) txn;
    (void) arg;
    return cor_fail(err, COR_ERR_INVALID, "no");
}

static void who_watches_hears_of_commits_and_of_nothing_else(void **state)
{
    const Fixture *fixture = *state;
    atomic_int heard = 0;
    Count count = {.start = ""};

    assert_true(cor_sql_watch(fixture->db, note_commit, &heard, NULL));
    assert_true(cor_sql_write(fixture->db, insert_one, NULL, COR_SQL_RELAXED, NULL));
    assert_int_equal(heard, 1); /* before the writer hears that it is done */
    assert_false(cor_sql_write(fixture->db, fail_always, NULL, COR_SQL_RELAXED, NULL));
    assert_true(cor_sql_read(fixture->db, run_count, &count, NULL));
    cor_sql_test_fail(fixture->db, COR_SQL_FAIL_COMMIT, 1);
    assert_false(cor_sql_write(fixture->db, insert_one, NULL, COR_SQL_RELAXED, NULL));
    assert_int_equal(heard, 1);
    cor_sql_unwatch(fixture->db, note_commit, &heard);
    assert_true(cor_sql_write(fixture->db, insert_one, NULL, COR_SQL_RELAXED, NULL));
    assert_int_equal(heard, 1);
}

static void only_so_many_watch(void **state)
{
    const Fixture *fixture = *state;
    atomic_int heard[8] = {0};
    CorError err = {0};

    for (int i = 0; i < 8; i++) {
        assert_true(cor_sql_watch(fixture->db, note_commit, &heard[i], NULL));
    }
    assert_false(cor_sql_watch(fixture->db, note_commit, &err, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    cor_sql_unwatch(fixture->db, note_commit, &heard[3]);
    assert_true(cor_sql_watch(fixture->db, note_commit, &heard[3], NULL));
    assert_true(cor_sql_write(fixture->db, insert_one, NULL, COR_SQL_RELAXED, NULL));
    for (int i = 0; i < 8; i++) {
        assert_int_equal(heard[i], 1);
        cor_sql_unwatch(fixture->db, note_commit, &heard[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_db, close_db)
    const struct CMUnitTest tests[] = {
        TEST(a_statement_tests_rows_in_c),
        TEST(a_test_that_was_not_bound_is_an_error),
        TEST(who_watches_hears_of_commits_and_of_nothing_else),
        TEST(only_so_many_watch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
