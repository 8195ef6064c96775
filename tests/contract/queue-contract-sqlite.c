/* SPDX-License-Identifier: Apache-2.0 */
/* What only a store in files of its own can be asked: its death, its damage and its cost.
 *
 * Cost is counted in steps of SQLite's virtual machine, which are the same on every machine and on
 * a busy one. */
#include "queue-fixture.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "driver/sql-test.h"

static CorSql *open_sql(Fixture *fixture)
{
    CorSql *db = NULL;
    CorError err = {0};

    if (!cor_sql_open(temp_path(&fixture->dir, "corsia.db"), NULL, &db, &err)) {
        fail_msg("%s", err.text);
    }
    return db;
}

static int64_t commits_of(CorSql *db)
{
    int64_t commits = 0;
    int64_t synced = 0;

    cor_sql_test_commits(db, &commits, &synced);
    return commits;
}

static void an_empty_queue_costs_no_work_in_the_database(void **state)
{
    Fixture *fixture = *state;
    COR_CLEANUP(cor_sql_closep) CorSql *db = open_sql(fixture);
    int64_t before = 0;
    CorMessage *message = NULL;

    send_one(fixture->queue, "a", "a1");
    send_one(fixture->queue, "a", "a2");
    message = expect(fixture->queue, "a1");
    send_delayed(fixture->queue, "b", "b1", "", 60000);
    before = commits_of(db);
    for (int i = 0; i < 100; i++) {
        expect_nothing(fixture->queue);
    }
    assert_int_equal(commits_of(db), before);
    ack(fixture->queue, message);
}

static void only_sends_that_cannot_be_repeated_are_synced(void **state)
{
    Fixture *fixture = *state;
    COR_CLEANUP(cor_sql_closep) CorSql *db = open_sql(fixture);
    CorQueueSend send = {.group_id = "g", .dedup_id = "once", .body = "once", .body_size = 4};
    char id[COR_UUID_SIZE];
    int64_t commits = 0;
    int64_t synced[3] = {0};

    cor_sql_test_commits(db, &commits, &synced[0]);
    send_one(fixture->queue, "g", "again"); /* resendable */
    take(fixture->queue, "again");
    cor_sql_test_commits(db, &commits, &synced[1]);
    assert_true(cor_queue_send(fixture->queue, &send, id, NULL));
    cor_sql_test_commits(db, &commits, &synced[2]);
    assert_int_equal(synced[1], synced[0]);
    assert_int_equal(synced[2], synced[1] + 1);
}

/* ---- cost ---- */

/* Send numbers from..to, to one group or each to its own. */
static void send_range(CorQueue *queue, int from, int to, bool one_group)
{
    static CorQueueSend sends[COR_QUEUE_BATCH_MAX];
    static char names[COR_QUEUE_BATCH_MAX][16];
    CorError err = {0};

    while (from < to) {
        size_t len = 0;

        for (; len < COR_QUEUE_BATCH_MAX && from < to; len++, from++) {
            snprintf(names[len], sizeof(names[len]), "m%d", from);
            sends[len] = (CorQueueSend){.group_id = one_group ? "group" : names[len],
                                        .dedup_id = names[len],
                                        .client_id = "client",
                                        .body = names[len],
                                        .body_size = strlen(names[len]),
                                        .is_resendable = true};
        }
        if (!cor_queue_send_many(queue, sends, len, NULL, &err)) {
            fail_msg("%s", err.text);
        }
    }
}

typedef struct Cost {
    int64_t send;
    int64_t claim;
    int64_t retry;
    int64_t settle;
} Cost;

/* Steps of one send, claim, release with back-off and acknowledgement of message number. */
static Cost cost_of(Fixture *fixture, CorSql *db, int number, bool one_group)
{
    Cost cost = {0};
    char name[16];
    int64_t steps[6];
    CorMessage *message = NULL;
    CorError err = {0};

    snprintf(name, sizeof(name), "m%d", number);
    steps[0] = cor_sql_test_vm_steps(db);
    send_range(fixture->queue, 1000000 + number, 1000001 + number, one_group);
    steps[1] = cor_sql_test_vm_steps(db);
    message = expect(fixture->queue, name);
    steps[2] = cor_sql_test_vm_steps(db);
    assert_true(cor_queue_release(fixture->queue, message, 1000, true, &err));
    cor_message_free(message);
    pass_ms(fixture, 1000);
    message = expect(fixture->queue, name);
    steps[3] = cor_sql_test_vm_steps(db);
    ack(fixture->queue, message);
    steps[4] = cor_sql_test_vm_steps(db);
    cost.send = steps[1] - steps[0];
    cost.claim = steps[2] - steps[1];
    cost.retry = steps[3] - steps[2];
    cost.settle = steps[4] - steps[3];
    return cost;
}

