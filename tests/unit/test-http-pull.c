/* SPDX-License-Identifier: Apache-2.0 */
/* Long answers that are made while they are sent. */
#include "http-client.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "base/array.h"
#include "http/http-pull.h"
#include "http/http-server.h"

typedef struct Fixture {
    CorHttpServer *server;
    uint16_t port;
    CorHttpPull *pull;
    atomic_uint_fast64_t left; /* bytes that may be given now */
    atomic_uint_fast64_t given;
    atomic_int at_end; /* what pull() says when nothing is left */
    sem_t waits;
    sem_t ended;
} Fixture;

static ssize_t give(void *context, void *data, size_t size)
{
    Fixture *fixture = context;
    uint64_t left = atomic_load(&fixture->left);
    size_t taken = COR_MIN(size, (size_t) left);

    if (taken == 0) {
        (void) sem_post(&fixture->waits);
        return atomic_load(&fixture->at_end);
    }
    memset(data, 'x', taken);
    atomic_fetch_sub(&fixture->left, taken);
    atomic_fetch_add(&fixture->given, taken);
    return (ssize_t) taken;
}

static void on_end(void *context)
{
    (void) sem_post(&((Fixture *) context)->ended);
}

static void handler(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    Fixture *fixture = context;
    const int64_t range[2] = {0, INT64_MAX};
    int64_t size = 0;
    CorHttpPullOptions options = {.type = "text/plain",
                                  .size = COR_HTTP_PULL_ANY,
                                  .pull = give,
                                  .on_end = on_end,
                                  .context = fixture};

    assert_true(cor_http_req_query_integer(req, "size", range, -1, &size, NULL));
    options.size = size < 0 ? COR_HTTP_PULL_ANY : (uint64_t) size;
    cor_http_pull_unref(COR_TAKE(fixture->pull));
    assert_true(cor_http_res_pull(res, &options, &fixture->pull, NULL));
    if (cor_http_req_query(req, "replaced")) {
        cor_http_res_status(res, 204);
    }
}

static const CorHttpRoute routes[] = {{.method = "GET", .pattern = "/pull", .handler = handler}};

static int start_with(void **state, int64_t idle_ms, int64_t rate)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    Fixture *fixture = cor_new(Fixture);
    CorError err = {0};
    CorHttpServerOptions options = {.listen = listen,
                                    .listen_len = 1,
                                    .routes = routes,
                                    .routes_len = COR_ARRAY_LEN(routes),
                                    .route_context = fixture,
                                    .threads = 2,
                                    .idle_timeout_ms = idle_ms,
                                    .bytes_per_s_min = rate};

    (void) sem_init(&fixture->waits, 0, 0);
    (void) sem_init(&fixture->ended, 0, 0);
    if (!cor_http_server_start(&options, &fixture->server, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    fixture->port = cor_http_server_port(fixture->server, 0);
    *state = fixture;
    return 0;
}

static int patient(void **state)
{
    return start_with(state, 0, 0);
}

static int hurried(void **state)
{
    return start_with(state, 300, (int64_t) 1024 * 1024 * 1024);
}

static int stop(void **state)
{
    Fixture *fixture = *state;

    cor_http_server_stop(fixture->server);
    cor_http_pull_unref(fixture->pull);
    (void) sem_destroy(&fixture->waits);
    (void) sem_destroy(&fixture->ended);
    free(fixture);
    return 0;
}

static void await(sem_t *semaphore)
{
    struct timespec end;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &end), 0);
    end.tv_sec += 20;
    assert_int_equal(sem_timedwait(semaphore, &end), 0);
}

static int ask(const Fixture *fixture, const char *target)
{
    char text[256];
    int fd = client_connect(fixture->port);

    (void) snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
    assert_true(client_say(fd, text));
    return fd;
}

static void a_known_size_is_announced_and_sent(void **state)
{
    Fixture *fixture = *state;
    Answer answer;

    atomic_store(&fixture->left, 3000000);
    int fd = ask(fixture, "/pull?size=3000000");
    assert_true(client_read_answer(fd, &answer, false));
    assert_int_equal(answer.size, 3000000);
    assert_string_equal(answer_header(&answer, "Content-Length"), "3000000");
    await(&fixture->ended);
    answer_done(&answer);
    (void) close(fd);
}

static void an_unknown_size_is_sent_in_chunks_until_the_end(void **state)
{
    Fixture *fixture = *state;
    Answer answer;

    atomic_store(&fixture->left, 1000000);
    atomic_store(&fixture->at_end, (int) COR_HTTP_PULL_END);
    int fd = ask(fixture, "/pull");
    assert_true(client_read_answer(fd, &answer, false));
    assert_int_equal(answer.size, 1000000);
    assert_null(answer_header(&answer, "Content-Length"));
    await(&fixture->ended);
    answer_done(&answer);
    (void) close(fd);
}

