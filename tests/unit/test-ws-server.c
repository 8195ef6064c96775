/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket sessions, spoken to byte by byte. */
#include "http-client.h"

#include <semaphore.h>
#include <stdatomic.h>

#include "await.h"
#include "base/array.h"
#include "http/http-server.h"
#include "ws/ws-server.h"

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80, BUFFER_MAX = 64 * 1024 };

typedef struct Fixture {
    CorHttpServer *http;
    CorWsServer *ws;
    uint16_t port;
    CorWsSession *session; /* the last that opened; WebSocket thread only */
    sem_t opened;
    sem_t closed;
    sem_t drained;
    sem_t alive;
    sem_t posted;
    atomic_int code;
    char order[64];
    CorBytes *frame;
    int frames;
    bool was_refused;
} Fixture;

static void on_open(CorWsSession *session, void *context)
{
    Fixture *fixture = context;

    fixture->session = session;
    (void) sem_post(&fixture->opened);
}

static void on_text(CorWsSession *session, void *context, const char *text, size_t size)
{
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *frame = cor_ws_frame_new(text, size);
    (void) context;

    if (size == 3 && memcmp(text, "bye", 3) == 0) {
        cor_ws_close(session, 4000, "as you wish");
        assert_false(cor_ws_session_is_open(session));
        assert_false(cor_ws_send(session, frame));
        return;
    }
    assert_true(cor_ws_send(session, frame));
}

static void on_alive(CorWsSession *session, void *context)
{
    (void) session;
    (void) sem_post(&((Fixture *) context)->alive);
}

static void on_drained(CorWsSession *session, void *context)
{
    assert_int_equal(cor_ws_session_queued(session), 0);
    (void) sem_post(&((Fixture *) context)->drained);
}

static void on_close(CorWsSession *session, void *context, uint16_t code)
{
    Fixture *fixture = context;

    if (fixture->session == session) {
        fixture->session = NULL;
    }
    fixture->code = code;
    (void) sem_post(&fixture->closed);
}

static const CorWsHandlers handlers = {
    .on_open = on_open,
    .on_text = on_text,
    .on_alive = on_alive,
    .on_drained = on_drained,
    .on_close = on_close,
};

static void connect_ws(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    Fixture *fixture = context;

    (void) !cor_ws_accept(fixture->ws, req, res, &handlers, fixture);
}

static int start_with(void **state, int64_t ping_ms)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    static const CorHttpRoute routes[] = {
        {.method = "GET", .pattern = "/ws", .handler = connect_ws, .flags = COR_HTTP_WEBSOCKET},
    };
    Fixture *fixture = cor_new(Fixture);
    CorError err = {0};
    CorHttpServerOptions http_options = {.listen = listen,
                                         .listen_len = 1,
                                         .routes = routes,
                                         .routes_len = 1,
                                         .route_context = fixture,
                                         .threads = 2};
    CorWsServerOptions ws_options = {
        .buffer_max = BUFFER_MAX, .ping_ms = ping_ms, .close_timeout_ms = 1000, .sessions_max = 64};
    sem_t *const semaphores[] = {&fixture->opened, &fixture->closed, &fixture->drained,
                                 &fixture->alive, &fixture->posted};

    for (size_t i = 0; i < COR_ARRAY_LEN(semaphores); i++) {
        (void) sem_init(semaphores[i], 0, 0);
    }
    if (!cor_ws_server_start(&ws_options, &fixture->ws, &err) ||
        !cor_http_server_start(&http_options, &fixture->http, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    fixture->port = cor_http_server_port(fixture->http, 0);
    *state = fixture;
    return 0;
}

static int patient(void **state)
{
    return start_with(state, 0);
}

static int impatient(void **state)
{
    return start_with(state, 100);
}

static int stop(void **state)
{
    Fixture *fixture = *state;

    cor_http_server_stop(fixture->http);
    cor_ws_server_stop(fixture->ws);
    cor_bytes_unref(fixture->frame);
    free(fixture);
    return 0;
}

/* ---- A client ---- */

#define HANDSHAKE                                                                           \
    "GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static void finish_handshake(int fd)
{
    Answer answer;

    assert_true(client_read_answer(fd, &answer, false));
    assert_int_equal(answer.status, 101);
    assert_string_equal(answer_header(&answer, "Sec-WebSocket-Accept"),
                        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); /* RFC 6455 section 1.3 */
}

static int open_session(Fixture *fixture)
{
    int fd = client_connect(fixture->port);

    assert_true(client_say(fd, HANDSHAKE "Sec-WebSocket-Version: 13\r\n\r\n"));
    finish_handshake(fd);
    await(&fixture->opened);
    return fd;
}

/* A masked frame, malloc()ed. */
static uint8_t *make_frame(int first, const void *payload, size_t size, size_t *ret_size)
{
    static const uint8_t mask[4] = {0x37, 0xFA, 0x21, 0x3D};
    uint8_t *frame = malloc(size + 14);
    size_t len = 2;

    assert_non_null(frame);
    frame[0] = (uint8_t) first;
    if (size < 126) {
        frame[1] = (uint8_t) (0x80 | size);
    } else if (size <= 0xFFFF) {
        frame[1] = 0x80 | 126;
        frame[len++] = (uint8_t) (size >> 8);
        frame[len++] = (uint8_t) size;
    } else {
        frame[1] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8) {
            frame[len++] = (uint8_t) ((uint64_t) size >> shift);
        }
    }
    memcpy(frame + len, mask, 4);
    len += 4;
    for (size_t i = 0; i < size; i++) {
        frame[len++] = ((const uint8_t *) payload)[i] ^ mask[i % 4];
    }
    *ret_size = len;
    return frame;
}

