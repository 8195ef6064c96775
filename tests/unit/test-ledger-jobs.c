/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger-fixture.h"

#include "base/array.h"
#include "driver/sql-test.h"

/* Enough that a walk over everything shows, few enough to make in a second. */
#define JOBS 20000
#define CLIENTS 50

typedef struct Fixture {
    TempDir dir;
    CorSql *db;
} Fixture;

/* Job n belongs to client n mod CLIENTS, study n mod 100, was accepted at n seconds; every 1000th
 * failed and every 7th is of the other algorithm. */
static bool fill_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    for (int i = 1; i <= JOBS; i++) {
        char job_id[COR_ID_SIZE];
        char client_id[COR_ID_SIZE];
        char study_id[COR_ID_SIZE];
        char study_uid[COR_ID_SIZE];
        char message_id[COR_UUID_SIZE];
        CorAcceptOutcome outcome = COR_ACCEPTED_NEW;
        CorJobRow row = ledger_row(job_id, client_id);
        int64_t seq = 0;
        bool is_first = false;
        CorFinal final = {
            .job_id = job_id, .state = COR_JOB_FAILED, .event = "{\"e\":1}", .now_unix_ms = i};

        (void) snprintf(job_id, sizeof(job_id), "job-%05d", i);
        (void) snprintf(client_id, sizeof(client_id), "client-%d", i % CLIENTS);
        (void) snprintf(study_id, sizeof(study_id), "Folder/%02d", i % 100);
        (void) snprintf(study_uid, sizeof(study_uid), "1.2.%d", i % 100);
        row.study_id = study_id;
        row.study_instance_uid = study_uid;
        row.algo_id = i % 7 == 0 ? "processing_6" : "processing_1";
        row.accepted_unix_ms = (int64_t) i * 1000;
        if (!cor_ledger_accept(txn, &row, &outcome, message_id, err) ||
            (i % 1000 == 0 && !cor_ledger_finish(txn, &final, &seq, &is_first, err))) {
            return false;
        }
    }
    return true;
}