static void the_cost_is_flat(Fixture *fixture, bool one_group)
{
    COR_CLEANUP(cor_sql_closep) CorSql *db = open_sql(fixture);
    Cost few = {0};
    Cost many = {0};

    send_range(fixture->queue, 0, 10, one_group);
    (void) cost_of(fixture, db, 0, one_group); /* so that all statements are prepared */
    few = cost_of(fixture, db, 1, one_group);
    send_range(fixture->queue, 10, 100000, one_group);
    many = cost_of(fixture, db, 2, one_group);
    print_message(
        "steps with 10 messages: send %" PRId64 " claim %" PRId64 " retry %" PRId64
        " settle %" PRId64 "; with 100000: %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
        few.send, few.claim, few.retry, few.settle, many.send, many.claim, many.retry, many.settle);
    assert_true(few.claim > 0);
    assert_true(many.send <= few.send + 20);
    assert_true(many.claim <= few.claim + 20);
    assert_true(many.retry <= few.retry + 100); /* the timer may look at the same time */
    assert_true(many.settle <= few.settle + 20);
    assert_int_equal(stats_of(fixture->queue).visible, 100000);
}

static void a_claim_costs_the_same_with_100000_messages_in_one_group(void **state)
{
    the_cost_is_flat(*state, true);
}

static void a_claim_costs_the_same_with_100000_groups(void **state)
{
    the_cost_is_flat(*state, false);
}

static bool run_count(CorSqlTxn *txn, void *arg, CorError *err)
{
    void **args = arg;
    CorSqlStmt *stmt = cor_sql_stmt_once(txn, args[0]);
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *(int64_t *) args[1] = cor_sql_column_int(stmt, 0);
    return true;
}

static int64_t count_rows(CorSql *db, const char *sql)
{
    int64_t rows = -1;
    void *args[] = {(void *) sql, &rows};
    CorError err = {0};

    if (!cor_sql_read(db, run_count, args, &err)) {
        fail_msg("%s", err.text);
    }
    return rows;
}

static void what_is_over_is_forgotten_little_by_little(void **state)
{
    Fixture *fixture = *state;
    COR_CLEANUP(cor_sql_closep) CorSql *db = open_sql(fixture);

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 50; i++) {
            char name[32];
            char client[32];

            snprintf(name, sizeof(name), "r%d.%d", round, i);
            snprintf(client, sizeof(client), "client %d.%d", round, i);
            send_for(fixture->queue, client, name);
            take(fixture->queue, name);
        }
        pass_ms(fixture, COR_QUEUE_DEDUP_WINDOW_MS);
    }
    assert_true(count_rows(db, "SELECT count(*) FROM queue_dedup") <= 100);
    assert_true(count_rows(db, "SELECT count(*) FROM queue_client") <= 100);
    assert_int_equal(count_rows(db, "SELECT count(*) FROM queue_body"), 0);
    assert_int_equal(count_rows(db, "SELECT count(*) FROM queue_message"), 0);
}

/* ---- failing writes ---- */

static void a_commit_that_fails_leaves_the_queue_as_it_was(void **state)
{
    Fixture *fixture = *state;
    COR_CLEANUP(cor_sql_closep) CorSql *db = open_sql(fixture);
    CorQueueSend send = {.group_id = "a", .dedup_id = "a2", .body = "a2", .body_size = 2};
    CorQueueReceive how = {.lease_ms = 30000, .max = 1};
    char id[COR_UUID_SIZE];
    CorMessage *message = NULL;
    size_t len = 0;
    CorError err = {0};

    send_one(fixture->queue, "a", "a1");
    for (int where = COR_SQL_FAIL_RUN; where <= COR_SQL_FAIL_COMMIT; where++) {
        cor_sql_test_fail(db, where, 1);
        assert_false(cor_queue_send(fixture->queue, &send, id, &err));
        assert_true(cor_error_is_transient(&err));
        assert_int_equal(stats_of(fixture->queue).visible, 1);

        cor_sql_test_fail(db, where, 1);
        message = NULL;
        assert_false(cor_queue_receive(fixture->queue, &how, &message, &len, &err));
        assert_null(message); /* else a caller's cleanup would free it once more */
        assert_true(cor_error_is_transient(&err));
        assert_int_equal(stats_of(fixture->queue).receivable, 1);
        assert_int_equal(stats_of(fixture->queue).in_flight, 0);

        message = expect(fixture->queue, "a1");
        assert_int_equal(cor_message_receives(message), 1);
        cor_sql_test_fail(db, where, 1);
        assert_false(cor_queue_ack(fixture->queue, &message, 1, &err));
        assert_true(cor_error_is_transient(&err));
        assert_false(cor_message_is_stale(message));
        release(fixture->queue, message, 0, false);
    }
    take(fixture->queue, "a1");
    assert_true(cor_queue_send(fixture->queue, &send, id, &err));
    take(fixture->queue, "a2");
}

