/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket sessions (RFC 6455): one thread, epoll, and a mailbox for everybody else.
 *
 * Text; a binary message is refused.  The server pings, answers pings, closes silent peers, and
 * bounds what it keeps for a slow reader.  A frame is encoded once and shared by all the sessions
 * it is sent to.
 *
 *   close code   when
 *   1001         the server drains
 *   1002, 1007   broken frames, invalid UTF-8 (wslay)
 *   1003         a binary message, unless on_binary answers it
 *   1009         a message longer than message_max
 *   1013         the peer reads too slowly: more than buffer_max would be waiting
 *
 * Ordering   Frames of a session leave in the order of cor_ws_send(); posted calls run in the order
 *            in which cor_ws_post() was called.
 * Ownership  cor_ws_server_start() gives an object to stop, after the HTTP server was stopped.  A
 *            session is the server's; a pointer to it is good until its on_close() returns.
 * Threads    cor_ws_server_*, cor_ws_accept(), cor_ws_post() and cor_ws_frame_new(): Thread-safe.
 *            All that takes a session, and every callback: WebSocket thread only.
 * Blocking   drain() and stop() wait; nothing else does, and callbacks must not.
 * Errors     See each function.
 * Units      Durations are ms, sizes bytes.
 */
#pragma once

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#include "http/http-request.h"
#include "http/http-response.h"

typedef struct CorWsServer CorWsServer;
typedef struct CorWsSession CorWsSession;

typedef struct CorWsServerOptions {
    size_t buffer_max;        /* waiting to be sent, per session; 0: 1 MiB */
    size_t message_max;       /* received; 0: 64 KiB */
    int64_t ping_ms;          /* 0: 30 s; a peer silent for two intervals is closed */
    int64_t close_timeout_ms; /* for the close handshake; 0: 5 s */
    size_t sessions_max;      /* 0: 20000; beyond, cor_ws_accept() answers 503 */
} CorWsServerOptions;

/* What happens to a session.  All but on_close may be NULL. */
typedef struct CorWsHandlers {
    void (*on_open)(CorWsSession *session, void *context);
    /* A whole message: valid UTF-8, not followed by a NUL. */
    void (*on_text)(CorWsSession *session, void *context, const char *text, size_t size);
    /* A whole binary message came.  NULL closes the session with 1003. */
    void (*on_binary)(CorWsSession *session, void *context);
    /* A ping or pong came: everything that the peer read before it has been read. */
    void (*on_alive)(CorWsSession *session, void *context);
    /* The socket has taken everything that was queued. */
    void (*on_drained)(CorWsSession *session, void *context);
    /* Exactly once, last, for every accepted session, even if on_open never came: give context
     * back.  code: the peer's, else ours, 1006 without a close handshake. */
    void (*on_close)(CorWsSession *session, void *context, uint16_t code);
} CorWsHandlers;

typedef struct CorWsCounters {
    uint64_t sessions;      /* open now */
    uint64_t bytes_queued;  /* waiting in all of them; shared frames count for each */
    uint64_t opened;        /* ever */
    uint64_t slow_closed;   /* ever, with 1013 */
    uint64_t silent_closed; /* ever, because no pong came */
    uint64_t frames_sent;   /* ever, text frames taken by sockets */
} CorWsCounters;

/** Start the thread. */
COR_MUSTCHECK bool cor_ws_server_start(const CorWsServerOptions *options, CorWsServer **ret_server,
                                       CorError *err);

/** Close all sessions with 1001 and wait until they are gone, at most timeout_ms; no new ones. */
bool cor_ws_server_drain(CorWsServer *server, int64_t timeout_ms);

/** Cut what is left, call every on_close, end the thread and free.  NULL is ignored. */
void cor_ws_server_stop(CorWsServer *server);
COR_DEFINE_CLEANUP(CorWsServer, cor_ws_server_stop)

/** Numbers for metrics.  Thread-safe. */
void cor_ws_server_counters(CorWsServer *server, CorWsCounters *ret_counters);

/**
 * Answer a request with a WebSocket, or with what is wrong with its handshake (400, 426, 503).
 *
 * The route must have COR_HTTP_WEBSOCKET.  Checks of our own (a legal client id, a bound on
 * connections) come before.
 *
 * @param handlers  static
 * @param context   taken only on success: on_close() gives it back
 * @return false if res says no
 */
COR_MUSTCHECK bool cor_ws_accept(CorWsServer *server, CorHttpRequest *req, CorHttpResponse *res,
                                 const CorWsHandlers *handlers, void *context);

/**
 * Run fn(arg) on the WebSocket thread, soon.
 *
 * @return false if the server has stopped or there is no memory: fn will not run.  Otherwise it
 *         runs exactly once, also while stopping.
 */
COR_MUSTCHECK bool cor_ws_post(CorWsServer *server, void (*fn)(void *arg), void *arg);

/** Encode one text frame, for any number of sessions; NULL if there is no memory.  Thread-safe. */
CorBytes *cor_ws_frame_new(const char *text, size_t size);

/**
 * Queue a frame of cor_ws_frame_new(); takes a reference of its own.
 *
 * If more than buffer_max would be waiting, the session is closed with 1013 instead.  A single
 * frame is always taken by an empty queue.
 *
 * @return false if the session is closing: nothing is queued
 */
bool cor_ws_send(CorWsSession *session, CorBytes *frame);

/** Bytes waiting to be taken by the socket. */
size_t cor_ws_session_queued(const CorWsSession *session);

/** Frames of cor_ws_send() that the socket has taken whole, since the session opened. */
uint64_t cor_ws_session_frames_taken(const CorWsSession *session);

/** Start the close handshake; what is queued is sent before.  code: 1000 to 1014 or 3000 to 4999.
 */
void cor_ws_close(CorWsSession *session, uint16_t code, const char *reason);

/** True until a close handshake has begun. */
bool cor_ws_session_is_open(const CorWsSession *session);
