/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share.
 *
 *   http-server.c    options, addresses, start, drain, stop
 *   http-accept.c    connections are taken and dealt out to threads
 *   http-serve.c     one request from its first byte to its last: libmicrohttpd's callbacks
 *   http-admit.c     who may come in, and what a request may bring
 *   http-answer.c    a filled response becomes bytes
 *   http-watch.c     the thread that watches deadlines, peers and heartbeats
 *   http-stream.c, http-pull.c, http-park.c   answers that take their time
 *   http-direct.c    pieces of files between an answer's texts
 *   http-room.c      the thread that waits for room in sockets
 *   http-hold.c      uploads that must wait
 *
 * Locks are taken in this order: server; room; stream, pull, park or hold; libmicrohttpd's own.
 */
#pragma once

#include "http/http-pull.h"
#include "http/http-server.h"
#include "http/http-stream.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "http/http-hold.h"
#include "http/http-room.h"
#include "http/http-route.h"
#include "http/http-target.h"
#include "program/thread.h"

/* What is drained so that a refused peer sees why, instead of a reset. */
#define COR_HTTP_PRIV_DRAIN_MAX ((uint64_t) 256 * 1024)
#define COR_HTTP_PRIV_LINGER_MAX ((uint64_t) 8 * 1024 * 1024)
#define COR_HTTP_PRIV_LINGER_MS 5000
#define COR_HTTP_PRIV_HEADERS_MAX 24

/* Where a connection is; moved by cor_http_priv_move() alone.  Drawn in http-serve.c. */
typedef enum HttpPhase {
    HTTP_IDLE,      /* between two requests; the idle time-out runs */
    HTTP_READING,   /* line, headers or body are coming; the request time-out runs */
    HTTP_ANSWERING, /* the handler has it, or the answer is on its way */
    HTTP_LINGERING, /* refused in the middle of a body: the answer is out, the rest is drained */
    HTTP_EXPIRED,   /* cut by the watch */
    HTTP_PHASE_COUNT_
} HttpPhase;

/* What the watch does to a connection that is suspended.  Called with the server's lock. */
typedef struct HttpSuspension {
    void (*tick)(void *object, int64_t now_ms); /* heartbeat, time-out */
    void (*drain)(void *object);                /* the server drains: come to an end */
    void (*gone)(void *object);                 /* the peer has left, or the server stops */
    bool may_end_sending; /* a peer that says no more has not left: what it said waits to be read */
} HttpSuspension;

/* One of libmicrohttpd's threads, with the connections that are its own. */
typedef struct HttpLane {
    CorHttpServer *server;
    struct MHD_Daemon *daemon;
    atomic_size_t conns; /* dealt out to it and not over yet */
} HttpLane;

typedef struct HttpConn {
    CorHttpServer *server;
    struct HttpConn *previous; /* guarded by server->mutex */
    struct HttpConn *next;     /* guarded by server->mutex */
    int fd;
    atomic_int phase;                 /* HttpPhase */
    atomic_int_fast64_t deadline_ms;  /* 0: none */
    const HttpSuspension *suspension; /* guarded by server->mutex; NULL: nothing is suspended */
    void *suspended;                  /* guarded by server->mutex */
    CorHttpRequest *request;          /* connection's thread only */
    bool has_patience; /* connection's thread only: how long a peer may not confirm is set */
    char peer[64];
} HttpConn;

struct CorHttpServer {
    CorHttpServerOptions options; /* texts copied into texts */
    char **hosts;
    char **origins;
    char *token;
    char *csp;
    CorHttpRoutes *routes;

    HttpLane *lanes;
    size_t lanes_len;
    int listen_fds[COR_HTTP_LISTEN_MAX];
    uint16_t ports[COR_HTTP_LISTEN_MAX];
    size_t listen_len;

    /* Held while suspended connections are resumed: never taken under a lock of libmicrohttpd. */
    pthread_mutex_t mutex;
    HttpConn *conns;    /* guarded by mutex */
    uint64_t conns_len; /* guarded by mutex */
    uint64_t suspended; /* guarded by mutex */

