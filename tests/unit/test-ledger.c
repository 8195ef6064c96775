/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger-fixture.h"

#include <pthread.h>

#include "base/array.h"
#include "job/result.h"

typedef struct Fixture {
    TempDir dir;
    CorSql *db;
} Fixture;

static int open_ledger(void **state)
{
    Fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->dir = temp_dir_make();
    fixture->db = ledger_open(&fixture->dir);
    *state = fixture;
    return 0;
}

static int close_ledger(void **state)
{
    Fixture *fixture = *state;

    cor_sql_close(fixture->db);
    temp_dir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

static void reopen(Fixture *fixture)
{
    cor_sql_close(fixture->db);
    fixture->db = ledger_open(&fixture->dir);
}

static void accept_and_finish(CorSql *db, const char *client_id, int number, int64_t now_unix_ms)
{
    char job_id[COR_ID_SIZE];

    (void) snprintf(job_id, sizeof(job_id), "%s-%d", client_id, number);
    ledger_accept(db, job_id, client_id);
    (void) ledger_finish(db, job_id, COR_JOB_SUCCEEDED, "{}", now_unix_ms);
}

/* ---- accepting ---- */

static void a_job_with_the_same_content_is_accepted_once(void **state)
{
    Fixture *fixture = *state;
    CorJobRow again = ledger_row("j1", "c1");
    LedgerAccept first = ledger_accept_row(fixture->db, ledger_row("j1", "c1"));

    again.message_id = "0b7f9e2e-0000-4000-8000-000000000002";
    LedgerAccept second = ledger_accept_row(fixture->db, again);

    assert_int_equal(first.outcome, COR_ACCEPTED_NEW);
    assert_int_equal(second.outcome, COR_ACCEPTED_BEFORE);
    assert_string_equal(second.message_id, first.message_id);
}

static void a_job_with_other_content_is_refused_and_changes_nothing(void **state)
{
    Fixture *fixture = *state;
    CorJobRow other = ledger_row("j1", "c2");

    other.content_sha256 = "other";
    ledger_accept(fixture->db, "j1", "c1");
    LedgerAccept second = ledger_accept_row(fixture->db, other);
    LedgerState found = {.job_id = "j1"};
    MUST(cor_sql_read(fixture->db, ledger_state_run, &found, &err));

    assert_int_equal(second.outcome, COR_ACCEPTED_OTHER);
    assert_string_equal(found.client_id, "c1");
}

typedef struct OutboxSeen {
    int64_t numbers[8];
    CorOutboxOp ops[8];
    char groups[8][COR_ID_SIZE];
    bool has_request[8];
    size_t len;
} OutboxSeen;

static bool see_outbox(void *context, const CorOutboxRow *row, CorError *err)
{
    OutboxSeen *seen = context;

    (void) err;
    seen->numbers[seen->len] = row->number;
    seen->ops[seen->len] = row->op;
    seen->has_request[seen->len] = row->request && strcmp(row->request, "{\"a\":1}") == 0;
    (void) snprintf(seen->groups[seen->len], COR_ID_SIZE, "%s", row->order_group);
    seen->len++;
    return true;
}

static bool read_outbox(CorSqlTxn *txn, void *arg, CorError *err)
{
    return cor_ledger_outbox(txn, 0, 8, see_outbox, arg, err);
}

static bool clear_outbox(CorSqlTxn *txn, void *arg, CorError *err)
{
    const OutboxSeen *seen = arg;

    return cor_ledger_outbox_done(txn, seen->numbers, seen->len, err);
}

static bool read_outbox_len(CorSqlTxn *txn, void *arg, CorError *err)
{
    return cor_ledger_outbox_len(txn, arg, err);
}

static void accepting_and_cancelling_leave_orders_in_the_outbox(void **state)
{
    Fixture *fixture = *state;
    OutboxSeen seen = {0};
    int64_t len = -1;
    CorJobRow row = ledger_row("j1", "c1");
    LedgerFinish cancel = {
        .final = {
            .job_id = "j1", .state = COR_JOB_CANCELLED, .event = "{}", .with_cancel_outbox = true}};

    row.order_group = "c1";
    (void) ledger_accept_row(fixture->db, row);
    MUST(cor_sql_write(fixture->db, ledger_finish_run, &cancel, COR_SQL_RELAXED, &err));
    MUST(cor_sql_read(fixture->db, read_outbox, &seen, &err));

    assert_int_equal(seen.len, 2);
    assert_int_equal(seen.ops[0], COR_OUTBOX_SEND);
    assert_true(seen.has_request[0]);
    assert_string_equal(seen.groups[0], "c1");
    assert_int_equal(seen.ops[1], COR_OUTBOX_CANCEL);
    assert_false(seen.has_request[1]);
    MUST(cor_sql_write(fixture->db, clear_outbox, &seen, COR_SQL_RELAXED, &err));
    MUST(cor_sql_read(fixture->db, read_outbox_len, &len, &err));
    assert_int_equal(len, 0);
}

static void numbers_of_the_outbox_are_not_used_again(void **state)
{
    Fixture *fixture = *state;
    OutboxSeen first = {0};
    OutboxSeen second = {0};

    ledger_accept(fixture->db, "j1", "c1");
    MUST(cor_sql_read(fixture->db, read_outbox, &first, &err));
    MUST(cor_sql_write(fixture->db, clear_outbox, &first, COR_SQL_RELAXED, &err));
    reopen(fixture);
    ledger_accept(fixture->db, "j2", "c1");
    MUST(cor_sql_read(fixture->db, read_outbox, &second, &err));

    assert_int_equal(second.len, 1);
    assert_true(second.numbers[0] > first.numbers[0]);
}

/* ---- transitions ---- */

typedef struct Start {
    const char *job_id;
    int attempt;
} Start;

static bool start_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    const Start *start = arg;

    return cor_ledger_started(txn, start->job_id, start->attempt, 5000, err);
}