static void nothing_is_lost_when_there_is_nothing_for_a_while(void **state)
{
    Fixture *fixture = *state;
    Answer answer;
    int fd = ask(fixture, "/pull?size=100000");

    for (int i = 0; i < 100; i++) {
        await(&fixture->waits);
        atomic_fetch_add(&fixture->left, 1000);
        cor_http_pull_ready(fixture->pull);
    }
    assert_true(client_read_answer(fd, &answer, false));
    assert_int_equal(answer.size, 100000);
    await(&fixture->ended);
    cor_http_pull_ready(fixture->pull); /* too late */
    answer_done(&answer);
    (void) close(fd);
}

static void a_loss_in_the_middle_is_seen_by_the_peer(void **state)
{
    static const char *const targets[] = {"/pull?size=200000", "/pull"};
    Fixture *fixture = *state;

    for (size_t i = 0; i < COR_ARRAY_LEN(targets); i++) {
        Answer answer;
        atomic_store(&fixture->left, 100000);
        atomic_store(&fixture->at_end, (int) COR_HTTP_PULL_LOST);
        int fd = ask(fixture, targets[i]);
        assert_false(client_read_answer(fd, &answer, false));
        assert_int_equal(answer.status, 200);
        await(&fixture->ended);
        answer_done(&answer);
        (void) close(fd);
    }
}

static void a_peer_that_leaves_ends_it(void **state)
{
    Fixture *fixture = *state;
    int fd = ask(fixture, "/pull");

    await(&fixture->waits);
    (void) close(fd);
    await(&fixture->ended);
}

static void a_reader_that_stops_reading_is_cut_and_little_was_made(void **state)
{
    Fixture *fixture = *state;

    atomic_store(&fixture->left, (uint64_t) 1 << 40);
    int fd = ask(fixture, "/pull?size=1099511627776");
    await(&fixture->ended);
    assert_true(atomic_load(&fixture->given) < (uint64_t) 64 * 1024 * 1024);
    (void) close(fd);
}

static void a_wait_of_ours_is_not_held_against_the_reader(void **state)
{
    Fixture *fixture = *state;
    Answer answer;
    int fd = ask(fixture, "/pull?size=10");

    await(&fixture->waits);
    /* Another connection is cut for its idleness meanwhile: the time that was too long for it. */
    int other = client_connect(fixture->port);
    char byte = 0;
    assert_true(client_say(other, "GET /nothing HTTP/1.1\r\n" HOST "\r\n"));
    while (client_read(other, &byte, 1)) {
    }
    (void) close(other);
    atomic_store(&fixture->left, 10);
    cor_http_pull_ready(fixture->pull);
    assert_true(client_read_answer(fd, &answer, false));
    assert_int_equal(answer.size, 10);
    answer_done(&answer);
    (void) close(fd);
}

static void an_answer_that_is_not_sent_still_ends(void **state)
{
    Fixture *fixture = *state;
    Answer answer;

    assert_int_equal(client_status(fixture->port, "GET /pull?replaced HTTP/1.1\r\n" HOST "\r\n"),
                     204);
    await(&fixture->ended);
    client_ask(fixture->port, "HEAD /pull?size=12345 HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer_header(&answer, "Content-Length"), "12345");
    await(&fixture->ended);
    assert_int_equal(atomic_load(&fixture->given), 0);
    answer_done(&answer);
}

static void a_stop_cuts_what_waits(void **state)
{
    Fixture *fixture = *state;
    Answer answer;
    int fd = ask(fixture, "/pull");

    await(&fixture->waits);
    assert_false(cor_http_server_drain(fixture->server, 50)); /* it is not over */
    cor_http_server_stop(COR_TAKE(fixture->server));
    await(&fixture->ended);
    assert_false(client_read_answer(fd, &answer, false));
    answer_done(&answer);
    (void) close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_known_size_is_announced_and_sent, patient, stop),
        cmocka_unit_test_setup_teardown(an_unknown_size_is_sent_in_chunks_until_the_end, patient,
                                        stop),
        cmocka_unit_test_setup_teardown(nothing_is_lost_when_there_is_nothing_for_a_while, patient,
                                        stop),
        cmocka_unit_test_setup_teardown(a_loss_in_the_middle_is_seen_by_the_peer, patient, stop),
        cmocka_unit_test_setup_teardown(a_peer_that_leaves_ends_it, patient, stop),
        cmocka_unit_test_setup_teardown(a_reader_that_stops_reading_is_cut_and_little_was_made,
                                        hurried, stop),
        cmocka_unit_test_setup_teardown(a_wait_of_ours_is_not_held_against_the_reader, hurried,
                                        stop),
        cmocka_unit_test_setup_teardown(an_answer_that_is_not_sent_still_ends, patient, stop),
        cmocka_unit_test_setup_teardown(a_stop_cuts_what_waits, patient, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