static void send_frame(int fd, int first, const void *payload, size_t size)
{
    size_t len = 0;
    uint8_t *frame = make_frame(first, payload, size, &len);

    (void) client_send(fd, frame, len);
    free(frame);
}

/* Read one frame; its payload is malloc()ed and ends with a NUL.  -1 at the end of the connection.
 */
static int read_frame(int fd, char **ret_payload, size_t *ret_size)
{
    uint8_t head[10];
    uint64_t size = 0;

    if (!client_read(fd, head, 2)) {
        return -1;
    }
    size = head[1];
    size_t more = size == 126 ? 2 : size == 127 ? 8 : 0;
    assert_int_equal(head[1] & 0x80, 0); /* never masked */
    if (more > 0) {
        assert_true(client_read(fd, head + 2, more));
        size = 0;
        for (size_t i = 0; i < more; i++) {
            size = size << 8 | head[2 + i];
        }
    }
    char *payload = calloc(1, size + 1);
    assert_non_null(payload);
    assert_true(client_read(fd, payload, size));
    *ret_payload = payload;
    *ret_size = size;
    return head[0];
}

static void expect_frame(int fd, int first, const void *payload, size_t size)
{
    char *got = NULL;
    size_t got_size = 0;

    assert_int_equal(read_frame(fd, &got, &got_size), first);
    assert_int_equal(got_size, size);
    assert_memory_equal(got, payload, size);
    free(got);
}

static void expect_close(int fd, uint16_t code)
{
    char *got = NULL;
    size_t size = 0;

    assert_int_equal(read_frame(fd, &got, &size), FIN | CLOSE);
    assert_true(size >= 2);
    assert_int_equal((uint8_t) got[0] << 8 | (uint8_t) got[1], code);
    free(got);
    assert_int_equal(read_frame(fd, &got, &size), -1);
}

static void end(Fixture *fixture, int fd, uint16_t code)
{
    (void) close(fd);
    await(&fixture->closed);
    assert_int_equal(fixture->code, code);
}

/* ---- Tests ---- */