static bool postpone_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    return cor_ledger_postponed(txn, arg, err);
}

static void start_job(CorSql *db, const char *job_id, int attempt)
{
    Start start = {job_id, attempt};

    MUST(cor_sql_write(db, start_run, &start, COR_SQL_RELAXED, &err));
}

static void a_job_runs_and_goes_back_to_its_queue(void **state)
{
    Fixture *fixture = *state;
    char job_id[] = "j1";

    ledger_accept(fixture->db, "j1", "c1");
    assert_int_equal(ledger_state(fixture->db, "j1"), COR_JOB_QUEUED);
    start_job(fixture->db, "j1", 1);
    assert_int_equal(ledger_state(fixture->db, "j1"), COR_JOB_RUNNING);
    start_job(fixture->db, "j1", 2);
    assert_int_equal(ledger_state(fixture->db, "j1"), COR_JOB_RUNNING);
    MUST(cor_sql_write(fixture->db, postpone_run, job_id, COR_SQL_RELAXED, &err));
    assert_int_equal(ledger_state(fixture->db, "j1"), COR_JOB_QUEUED);
}

static void news_of_a_final_or_unknown_job_are_ignored(void **state)
{
    Fixture *fixture = *state;
    char job_id[] = "j1";

    ledger_accept(fixture->db, "j1", "c1");
    (void) ledger_finish(fixture->db, "j1", COR_JOB_FAILED, "{}", 1);
    start_job(fixture->db, "j1", 1);
    MUST(cor_sql_write(fixture->db, postpone_run, job_id, COR_SQL_RELAXED, &err));
    start_job(fixture->db, "nobody", 1);

    assert_int_equal(ledger_state(fixture->db, "j1"), COR_JOB_FAILED);
}

static void a_running_job_is_queued_again_when_the_ledger_is_opened(void **state)
{
    Fixture *fixture = *state;

    ledger_accept(fixture->db, "j1", "c1");
    start_job(fixture->db, "j1", 1);
    reopen(fixture);

    assert_int_equal(ledger_state(fixture->db, "j1"), COR_JOB_QUEUED);
}

