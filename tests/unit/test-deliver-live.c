/* SPDX-License-Identifier: Apache-2.0 */
/* What connections on /ws and /prod get (interfaces.md section 4). */
#include "deliver-fixture.h"

#include "program/metrics.h"

/* ---- replay ---- */

static void a_client_gets_everything_past_its_cursor_and_then_live_events(void **state)
{
    Deliver *fixture = *state;

    for (int i = 1; i <= 5; i++) {
        deliver_past_event(fixture, "c1", i, 1000 + i);
    }
    ledger_ack(fixture->ledger, "c1", 2);
    int fd = live_open(fixture->port, "/ws?client_id=c1");

    for (int i = 3; i <= 5; i++) {
        live_expect_seq(fd, i);
    }
    deliver_job(fixture, "c1", 6);
    live_expect_seq(fd, 6);
    live_expect_quiet(fd);
    (void) close(fd);
}

static void a_client_gets_everything_after_the_number_it_names(void **state)
{
    Deliver *fixture = *state;

    for (int i = 1; i <= 5; i++) {
        deliver_past_event(fixture, "c1", i, 1000 + i);
    }
    ledger_ack(fixture->ledger, "c1", 5);
    int all = live_open(fixture->port, "/ws?client_id=c1&since=0");
    int some = live_open(fixture->port, "/ws?client_id=c1&since=3");
    int none = live_open(fixture->port, "/ws?client_id=c1&since=5");

    for (int i = 1; i <= 5; i++) {
        live_expect_seq(all, i);
    }
    live_expect_seq(some, 4);
    live_expect_seq(some, 5);
    deliver_job(fixture, "c1", 6);
    live_expect_seq(all, 6);
    live_expect_seq(some, 6);
    live_expect_seq(none, 6);
    (void) close(all);
    (void) close(some);
    (void) close(none);
}

static void a_long_log_is_replayed_once_each_while_new_events_arrive(void **state)
{
    Deliver *fixture = *state;

    for (int i = 1; i <= 500; i++) {
        deliver_past_event(fixture, "c1", i, 1000 + i);
    }
    int fd = live_open(fixture->port, "/ws?client_id=c1&since=0");
    for (int i = 501; i <= 700; i++) {
        deliver_job(fixture, "c1", i);
    }
    for (int i = 1; i <= 700; i++) {
        live_expect_seq(fd, i);
    }
    live_expect_quiet(fd);
    (void) close(fd);
}

static void a_pruned_log_begins_with_a_gap(void **state)
{
    Deliver *fixture = *state;
    int64_t now_unix_ms = cor_time_unix_ms();
    size_t removed = 0;

    for (int i = 1; i <= 6; i++) {
        deliver_past_event(fixture, "c1", i, i <= 4 ? 1000 : now_unix_ms);
    }
    MUST(cor_sql_write(fixture->ledger, ledger_clear_outbox_run, NULL, COR_SQL_RELAXED, &err));
    MUST(cor_deliver_prune(fixture->deliver, &removed, &err));
    assert_int_equal(removed, 4);
    int behind = live_open(fixture->port, "/ws?client_id=c1&since=2");
    int cursor = live_open(fixture->port, "/ws?client_id=c1");
    int edge = live_open(fixture->port, "/ws?client_id=c1&since=4");

    live_expect(behind, "gap", "oldest", 5);
    live_expect_seq(behind, 5);
    live_expect_seq(behind, 6);
    live_expect(cursor, "gap", "oldest", 5);
    live_expect_seq(cursor, 5);
    live_expect_seq(edge, 5);
    (void) close(behind);
    (void) close(cursor);
    (void) close(edge);
}

static void a_log_that_was_pruned_whole_is_a_gap_up_to_the_next_event(void **state)
{
    Deliver *fixture = *state;
    size_t removed = 0;

    deliver_past_event(fixture, "c1", 1, 1000);
    deliver_past_event(fixture, "c1", 2, 1000);
    MUST(cor_sql_write(fixture->ledger, ledger_clear_outbox_run, NULL, COR_SQL_RELAXED, &err));
    MUST(cor_deliver_prune(fixture->deliver, &removed, &err));
    int fd = live_open(fixture->port, "/ws?client_id=c1&since=0");

    live_expect(fd, "gap", "oldest", 3);
    deliver_job(fixture, "c1", 3);
    live_expect_seq(fd, 3);
    (void) close(fd);
}

