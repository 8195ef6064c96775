/* SPDX-License-Identifier: Apache-2.0 */
/* One session.
 *
 *     JOINING --socket--> OPEN --close frame queued--> CLOSING --peer's end, or deadline--> CLOSED
 *        |                  |                                                                  ^
 *        +--peer left-------+--broken, silent--------------------------------------------------+
 *
 *   JOINING -> OPEN     cor_ws_priv_session_join(), on the WebSocket thread, after 101 is sent
 *   OPEN    -> CLOSING  begin_close(): ours, or the echo of the peer's
 *   any     -> CLOSED   cor_ws_priv_session_kill(); on_close() comes at the end of the loop's turn
 *
 * Input goes through wslay, whose context is large (two buffers of 4 KiB): it exists only from the
 * first byte of a message to its last.  To know where a message ends we count: bytes given to wslay
 * against bytes of the frames that it has begun.
 *
 * Output is a queue of shared frames.  Nothing is written inside cor_ws_send(): the session becomes
 * dirty and is flushed at the end of the loop's turn, with one system call for all that was queued.
 *
 * After our close frame is out we close our direction and read on until the peer's end, so that
 * unread input does not turn into a reset that destroys the frame on its way (RFC 6455 section
 * 7.1.1). */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/time.h"

#include "ws/ws-priv.h"

static const char *const state_names[] = {
    [WS_JOINING] = "joining",
    [WS_OPEN] = "open",
    [WS_CLOSING] = "closing",
    [WS_CLOSED] = "closed",
};
static_assert(COR_ARRAY_LEN(state_names) == WS_STATE_COUNT_, "name every state");

/* Bit n of entry s is set when a session may go from state s to state n. */
static const unsigned allowed_next[WS_STATE_COUNT_] = {
    [WS_JOINING] = (1u << WS_OPEN) | (1u << WS_CLOSED),
    [WS_OPEN] = (1u << WS_CLOSING) | (1u << WS_CLOSED),
    [WS_CLOSING] = (1u << WS_CLOSED),
};

/* The only place that assigns state; keeps the lists in step.  False if it may not go there. */
static bool move(CorWsSession *session, WsState state)
{
    CorWsServer *server = session->server;

    if (!(allowed_next[session->state] & (1u << state))) {
        return false;
    }
    if (session->state == WS_OPEN) {
        cor_ws_priv_list_remove(&server->open, session);
    } else if (session->state == WS_CLOSING) {
        cor_ws_priv_list_remove(&server->closing, session);
    }
    session->state = (uint8_t) state;
    if (state == WS_OPEN) {
        session->check_ms = cor_time_ms() + server->options.ping_ms;
        cor_ws_priv_list_add(&server->open, session);
    } else if (state == WS_CLOSING) {
        session->check_ms = cor_time_ms() + server->options.close_timeout_ms;
        cor_ws_priv_list_add(&server->closing, session);
    } else {
        session->next = server->dead;
        server->dead = session;
    }
    return true;
}

void cor_ws_priv_session_kill(CorWsSession *session, uint16_t code)
{
    if (session->code == 0) {
        session->code = code;
    }
    (void) move(session, WS_CLOSED);
}

/* ---- Output ---- */

static void mark_dirty(CorWsSession *session)
{
    if (!session->is_dirty) {
        session->is_dirty = true;
        session->next_dirty = session->server->dirty;
        session->server->dirty = session;
    }
}

static void count_queued(CorWsSession *session, size_t before)
{
    atomic_fetch_add(&session->server->bytes_queued, (uint64_t) session->queue.bytes - before);
}

/* Queue a frame without looking at limits. */
static bool push(CorWsSession *session, CorBytes *frame, bool is_text)
{
    size_t before = session->queue.bytes;

    if (!frame || !cor_ws_priv_queue_push(&session->queue, frame, is_text)) {
        cor_ws_priv_session_kill(session, 1006);
        return false;
    }
    count_queued(session, before);
    mark_dirty(session);
    return true;
}