static void a_bad_handshake_is_told_what_is_wrong(void **state)
{
    uint16_t port = ((Fixture *) *state)->port;
    Answer answer;

    assert_int_equal(client_status(port, "GET /ws HTTP/1.1\r\n" HOST "\r\n"), 426);
    client_ask(port, HANDSHAKE "Sec-WebSocket-Version: 8\r\n\r\n", &answer);
    assert_int_equal(answer.status, 426);
    assert_string_equal(answer_header(&answer, "Sec-WebSocket-Version"), "13");
    answer_done(&answer);
    assert_int_equal(client_status(port, "GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n"
                                         "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                         "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n"),
                     400);
    assert_int_equal(client_status(port, HANDSHAKE "Sec-WebSocket-Version: 13\r\n"
                                                   "Origin: https://evil.example\r\n\r\n"),
                     403);
}

static void a_sub_protocol_of_ours_is_confirmed(void **state)
{
    Answer answer;

    client_ask(((Fixture *) *state)->port,
               HANDSHAKE "Sec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Protocol: x, bearer.abc\r\n\r\n",
               &answer);
    assert_int_equal(answer.status, 101);
    assert_string_equal(answer_header(&answer, "Sec-WebSocket-Protocol"), "bearer.abc");
}

static void text_of_every_length_comes_back(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 4096, 65535, 65536};
    static char text[65536];
    Fixture *fixture = *state;
    int fd = open_session(fixture);

    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        send_frame(fd, FIN | TEXT, text, sizes[i]);
        expect_frame(fd, FIN | TEXT, text, sizes[i]);
        await(&fixture->drained);
    }
    send_frame(fd, FIN | CLOSE, "\x03\xE8", 2);
    expect_close(fd, 1000);
    end(fixture, fd, 1000);
}

static void a_message_may_come_in_pieces_with_pings_between(void **state)
{
    Fixture *fixture = *state;
    int fd = open_session(fixture);

    send_frame(fd, TEXT, "\xE2\x82", 2); /* a character cut in two */
    send_frame(fd, FIN | PING, "are you there", 13);
    expect_frame(fd, FIN | PONG, "are you there", 13);
    await(&fixture->alive);
    send_frame(fd, 0, "\xAC", 1);
    send_frame(fd, FIN, " more", 5);
    expect_frame(fd, FIN | TEXT, "\xE2\x82\xAC more", 8);
    end(fixture, fd, 1006);
}

static void bytes_may_drip(void **state)
{
    Fixture *fixture = *state;
    int fd = open_session(fixture);
    size_t size = 0;
    uint8_t *frame = make_frame(FIN | TEXT, "drip by drip", 12, &size);

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < size; i++) {
            assert_true(client_send(fd, frame + i, 1));
        }
        expect_frame(fd, FIN | TEXT, "drip by drip", 12);
    }
    free(frame);
    end(fixture, fd, 1006);
}

static void a_frame_right_behind_the_request_is_not_lost(void **state)
{
    Fixture *fixture = *state;
    int fd = client_connect(fixture->port);
    size_t size = 0;
    uint8_t *frame = make_frame(FIN | TEXT, "early", 5, &size);
    char text[1024];
    const char request[] = HANDSHAKE "Sec-WebSocket-Version: 13\r\n\r\n";

    memcpy(text, request, sizeof(request) - 1);
    memcpy(text + sizeof(request) - 1, frame, size);
    free(frame);
    assert_true(client_send(fd, text, sizeof(request) - 1 + size));
    finish_handshake(fd);
    expect_frame(fd, FIN | TEXT, "early", 5);
    end(fixture, fd, 1006);
}

static void what_breaks_the_rules_is_closed_with_its_code(void **state)
{
    static char big[65537];
    Fixture *fixture = *state;
    const struct {
        int first;
        const char *payload;
        size_t size;
        uint16_t code;
    } bad[] = {
        {FIN | BINARY, "abc", 3, 1003},
        {FIN | TEXT, "\xFF", 1, 1007},
        {FIN | TEXT, "\xC0\xAF", 2, 1007},
        {FIN | TEXT, big, sizeof(big), 1009},
        {FIN | 0x40 | TEXT, "abc", 3, 1002}, /* a reserved bit */
        {FIN | 3, "abc", 3, 1002},           /* a reserved opcode */
        {FIN, "abc", 3, 1002},               /* a continuation of nothing */
        {PING, "abc", 3, 1002},              /* a control frame in pieces */
        {FIN | CLOSE, "\x03\xEC", 2, 1002},  /* 1004 is reserved */
        {FIN | TEXT, "bye", 3, 4000},        /* the handler's own */
    };

    memset(big, 'a', sizeof(big));
    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        int fd = open_session(fixture);
        send_frame(fd, bad[i].first, bad[i].payload, bad[i].size);
        expect_close(fd, bad[i].code);
        end(fixture, fd, bad[i].code);
    }
}

