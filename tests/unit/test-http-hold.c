/* SPDX-License-Identifier: Apache-2.0 */
/* A consumer that takes a few bytes at a time and then waits to be released. */
#include "test.h"

#include "http-client.h"

#include <pthread.h>

#include "base/array.h"
#include "base/hash.h"
#include "http/http-hold.h"
#include "http/http-server.h"
#include "program/thread.h"

#define HOST "Host: localhost\r\n"

enum { BODY_SIZE = 300000, REQUEST_TIMEOUT_MS = 700, HOLD_MAX_MS = 900 };

typedef struct Fixture {
    CorHttpServer *server;
    uint16_t port;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    CorHttpHold *held; /* guarded by mutex: whose consumer said "not now" last */
    int aborted;       /* guarded by mutex */
    bool is_over;      /* guarded by mutex: a consumer is gone */
} Fixture;

typedef struct Consumer {
    Fixture *fixture;
    CorHttpHold *hold;
    CorSha256 *sha;
    size_t step;    /* bytes taken at a time; 0: nothing, ever */
    bool by_itself; /* nobody releases it but itself, at once */
    bool by_time;   /* nobody releases it */
    size_t turns;   /* by_time: so many times nothing is taken */
    bool may_take;  /* it was released */
} Consumer;

static bool begin(CorHttpRequest *req, CorHttpResponse *res, void *context, void **ret_upload)
{
    Consumer *consumer = cor_new(Consumer);
    const char *how = cor_http_req_param(req, "how");
    (void) res;

    consumer->fixture = context;
    consumer->sha = cor_sha256_new();
    consumer->step = strcmp(how, "never") == 0 ? 0 : 10007;
    consumer->by_itself = strcmp(how, "itself") == 0;
    consumer->by_time = strcmp(how, "time") == 0;
    consumer->turns = consumer->by_time ? 2 : 0;
    *ret_upload = consumer;
    return cor_http_hold_new(req, consumer->by_time ? HOLD_MAX_MS : 60000, &consumer->hold, NULL);
}

static void tell(Fixture *fixture, CorHttpHold *hold)
{
    (void) pthread_mutex_lock(&fixture->mutex);
    fixture->held = hold;
    (void) pthread_cond_broadcast(&fixture->changed);
    (void) pthread_mutex_unlock(&fixture->mutex);
}

static bool data(void *context, const void *bytes, size_t *size, CorHttpResponse *res)
{
    Consumer *consumer = context;
    (void) res;

    if (consumer->turns > 0) {
        consumer->turns--;
        *size = 0;
        return true;
    }
    if (!consumer->by_time) {
        *size = COR_MIN(*size, consumer->may_take ? consumer->step : 0);
        consumer->may_take = !consumer->may_take && consumer->step > 0;
    }
    cor_sha256_update(consumer->sha, bytes, *size);
    if (consumer->by_itself) {
        cor_http_hold_release(consumer->hold);
    } else if (!consumer->by_time) {
        tell(consumer->fixture, consumer->hold);
    }
    return true;
}

static void consumer_free(Consumer *consumer)
{
    Fixture *fixture = consumer->fixture;

    (void) pthread_mutex_lock(&fixture->mutex);
    fixture->held = NULL;
    fixture->is_over = true;
    (void) pthread_cond_broadcast(&fixture->changed);
    (void) pthread_mutex_unlock(&fixture->mutex);
    cor_sha256_free(consumer->sha);
    cor_http_hold_unref(consumer->hold);
    free(consumer);
}

static void abort_upload(void *context)
{
    Consumer *consumer = context;
    Fixture *fixture = consumer->fixture;

    consumer_free(consumer);
    (void) pthread_mutex_lock(&fixture->mutex);
    fixture->aborted++;
    (void) pthread_cond_broadcast(&fixture->changed);
    (void) pthread_mutex_unlock(&fixture->mutex);
}

static void uploaded(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    Consumer *consumer = cor_http_req_upload(req);
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];
    (void) context;

    cor_sha256_final(consumer->sha, digest);
    cor_http_res_text(res, 201, "text/plain", cor_hex_encode(digest, sizeof(digest), hex));
    consumer_free(consumer);
}

static void hello(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) req;
    (void) context;
    cor_http_res_status(res, 204);
}

static const CorHttpUpload consumer_handlers = {
    .begin = begin, .data = data, .abort = abort_upload};

static const CorHttpRoute routes[] = {
    {.method = "GET", .pattern = "/hello", .handler = hello},
    {.method = "PUT",
     .pattern = "/{how}",
     .handler = uploaded,
     .body = COR_HTTP_BODY_STREAM,
     .body_max = UINT64_MAX,
     .upload = &consumer_handlers},
};

