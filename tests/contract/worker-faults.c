/* SPDX-License-Identifier: Apache-2.0 */
/* The worker over stores that fail at any one call: real queues behind the faults, a real object
 * store, and this program itself as its host. */
#include "test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/time.h"
#include "contract/faulty.h"
#include "host/host.h"
#include "program/log.h"
#include "program/thread.h"
#include "temp.h"
#include "unit/dicom-builder.h"
#include "worker/worker.h"

enum { SIDE = 64, PATIENCE_MS = 60000, LEASE_MS = 2000 };

#define KEY "study/series/image.dcm"
#define MUST(call)                    \
    do {                              \
        CorError err = {0};           \
        if (!(call)) {                \
            fail_msg("%s", err.text); \
        }                             \
    } while (0)

typedef struct Fixture {
    TempDir dir;
    CorBlobStore *blobs;
    CorHostPool *hosts;
    char sha256[COR_SHA256_HEX_SIZE];
    size_t file_size;
    CorQueue *requests; /* with faults */
    CorQueue *results;  /* with faults */
    CorWorker *worker;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int ended;     /* guarded by mutex, as the next two */
    int postponed; /* by a store or a host that was away */
    int abandoned;
} Fixture;

/* --- what the worker tells --- */

static void note(Fixture *fixture, int *counter)
{
    (void) pthread_mutex_lock(&fixture->mutex);
    *counter += 1;
    (void) pthread_cond_broadcast(&fixture->changed);
    (void) pthread_mutex_unlock(&fixture->mutex);
}

static void on_postponed(void *context, const char *job_id)
{
    (void) job_id;
    note(context, &((Fixture *) context)->postponed);
}

static void on_ended(void *context, const char *job_id)
{
    (void) job_id;
    note(context, &((Fixture *) context)->ended);
}

static void on_abandoned(void *context, const char *job_id)
{
    (void) job_id;
    note(context, &((Fixture *) context)->abandoned);
}

/* --- making --- */

/* A small CT slice under KEY. */
static void store_image(Fixture *fixture)
{
    static Builder file;
    static uint8_t pixels[SIDE * SIDE * 2];
    uint8_t digest[COR_SHA256_SIZE];

    builder_init(&file, "1.2.840.10008.1.2.1");
    add_uids(&file);
    add_text(&file, 0x00080060, "CS", "CT");
    add_study_and_series(&file);
    add_grey(&file, SIDE, SIDE, 16, 16, 1);
    add_text(&file, 0x00281052, "DS", "0");
    add_text(&file, 0x00281053, "DS", "1");
    add_value(&file, 0x7FE00010, "OW", pixels, sizeof(pixels));
    MUST(cor_blob_put_bytes(fixture->blobs, "pacs", KEY, file.data, file.size, &err));
    cor_sha256(file.data, file.size, digest);
    (void) cor_hex_encode(digest, sizeof(digest), fixture->sha256);
    fixture->file_size = file.size;
}

static CorQueue *open_faulty(Fixture *fixture, const char *name)
{
    char uri[512];
    CorQueue *inner = NULL;

    (void) snprintf(uri, sizeof(uri), "sqlite:%s/corsia.db", fixture->dir.path);
    MUST(cor_queue_open(uri, name, &inner, &err));
    CorQueue *queue = faulty_queue_new(inner);
    assert_non_null(queue);
    return queue;
}

