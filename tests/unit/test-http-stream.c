/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that take their time: streams, parked requests, deadlines, draining. */
#include "http-client.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "await.h"
#include "base/array.h"
#include "http/http-server.h"
#include "http/http-stream.h"

enum { BUFFER_MAX = 64 * 1024 };

typedef struct Fixture {
    CorHttpServer *server;
    uint16_t port;
    CorHttpStream *stream;
    CorHttpPark *park;
    bool wake_early;
    int64_t park_ms;
    sem_t began;
    sem_t ended;
    sem_t drained;
    atomic_int again_calls;
    atomic_int late_calls;
} Fixture;

static void on_end(void *context)
{
    (void) sem_post(&((Fixture *) context)->ended);
}

static void on_drained(void *context)
{
    (void) sem_post(&((Fixture *) context)->drained);
}

static void stream(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    Fixture *fixture = context;
    CorHttpStreamOptions options = {
        .type = "text/event-stream",
        .buffer_max = BUFFER_MAX,
        .heartbeat = cor_http_req_query(req, "heartbeat") ? ": beat\n\n" : NULL,
        .heartbeat_ms = 1,
        .on_drained = on_drained,
        .on_end = on_end,
        .context = fixture,
    };
    CorError err = {0};

    assert_true(cor_http_res_stream(res, &options, &fixture->stream, &err));
    if (cor_http_req_query(req, "replaced")) {
        cor_http_res_status(res, 204);
    }
    (void) sem_post(&fixture->began);
}

static void again(CorHttpRequest *req, CorHttpResponse *res, bool is_woken, void *context)
{
    Fixture *fixture = context;

    atomic_fetch_add(is_woken ? &fixture->again_calls : &fixture->late_calls, 1);
    cor_http_res_text(res, 200, "text/plain", is_woken ? cor_http_req_param(req, "id") : "late");
}

static void park(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    Fixture *fixture = context;
    CorHttpParkOptions options = {.timeout_ms = fixture->park_ms ? fixture->park_ms : 60000,
                                  .again = again,
                                  .release = on_end,
                                  .context = fixture};
    CorError err = {0};
    (void) res;

    assert_true(cor_http_park(req, &options, &fixture->park, &err));
    if (fixture->wake_early) {
        cor_http_park_wake(fixture->park);
    }
    (void) sem_post(&fixture->began);
}

static void hello(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) req;
    (void) context;
    cor_http_res_text(res, 200, "text/plain", "hello");
}

static const CorHttpRoute routes[] = {
    {.method = "GET", .pattern = "/hello", .handler = hello},
    {.method = "POST", .pattern = "/hello", .handler = hello, .body = COR_HTTP_BODY_RAW},
    {.method = "GET", .pattern = "/stream", .handler = stream},
    {.method = "GET", .pattern = "/park/{id}", .handler = park},
    {.method = "POST", .pattern = "/park/{id}", .handler = park, .body = COR_HTTP_BODY_RAW},
};

static int start_with(void **state, int64_t request_ms, int64_t idle_ms)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    Fixture *fixture = cor_new(Fixture);
    CorError err = {0};
    CorHttpServerOptions options = {
        .listen = listen,
        .listen_len = 1,
        .routes = routes,
        .routes_len = COR_ARRAY_LEN(routes),
        .route_context = fixture,
        .threads = 2,
        .request_timeout_ms = request_ms,
        .idle_timeout_ms = idle_ms,
    };

    (void) sem_init(&fixture->began, 0, 0);
    (void) sem_init(&fixture->ended, 0, 0);
    (void) sem_init(&fixture->drained, 0, 0);
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
    return start_with(state, 300, 300);
}

static int stop(void **state)
{
    Fixture *fixture = *state;

    cor_http_server_stop(fixture->server);
    cor_http_stream_unref(fixture->stream);
    cor_http_park_unref(fixture->park);
    (void) sem_destroy(&fixture->began);
    (void) sem_destroy(&fixture->ended);
    (void) sem_destroy(&fixture->drained);
    free(fixture);
    return 0;
}