static void an_unmasked_frame_is_a_protocol_error(void **state)
{
    Fixture *fixture = *state;
    int fd = open_session(fixture);

    assert_true(client_send(fd,
                            "\x81\x03"
                            "abc",
                            5));
    expect_close(fd, 1002);
    end(fixture, fd, 1002);
}

static void a_close_without_a_code_is_echoed(void **state)
{
    Fixture *fixture = *state;
    int fd = open_session(fixture);
    char *got = NULL;
    size_t size = 0;

    send_frame(fd, FIN | CLOSE, "", 0);
    assert_int_equal(read_frame(fd, &got, &size), FIN | CLOSE);
    free(got);
    end(fixture, fd, 1005);
}

/* On the WebSocket thread: send frames until the session does not want any more. */
static void flood(void *arg)
{
    Fixture *fixture = arg;

    while (fixture->session && cor_ws_send(fixture->session, fixture->frame)) {
        fixture->frames++;
    }
    fixture->was_refused = !cor_ws_session_is_open(fixture->session);
    (void) sem_post(&fixture->posted);
}

static void a_slow_reader_is_closed_with_1013_between_two_frames(void **state)
{
    static char text[10000];
    Fixture *fixture = *state;
    int fd = open_session(fixture);
    int whole = 0;
    char *got = NULL;
    size_t size = 0;
    int first = 0;
    CorWsCounters counters;

    memset(text, 'a', sizeof(text));
    fixture->frame = cor_ws_frame_new(text, sizeof(text));
    assert_true(
        cor_ws_post(fixture->ws, flood, fixture)); /* one turn: nothing is written between */
    await(&fixture->posted);
    assert_true(fixture->was_refused);
    assert_true((size_t) fixture->frames * sizeof(text) <= BUFFER_MAX);

    while ((first = read_frame(fd, &got, &size)) == (FIN | TEXT)) {
        assert_int_equal(size, sizeof(text));
        free(got);
        whole++;
    }
    assert_int_equal(first, FIN | CLOSE);
    assert_int_equal((uint8_t) got[0] << 8 | (uint8_t) got[1], 1013);
    free(got);
    assert_true(whole <= fixture->frames);
    end(fixture, fd, 1013);
    assert_true(cor_ws_server_drain(fixture->ws, 20000)); /* until the session is counted off */
    cor_ws_server_counters(fixture->ws, &counters);
    assert_int_equal(counters.slow_closed, 1);
    assert_int_equal(counters.bytes_queued, 0);
    assert_int_equal(counters.sessions, 0);
}

static void push_one(void *arg)
{
    Fixture *fixture = arg;

    fixture->was_refused = !cor_ws_send(fixture->session, fixture->frame);
    (void) sem_post(&fixture->posted);
}

/* Here the socket's buffers are full, so that a frame is cut by the end of what it takes. */
static void a_frame_begun_is_finished_before_the_close(void **state)
{
    static char text[30000];
    Fixture *fixture = *state;
    int fd = open_session(fixture);
    char *got = NULL;
    size_t size = 0;
    int first = 0;

    memset(text, 'b', sizeof(text));
    fixture->frame = cor_ws_frame_new(text, sizeof(text));
    do {
        assert_true(cor_ws_post(fixture->ws, push_one, fixture));
        await(&fixture->posted);
    } while (!fixture->was_refused);
    while ((first = read_frame(fd, &got, &size)) == (FIN | TEXT)) {
        assert_int_equal(size, sizeof(text));
        free(got);
    }
    assert_int_equal(first, FIN | CLOSE);
    free(got);
    end(fixture, fd, 1013);
}

static void note_a(void *arg)
{
    Fixture *fixture = arg;

    fixture->order[strlen(fixture->order)] = 'a';
}

static void note_b(void *arg)
{
    Fixture *fixture = arg;

    fixture->order[strlen(fixture->order)] = 'b';
    (void) sem_post(&fixture->posted);
}

