/* SPDX-License-Identifier: Apache-2.0 */
/* Long answers that are made while they are sent. */
#include "http-client.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "await.h"
#include "base/array.h"
#include "http/http-pull.h"
#include "http/http-server.h"

enum { FILE_SIZE = 1 << 20, FILE_OFFSET = 77, FILE_MOST = FILE_SIZE - FILE_OFFSET };

typedef struct Fixture {
    CorHttpServer *server;
    uint16_t port;
    CorHttpPull *pull;
    atomic_uint_fast64_t left; /* bytes that may be given now */
    atomic_uint_fast64_t given;
    atomic_int at_end; /* what pull() says when nothing is left */
    sem_t waits;
    sem_t ended;
    int file;          /* FILE_SIZE bytes, each as byte_at() says */
    atomic_int pieces; /* of the file that may be given now, "text" before each */
    size_t piece;      /* their size */
    bool has_text;     /* before each */
    atomic_size_t access_bytes;
} Fixture;

static uint8_t byte_at(size_t at)
{
    return (uint8_t) (at % 251 + at / 4096);
}

static ssize_t give_piece(Fixture *fixture, void *data, CorHttpFile *ret_file)
{
    atomic_fetch_sub(&fixture->pieces, 1);
    *ret_file = (CorHttpFile){.fd = fixture->file, .offset = FILE_OFFSET, .size = fixture->piece};
    atomic_fetch_add(&fixture->given, fixture->piece);
    if (!fixture->has_text) {
        return 0;
    }
    memcpy(data, "text", 4);
    return 4;
}

static ssize_t give(void *context, void *data, size_t size, CorHttpFile *ret_file)
{
    Fixture *fixture = context;

    if (ret_file && atomic_load(&fixture->pieces) > 0) {
        return give_piece(fixture, data, ret_file);
    }
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

static void on_access(const CorHttpAccess *access, void *context)
{
    atomic_fetch_add(&((Fixture *) context)->access_bytes, access->bytes);
}

static int make_file(void)
{
    int fd = memfd_create("pull", MFD_CLOEXEC);
    uint8_t *bytes = malloc(FILE_SIZE);

    assert_true(fd >= 0 && bytes);
    for (size_t i = 0; i < FILE_SIZE; i++) {
        bytes[i] = byte_at(i);
    }
    assert_int_equal(write(fd, bytes, FILE_SIZE), FILE_SIZE);
    free(bytes);
    return fd;
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
                                    .on_access = on_access,
                                    .access_context = fixture,
                                    .idle_timeout_ms = idle_ms,
                                    .bytes_per_s_min = rate};

    (void) sem_init(&fixture->waits, 0, 0);
    (void) sem_init(&fixture->ended, 0, 0);
    fixture->file = make_file();
    fixture->piece = FILE_MOST;
    fixture->has_text = true;
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
    (void) close(fixture->file);
    free(fixture);
    return 0;
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

/* The body is pieces of the file, with "text" before each if there is one, and then x's. */
static void check_pieces(const Fixture *fixture, const Answer *answer, int pieces, size_t rest)
{
    const char *at = answer->body;
    const size_t text = fixture->has_text ? 4 : 0;

    assert_int_equal(answer->size, (size_t) pieces * (text + fixture->piece) + rest);
    for (int i = 0; i < pieces; i++) {
        assert_memory_equal(at, "text", text);
        at += text;
        for (size_t k = 0; k < fixture->piece; k++) {
            if ((uint8_t) at[k] != byte_at(FILE_OFFSET + k)) {
                fail_msg("byte %zu of piece %d is another one", k, i);
            }
        }
        at += fixture->piece;
    }
    for (size_t i = 0; i < rest; i++) {
        assert_int_equal(at[i], 'x');
    }
}

static void pieces_of_files_come_in_order_with_texts_around_them(void **state)
{
    static const struct {
        int pieces;
        size_t piece;
        bool has_text;
        size_t rest;
    } cases[] = {
        {1, FILE_MOST, true, 0},  {1, FILE_MOST, false, 40}, {3, 1, true, 5000},
        {100, 9000, false, 0},    {20, FILE_MOST, true, 40}, {0, 0, true, 100000},
        {9, FILE_MOST, false, 0},
    };
    Fixture *fixture = *state;
    int fd = client_connect(fixture->port);
    uint64_t bytes = 0;

    atomic_store(&fixture->at_end, (int) COR_HTTP_PULL_END);
    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        Answer answer;
        fixture->piece = cases[i].piece;
        fixture->has_text = cases[i].has_text;
        atomic_store(&fixture->pieces, cases[i].pieces);
        atomic_store(&fixture->left, cases[i].rest);
        assert_true(client_say(fd, "GET /pull HTTP/1.1\r\n" HOST "\r\n")); /* one connection */
        assert_true(client_read_answer(fd, &answer, false));
        check_pieces(fixture, &answer, cases[i].pieces, cases[i].rest);
        bytes += answer.size;
        await(&fixture->ended);
        answer_done(&answer);
    }
    (void) close(fd);
    cor_http_server_stop(COR_TAKE(fixture->server));
    assert_int_equal(atomic_load(&fixture->access_bytes), bytes);
}

