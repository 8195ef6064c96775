/* SPDX-License-Identifier: Apache-2.0 */
/* The pool against real processes that misbehave when asked to: this program, started again. */
#include "host-child.h"
#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/time.h"
#include "host/host-memfd.h"
#include "host/host-pool.h"

enum { PATIENCE_MS = 30000, MEMORY_MAX_BYTES = 160 * 1024 * 1024, LINE_LEN = 4 };

static CorHostPool *make_pool(size_t min, size_t max)
{
    CorHostPoolOptions options = {
        .name = "test", .min = min, .max = max, .memory_max_bytes = MEMORY_MAX_BYTES};
    CorHostPool *pool = NULL;
    CorError err = {0};

    assert_true(cor_host_pool_new(&options, &pool, &err));
    return pool;
}

static CorHostPool *make_pool_of(const char *executable)
{
    CorHostPoolOptions options = {
        .name = "test", .executable = executable, .min = 1, .max = 1, .start_timeout_ms = 100};
    CorHostPool *pool = NULL;
    CorError err = {0};

    assert_true(cor_host_pool_new(&options, &pool, &err));
    return pool;
}

static CorHostLease *take(CorHostPool *pool)
{
    CorHostLease *lease = NULL;
    CorError err = {0};

    if (!cor_host_pool_lease(pool, PATIENCE_MS, &lease, &err)) {
        print_error("%s\n", err.text);
    }
    assert_non_null(lease);
    return lease;
}

static CorHostPoolStats stats_of(CorHostPool *pool)
{
    CorHostPoolStats stats;

    cor_host_pool_stats(pool, &stats);
    return stats;
}

/* Ask for an operation; takes the reference to json. */
static bool ask_for(CorHostLease *lease, json_t *json, int64_t timeout_ms,
                    const CorHostCallbacks *callbacks, CorError *err)
{
    CorHostRequest request = {.json = json, .timeout_ms = timeout_ms};
    json_t *result = NULL;

    bool ok = cor_host_call(lease, &request, callbacks, &result, err);
    json_decref(json);
    json_decref(result);
    return ok;
}

static bool ask(CorHostLease *lease, const char *op, CorError *err)
{
    return ask_for(lease, json_pack("{s:s}", "op", op), PATIENCE_MS, NULL, err);
}

static void assert_works(CorHostPool *pool)
{
    CorHostLease *lease = take(pool);
    CorError err = {0};

    if (!ask(lease, "echo", &err)) {
        fail_msg("%s", err.text);
    }
    cor_host_lease_release(lease);
}

static void a_call_is_answered_by_another_process(void **state)
{
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);
    json_t *json = json_pack("{s:s, s:s}", "op", "echo", "text", "hello");
    CorHostRequest request = {.json = json, .timeout_ms = PATIENCE_MS};
    json_t *result = NULL;
    CorError err = {0};

    (void) state;
    assert_int_not_equal(cor_host_lease_pid(lease), getpid());
    assert_true(cor_host_call(lease, &request, NULL, &result, &err));
    assert_string_equal(cor_json_string(result, "text", ""), "hello");
    assert_null(json_object_get(json, "id")); /* the request is as it was */
    json_decref(result);
    json_decref(json);
    cor_host_lease_release(lease);
    cor_host_pool_free(pool);
}

