/* SPDX-License-Identifier: Apache-2.0 */
/* One thread looks at all connections four times a second, and sleeps while there are none.
 *
 * libmicrohttpd's own time-out counts idleness, so a peer that sends one byte per second lives for
 * ever; and it does not look at suspended connections at all.  Here are absolute deadlines, the
 * peers of suspended connections, heartbeats and time-outs of parked requests.  A deadline ends a
 * connection by shutdown(): libmicrohttpd then sees its end and tidies up in its own thread. */
#include "http/http-priv.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/time.h"

enum { TICK_MS = 250, PEERS_EVERY_TICKS = 2, POLL_BATCH = 256 };

void cor_http_priv_suspension_set(HttpConn *conn, const HttpSuspension *suspension, void *object)
{
    CorHttpServer *server = conn->server;

    (void) pthread_mutex_lock(&server->mutex);
    if (!conn->suspension) {
        server->suspended++;
    }
    conn->suspension = suspension;
    conn->suspended = object;
    if (atomic_load(&server->is_stopping)) {
        suspension->gone(object);
    } else if (atomic_load(&server->is_draining)) {
        suspension->drain(object);
    }
    (void) pthread_mutex_unlock(&server->mutex);
}

/* On the connection's own thread, as setting is, so it may look before it locks.  It must not lock
 * for nothing: at the end of an upgrade libmicrohttpd calls us with a lock held that resuming takes
 * under ours. */
void cor_http_priv_suspension_clear(HttpConn *conn)
{
    CorHttpServer *server = conn->server;

    if (!conn->suspension) {
        return;
    }
    (void) pthread_mutex_lock(&server->mutex);
    server->suspended--;
    conn->suspension = NULL;
    conn->suspended = NULL;
    (void) pthread_mutex_unlock(&server->mutex);
}

void cor_http_priv_suspension_drain_all(CorHttpServer *server)
{
    (void) pthread_mutex_lock(&server->mutex);
    atomic_store(&server->is_draining, true);
    for (HttpConn *conn = server->conns; conn; conn = conn->next) {
        if (conn->suspension) {
            conn->suspension->drain(conn->suspended);
        }
    }
    (void) pthread_mutex_unlock(&server->mutex);
}

void cor_http_priv_suspension_stop_all(CorHttpServer *server)
{
    (void) pthread_mutex_lock(&server->mutex);
    atomic_store(&server->is_stopping, true);
    for (HttpConn *conn = server->conns; conn; conn = conn->next) {
        if (conn->suspension) {
            conn->suspension->gone(conn->suspended);
        }
    }
    (void) pthread_mutex_unlock(&server->mutex);
}

/* Lock held, so that the descriptor is still this connection's. */
static void cut_if_late(CorHttpServer *server, HttpConn *conn, int64_t now_ms)
{
    int64_t deadline_ms = atomic_load(&conn->deadline_ms);
    HttpPhase phase = (HttpPhase) atomic_load(&conn->phase);

    if (deadline_ms == 0 || now_ms < deadline_ms || phase == HTTP_EXPIRED) {
        return;
    }
    if (!cor_http_priv_move(conn, phase, HTTP_EXPIRED)) {
        return; /* it has just gone on */
    }
    if (phase == HTTP_READING) {
        cor_http_priv_send_timeout(conn->fd);
    }
    (void) shutdown(conn->fd, SHUT_RDWR);
    atomic_fetch_add(&server->timeouts, 1);
}

/* Lock held.  Tell the suspended connections in batch whose peers have left. */
static void look_at_peers(HttpConn *const *batch, struct pollfd *polls, size_t len)
{
    if (len == 0 || poll(polls, (nfds_t) len, 0) <= 0) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        if (polls[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) {
            batch[i]->suspension->gone(batch[i]->suspended);
        }
    }
}

static void look(CorHttpServer *server, bool with_peers)
{
    HttpConn *batch[POLL_BATCH];
    struct pollfd polls[POLL_BATCH];
    size_t len = 0;
    int64_t now_ms = cor_time_ms();

    (void) pthread_mutex_lock(&server->mutex);
    for (HttpConn *conn = server->conns; conn; conn = conn->next) {
        cut_if_late(server, conn, now_ms);
        if (!conn->suspension) {
            continue;
        }
        conn->suspension->tick(conn->suspended, now_ms);
        if (with_peers) {
            batch[len] = conn;
            polls[len++] = (struct pollfd){
                .fd = conn->fd, .events = conn->suspension->may_end_sending ? 0 : POLLRDHUP};
        }
        if (len == POLL_BATCH) {
            look_at_peers(batch, polls, len);
            len = 0;
        }
    }
    look_at_peers(batch, polls, len);
    (void) pthread_mutex_unlock(&server->mutex);
}

static bool has_conns(CorHttpServer *server)
{
    (void) pthread_mutex_lock(&server->mutex);
    bool has = server->conns != NULL;
    (void) pthread_mutex_unlock(&server->mutex);
    return has;
}

static void watch(void *context)
{
    CorHttpServer *server = context;
    const int64_t long_ms = 3600000;

    for (unsigned tick = 0; !atomic_load(&server->is_stopping); tick++) {
        bool busy = has_conns(server);
        bool woken =
            cor_wakeup_wait_until(server->watch_wakeup, cor_time_ms() + (busy ? TICK_MS : long_ms));
        if (!woken || busy) {
            look(server, tick % PEERS_EVERY_TICKS == 0);
        }
    }
}

bool cor_http_priv_watch_start(CorHttpServer *server, CorError *err)
{
    return cor_wakeup_new(&server->watch_wakeup, err) &&
           cor_thread_start("http-watch", 0, watch, server, &server->watch, err);
}

/* is_stopping is set. */
void cor_http_priv_watch_stop(CorHttpServer *server)
{
    if (server->watch) {
        cor_wakeup_signal(server->watch_wakeup);
        cor_thread_join(server->watch);
    }
    cor_wakeup_free(server->watch_wakeup);
}