/* The close frame is queued: from now on input is read and dropped. */
static void begin_close(CorWsSession *session, uint16_t code)
{
    session->code = code;
    if (move(session, WS_CLOSING)) {
        mark_dirty(session);
    }
}

void cor_ws_close(CorWsSession *session, uint16_t code, const char *reason)
{
    if (session->state != WS_OPEN) {
        return;
    }
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *frame = cor_ws_priv_close_frame(code, reason);
    if (push(session, frame, false)) {
        begin_close(session, code);
    }
}

/* What waits is dropped: the peer catches up when it comes back. */
static void close_slow(CorWsSession *session)
{
    size_t before = session->queue.bytes;

    cor_ws_priv_queue_clear(&session->queue, true);
    count_queued(session, before);
    atomic_fetch_add(&session->server->slow_closed, 1);
    cor_ws_close(session, 1013, "reads too slowly");
}

static bool has_room(const CorWsSession *session, size_t size)
{
    size_t max = session->server->options.buffer_max;
    size_t waiting = session->queue.bytes;

    return waiting == 0 || (waiting <= max && size <= max - waiting);
}

bool cor_ws_send(CorWsSession *session, CorBytes *frame)
{
    if (session->state != WS_OPEN) {
        return false;
    }
    if (!has_room(session, cor_bytes_size(frame))) {
        close_slow(session);
        return false;
    }
    return push(session, frame, true);
}

size_t cor_ws_session_queued(const CorWsSession *session)
{
    return session->queue.bytes;
}

uint64_t cor_ws_session_frames_taken(const CorWsSession *session)
{
    return session->taken;
}

bool cor_ws_session_is_open(const CorWsSession *session)
{
    return session->state == WS_OPEN;
}

static void watch(CorWsSession *session, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = session};

    if (session->events != events) {
        session->events = events;
        (void) epoll_ctl(session->server->epoll_fd, EPOLL_CTL_MOD, session->fd, &event);
    }
}

void cor_ws_priv_session_flush(CorWsSession *session)
{
    size_t before = session->queue.bytes;
    uint64_t texts = 0;

    if (session->state != WS_OPEN && session->state != WS_CLOSING) {
        return;
    }
    bool ok = cor_ws_priv_queue_flush(&session->queue, session->fd, &texts);
    count_queued(session, before);
    session->taken += texts;
    atomic_fetch_add(&session->server->frames_sent, texts);
    if (!ok) {
        cor_ws_priv_session_kill(session, 1006);
        return;
    }
    if (session->queue.len > 0) {
        watch(session, session->events | EPOLLOUT);
        return;
    }
    watch(session, session->events & ~(uint32_t) EPOLLOUT);
    if (session->state == WS_CLOSING && !session->is_half_closed) {
        session->is_half_closed = true;
        (void) shutdown(session->fd, SHUT_WR);
        if (!(session->events & EPOLLIN)) { /* the peer's end has been seen */
            cor_ws_priv_session_kill(session, session->code);
        }
    }
    if (session->state == WS_OPEN && before > 0 && session->handlers->on_drained) {
        session->handlers->on_drained(session, session->context);
    }
}

/* ---- Input ---- */