static void more_descriptors_than_a_frame_holds_arrive_in_order(void **state)
{
    enum { LEN = 150 };
    CorHostPool *pool = make_pool(0, 1);
    CorHostLease *lease = take(pool);
    json_t *json = json_pack("{s:s}", "op", "echo");
    json_t *inputs = json_array();
    json_t *result = NULL;
    int fds[LEN];
    CorError err = {0};

    (void) state;
    for (int i = 0; i < LEN; i++) {
        char text[16];
        (void) snprintf(text, sizeof(text), "%d", i);
        assert_true(cor_host_priv_memfd_new("test", text, strlen(text), &fds[i], &err));
        (void) json_array_append_new(inputs, json_pack("{s:s}", "name", text));
    }
    CorHostRequest request = {
        .json = json, .fds = fds, .fd_len = LEN, .inputs = inputs, .timeout_ms = PATIENCE_MS};
    assert_true(cor_host_call(lease, &request, NULL, &result, &err));

    const json_t *contents = json_object_get(result, "contents");
    assert_int_equal(json_array_size(contents), LEN);
    for (int i = 0; i < LEN; i++) {
        const json_t *item = json_array_get(contents, (size_t) i);
        char text[16];
        (void) snprintf(text, sizeof(text), "%d", i);
        assert_string_equal(cor_json_string(item, "content", ""), text);
        assert_string_equal(cor_json_string(item, "name", ""), text);
        (void) close(fds[i]);
    }
    json_decref(result);
    json_decref(inputs);
    json_decref(json);
    cor_host_lease_release(lease);
    cor_host_pool_free(pool);
}

static void attributes_are_text_whatever_a_host_says(void **state)
{
#define INPUT(text) text, sizeof(text) - 1
    static const struct {
        const char *input;
        size_t size;
        const char *attributes; /* NULL: the answer is refused */
    } cases[] = {
        {INPUT("a{}"), "{}"},
        {INPUT("a{\"00100020\":\xC3\xBC"), "{\"00100020\":\xC3\xBC"}, /* cut: not our affair */
        {INPUT("f{\"00100020\":{}}"), "{\"00100020\":{}}"},
        {INPUT("n"), NULL},
        {INPUT("a[]"), NULL},
        {INPUT("a {}"), NULL},
        {INPUT("a{\0}"), NULL},
        {INPUT("a{\xff}"), NULL},
        {INPUT("a{\xC3"), NULL},
        {INPUT("f"), NULL},
        {INPUT("f7"), NULL},
        {INPUT("f{\0}"), NULL},
        {INPUT("f{\xff}"), NULL},
    };
    CorHostPool *pool = make_pool(1, 1);

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        COR_CLEANUP(cor_fd_closep) int fd = -1;
        COR_CLEANUP(cor_json_freep) json_t *record = NULL;
        CorError err = {0};

        assert_true(cor_host_priv_memfd_new("test", cases[i].input, cases[i].size, &fd, &err));
        bool ok = cor_host_index(pool, fd, PATIENCE_MS, &record, &err);
        assert_int_equal(ok, cases[i].attributes != NULL);
        assert_int_equal(ok, err.code == COR_OK);
        assert_int_equal(cor_json_integer(record, "rows", 0), ok ? 7 : 0);
        assert_string_equal(cor_json_string(record, "attributes_text", "none"),
                            ok ? cases[i].attributes : "none");
    }
    assert_int_equal(stats_of(pool).losses, 0);
    cor_host_pool_free(pool);
}

static void a_released_host_is_used_again(void **state)
{
    CorHostPool *pool = make_pool(0, 2);
    pid_t pid = 0;

    (void) state;
    for (int i = 0; i < 3; i++) {
        CorHostLease *lease = take(pool);
        CorError err = {0};
        assert_true(ask(lease, "echo", &err));
        assert_true(pid == 0 || pid == cor_host_lease_pid(lease));
        pid = cor_host_lease_pid(lease);
        cor_host_lease_release(lease);
    }
    CorHostPoolStats stats = stats_of(pool);
    assert_int_equal(stats.starts, 1);
    assert_int_equal(stats.calls, 3);
    assert_int_equal(stats.losses, 0);
    cor_host_pool_free(pool);
}

static void the_host_that_was_used_last_goes_first(void **state)
{
    CorHostPool *pool = make_pool(0, 2);
    CorHostLease *one = take(pool);
    CorHostLease *two = take(pool);
    pid_t pid = cor_host_lease_pid(one);

    (void) state;
    assert_int_not_equal(pid, cor_host_lease_pid(two));
    cor_host_lease_release(two);
    cor_host_lease_release(one);
    one = take(pool);
    assert_int_equal(cor_host_lease_pid(one), pid);
    cor_host_lease_release(one);
    cor_host_pool_free(pool);
}