static int setup(void **state)
{
    Fixture *fixture = cor_new(Fixture);
    CorHostPoolOptions hosts = {.name = "test", .min = 1, .max = 1};
    char uri[512];

    assert_non_null(fixture);
    cor_log_set_level(COR_LOG_ERROR);
    fixture->dir = temp_dir_make();
    (void) pthread_mutex_init(&fixture->mutex, NULL);
    MUST(cor_cond_init(&fixture->changed, &err));
    (void) snprintf(uri, sizeof(uri), "file:%s/objects", fixture->dir.path);
    MUST(cor_blob_open(uri, &fixture->blobs, &err));
    store_image(fixture);
    MUST(cor_host_pool_new(&hosts, &fixture->hosts, &err));
    fixture->requests = open_faulty(fixture, "Requests-processing_1.fifo");
    fixture->results = open_faulty(fixture, "Results.fifo");
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    Fixture *fixture = *state;

    cor_worker_stop(fixture->worker);
    cor_queue_close(fixture->requests);
    cor_queue_close(fixture->results);
    cor_host_pool_free(fixture->hosts);
    cor_blob_close(fixture->blobs);
    (void) pthread_cond_destroy(&fixture->changed);
    (void) pthread_mutex_destroy(&fixture->mutex);
    temp_dir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

static void start_worker(Fixture *fixture)
{
    CorWorkerOptions options = {.requests = &fixture->requests,
                                .request_len = 1,
                                .results = fixture->results,
                                .blobs = fixture->blobs,
                                .hosts = fixture->hosts,
                                .slots = 1,
                                .lease_ms = LEASE_MS,
                                .timeout_ms = PATIENCE_MS,
                                .attempts_max = 5,
                                .events = {.postponed = on_postponed,
                                           .ended = on_ended,
                                           .abandoned = on_abandoned,
                                           .context = fixture}};

    MUST(cor_worker_start(&options, &fixture->worker, &err));
}

static void stop_worker(Fixture *fixture)
{
    cor_worker_stop(fixture->worker);
    fixture->worker = NULL;
}

static void send_job(Fixture *fixture, const char *job_id)
{
    json_t *request = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:{s:s}, s:{}, s:[{s:s, s:s, s:s, s:s, s:s, s:s, s:I}]}",
        "job_id", job_id, "client_id", "c", "algo_id", "processing_1", "algo_version", "1.0.0",
        "key_hash", "", "accepted_unix_ms", (json_int_t) 1700000000000, "pacs", "scope", "image",
        "params", "inputs", "sop_instance_uid", "2.25.3", "series_instance_uid", "2.25.2",
        "study_instance_uid", "2.25.1", "bucket", "pacs", "key", KEY, "sha256", fixture->sha256,
        "size", (json_int_t) fixture->file_size);
    char *text = request ? cor_json_text(request) : NULL;
    char message_id[COR_UUID_SIZE];

    assert_non_null(text);
    CorQueueSend send = {.group_id = job_id,
                         .dedup_id = job_id,
                         .client_id = "c",
                         .body = text,
                         .body_size = strlen(text)};
    MUST(cor_queue_send(fixture->requests, &send, message_id, &err));
    free(text);
    json_decref(request);
}

/* The next result; fails the test if there is none. */
static json_t *next_result(Fixture *fixture)
{
    CorQueueReceive how = {.lease_ms = 30000, .wait_ms = PATIENCE_MS, .max = 1};
    CorMessage *message = NULL;
    json_t *result = NULL;
    size_t len = 0;

    MUST(cor_queue_receive(fixture->results, &how, &message, &len, &err));
    assert_int_equal(len, 1);
    MUST(cor_json_parse(cor_message_body(message), cor_message_size(message), &result, &err));
    MUST(cor_queue_ack(fixture->results, &message, 1, &err));
    cor_message_free(message);
    return result;
}

/* The result of the job; fails the test if there is none, or a second one. */
static json_t *take_result(Fixture *fixture)
{
    CorQueueStats stats = {0};
    json_t *result = next_result(fixture);

    MUST(cor_queue_stats(fixture->results, &stats, &err));
    assert_int_equal(stats.visible + stats.in_flight + stats.delayed, 0);
    return result;
}

/* Wait until the worker is done with so many jobs. */
static void wait_ended(Fixture *fixture, int ended)
{
    int64_t deadline_ms = cor_time_ms() + PATIENCE_MS;

    (void) pthread_mutex_lock(&fixture->mutex);
    while (fixture->ended < ended) {
        assert_true(cor_cond_wait_until(&fixture->changed, &fixture->mutex, deadline_ms));
    }
    (void) pthread_mutex_unlock(&fixture->mutex);
}

static void assert_no_request_is_left(Fixture *fixture)
{
    CorQueueStats stats = {0};

    MUST(cor_queue_stats(fixture->requests, &stats, &err));
    assert_int_equal(stats.visible + stats.in_flight + stats.delayed + stats.dead, 0);
}

/* --- tests --- */

/* Calls are counted from when the fault is set: receive, then the acknowledgement.  An answer to
 * receive that is lost leaves a lease to end, which is an attempt; nothing else is. */