    pthread_mutex_t active_mutex; /* a leaf: nothing is taken while it is held */
    pthread_cond_t quiet;         /* active has become 0 */
    uint64_t active;              /* guarded by active_mutex */

    atomic_bool is_draining;
    atomic_bool is_stopping;
    atomic_uint_fast64_t timeouts;

    CorThread *watch;
    CorWakeup *watch_wakeup;

    HttpRoom *room;

    CorThread *accept;
    CorWakeup *accept_wakeup;
    size_t turn; /* accepting thread only: the lane that is looked at first */
    atomic_bool accept_is_over;
    atomic_bool is_full; /* the accepting thread waits for a connection to end, or is about to */
};

typedef enum HttpBodyKind {
    HTTP_UNTOUCHED,
    HTTP_EMPTY,
    HTTP_BUFFER, /* malloc()ed */
    HTTP_BYTES,
    HTTP_STATIC,
    HTTP_FILE,
    HTTP_STREAM,
    HTTP_PULL,
    HTTP_UPGRADE,
} HttpBodyKind;

typedef struct HttpHeader {
    char *name;
    char *value;
} HttpHeader;

struct CorHttpResponse {
    int status;
    HttpBodyKind kind;
    bool is_broken; /* out of memory, or a bad header: answer 500 */
    char *type;
    char *etag; /* with quotes */
    HttpHeader headers[COR_HTTP_PRIV_HEADERS_MAX];
    size_t headers_len;

    void *data; /* BUFFER, STATIC */
    size_t size;
    CorBytes *bytes;
    int fd; /* FILE */
    uint64_t file_offset;
    uint64_t file_size;
    CorHttpStream *stream;
    CorHttpPull *pull;
    CorHttpUpgrade upgrade;
    char *protocol;
};

/* What the next call of libmicrohttpd's access handler means. */
typedef enum HttpStage {
    HTTP_STAGE_HEADERS,  /* the headers are there */
    HTTP_STAGE_BODY,     /* body bytes, or their end */
    HTTP_STAGE_HELD,     /* the rest of the body bytes, which had to wait */
    HTTP_STAGE_REFUSED,  /* res says no; the small rest of the body is drained, then it is sent */
    HTTP_STAGE_LINGER,   /* res was sent raw; the rest is drained, then the connection is cut */
    HTTP_STAGE_PARKED,   /* woken, timed out or left */
    HTTP_STAGE_ANSWERED, /* a response is queued */
} HttpStage;

struct CorHttpRequest {
    CorHttpServer *server;
    HttpConn *conn;
    struct MHD_Connection *connection;
    HttpStage stage;
    char *raw;             /* the raw target */
    CorHttpTarget *target; /* NULL if it could not be parsed */
    CorError target_error;
    const char *method; /* libmicrohttpd's */
    bool is_head;
    bool takes_chunks; /* HTTP/1.1 */
    const CorHttpCompiledRoute *route;

    const char *origin; /* of the request; NULL if there is none */
    bool origin_is_allowed;
    bool expects_continue;
    bool must_close;

    int64_t content_length; /* -1: chunked; 0: no body */
    uint64_t body_max;
    uint64_t body_seen;       /* bytes that came, drained ones too */
    int64_t body_deadline_ms; /* as it was before the body */
    uint8_t *body;
    size_t body_capacity;
    size_t body_size;
    json_t *json;
    void *upload;
    bool has_upload;
    CorHttpHold *hold; /* NULL: the upload never waits */

    CorHttpPark *park;
    CorHttpPull *pulled; /* the answer that is being sent; NULL if it is no such one */
    bool upgrade_is_done;
    CorHttpResponse res;

    int64_t start_us;
    uint64_t bytes_sent;
};

