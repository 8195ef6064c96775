/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/array.h"
#include "driver/sql-test.h"
#include "driver/sql.h"
#include "temp.h"

typedef struct Fixture {
    TempDir dir;
    CorSql *db;
} Fixture;

static const char create_text[] = "CREATE TABLE IF NOT EXISTS item(id INTEGER PRIMARY KEY, "
                                  "name TEXT UNIQUE, pad BLOB)";

static bool create_items(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_sql_exec(txn, create_text, err);
}

static bool insert_item(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char sql[] = "INSERT INTO item(name) VALUES (?1)";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, arg);
    return cor_sql_run(stmt, err);
}

static bool insert_large(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char sql[] = "INSERT INTO item(name, pad) VALUES (?1, zeroblob(100000))";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, arg);
    return cor_sql_run(stmt, err);
}

static bool count_items(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char sql[] = "SELECT count(*), coalesce(max(id), 0) FROM item";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    int64_t *counts = arg;
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    counts[0] = cor_sql_column_int(stmt, 0);
    counts[1] = cor_sql_column_int(stmt, 1);
    return true; /* leaves the row without going to its end: allowed */
}

static int64_t count(CorSql *db)
{
    int64_t counts[2] = {-1, -1};
    CorError err = {0};

    if (!cor_sql_read(db, count_items, counts, &err)) {
        print_error("%s\n", err.text);
    }
    return counts[0];
}

static void open_or_die(const char *path, CorSql **ret_db)
{
    CorError err = {0};

    if (!cor_sql_open(path, NULL, ret_db, &err)) {
        fail_msg("%s", err.text);
    }
}