static void a_request_queue_that_fails_once_costs_no_job(void **state)
{
    Fixture *fixture = *state;

    for (int n = 1; n <= 2; n++) {
        for (int after = 0; after <= 1; after++) {
            char job_id[COR_ID_SIZE];
            (void) snprintf(job_id, sizeof(job_id), "job-%d-%d", n, after);
            send_job(fixture, job_id);
            faulty_queue_fail(fixture->requests, n, after != 0);
            start_worker(fixture);

            json_t *result = take_result(fixture);
            assert_string_equal(cor_json_string(result, "status", ""), "succeeded");
            assert_int_equal(cor_json_integer(result, "attempts", 0), n == 1 && after ? 2 : 1);
            json_decref(result);
            wait_ended(fixture, 2 * (n - 1) + after + 1);
            stop_worker(fixture);
            assert_no_request_is_left(fixture);
        }
    }
}

/* A result that could not be sent is made again; one whose answer was lost is not sent twice. */
static void a_results_queue_that_fails_once_costs_no_attempt(void **state)
{
    Fixture *fixture = *state;

    for (int after = 0; after <= 1; after++) {
        send_job(fixture, after ? "after" : "before");
        faulty_queue_fail(fixture->results, 1, after != 0);
        start_worker(fixture);
        wait_ended(fixture, after + 1);
        stop_worker(fixture);

        json_t *result = take_result(fixture);
        assert_string_equal(cor_json_string(result, "status", ""), "succeeded");
        assert_int_equal(cor_json_integer(result, "attempts", 0), 1);
        json_decref(result);
        assert_int_equal(fixture->postponed, after + 1);
        assert_no_request_is_left(fixture);
    }
}

static void a_store_that_is_said_to_be_back_is_tried_at_once(void **state)
{
    Fixture *fixture = *state;

    send_job(fixture, "hurried");
    faulty_queue_fail(fixture->results, 1, false);
    start_worker(fixture);
    (void) pthread_mutex_lock(&fixture->mutex);
    while (fixture->postponed == 0) {
        assert_true(
            cor_cond_wait_until(&fixture->changed, &fixture->mutex, cor_time_ms() + PATIENCE_MS));
    }
    (void) pthread_mutex_unlock(&fixture->mutex);
    cor_worker_store_is_back(fixture->worker);
    wait_ended(fixture, 1);

    json_t *result = take_result(fixture);
    assert_string_equal(cor_json_string(result, "status", ""), "succeeded");
    json_decref(result);
}

static void an_input_that_is_gone_fails_its_job_and_says_so(void **state)
{
    Fixture *fixture = *state;

    send_job(fixture, "gone");
    MUST(cor_blob_remove(fixture->blobs, "pacs", KEY, &err));
    start_worker(fixture);

    json_t *result = take_result(fixture);
    json_t *why = json_object_get(result, "error");
    assert_string_equal(cor_json_string(result, "status", ""), "failed");
    assert_string_equal(cor_json_string(why, "code", ""), "input_gone");
    assert_string_equal(cor_json_string(why, "stage", ""), "fetch");
    json_decref(result);
    wait_ended(fixture, 1);
    assert_int_equal(fixture->abandoned, 0);
    assert_no_request_is_left(fixture);
}

static void a_message_that_is_no_request_is_buried_and_the_next_one_done(void **state)
{
    Fixture *fixture = *state;
    CorQueueSend send = {
        .group_id = "g", .dedup_id = "no-job", .client_id = "c", .body = "{}", .body_size = 2};
    CorQueueStats stats = {0};
    char message_id[COR_UUID_SIZE];

    MUST(cor_queue_send(fixture->requests, &send, message_id, &err));
    send_job(fixture, "good");
    start_worker(fixture);
    wait_ended(fixture, 1);
    stop_worker(fixture);
    json_t *refusal = next_result(fixture);
    assert_string_equal(cor_json_string(refusal, "job_id", ""), "no-job");
    assert_string_equal(cor_json_string(refusal, "status", ""), "failed");
    json_decref(refusal);
    json_decref(take_result(fixture));
    MUST(cor_queue_stats(fixture->requests, &stats, &err));
    assert_int_equal(stats.dead, 1);
    assert_int_equal(stats.visible + stats.in_flight + stats.delayed, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_request_queue_that_fails_once_costs_no_job),
        CASE(a_results_queue_that_fails_once_costs_no_attempt),
        CASE(a_store_that_is_said_to_be_back_is_tried_at_once),
        CASE(an_input_that_is_gone_fails_its_job_and_says_so),
        CASE(a_message_that_is_no_request_is_buried_and_the_next_one_done),
    };

    if (argc == 2 && strcmp(argv[1], "host") == 0) {
        return cor_host_main();
    }
    return cmocka_run_group_tests_name("worker-faults", tests, NULL, NULL);
}