static void a_number_beyond_the_last_is_a_reset(void **state)
{
    Deliver *fixture = *state;

    deliver_past_event(fixture, "c1", 1, 1000);
    int fd = live_open(fixture->port, "/ws?client_id=c1&since=9");
    int stranger = live_open(fixture->port, "/ws?client_id=c2&since=1");

    live_expect(fd, "reset", "last", 1);
    live_expect(stranger, "reset", "last", 0);
    deliver_job(fixture, "c1", 2);
    deliver_job(fixture, "c2", 1);
    live_expect_seq(fd, 2);
    live_expect_seq(stranger, 1);
    (void) close(fd);
    (void) close(stranger);
}

/* ---- what clients say ---- */

static void an_ack_moves_the_cursor_forward_only(void **state)
{
    Deliver *fixture = *state;

    for (int i = 1; i <= 5; i++) {
        deliver_past_event(fixture, "c1", i, 1000);
    }
    int fd = live_open(fixture->port, "/ws?client_id=c1");
    live_say(fd, "{\"type\":\"ack\",\"seq\":3}");
    live_say(fd, "{\"type\":\"ack\",\"seq\":1}");
    live_close(fd);
    fd = live_open(fixture->port, "/ws?client_id=c1");
    live_expect_seq(fd, 4);
    live_expect_seq(fd, 5);
    live_say(fd, "{\"type\":\"ack\",\"seq\":99}");
    live_close(fd);
    fd = live_open(fixture->port, "/ws?client_id=c1");
    deliver_job(fixture, "c1", 6);
    live_expect_seq(fd, 6);
    live_close(fd);
    fd = live_open(fixture->port, "/ws?client_id=c1&since=0");
    live_expect_seq(fd, 1); /* an ack deletes nothing */
    (void) close(fd);
}

static void a_ping_is_answered_with_what_it_brought(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");

    live_say(fd, "{\"type\":\"ping\"}");
    json_t *pong = live_next(fd);
    assert_int_equal(json_object_size(pong), 1);
    assert_string_equal(cor_json_string(pong, "type", ""), "pong");
    json_decref(pong);
    live_say(fd, "{\"type\":\"ping\",\"t\":{\"a\":[1]}}");
    pong = live_next(fd);
    assert_int_equal(
        json_integer_value(json_array_get(json_object_get(json_object_get(pong, "t"), "a"), 0)), 1);
    json_decref(pong);
    (void) close(fd);
}

static void other_frames_are_answered_with_an_error_and_the_connection_stays(void **state)
{
    static const char *const texts[] = {"hello",
                                        "[1]",
                                        "\"x\"",
                                        "{}",
                                        "{\"type\":7}",
                                        "{\"type\":\"subscribe\"}",
                                        "{\"type\":\"ack\"}",
                                        "{\"type\":\"ack\",\"seq\":\"3\"}",
                                        "{\"type\":\"ack\",\"seq\":-1}",
                                        "{\"type\":\"ack\",\"seq\":1.5}"};
    static const char *const doors[] = {"/ws?client_id=c1", "/prod?client_id=c1", "/prod"};
    Deliver *fixture = *state;

    for (size_t i = 0; i < COR_ARRAY_LEN(doors); i++) {
        int fd = live_open(fixture->port, doors[i]);

        for (size_t j = 0; j < COR_ARRAY_LEN(texts); j++) {
            live_say(fd, texts[j]);
            json_t *frame = live_next(fd);
            assert_string_equal(cor_json_string(frame, "type", ""), "error");
            assert_true(strlen(cor_json_string(frame, "error", "")) > 0);
            json_decref(frame);
        }
        live_expect_quiet(fd);
        (void) close(fd);
    }
}

/* ---- handshakes ---- */

static void a_handshake_with_an_illegal_id_or_number_is_refused(void **state)
{
    static const char *const targets[] = {
        "/ws",
        "/ws?client_id=",
        "/ws?client_id=a%20b",
        "/ws?client_id=a/b",
        "/ws?client_id=c1&since=",
        "/ws?client_id=c1&since=-1",
        "/ws?client_id=c1&since=1x",
        "/ws?client_id=c1&since=99999999999999999999",
        "/prod?client_id=",
        "/prod?client_id=%22",
    };
    Deliver *fixture = *state;

    for (size_t i = 0; i < COR_ARRAY_LEN(targets); i++) {
        int fd = -1;
        assert_int_equal(live_try(fixture->port, targets[i], &fd), 400);
    }
}

