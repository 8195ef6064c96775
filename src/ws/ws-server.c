/* SPDX-License-Identifier: Apache-2.0 */
/* The WebSocket thread.  A turn of its loop: wait for sockets, the mailbox or the next clock; serve
 * them; then flush the sessions that have something to send and bury the dead, until there are
 * neither.  Callbacks run in between and may send to any session.
 *
 * The clocks need no heap: all pings have one interval and all close handshakes one deadline, so a
 * list in order of arrival is in order of time. */
#include "ws/ws-server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/array.h"
#include "base/time.h"

#include "ws/ws-priv.h"

enum {
    BUFFER_DEFAULT = 1024 * 1024,
    MESSAGE_DEFAULT = 64 * 1024,
    PING_MS_DEFAULT = 30000,
    CLOSE_MS_DEFAULT = 5000,
    SESSIONS_DEFAULT = 20000,
    EVENTS = 256,
    REPLY_MAX = 256 * 1024,
    OPCODE_PING = 0x9,
    WAIT_MAX_MS = 60000
};

void cor_ws_priv_list_add(WsList *list, CorWsSession *session)
{
    session->next = NULL;
    session->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = session;
    list->last = session;
}

void cor_ws_priv_list_remove(WsList *list, CorWsSession *session)
{
    *(session->previous ? &session->previous->next : &list->first) = session->next;
    *(session->next ? &session->next->previous : &list->last) = session->previous;
    session->previous = NULL;
    session->next = NULL;
}

/* ---- Mailbox ---- */

bool cor_ws_priv_post(CorWsServer *server, WsPost *post)
{
    post->next = NULL;
    (void) pthread_mutex_lock(&server->mutex);
    bool is_closed = server->is_closed;
    bool was_empty = server->first == NULL;
    if (!is_closed) {
        *(server->last && !was_empty ? &server->last->next : &server->first) = post;
        server->last = post;
    }
    (void) pthread_mutex_unlock(&server->mutex);
    if (!is_closed && was_empty) {
        cor_wakeup_signal(server->wakeup);
    }
    return !is_closed;
}

bool cor_ws_post(CorWsServer *server, void (*fn)(void *arg), void *arg)
{
    WsPost *post = cor_new(WsPost);

    if (!post) {
        return false;
    }
    post->fn = fn;
    post->arg = arg;
    if (!cor_ws_priv_post(server, post)) {
        free(post);
        return false;
    }
    return true;
}

/* Run what is in the mailbox now; what arrives meanwhile waits for the next turn. */
static void run_posts(CorWsServer *server)
{
    (void) pthread_mutex_lock(&server->mutex);
    WsPost *post = COR_TAKE(server->first);
    server->last = NULL;
    (void) pthread_mutex_unlock(&server->mutex);

    while (post) {
        WsPost *next = post->next;
        bool is_ours = !post->is_part_of_session;
        post->fn(post->arg);
        if (is_ours) {
            free(post);
        }
        post = next;
    }
}

/* True if the mailbox was empty; then it takes nothing any more. */
static bool close_mailbox(CorWsServer *server)
{
    (void) pthread_mutex_lock(&server->mutex);
    server->is_closed = server->first == NULL;
    bool is_closed = server->is_closed;
    (void) pthread_mutex_unlock(&server->mutex);
    return is_closed;
}

/* ---- Sessions ---- */

bool cor_ws_priv_reserve(CorWsServer *server)
{
    if (atomic_load(&server->is_draining)) {
        return false;
    }
    (void) pthread_mutex_lock(&server->mutex);
    bool has_room = !server->is_closed && server->sessions < server->options.sessions_max;
    server->sessions += has_room;
    (void) pthread_mutex_unlock(&server->mutex);
    return has_room;
}

void cor_ws_priv_release(CorWsServer *server)
{
    (void) pthread_mutex_lock(&server->mutex);
    server->sessions--;
    if (server->sessions == 0) {
        (void) pthread_cond_broadcast(&server->gone);
    }
    (void) pthread_mutex_unlock(&server->mutex);
}

static void flush_dirty(CorWsServer *server)
{
    CorWsSession *session = COR_TAKE(server->dirty);

    while (session) {
        CorWsSession *next = session->next_dirty;
        session->is_dirty = false;
        session->next_dirty = NULL;
        cor_ws_priv_session_flush(session);
        session = next;
    }
}

/* A dead session that is in the list of the dirty waits for the next turn. */
static void bury(CorWsServer *server)
{
    CorWsSession *session = COR_TAKE(server->dead);

    while (session) {
        CorWsSession *next = session->next;
        if (session->is_dirty) {
            session->next = server->dead;
            server->dead = session;
        } else {
            session->handlers->on_close(session, session->context, session->code);
            cor_ws_priv_session_free(session);
            cor_ws_priv_release(server);
        }
        session = next;
    }
}

/* Once, not until nothing is left: a session that refills its queue whenever it is drained (a long
 * replay to a fast reader) must not hold up the others. */
static void settle(CorWsServer *server)
{
    flush_dirty(server);
    bury(server);
}

static void check_list(WsList *list, int64_t now_ms)
{
    while (list->first && list->first->check_ms <= now_ms) {
        cor_ws_priv_session_check(list->first, now_ms); /* leaves the head of the list */
    }
}

static int wait_ms(const CorWsServer *server)
{
    int64_t now_ms = cor_time_ms();
    int64_t next_ms = now_ms + WAIT_MAX_MS;

    if (server->dirty || server->dead) {
        return 0;
    }
    if (server->open.first) {
        next_ms = COR_MIN(next_ms, server->open.first->check_ms);
    }
    if (server->closing.first) {
        next_ms = COR_MIN(next_ms, server->closing.first->check_ms);
    }
    return next_ms > now_ms ? (int) (next_ms - now_ms) : 0;
}