static void a_reader_that_is_slow_gets_everything(void **state)
{
    Fixture *fixture = *state;
    const int small = 64 * 1024;
    int fd = client_connect(fixture->port);
    Answer answer;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    atomic_store(&fixture->pieces, 16);
    atomic_store(&fixture->left, 10);
    atomic_store(&fixture->at_end, (int) COR_HTTP_PULL_END);
    assert_true(client_say(fd, "GET /pull HTTP/1.1\r\n" HOST "\r\n"));
    assert_int_equal(shutdown(fd, SHUT_WR), 0); /* it has nothing more to say, and still listens */
    assert_true(client_read_answer(fd, &answer, false));
    check_pieces(fixture, &answer, 16, 10);
    await(&fixture->ended);
    answer_done(&answer);
    (void) close(fd);
}

static void nothing_of_a_file_is_held_back_while_there_is_nothing_more(void **state)
{
    Fixture *fixture = *state;
    int fd = ask(fixture, "/pull");
    Answer answer = {0};
    char line[64];
    char piece[100];

    fixture->piece = sizeof(piece);
    await(&fixture->waits);
    assert_true(client_read_head(fd, &answer));
    for (int i = 0; i < 3; i++) {
        atomic_store(&fixture->pieces, 1);
        cor_http_pull_ready(fixture->pull);
        await(&fixture->waits);
        assert_true(client_read_line(fd, line, sizeof(line)));
        if (i > 0) { /* the end of the chunk before */
            assert_string_equal(line, "");
            assert_true(client_read_line(fd, line, sizeof(line)));
        }
        assert_string_equal(line, "68");
        assert_true(client_read(fd, line, 4) && client_read(fd, piece, sizeof(piece)));
        assert_int_equal((uint8_t) piece[99], byte_at(FILE_OFFSET + 99));
    }
    (void) close(fd);
    await(&fixture->ended);
}

static void a_file_that_is_too_short_is_a_loss(void **state)
{
    Fixture *fixture = *state;
    Answer answer;

    fixture->piece = FILE_SIZE;
    atomic_store(&fixture->pieces, 1);
    int fd = ask(fixture, "/pull");
    assert_false(client_read_answer(fd, &answer, false));
    assert_int_equal(answer.status, 200);
    await(&fixture->ended);
    answer_done(&answer);
    (void) close(fd);
}

static void a_reader_of_files_that_stops_reading_is_cut(void **state)
{
    Fixture *fixture = *state;

    atomic_store(&fixture->pieces, 1 << 20);
    int fd = ask(fixture, "/pull");
    await(&fixture->ended);
    assert_true(atomic_load(&fixture->given) < (uint64_t) 64 * 1024 * 1024);
    (void) close(fd);
}

static void a_reader_of_files_that_leaves_ends_it(void **state)
{
    Fixture *fixture = *state;

    atomic_store(&fixture->pieces, 1 << 30);
    for (int i = 0; i < 20; i++) {
        int fd = ask(fixture, "/pull");
        Answer answer = {0};
        if (i % 2) {
            assert_true(client_read_head(fd, &answer));
        }
        (void) close(fd);
        await(&fixture->ended);
    }
}

static void a_stop_cuts_a_reader_of_files_that_waits(void **state)
{
    Fixture *fixture = *state;
    Answer answer = {0};

    atomic_store(&fixture->pieces, 1 << 30);
    int fd = ask(fixture, "/pull");
    assert_true(client_read_head(fd, &answer));
    cor_http_server_stop(COR_TAKE(fixture->server));
    await(&fixture->ended);
    assert_false(client_read_chunks(fd, &answer));
    answer_done(&answer);
    (void) close(fd);
}

static void a_client_without_chunks_is_given_no_files(void **state)
{
    Fixture *fixture = *state;
    char text[4096];
    size_t size = 0;
    ssize_t got = 0;

    atomic_store(&fixture->pieces, 1);
    atomic_store(&fixture->left, 100);
    atomic_store(&fixture->at_end, (int) COR_HTTP_PULL_END);
    int fd = client_connect(fixture->port);
    assert_true(client_say(fd, "GET /pull HTTP/1.0\r\n" HOST "\r\n"));
    while ((got = recv(fd, text + size, sizeof(text) - size - 1, 0)) > 0) {
        size += (size_t) got;
    }
    text[size] = '\0';
    const char *body = strstr(text, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strspn(body + 4, "x"), 100);
    assert_int_equal(strlen(body + 4), 100);
    assert_int_equal(atomic_load(&fixture->pieces), 1);
    await(&fixture->ended);
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
        cmocka_unit_test_setup_teardown(pieces_of_files_come_in_order_with_texts_around_them,
                                        patient, stop),
        cmocka_unit_test_setup_teardown(a_reader_that_is_slow_gets_everything, patient, stop),
        cmocka_unit_test_setup_teardown(nothing_of_a_file_is_held_back_while_there_is_nothing_more,
                                        patient, stop),
        cmocka_unit_test_setup_teardown(a_file_that_is_too_short_is_a_loss, patient, stop),
        cmocka_unit_test_setup_teardown(a_reader_of_files_that_stops_reading_is_cut, hurried, stop),
        cmocka_unit_test_setup_teardown(a_reader_of_files_that_leaves_ends_it, patient, stop),
        cmocka_unit_test_setup_teardown(a_stop_cuts_a_reader_of_files_that_waits, patient, stop),
        cmocka_unit_test_setup_teardown(a_client_without_chunks_is_given_no_files, patient, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