static int open_db(void **state)
{
    Fixture *fixture = cor_new(Fixture);
    CorError err = {0};

    fixture->dir = temp_dir_make();
    if (!cor_sql_open(temp_path(&fixture->dir, "a.db"), NULL, &fixture->db, &err) ||
        !cor_sql_write(fixture->db, create_items, NULL, COR_SQL_SYNCED, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
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

static void what_a_write_has_committed_is_seen_by_the_next_read(void **state)
{
    Fixture *fixture = *state;
    CorError err = {0};

    assert_true(cor_sql_write(fixture->db, insert_item, "a", COR_SQL_SYNCED, &err));
    assert_int_equal(count(fixture->db), 1);
    assert_true(cor_sql_write(fixture->db, insert_item, "b", COR_SQL_RELAXED, &err));
    assert_int_equal(count(fixture->db), 2);
}

static void a_violated_constraint_is_a_conflict_and_changes_nothing(void **state)
{
    Fixture *fixture = *state;
    CorError err = {0};

    assert_true(cor_sql_write(fixture->db, insert_item, "a", COR_SQL_SYNCED, &err));
    assert_false(cor_sql_write(fixture->db, insert_item, "a", COR_SQL_SYNCED, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    assert_int_equal(count(fixture->db), 1);
}

static void a_reader_cannot_write(void **state)
{
    Fixture *fixture = *state;
    CorError err = {0};

    assert_false(cor_sql_read(fixture->db, insert_item, "a", &err));
    assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
    assert_int_equal(count(fixture->db), 0);
}

static void opens_of_one_file_share_one_database_whatever_they_call_it(void **state)
{
    Fixture *fixture = *state;
    char detour[512];
    CorSql *same = NULL;

    snprintf(detour, sizeof(detour), "%s/./a.db", fixture->dir.path);
    open_or_die(detour, &same);
    assert_ptr_equal(same, fixture->db);
    cor_sql_close(same);
    assert_int_equal(count(fixture->db), 0); /* still open */
}

/* Holds the writer thread until the test has filled the line behind it. */
typedef struct Gate {
    sem_t is_in;
    sem_t may_go;
} Gate;

static bool pass_gate(CorSqlTxn *txn, void *arg, CorError *err)
{
    Gate *gate = arg;

    (void) txn;
    (void) err;
    sem_post(&gate->is_in);
    while (sem_wait(&gate->may_go) != 0) {
    }
    return true;
}

typedef struct Outcome {
    const char *name;
    CorErrorCode code;
    int order;
    sem_t *finished;
} Outcome;

static int next_order;

static bool insert_outcome(CorSqlTxn *txn, void *arg, CorError *err)
{
    return insert_item(txn, (void *) ((Outcome *) arg)->name, err);
}

static void note_outcome(void *arg, const CorError *err)
{
    Outcome *outcome = arg;

    outcome->code = err ? err->code : COR_OK;
    outcome->order = next_order++;
    sem_post(outcome->finished);
}

/* Run all in one group: they are handed over while the writer is held at a gate. */
static void run_as_one_group(CorSql *db, Outcome *outcomes, size_t len, CorSqlDurability durability)
{
    Gate gate;
    sem_t finished;
    CorError err = {0};

    next_order = 0;
    sem_init(&gate.is_in, 0, 0);
    sem_init(&gate.may_go, 0, 0);
    sem_init(&finished, 0, 0);
    assert_true(cor_sql_write_async(db, pass_gate, NULL, &gate, COR_SQL_RELAXED, &err));
    sem_wait(&gate.is_in);
    for (size_t i = 0; i < len; i++) {
        outcomes[i].finished = &finished;
        assert_true(
            cor_sql_write_async(db, insert_outcome, note_outcome, &outcomes[i], durability, &err));
    }
    sem_post(&gate.may_go);
    for (size_t i = 0; i < len; i++) {
        sem_wait(&finished);
    }
    sem_destroy(&gate.is_in);
    sem_destroy(&gate.may_go);
    sem_destroy(&finished);
}

static void what_arrives_while_the_writer_is_busy_shares_one_commit_in_order(void **state)
{
    Fixture *fixture = *state;
    Outcome outcomes[5] = {{"a"}, {"b"}, {"c"}, {"d"}, {"e"}};
    int64_t before = 0;
    int64_t after = 0;
    int64_t synced = 0;

    cor_sql_test_commits(fixture->db, &before, &synced);
    run_as_one_group(fixture->db, outcomes, 5, COR_SQL_SYNCED);
    cor_sql_test_commits(fixture->db, &after, &synced);

    assert_int_equal(after - before, 2); /* the gate's and the group's */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(outcomes[i].code, COR_OK);
        assert_int_equal(outcomes[i].order, i);
    }
    assert_int_equal(count(fixture->db), 5);
}

static void one_that_fails_in_a_group_is_rolled_back_alone(void **state)
{
    Fixture *fixture = *state;
    Outcome outcomes[4] = {{"a"}, {"a"}, {"b"}, {"c"}};

    run_as_one_group(fixture->db, outcomes, 4, COR_SQL_SYNCED);

    assert_int_equal(outcomes[0].code, COR_OK);
    assert_int_equal(outcomes[1].code, COR_ERR_CONFLICT);
    assert_int_equal(outcomes[2].code, COR_OK);
    assert_int_equal(outcomes[3].code, COR_OK);
    assert_int_equal(count(fixture->db), 3);
}

static void a_failing_commit_fails_its_whole_group_and_nothing_after_it(void **state)
{
    Fixture *fixture = *state;
    Outcome outcomes[3] = {{"a"}, {"b"}, {"c"}};

    cor_sql_test_fail(fixture->db, COR_SQL_FAIL_COMMIT, 2); /* the gate's is the first */
    run_as_one_group(fixture->db, outcomes, 3, COR_SQL_SYNCED);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(outcomes[i].code, COR_ERR_UNAVAILABLE);
    }
    assert_int_equal(count(fixture->db), 0);

    run_as_one_group(fixture->db, outcomes, 3, COR_SQL_SYNCED);
    assert_int_equal(outcomes[2].code, COR_OK);
    assert_int_equal(count(fixture->db), 3);
}

static void only_commits_that_somebody_wants_synced_are_synced(void **state)
{
    Fixture *fixture = *state;
    CorError err = {0};
    int64_t commits[2] = {0};
    int64_t synced[3] = {0};

    cor_sql_test_commits(fixture->db, &commits[0], &synced[0]);
    assert_true(cor_sql_write(fixture->db, insert_item, "a", COR_SQL_RELAXED, &err));
    cor_sql_test_commits(fixture->db, &commits[0], &synced[1]);
    assert_true(cor_sql_write(fixture->db, insert_item, "b", COR_SQL_SYNCED, &err));
    cor_sql_test_commits(fixture->db, &commits[1], &synced[2]);

    assert_int_equal(synced[1], synced[0]);
    assert_int_equal(synced[2], synced[1] + 1);
    assert_int_equal(commits[1], commits[0] + 1);
}

static void a_disk_that_takes_nothing_is_unavailable_and_works_again_when_it_does(void **state)
{
    Fixture *fixture = *state;
    struct rlimit before;
    struct rlimit none;
    CorError err = {0};

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    bool is_ok = cor_sql_write(fixture->db, insert_large, "a", COR_SQL_SYNCED, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

    assert_false(is_ok);
    assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
    assert_int_equal(count(fixture->db), 0);

    assert_true(cor_sql_write(fixture->db, insert_large, "a", COR_SQL_SYNCED, &err));
    assert_int_equal(count(fixture->db), 1);
}

static bool run_wrong_sql(CorSqlTxn *txn, void *arg, CorError *err)
{
    CorSqlStmt *stmt = cor_sql_stmt(txn, arg);

    cor_sql_bind_int(stmt, 1, 7);
    cor_sql_bind_text(stmt, 9, "no such parameter");
    return cor_sql_run(stmt, err);
}

static bool fail_silently(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) txn;
    (void) arg;
    (void) err;
    return false;
}

static void a_wrong_statement_and_a_wrong_parameter_are_bugs_not_crashes(void **state)
{
    static char wrong[] = "SELEKT ?1";
    static char no_ninth[] = "SELECT ?1";
    Fixture *fixture = *state;
    CorError err = {0};

    assert_false(cor_sql_write(fixture->db, run_wrong_sql, wrong, COR_SQL_SYNCED, &err));
    assert_int_equal(err.code, COR_ERR_BUG);
    assert_false(cor_sql_read(fixture->db, run_wrong_sql, no_ninth, &err));
    assert_int_equal(err.code, COR_ERR_BUG);
    assert_false(cor_sql_write(fixture->db, fail_silently, NULL, COR_SQL_SYNCED, &err));
    assert_int_equal(err.code, COR_ERR_BUG);
}

static bool migrate(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char *const steps[] = {
        "CREATE TABLE room_a(x); INSERT INTO room_a VALUES (1);",
        "INSERT INTO room_a VALUES (2);",
        "INSERT INTO room_a VALUES (3);",
    };
    return cor_sql_migrate(txn, "room", steps, *(size_t *) arg, err);
}

static bool count_room(CorSqlTxn *txn, void *arg, CorError *err)
{
    CorSqlStmt *stmt = cor_sql_stmt_once(txn, "SELECT count(*) FROM room_a");
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *(int64_t *) arg = cor_sql_column_int(stmt, 0);
    return true;
}

static void each_step_of_a_migration_runs_once_and_a_newer_file_is_refused(void **state)
{
    Fixture *fixture = *state;
    CorError err = {0};
    size_t steps[] = {1, 1, 3, 3};
    int64_t rows = 0;

    for (size_t i = 0; i < COR_ARRAY_LEN(steps); i++) {
        assert_true(cor_sql_write(fixture->db, migrate, &steps[i], COR_SQL_SYNCED, &err));
    }
    assert_true(cor_sql_read(fixture->db, count_room, &rows, &err));
    assert_int_equal(rows, 3);

    assert_false(cor_sql_write(fixture->db, migrate, &steps[0], COR_SQL_SYNCED, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    assert_non_null(strstr(err.text, "older than the one that wrote the file"));
}

static void *insert_many(void *arg)
{
    Fixture *fixture = ((void **) arg)[0];
    const char *prefix = ((void **) arg)[1];

    for (int i = 0; i < 50; i++) {
        char name[32];
        CorError err = {0};

        snprintf(name, sizeof(name), "%s%d", prefix, i);
        if (!cor_sql_write(fixture->db, insert_item, name, i % 3 ? COR_SQL_RELAXED : COR_SQL_SYNCED,
                           &err) ||
            count(fixture->db) < i) {
            return (void *) 1;
        }
    }
    return NULL;
}

static void writers_and_readers_in_many_threads_lose_nothing(void **state)
{
    Fixture *fixture = *state;
    char prefixes[8][2] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    void *args[8][2];
    pthread_t threads[8];

    for (int i = 0; i < 8; i++) {
        args[i][0] = fixture;
        args[i][1] = prefixes[i];
        assert_int_equal(pthread_create(&threads[i], NULL, insert_many, args[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        void *failed = NULL;

        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(count(fixture->db), 400);
}

static void the_log_is_moved_into_the_main_file_and_does_not_grow_for_ever(void **state)
{
    Fixture *fixture = *state;
    CorError err = {0};

    for (int i = 0; i < 700; i++) { /* 70 MB; at 64 MB the writer itself would move it */
        char name[16];

        snprintf(name, sizeof(name), "large %d", i);
        assert_true(cor_sql_write(fixture->db, insert_large, name, COR_SQL_RELAXED, &err));
    }
    /* It is moved by a thread of its own, which may be behind on a busy machine. */
    for (int i = 0; i < 60000 && temp_size(temp_path(&fixture->dir, "a.db")) <= 1000 * 4096; i++) {
        (void) poll(NULL, 0, 1);
    }
    assert_true(temp_size(temp_path(&fixture->dir, "a.db")) > 1000 * 4096);
    assert_true(temp_size(temp_path(&fixture->dir, "a.db-wal")) < 80 * 1024 * 1024);
    assert_int_equal(count(fixture->db), 700);
}

static void write_from_done(void *arg, const CorError *err)
{
    void **args = arg;

    (void) err;
    if (!cor_sql_write(args[0], insert_item, "inner", COR_SQL_SYNCED, args[1])) {
        return;
    }
}

static bool insert_first(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return insert_item(txn, "first", err);
}

static void waiting_for_a_write_on_the_writer_thread_is_refused(void **state)
{
    Fixture *fixture = *state;
    CorError inner = {0};
    CorError err = {0};
    void *args[] = {fixture->db, &inner};

    assert_true(
        cor_sql_write_then(fixture->db, insert_first, write_from_done, args, COR_SQL_SYNCED, &err));
    assert_int_equal(inner.code, COR_ERR_BUG);
    assert_int_equal(count(fixture->db), 1);
}

typedef struct Beside {
    CorSql *db;
    const char *name;
    int64_t seen; /* by the one that is done beside it; -1: it was not called */
    bool differs;
} Beside;

static bool insert_beside(CorSqlTxn *txn, void *arg, CorError *err)
{
    const Beside *beside = arg;

    return insert_item(txn, (void *) (uintptr_t) beside->name, err);
}

static void look_beside(void *arg)
{
    Beside *beside = arg;

    beside->seen = count(beside->db);
}

static void something_else_is_done_while_a_write_is_committed(void **state)
{
    Fixture *fixture = *state;
    Beside beside = {.db = fixture->db, .name = "one", .seen = -1};
    const CorSqlBeside announced = {.meanwhile = look_beside, .was_announced = true};
    const CorSqlBeside other = {.meanwhile = look_beside};
    CorError err = {0};

    cor_sql_announce(fixture->db);
    assert_true(cor_sql_write_beside(fixture->db, insert_beside, &announced, &beside,
                                     COR_SQL_SYNCED, &err));
    assert_true(beside.seen == 0 || beside.seen == 1);
    assert_int_equal(count(fixture->db), 1);

    beside.seen = -1; /* also beside one that fails */
    assert_false(
        cor_sql_write_beside(fixture->db, insert_beside, &other, &beside, COR_SQL_SYNCED, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    assert_int_equal(beside.seen, 1);

    cor_sql_announce(fixture->db); /* nobody waits for what does not come */
    assert_true(cor_sql_write(fixture->db, insert_item, "two", COR_SQL_SYNCED, &err));
    cor_sql_withdraw(fixture->db);
    assert_int_equal(count(fixture->db), 2);
}

/* Under the same even number readers see the same. */
static void look_at_version(void *arg)
{
    Beside *beside = arg;
    uint64_t last = 1;

    for (int i = 0; i < 20; i++) {
        uint64_t version = cor_sql_version(beside->db);
        int64_t seen = count(beside->db);
        if (version % 2 == 0 && cor_sql_version(beside->db) == version) {
            beside->differs = beside->differs || (last == version && beside->seen != seen);
            beside->seen = seen;
            last = version;
        }
    }
}

static void the_version_says_whether_readers_see_the_same(void **state)
{
    Fixture *fixture = *state;
    char name[16];
    Beside beside = {.db = fixture->db, .name = name};
    const CorSqlBeside look = {.meanwhile = look_at_version};

    uint64_t before = cor_sql_version(fixture->db);
    assert_int_equal(count(fixture->db), 0);
    assert_true(cor_sql_version(fixture->db) == before && before % 2 == 0);
    for (int i = 1; i <= 300; i++) {
        before = cor_sql_version(fixture->db);
        (void) snprintf(name, sizeof(name), "item %d", i);
        assert_true(cor_sql_write_beside(fixture->db, insert_beside, &look, &beside,
                                         COR_SQL_RELAXED, NULL));
        assert_true(cor_sql_version(fixture->db) > before);
        assert_int_equal(cor_sql_version(fixture->db) % 2, 0);
    }
    assert_false(beside.differs);
}

/* ---- damage ---- */

/* In another process: insert items and be killed.  With "close" the log is emptied first. */
static int be_the_child(const char *path, const char *how)
{
    CorSql *db = NULL;
    CorError err = {0};

    if (!cor_sql_open(path, NULL, &db, &err) ||
        !cor_sql_write(db, create_items, NULL, COR_SQL_SYNCED, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (int i = 0; i < 40; i++) {
        char name[32];

        snprintf(name, sizeof(name), "item %d", i);
        if (!cor_sql_write(db, i % 8 ? insert_item : insert_large, name, COR_SQL_RELAXED, &err)) {
            return 1;
        }
    }
    if (strcmp(how, "close") == 0) {
        cor_sql_close(db);
        return 0;
    }
    raise(SIGKILL);
    return 1;
}

static void run_child(const char *path, const char *how)
{
    char *args[] = {"test", "child", (char *) path, (char *) how, NULL};
    pid_t pid = 0;
    int status = 0;

    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (strcmp(how, "close") == 0) {
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    } else {
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
}

static void refused(const char *path, const char *why)
{
    CorSql *db = NULL;
    CorError err = {0};

    if (cor_sql_open(path, NULL, &db, &err)) {
        cor_sql_close(db);
        fail_msg("opened although: %s", why);
    }
    assert_null(db);
    assert_int_equal(err.code, COR_ERR_CORRUPT);
    if (!strstr(err.text, why) || !strstr(err.text, path) ||
        !strstr(err.text, "see docs/operations.md#damaged-database")) {
        fail_msg("'%s' does not say '%s'", err.text, why);
    }
}

static void everything_committed_survives_kill_9(void **state)
{
    Fixture *fixture = *state;
    const char *path = temp_path(&fixture->dir, "killed.db");
    CorSql *db = NULL;

    run_child(path, "kill");
    open_or_die(path, &db);
    assert_int_equal(count(db), 40);
    cor_sql_close(db);
}

static void a_cut_log_loses_only_its_tail(void **state)
{
    Fixture *fixture = *state;
    char path[512];
    char log[520];
    const char *cut = temp_path(&fixture->dir, "cut.db");
    const char *cut_log = temp_path(&fixture->dir, "cut.db-wal");
    int64_t last = 0;
    off_t step = 4120 * 3 + 1234; /* also in the middle of frames */

    snprintf(path, sizeof(path), "%s/killed.db", fixture->dir.path);
    snprintf(log, sizeof(log), "%s-wal", path);
    run_child(path, "kill");
    for (off_t size = 4120 * 8; size < 4120 * 400; size += step) {
        CorSql *db = NULL;
        int64_t counts[2] = {0};
        CorError err = {0};

        temp_copy(path, cut, temp_size(path));
        temp_copy(log, cut_log, size);
        open_or_die(cut, &db);
        assert_true(cor_sql_read(db, count_items, counts, &err));
        assert_int_equal(counts[0], counts[1]); /* a prefix: no hole */
        assert_true(counts[0] >= last);
        last = counts[0];
        assert_true(cor_sql_write(db, insert_item, "after", COR_SQL_SYNCED, &err));
        cor_sql_close(db);
    }
    assert_int_equal(last, 40); /* and the whole log gives everything */
}

static void a_damaged_bit_in_the_log_loses_only_what_follows_it(void **state)
{
    Fixture *fixture = *state;
    char path[512];
    char log[520];
    CorSql *db = NULL;
    int64_t counts[2] = {0};
    CorError err = {0};

    snprintf(path, sizeof(path), "%s/killed.db", fixture->dir.path);
    snprintf(log, sizeof(log), "%s-wal", path);
    run_child(path, "kill");
    temp_overwrite(log, 32 + 4120 * 60 + 2000, "\xff\x5a\xff\x5a", 4);
    open_or_die(path, &db);
    assert_true(cor_sql_read(db, count_items, counts, &err));
    assert_true(counts[0] > 0 && counts[0] < 40);
    assert_int_equal(counts[0], counts[1]);
    cor_sql_close(db);
}

static void a_truncated_main_file_is_refused_with_a_way_out(void **state)
{
    Fixture *fixture = *state;
    char path[512];
    off_t whole = 0;

    snprintf(path, sizeof(path), "%s/t.db", fixture->dir.path);
    run_child(path, "close");
    whole = temp_size(path);
    assert_true(whole > 8 * 4096);

    assert_int_equal(truncate(path, whole - 4096), 0);
    refused(path, "it was truncated");
    assert_int_equal(truncate(path, whole / 2 + 100), 0);
    refused(path, "it was truncated");
    assert_int_equal(truncate(path, 60), 0);
    refused(path, "it was truncated");
    assert_int_equal(truncate(path, 0), 0);
    refused(path, "it is empty");
}

static void a_truncated_main_file_is_refused_although_its_log_holds_some_pages(void **state)
{
    Fixture *fixture = *state;
    char path[512];

    snprintf(path, sizeof(path), "%s/t.db", fixture->dir.path);
    run_child(path, "close");
    unlink(temp_path(&fixture->dir, "t.db-wal"));
    assert_int_equal(truncate(path, temp_size(path)), 0);
    run_child(temp_path(&fixture->dir, "other.db"), "kill");
    temp_copy(temp_path(&fixture->dir, "other.db-wal"), temp_path(&fixture->dir, "t.db-wal"),
              4120 * 12);
    assert_int_equal(truncate(path, 16 * 4096), 0);
    refused(path, "it was truncated");
}

static void a_missing_main_file_is_refused_if_its_log_is_there(void **state)
{
    Fixture *fixture = *state;
    char path[512];

    snprintf(path, sizeof(path), "%s/m.db", fixture->dir.path);
    run_child(path, "kill");
    assert_int_equal(unlink(path), 0);
    refused(path, "it is missing but its write-ahead log is there");
    temp_overwrite(path, 0, "", 0);
    refused(path, "it is empty");
}

static void a_corrupted_header_is_refused(void **state)
{
    Fixture *fixture = *state;
    char path[512];

    snprintf(path, sizeof(path), "%s/h.db", fixture->dir.path);
    run_child(path, "close");
    temp_overwrite(path, 3, "garbage", 7);
    refused(path, "its header is not that of a database");
}

static void corrupted_pages_are_refused(void **state)
{
    static const uint8_t garbage[64] = {0xff, 0xff, 0xff, 0xff, 0x5a, 0x5a};
    Fixture *fixture = *state;
    char path[512];
    char damaged[512];

    snprintf(path, sizeof(path), "%s/p.db", fixture->dir.path);
    snprintf(damaged, sizeof(damaged), "%s/d.db", fixture->dir.path);
    run_child(path, "close");
    for (off_t page = 0; page < 4; page++) {
        temp_copy(path, damaged, temp_size(path));
        temp_overwrite(damaged, page * 4096 + (page ? 0 : 100), garbage, sizeof(garbage));
        refused(damaged, "pages");
    }
}

static void a_database_of_another_program_is_refused(void **state)
{
    Fixture *fixture = *state;
    char path[512];
    CorSql *db = NULL;
    CorError err = {0};

    snprintf(path, sizeof(path), "%s/o.db", fixture->dir.path);
    run_child(path, "close");
    temp_overwrite(path, 68, "\0\0\0\1", 4);
    assert_false(cor_sql_open(path, NULL, &db, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
}

static void a_folder_that_is_not_there_is_no_database(void **state)
{
    Fixture *fixture = *state;
    CorSql *db = NULL;
    CorError err = {0};

    assert_false(cor_sql_open(temp_path(&fixture->dir, "none/a.db"), NULL, &db, &err));
    assert_int_equal(err.code, COR_ERR_NOT_FOUND);
    assert_false(cor_sql_open(fixture->dir.path, NULL, &db, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
}

#define WITH_DB(test) cmocka_unit_test_setup_teardown(test, open_db, close_db)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITH_DB(what_a_write_has_committed_is_seen_by_the_next_read),
        WITH_DB(a_violated_constraint_is_a_conflict_and_changes_nothing),
        WITH_DB(a_reader_cannot_write),
        WITH_DB(opens_of_one_file_share_one_database_whatever_they_call_it),
        WITH_DB(what_arrives_while_the_writer_is_busy_shares_one_commit_in_order),
        WITH_DB(one_that_fails_in_a_group_is_rolled_back_alone),
        WITH_DB(a_failing_commit_fails_its_whole_group_and_nothing_after_it),
        WITH_DB(only_commits_that_somebody_wants_synced_are_synced),
        WITH_DB(a_disk_that_takes_nothing_is_unavailable_and_works_again_when_it_does),
        WITH_DB(a_wrong_statement_and_a_wrong_parameter_are_bugs_not_crashes),
        WITH_DB(each_step_of_a_migration_runs_once_and_a_newer_file_is_refused),
        WITH_DB(writers_and_readers_in_many_threads_lose_nothing),
        WITH_DB(the_log_is_moved_into_the_main_file_and_does_not_grow_for_ever),
        WITH_DB(waiting_for_a_write_on_the_writer_thread_is_refused),
        WITH_DB(something_else_is_done_while_a_write_is_committed),
        WITH_DB(the_version_says_whether_readers_see_the_same),
        WITH_DB(everything_committed_survives_kill_9),
        WITH_DB(a_cut_log_loses_only_its_tail),
        WITH_DB(a_damaged_bit_in_the_log_loses_only_what_follows_it),
        WITH_DB(a_truncated_main_file_is_refused_with_a_way_out),
        WITH_DB(a_truncated_main_file_is_refused_although_its_log_holds_some_pages),
        WITH_DB(a_missing_main_file_is_refused_if_its_log_is_there),
        WITH_DB(a_corrupted_header_is_refused),
        WITH_DB(corrupted_pages_are_refused),
        WITH_DB(a_database_of_another_program_is_refused),
        WITH_DB(a_folder_that_is_not_there_is_no_database),
    };

    if (argc == 4 && strcmp(argv[1], "child") == 0) {
        return be_the_child(argv[2], argv[3]);
    }
    return cmocka_run_group_tests_name("driver-sql", tests, NULL, NULL);
}
