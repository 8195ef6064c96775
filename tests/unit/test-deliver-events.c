/* SPDX-License-Identifier: Apache-2.0 */
/* The log over plain HTTP: Server-Sent Events and pages. */
#include "deliver-fixture.h"

/* A connection that reads an event stream line by line. */
typedef struct Stream {
    int fd;
    char *chunk; /* what is left of the present chunk */
    size_t size;
    size_t at;
} Stream;

/* One block: its fields; data is parsed. */
typedef struct Block {
    char event[64];
    char id[32];
    json_t *data;
} Block;

static Stream stream_open(uint16_t port, const char *target, const char *headers)
{
    Stream stream = {.fd = client_connect(port)};
    char request[1024];
    Answer answer = {0};

    (void) snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "%s\r\n", target, headers);
    assert_true(client_send(stream.fd, request, strlen(request)));
    assert_true(client_read_head(stream.fd, &answer));
    assert_int_equal(answer.status, 200);
    assert_true(strncmp(answer_header(&answer, "Content-Type"), "text/event-stream", 17) == 0);
    assert_string_equal(answer_header(&answer, "Cache-Control"), "no-store");
    return stream;
}

static void stream_close(Stream *stream)
{
    free(stream->chunk);
    (void) close(stream->fd);
}

static int stream_byte(Stream *stream)
{
    char line[64];
    unsigned size = 0;

    if (stream->at < stream->size) {
        return (unsigned char) stream->chunk[stream->at++];
    }
    assert_true(client_read_line(stream->fd, line, sizeof(line)));
    assert_int_equal(sscanf(line, "%x", &size), 1);
    assert_true(size > 0);
    stream->chunk = realloc(stream->chunk, size);
    assert_true(client_read(stream->fd, stream->chunk, size));
    assert_true(client_read_line(stream->fd, line, sizeof(line)));
    stream->size = size;
    stream->at = 1;
    return (unsigned char) stream->chunk[0];
}

static void stream_line(Stream *stream, char *line, size_t size)
{
    size_t len = 0;

    for (;;) {
        int c = stream_byte(stream);

        if (c == '\n') {
            line[len] = '\0';
            return;
        }
        assert_true(len + 1 < size);
        line[len++] = (char) c;
    }
}

static Block stream_next(Stream *stream)
{
    static char line[512 * 1024];
    Block block = {0};

    for (;;) {
        stream_line(stream, line, sizeof(line));
        if (line[0] == '\0' && block.data) {
            return block;
        }
        (void) sscanf(line, "event: %63s", block.event);
        (void) sscanf(line, "id: %31s", block.id);
        if (strncmp(line, "data: ", 6) == 0) {
            MUST(cor_json_parse(line + 6, strlen(line + 6), &block.data, &err));
        }
    }
}

static void expect_event(Stream *stream, int64_t seq)
{
    Block block = stream_next(stream);
    char id[32];

    assert_string_equal(block.event, "result");
    (void) snprintf(id, sizeof(id), "%lld", (long long) seq);
    assert_string_equal(block.id, id);
    assert_int_equal(cor_json_integer(block.data, "seq", -1), seq);
    json_decref(block.data);
}

static void expect_control(Stream *stream, const char *event, const char *member, int64_t value)
{
    Block block = stream_next(stream);

    assert_string_equal(block.event, event);
    assert_string_equal(cor_json_string(block.data, "type", ""), event);
    if (member) {
        assert_int_equal(cor_json_integer(block.data, member, -1), value);
    }
    json_decref(block.data);
}

/* ---- streams ---- */

static void a_stream_replays_and_goes_on_live(void **state)
{
    Deliver *fixture = *state;

    for (int i = 1; i <= 200; i++) {
        deliver_past_event(fixture, "c1", i, 1000);
    }
    Stream stream = stream_open(fixture->port, "/clients/c1/events?since=50", "");
    for (int i = 51; i <= 200; i++) {
        expect_event(&stream, i);
    }
    deliver_job(fixture, "c1", 201);
    expect_event(&stream, 201);
    stream_close(&stream);
}

static void the_last_event_id_wins_over_since(void **state)
{
    Deliver *fixture = *state;

    for (int i = 1; i <= 5; i++) {
        deliver_past_event(fixture, "c1", i, 1000);
    }
    ledger_ack(fixture->ledger, "c1", 1);
    Stream by_id = stream_open(fixture->port, "/clients/c1/events?since=1", "Last-Event-ID: 3\r\n");
    Stream by_cursor =
        stream_open(fixture->port, "/clients/c1/events", "Accept: text/event-stream\r\n");

    expect_event(&by_id, 4);
    expect_event(&by_id, 5);
    expect_event(&by_cursor, 2);
    stream_close(&by_id);
    stream_close(&by_cursor);
}

static void gap_reset_and_progress_are_events_of_these_names(void **state)
{
    Deliver *fixture = *state;
    size_t removed = 0;

    deliver_past_event(fixture, "c1", 1, 1000);
    deliver_past_event(fixture, "c1", 2, cor_time_unix_ms());
    MUST(cor_sql_write(fixture->ledger, ledger_clear_outbox_run, NULL, COR_SQL_RELAXED, &err));
    MUST(cor_deliver_prune(fixture->deliver, &removed, &err));
    Stream gap = stream_open(fixture->port, "/clients/c1/events?since=0", "");
    Stream reset = stream_open(fixture->port, "/clients/c1/events?since=7", "");

    expect_control(&gap, "gap", "oldest", 2);
    expect_event(&gap, 2);
    expect_control(&reset, "reset", "last", 2);
    deliver_job(fixture, "c1", 3); /* from now on both are current */
    expect_event(&gap, 3);
    expect_event(&reset, 3);
    cor_deliver_progress(fixture->deliver, "c1", "j1", "{\"type\":\"progress\",\"job_id\":\"j1\"}");
    expect_control(&gap, "progress", NULL, 0);
    expect_control(&reset, "progress", NULL, 0);
    stream_close(&gap);
    stream_close(&reset);
}

