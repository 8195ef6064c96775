/* SPDX-License-Identifier: Apache-2.0 */
/* Routing, who may come in, headers: a real server, asked over real sockets. */
#include "http-fixture.h"

#include <errno.h>

enum { HEADER_MAX = 16 * 1024 }; /* what a server allows that is not told otherwise */

/* The body of GET target has this member. */
static void assert_member(uint16_t port, const char *target, const char *name, const char *value)
{
    char text[512];
    Answer answer;
    json_t *json = NULL;

    (void) snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
    client_ask(port, text, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(cor_json_parse(answer.body, answer.size, &json, NULL));
    assert_string_equal(cor_json_string(json, name, ""), value);
    json_decref(json);
    answer_done(&answer);
}

static void a_path_finds_its_route_and_parameters(void **state)
{
    uint16_t port = port_of(state);

    assert_member(port, "/", "path", "/");
    assert_member(port, "/jobs/j1?a=b%20c", "id", "j1");
    assert_member(port, "/jobs/j1?a=b%20c", "a", "b c");
    assert_member(port, "/jobs/special", "path", "/jobs/special");
    assert_member(port, "/jobs/a%2Fb", "id", "a/b");
    assert_member(port, "/objects/pacs/s%2F1/x%20y.dcm", "key", "s/1/x y.dcm");
    assert_member(port, "http://localhost/jobs/abs", "id", "abs");
    assert_int_equal(client_status(port, "GET /jobs/ HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_int_equal(client_status(port, "GET /objects/pacs/ HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_int_equal(client_status(port, "GET /nothing HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_true(cor_http_server_drain(((Fixture *) *state)->server, 20000)); /* all are reported */
    assert_int_equal(((Fixture *) *state)->job_accesses, 4);
}

static void a_target_that_cannot_be_decoded_is_400_and_a_long_one_414(void **state)
{
    uint16_t port = port_of(state);
    char text[9100];

    assert_int_equal(client_status(port, "GET /hello%00x HTTP/1.1\r\n" HOST "\r\n"), 400);
    assert_int_equal(client_status(port, "GET /%zz HTTP/1.1\r\n" HOST "\r\n"), 400);
    assert_int_equal(client_status(port, "GET /%FF HTTP/1.1\r\n" HOST "\r\n"), 400);
    (void) snprintf(text, sizeof(text), "GET /%08500d HTTP/1.1\r\n" HOST "\r\n", 1);
    assert_int_equal(client_status(port, text), 414);
}

/* A request that has so many bytes up to the end of its headers, in one header or in many. */
static char *padded(const char *start, size_t size, size_t piece)
{
    char *text = calloc(1, size + 1);
    assert_non_null(text);
    size_t len = (size_t) snprintf(text, size, "%s", start);

    while (size - 2 - len > 2 * piece) {
        len += (size_t) snprintf(text + len, size - len, "X-Pad: %0*d\r\n", (int) piece - 9, 1);
    }
    len +=
        (size_t) snprintf(text + len, size - len, "X-Pad: %0*d\r\n", (int) (size - 2 - len) - 9, 1);
    memcpy(text + len, "\r\n", 2);
    assert_int_equal(strlen(text), size);
    return text;
}

static bool is_closed(int fd)
{
    char byte = 0;
    ssize_t got = recv(fd, &byte, 1, 0);

    return got == 0 || (got < 0 && errno == ECONNRESET);
}

static void headers_of_any_allowed_length_are_served(void **state)
{
    static const size_t sizes[] = {100, 4096, HEADER_MAX / 2, HEADER_MAX - 1, HEADER_MAX};
    int fd = client_connect(port_of(state));

    for (size_t i = 0; i < 2 * COR_ARRAY_LEN(sizes); i++) { /* on one connection */
        Answer answer;
        char *text =
            padded("GET /hello HTTP/1.1\r\n" HOST, sizes[i / 2], i % 2 ? 40 : SIZE_MAX / 2);
        assert_true(client_say(fd, text));
        assert_true(client_read_answer(fd, &answer, false));
        assert_int_equal(answer.status, 200);
        answer_done(&answer);
        free(text);
    }
    (void) close(fd);
}

static void headers_that_are_too_long_are_431_and_end_the_connection(void **state)
{
    static const size_t sizes[] = {HEADER_MAX + 1, HEADER_MAX + 1000, 2 * HEADER_MAX,
                                   3 * HEADER_MAX};
    static const char *const starts[] = {
        "GET /hello HTTP/1.1\r\n" HOST,
        "POST /raw HTTP/1.1\r\n" HOST "Content-Length: 5\r\n",
        "PUT /files/x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n",
    };
    Fixture *fixture = *state;

    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        for (size_t j = 0; j < 2 * COR_ARRAY_LEN(starts); j++) {
            int fd = client_connect(fixture->port);
            Answer answer;
            char *text = padded(starts[j / 2], sizes[i], j % 2 ? 40 : SIZE_MAX / 2);
            assert_true(client_say(fd, text));
            assert_true(client_read_answer(fd, &answer, false));
            assert_int_equal(answer.status, 431);
            assert_string_equal(answer_header(&answer, "Connection"), "close");
            assert_true(is_closed(fd));
            answer_done(&answer);
            (void) close(fd);
            free(text);
        }
    }
    assert_int_equal(fixture->uploads_begun, 0);
    assert_int_equal(client_status(fixture->port, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
}

static void a_known_path_without_the_method_is_405_and_says_which(void **state)
{
    Answer answer;

    client_ask(port_of(state), "POST /jobs/j1 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
               &answer);
    assert_int_equal(answer.status, 405);
    assert_string_equal(answer_header(&answer, "Allow"), "GET, HEAD, DELETE, OPTIONS");
    assert_string_equal(answer_header(&answer, "Content-Type"), "application/problem+json");
    assert_non_null(strstr(answer.body, "\"status\":405"));
    assert_non_null(strstr(answer.body, "\"error\":"));
    answer_done(&answer);
}

static void head_is_get_without_its_body(void **state)
{
    Answer answer;
    char rest = 0;
    int fd = client_connect(port_of(state));

    assert_true(client_say(fd, "HEAD /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    assert_true(client_read_answer(fd, &answer, true));
    assert_int_equal(answer.status, 200);
    assert_string_not_equal(answer_header(&answer, "Content-Length"), "0");
    assert_false(client_read(fd, &rest, 1));
    (void) close(fd);
}

static void every_answer_has_security_headers(void **state)
{
    Answer answer;

    client_ask(port_of(state), "GET /hello HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_string_equal(answer_header(&answer, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(answer_header(&answer, "Referrer-Policy"), "no-referrer");
    assert_string_equal(answer_header(&answer, "Content-Security-Policy"), "default-src 'self'");
    assert_string_equal(answer_header(&answer, "Vary"), "Origin");
    assert_null(answer_header(&answer, "Access-Control-Allow-Origin"));
    answer_done(&answer);
}

static void an_unknown_host_is_misdirected(void **state)
{
    uint16_t port = port_of(state);

    assert_int_equal(client_status(port, "GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 421);
    assert_int_equal(client_status(port, "GET /hello HTTP/1.1\r\nHost: pacs.local:80\r\n\r\n"),
                     200);
    assert_int_equal(client_status(port, "GET http://evil/hello HTTP/1.1\r\n" HOST "\r\n"), 421);
    assert_int_equal(client_status(port, "GET /hello HTTP/1.1\r\n" HOST "Host: b\r\n\r\n"), 400);
    assert_int_equal(client_status(port, "GET /hello HTTP/1.1\r\n\r\n"), 400);
}

static void only_allowed_origins_get_cors_headers(void **state)
{
    uint16_t port = port_of(state);
    Answer answer;

    client_ask(port, "GET /hello HTTP/1.1\r\n" HOST "Origin: https://viewer.example\r\n\r\n",
               &answer);
    assert_string_equal(answer_header(&answer, "Access-Control-Allow-Origin"),
                        "https://viewer.example");
    assert_string_equal(answer_header(&answer, "Access-Control-Expose-Headers"),
                        "accept-ranges, content-length, content-range, etag, link, location,"
                        " preference-applied, retry-after, warning");
    answer_done(&answer);

    client_ask(port, "GET /hello HTTP/1.1\r\n" HOST "Origin: https://evil.example\r\n\r\n",
               &answer);
    assert_int_equal(answer.status, 200);
    assert_null(answer_header(&answer, "Access-Control-Allow-Origin"));
    answer_done(&answer);

    assert_int_equal(client_status(port, "DELETE /jobs/1 HTTP/1.1\r\n" HOST
                                         "Origin: https://evil.example\r\n\r\n"),
                     403);
    assert_int_equal(client_status(port, "DELETE /jobs/1 HTTP/1.1\r\n" HOST "Origin: null\r\n\r\n"),
                     403);
    assert_int_equal(
        client_status(port, "GET /ws HTTP/1.1\r\n" HOST "Origin: https://evil.example\r\n\r\n"),
        403);
    assert_int_equal(client_status(port, "DELETE /jobs/1 HTTP/1.1\r\nHost: pacs.local\r\n"
                                         "Origin: http://pacs.local\r\n\r\n"),
                     200);
}

static void a_preflight_is_answered(void **state)
{
    uint16_t port = port_of(state);
    Answer answer;

    client_ask(port,
               "OPTIONS /echo HTTP/1.1\r\n" HOST "Origin: http://localhost:5173\r\n"
               "Access-Control-Request-Method: POST\r\n\r\n",
               &answer);
    assert_int_equal(answer.status, 204);
    assert_string_equal(answer_header(&answer, "Access-Control-Allow-Methods"), "POST, OPTIONS");
    assert_string_equal(answer_header(&answer, "Access-Control-Allow-Headers"),
                        "accept, authorization, content-type, if-none-match, last-event-id,"
                        " prefer, range");
    client_ask(port, "OPTIONS /echo HTTP/1.1\r\n" HOST "Origin: https://evil.example\r\n\r\n",
               &answer);
    assert_int_equal(answer.status, 204);
    assert_null(answer_header(&answer, "Access-Control-Allow-Methods"));
    assert_int_equal(client_status(port, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 204);
    assert_int_equal(client_status(port, "OPTIONS /nothing HTTP/1.1\r\n" HOST "\r\n"), 404);
}

static void a_handler_that_says_nothing_or_nonsense_is_a_500(void **state)
{
    uint16_t port = port_of(state);

    assert_int_equal(client_status(port, "GET /silent HTTP/1.1\r\n" HOST "\r\n"), 500);
    assert_int_equal(client_status(port, "GET /splitting?to=a%0D%0AX:b HTTP/1.1\r\n" HOST "\r\n"),
                     500);
    assert_int_equal(client_status(port, "GET /splitting?to=ab HTTP/1.1\r\n" HOST "\r\n"), 204);
}

static void an_integer_in_the_query_is_checked(void **state)
{
    uint16_t port = port_of(state);

    assert_int_equal(client_status(port, "GET /limit?limit=100 HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_int_equal(client_status(port, "GET /limit HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_int_equal(client_status(port, "GET /limit?limit=101 HTTP/1.1\r\n" HOST "\r\n"), 400);
    assert_int_equal(client_status(port, "GET /limit?limit= HTTP/1.1\r\n" HOST "\r\n"), 400);
    assert_int_equal(client_status(port, "GET /limit?limit=1e1 HTTP/1.1\r\n" HOST "\r\n"), 400);
    assert_int_equal(
        client_status(port, "GET /limit?limit=99999999999999999999 HTTP/1.1\r\n" HOST "\r\n"), 400);
}

static void without_the_token_only_public_routes_answer(void **state)
{
    Fixture *fixture = *state;
    uint16_t port = fixture->port;
    char ticket[COR_HTTP_TICKET_SIZE];
    char text[512];
    Answer answer;

    assert_int_equal(client_status(port, "GET /open HTTP/1.1\r\n" HOST "\r\n"), 200);
    client_ask(port, "GET /hello HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 401);
    assert_string_equal(answer_header(&answer, "WWW-Authenticate"), "Bearer realm=\"corsia\"");
    answer_done(&answer);
    assert_int_equal(client_status(port, "GET /hello HTTP/1.1\r\n" HOST
                                         "Authorization: Bearer s3cret-token-of-the-test\r\n\r\n"),
                     200);
    assert_int_equal(
        client_status(port, "GET /hello HTTP/1.1\r\n" HOST "Authorization: Bearer s3cret\r\n\r\n"),
        401);
    assert_int_equal(client_status(port,
                                   "GET /ws HTTP/1.1\r\n" HOST "Sec-WebSocket-Protocol: corsia,"
                                   " bearer.s3cret-token-of-the-test\r\n\r\n"),
                     200);
    assert_int_equal(client_status(port, "GET /hello HTTP/1.1\r\n" HOST "Sec-WebSocket-Protocol: "
                                         "bearer.s3cret-token-of-the-test\r\n\r\n"),
                     401);
    for (int i = 0; i < 2; i++) {
        const char *path = i == 0 ? "/ws" : "/events";
        assert_true(cor_http_tickets_issue(fixture->tickets, ticket, NULL));
        (void) snprintf(text, sizeof(text), "GET %s?ticket=%s HTTP/1.1\r\n" HOST "\r\n", path,
                        ticket);
        assert_int_equal(client_status(port, text), 200);
        assert_int_equal(client_status(port, text), 401);
    }
}

static void a_server_says_why_it_does_not_start(void **state)
{
    static const CorHttpRoute bad[] = {{.method = "GET", .pattern = "/a{b}", .handler = hello}};
    const char *listen[] = {"127.0.0.1:0"};
    char taken[32];
    CorHttpServer *server = NULL;
    CorError err = {0};
    CorHttpServerOptions options = {
        .listen = listen, .listen_len = 1, .routes = bad, .routes_len = 1};

    assert_false(cor_http_server_start(&options, &server, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    options.routes_len = 0;
    listen[0] = "8080";
    assert_false(cor_http_server_start(&options, &server, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    (void) snprintf(taken, sizeof(taken), "127.0.0.1:%u", port_of(state));
    listen[0] = taken;
    assert_false(cor_http_server_start(&options, &server, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    assert_null(server);
}

#define ON(server, name) cmocka_unit_test_setup_teardown(name, server, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(open_server, a_path_finds_its_route_and_parameters),
        ON(open_server, a_target_that_cannot_be_decoded_is_400_and_a_long_one_414),
        ON(open_server, headers_of_any_allowed_length_are_served),
        ON(open_server, headers_that_are_too_long_are_431_and_end_the_connection),
        ON(open_server, a_known_path_without_the_method_is_405_and_says_which),
        ON(open_server, head_is_get_without_its_body),
        ON(open_server, every_answer_has_security_headers),
        ON(open_server, an_unknown_host_is_misdirected),
        ON(open_server, only_allowed_origins_get_cors_headers),
        ON(open_server, a_preflight_is_answered),
        ON(open_server, a_handler_that_says_nothing_or_nonsense_is_a_500),
        ON(open_server, an_integer_in_the_query_is_checked),
        ON(token_server, without_the_token_only_public_routes_answer),
        ON(open_server, a_server_says_why_it_does_not_start),
    };

    return cmocka_run_group_tests_name("http-server", tests, NULL, NULL);
}