static void the_first_final_transition_wins_for_every_pair(void **state)
{
    static const CorJobState finals[] = {COR_JOB_SUCCEEDED, COR_JOB_FAILED, COR_JOB_CANCELLED};
    Fixture *fixture = *state;
    int64_t expected_seq = 0;

    for (size_t i = 0; i < COR_ARRAY_LEN(finals); i++) {
        for (size_t j = 0; j < COR_ARRAY_LEN(finals); j++) {
            char job_id[COR_ID_SIZE];

            (void) snprintf(job_id, sizeof(job_id), "j-%zu-%zu", i, j);
            ledger_accept(fixture->db, job_id, "c1");
            LedgerFinish first = ledger_finish(fixture->db, job_id, finals[i], "{\"n\":1}", 10);
            LedgerFinish second = ledger_finish(fixture->db, job_id, finals[j], "{\"n\":2}", 20);

            expected_seq++;
            assert_true(first.is_first);
            assert_int_equal(first.seq, expected_seq);
            assert_false(second.is_first);
            assert_int_equal(second.seq, expected_seq);
            assert_int_equal(ledger_state(fixture->db, job_id), finals[i]);
        }
    }
    assert_int_equal(ledger_client(fixture->db, "c1").last, expected_seq);
}

static void a_job_that_nobody_knows_cannot_end(void **state)
{
    Fixture *fixture = *state;
    CorError err = {0};
    LedgerFinish finish = {.final = {.job_id = "j1", .state = COR_JOB_FAILED, .event = "{}"}};

    assert_false(cor_sql_write(fixture->db, ledger_finish_run, &finish, COR_SQL_RELAXED, &err));
    assert_int_equal(err.code, COR_ERR_NOT_FOUND);
}