static void a_client_has_32_connections_at_most_over_all_doors(void **state)
{
    Deliver *fixture = *state;
    int fds[32];
    int fd = -1;

    for (size_t i = 0; i < COR_ARRAY_LEN(fds); i++) {
        fds[i] = live_open(fixture->port, i % 2 ? "/ws?client_id=c1" : "/prod?client_id=c1");
    }
    assert_int_equal(live_try(fixture->port, "/ws?client_id=c1", &fd), 429);
    assert_int_equal(live_try(fixture->port, "/prod?client_id=c1", &fd), 429);
    fd = live_open(fixture->port, "/ws?client_id=c2"); /* another client's affair */
    (void) close(fd);
    live_close(fds[0]);
    for (int tries = 0; tries < 100000; tries++) { /* until the server has seen the end of it too */
        if (live_try(fixture->port, "/ws?client_id=c1", &fds[0]) == 101) {
            break;
        }
    }
    deliver_job(fixture, "c1", 1);
    for (size_t i = 0; i < COR_ARRAY_LEN(fds); i++) {
        live_expect_seq(fds[i], 1);
        (void) close(fds[i]);
    }
}

static void tabs_get_everything_and_disturb_nobody(void **state)
{
    Deliver *fixture = *state;
    int first = live_open(fixture->port, "/ws?client_id=c1");
    int second = live_open(fixture->port, "/ws?client_id=c1");
    int other = live_open(fixture->port, "/ws?client_id=c2");

    deliver_job(fixture, "c1", 1);
    live_expect_seq(first, 1);
    live_expect_seq(second, 1);
    live_close(first);
    deliver_job(fixture, "c1", 2);
    live_expect_seq(second, 2);
    live_expect_quiet(other);
    int third = live_open(fixture->port, "/ws?client_id=c1&since=1");
    live_expect_seq(third, 2);
    deliver_job(fixture, "c1", 3);
    live_expect_seq(second, 3);
    live_expect_seq(third, 3);
    (void) close(second);
    (void) close(third);
    (void) close(other);
}

static void tabs_share_what_somebody_else_committed(void **state)
{
    Deliver *fixture = *state;
    int tabs[5];
    int number = 0;

    for (size_t i = 0; i < COR_ARRAY_LEN(tabs); i++) {
        tabs[i] = live_open(fixture->port, "/ws?client_id=c1");
        live_expect_quiet(tabs[i]);
    }
    while (number < 40) { /* one by one, in the middle of other results */
        deliver_past_event(fixture, "c1", ++number, cor_time_unix_ms());
        cor_deliver_wake(fixture->deliver, "c1");
        if (number % 10 == 0) {
            deliver_job(fixture, "c1", ++number);
        }
    }
    while (number < 240) { /* more at once than a page holds */
        deliver_past_event(fixture, "c1", ++number, cor_time_unix_ms());
    }
    cor_deliver_wake(fixture->deliver, "c1");
    for (size_t i = 0; i < COR_ARRAY_LEN(tabs); i++) {
        for (int seq = 1; seq <= number; seq++) {
            live_expect_seq(tabs[i], seq);
        }
        live_expect_quiet(tabs[i]);
        (void) close(tabs[i]);
    }
}

/* ---- /prod ---- */

static void on_prod_the_cursor_moves_after_frame_and_pong(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/prod?client_id=c1");

    deliver_job(fixture, "c1", 1);
    live_expect_seq(fd, 1);
    live_ping(fd);
    deliver_job(fixture, "c1", 2);
    live_expect_seq(fd, 2);
    (void) close(fd); /* nothing has come back since 2 */

    fd = live_open(fixture->port, "/prod?client_id=c1");
    live_expect_seq(fd, 2);
    live_say(fd, "{\"type\":\"ping\"}");
    live_expect(fd, "pong", NULL, 0);
    live_close(fd);

    fd = live_open(fixture->port, "/prod?client_id=c1");
    deliver_job(fixture, "c1", 3);
    live_expect_seq(fd, 3);
    (void) close(fd);
}