static int open_server(void **state)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    Fixture *fixture = cor_new(Fixture);
    CorHttpServerOptions options = {.listen = listen,
                                    .listen_len = 1,
                                    .routes = routes,
                                    .routes_len = COR_ARRAY_LEN(routes),
                                    .route_context = fixture,
                                    .threads = 1, /* one that waits would hold up all others */
                                    .request_timeout_ms = REQUEST_TIMEOUT_MS};
    CorError err = {0};

    (void) pthread_mutex_init(&fixture->mutex, NULL);
    (void) pthread_cond_init(&fixture->changed, NULL);
    if (!cor_http_server_start(&options, &fixture->server, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    fixture->port = cor_http_server_port(fixture->server, 0);
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    Fixture *fixture = *state;

    cor_http_server_stop(fixture->server);
    (void) pthread_cond_destroy(&fixture->changed);
    (void) pthread_mutex_destroy(&fixture->mutex);
    free(fixture);
    return 0;
}

/* Wait until a consumer says "not now"; NULL if there is none any more. */
static CorHttpHold *wait_held(Fixture *fixture)
{
    (void) pthread_mutex_lock(&fixture->mutex);
    while (!fixture->held && !fixture->is_over) {
        (void) pthread_cond_wait(&fixture->changed, &fixture->mutex);
    }
    CorHttpHold *hold = fixture->held ? cor_http_hold_ref(COR_TAKE(fixture->held)) : NULL;
    (void) pthread_mutex_unlock(&fixture->mutex);
    return hold;
}

static void wait_aborted(Fixture *fixture)
{
    (void) pthread_mutex_lock(&fixture->mutex);
    while (fixture->aborted == 0) {
        (void) pthread_cond_wait(&fixture->changed, &fixture->mutex);
    }
    (void) pthread_mutex_unlock(&fixture->mutex);
}

static const char *body_bytes(char hex[COR_SHA256_HEX_SIZE])
{
    static char body[BODY_SIZE];
    uint8_t digest[COR_SHA256_SIZE];

    for (size_t i = 0; i < sizeof(body); i++) {
        body[i] = (char) (i * 7 + i / 251);
    }
    cor_sha256(body, sizeof(body), digest);
    (void) cor_hex_encode(digest, sizeof(digest), hex);
    return body;
}

typedef struct Sending {
    int fd;
    const char *how;
    const char *body;
} Sending;

static void send_body(void *context)
{
    const Sending *sending = context;
    char head[128];

    (void) snprintf(head, sizeof(head), "PUT /%s HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n",
                    sending->how, BODY_SIZE);
    (void) client_say(sending->fd, head);
    (void) client_send(sending->fd, sending->body, BODY_SIZE);
}

static void assert_stored(int fd, const char *hex)
{
    Answer answer;

    assert_true(client_read_answer(fd, &answer, false));
    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.body, hex);
    answer_done(&answer);
}

static void a_held_upload_goes_on_where_it_stopped_and_disturbs_nobody(void **state)
{
    Fixture *fixture = *state;
    char hex[COR_SHA256_HEX_SIZE];
    Sending sending = {client_connect(fixture->port), "wait", body_bytes(hex)};
    COR_CLEANUP(cor_thread_joinp) CorThread *thread = NULL;

    assert_true(cor_thread_start("send", 0, send_body, &sending, &thread, NULL));
    for (CorHttpHold *hold = wait_held(fixture); hold; hold = wait_held(fixture)) {
        assert_int_equal(client_status(fixture->port, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 204);
        cor_http_hold_release(hold);
        cor_http_hold_unref(hold);
    }
    assert_stored(sending.fd, hex);
    (void) close(sending.fd);
    assert_int_equal(fixture->aborted, 0);
}

static void a_release_before_the_wait_is_not_lost(void **state)
{
    Fixture *fixture = *state;
    char hex[COR_SHA256_HEX_SIZE];
    Sending sending = {client_connect(fixture->port), "itself", body_bytes(hex)};

    send_body(&sending);
    assert_stored(sending.fd, hex);
    (void) close(sending.fd);
}

static void the_time_of_waiting_counts_against_no_deadline(void **state)
{
    Fixture *fixture = *state;
    char hex[COR_SHA256_HEX_SIZE];
    Sending sending = {client_connect(fixture->port), "time", body_bytes(hex)};

    assert_true(HOLD_MAX_MS > REQUEST_TIMEOUT_MS);
    send_body(&sending);
    assert_stored(sending.fd, hex);
    (void) close(sending.fd);
}

static void a_peer_that_only_ends_its_sending_is_answered(void **state)
{
    Fixture *fixture = *state;
    char hex[COR_SHA256_HEX_SIZE];
    Sending sending = {client_connect(fixture->port), "time", body_bytes(hex)};

    send_body(&sending);
    (void) shutdown(sending.fd, SHUT_WR);
    assert_stored(sending.fd, hex);
    (void) close(sending.fd);
}

static int connect_and_hold(Fixture *fixture)
{
    int fd = client_connect(fixture->port);

    assert_true(client_say(fd, "PUT /never HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\nabc"));
    cor_http_hold_unref(wait_held(fixture));
    return fd;
}

static void an_upload_whose_peer_has_left_is_aborted_when_it_goes_on(void **state)
{
    Fixture *fixture = *state;
    int fd = connect_and_hold(fixture);
    struct linger linger = {.l_onoff = 1};

    (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)); /* a reset */
    (void) close(fd);
    wait_aborted(fixture);
}

static void a_stop_ends_an_upload_that_waits(void **state)
{
    Fixture *fixture = *state;
    int fd = connect_and_hold(fixture);

    assert_false(cor_http_server_drain(fixture->server, 0)); /* it is not finished */
    cor_http_server_stop(COR_TAKE(fixture->server));
    assert_int_equal(fixture->aborted, 1);
    (void) close(fd);
}

#define ON_SERVER(name) cmocka_unit_test_setup_teardown(name, open_server, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SERVER(a_held_upload_goes_on_where_it_stopped_and_disturbs_nobody),
        ON_SERVER(a_release_before_the_wait_is_not_lost),
        ON_SERVER(the_time_of_waiting_counts_against_no_deadline),
        ON_SERVER(a_peer_that_only_ends_its_sending_is_answered),
        ON_SERVER(an_upload_whose_peer_has_left_is_aborted_when_it_goes_on),
        ON_SERVER(a_stop_ends_an_upload_that_waits),
    };

    return cmocka_run_group_tests_name("http-hold", tests, NULL, NULL);
}