static void a_crash_costs_one_call(void **state)
{
    static const int signals[] = {SIGSEGV, SIGKILL, SIGABRT};
    CorHostPool *pool = make_pool(1, 1);

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        CorHostLease *lease = take(pool);
        json_t *json = json_pack("{s:s, s:i}", "op", "crash", "signal", signals[i]);
        CorError err = {0};
        char how[32];

        assert_false(ask_for(lease, json, PATIENCE_MS, NULL, &err));
        assert_int_equal(err.code, COR_ERR_HOST_LOST);
        (void) snprintf(how, sizeof(how), "killed by signal %d", signals[i]);
        assert_non_null(strstr(err.text, how));
        assert_int_equal(cor_host_lease_failure(lease), COR_HOST_FAILURE_CRASHED);
        assert_false(ask(lease, "echo", &err)); /* only good to be released */
        cor_host_lease_release(lease);
        assert_works(pool);
    }
    assert_int_equal(stats_of(pool).losses, 3);
    cor_host_pool_free(pool);
}

static void a_host_that_is_killed_from_outside_costs_one_call(void **state)
{
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);
    CorError err = {0};

    (void) state;
    assert_int_equal(kill(cor_host_lease_pid(lease), SIGKILL), 0);
    assert_false(ask(lease, "hang", &err));
    assert_int_equal(err.code, COR_ERR_HOST_LOST);
    assert_int_equal(cor_host_lease_failure(lease), COR_HOST_FAILURE_CRASHED);
    cor_host_lease_release(lease);
    assert_works(pool);
    cor_host_pool_free(pool);
}

static void an_idle_host_that_is_killed_is_replaced(void **state)
{
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);
    pid_t pid = cor_host_lease_pid(lease);
    CorError err = {0};

    (void) state;
    cor_host_lease_release(lease);
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (stats_of(pool).losses == 0) { /* bounded by the test's timeout */
        (void) poll(NULL, 0, 1);
    }
    lease = take(pool);
    assert_int_not_equal(cor_host_lease_pid(lease), pid);
    assert_true(ask(lease, "echo", &err));
    cor_host_lease_release(lease);
    cor_host_pool_free(pool);
}

static void a_host_that_hangs_is_killed_at_the_timeout(void **state)
{
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);
    CorError err = {0};

    (void) state;
    assert_false(ask_for(lease, json_pack("{s:s}", "op", "hang"), 50, NULL, &err));
    assert_int_equal(err.code, COR_ERR_HOST_LOST);
    assert_int_equal(cor_host_lease_failure(lease), COR_HOST_FAILURE_TIMED_OUT);
    cor_host_lease_release(lease);
    assert_works(pool);
    cor_host_pool_free(pool);
}

static void a_host_that_outgrows_its_memory_is_stopped(void **state)
{
    static const char *const ops[] = {"grow", "grow_private"};
    CorHostPool *pool = make_pool(1, 1);

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        CorHostLease *lease = take(pool);
        CorError err = {0};

        assert_false(ask(lease, ops[i], &err));
        assert_int_equal(err.code, COR_ERR_HOST_LOST);
        assert_non_null(strstr(err.text, "exceeded memory"));
        assert_int_equal(cor_host_lease_failure(lease), COR_HOST_FAILURE_OUT_OF_MEMORY);
        cor_host_lease_release(lease);
        assert_works(pool);
    }
    cor_host_pool_free(pool);
}

static void cancel_on_progress(void *context, double fraction, const char *stage)
{
    CorHostLease *lease = context;

    assert_true(fraction >= 0 && fraction <= 1);
    assert_true(strlen(stage) > 0);
    cor_host_lease_cancel(lease);
}

