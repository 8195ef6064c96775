/* SPDX-License-Identifier: Apache-2.0 */
/* From a message on Results.fifo to a client's log. */
#include "deliver-fixture.h"

static void a_result_becomes_an_event_with_fresh_urls(void **state)
{
    static const char *const order[] = {"job_id",  "algo_id",      "client_id", "dicom",
                                        "type",    "seq",          "status",    "found",
                                        "outputs", "measurements", "timing_ms"};
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");
    size_t index = 0;
    const char *name = NULL;
    json_t *member = NULL;

    deliver_job(fixture, "c1", 1);
    json_t *frame = live_next(fd);
    json_t *dicom = json_object_get(frame, "dicom");
    json_t *output = json_array_get(json_object_get(frame, "outputs"), 0);

    assert_int_equal(json_object_size(frame), COR_ARRAY_LEN(order));
    json_object_foreach(frame, name, member)
    {
        assert_string_equal(name, order[index]);
        index++;
    }
    assert_int_equal(cor_json_integer(frame, "seq", 0), 1);
    assert_string_equal(cor_json_string(frame, "type", ""), "result");
    assert_string_equal(cor_json_string(frame, "status", ""), "succeeded");
    assert_string_equal(cor_json_string(dicom, "bucket", ""), "output");
    assert_string_equal(cor_json_string(dicom, "key", ""), "study/series/c1-1.dcm");
    assert_string_equal(cor_json_string(dicom, "url", ""),
                        "http://files/output/study/series/c1-1.dcm?expires=86400");
    assert_string_equal(cor_json_string(output, "url", ""),
                        "http://files/output/study/series/c1-1.dcm?expires=86400");
    assert_string_equal(cor_json_string(output, "media_type", ""), "application/dicom");
    assert_null(json_object_get(output, "record"));
    assert_null(json_object_get(output, "sha256"));
    assert_int_equal(ledger_state(fixture->ledger, "c1-1"), COR_JOB_SUCCEEDED);
    assert_true(deliver_has(fixture, "1.2.3.4.49.1"));
    json_decref(frame);
    CorQueueStats stats = deliver_settle(fixture);
    assert_int_equal(stats.visible + stats.in_flight + stats.delayed + stats.dead, 0);
    (void) close(fd);
}

static bool see_result(void *context, const CorJobRow *row, CorError *err)
{
    json_t **ret_json = context;

    return cor_json_parse(row->result, strlen(row->result), ret_json, err);
}

typedef struct ReadJob {
    const char *job_id;
    json_t *result;
} ReadJob;

static bool read_job_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    ReadJob *read = arg;

    return cor_ledger_job(txn, read->job_id, see_result, &read->result, err);
}

static void a_job_keeps_sizes_and_digests_of_its_outputs(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");
    ReadJob read = {.job_id = "c1-1"};

    deliver_job(fixture, "c1", 1);
    live_expect_seq(fd, 1);
    MUST(cor_sql_read(fixture->ledger, read_job_run, &read, &err));
    json_t *output = json_array_get(json_object_get(read.result, "outputs"), 0);

    assert_int_equal(cor_json_integer(output, "size", 0), 100);
    assert_int_equal(strlen(cor_json_string(output, "sha256", "")), 64);
    assert_null(json_object_get(output, "record"));
    assert_null(json_object_get(output, "stored_unix_ms"));
    assert_int_equal(cor_json_integer(read.result, "attempts", 0), 1);
    json_decref(read.result);
    (void) close(fd);
}

static void a_failure_is_an_event_that_says_why(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");
    json_t *result = deliver_result("j1", "failed");

    (void) json_object_set_new(result, "error",
                               cor_result_error("timeout", "took too long", "compute", 2));
    ledger_accept(fixture->ledger, "j1", "c1");
    deliver_send(fixture, "j1", result);
    json_t *frame = live_next(fd);
    json_t *error = json_object_get(frame, "error");

    assert_string_equal(cor_json_string(frame, "status", ""), "failed");
    assert_string_equal(cor_json_string(error, "code", ""), "timeout");
    assert_string_equal(cor_json_string(error, "stage", ""), "compute");
    assert_int_equal(cor_json_integer(error, "attempts", 0), 2);
    assert_null(json_object_get(frame, "dicom"));
    assert_int_equal(ledger_state(fixture->ledger, "j1"), COR_JOB_FAILED);
    json_decref(frame);
    (void) close(fd);
}

