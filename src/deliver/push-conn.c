/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a connection.
 *
 *     OPENING --open--> CATCHING <--buffer empty-- WAITING
 *        |               |  ^  |                     ^
 *        |               |  |  +----half full--------+
 *        |        at the |  | a number is missing,
 *        |           end |  | or somebody else wrote
 *        |               v  |
 *        |              CURRENT            any state --peer gone--> CLOSED
 *        +--------------------------------------------------------> CLOSED
 *
 *   OPENING  -> CATCHING  cor_deliver_priv_conn_open()
 *   CATCHING -> CURRENT, WAITING   go_on(), after a page
 *   WAITING  -> CATCHING  cor_deliver_priv_conn_drained()
 *   CURRENT  -> CATCHING  cor_deliver_priv_conn_offer(), cor_deliver_priv_conn_wake()
 *   CURRENT  -> WAITING   cor_deliver_priv_conn_offer(), a burst that the buffer cannot hold
 *   any      -> CLOSED    cor_deliver_priv_conn_close()
 *
 * next_seq makes "exactly once, in order" true: nothing goes out but the event of that number, and
 * sending it is what moves the number on.  While a page is on its way the live events only raise
 * newest_seq, so that the connection knows that there is more to read.  Pages are asked for one at
 * a time and not while the buffer is half full: a reader that is behind is fed at its own pace, and
 * one that is current but does not read is closed by ws/ with 1013.
 *
 * On /prod the cursor moves by itself: over every frame that the socket has taken before a pong or
 * ping came (interfaces.md section 4).
 */
#include "deliver/push.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/string.h"
#include "base/time.h"
#include "deliver/push-priv.h"
#include "program/failpoint.h"
#include "program/metrics.h"

#define CONTROL_MAX 128
#define SSE_SLACK 256
#define SLOW_MS 2000

#define BIT(state) (1u << (state))

static const char *const state_names[] = {
    [COR_PUSH_OPENING] = "opening", [COR_PUSH_CATCHING] = "catching",
    [COR_PUSH_WAITING] = "waiting", [COR_PUSH_CURRENT] = "current",
    [COR_PUSH_CLOSED] = "closed",
};
static_assert(COR_ARRAY_LEN(state_names) == COR_PUSH_STATE_COUNT_, "name every state");

static const uint32_t allowed_next[COR_PUSH_STATE_COUNT_] = {
    [COR_PUSH_OPENING] = BIT(COR_PUSH_CATCHING) | BIT(COR_PUSH_CLOSED),
    [COR_PUSH_CATCHING] = BIT(COR_PUSH_WAITING) | BIT(COR_PUSH_CURRENT) | BIT(COR_PUSH_CLOSED),
    [COR_PUSH_WAITING] = BIT(COR_PUSH_CATCHING) | BIT(COR_PUSH_CLOSED),
    [COR_PUSH_CURRENT] = BIT(COR_PUSH_CATCHING) | BIT(COR_PUSH_WAITING) | BIT(COR_PUSH_CLOSED),
};

static CorMetric messages_pushed =
    COR_METRIC_COUNTER("corsia_messages_pushed_total", "Event frames given to connections.");
static CorMetric push_failures = COR_METRIC_COUNTER(
    "corsia_push_failures_total", "Event frames that a connection did not take; it catches up.");
static CorMetric disconnected =
    COR_METRIC_COUNTER("corsia_disconnected_total", "Connections of clients that ended.");

/* The only place that assigns conn->state. */
static void move(CorPushConn *conn, CorPushState next)
{
    if (!(allowed_next[conn->state] & BIT(next))) {
        assert(!"a connection cannot go there");
        return;
    }
    conn->state = next;
}

void cor_deliver_priv_push_show_metrics(void)
{
    cor_metric_register(&messages_pushed);
    cor_metric_register(&push_failures);
    cor_metric_register(&disconnected);
}

/* ---- Life ---- */