static ssize_t on_recv(wslay_event_context_ptr parser, uint8_t *data, size_t size, int flags,
                       void *context)
{
    CorWsSession *session = context;
    (void) flags;

    if (session->in_size == 0 || session->state != WS_OPEN) {
        wslay_event_set_error(parser, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t taken = COR_MIN(size, session->in_size);
    memcpy(data, session->in, taken);
    session->in += taken;
    session->in_size -= taken;
    return (ssize_t) taken;
}

static ssize_t on_send(wslay_event_context_ptr parser, const uint8_t *data, size_t size, int flags,
                       void *context)
{
    CorWsSession *session = context;
    (void) parser;
    (void) flags;

    cor_string_append(session->server->reply, data, size);
    return (ssize_t) size;
}

static void on_frame_start(wslay_event_context_ptr parser,
                           const struct wslay_event_on_frame_recv_start_arg *arg, void *context)
{
    CorWsSession *session = context;
    uint64_t length_size = arg->payload_length < 126 ? 0 : arg->payload_length <= 0xFFFF ? 2 : 8;
    (void) parser;

    session->framed += 2 + length_size + 4 + arg->payload_length; /* RFC 6455 section 5.2 */
    if (arg->opcode == WSLAY_BINARY_FRAME && !session->handlers->on_binary) {
        cor_ws_close(session, 1003, "text only");
    }
    if (!wslay_is_ctrl_frame(arg->opcode)) {
        session->in_message = !arg->fin;
    }
}

static void on_message(wslay_event_context_ptr parser,
                       const struct wslay_event_on_msg_recv_arg *arg, void *context)
{
    CorWsSession *session = context;
    const CorWsHandlers *handlers = session->handlers;
    (void) parser;

    if (session->state != WS_OPEN) {
        return;
    }
    if (arg->opcode == WSLAY_TEXT_FRAME && handlers->on_text) {
        handlers->on_text(session, session->context, arg->msg ? (const char *) arg->msg : "",
                          arg->msg_length);
    } else if (arg->opcode == WSLAY_BINARY_FRAME && handlers->on_binary) {
        handlers->on_binary(session, session->context);
    } else if ((arg->opcode == WSLAY_PING || arg->opcode == WSLAY_PONG) && handlers->on_alive) {
        handlers->on_alive(session, session->context);
    }
}

static const struct wslay_event_callbacks parser_callbacks = {
    .recv_callback = on_recv,
    .send_callback = on_send,
    .on_frame_recv_start_callback = on_frame_start,
    .on_msg_recv_callback = on_message,
};

static void drop_parser(CorWsSession *session)
{
    if (session->parser) {
        wslay_event_context_free(session->parser);
        session->parser = NULL;
    }
    session->fed = 0;
    session->framed = 0;
    session->in_message = false;
}

/* Queue what wslay wants to say: pongs, the echo of a close frame, or its own because of an error.
 */
static void send_reply(CorWsSession *session)
{
    CorString *reply = session->server->reply;

    cor_string_truncate(reply, 0);
    if (session->state != WS_OPEN || !wslay_event_want_write(session->parser)) {
        return;
    }
    if (wslay_event_send(session->parser) != 0 || !cor_string_check(reply, NULL)) {
        cor_ws_priv_session_kill(session, 1006);
        return;
    }
    if (!has_room(session, cor_string_size(reply))) {
        close_slow(session); /* pings and never reads */
        return;
    }
    COR_CLEANUP(cor_bytes_unrefp)
    CorBytes *frame = cor_bytes_new(cor_string_text(reply), cor_string_size(reply));
    if (push(session, frame, false) && wslay_event_get_close_sent(session->parser)) {
        begin_close(session, wslay_event_get_close_received(session->parser)
                                 ? wslay_event_get_status_code_received(session->parser)
                                 : wslay_event_get_status_code_sent(session->parser));
    }
}

static void feed(CorWsSession *session, const uint8_t *data, size_t size)
{
    if (!session->parser) {
        if (wslay_event_context_server_init(&session->parser, &parser_callbacks, session) != 0) {
            session->parser = NULL;
            cor_ws_priv_session_kill(session, 1006);
            return;
        }
        wslay_event_config_set_max_recv_msg_length(session->parser,
                                                   session->server->options.message_max);
    }
    session->in = data;
    session->in_size = size;
    session->fed += size;
    int result = wslay_event_recv(session->parser);
    if (result == WSLAY_ERR_NOMEM) {
        cor_ws_priv_session_kill(session, 1006);
        return;
    }
    if (result != 0) {
        cor_ws_close(session, 1002, "protocol error"); /* wslay would close without a code */
    }
    send_reply(session);
    session->in = NULL;
    session->in_size = 0;
    if (session->state != WS_OPEN || (session->fed == session->framed && !session->in_message)) {
        drop_parser(session);
    }
}

static void on_end_of_input(CorWsSession *session)
{
    if (session->state == WS_CLOSING && session->queue.len > 0) {
        watch(session, EPOLLOUT); /* it may still read our close frame */
    } else {
        cor_ws_priv_session_kill(session, session->state == WS_CLOSING ? session->code : 1006);
    }
}

static void receive(CorWsSession *session)
{
    CorWsServer *server = session->server;
    ssize_t got = recv(session->fd, server->input, sizeof(server->input), MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return;
    }
    if (got < 0) {
        cor_ws_priv_session_kill(session, 1006);
        return;
    }
    if (got == 0) {
        on_end_of_input(session);
        return;
    }
    session->heard_ms = cor_time_ms();
    if (session->state == WS_OPEN) {
        feed(session, server->input, (size_t) got);
    }
}

void cor_ws_priv_session_event(CorWsSession *session, uint32_t events)
{
    if (session->state == WS_CLOSED) {
        return;
    }
    if (events & EPOLLIN) {
        receive(session);
    }
    if (session->state != WS_CLOSED && (events & (EPOLLERR | EPOLLHUP))) {
        cor_ws_priv_session_kill(session, 1006);
    }
    if (session->state != WS_CLOSED && (events & EPOLLOUT)) {
        mark_dirty(session);
    }
}

/* Its time has come: a ping is due, the peer is dead, or the close handshake takes too long. */
void cor_ws_priv_session_check(CorWsSession *session, int64_t now_ms)
{
    CorWsServer *server = session->server;

    if (session->state == WS_CLOSING) {
        cor_ws_priv_session_kill(session, session->code);
        return;
    }
    if (now_ms - session->heard_ms >= 2 * server->options.ping_ms) {
        atomic_fetch_add(&server->silent_closed, 1);
        cor_ws_priv_session_kill(session, 1006);
        return;
    }
    cor_ws_priv_list_remove(&server->open, session);
    session->check_ms = now_ms + server->options.ping_ms;
    cor_ws_priv_list_add(&server->open, session);
    (void) push(session, server->ping, false);
}

/* ---- Life ---- */

static void run_join(void *arg)
{
    cor_ws_priv_session_join(arg);
}

CorWsSession *cor_ws_priv_session_new(CorWsServer *server, const CorWsHandlers *handlers,
                                      void *context)
{
    CorWsSession *session = cor_new(CorWsSession);

    assert(handlers->on_close);
    if (session) {
        session->server = server;
        session->handlers = handlers;
        session->context = context;
        session->fd = -1;
        session->post = (WsPost){.fn = run_join, .arg = session, .is_part_of_session = true};
    }
    return session;
}

void cor_ws_priv_session_join(CorWsSession *session)
{
    CorWsServer *server = session->server;
    const int yes = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};

    session->heard_ms = cor_time_ms();
    session->events = EPOLLIN;
    if (session->fd < 0 || server->is_over ||
        epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, session->fd, &event) != 0) {
        cor_ws_priv_session_kill(session, 1006);
        return;
    }
    (void) setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    (void) move(session, WS_OPEN);
    atomic_fetch_add(&server->opened, 1);
    if (atomic_load(&server->is_draining)) {
        cor_ws_close(session, 1001, "going away");
        return;
    }
    if (session->handlers->on_open) {
        session->handlers->on_open(session, session->context);
    }
    if (session->state == WS_OPEN && session->early_size > 0) {
        feed(session, session->early, session->early_size);
    }
    free(COR_TAKE(session->early));
}

void cor_ws_priv_session_free(CorWsSession *session)
{
    size_t before = session->queue.bytes;

    cor_ws_priv_queue_clear(&session->queue, false);
    count_queued(session, before);
    drop_parser(session);
    free(session->early);
    if (session->fd >= 0) {
        /* libmicrohttpd's descriptor of the same socket may still be open for a moment. */
        (void) epoll_ctl(session->server->epoll_fd, EPOLL_CTL_DEL, session->fd, NULL);
        (void) close(session->fd);
    }
    free(session);
}
