/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that come in and bodies that go out. */
#include "http-fixture.h"

#define JSON_TYPE "Content-Type: application/json; charset=utf-8\r\n"

static void json_is_parsed_and_complained_about(void **state)
{
    uint16_t port = port_of(state);
    Answer answer;

    client_ask(port, "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: 7\r\n\r\n{\"a\":1}",
               &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"a\":1}");
    answer_done(&answer);
    client_ask(port, "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: 4\r\n\r\n{\"a\"",
               &answer);
    assert_int_equal(answer.status, 400);
    assert_non_null(strstr(answer.body, "\"pointer\":\"\""));
    answer_done(&answer);
    assert_int_equal(client_status(port, "POST /echo HTTP/1.1\r\n" HOST
                                         "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"),
                     415);
    assert_int_equal(
        client_status(port, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}"), 415);
    assert_int_equal(
        client_status(port, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"), 204);
    assert_int_equal(client_status(port, "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE
                                         "Transfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n"
                                         "0\r\n\r\n"),
                     200);
}

static void a_body_with_two_lengths_is_refused(void **state)
{
    uint16_t port = port_of(state);

    assert_int_equal(client_status(port, "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE
                                         "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
                                         "0\r\n\r\n"),
                     400);
    assert_int_equal(client_status(port, "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE
                                         "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
                     400);
}

static void one_connection_serves_many_requests(void **state)
{
    static const char *const asks[] = {
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: 2\r\n\r\n{}",
        "GET /hello HTTP/1.1\r\n" HOST "\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}",
        "GET /nothing HTTP/1.1\r\n" HOST "\r\n",
        "PUT /files/x HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
        "GET /file HTTP/1.1\r\n" HOST "\r\n",
        "POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
        "GET /hello HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
        "GET /hello HTTP/1.1\r\n" HOST "\r\n",
    };
    static const int statuses[] = {204, 200, 200, 415, 404, 201, 200, 404, 200, 200};
    int fd = client_connect(port_of(state));

    for (size_t i = 0; i < COR_ARRAY_LEN(asks); i++) {
        Answer answer;
        assert_true(client_say(fd, asks[i]));
        assert_true(client_read_answer(fd, &answer, false));
        assert_int_equal(answer.status, statuses[i]);
        answer_done(&answer);
    }
    (void) close(fd);
}

static void a_body_that_is_too_long_is_413_from_its_header(void **state)
{
    uint16_t port = port_of(state);
    Answer answer;
    int fd = client_connect(port);
    char block[4096];

    /* With the body sent before the answer is read, as many clients do. */
    memset(block, 'x', sizeof(block));
    (void) snprintf(block, sizeof(block),
                    "POST /raw HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
    assert_true(client_say(fd, block));
    for (int i = 0; i < 1000000 / 4000; i++) {
        (void) client_send(fd, block, 4000);
    }
    assert_true(client_read_answer(fd, &answer, false));
    assert_int_equal(answer.status, 413);
    answer_done(&answer);
    (void) close(fd);

    assert_int_equal(client_status(port, "POST /raw HTTP/1.1\r\n" HOST
                                         "Content-Length: 5000000000\r\nExpect: 100-continue\r\n"
                                         "\r\n"),
                     413);
}

static void an_over_long_chunked_body_is_413(void **state)
{
    int fd = client_connect(port_of(state));
    char block[1100];
    Answer answer;

    assert_true(client_say(fd, "POST /raw HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"));
    memset(block, 'x', sizeof(block));
    memcpy(block, "400\r\n", 5);
    memcpy(block + 5 + 1024, "\r\n", 2);
    for (int i = 0; i < 64; i++) {
        (void) client_send(fd, block, 5 + 1024 + 2);
    }
    (void) client_say(fd, "0\r\n\r\n");
    assert_true(client_read_answer(fd, &answer, false));
    assert_int_equal(answer.status, 413);
    assert_string_equal(answer_header(&answer, "Connection"), "close");
    answer_done(&answer);
    (void) close(fd);
}

static void an_upload_streams_to_its_consumer(void **state)
{
    Fixture *fixture = *state;
    static char block[1 << 20];
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];
    COR_CLEANUP(cor_sha256_freep) CorSha256 *sha = cor_sha256_new();
    int fd = client_connect(fixture->port);
    char head[128];
    Answer answer;

    (void) snprintf(head, sizeof(head),
                    "PUT /files/a/b HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", 3 << 20);
    assert_true(client_say(fd, head));
    for (int i = 0; i < 3; i++) {
        memset(block, 'a' + i, sizeof(block));
        cor_sha256_update(sha, block, sizeof(block));
        assert_true(client_send(fd, block, sizeof(block)));
    }
    cor_sha256_final(sha, digest);
    assert_true(client_read_answer(fd, &answer, false));
    assert_int_equal(answer.status, 201);
    assert_non_null(strstr(answer.body, cor_hex_encode(digest, sizeof(digest), hex)));
    answer_done(&answer);
    (void) close(fd);
    assert_int_equal(fixture->uploads_aborted, 0);
}

static void an_upload_can_be_refused_at_each_point(void **state)
{
    Fixture *fixture = *state;
    uint16_t port = fixture->port;

    assert_int_equal(
        client_status(port, "PUT /files/refused HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"),
        409);
    assert_int_equal(fixture->uploads_begun, 0);
    assert_int_equal(
        client_status(port, "PUT /files/x HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nfull"), 507);
    assert_int_equal(client_status(port, "PUT /files/x HTTP/1.1\r\n" HOST
                                         "Transfer-Encoding: chunked\r\n\r\n4\r\nfull\r\n"),
                     507);
    assert_int_equal(
        client_status(port, "PUT /files/x HTTP/1.1\r\n" HOST "Content-Length: 4194305\r\n\r\n"),
        413);
    assert_int_equal(fixture->uploads_begun, 2);
    assert_int_equal(fixture->uploads_aborted, 2);
}

static void an_upload_that_breaks_off_is_aborted(void **state)
{
    Fixture *fixture = *state;
    int fd = client_connect(fixture->port);

    assert_true(client_say(fd, "PUT /files/x HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nab"));
    (void) shutdown(fd, SHUT_WR);
    char rest = 0;
    assert_false(client_read(fd, &rest, 1)); /* the server closes when it has tidied up */
    (void) close(fd);
    assert_true(cor_http_server_drain(fixture->server, 10000));
    assert_int_equal(fixture->uploads_begun, fixture->uploads_aborted);
}

static void assert_range(uint16_t port, const char *headers, int status, const char *content_range,
                         size_t offset, size_t size)
{
    char text[512];
    Answer answer;
    size_t whole = 0;
    char *bytes = file_bytes(&whole);

    (void) snprintf(text, sizeof(text), "GET /file HTTP/1.1\r\n" HOST "%s\r\n", headers);
    client_ask(port, text, &answer);
    assert_int_equal(answer.status, status);
    if (content_range) {
        assert_string_equal(answer_header(&answer, "Content-Range"), content_range);
    } else {
        assert_null(answer_header(&answer, "Content-Range"));
    }
    if (status != 416) {
        assert_int_equal(answer.size, size);
        assert_memory_equal(answer.body, bytes + offset, size);
        assert_string_equal(answer_header(&answer, "ETag"), "\"v1\"");
    }
    answer_done(&answer);
    free(bytes);
}

static void a_file_is_sent_whole_or_in_part(void **state)
{
    uint16_t port = port_of(state);
    Answer answer;

    assert_range(port, "", 200, NULL, 0, 100000);
    assert_range(port, "Range: bytes=10-19\r\n", 206, "bytes 10-19/100000", 10, 10);
    assert_range(port, "Range: bytes=-10\r\n", 206, "bytes 99990-99999/100000", 99990, 10);
    assert_range(port, "Range: bytes=100000-\r\n", 416, "bytes */100000", 0, 0);
    assert_range(port, "Range: bytes=0-1,3-4\r\n", 200, NULL, 0, 100000);
    assert_range(port, "Range: bytes=0-1\r\nIf-Range: \"v1\"\r\n", 206, "bytes 0-1/100000", 0, 2);
    assert_range(port, "Range: bytes=0-1\r\nIf-Range: \"v0\"\r\n", 200, NULL, 0, 100000);

    client_ask(port, "GET /file HTTP/1.1\r\n" HOST "If-None-Match: \"v0\", \"v1\"\r\n\r\n",
               &answer);
    assert_int_equal(answer.status, 304);
    assert_string_equal(answer_header(&answer, "ETag"), "\"v1\"");
    client_ask(port, "HEAD /file HTTP/1.1\r\n" HOST "Range: bytes=0-1\r\n\r\n", &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer_header(&answer, "Content-Length"), "100000");
    assert_string_equal(answer_header(&answer, "Accept-Ranges"), "bytes");
    assert_string_equal(
        answer_header(&answer, "Content-Disposition"),
        "attachment; filename=\"b_r _1_.dcm\"; filename*=UTF-8''b%C3%A4r%20%221%22.dcm");
}

#define ON(server, name) cmocka_unit_test_setup_teardown(name, server, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(open_server, json_is_parsed_and_complained_about),
        ON(open_server, a_body_with_two_lengths_is_refused),
        ON(open_server, one_connection_serves_many_requests),
        ON(open_server, a_body_that_is_too_long_is_413_from_its_header),
        ON(open_server, an_over_long_chunked_body_is_413),
        ON(open_server, an_upload_streams_to_its_consumer),
        ON(open_server, an_upload_can_be_refused_at_each_point),
        ON(open_server, an_upload_that_breaks_off_is_aborted),
        ON(open_server, a_file_is_sent_whole_or_in_part),
    };

    return cmocka_run_group_tests_name("http-body", tests, NULL, NULL);
}