static void an_event_that_is_too_long_is_refused(void **state)
{
    Fixture *fixture = *state;
    CorError err = {0};
    char *event = malloc(COR_EVENT_BODY_MAX + 2);
    LedgerFinish finish = {.final = {.job_id = "j1", .state = COR_JOB_FAILED, .event = event}};

    assert_non_null(event);
    memset(event, 'x', COR_EVENT_BODY_MAX + 1);
    event[COR_EVENT_BODY_MAX + 1] = '\0';
    ledger_accept(fixture->db, "j1", "c1");
    assert_false(cor_sql_write(fixture->db, ledger_finish_run, &finish, COR_SQL_RELAXED, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    assert_int_equal(ledger_state(fixture->db, "j1"), COR_JOB_QUEUED);
    free(event);
}

/* ---- numbering ---- */

#define FINISHERS 4
#define JOBS_EACH 30

typedef struct Finisher {
    CorSql *db;
    int index;
    const char *client_id;
    int64_t seqs[JOBS_EACH];
} Finisher;

static void *finish_many(void *arg)
{
    Finisher *finisher = arg;

    for (int i = 0; i < JOBS_EACH; i++) {
        char job_id[COR_ID_SIZE];
        LedgerFinish finish = {
            .final = {.job_id = job_id, .state = COR_JOB_SUCCEEDED, .event = "{}"}};
        LedgerAccept accept = {0};
        CorError err = {0};

        (void) snprintf(job_id, sizeof(job_id), "%s-%d-%d", finisher->client_id, finisher->index,
                        i);
        accept.row = ledger_row(job_id, finisher->client_id);
        if (cor_sql_write(finisher->db, ledger_accept_run, &accept, COR_SQL_RELAXED, &err) &&
            cor_sql_write(finisher->db, ledger_finish_run, &finish, COR_SQL_RELAXED, &err)) {
            finisher->seqs[i] = finish.seq;
        }
    }
    return NULL;
}

static void numbers_of_a_client_have_no_gaps_under_concurrency(void **state)
{
    Fixture *fixture = *state;
    Finisher finishers[FINISHERS] = {0};
    pthread_t threads[FINISHERS];
    bool seen[2][FINISHERS * JOBS_EACH] = {0};

    for (int i = 0; i < FINISHERS; i++) {
        finishers[i] =
            (Finisher){.db = fixture->db, .index = i, .client_id = i % 2 ? "odd" : "even"};
        assert_int_equal(pthread_create(&threads[i], NULL, finish_many, &finishers[i]), 0);
    }
    for (int i = 0; i < FINISHERS; i++) {
        (void) pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < FINISHERS; i++) {
        for (int j = 0; j < JOBS_EACH; j++) {
            int64_t seq = finishers[i].seqs[j];

            assert_in_range(seq, 1, FINISHERS / 2 * JOBS_EACH);
            assert_false(seen[i % 2][seq - 1]);
            seen[i % 2][seq - 1] = true;
        }
    }
    assert_int_equal(ledger_client(fixture->db, "odd").last, FINISHERS / 2 * JOBS_EACH);
    assert_int_equal(ledger_client(fixture->db, "even").last, FINISHERS / 2 * JOBS_EACH);
}

static bool add_event_twice(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_sql_exec(txn,
                        "INSERT INTO event(client_id, seq, job_id, created, body)"
                        " VALUES ('c2', 1, 'j1', 1, '{}')",
                        err);
}

static void a_job_has_one_event_whatever_happens(void **state)
{
    Fixture *fixture = *state;
    CorError err = {0};

    ledger_accept(fixture->db, "j1", "c1");
    (void) ledger_finish(fixture->db, "j1", COR_JOB_SUCCEEDED, "{}", 1);

    assert_false(cor_sql_write(fixture->db, add_event_twice, NULL, COR_SQL_RELAXED, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
}

/* ---- clients ---- */

static void a_client_that_was_never_seen_has_an_empty_log(void **state)
{
    Fixture *fixture = *state;
    CorClientLog log = ledger_client(fixture->db, "stranger");

    assert_int_equal(log.last, 0);
    assert_int_equal(log.oldest, 1);
    assert_int_equal(log.acked, 0);
}

static void the_cursor_moves_forward_only_and_not_beyond_the_last_event(void **state)
{
    Fixture *fixture = *state;

    for (int i = 0; i < 5; i++) {
        accept_and_finish(fixture->db, "c1", i, 10);
    }
    ledger_ack(fixture->db, "c1", 3);
    assert_int_equal(ledger_client(fixture->db, "c1").acked, 3);
    ledger_ack(fixture->db, "c1", 2);
    assert_int_equal(ledger_client(fixture->db, "c1").acked, 3);
    ledger_ack(fixture->db, "c1", 99);
    assert_int_equal(ledger_client(fixture->db, "c1").acked, 5);
    ledger_ack(fixture->db, "stranger", 1);
    assert_int_equal(ledger_client(fixture->db, "stranger").acked, 0);
}

static void pruning_leaves_a_gap_and_numbers_go_on(void **state)
{
    Fixture *fixture = *state;

    for (int i = 0; i < 6; i++) {
        accept_and_finish(fixture->db, "c1", i, 100 + i);
    }
    OutboxSeen seen = {0};
    MUST(cor_sql_read(fixture->db, read_outbox, &seen, &err));
    MUST(cor_sql_write(fixture->db, clear_outbox, &seen, COR_SQL_RELAXED, &err));

    assert_int_equal(ledger_prune(fixture->db, 104, 3), 3);
    assert_int_equal(ledger_client(fixture->db, "c1").oldest, 4);
    assert_int_equal(ledger_prune(fixture->db, 104, 3), 1);
    assert_int_equal(ledger_client(fixture->db, "c1").oldest, 5);
    assert_int_equal(ledger_prune(fixture->db, INT64_MAX, 100), 2);
    assert_int_equal(ledger_client(fixture->db, "c1").oldest, 7);
    assert_int_equal(ledger_client(fixture->db, "c1").last, 6);
    reopen(fixture);
    ledger_accept(fixture->db, "new", "c1");
    assert_int_equal(ledger_finish(fixture->db, "new", COR_JOB_FAILED, "{}", 200).seq, 7);
}

static void a_job_that_is_not_final_or_still_in_the_outbox_is_kept(void **state)
{
    Fixture *fixture = *state;
    OutboxSeen seen = {0};

    ledger_accept(fixture->db, "j1", "c1");
    MUST(cor_sql_read(fixture->db, read_outbox, &seen, &err));
    MUST(cor_sql_write(fixture->db, clear_outbox, &seen, COR_SQL_RELAXED, &err));
    ledger_accept(fixture->db, "j2", "c1");
    (void) ledger_finish(fixture->db, "j2", COR_JOB_FAILED, "{}", 1);

    assert_int_equal(ledger_prune(fixture->db, INT64_MAX, 100), 0);
    assert_int_equal(ledger_state(fixture->db, "j1"), COR_JOB_QUEUED);
    assert_int_equal(ledger_state(fixture->db, "j2"), COR_JOB_FAILED);
}

typedef struct EventsSeen {
    int64_t since;
    size_t max;
    int64_t seqs[16];
    char last_body[64];
    size_t len;
} EventsSeen;

static bool see_event(void *context, int64_t seq, int64_t created_unix_ms, const char *body,
                      CorError *err)
{
    EventsSeen *seen = context;

    (void) created_unix_ms;
    (void) err;
    seen->seqs[seen->len++] = seq;
    (void) snprintf(seen->last_body, sizeof(seen->last_body), "%s", body);
    return true;
}

static bool read_events(CorSqlTxn *txn, void *arg, CorError *err)
{
    EventsSeen *seen = arg;

    CorEventRange range = {.client_id = "c1", .since = seen->since, .max = seen->max};

    return cor_ledger_events(txn, &range, see_event, seen, err);
}

static void events_come_in_order_after_a_number_and_up_to_a_bound(void **state)
{
    Fixture *fixture = *state;
    EventsSeen seen = {.since = 2, .max = 3};
    EventsSeen all = {.since = 0, .max = 16};

    for (int i = 0; i < 8; i++) {
        accept_and_finish(fixture->db, "c1", i, 10);
        accept_and_finish(fixture->db, "c2", i, 10);
    }
    MUST(cor_sql_read(fixture->db, read_events, &seen, &err));
    MUST(cor_sql_read(fixture->db, read_events, &all, &err));

    assert_int_equal(seen.len, 3);
    assert_int_equal(seen.seqs[0], 3);
    assert_int_equal(seen.seqs[2], 5);
    assert_int_equal(all.len, 8);
    assert_string_equal(all.last_body, "{}");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_ledger, close_ledger)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_job_with_the_same_content_is_accepted_once),
        CASE(a_job_with_other_content_is_refused_and_changes_nothing),
        CASE(accepting_and_cancelling_leave_orders_in_the_outbox),
        CASE(numbers_of_the_outbox_are_not_used_again),
        CASE(a_job_runs_and_goes_back_to_its_queue),
        CASE(news_of_a_final_or_unknown_job_are_ignored),
        CASE(a_running_job_is_queued_again_when_the_ledger_is_opened),
        CASE(the_first_final_transition_wins_for_every_pair),
        CASE(a_job_that_nobody_knows_cannot_end),
        CASE(an_event_that_is_too_long_is_refused),
        CASE(numbers_of_a_client_have_no_gaps_under_concurrency),
        CASE(a_job_has_one_event_whatever_happens),
        CASE(a_client_that_was_never_seen_has_an_empty_log),
        CASE(the_cursor_moves_forward_only_and_not_beyond_the_last_event),
        CASE(pruning_leaves_a_gap_and_numbers_go_on),
        CASE(a_job_that_is_not_final_or_still_in_the_outbox_is_kept),
        CASE(events_come_in_order_after_a_number_and_up_to_a_bound),
    };

    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