static void streams_count_as_connections_and_leave_when_their_peer_does(void **state)
{
    Deliver *fixture = *state;
    Stream streams[32];
    static const char request[] = "GET /clients/c1/events HTTP/1.1\r\n" HOST "\r\n";

    for (size_t i = 0; i < COR_ARRAY_LEN(streams); i++) {
        streams[i] = stream_open(fixture->port, "/clients/c1/events", "");
    }
    assert_int_equal(client_status(fixture->port, request), 429);
    for (size_t i = 0; i < COR_ARRAY_LEN(streams); i++) {
        stream_close(&streams[i]);
    }
    deliver_job(fixture, "c1", 1);
    deliver_stop(fixture); /* frees every stream: the sanitizers see what is left */
    deliver_start(fixture);
    Stream again = stream_open(fixture->port, "/clients/c1/events", "");
    expect_event(&again, 1);
    stream_close(&again);
}

/* ---- pages ---- */

static json_t *get_page(Deliver *fixture, const char *target)
{
    char request[512];
    Answer answer = {0};
    json_t *page = NULL;

    (void) snprintf(request, sizeof(request),
                    "GET %s HTTP/1.1\r\n" HOST "Accept: application/json\r\n\r\n", target);
    client_ask(fixture->port, request, &answer);
    assert_int_equal(answer.status, 200);
    assert_true(strncmp(answer_header(&answer, "Content-Type"), "application/json", 16) == 0);
    MUST(cor_json_parse(answer.body, answer.size, &page, &err));
    answer_done(&answer);
    return page;
}

static void pages_follow_each_other_to_the_end(void **state)
{
    Deliver *fixture = *state;
    int64_t expected = 1;
    int64_t since = 0;

    for (int i = 1; i <= 25; i++) {
        deliver_past_event(fixture, "c1", i, 1000);
    }
    while (since >= 0) {
        char target[128];

        (void) snprintf(target, sizeof(target), "/clients/c1/events?since=%lld&limit=10",
                        (long long) since);
        json_t *page = get_page(fixture, target);
        json_t *events = json_object_get(page, "events");
        size_t index = 0;
        json_t *event = NULL;

        json_array_foreach(events, index, event)
        {
            assert_int_equal(cor_json_integer(event, "seq", -1), expected);
            expected++;
        }
        assert_int_equal(cor_json_integer(page, "last", -1), 25);
        assert_int_equal(cor_json_integer(page, "oldest", -1), 1);
        since = cor_json_integer(page, "next", -1);
        json_decref(page);
    }
    assert_int_equal(expected, 26);
}

static void a_page_of_nothing_says_where_the_log_stands(void **state)
{
    Deliver *fixture = *state;
    json_t *page = get_page(fixture, "/clients/stranger/events");

    assert_int_equal(json_array_size(json_object_get(page, "events")), 0);
    assert_int_equal(cor_json_integer(page, "last", -1), 0);
    assert_int_equal(cor_json_integer(page, "oldest", -1), 1);
    assert_null(json_object_get(page, "next"));
    json_decref(page);
}

static void a_page_begins_at_the_cursor_unless_told_otherwise(void **state)
{
    Deliver *fixture = *state;

    for (int i = 1; i <= 5; i++) {
        deliver_past_event(fixture, "c1", i, 1000);
    }
    ledger_ack(fixture->ledger, "c1", 3);
    json_t *page = get_page(fixture, "/clients/c1/events");
    json_t *first = json_array_get(json_object_get(page, "events"), 0);

    assert_int_equal(json_array_size(json_object_get(page, "events")), 2);
    assert_int_equal(cor_json_integer(first, "seq", -1), 4);
    json_decref(page);
}

static void what_is_wrong_with_a_request_is_said(void **state)
{
    static const char *const requests[] = {
        "GET /clients/a%20b/events HTTP/1.1\r\n" HOST "\r\n",
        "GET /clients/c1/events?since=x HTTP/1.1\r\n" HOST "\r\n",
        "GET /clients/c1/events HTTP/1.1\r\n" HOST "Last-Event-ID: x\r\n\r\n",
        "GET /clients/c1/events?limit=0 HTTP/1.1\r\n" HOST "Accept: application/json\r\n\r\n",
        "GET /clients/c1/events?limit=1001 HTTP/1.1\r\n" HOST "Accept: application/json\r\n\r\n",
    };
    Deliver *fixture = *state;

    for (size_t i = 0; i < COR_ARRAY_LEN(requests); i++) {
        assert_int_equal(client_status(fixture->port, requests[i]), 400);
    }
}

static int setup_with_retention(void **state)
{
    Deliver *fixture = NULL;

    (void) deliver_setup_stores(state);
    fixture = *state;
    fixture->retention_ms = 3600000;
    deliver_start(fixture);
    return 0;
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup_with_retention, deliver_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_stream_replays_and_goes_on_live),
        CASE(the_last_event_id_wins_over_since),
        CASE(gap_reset_and_progress_are_events_of_these_names),
        CASE(streams_count_as_connections_and_leave_when_their_peer_does),
        CASE(pages_follow_each_other_to_the_end),
        CASE(a_page_of_nothing_says_where_the_log_stands),
        CASE(a_page_begins_at_the_cursor_unless_told_otherwise),
        CASE(what_is_wrong_with_a_request_is_said),
    };

    return cmocka_run_group_tests_name("deliver-events", tests, NULL, NULL);
}
