/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share.
 *
 *   ws-handshake.c   the request becomes a session
 *   ws-frame.c       frames that we send, encoded once
 *   ws-queue.c       what waits for a socket
 *   ws-session.c     one session: input through wslay, output, close handshake
 *   ws-server.c      the thread, its mailbox and its clocks
 */
#pragma once

#include "ws/ws-server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <wslay/wslay.h>

#include "base/string.h"

#include "program/thread.h"

#define COR_WS_PRIV_ACCEPT_SIZE 29 /* base64 of a SHA-1, and the NUL */

/* A call for the WebSocket thread. */
typedef struct WsPost {
    struct WsPost *next;
    void (*fn)(void *arg);
    void *arg;
    bool is_part_of_session; /* not freed after the call */
} WsPost;

typedef struct WsItem {
    CorBytes *frame;
    bool is_text;
} WsItem;

/* Frames that wait for a socket: a ring that exists only while there are any. */
typedef struct WsQueue {
    WsItem *items;
    size_t capacity;
    size_t head;
    size_t len;
    size_t offset; /* bytes of the first frame that the socket has taken */
    size_t bytes;  /* waiting */
} WsQueue;

/* Drawn in ws-session.c. */
typedef enum WsState {
    WS_JOINING, /* accepted; 101 is not sent yet; in no list */
    WS_OPEN,    /* in server->open, ordered by check_ms */
    WS_CLOSING, /* our close frame is queued or sent; in server->closing, ordered by check_ms */
    WS_CLOSED,  /* in server->dead until the end of the loop's turn */
    WS_STATE_COUNT_
} WsState;

typedef struct WsList {
    CorWsSession *first;
    CorWsSession *last;
} WsList;

struct CorWsSession {
    CorWsServer *server;
    const CorWsHandlers *handlers;
    void *context;
    WsPost post;
    uint8_t *early; /* sent by the peer right behind its request */
    size_t early_size;

    int fd;
    uint32_t events; /* what epoll watches */
    uint8_t state;   /* WsState */
    bool is_dirty;   /* in server->dirty */
    bool is_half_closed;
    uint16_t code;
    int64_t check_ms; /* next ping, or end of the close handshake */
    int64_t heard_ms;
    CorWsSession *previous;
    CorWsSession *next;
    CorWsSession *next_dirty;

    wslay_event_context_ptr parser; /* NULL between messages */
    uint64_t fed;                   /* bytes given to parser */
    uint64_t framed;                /* bytes of the frames that it has begun */
    bool in_message;                /* between fragments */
    const uint8_t *in;
    size_t in_size;

    WsQueue queue;
    uint64_t taken; /* text frames */
};

struct CorWsServer {
    CorWsServerOptions options;
    int epoll_fd;
    CorWakeup *wakeup;
    CorThread *thread;

    /* WebSocket thread only */
    WsList open;
    WsList closing;
    CorWsSession *dead;
    CorWsSession *dirty;
    CorBytes *ping;
    CorString *reply; /* what wslay wants to send */
    bool is_over;
    uint8_t input[16384];

    pthread_mutex_t mutex;
    pthread_cond_t gone;
    WsPost *first;   /* guarded by mutex */
    WsPost *last;    /* guarded by mutex */
    bool is_closed;  /* guarded by mutex; no post is taken any more */
    size_t sessions; /* guarded by mutex; joining ones too */

    atomic_bool is_draining;
    atomic_uint_fast64_t bytes_queued;
    atomic_uint_fast64_t opened;
    atomic_uint_fast64_t slow_closed;
    atomic_uint_fast64_t silent_closed;
    atomic_uint_fast64_t frames_sent;
};

/* ws-handshake.c */
bool cor_ws_priv_accept_key(const char *key, char ret_accept[COR_WS_PRIV_ACCEPT_SIZE]);

/* ws-frame.c */
CorBytes *cor_ws_priv_frame(uint8_t opcode, const void *payload, size_t size);
CorBytes *cor_ws_priv_close_frame(uint16_t code, const char *reason);

/* ws-queue.c */
bool cor_ws_priv_queue_push(WsQueue *queue, CorBytes *frame, bool is_text);
void cor_ws_priv_queue_clear(WsQueue *queue, bool keep_begun);
/* Write what the socket takes.  False if the connection is broken. */
bool cor_ws_priv_queue_flush(WsQueue *queue, int fd, uint64_t *texts_taken);

/* ws-session.c; WebSocket thread only. */
CorWsSession *cor_ws_priv_session_new(CorWsServer *server, const CorWsHandlers *handlers,
                                      void *context);
void cor_ws_priv_session_free(CorWsSession *session);
void cor_ws_priv_session_join(CorWsSession *session);
void cor_ws_priv_session_kill(CorWsSession *session, uint16_t code);
void cor_ws_priv_session_event(CorWsSession *session, uint32_t events);
void cor_ws_priv_session_check(CorWsSession *session, int64_t now_ms);
void cor_ws_priv_session_flush(CorWsSession *session);

/* ws-server.c */
bool cor_ws_priv_reserve(CorWsServer *server);
void cor_ws_priv_release(CorWsServer *server);
bool cor_ws_priv_post(CorWsServer *server, WsPost *post);
void cor_ws_priv_list_add(WsList *list, CorWsSession *session);
void cor_ws_priv_list_remove(WsList *list, CorWsSession *session);
