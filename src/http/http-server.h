/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 server: a table of routes behind rules on who may come in.
 *
 * A request passes, in this order: target (400), Host (421), Origin (403), route (404, 405), token
 * (401), content type (415), size (413), JSON (400); then its handler runs on a thread of the pool.
 * A handler may block shortly on a port.  What waits longer suspends: http/http-stream.h.
 *
 * Ordering    Requests of one connection are answered in their order.
 * Ownership   cor_http_server_start() gives an object to stop.  Options are copied, but for the
 *             contexts and the tickets, which must live until cor_http_server_stop() has returned.
 * Threads     Thread-safe.  Handlers run on several threads at once.
 * Blocking    start() binds; drain() and stop() wait for running handlers.
 * Errors      INVALID for a bad address, route or origin; CONFLICT for an address in use.
 * Units       Durations are ms, sizes bytes.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#include "http/http-request.h"
#include "http/http-response.h"
#include "http/http-ticket.h"

#define COR_HTTP_LISTEN_MAX 4
#define COR_HTTP_TARGET_MAX 8192 /* bytes of a request target */
#define COR_HTTP_PARAM_MAX 8     /* parameters of a route's pattern */

typedef struct CorHttpServer CorHttpServer;

/* Flags of a route. */
#define COR_HTTP_PUBLIC (1u << 0) /* no token needed (presigned, health, static files) */
#define COR_HTTP_TICKET (1u << 1) /* ?ticket= may stand for the token (EventSource) */
#define COR_HTTP_WEBSOCKET \
    (1u << 2) /* foreign origin is 403; sub-protocol "bearer.<token>" and \
                 ticket may stand for the token */

/* What a route does with a request's body. */
typedef enum CorHttpBody {
    COR_HTTP_BODY_NONE,   /* drained and dropped */
    COR_HTTP_BODY_JSON,   /* parsed: cor_http_req_json(); none is NULL; else application/json or 415
                           */
    COR_HTTP_BODY_RAW,    /* in memory: cor_http_req_body() */
    COR_HTTP_BODY_STREAM, /* given to CorHttpUpload piece by piece, never buffered */
} CorHttpBody;

/* Answers a request by filling res.  Leaving res untouched is a 500. */
typedef void (*CorHttpHandler)(CorHttpRequest *req, CorHttpResponse *res, void *context);

/* Consumer of a streamed body.  All three may refuse by filling res and returning false; then only
 * abort() is called. */
typedef struct CorHttpUpload {
    /* Headers are there.  *ret_upload is what the others get.  NULL: nothing to prepare. */
    bool (*begin)(CorHttpRequest *req, CorHttpResponse *res, void *context, void **ret_upload);
    /* The next bytes; may block on a disk.  *size is how many there are; set it to fewer to take
     * only those now: the rest comes again when the hold is released that begin() made with
     * cor_http_hold_new(). */
    bool (*data)(void *upload, const void *data, size_t *size, CorHttpResponse *res);
    /* The body was cut, refused or timed out: drop what was begun.  Not called after the handler
     * has run, which gets the upload from cor_http_req_upload() and then owns it. */
    void (*abort)(void *upload);
} CorHttpUpload;

typedef struct CorHttpRoute {
    const char *method;  /* "GET" also answers HEAD */
    const char *pattern; /* "/jobs/{id}", "/objects/{bucket}/{key...}", "/{path...}", "/pacs/" */
    CorHttpHandler handler;
    uint32_t flags; /* COR_HTTP_* */
    CorHttpBody body;
    uint64_t body_max;           /* 0: the server's; for STREAM it must be given */
    const CorHttpUpload *upload; /* for STREAM */
    void *context;               /* NULL: the server's route_context */
} CorHttpRoute;

/* One finished request, for the access log and metrics.  No path, query, client or token in it. */
typedef struct CorHttpAccess {
    const char *method;  /* "GET", or "other" */
    const char *pattern; /* of the route; "" if none matched */
    int status;          /* 0: the peer left before there was one */
    int64_t duration_us; /* from the request line to the last byte or the upgrade */
    uint64_t bytes;      /* of the body sent or to be sent */
} CorHttpAccess;

typedef void (*CorHttpAccessFn)(const CorHttpAccess *access, void *context);

typedef struct CorHttpServerOptions {
    const char *const *listen; /* "127.0.0.1:8080", "[::1]:0"; port 0 picks a free one */
    size_t listen_len;         /* 1 to COR_HTTP_LISTEN_MAX */
    const CorHttpRoute *routes;
    size_t routes_len;
    void *route_context;

    const char *const *hosts; /* names allowed in Host beside loopback, without port; "*": any */
    size_t hosts_len;
    const char *const *origins; /* "https://viewer.example", "http://x:*", beside loopback's */
    size_t origins_len;
    const char *token;       /* Bearer token; NULL or "": none needed */
    CorHttpTickets *tickets; /* for COR_HTTP_TICKET and COR_HTTP_WEBSOCKET; may be NULL */
    const char *csp;         /* Content-Security-Policy of every answer; NULL: none */

    unsigned threads;         /* 0: 16 */
    unsigned connections_max; /* 0: 12000 */
    size_t body_max;          /* 0: 256 KiB */
    size_t header_max;        /* 0: 16 KiB for request line and headers */
    /* For line, headers and body together; 0: 30 s.  A peer that takes nothing of an answer for
     * twice as long is cut. */
    int64_t request_timeout_ms;
    int64_t idle_timeout_ms; /* between two requests of a connection; 0: 75 s */
    int64_t bytes_per_s_min; /* slower streams and answers are cut; 0: 32 KiB/s */

    CorHttpAccessFn on_access; /* called on the pool's threads; may be NULL */
    void *access_context;
} CorHttpServerOptions;

typedef struct CorHttpCounters {
    uint64_t connections; /* open now, upgraded ones not counted */
    uint64_t active;      /* requests being read, handled or answered */
    uint64_t suspended;   /* streams and parked requests */
    uint64_t timeouts;    /* connections cut by a deadline, ever */
} CorHttpCounters;

/**
 * Bind, listen and answer.
 *
 * @param ret_server  stop it with cor_http_server_stop()
 * @param err         INVALID, CONFLICT (address in use), UNAVAILABLE or NOMEM
 */
COR_MUSTCHECK bool cor_http_server_start(const CorHttpServerOptions *options,
                                         CorHttpServer **ret_server, CorError *err);

/** The port that listen[index] really has. */
uint16_t cor_http_server_port(const CorHttpServer *server, size_t index);

/**
 * Stop accepting, end all streams, answer parked requests at once (they see a time-out) and wait
 * until no request runs, at most timeout_ms.  Answers close their connections from now on.
 *
 * @return true if everything was finished in time
 */
bool cor_http_server_drain(CorHttpServer *server, int64_t timeout_ms);

/** Close everything and free the server.  Waits for running handlers.  NULL is ignored. */
void cor_http_server_stop(CorHttpServer *server);
COR_DEFINE_CLEANUP(CorHttpServer, cor_http_server_stop)

/** Numbers for metrics. */
void cor_http_server_counters(CorHttpServer *server, CorHttpCounters *ret_counters);