static void on_prod_there_are_results_only(void **state)
{
    Deliver *fixture = *state;

    for (int i = 1; i <= 3; i++) {
        deliver_past_event(fixture, "c1", i, i == 3 ? cor_time_unix_ms() : 1000);
    }
    size_t removed = 0;
    MUST(cor_sql_write(fixture->ledger, ledger_clear_outbox_run, NULL, COR_SQL_RELAXED, &err));
    MUST(cor_deliver_prune(fixture->deliver, &removed, &err));
    int fd = live_open(fixture->port, "/prod?client_id=c1");
    live_expect_seq(fd, 3); /* no gap is told */
    deliver_job(fixture, "c1", 4);
    live_expect_seq(fd, 4);
    cor_deliver_progress(fixture->deliver, "c1", "c1-5",
                         "{\"type\":\"progress\",\"job_id\":\"c1-5\"}");
    deliver_job(fixture, "c1", 5);
    live_expect_seq(fd, 5);
    (void) close(fd);
}

static void prod_without_a_client_is_accepted_and_never_sent_anything(void **state)
{
    Deliver *fixture = *state;
    int useless = live_open(fixture->port, "/prod");
    int fd = live_open(fixture->port, "/ws?client_id=c1");

    deliver_job(fixture, "c1", 1);
    live_expect_seq(fd, 1);
    live_expect_quiet(useless);
    live_close(useless);
    (void) close(fd);
}

static void the_server_s_own_pings_move_the_cursor_of_prod(void **state)
{
    Deliver *fixture = *state;

    fixture->ping_ms = 400;
    deliver_start(fixture);
    int fd = live_open(fixture->port, "/prod?client_id=c1");
    deliver_job(fixture, "c1", 1);
    live_expect_seq(fd, 1);
    for (int pings = 0; pings < 3;) {
        char *data = NULL;
        size_t size = 0;
        int opcode = live_read_frame(fd, &data, &size);

        assert_int_equal(opcode, LIVE_PING);
        assert_true(live_send_frame(fd, LIVE_PONG, data, size));
        free(data);
        pings++;
    }
    live_close(fd);
    fd = live_open(fixture->port, "/prod?client_id=c1");
    deliver_job(fixture, "c1", 2);
    live_expect_seq(fd, 2);
    (void) close(fd);
}

/* ---- progress ---- */

static void progress_goes_to_the_job_s_client_only(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");
    int other = live_open(fixture->port, "/ws?client_id=c2");

    deliver_job(fixture, "c1", 1); /* from now on it is current */
    live_expect_seq(fd, 1);
    cor_deliver_progress(fixture->deliver, "c1", "j1",
                         "{\"type\":\"progress\",\"job_id\":\"j1\",\"fraction\":0.5}");
    json_t *frame = live_next(fd);
    assert_string_equal(cor_json_string(frame, "type", ""), "progress");
    assert_true(cor_json_number(frame, "fraction", 0) == 0.5);
    assert_null(json_object_get(frame, "seq"));
    json_decref(frame);
    deliver_job(fixture, "c2", 1);
    live_expect_seq(other, 1);
    cor_deliver_progress(fixture->deliver, "nobody", "j1", "{}");
    live_expect_quiet(fd);
    (void) close(fd);
    (void) close(other);
}

/* ---- slow readers ---- */

/* Frames that a connection did not take, in this process so far. */
static double push_failures(void)
{
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(1024 * 1024);
    const char *line = NULL;
    double value = 0;

    cor_metrics_text(text);
    line = strstr(cor_string_text(text), "\ncorsia_push_failures_total ");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "\ncorsia_push_failures_total %lf", &value), 1);
    return value;
}

