/* SPDX-License-Identifier: Apache-2.0 */
/* One thread takes connections and deals them out to lanes: libmicrohttpd's threads, each a daemon
 * without a listening socket.
 *
 * Its own pool shares the socket among the threads, and whichever wakes first takes all that wait.
 * Of 64 connections that came at once one thread had 42 and another 23, and each of their
 * requests waited for the commits of the others.  Here a connection goes to the lane that has
 * fewest.
 *
 *   ACCEPTING --connections_max--> FULL --one ends--> ACCEPTING
 *       |  ^
 *       |  +--- 100 ms, or one ends --- SHORT of descriptors or memory
 *       +------ any state, cor_http_priv_accept_stop() ------> (ended)
 */
#include "http/http-priv.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/time.h"

enum { BATCH = 64, SHORT_MS = 100 };

typedef enum Took { TOOK_ONE, TOOK_NONE, TOOK_SHORT } Took;

/* The one with fewest; among equals they take turns. */
static HttpLane *choose_lane(CorHttpServer *server)
{
    size_t turn = server->turn++;
    HttpLane *best = &server->lanes[turn % server->lanes_len];
    size_t best_conns = atomic_load(&best->conns);

    for (size_t i = 1; i < server->lanes_len && best_conns > 0; i++) {
        HttpLane *lane = &server->lanes[(turn + i) % server->lanes_len];
        size_t conns = atomic_load(&lane->conns);
        if (conns < best_conns) {
            best = lane;
            best_conns = conns;
        }
    }
    return best;
}

/* Counted at once: its thread may be long in coming round to it. */
static void deal(HttpLane *lane, int fd, const struct sockaddr *peer, socklen_t size)
{
    atomic_fetch_add(&lane->conns, 1);
    if (MHD_add_connection(lane->daemon, fd, peer, size) != MHD_YES) {
        atomic_fetch_sub(&lane->conns, 1); /* it has closed the socket */
    }
}

static Took take_one(CorHttpServer *server, int listen_fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    int fd = accept4(listen_fd, (struct sockaddr *) &peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        deal(choose_lane(server), fd, (struct sockaddr *) &peer, size);
        return TOOK_ONE;
    }
    switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return TOOK_SHORT;
    case EINTR:
    case ECONNABORTED:
        return TOOK_ONE;
    default:
        return TOOK_NONE; /* EAGAIN, or an error of a network that is gone again */
    }
}

static size_t count_conns(CorHttpServer *server)
{
    size_t conns = 0;

    for (size_t i = 0; i < server->lanes_len; i++) {
        conns += atomic_load(&server->lanes[i].conns);
    }
    return conns;
}

/* False if there is none; then who ends a connection sees is_full and wakes us. */
static bool has_room(CorHttpServer *server)
{
    if (count_conns(server) < server->options.connections_max) {
        return true;
    }
    atomic_store(&server->is_full, true);
    if (count_conns(server) >= server->options.connections_max) {
        return false;
    }
    atomic_store(&server->is_full, false);
    return true;
}

static Took take_from(CorHttpServer *server, int listen_fd)
{
    Took took = TOOK_ONE;

    for (int i = 0; i < BATCH && took == TOOK_ONE && has_room(server); i++) {
        took = take_one(server, listen_fd);
    }
    return took;
}

static void wait_for_peers(CorHttpServer *server, struct pollfd *polls)
{
    nfds_t len = (nfds_t) server->listen_len + 1;

    polls[0] = (struct pollfd){.fd = cor_wakeup_fd(server->accept_wakeup), .events = POLLIN};
    for (size_t i = 0; i < server->listen_len; i++) {
        polls[i + 1] = (struct pollfd){.fd = server->listen_fds[i], .events = POLLIN};
    }
    if (poll(polls, len, -1) < 0) {
        for (nfds_t i = 0; i < len; i++) {
            polls[i].revents = 0;
        }
    }
    if (polls[0].revents) {
        (void) cor_wakeup_clear(server->accept_wakeup);
    }
}

static void run(void *context)
{
    CorHttpServer *server = context;
    struct pollfd polls[COR_HTTP_LISTEN_MAX + 1];
    bool is_short = false;

    while (!atomic_load(&server->accept_is_over)) {
        if (!has_room(server)) {
            (void) cor_wakeup_wait_until(server->accept_wakeup, INT64_MAX);
            continue;
        }
        if (is_short) {
            (void) cor_wakeup_wait_until(server->accept_wakeup, cor_time_ms() + SHORT_MS);
        }
        is_short = false;
        wait_for_peers(server, polls);
        for (size_t i = 0; i < server->listen_len; i++) {
            is_short |=
                polls[i + 1].revents && take_from(server, server->listen_fds[i]) == TOOK_SHORT;
        }
    }
}

bool cor_http_priv_accept_start(CorHttpServer *server, CorError *err)
{
    return cor_wakeup_new(&server->accept_wakeup, err) &&
           cor_thread_start("http-accept", COR_THREAD_STACK_SMALL, run, server, &server->accept,
                            err);
}

void cor_http_priv_accept_room(CorHttpServer *server)
{
    if (atomic_exchange(&server->is_full, false)) {
        cor_wakeup_signal(server->accept_wakeup);
    }
}

void cor_http_priv_accept_stop(CorHttpServer *server)
{
    if (server->accept) {
        atomic_store(&server->accept_is_over, true);
        cor_wakeup_signal(server->accept_wakeup);
        cor_thread_join(COR_TAKE(server->accept));
    }
}