static void a_result_that_comes_twice_is_one_event(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");

    ledger_accept(fixture->ledger, "j1", "c1");
    deliver_send(fixture, "first", deliver_result("j1", "succeeded"));
    live_expect_seq(fd, 1);
    (void) deliver_settle(fixture);
    (void) close(fd);
    fd = live_open(fixture->port, "/ws?client_id=c1&since=1");
    deliver_send(fixture, "again", deliver_result("j1", "succeeded"));
    deliver_job(fixture, "c1", 2);

    live_expect_seq(fd, 2); /* what came before it is settled when the server has stopped */
    live_expect_quiet(fd);
    assert_int_equal(ledger_client(fixture->ledger, "c1").last, 2);
    CorQueueStats stats = deliver_settle(fixture);
    assert_int_equal(stats.visible + stats.in_flight + stats.delayed + stats.dead, 0);
    (void) close(fd);
}

static void a_result_after_a_cancel_changes_nothing(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");
    json_t *result = deliver_result("j1", "succeeded");

    live_expect_quiet(fd);
    ledger_accept(fixture->ledger, "j1", "c1");
    (void) ledger_finish(fixture->ledger, "j1", COR_JOB_CANCELLED,
                         "{\"type\":\"result\",\"job_id\":\"j1\",\"status\":\"cancelled\"}", 5);
    cor_deliver_wake(fixture->deliver, "c1");
    json_t *frame = live_next(fd);
    assert_string_equal(cor_json_string(frame, "status", ""), "cancelled");
    assert_int_equal(cor_json_integer(frame, "seq", 0), 1);
    json_decref(frame);

    (void) json_object_set_new(
        result, "outputs", json_pack("[o]", deliver_output("1.2.3.4.9", "study/late.dcm", 'a')));
    deliver_send(fixture, "j1", result);
    deliver_job(fixture, "c1", 2);
    live_expect_seq(fd, 2);
    assert_int_equal(ledger_state(fixture->ledger, "j1"), COR_JOB_CANCELLED);
    assert_false(deliver_has(fixture, "1.2.3.4.9"));
    (void) close(fd);
}

/* Kill -9 between the commit of the event and the acknowledgement, as the stores see it. */
static void a_crash_between_event_and_acknowledgement_leaves_one_event(void **state)
{
    Deliver *fixture = *state;
    json_t *result = deliver_result("j1", "succeeded");

    ledger_accept(fixture->ledger, "j1", "c1");
    (void) ledger_finish(fixture->ledger, "j1", COR_JOB_SUCCEEDED,
                         "{\"type\":\"result\",\"job_id\":\"j1\",\"status\":\"succeeded\"}", 5);
    (void) json_object_set_new(result, "outputs",
                               json_pack("[o]", deliver_output("1.2.3.4.9", "study/one.dcm", 'a')));
    deliver_send(fixture, "j1", result);
    deliver_start(fixture);
    int fd = live_open(fixture->port, "/ws?client_id=c1&since=0");
    deliver_job(fixture, "c1", 2);

    live_expect_seq(fd, 1);
    live_expect_seq(fd, 2);
    /* A power cut may have taken the row: it is there again. */
    assert_true(deliver_has(fixture, "1.2.3.4.9"));
    CorQueueStats stats = deliver_settle(fixture);
    assert_int_equal(stats.visible + stats.in_flight + stats.delayed + stats.dead, 0);
    (void) close(fd);
}

static void a_long_list_of_outputs_is_an_object_that_is_read_and_removed(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");
    json_t *outputs = json_pack("[o]", deliver_output("1.2.3.4.9", "study/one.dcm", 'a'));
    char *text = cor_json_text(outputs);
    json_t *result = deliver_result("j1", "succeeded");
    CorObject object = {.file = -1};
    CorError failure = {0};

    MUST(cor_blob_put_bytes(fixture->blobs, COR_BUCKET_JOBS, "j1/outputs.json", text, strlen(text),
                            &err));
    (void) json_object_set_new(result, "outputs_key", json_string("j1/outputs.json"));
    ledger_accept(fixture->ledger, "j1", "c1");
    deliver_send(fixture, "j1", result);
    json_t *frame = live_next(fd);

    assert_int_equal(json_array_size(json_object_get(frame, "outputs")), 1);
    assert_null(json_object_get(frame, "outputs_key"));
    assert_true(deliver_has(fixture, "1.2.3.4.9"));
    (void) deliver_settle(fixture);
    assert_false(
        cor_blob_head(fixture->blobs, COR_BUCKET_JOBS, "j1/outputs.json", &object, &failure));
    assert_int_equal(failure.code, COR_ERR_NOT_FOUND);
    json_decref(frame);
    json_decref(outputs);
    free(text);
    (void) close(fd);
}

/* The next frame must be a failure of this job. */
static void expect_failure(int fd, const char *job_id, const char *code)
{
    json_t *frame = live_next(fd);
    json_t *error = json_object_get(frame, "error");

    assert_string_equal(cor_json_string(frame, "job_id", ""), job_id);
    assert_string_equal(cor_json_string(frame, "status", ""), "failed");
    assert_string_equal(cor_json_string(error, "code", ""), code);
    assert_string_equal(cor_json_string(error, "stage", ""), "deliver");
    assert_null(json_object_get(frame, "dicom"));
    json_decref(frame);
}