static int begin(Fixture *fixture, const char *text)
{
    int fd = client_connect(fixture->port);

    assert_true(client_say(fd, text));
    await(&fixture->began);
    return fd;
}

static int begin_stream(Fixture *fixture, Answer *answer)
{
    int fd = begin(fixture, "GET /stream HTTP/1.1\r\n" HOST "\r\n");

    memset(answer, 0, sizeof(*answer));
    assert_true(client_read_head(fd, answer));
    assert_int_equal(answer->status, 200);
    assert_string_equal(answer_header(answer, "Content-Type"), "text/event-stream");
    return fd;
}

static void a_stream_sends_what_another_thread_writes(void **state)
{
    Fixture *fixture = *state;
    Answer answer;
    int fd = begin_stream(fixture, &answer);
    char line[64];
    CorHttpCounters counters;

    for (int i = 0; i < 100; i++) {
        char event[32];
        int size = snprintf(event, sizeof(event), "data: %d", i);
        assert_true(cor_http_stream_write(fixture->stream, event, (size_t) size, NULL));
        assert_true(client_read_line(fd, line, sizeof(line))); /* chunk size */
        assert_true(client_read_line(fd, line, sizeof(line)));
        assert_string_equal(line, event);
        await(&fixture->drained);
    }
    cor_http_server_counters(fixture->server, &counters);
    assert_int_equal(counters.suspended, 1);
    cor_http_stream_close(fixture->stream);
    assert_true(client_read_chunks(fd, &answer));
    assert_int_equal(answer.size, 0);
    await(&fixture->ended);

    CorError err = {0};
    assert_false(cor_http_stream_write(fixture->stream, "x", 1, &err));
    assert_int_equal(err.code, COR_ERR_CANCELLED);
    answer_done(&answer);

    assert_true(client_say(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n")); /* still good */
    assert_true(client_read_answer(fd, &answer, false));
    assert_string_equal(answer.body, "hello");
    answer_done(&answer);
    (void) close(fd);
}

static void a_stream_keeps_only_so_much_for_a_slow_reader(void **state)
{
    Fixture *fixture = *state;
    Answer answer;
    int fd = begin_stream(fixture, &answer);
    static char block[8192];
    CorError err = {0};
    size_t written = 0;

    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 100000 && err.code == COR_OK; i++) {
        written +=
            cor_http_stream_write(fixture->stream, block, sizeof(block), &err) ? sizeof(block) : 0;
    }
    assert_int_equal(err.code, COR_ERR_LIMIT);
    assert_true(cor_http_stream_pending(fixture->stream) <= BUFFER_MAX);

    cor_http_stream_close(fixture->stream); /* what was taken arrives whole */
    assert_true(client_read_chunks(fd, &answer));
    assert_int_equal(answer.size, written);
    answer_done(&answer);
    (void) close(fd);
}

static void a_peer_that_leaves_ends_its_stream(void **state)
{
    Fixture *fixture = *state;
    Answer answer;
    int fd = begin_stream(fixture, &answer);

    (void) close(fd);
    await(&fixture->ended);
    assert_false(cor_http_stream_write(fixture->stream, "x", 1, NULL));
}

static void an_aborted_stream_is_seen_as_cut(void **state)
{
    Fixture *fixture = *state;
    Answer answer;
    int fd = begin_stream(fixture, &answer);

    cor_http_stream_abort(fixture->stream);
    assert_false(client_read_chunks(fd, &answer));
    await(&fixture->ended);
    answer_done(&answer);
    (void) close(fd);
}

static bool is_drained_soon(Fixture *fixture)
{
    struct timespec deadline;

    (void) clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_nsec += 100000000;
    deadline.tv_sec += deadline.tv_nsec / 1000000000;
    deadline.tv_nsec %= 1000000000;
    return sem_timedwait(&fixture->drained, &deadline) == 0;
}

static void an_aborted_stream_ends_even_if_its_peer_reads_nothing(void **state)
{
    static const char block[4096];
    Fixture *fixture = *state;
    Answer answer;
    int fd = begin_stream(fixture, &answer);
    char rest[sizeof(block)];

    do { /* until the kernels are full: then libmicrohttpd waits for the peer, not for us */
        while (sem_trywait(&fixture->drained) == 0) {
        }
        while (cor_http_stream_write(fixture->stream, block, sizeof(block), NULL)) {
        }
    } while (is_drained_soon(fixture));
    cor_http_stream_abort(fixture->stream);
    await(&fixture->ended);
    while (recv(fd, rest, sizeof(rest), 0) > 0) {
    }
    answer_done(&answer);
    (void) close(fd);
}

static void a_silent_stream_has_a_heartbeat(void **state)
{
    Fixture *fixture = *state;
    int fd = begin(fixture, "GET /stream?heartbeat=1 HTTP/1.1\r\n" HOST "\r\n");
    Answer answer = {0};
    char line[64];

    assert_true(client_read_head(fd, &answer));
    assert_true(client_read_line(fd, line, sizeof(line)));
    assert_true(client_read_line(fd, line, sizeof(line)));
    assert_string_equal(line, ": beat");
    (void) close(fd);
}

static void a_stream_that_is_not_sent_still_ends(void **state)
{
    Fixture *fixture = *state;

    assert_int_equal(
        client_status(fixture->port, "GET /stream?replaced=1 HTTP/1.1\r\n" HOST "\r\n"), 204);
    await(&fixture->ended);
    cor_http_stream_unref(COR_TAKE(fixture->stream));
    assert_int_equal(client_status(fixture->port, "HEAD /stream HTTP/1.1\r\n" HOST "\r\n"), 200);
    await(&fixture->ended);
}

static void a_parked_request_is_answered_when_woken(void **state)
{
    static const char *const asks[] = {
        "GET /park/j1 HTTP/1.1\r\n" HOST "\r\n",
        "POST /park/j1 HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab",
    };
    Fixture *fixture = *state;

    for (size_t i = 0; i < COR_ARRAY_LEN(asks); i++) {
        int fd = begin(fixture, asks[i]);
        Answer answer;

        assert_int_equal(client_status(fixture->port, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
        cor_http_park_wake(fixture->park);
        assert_true(client_read_answer(fd, &answer, false));
        assert_string_equal(answer.body, "j1");
        answer_done(&answer);
        await(&fixture->ended);
        cor_http_park_wake(fixture->park); /* too late: nothing happens */
        cor_http_park_unref(COR_TAKE(fixture->park));
        (void) close(fd);
    }
    assert_int_equal(fixture->again_calls, 2);
}

static void a_wake_up_before_the_handler_returns_is_not_lost(void **state)
{
    Fixture *fixture = *state;

    fixture->wake_early = true;
    assert_int_equal(client_status(fixture->port, "GET /park/j1 HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_int_equal(fixture->again_calls, 1);
    await(&fixture->ended);
}

static void a_parked_request_is_answered_when_its_time_is_up(void **state)
{
    Fixture *fixture = *state;
    Answer answer;

    fixture->park_ms = 1;
    client_ask(fixture->port, "GET /park/j1 HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_string_equal(answer.body, "late");
    assert_int_equal(fixture->late_calls, 1);
    answer_done(&answer);
}

static void a_parked_request_whose_peer_leaves_is_given_up(void **state)
{
    Fixture *fixture = *state;
    int fd = begin(fixture, "GET /park/j1 HTTP/1.1\r\n" HOST "\r\n");

    (void) close(fd);
    await(&fixture->ended);
    assert_int_equal(fixture->again_calls + fixture->late_calls, 0);
}

static void draining_ends_streams_and_parked_requests(void **state)
{
    Fixture *fixture = *state;
    Answer answer;
    int streaming = begin_stream(fixture, &answer);
    int parked = begin(fixture, "GET /park/j1 HTTP/1.1\r\n" HOST "\r\n");

    assert_true(cor_http_stream_write(fixture->stream, "last", 4, NULL));
    assert_true(cor_http_server_drain(fixture->server, 20000));
    assert_true(client_read_chunks(streaming, &answer));
    assert_string_equal(answer.body, "last");
    answer_done(&answer);
    assert_true(client_read_answer(parked, &answer, false));
    assert_string_equal(answer.body, "late");
    assert_string_equal(answer_header(&answer, "Connection"), "close");
    answer_done(&answer);
    (void) close(streaming);
    (void) close(parked);
}

static void stopping_cuts_what_is_suspended(void **state)
{
    Fixture *fixture = *state;
    Answer answer;
    int streaming = begin_stream(fixture, &answer);
    int parked = begin(fixture, "GET /park/j1 HTTP/1.1\r\n" HOST "\r\n");
    char rest = 0;

    cor_http_server_stop(COR_TAKE(fixture->server));
    await(&fixture->ended);
    await(&fixture->ended);
    assert_false(client_read(streaming, &rest, 1));
    assert_false(client_read(parked, &rest, 1));
    (void) close(streaming);
    (void) close(parked);
}

static void a_request_that_does_not_come_to_an_end_is_408(void **state)
{
    static const char *const starts[] = {
        "GET /hello HT",
        "GET /hello HTTP/1.1\r\nHost: local",
        "POST /hello HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc",
        "POST /hello HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    };
    Fixture *fixture = *state;
    CorHttpCounters counters;

    for (size_t i = 0; i < COR_ARRAY_LEN(starts); i++) {
        Answer answer;
        client_ask(fixture->port, starts[i], &answer);
        assert_int_equal(answer.status, 408);
        answer_done(&answer);
    }
    cor_http_server_counters(fixture->server, &counters);
    assert_int_equal(counters.timeouts, COR_ARRAY_LEN(starts));
}

static void one_byte_after_the_other_does_not_buy_time(void **state)
{
    Fixture *fixture = *state;
    int fd = client_connect(fixture->port);
    Answer answer;

    assert_true(client_say(fd, "GET /hello HTTP/1.1\r\nX: "));
    struct timeval short_patience = {.tv_usec = 20000};
    (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &short_patience, sizeof(short_patience));
    bool answered = false;
    for (int i = 0; i < 1000 && !answered; i++) {
        char byte = 0;
        answered = !client_say(fd, "x") || recv(fd, &byte, 1, MSG_PEEK) == 1;
    }
    assert_true(answered);
    if (client_read_answer(fd, &answer, false)) {
        assert_int_equal(answer.status, 408);
        answer_done(&answer);
    }
    (void) close(fd);
}

static void an_idle_connection_is_closed_without_a_word(void **state)
{
    Fixture *fixture = *state;
    int fd = client_connect(fixture->port);
    Answer answer;
    char rest = 0;

    assert_true(client_say(fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n"));
    assert_true(client_read_answer(fd, &answer, false));
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
    assert_false(client_read(fd, &rest, 1));
    (void) close(fd);
}

#define ON(server, name) cmocka_unit_test_setup_teardown(name, server, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(patient, a_stream_sends_what_another_thread_writes),
        ON(patient, a_stream_keeps_only_so_much_for_a_slow_reader),
        ON(patient, a_peer_that_leaves_ends_its_stream),
        ON(patient, an_aborted_stream_is_seen_as_cut),
        ON(patient, an_aborted_stream_ends_even_if_its_peer_reads_nothing),
        ON(patient, a_silent_stream_has_a_heartbeat),
        ON(patient, a_stream_that_is_not_sent_still_ends),
        ON(patient, a_parked_request_is_answered_when_woken),
        ON(patient, a_wake_up_before_the_handler_returns_is_not_lost),
        ON(patient, a_parked_request_is_answered_when_its_time_is_up),
        ON(patient, a_parked_request_whose_peer_leaves_is_given_up),
        ON(patient, draining_ends_streams_and_parked_requests),
        ON(patient, stopping_cuts_what_is_suspended),
        ON(hurried, a_request_that_does_not_come_to_an_end_is_408),
        ON(hurried, one_byte_after_the_other_does_not_buy_time),
        ON(hurried, an_idle_connection_is_closed_without_a_word),
    };

    return cmocka_run_group_tests_name("http-stream", tests, NULL, NULL);
}