/* http-serve.c */
bool cor_http_priv_move(HttpConn *conn, HttpPhase from, HttpPhase to);
void cor_http_priv_request_free(CorHttpRequest *req);
void *cor_http_priv_on_uri(void *context, const char *uri, struct MHD_Connection *connection);
void cor_http_priv_on_connection(void *context, struct MHD_Connection *connection, void **slot,
                                 enum MHD_ConnectionNotificationCode code);
void cor_http_priv_on_completed(void *context, struct MHD_Connection *connection, void **slot,
                                enum MHD_RequestTerminationCode code);
enum MHD_Result cor_http_priv_on_access(void *context, struct MHD_Connection *connection,
                                        const char *url, const char *method, const char *version,
                                        const char *data, size_t *size, void **slot);

/* http-accept.c */
bool cor_http_priv_accept_start(CorHttpServer *server, CorError *err);
/* A connection has ended. */
void cor_http_priv_accept_room(CorHttpServer *server);
/* Nobody new comes in from now on. */
void cor_http_priv_accept_stop(CorHttpServer *server);

/* http-admit.c: false with res filled. */
bool cor_http_priv_admit(CorHttpRequest *req);

/* http-answer.c */
enum MHD_Result cor_http_priv_answer(CorHttpRequest *req);
bool cor_http_priv_answer_raw(CorHttpRequest *req);
void cor_http_priv_send_timeout(int fd);

/* End the connection when its peer confirms nothing of what was sent for twice the request
 * time-out: it has vanished without a word, or does not read. */
void cor_http_priv_limit_patience(HttpConn *conn);

/* http-response.c */
void cor_http_priv_res_init(CorHttpResponse *res);
void cor_http_priv_res_done(CorHttpResponse *res);
/* Takes the reference. */
void cor_http_priv_res_set_pull(CorHttpResponse *res, const char *type, CorHttpPull *pull);

/* http-watch.c */
bool cor_http_priv_watch_start(CorHttpServer *server, CorError *err);
void cor_http_priv_watch_stop(CorHttpServer *server);
void cor_http_priv_suspension_set(HttpConn *conn, const HttpSuspension *suspension, void *object);
void cor_http_priv_suspension_clear(HttpConn *conn);
void cor_http_priv_suspension_drain_all(CorHttpServer *server);
void cor_http_priv_suspension_stop_all(CorHttpServer *server);

/* http-stream.c */
struct MHD_Response *cor_http_priv_stream_response(CorHttpStream *stream, CorHttpRequest *req);
void cor_http_priv_stream_drop(CorHttpStream *stream);

/* http-pull.c */
struct MHD_Response *cor_http_priv_pull_response(CorHttpPull *pull, CorHttpRequest *req);
void cor_http_priv_pull_drop(CorHttpPull *pull);
/* Before the request goes, and the connection with it; takes the request's reference. */
void cor_http_priv_pull_end(CorHttpPull *pull);

/* http-park.c */
typedef enum HttpParkState {
    HTTP_PARK_WAITING,
    HTTP_PARK_WOKEN,
    HTTP_PARK_LATE,
    HTTP_PARK_GONE
} HttpParkState;
bool cor_http_priv_park_suspend(CorHttpPark *park, CorHttpRequest *req);
HttpParkState cor_http_priv_park_state(CorHttpPark *park);
void cor_http_priv_park_again(CorHttpPark *park, CorHttpRequest *req, bool is_woken);
void cor_http_priv_park_drop(CorHttpPark *park);

/* http-hold.c */
typedef enum HttpHeld {
    HTTP_HELD,         /* the connection is suspended */
    HTTP_NOT_HELD,     /* it was released meanwhile: ask the consumer again */
    HTTP_HELD_NO_MORE, /* close it */
} HttpHeld;
HttpHeld cor_http_priv_hold_suspend(CorHttpHold *hold, CorHttpRequest *req);
bool cor_http_priv_hold_resume(CorHttpHold *hold, CorHttpRequest *req);
void cor_http_priv_hold_drop(CorHttpHold *hold);