static void posted_calls_run_in_their_order(void **state)
{
    Fixture *fixture = *state;

    for (int i = 0; i < 3; i++) {
        assert_true(cor_ws_post(fixture->ws, note_a, fixture));
        assert_true(cor_ws_post(fixture->ws, note_b, fixture));
    }
    for (int i = 0; i < 3; i++) {
        await(&fixture->posted);
    }
    assert_string_equal(fixture->order, "ababab");
}

static void a_peer_is_pinged_and_lives_while_it_answers(void **state)
{
    Fixture *fixture = *state;
    int fd = open_session(fixture);

    for (int i = 0; i < 5; i++) {
        expect_frame(fd, FIN | PING, "", 0);
        send_frame(fd, FIN | PONG, "", 0);
        await(&fixture->alive);
    }
    send_frame(fd, FIN | TEXT, "still here", 10);
    expect_frame(fd, FIN | TEXT, "still here", 10);
    end(fixture, fd, 1006);
}

static void a_silent_peer_is_closed(void **state)
{
    Fixture *fixture = *state;
    int fd = open_session(fixture);
    CorWsCounters counters;

    await(&fixture->closed);
    assert_int_equal(fixture->code, 1006);
    cor_ws_server_counters(fixture->ws, &counters);
    assert_int_equal(counters.silent_closed, 1);
    (void) close(fd);
}

static void draining_says_going_away(void **state)
{
    Fixture *fixture = *state;
    int fd = open_session(fixture);

    /* This peer neither answers nor closes: the deadline of the handshake ends it. */
    assert_true(cor_ws_server_drain(fixture->ws, 20000));
    await(&fixture->closed);
    assert_int_equal(fixture->code, 1001);
    expect_close(fd, 1001);
    assert_int_equal(client_status(fixture->port, HANDSHAKE "Sec-WebSocket-Version: 13\r\n\r\n"),
                     503);
    (void) close(fd);
}

static void stopping_closes_every_session(void **state)
{
    Fixture *fixture = *state;
    int fds[10];

    for (size_t i = 0; i < COR_ARRAY_LEN(fds); i++) {
        fds[i] = open_session(fixture);
    }
    cor_http_server_stop(COR_TAKE(fixture->http));
    cor_ws_server_stop(COR_TAKE(fixture->ws));
    for (size_t i = 0; i < COR_ARRAY_LEN(fds); i++) {
        char rest = 0;
        await(&fixture->closed);
        assert_false(client_read(fds[i], &rest, 1));
        (void) close(fds[i]);
    }
}

static void beyond_the_bound_nobody_comes_in(void **state)
{
    Fixture *fixture = *state;
    int fds[64];

    for (size_t i = 0; i < COR_ARRAY_LEN(fds); i++) {
        fds[i] = open_session(fixture);
    }
    assert_int_equal(client_status(fixture->port, HANDSHAKE "Sec-WebSocket-Version: 13\r\n\r\n"),
                     503);
    for (size_t i = 0; i < COR_ARRAY_LEN(fds); i++) {
        end(fixture, fds[i], 1006);
    }
    (void) close(open_session(fixture));
}

#define ON(server, name) cmocka_unit_test_setup_teardown(name, server, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(patient, a_bad_handshake_is_told_what_is_wrong),
        ON(patient, a_sub_protocol_of_ours_is_confirmed),
        ON(patient, text_of_every_length_comes_back),
        ON(patient, a_message_may_come_in_pieces_with_pings_between),
        ON(patient, bytes_may_drip),
        ON(patient, a_frame_right_behind_the_request_is_not_lost),
        ON(patient, what_breaks_the_rules_is_closed_with_its_code),
        ON(patient, an_unmasked_frame_is_a_protocol_error),
        ON(patient, a_close_without_a_code_is_echoed),
        ON(patient, a_slow_reader_is_closed_with_1013_between_two_frames),
        ON(patient, a_frame_begun_is_finished_before_the_close),
        ON(patient, posted_calls_run_in_their_order),
        ON(impatient, a_peer_is_pinged_and_lives_while_it_answers),
        ON(impatient, a_silent_peer_is_closed),
        ON(patient, draining_says_going_away),
        ON(patient, stopping_closes_every_session),
        ON(patient, beyond_the_bound_nobody_comes_in),
    };

    return cmocka_run_group_tests_name("ws-server", tests, NULL, NULL);
}