static void turn(CorWsServer *server)
{
    struct epoll_event events[EVENTS];
    int len = epoll_wait(server->epoll_fd, events, EVENTS, wait_ms(server));

    for (int i = 0; i < len; i++) {
        if (events[i].data.ptr) {
            cor_ws_priv_session_event(events[i].data.ptr, events[i].events);
        } else {
            (void) cor_wakeup_clear(server->wakeup);
        }
    }
    run_posts(server);
    int64_t now_ms = cor_time_ms();
    check_list(&server->open, now_ms);
    check_list(&server->closing, now_ms);
    settle(server);
}

static void kill_all(CorWsServer *server)
{
    while (server->open.first) {
        cor_ws_priv_session_kill(server->open.first, 1006);
    }
    while (server->closing.first) {
        cor_ws_priv_session_kill(server->closing.first, server->closing.first->code);
    }
}

static void run(void *context)
{
    CorWsServer *server = context;

    while (!server->is_over) {
        turn(server);
    }
    do { /* what joins or is posted now ends at once */
        run_posts(server);
        kill_all(server);
        while (server->dirty || server->dead) {
            settle(server);
        }
    } while (!close_mailbox(server));
}

/* ---- Start and end ---- */

static void fill_defaults(CorWsServerOptions *options)
{
    options->buffer_max = options->buffer_max ? options->buffer_max : BUFFER_DEFAULT;
    options->message_max = options->message_max ? options->message_max : MESSAGE_DEFAULT;
    options->ping_ms = options->ping_ms ? options->ping_ms : PING_MS_DEFAULT;
    options->close_timeout_ms =
        options->close_timeout_ms ? options->close_timeout_ms : CLOSE_MS_DEFAULT;
    options->sessions_max = options->sessions_max ? options->sessions_max : SESSIONS_DEFAULT;
}

static bool start(CorWsServer *server, CorError *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    server->ping = cor_ws_priv_frame(OPCODE_PING, NULL, 0);
    server->reply = cor_string_new(REPLY_MAX);
    if (!server->ping || !server->reply) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the WebSocket server");
    }
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (server->epoll_fd < 0) {
        return cor_fail_errno(err, errno, "epoll");
    }
    if (!cor_wakeup_new(&server->wakeup, err)) {
        return false;
    }
    if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, cor_wakeup_fd(server->wakeup), &event) != 0) {
        return cor_fail_errno(err, errno, "epoll");
    }
    return cor_thread_start("websocket", 0, run, server, &server->thread, err);
}

bool cor_ws_server_start(const CorWsServerOptions *options, CorWsServer **ret_server, CorError *err)
{
    COR_CLEANUP(cor_ws_server_stopp) CorWsServer *server = cor_new(CorWsServer);

    if (!server) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the WebSocket server");
    }
    server->epoll_fd = -1;
    server->options = *options;
    fill_defaults(&server->options);
    (void) pthread_mutex_init(&server->mutex, NULL);
    if (!cor_cond_init(&server->gone, err)) {
        (void) pthread_mutex_destroy(&server->mutex);
        free(COR_TAKE(server));
        return false;
    }
    if (!start(server, err)) {
        return false;
    }
    *ret_server = COR_TAKE(server);
    return true;
}

static void close_all(void *arg)
{
    CorWsServer *server = arg;

    while (server->open.first) {
        cor_ws_close(server->open.first, 1001, "going away"); /* leaves the list */
    }
}

bool cor_ws_server_drain(CorWsServer *server, int64_t timeout_ms)
{
    int64_t deadline_ms = cor_time_ms() + timeout_ms;
    bool in_time = true;

    atomic_store(&server->is_draining, true);
    if (!cor_ws_post(server, close_all, server)) {
        return false;
    }
    (void) pthread_mutex_lock(&server->mutex);
    while (server->sessions > 0 && in_time) {
        in_time = cor_cond_wait_until(&server->gone, &server->mutex, deadline_ms);
    }
    bool is_empty = server->sessions == 0;
    (void) pthread_mutex_unlock(&server->mutex);
    return is_empty;
}

static void end_loop(void *arg)
{
    CorWsServer *server = arg;

    server->is_over = true;
}

void cor_ws_server_stop(CorWsServer *server)
{
    if (!server) {
        return;
    }
    if (server->thread) {
        WsPost last = {.fn = end_loop, .arg = server, .is_part_of_session = true};
        atomic_store(&server->is_draining, true);
        (void) cor_ws_priv_post(server, &last);
        cor_thread_join(server->thread);
    }
    cor_wakeup_free(server->wakeup);
    if (server->epoll_fd >= 0) {
        (void) close(server->epoll_fd);
    }
    cor_string_free(server->reply);
    cor_bytes_unref(server->ping);
    (void) pthread_cond_destroy(&server->gone);
    (void) pthread_mutex_destroy(&server->mutex);
    free(server);
}

void cor_ws_server_counters(CorWsServer *server, CorWsCounters *ret_counters)
{
    (void) pthread_mutex_lock(&server->mutex);
    uint64_t sessions = server->sessions;
    (void) pthread_mutex_unlock(&server->mutex);
    *ret_counters = (CorWsCounters){
        .sessions = sessions,
        .bytes_queued = atomic_load(&server->bytes_queued),
        .opened = atomic_load(&server->opened),
        .slow_closed = atomic_load(&server->slow_closed),
        .silent_closed = atomic_load(&server->silent_closed),
        .frames_sent = atomic_load(&server->frames_sent),
    };
}
