/* SPDX-License-Identifier: Apache-2.0 */
#include "http-client.h"

#include <pthread.h>

#include "base/array.h"
#include "base/time.h"
#include "http/http-server.h"
#include "program/thread.h"

#include "test.h"

enum { TOGETHER = 4, PATIENCE_MS = 20000 };

typedef struct Meeting {
    CorHttpServer *server;
    uint16_t port;
    pthread_mutex_t mutex;
    pthread_cond_t come;
    int present; /* guarded by mutex */
} Meeting;

/* Answers 200 when TOGETHER handlers run at the same time: each needs a thread of its own. */
static void meet(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    Meeting *meeting = context;
    int64_t deadline_ms = cor_time_ms() + PATIENCE_MS;
    bool in_time = true;

    (void) req;
    pthread_mutex_lock(&meeting->mutex);
    meeting->present++;
    (void) pthread_cond_broadcast(&meeting->come);
    while (meeting->present < TOGETHER && in_time) {
        in_time = cor_cond_wait_until(&meeting->come, &meeting->mutex, deadline_ms);
    }
    pthread_mutex_unlock(&meeting->mutex);
    cor_http_res_text(res, in_time ? 200 : 503, "text/plain", "met");
}

static void greet(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) req;
    (void) context;
    cor_http_res_text(res, 200, "text/plain", "hello");
}

static Meeting *start(unsigned connections_max)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    static const CorHttpRoute routes[] = {
        {.method = "GET", .pattern = "/meet", .handler = meet},
        {.method = "GET", .pattern = "/greet", .handler = greet},
    };
    Meeting *meeting = calloc(1, sizeof(*meeting));
    CorHttpServerOptions options = {.listen = listen,
                                    .listen_len = 1,
                                    .routes = routes,
                                    .routes_len = COR_ARRAY_LEN(routes),
                                    .route_context = meeting,
                                    .threads = TOGETHER,
                                    .connections_max = connections_max};
    CorError err = {0};

    assert_non_null(meeting);
    (void) pthread_mutex_init(&meeting->mutex, NULL);
    assert_true(cor_cond_init(&meeting->come, &err));
    if (!cor_http_server_start(&options, &meeting->server, &err)) {
        fail_msg("%s", err.text);
    }
    meeting->port = cor_http_server_port(meeting->server, 0);
    return meeting;
}

static void stop(Meeting *meeting)
{
    cor_http_server_stop(meeting->server);
    (void) pthread_cond_destroy(&meeting->come);
    (void) pthread_mutex_destroy(&meeting->mutex);
    free(meeting);
}

static void ask(int fd, const char *path)
{
    char request[128];
    int size =
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);

    assert_true(client_send(fd, request, (size_t) size));
}

static void expect_ok(int fd)
{
    Answer answer = {0};

    assert_true(client_read_answer(fd, &answer, false));
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
}

static void connections_that_come_at_once_go_to_different_threads(void **state)
{
    Meeting *meeting = start(0);
    int fds[TOGETHER];
    (void) state;

    for (int i = 0; i < TOGETHER; i++) {
        fds[i] = client_connect(meeting->port);
    }
    for (int i = 0; i < TOGETHER; i++) {
        ask(fds[i], "/meet");
    }
    for (int i = 0; i < TOGETHER; i++) {
        expect_ok(fds[i]);
        (void) close(fds[i]);
    }
    stop(meeting);
}

static void a_thread_whose_connection_has_ended_gets_the_next_one(void **state)
{
    Meeting *meeting = start(0);
    int fds[TOGETHER];
    CorHttpCounters counters = {0};
    (void) state;

    for (int i = 0; i < TOGETHER; i++) {
        fds[i] = client_connect(meeting->port);
        ask(fds[i], "/greet");
        expect_ok(fds[i]);
    }
    (void) close(fds[1]);
    do {
        cor_http_server_counters(meeting->server, &counters);
    } while (counters.connections == TOGETHER); /* the kernel tells it soon */
    fds[1] = client_connect(meeting->port);
    for (int i = 0; i < TOGETHER; i++) {
        ask(fds[i], "/meet");
    }
    for (int i = 0; i < TOGETHER; i++) {
        expect_ok(fds[i]);
        (void) close(fds[i]);
    }
    stop(meeting);
}

static void beyond_the_bound_a_connection_waits_until_another_one_ends(void **state)
{
    Meeting *meeting = start(2);
    int first = client_connect(meeting->port);
    int second = client_connect(meeting->port);
    int third = -1;
    CorHttpCounters counters = {0};
    (void) state;

    ask(first, "/greet");
    expect_ok(first);
    ask(second, "/greet");
    expect_ok(second);
    third = client_connect(meeting->port); /* by the kernel, so far */
    ask(third, "/greet");
    for (int i = 0; i < 20; i++) {
        ask(first, "/greet");
        expect_ok(first);
    }
    cor_http_server_counters(meeting->server, &counters);
    assert_int_equal(counters.connections, 2);
    (void) close(second);
    expect_ok(third);
    (void) close(first);
    (void) close(third);
    stop(meeting);
}

static void a_server_stops_while_connections_wait_for_room(void **state)
{
    Meeting *meeting = start(1);
    int first = client_connect(meeting->port);
    int second = client_connect(meeting->port);
    (void) state;

    ask(first, "/greet");
    expect_ok(first);
    assert_true(cor_http_server_drain(meeting->server, PATIENCE_MS));
    stop(meeting);
    (void) close(first);
    (void) close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_that_come_at_once_go_to_different_threads),
        cmocka_unit_test(a_thread_whose_connection_has_ended_gets_the_next_one),
        cmocka_unit_test(beyond_the_bound_a_connection_waits_until_another_one_ends),
        cmocka_unit_test(a_server_stops_while_connections_wait_for_room),
    };

    return cmocka_run_group_tests_name("http-accept", tests, NULL, NULL);
}