/* ---- damage ---- */

static bool damage_body(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_sql_exec(txn,
                        "UPDATE queue_body SET body = CAST('A1' AS BLOB) "
                        "WHERE body = CAST('a1' AS BLOB)",
                        err);
}

static void a_damaged_body_is_never_handed_out(void **state)
{
    Fixture *fixture = *state;
    COR_CLEANUP(cor_sql_closep) CorSql *db = open_sql(fixture);
    CorMessage *dead = NULL;
    size_t len = 0;
    CorError err = {0};

    send_one(fixture->queue, "a", "a1");
    send_one(fixture->queue, "a", "a2");
    assert_true(cor_sql_write(db, damage_body, NULL, COR_SQL_SYNCED, &err));
    take(fixture->queue, "a2"); /* at once, in the same call */
    expect_nothing(fixture->queue);
    assert_true(cor_queue_dead_list(fixture->queue, 0, 1, &dead, &len, &err));
    assert_int_equal(len, 1);
    assert_non_null(strstr(cor_message_reason(dead), "damaged"));
    assert_string_equal(cor_message_dedup_id(dead), "a1");
    cor_message_free(dead);
}

/* In another process: send 200 messages, take some, say how far it came, be killed. */
static int be_the_child(const char *uri)
{
    CorQueue *queue = NULL;
    CorError err = {0};
    CorMessage *message = NULL;

    if (!cor_queue_open(uri, QUEUE_NAME, &queue, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (int i = 0; i < 200; i++) {
        char name[16];

        snprintf(name, sizeof(name), "k%d", i);
        send_one(queue, i % 2 ? "odd" : name, name);
        if (i % 20 == 19) {
            message = receive(queue);
            if (i % 40 == 19) {
                ack(queue, message); /* otherwise it dies with the lease */
            }
        }
    }
    printf("\n"); /* everything has returned */
    fflush(stdout);
    raise(SIGKILL);
    return 1;
}

static void run_child(const char *uri)
{
    char *args[] = {"test", "child", (char *) uri, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int status = 0;
    int ends[2];
    char byte = 0;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", &actions, NULL, args, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    (void) close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    (void) close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Leave a store that was killed; the fixture's queue is closed. */
static void leave_killed_store(Fixture *fixture)
{
    cor_queue_close(fixture->queue);
    fixture->queue = NULL;
    run_child(fixture->uri);
}

static void everything_sent_survives_kill_9_and_old_leases_do_not_count(void **state)
{
    Fixture *fixture = *state;
    CorQueueStats stats = {0};
    CorMessage *message = NULL;
    int64_t came = 0;

    leave_killed_store(fixture);
    fixture_open_queue(fixture);
    stats = stats_of(fixture->queue);
    assert_int_equal(stats.visible, 195); /* 200 sent, 5 acknowledged, 5 leases ended */
    assert_int_equal(stats.in_flight, 0);
    while ((message = receive(fixture->queue)) != NULL) {
        assert_int_equal(cor_message_receives(message), 1);
        ack(fixture->queue, message);
        came++;
    }
    assert_int_equal(came, 195);
}

static void a_cut_log_loses_only_the_unfinished_tail(void **state)
{
    Fixture *fixture = *state;
    char log[512];
    int64_t last = -1;
    off_t used = 4120 * 60;

    leave_killed_store(fixture);
    snprintf(log, sizeof(log), "%s/corsia.db-wal", fixture->dir.path);
    for (off_t size = used; size < 4120 * 2000; size += 4120 * 90 + 777) {
        Fixture copy = {.now = atomic_load(&fixture->now)};
        CorQueueStats stats = {0};
        CorMessage *message = NULL;
        int64_t came = 0;

        copy.dir = temp_dir_make();
        temp_copy(temp_path(&fixture->dir, "corsia.db"), temp_path(&copy.dir, "corsia.db"),
                  INT64_MAX);
        temp_copy(log, temp_path(&copy.dir, "corsia.db-wal"), size);
        snprintf(copy.uri, sizeof(copy.uri), "sqlite:%s/corsia.db", copy.dir.path);
        fixture_open_queue(&copy);
        stats = stats_of(copy.queue);
        assert_int_equal(stats.in_flight + stats.delayed + stats.dead, 0);
        while ((message = receive(copy.queue)) != NULL) {
            ack(copy.queue, message);
            came++;
        }
        assert_int_equal(came, stats.visible); /* whole messages only, all of them usable */
        assert_true(came + 5 >= last);         /* more log, more messages, but for those taken */
        last = came;
        send_one(copy.queue, "new", "new");
        take(copy.queue, "new");
        cor_queue_close(copy.queue);
        temp_dir_remove(&copy.dir);
    }
    assert_int_equal(last, 195); /* the whole log gives everything */
    fixture_open_queue(fixture);
}

static void refused(Fixture *fixture, const char *why)
{
    CorQueue *queue = NULL;
    CorError err = {0};

    if (cor_queue_open(fixture->uri, QUEUE_NAME, &queue, &err)) {
        cor_queue_close(queue);
        fail_msg("opened although: %s", why);
    }
    assert_int_equal(err.code, COR_ERR_CORRUPT);
    if (!strstr(err.text, why) || !strstr(err.text, "docs/operations.md#damaged-database")) {
        fail_msg("'%s' does not say '%s'", err.text, why);
    }
}

static void a_truncated_or_corrupted_main_file_is_refused_with_a_way_out(void **state)
{
    static const uint8_t garbage[512] = {0xff, 0x01, 0xff, 0x02};
    Fixture *fixture = *state;
    char path[512];
    char saved[512];
    off_t whole = 0;

    snprintf(path, sizeof(path), "%s/corsia.db", fixture->dir.path);
    snprintf(saved, sizeof(saved), "%s/saved.db", fixture->dir.path);
    send_range(fixture->queue, 0, 500, false);
    cor_queue_close(fixture->queue);
    whole = temp_size(path);
    temp_copy(path, saved, whole);
    assert_true(whole > 4096 * 20);

    assert_int_equal(truncate(path, whole / 2), 0);
    refused(fixture, "it was truncated");
    assert_int_equal(truncate(path, 0), 0);
    refused(fixture, "it is empty");
    temp_copy(saved, path, whole);
    temp_overwrite(path, 0, "not a database at all", 21);
    refused(fixture, "its header is not that of a database");
    for (off_t page = 2; page < whole / 4096; page += 7) {
        temp_copy(saved, path, whole);
        temp_overwrite(path, page * 4096, garbage, sizeof(garbage));
        refused(fixture, "pages");
    }

    temp_copy(saved, path, whole); /* a backup that is put back works */
    fixture_open_queue(fixture);
    assert_int_equal(stats_of(fixture->queue).visible, 500);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WITH_QUEUE(an_empty_queue_costs_no_work_in_the_database),
        WITH_QUEUE(only_sends_that_cannot_be_repeated_are_synced),
        WITH_QUEUE(a_claim_costs_the_same_with_100000_messages_in_one_group),
        WITH_QUEUE(a_claim_costs_the_same_with_100000_groups),
        WITH_QUEUE(what_is_over_is_forgotten_little_by_little),
        WITH_QUEUE(a_commit_that_fails_leaves_the_queue_as_it_was),
        WITH_QUEUE(a_damaged_body_is_never_handed_out),
        WITH_QUEUE(everything_sent_survives_kill_9_and_old_leases_do_not_count),
        WITH_QUEUE(a_cut_log_loses_only_the_unfinished_tail),
        WITH_QUEUE(a_truncated_or_corrupted_main_file_is_refused_with_a_way_out),
    };

    if (argc == 3 && strcmp(argv[1], "child") == 0) {
        return be_the_child(argv[2]);
    }
    return cmocka_run_group_tests_name("queue contract, sqlite", tests, NULL, NULL);
}