static void expect_internal(int fd, const char *job_id)
{
    expect_failure(fd, job_id, "internal");
}

static void a_list_of_outputs_that_is_not_there_fails_the_job(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");
    json_t *result = deliver_result("j1", "succeeded");

    (void) json_object_set_new(result, "outputs_key", json_string("j1/outputs.json"));
    ledger_accept(fixture->ledger, "j1", "c1");
    deliver_send(fixture, "j1", result);

    expect_internal(fd, "j1");
    (void) close(fd);
}

static void a_damaged_result_fails_its_job_and_becomes_a_dead_letter(void **state)
{
    static const char *const bodies[] = {
        "no JSON",
        "{}",
        "[1]",
        "{\"job_id\":\"j\",\"status\":\"asleep\"}",
        "{\"job_id\":\"not legal!\",\"status\":\"failed\"}",
    };
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");

    for (size_t i = 0; i < COR_ARRAY_LEN(bodies); i++) {
        char job_id[COR_ID_SIZE];

        (void) snprintf(job_id, sizeof(job_id), "damaged-%zu", i);
        ledger_accept(fixture->ledger, job_id, "c1");
        deliver_send_text(fixture, job_id, job_id, bodies[i]);
        expect_internal(fd, job_id);
    }
    assert_int_equal(deliver_settle(fixture).dead, COR_ARRAY_LEN(bodies));
    (void) close(fd);
}

static void outputs_that_are_no_outputs_fail_the_job(void **state)
{
    static const char *const outputs[] = {
        "{}", "[1]", "[{\"role\":\"overlay\"}]",
        "[{\"role\":\"overlay\",\"bucket\":\"etc\",\"key\":\"a\"}]",
        "[{\"role\":\"overlay\",\"bucket\":\"output\",\"key\":\"../a\"}]"};
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");

    for (size_t i = 0; i < COR_ARRAY_LEN(outputs); i++) {
        char job_id[COR_ID_SIZE];
        json_t *result = NULL;
        json_t *list = NULL;

        (void) snprintf(job_id, sizeof(job_id), "odd-%zu", i);
        result = deliver_result(job_id, "succeeded");
        MUST(cor_json_parse(outputs[i], strlen(outputs[i]), &list, &err));
        (void) json_object_set_new(result, "outputs", list);
        ledger_accept(fixture->ledger, job_id, "c1");
        deliver_send(fixture, job_id, result);
        expect_internal(fd, job_id);
    }
    (void) close(fd);
}

static void a_result_of_a_job_that_nobody_knows_becomes_a_dead_letter(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");

    deliver_send(fixture, "nobody", deliver_result("nobody", "succeeded"));
    deliver_job(fixture, "c1", 1);
    live_expect_seq(fd, 1);
    assert_int_equal(deliver_settle(fixture).dead, 1);
    (void) close(fd);
}

static void an_output_that_the_catalogue_refuses_fails_the_job(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");
    json_t *result = deliver_result("j1", "succeeded");

    deliver_job(fixture, "c1", 1); /* has 1.2.3.4.49.1: '1' is 49 */
    live_expect_seq(fd, 1);
    (void) json_object_set_new(
        result, "outputs",
        json_pack("[o,o]", deliver_output("1.2.3.4.8", "study/fine.dcm", 'b'),
                  deliver_output("1.2.3.4.49.1", "study/series/other.dcm", 'b')));
    ledger_accept(fixture->ledger, "j1", "c1");
    deliver_send(fixture, "j1", result);

    expect_failure(fd, "j1", "gate_refused");
    assert_false(deliver_has(fixture, "1.2.3.4.8")); /* all outputs or none */
    (void) close(fd);
}

static void an_event_that_would_be_too_long_goes_without_measurements(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");
    json_t *result = deliver_result("j1", "succeeded");
    char *text = calloc(1, COR_EVENT_BODY_MAX - 1024);
    json_t *outputs = json_array();

    /* Outputs behind a key do not count against the message. */
    memset(text, 'x', COR_EVENT_BODY_MAX - 4096);
    (void) json_object_set_new(result, "measurements", json_pack("{s:s}", "long", text));
    for (int i = 0; i < 200; i++) {
        char uid[COR_UID_SIZE];
        char key[256];

        (void) snprintf(uid, sizeof(uid), "1.2.3.4.%d", i);
        (void) snprintf(key, sizeof(key), "study/%d.dcm", i);
        (void) json_array_append_new(outputs, deliver_output(uid, key, 'a'));
    }
    char *list = cor_json_text(outputs);
    MUST(cor_blob_put_bytes(fixture->blobs, COR_BUCKET_JOBS, "j1/outputs.json", list, strlen(list),
                            &err));
    (void) json_object_set_new(result, "outputs_key", json_string("j1/outputs.json"));
    ledger_accept(fixture->ledger, "j1", "c1");
    deliver_send(fixture, "j1", result);
    json_t *frame = live_next(fd);

    assert_string_equal(cor_json_string(frame, "status", ""), "succeeded");
    assert_null(json_object_get(frame, "measurements"));
    assert_string_equal(cor_json_string(frame, "outputs_url", ""), "/jobs/j1/outputs");
    json_decref(frame);
    json_decref(outputs);
    free(list);
    free(text);
    (void) close(fd);
}