static void a_call_is_cancelled_whether_its_host_listens_or_not(void **state)
{
    static const char *const ops[] = {"work", "hang"};
    CorHostPool *pool = make_pool(1, 1);

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        CorHostLease *lease = take(pool);
        CorHostCallbacks callbacks = {.on_progress = cancel_on_progress, .context = lease};
        json_t *json = json_pack("{s:s, s:i}", "op", ops[i], "steps", 1000 * 1000);
        CorError err = {0};

        assert_false(ask_for(lease, json, PATIENCE_MS, &callbacks, &err));
        assert_int_equal(err.code, COR_ERR_CANCELLED);
        assert_int_equal(cor_host_lease_failure(lease), COR_HOST_FAILURE_CANCELLED);
        cor_host_lease_release(lease);
        assert_works(pool);
    }
    assert_int_equal(stats_of(pool).losses, 0); /* nothing was lost: it was asked for */
    cor_host_pool_free(pool);
}

static void a_call_that_was_cancelled_before_does_not_begin(void **state)
{
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);
    pid_t pid = cor_host_lease_pid(lease);
    CorError err = {0};

    (void) state;
    cor_host_lease_cancel(lease);
    assert_false(ask(lease, "echo", &err));
    assert_int_equal(err.code, COR_ERR_CANCELLED);
    cor_host_lease_release(lease);
    lease = take(pool); /* the next holder is not cancelled */
    assert_int_equal(cor_host_lease_pid(lease), pid);
    assert_true(ask(lease, "echo", &err));
    cor_host_lease_release(lease);
    cor_host_pool_free(pool);
}

typedef struct Crowd {
    CorHostPool *pool;
    atomic_int failures;
} Crowd;

static void *call_often(void *context)
{
    Crowd *crowd = context;

    for (int i = 0; i < 20; i++) {
        CorHostLease *lease = NULL;
        CorError err = {0};
        if (!cor_host_pool_lease(crowd->pool, PATIENCE_MS, &lease, &err) ||
            !ask(lease, "echo", &err)) {
            print_error("%s\n", err.text);
            atomic_fetch_add(&crowd->failures, 1);
        }
        cor_host_lease_release(lease);
    }
    return NULL;
}

static void many_threads_share_at_most_max_hosts(void **state)
{
    enum { LEN = 8 };
    Crowd crowd = {.pool = make_pool(0, 2)};
    pthread_t threads[LEN];

    (void) state;
    for (size_t i = 0; i < LEN; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &crowd), 0);
    }
    for (size_t i = 0; i < LEN; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    CorHostPoolStats stats = stats_of(crowd.pool);
    assert_int_equal(atomic_load(&crowd.failures), 0);
    assert_int_equal(stats.calls, 20 * LEN);
    assert_in_range(stats.starts, 1, 2);
    assert_int_equal(stats.busy, 0);
    cor_host_pool_free(crowd.pool);
}

static void a_full_pool_says_so_after_the_time_given(void **state)
{
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);
    CorHostLease *other = NULL;
    CorError err = {0};

    (void) state;
    assert_false(cor_host_pool_lease(pool, 0, &other, &err));
    assert_int_equal(err.code, COR_ERR_TIMEOUT);
    assert_false(cor_host_pool_lease(pool, 20, &other, &err));
    assert_int_equal(err.code, COR_ERR_TIMEOUT);
    assert_null(other);
    cor_host_lease_release(lease);
    assert_works(pool);
    cor_host_pool_free(pool);
}

typedef struct Line {
    CorHostPool *pool;
    atomic_int *served;
    int turn; /* when this thread was served */
} Line;

static void *stand_in_line(void *context)
{
    Line *line = context;
    CorHostLease *lease = NULL;
    CorError err = {0};

    if (cor_host_pool_lease(line->pool, PATIENCE_MS, &lease, &err)) {
        line->turn = atomic_fetch_add(line->served, 1);
    } else {
        line->turn = -(int) err.code;
    }
    cor_host_lease_release(lease);
    return NULL;
}

static void start_line(CorHostPool *pool, Line *lines, pthread_t *threads, atomic_int *served)
{
    for (size_t i = 0; i < LINE_LEN; i++) {
        lines[i] = (Line){.pool = pool, .served = served};
        assert_int_equal(pthread_create(&threads[i], NULL, stand_in_line, &lines[i]), 0);
        while (stats_of(pool).waiting != i + 1) { /* bounded by the test's timeout */
            (void) poll(NULL, 0, 1);
        }
    }
}

