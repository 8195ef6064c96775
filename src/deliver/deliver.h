/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery: the only consumer of Results.fifo, and everything that a client hears.
 *
 * A consumer thread takes results, puts derived objects into the catalogue, moves each job to its
 * final state and appends the numbered event to its client's log; then it acknowledges the message
 * and wakes the client's connections.  Connections are WebSockets (/ws, /prod) and Server-Sent
 * Events; all of them read the same log, so a connection that falls behind or comes back loses
 * nothing.
 *
 * Durability  A client hears of a result only after catalogue and ledger have committed it
 *             (invariant 2).  A result message leaves its queue only after that (invariant 4).
 * Ordering    On a connection events come in the order of their numbers, each exactly once.
 * Ownership   cor_deliver_start() gives an object to stop.  What the options point to stays the
 *             caller's and must live until cor_deliver_stop() has returned.
 * Threads     Thread-safe.
 * Blocking    cor_deliver_stop() waits; cor_deliver_prune() commits; wake and progress never block.
 * Errors      Transient troubles of a store are waited for inside and logged once per change.
 * Units       Durations are ms unless a name says otherwise.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/string.h"

#include <stddef.h>
#include <stdint.h>

#include "blob/blob.h"
#include "driver/sql.h"
#include "http/http-request.h"
#include "http/http-response.h"
#include "queue/queue.h"
#include "ws/ws-server.h"

typedef struct CorDeliver CorDeliver;

/* Who signs the URLs of a frame at the moment it is sent. */
typedef struct CorUrlSigner {
    /* Append the presigned URL of an object.  Called from several threads at once. */
    bool (*sign)(void *context, const char *bucket, const char *key, int64_t expires_in_s,
                 CorString *url, CorError *err);
    void *context;
} CorUrlSigner;

typedef struct CorDeliverOptions {
    CorQueue *results;   /* Results.fifo */
    CorBlobStore *blobs; /* where outputs_key is read, bucket "jobs" */
    CorSql *ledger;      /* the database that the ledger lives in */
    CorSql *catalog;     /* the database that the catalogue lives in */
    CorWsServer *ws;     /* with the buffer_bytes below as its buffer_max */
    CorUrlSigner signer;
    int64_t url_expires_s;         /* of the URLs in frames; 86400 */
    size_t connections_per_client; /* 32 */
    size_t buffer_bytes;           /* of a connection, 1 MiB: beyond it is a slow reader */
    size_t event_max_bytes;        /* of an event in the log; 0: the largest, 256 KiB */
    int64_t retention_ms;          /* how long events and final jobs are kept; 0: for ever */
} CorDeliverOptions;

/**
 * Start delivering: the consumer, the catch-up thread and the timer thread.
 *
 * @param options      copied; what it points to is borrowed
 * @param ret_deliver  stop it with cor_deliver_stop()
 */
COR_MUSTCHECK bool cor_deliver_start(const CorDeliverOptions *options, CorDeliver **ret_deliver,
                                     CorError *err);

/**
 * Wait until every result that was sent before the call is delivered, at most so long; a store that
 * is away ends it.  For a server that drains, before its connections are closed.  NULL is ignored.
 */
void cor_deliver_drain(CorDeliver *deliver, int64_t drain_ms);

/**
 * Stop: finish the batch that is held and free everything.  NULL is ignored.
 *
 * Before it the HTTP server must have been stopped (no handler of ours runs any more); after it,
 * and not before, the WebSocket server and the databases may be stopped.
 */
void cor_deliver_stop(CorDeliver *deliver);
COR_DEFINE_CLEANUP(CorDeliver, cor_deliver_stop)

/** Tell the connections of a client that somebody else committed an event (cancel). */
void cor_deliver_wake(CorDeliver *deliver, const char *client_id);

/** Somebody knows that the store takes bytes again: deliver now what waits for it. */
void cor_deliver_store_is_back(CorDeliver *deliver);

/**
 * Show progress on the client's live connections (/ws and Server-Sent Events, not /prod).
 *
 * Not numbered and not kept: of a job only the latest that is pending counts, and a connection
 * that is behind or half full gets none.
 *
 * @param json  the whole frame, {"type":"progress",...}
 */
void cor_deliver_progress(CorDeliver *deliver, const char *client_id, const char *job_id,
                          const char *json);

/**
 * Forget events and final jobs beyond the retention time, in steps that leave others room to
 * commit.  The timer thread calls it every ten minutes.
 */
COR_MUSTCHECK bool cor_deliver_prune(CorDeliver *deliver, size_t *ret_removed, CorError *err);

/* ---- Routes; context is the CorDeliver ---- */

/** GET /ws?client_id=&since= (COR_HTTP_WEBSOCKET): results, progress, replay, acknowledgements. */
void cor_deliver_serve_ws(CorHttpRequest *req, CorHttpResponse *res, void *context);

/** GET /prod?client_id= (COR_HTTP_WEBSOCKET): final results only, for clients of the reference. */
void cor_deliver_serve_prod(CorHttpRequest *req, CorHttpResponse *res, void *context);

/** GET /clients/{client_id}/events?since=&limit= (COR_HTTP_TICKET): Server-Sent Events, or a page
 * when the request accepts application/json and not text/event-stream. */
void cor_deliver_serve_events(CorHttpRequest *req, CorHttpResponse *res, void *context);