static void nothing_is_lost_when_a_commit_fails(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");

    deliver_job(fixture, "c1", 1);
    live_expect_seq(fd, 1);
    CorQueueStats stats = deliver_settle(fixture);
    assert_int_equal(stats.visible + stats.in_flight, 0);
    (void) close(fd);

    fd = live_open(fixture->port, "/ws?client_id=c1&since=1");
    live_expect_quiet(fd);
    cor_sql_test_fail(fixture->catalog, COR_SQL_FAIL_COMMIT, 1);
    deliver_job(fixture, "c1", 2);
    live_expect_seq(fd, 2);
    assert_true(deliver_has(fixture, "1.2.3.4.49.2"));
    assert_int_equal(deliver_settle(fixture).dead, 0);
    (void) close(fd);
}

static void events_of_many_jobs_are_numbered_in_one_row(void **state)
{
    Deliver *fixture = *state;
    int fds[2] = {live_open(fixture->port, "/ws?client_id=c1"),
                  live_open(fixture->port, "/ws?client_id=c2")};

    for (int i = 1; i <= 300; i++) {
        deliver_job(fixture, i % 3 ? "c1" : "c2", i);
    }
    for (int i = 1; i <= 200; i++) {
        live_expect_seq(fds[0], i);
    }
    for (int i = 1; i <= 100; i++) {
        live_expect_seq(fds[1], i);
    }
    (void) close(fds[0]);
    (void) close(fds[1]);
}

/* Both jobs store under one key; the first one's bytes are there when the second one's result comes
 * last. */
static void the_catalogue_says_what_lies_under_a_key_that_two_jobs_stored(void **state)
{
    static const char uid[] = "1.2.3.4.5";
    static const char key[] = "study/series/both.dcm";
    static const char bytes[] = "what was stored last";
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];

    cor_sha256(bytes, strlen(bytes), digest);
    (void) cor_hex_encode(digest, sizeof(digest), hex);
    MUST(cor_blob_put_bytes(fixture->blobs, "output", key, bytes, strlen(bytes), &err));
    for (int i = 1; i <= 2; i++) {
        const char *job_id = i == 1 ? "first" : "second";
        json_t *output = deliver_output(uid, key, 'b');
        json_t *result = deliver_result(job_id, "succeeded");

        if (i == 1) {
            (void) json_object_set_new(output, "sha256", json_string(hex));
        }
        (void) json_object_set_new(result, "outputs", json_pack("[o]", output));
        ledger_accept(fixture->ledger, job_id, "c1");
        deliver_send(fixture, job_id, result);
        live_expect_seq(fd, i);
    }
    CorCatalogInstance *row = deliver_find(fixture, uid);
    assert_string_equal(row->sha256, hex);
    assert_int_equal(row->created_unix_ms, 1000); /* as its job stored it */
    free(row);
    (void) close(fd);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, deliver_setup, deliver_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_result_becomes_an_event_with_fresh_urls),
        CASE(a_job_keeps_sizes_and_digests_of_its_outputs),
        CASE(a_failure_is_an_event_that_says_why),
        CASE(a_result_that_comes_twice_is_one_event),
        CASE(a_result_after_a_cancel_changes_nothing),
        cmocka_unit_test_setup_teardown(a_crash_between_event_and_acknowledgement_leaves_one_event,
                                        deliver_setup_stores, deliver_teardown),
        CASE(a_long_list_of_outputs_is_an_object_that_is_read_and_removed),
        CASE(a_list_of_outputs_that_is_not_there_fails_the_job),
        CASE(a_damaged_result_fails_its_job_and_becomes_a_dead_letter),
        CASE(outputs_that_are_no_outputs_fail_the_job),
        CASE(a_result_of_a_job_that_nobody_knows_becomes_a_dead_letter),
        CASE(an_output_that_the_catalogue_refuses_fails_the_job),
        CASE(the_catalogue_says_what_lies_under_a_key_that_two_jobs_stored),
        CASE(an_event_that_would_be_too_long_goes_without_measurements),
        CASE(nothing_is_lost_when_a_commit_fails),
        CASE(events_of_many_jobs_are_numbered_in_one_row),
    };

    return cmocka_run_group_tests_name("deliver-results", tests, NULL, NULL);
}