static void leases_are_given_in_the_order_of_asking(void **state)
{
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);
    atomic_int served = 0;
    Line lines[LINE_LEN];
    pthread_t threads[LINE_LEN];

    (void) state;
    start_line(pool, lines, threads, &served);
    cor_host_lease_release(lease);
    for (int i = 0; i < LINE_LEN; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(lines[i].turn, i);
    }
    cor_host_pool_free(pool);
}

static void a_pool_that_stops_sends_the_line_home(void **state)
{
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);
    atomic_int served = 0;
    Line lines[LINE_LEN];
    pthread_t threads[LINE_LEN];
    CorError err = {0};

    (void) state;
    start_line(pool, lines, threads, &served);
    cor_host_pool_stop(pool);
    for (int i = 0; i < LINE_LEN; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(lines[i].turn, -(int) COR_ERR_UNAVAILABLE);
    }
    assert_true(ask(lease, "echo", &err)); /* what is held goes on */
    cor_host_lease_release(lease);
    cor_host_pool_free(pool);
}

static void a_pool_shrinks_to_its_minimum_when_idle(void **state)
{
    CorHostPool *pool = make_pool(1, 3);
    CorHostLease *leases[3];

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        leases[i] = take(pool);
    }
    assert_int_equal(stats_of(pool).busy, 3);
    for (size_t i = 0; i < 3; i++) {
        cor_host_lease_release(leases[i]);
    }
    cor_host_pool_trim(pool, cor_time_ms());
    assert_int_equal(stats_of(pool).alive, 3); /* not idle for long enough */
    cor_host_pool_trim(pool, cor_time_ms() + 60 * 1000);
    assert_int_equal(stats_of(pool).alive, 1);
    assert_works(pool);
    assert_int_equal(stats_of(pool).losses, 0);
    cor_host_pool_free(pool);
}

static void hosts_that_do_not_start_are_explained(void **state)
{
    /* It ends; there is no such file; it never answers. */
    static const char *const paths[] = {"/bin/false", "/nonexistent/corsia", "/usr/bin/yes"};
    static const char *const texts[] = {"exit status 1", "No such file", "not ready within"};

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        CorHostPool *pool = make_pool_of(paths[i]);
        CorHostLease *lease = NULL;
        CorError err = {0};

        assert_false(cor_host_pool_wait_ready(pool, PATIENCE_MS, &err));
        assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
        assert_non_null(strstr(err.text, texts[i]));
        assert_false(cor_host_pool_lease(pool, 20, &lease, &err));
        assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
        assert_null(lease);
        assert_false(stats_of(pool).is_ready);
        cor_host_pool_free(pool);
    }
}

static void impossible_bounds_are_refused(void **state)
{
    static const CorHostPoolOptions wrong[] = {
        {.name = "test", .min = 0, .max = 0},
        {.name = "test", .min = 2, .max = 1},
        {.name = "test", .min = 0, .max = COR_HOST_POOL_MAX + 1},
        {.min = 0, .max = 1},
    };

    (void) state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CorHostPool *pool = NULL;
        CorError err = {0};
        assert_false(cor_host_pool_new(&wrong[i], &pool, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_null(pool);
    }
}

typedef struct Heard {
    int64_t len;
    bool refuse;
} Heard;

static bool hear_output(void *context, int fd, const json_t *output, CorError *err)
{
    Heard *heard = context;
    int64_t value = -1;

    assert_int_equal(pread(fd, &value, sizeof(value), 0), sizeof(value));
    assert_int_equal(value, heard->len);
    assert_int_equal(cor_json_integer(output, "source", -1), heard->len);
    assert_int_equal(cor_json_integer(output, "size", -1), sizeof(value));
    heard->len++;
    return !heard->refuse || cor_fail(err, COR_ERR_UNAVAILABLE, "the store is full");
}

static void outputs_are_heard_one_by_one(void **state)
{
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);
    Heard heard = {0};
    CorHostCallbacks callbacks = {.on_output = hear_output, .context = &heard};
    json_t *json = json_pack("{s:s, s:i}", "op", "outputs", "len", 300);
    CorError err = {0};

    (void) state;
    assert_true(ask_for(lease, json, PATIENCE_MS, &callbacks, &err));
    assert_int_equal(heard.len, 300);
    cor_host_lease_release(lease);
    cor_host_pool_free(pool);
}