static int open_ledger(void **state)
{
    Fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->dir = temp_dir_make();
    fixture->db = ledger_open(&fixture->dir);
    MUST(cor_sql_write(fixture->db, fill_run, NULL, COR_SQL_RELAXED, &err));
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

typedef struct Page {
    CorJobFilter filter;
    int64_t numbers[1000];
    CorJobState states[1000];
    size_t len;
} Page;

static bool see_job(void *context, const CorJobRow *row, CorError *err)
{
    Page *page = context;

    (void) err;
    page->states[page->len] = row->state;
    page->numbers[page->len++] = row->number;
    return true;
}

static bool read_jobs(CorSqlTxn *txn, void *arg, CorError *err)
{
    Page *page = arg;

    return cor_ledger_jobs(txn, &page->filter, see_job, page, err);
}

static Page *read_page(CorSql *db, CorJobFilter filter)
{
    static Page page;

    page = (Page){.filter = filter};
    MUST(cor_sql_read(db, read_jobs, &page, &err));
    return &page;
}

static void pages_go_down_from_the_newest_without_overlap(void **state)
{
    Fixture *fixture = *state;
    int64_t expected = JOBS;
    CorJobFilter filter = {.limit = 1000};

    for (int i = 0; i < JOBS / 1000; i++) {
        Page *page = read_page(fixture->db, filter);

        assert_int_equal(page->len, 1000);
        for (size_t j = 0; j < page->len; j++) {
            assert_int_equal(page->numbers[j], expected);
            expected--;
        }
        filter.after = page->numbers[page->len - 1];
    }
    assert_int_equal(read_page(fixture->db, filter)->len, 0);
}

static void filters_find_what_they_say(void **state)
{
    Fixture *fixture = *state;
    Page *page = read_page(fixture->db, (CorJobFilter){.client_id = "client-7", .limit = 1000});

    assert_int_equal(page->len, JOBS / CLIENTS);
    assert_int_equal(page->numbers[0] % CLIENTS, 7);
    page = read_page(fixture->db, (CorJobFilter){.state = "failed", .limit = 1000});
    assert_int_equal(page->len, JOBS / 1000);
    assert_int_equal(page->states[3], COR_JOB_FAILED);
    page = read_page(fixture->db, (CorJobFilter){.algo_id = "processing_6", .limit = 3});
    assert_int_equal(page->len, 3);
    assert_int_equal(page->numbers[0] % 7, 0);
    assert_int_equal(page->numbers[0] - page->numbers[1], 7);
    page = read_page(fixture->db, (CorJobFilter){.study = "Folder/42", .limit = 1000});
    assert_int_equal(page->len, JOBS / 100);
    page = read_page(fixture->db, (CorJobFilter){.study = "1.2.42", .limit = 1000});
    assert_int_equal(page->len, JOBS / 100);
    page = read_page(fixture->db, (CorJobFilter){.text = "JOB-00012", .limit = 1000});
    assert_int_equal(page->len, 1);
    assert_int_equal(page->numbers[0], 12);
    page = read_page(fixture->db, (CorJobFilter){.text = "0_12", .limit = 1000});
    assert_int_equal(page->len, 0);
    page = read_page(fixture->db, (CorJobFilter){.text = "100%", .limit = 1000});
    assert_int_equal(page->len, 0);
}

static void filters_are_combined(void **state)
{
    Fixture *fixture = *state;
    Page *page = read_page(fixture->db, (CorJobFilter){.client_id = "client-0",
                                                       .state = "failed",
                                                       .algo_id = "processing_6",
                                                       .study = "1.2.0",
                                                       .text = "job",
                                                       .since_unix_ms = 8000000,
                                                       .limit = 1000});

    assert_int_equal(page->len, 1); /* 14000; 7000 is before */
    assert_int_equal(page->numbers[0], 14000);
}

static void a_study_named_both_ways_is_paged_without_doubles(void **state)
{
    Fixture *fixture = *state;
    CorJobRow row = ledger_row("both", "c1");

    row.study_id = "1.2.42";
    row.study_instance_uid = "1.2.42";
    (void) ledger_accept_row(fixture->db, row);
    Page *page = read_page(fixture->db, (CorJobFilter){.study = "1.2.42", .limit = 2});

    assert_int_equal(page->len, 2);
    assert_int_equal(page->numbers[0], JOBS + 1);
    assert_int_equal(page->numbers[1], JOBS - 100 + 42);
}

static void since_is_exact_even_if_the_clock_went_back(void **state)
{
    Fixture *fixture = *state;
    CorJobRow early = ledger_row("early", "c1");
    CorJobRow late = ledger_row("late", "c1");

    early.accepted_unix_ms = 5;
    late.accepted_unix_ms = (int64_t) (JOBS + 1) * 1000;
    (void) ledger_accept_row(fixture->db, early);
    (void) ledger_accept_row(fixture->db, late);
    CorJobFilter filter = {.since_unix_ms = (int64_t) (JOBS - 9) * 1000, .limit = 1000};
    Page *page = read_page(fixture->db, filter);

    assert_int_equal(page->len, 11);
    assert_int_equal(page->numbers[0], JOBS + 3); /* one more is of the test before */
    assert_int_equal(page->numbers[1], JOBS);
    filter.since_unix_ms = 1;
    filter.after = 3;
    assert_int_equal(read_page(fixture->db, filter)->len, 2);
    filter.since_unix_ms = (int64_t) JOBS * 2000;
    filter.after = 0;
    assert_int_equal(read_page(fixture->db, filter)->len, 0);
}

/* On the writer's connection, whose work is counted. */
static bool read_as_writer(CorSqlTxn *txn, void *arg, CorError *err)
{
    return read_jobs(txn, arg, err);
}

static int64_t cost(CorSql *db, CorJobFilter filter)
{
    static Page page;
    int64_t before = cor_sql_test_vm_steps(db);

    page = (Page){.filter = filter};
    MUST(cor_sql_write(db, read_as_writer, &page, COR_SQL_RELAXED, &err));
    return cor_sql_test_vm_steps(db) - before;
}

static void a_page_costs_the_same_whatever_lies_behind_it(void **state)
{
    Fixture *fixture = *state;
    static const CorJobFilter filters[] = {
        {.limit = 10},
        {.client_id = "client-7", .limit = 10},
        {.client_id = "nobody", .limit = 10},
        {.algo_id = "processing_6", .limit = 10},
        {.algo_id = "nothing", .limit = 10},
        {.state = "failed", .limit = 10},
        {.state = "cancelled", .limit = 10},
        {.study = "Folder/42", .limit = 10},
        {.study = "1.2.42", .limit = 10},
        {.study = "nowhere", .limit = 10},
        {.since_unix_ms = 1, .limit = 10},
        {.since_unix_ms = (int64_t) JOBS * 1000, .limit = 10},
        {.since_unix_ms = (int64_t) JOBS * 2000, .limit = 10},
    };

    for (size_t i = 0; i < COR_ARRAY_LEN(filters); i++) {
        assert_in_range(cost(fixture->db, filters[i]), 1, JOBS / 10);
    }
    /* The measure sees a walk over everything: a substring has no index. */
    assert_true(cost(fixture->db, (CorJobFilter){.text = "nowhere", .limit = 10}) > JOBS);
}

static void a_page_has_bounds(void **state)
{
    Fixture *fixture = *state;
    static const CorJobFilter filters[] = {
        {.limit = 0}, {.limit = 1001}, {.state = "asleep", .limit = 1}};

    for (size_t i = 0; i < COR_ARRAY_LEN(filters); i++) {
        static Page page;
        CorError err = {0};

        page = (Page){.filter = filters[i]};
        assert_false(cor_sql_read(fixture->db, read_jobs, &page, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
    }
}

static bool see_whole_job(void *context, const CorJobRow *row, CorError *err)
{
    (void) context;
    (void) err;
    assert_string_equal(row->job_id, "job-01000");
    assert_string_equal(row->client_id, "client-0");
    assert_string_equal(row->algo_version, "1");
    assert_int_equal(row->number, 1000);
    assert_int_equal(row->state, COR_JOB_FAILED);
    assert_int_equal(row->accepted_unix_ms, 1000000);
    assert_int_equal(row->finished_unix_ms, 1000);
    assert_string_equal(row->request, "{\"a\":1}");
    assert_string_equal(row->result, "{\"e\":1}");
    assert_null(row->retry_of);
    return true;
}

static bool read_one(CorSqlTxn *txn, void *arg, CorError *err)
{
    return cor_ledger_job(txn, arg, see_whole_job, NULL, err);
}

static void a_job_is_shown_whole(void **state)
{
    Fixture *fixture = *state;
    char job_id[] = "job-01000";
    char nobody[] = "nobody";
    CorError failure = {0};

    MUST(cor_sql_read(fixture->db, read_one, job_id, &err));
    assert_false(cor_sql_read(fixture->db, read_one, nobody, &failure));
    assert_int_equal(failure.code, COR_ERR_NOT_FOUND);
}

static bool read_counts(CorSqlTxn *txn, void *arg, CorError *err)
{
    return cor_ledger_counts(txn, arg, err);
}

static void jobs_are_counted_per_state(void **state)
{
    Fixture *fixture = *state;
    int64_t counts[COR_JOB_STATE_COUNT_] = {0};

    MUST(cor_sql_read(fixture->db, read_counts, counts, &err));

    assert_int_equal(counts[COR_JOB_FAILED], JOBS / 1000);
    assert_int_equal(counts[COR_JOB_RUNNING], 0);
    assert_true(counts[COR_JOB_QUEUED] >= JOBS - JOBS / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_go_down_from_the_newest_without_overlap),
        cmocka_unit_test(filters_find_what_they_say),
        cmocka_unit_test(filters_are_combined),
        cmocka_unit_test(a_page_has_bounds),
        cmocka_unit_test(a_job_is_shown_whole),
        cmocka_unit_test(jobs_are_counted_per_state),
        cmocka_unit_test(a_page_costs_the_same_whatever_lies_behind_it),
        cmocka_unit_test(a_study_named_both_ways_is_paged_without_doubles),
        cmocka_unit_test(since_is_exact_even_if_the_clock_went_back),
    };

    return cmocka_run_group_tests_name("ledger-jobs", tests, open_ledger, close_ledger);
}