static void a_slow_reader_is_closed_and_catches_up_when_it_comes_back(void **state)
{
    Deliver *fixture = *state;
    CorWsCounters counters = {0};
    int fd = live_open(fixture->port, "/ws?client_id=c1");
    int fast = live_open(fixture->port, "/ws?client_id=c1");
    double failures = push_failures();
    int number = 0;
    int code = 0;
    int64_t expected = 1;
    int64_t last = 0;

    live_expect_quiet(fd);
    do { /* as many as the kernel's buffers and ours take, and for longer than a burst may last */
        json_t *result = NULL;
        char job_id[COR_ID_SIZE];
        char filler[8192];

        number++;
        memset(filler, 'x', sizeof(filler) - 1);
        filler[sizeof(filler) - 1] = '\0';
        (void) snprintf(job_id, sizeof(job_id), "c1-%d", number);
        ledger_accept(fixture->ledger, job_id, "c1");
        result = deliver_result(job_id, "succeeded");
        (void) json_object_set_new(result, "measurements", json_pack("{s:s}", "long", filler));
        deliver_send(fixture, job_id, result);
        live_expect_seq(fast, number);
        cor_ws_server_counters(fixture->ws, &counters);
        assert_true(counters.bytes_queued <= 2 * BUFFER_BYTES + 16384); /* memory stays flat */
    } while (push_failures() == failures && number < 100000);
    assert_true(number < 100000);

    json_t *frame = NULL;
    while ((frame = live_next_or_end(fd, &code))) {
        last = cor_json_integer(frame, "seq", -1);
        assert_int_equal(last, expected); /* in order up to where it ends */
        expected++;
        json_decref(frame);
    }
    assert_int_equal(code, 1013);
    (void) close(fd);

    char target[128];
    (void) snprintf(target, sizeof(target), "/ws?client_id=c1&since=%lld", (long long) last);
    fd = live_open(fixture->port, target);
    for (int64_t seq = last + 1; seq <= number; seq++) {
        live_expect_seq(fd, seq);
    }
    live_expect_quiet(fd);
    (void) close(fd);
    (void) close(fast);
}

static void a_burst_larger_than_the_buffer_reaches_a_reader_that_reads(void **state)
{
    Deliver *fixture = *state;
    int fd = live_open(fixture->port, "/ws?client_id=c1");

    live_expect_quiet(fd);
    for (int i = 1; i <= 60; i++) { /* 60 times 20 KB, many of them in one batch */
        json_t *result = NULL;
        char job_id[COR_ID_SIZE];
        char *filler = calloc(1, 20000);

        memset(filler, 'x', 19999);
        (void) snprintf(job_id, sizeof(job_id), "c1-%d", i);
        ledger_accept(fixture->ledger, job_id, "c1");
        result = deliver_result(job_id, "succeeded");
        (void) json_object_set_new(result, "measurements", json_pack("{s:s}", "long", filler));
        deliver_send(fixture, job_id, result);
        free(filler);
    }
    for (int i = 1; i <= 60; i++) {
        live_expect_seq(fd, i);
    }
    live_expect_quiet(fd);
    (void) close(fd);
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

#define CASE(test) cmocka_unit_test_setup_teardown(test, deliver_setup, deliver_teardown)
#define CASE_RETENTION(test) \
    cmocka_unit_test_setup_teardown(test, setup_with_retention, deliver_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_client_gets_everything_past_its_cursor_and_then_live_events),
        CASE(a_client_gets_everything_after_the_number_it_names),
        CASE(a_long_log_is_replayed_once_each_while_new_events_arrive),
        CASE_RETENTION(a_pruned_log_begins_with_a_gap),
        CASE_RETENTION(a_log_that_was_pruned_whole_is_a_gap_up_to_the_next_event),
        CASE(a_number_beyond_the_last_is_a_reset),
        CASE(an_ack_moves_the_cursor_forward_only),
        CASE(a_ping_is_answered_with_what_it_brought),
        CASE(other_frames_are_answered_with_an_error_and_the_connection_stays),
        CASE(a_handshake_with_an_illegal_id_or_number_is_refused),
        CASE(a_client_has_32_connections_at_most_over_all_doors),
        CASE(tabs_get_everything_and_disturb_nobody),
        CASE(tabs_share_what_somebody_else_committed),
        CASE(on_prod_the_cursor_moves_after_frame_and_pong),
        CASE_RETENTION(on_prod_there_are_results_only),
        CASE(prod_without_a_client_is_accepted_and_never_sent_anything),
        cmocka_unit_test_setup_teardown(the_server_s_own_pings_move_the_cursor_of_prod,
                                        deliver_setup_stores, deliver_teardown),
        CASE(progress_goes_to_the_job_s_client_only),
        CASE(a_slow_reader_is_closed_and_catches_up_when_it_comes_back),
        CASE(a_burst_larger_than_the_buffer_reaches_a_reader_that_reads),
    };

    return cmocka_run_group_tests_name("deliver-live", tests, NULL, NULL);
}