static void an_output_that_cannot_be_kept_ends_the_call(void **state)
{
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);
    Heard heard = {.refuse = true};
    CorHostCallbacks callbacks = {.on_output = hear_output, .context = &heard};
    json_t *json = json_pack("{s:s, s:i}", "op", "outputs", "len", 300);
    CorError err = {0};

    (void) state;
    assert_false(ask_for(lease, json, PATIENCE_MS, &callbacks, &err));
    assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "the store is full"));
    assert_int_equal(heard.len, 1);
    assert_int_equal(cor_host_lease_failure(lease), COR_HOST_FAILURE_CANCELLED);
    cor_host_lease_release(lease);
    assert_works(pool);
    cor_host_pool_free(pool);
}

static void a_host_that_breaks_the_protocol_is_killed(void **state)
{
    static const char *const ops[] = {"cheat", "babble"};
    CorHostPool *pool = make_pool(1, 1);

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        CorHostLease *lease = take(pool);
        CorError err = {0};
        assert_false(ask(lease, ops[i], &err));
        assert_int_equal(err.code, COR_ERR_HOST_LOST);
        assert_int_equal(cor_host_lease_failure(lease), COR_HOST_FAILURE_CRASHED);
        cor_host_lease_release(lease);
        assert_works(pool);
    }
    cor_host_pool_free(pool);
}

static void an_error_is_an_answer_and_the_host_goes_on(void **state)
{
    static const char *const codes[] = {"invalid", "unsupported", "corrupt", "limit", "not_found"};
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);

    (void) state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        json_t *json = json_pack("{s:s, s:s}", "op", "refuse", "code", codes[i]);
        CorError err = {0};
        assert_false(ask_for(lease, json, PATIENCE_MS, NULL, &err));
        assert_string_equal(cor_error_code_name(err.code), codes[i]);
        assert_string_equal(err.text, "slice 1.2.3: no");
        assert_int_equal(cor_host_lease_failure(lease), COR_HOST_FAILURE_NONE);
    }
    CorError err = {0};
    assert_false(ask(lease, "no such operation", &err));
    assert_int_equal(err.code, COR_ERR_UNSUPPORTED);
    assert_true(ask(lease, "echo", &err));
    cor_host_lease_release(lease);
    cor_host_pool_free(pool);
}

static void a_host_gets_four_descriptors_and_a_bare_environment(void **state)
{
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);
    json_t *json = json_pack("{s:s}", "op", "belongings");
    CorHostRequest request = {.json = json, .timeout_ms = PATIENCE_MS};
    json_t *result = NULL;
    CorError err = {0};

    (void) state;
    assert_true(cor_host_call(lease, &request, NULL, &result, &err));
    const json_t *environment = json_object_get(result, "environment");
    assert_int_equal(json_array_size(json_object_get(result, "open")), 4);
    for (size_t i = 0; i < json_array_size(environment); i++) {
        const char *variable = json_string_value(json_array_get(environment, i));
        if (strstr(variable, "SAN_OPTIONS=") || strncmp(variable, "CORSIA_SIMD=", 12) == 0) {
            continue;
        }
        assert_true(strcmp(variable, "PATH=/usr/bin:/bin") == 0 ||
                    strcmp(variable, "LC_ALL=C.UTF-8") == 0);
    }
    json_decref(result);
    json_decref(json);
    cor_host_lease_release(lease);
    cor_host_pool_free(pool);
}