bool cor_deliver_priv_conn_new(CorPush *push, CorPushDoor door, const char *client_id,
                               CorPushConn **ret_conn, CorError *err)
{
    CorPushConn *conn = cor_new(CorPushConn);

    if (!conn) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a connection");
    }
    if (client_id && !cor_deliver_priv_client_join(push, client_id, &conn->client, err)) {
        free(conn);
        return false;
    }
    atomic_init(&conn->refs, 1);
    atomic_init(&conn->has_slot, client_id != NULL);
    conn->push = cor_deliver_priv_push_ref(push);
    conn->door = door;
    conn->since = COR_PUSH_SINCE_CURSOR;
    *ret_conn = conn;
    return true;
}

CorPushConn *cor_deliver_priv_conn_ref(CorPushConn *conn)
{
    atomic_fetch_add_explicit(&conn->refs, 1, memory_order_relaxed);
    return conn;
}

void cor_deliver_priv_conn_unref(CorPushConn *conn)
{
    if (!conn || atomic_fetch_sub_explicit(&conn->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (conn->client) {
        cor_deliver_priv_client_unref(conn->push, conn->client);
    }
    cor_http_stream_unref(conn->stream);
    cor_deliver_priv_push_unref(conn->push);
    free(conn);
}

/* Ask for the next page.  Without memory, or while stopping, the connection is closed: it comes
 * back and reads the log then. */
static void ask(CorPushConn *conn)
{
    conn->looks_again = false;
    if (cor_deliver_priv_catchup_ask(conn->push->catchup, conn)) {
        return;
    }
    if (conn->door == COR_PUSH_SSE) {
        cor_http_stream_abort(conn->stream);
    } else {
        cor_ws_close(conn->ws, 1013, "try again later");
    }
}

void cor_deliver_priv_conn_open(CorPushConn *conn)
{
    CorPushClient *client = conn->client;

    if (!client || conn->state != COR_PUSH_OPENING) {
        return;
    }
    conn->next = client->conns;
    if (conn->next) {
        conn->next->previous = conn;
    }
    client->conns = conn;
    move(conn, COR_PUSH_CATCHING);
    cor_deliver_priv_catchup_ack(conn->push->catchup, conn, 0);
    ask(conn);
}

void cor_deliver_priv_conn_close(CorPushConn *conn)
{
    CorPushClient *client = conn->client;

    assert(conn->state != COR_PUSH_CLOSED);

    if (client && conn->state != COR_PUSH_OPENING) {
        if (conn->previous) {
            conn->previous->next = conn->next;
        } else {
            client->conns = conn->next;
        }
        if (conn->next) {
            conn->next->previous = conn->previous;
        }
        conn->next = NULL;
        conn->previous = NULL;
        cor_metric_add(&disconnected, NULL, 1);
    }
    move(conn, COR_PUSH_CLOSED);
    if (atomic_exchange(&conn->has_slot, false)) {
        cor_deliver_priv_client_leave(conn->push, client);
    }
    cor_deliver_priv_conn_unref(conn);
}

/* ---- Sending ---- */

static size_t queued(const CorPushConn *conn)
{
    return conn->door == COR_PUSH_SSE ? cor_http_stream_pending(conn->stream)
                                      : cor_ws_session_queued(conn->ws);
}

static bool is_half_full(const CorPushConn *conn)
{
    return queued(conn) >= conn->push->options.buffer_bytes / 2;
}

static bool send_ws(CorPushConn *conn, CorBytes *ws)
{
    if (!cor_ws_send(conn->ws, ws)) {
        return false;
    }
    conn->frames++;
    return true;
}

/* A block of Server-Sent Events (WHATWG HTML section 9.2.6); id 0 for one without a number. Compact
 * JSON has no line breaks, so it is one data line. */
static bool send_sse(CorPushConn *conn, const char *event, int64_t id, CorBytes *json)
{
    size_t size = cor_bytes_size(json);
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(size + SSE_SLACK);

    if (id > 0) {
        cor_string_printf(text, "id: %lld\n", (long long) id);
    }
    cor_string_printf(text, "event: %s\ndata: ", event);
    cor_string_append(text, cor_bytes_data(json), size);
    cor_string_append(text, "\n\n", 2);
    if (!cor_string_check(text, NULL) ||
        !cor_http_stream_write(conn->stream, cor_string_text(text), cor_string_size(text), NULL)) {
        cor_http_stream_abort(conn->stream); /* too slow, or gone: it comes back with its id */
        return false;
    }
    return true;
}

/* The event with number next_seq. */
static bool send_event(CorPushConn *conn, CorDeliverFrame *frame)
{
    bool is_sent = false;
    int64_t seq = cor_deliver_priv_frame_seq(frame);

    if (queued(conn) == 0) {
        conn->busy_since_ms = cor_time_ms();
    }
    COR_FAILPOINT(WHILE_PUSHING);
    is_sent = conn->door == COR_PUSH_SSE
                  ? send_sse(conn, "result", seq, cor_deliver_priv_frame_json(frame))
                  : send_ws(conn, cor_deliver_priv_frame_ws(frame));
    if (!is_sent) {
        cor_metric_add(&push_failures, NULL, 1);
        return false;
    }
    cor_metric_add(&messages_pushed, NULL, 1);
    conn->next_seq = seq + 1;
    return true;
}

/* {"type":"gap","oldest":M} or {"type":"reset","last":L}; not on /prod, which has results only. */
static void send_control(CorPushConn *conn, const char *type, const char *member, int64_t value)
{
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *bytes = NULL;
    char text[CONTROL_MAX];
    int len = snprintf(text, sizeof(text), "{\"type\":\"%s\",\"%s\":%lld}", type, member,
                       (long long) value);

    if (conn->door == COR_PUSH_PROD) {
        return;
    }
    if (conn->door == COR_PUSH_LIVE) {
        cor_deliver_priv_conn_say(conn, text);
        return;
    }
    bytes = cor_bytes_new(text, (size_t) len);
    if (bytes) {
        (void) send_sse(conn, type, strcmp(type, "reset") == 0 ? value : 0, bytes);
    }
}

void cor_deliver_priv_conn_say(CorPushConn *conn, const char *json)
{
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *frame = cor_ws_frame_new(json, strlen(json));

    if (frame) {
        (void) send_ws(conn, frame);
    }
}

/* ---- Live ---- */

static bool has_room(const CorPushConn *conn, CorDeliverFrame *frame)
{
    size_t size = cor_bytes_size(cor_deliver_priv_frame_json(frame)) + SSE_SLACK;
    size_t waiting = queued(conn);

    return waiting == 0 || waiting + size <= conn->push->options.buffer_bytes;
}

static bool is_slow(const CorPushConn *conn)
{
    return cor_time_ms() - conn->busy_since_ms >= SLOW_MS;
}

/* A live event while the buffer is full. */
static void overflow(CorPushConn *conn, CorDeliverFrame *frame)
{
    if (!is_slow(conn)) {
        move(conn, COR_PUSH_WAITING);
        return;
    }
    (void) send_event(conn, frame); /* what does not fit closes it, with 1013 */
}

/* It waits, and there is more. */
static void lose_patience(CorPushConn *conn)
{
    if (!is_slow(conn) || conn->is_given_up) {
        return;
    }
    conn->is_given_up = true;
    cor_metric_add(&push_failures, NULL, 1);
    if (conn->door == COR_PUSH_SSE) {
        cor_http_stream_abort(conn->stream);
    } else {
        cor_ws_close(conn->ws, 1013, "reads too slowly");
    }
}

void cor_deliver_priv_conn_offer(CorPushConn *conn, CorDeliverFrame *frame)
{
    int64_t seq = cor_deliver_priv_frame_seq(frame);

    conn->newest_seq = COR_MAX(conn->newest_seq, seq);
    if (conn->state == COR_PUSH_WAITING) {
        lose_patience(conn);
    }
    if (conn->state != COR_PUSH_CURRENT || seq < conn->next_seq) {
        return;
    }
    if (seq > conn->next_seq) {
        move(conn, COR_PUSH_CATCHING);
        ask(conn);
    } else if (has_room(conn, frame)) {
        (void) send_event(conn, frame);
    } else {
        overflow(conn, frame);
    }
}

void cor_deliver_priv_conn_wake(CorPushConn *conn)
{
    if (conn->state == COR_PUSH_CURRENT) {
        move(conn, COR_PUSH_CATCHING);
        ask(conn);
        return;
    }
    conn->looks_again = true; /* the page on its way may have been read before */
}

void cor_deliver_priv_conn_progress(CorPushConn *conn, CorBytes *json, CorBytes *ws)
{
    if (conn->door == COR_PUSH_PROD || conn->state != COR_PUSH_CURRENT || is_half_full(conn)) {
        return;
    }
    if (conn->door == COR_PUSH_SSE) {
        (void) send_sse(conn, "progress", 0, json);
    } else {
        (void) send_ws(conn, ws);
    }
}

/* ---- Catching up ---- */

void cor_deliver_priv_page_free(CorPushPage *page)
{
    if (!page) {
        return;
    }
    for (size_t i = 0; i < page->len; i++) {
        cor_deliver_priv_frame_unref(page->frames[i]);
    }
    cor_deliver_priv_conn_unref(page->conn);
    if (page->client) {
        cor_deliver_priv_client_unref(page->push, page->client);
    }
    cor_deliver_priv_push_unref(page->push);
    free(page);
}

typedef enum PageEnd { PAGE_SENT, PAGE_BLOCKED, PAGE_LOST } PageEnd;

/* Send what a page holds, as far as the buffer goes. */
static PageEnd send_page(CorPushConn *conn, const CorPushPage *page)
{
    if (!conn->is_placed) {
        conn->is_placed = true;
        conn->next_seq = page->start + 1;
        conn->acked_seq = page->start;
        if (page->reset >= 0) {
            send_control(conn, "reset", "last", page->reset);
        }
    }
    if (page->gap > conn->next_seq) {
        send_control(conn, "gap", "oldest", page->gap);
        conn->next_seq = page->gap;
    }
    for (size_t i = 0; i < page->len; i++) {
        CorDeliverFrame *frame = page->frames[i];

        if (cor_deliver_priv_frame_seq(frame) != conn->next_seq) {
            continue;
        }
        if (!has_room(conn, frame)) {
            return PAGE_BLOCKED;
        }
        if (!send_event(conn, frame)) {
            return PAGE_LOST;
        }
    }
    return PAGE_SENT;
}

static void go_on(CorPushConn *conn, PageEnd end)
{
    bool is_behind = conn->next_seq <= conn->newest_seq || conn->looks_again;

    if (end == PAGE_LOST) {
        return; /* it is being closed, and stays where it is until it is */
    }
    if (!is_behind) {
        move(conn, COR_PUSH_CURRENT);
    } else if (end == PAGE_BLOCKED || is_half_full(conn)) {
        move(conn, COR_PUSH_WAITING);
    } else {
        ask(conn);
    }
}

void cor_deliver_priv_conn_page(CorPushPage *page)
{
    CorPushConn *conn = page->conn;

    if (conn->state == COR_PUSH_CATCHING) {
        conn->newest_seq = COR_MAX(conn->newest_seq, page->last);
        go_on(conn, send_page(conn, page));
    }
    cor_deliver_priv_page_free(page);
}

void cor_deliver_priv_conn_drained(CorPushConn *conn)
{
    if (conn->state == COR_PUSH_WAITING) {
        move(conn, COR_PUSH_CATCHING);
        ask(conn);
    }
}

/* ---- Cursor ---- */

void cor_deliver_priv_conn_ack(CorPushConn *conn, int64_t seq)
{
    if (conn->client && seq > 0) {
        cor_deliver_priv_catchup_ack(conn->push->catchup, conn, seq);
    }
}

void cor_deliver_priv_conn_alive(CorPushConn *conn)
{
    int64_t waiting = 0;
    int64_t seq = 0;

    if (conn->door != COR_PUSH_PROD || !conn->is_placed) {
        return;
    }
    /* Events leave in order, so at most the last of them are among the frames that still wait. */
    waiting = (int64_t) (conn->frames - cor_ws_session_frames_taken(conn->ws));
    seq = conn->next_seq - 1 - waiting;
    if (seq > conn->acked_seq) {
        conn->acked_seq = seq;
        cor_deliver_priv_conn_ack(conn, seq);
    }
}