static void nothing_outside_can_be_reached_from_a_host(void **state)
{
    CorHostPool *pool = make_pool(1, 1);
    CorHostLease *lease = take(pool);
    json_t *json = json_pack("{s:s}", "op", "probe");
    CorHostRequest request = {.json = json, .timeout_ms = PATIENCE_MS};
    json_t *result = NULL;
    const char *name = NULL;
    json_t *is_reached = NULL;
    CorError err = {0};
    unsigned all = COR_HOST_LAYER_NO_NEW_PRIVS | COR_HOST_LAYER_LANDLOCK | COR_HOST_LAYER_SECCOMP |
                   COR_HOST_LAYER_RLIMITS;
    bool is_walled = stats_of(pool).layers == all;

    (void) state;
    if (is_walled) {
        assert_true(cor_host_call(lease, &request, NULL, &result, &err));
        assert_true(json_object_size(json_object_get(result, "reached")) >= 8);
        json_object_foreach(json_object_get(result, "reached"), name, is_reached)
        {
            if (json_is_true(is_reached)) {
                fail_msg("reached: %s", name);
            }
        }
    }
    json_decref(result);
    json_decref(json);
    cor_host_lease_release(lease);
    cor_host_pool_free(pool);
    if (!is_walled) {
        print_message("a layer is missing (sanitizers, or an old kernel)\n");
        skip();
    }
}

static void a_strict_sandbox_is_whole_or_refuses_to_start(void **state)
{
    CorHostPoolOptions options = {
        .name = "test", .min = 1, .max = 1, .sandbox = COR_HOST_SANDBOX_STRICT};
    CorHostPool *pool = NULL;
    CorError err = {0};

    (void) state;
    assert_true(cor_host_pool_new(&options, &pool, &err));
    if (cor_host_pool_wait_ready(pool, PATIENCE_MS, &err)) {
        assert_int_equal(stats_of(pool).layers,
                         COR_HOST_LAYER_NO_NEW_PRIVS | COR_HOST_LAYER_LANDLOCK |
                             COR_HOST_LAYER_SECCOMP | COR_HOST_LAYER_RLIMITS);
    } else {
        assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
        assert_non_null(strstr(err.text, "sandbox is strict"));
    }
    cor_host_pool_free(pool);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "host") == 0) {
        return host_child_main();
    }

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_answered_by_another_process),
        cmocka_unit_test(more_descriptors_than_a_frame_holds_arrive_in_order),
        cmocka_unit_test(attributes_are_text_whatever_a_host_says),
        cmocka_unit_test(a_released_host_is_used_again),
        cmocka_unit_test(the_host_that_was_used_last_goes_first),
        cmocka_unit_test(a_crash_costs_one_call),
        cmocka_unit_test(a_host_that_is_killed_from_outside_costs_one_call),
        cmocka_unit_test(an_idle_host_that_is_killed_is_replaced),
        cmocka_unit_test(a_host_that_hangs_is_killed_at_the_timeout),
        cmocka_unit_test(a_host_that_outgrows_its_memory_is_stopped),
        cmocka_unit_test(a_call_is_cancelled_whether_its_host_listens_or_not),
        cmocka_unit_test(a_call_that_was_cancelled_before_does_not_begin),
        cmocka_unit_test(many_threads_share_at_most_max_hosts),
        cmocka_unit_test(a_full_pool_says_so_after_the_time_given),
        cmocka_unit_test(leases_are_given_in_the_order_of_asking),
        cmocka_unit_test(a_pool_that_stops_sends_the_line_home),
        cmocka_unit_test(a_pool_shrinks_to_its_minimum_when_idle),
        cmocka_unit_test(hosts_that_do_not_start_are_explained),
        cmocka_unit_test(impossible_bounds_are_refused),
        cmocka_unit_test(outputs_are_heard_one_by_one),
        cmocka_unit_test(an_output_that_cannot_be_kept_ends_the_call),
        cmocka_unit_test(a_host_that_breaks_the_protocol_is_killed),
        cmocka_unit_test(an_error_is_an_answer_and_the_host_goes_on),
        cmocka_unit_test(a_host_gets_four_descriptors_and_a_bare_environment),
        cmocka_unit_test(nothing_outside_can_be_reached_from_a_host),
        cmocka_unit_test(a_strict_sandbox_is_whole_or_refuses_to_start),
    };

    return cmocka_run_group_tests_name("host-pool", tests, NULL, NULL);
}
