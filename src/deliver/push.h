/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of all clients, and what each of them is sent next.
 *
 * A push hub knows every connection under its client.  Whoever commits an event hands its frame to
 * cor_deliver_priv_push_events(); a connection that is exactly there sends it at once, one that is
 * not asks the catch-up thread (catchup.h) for pages of the log.
 *
 * Ordering   On a connection events come in the order of their numbers, each exactly once.
 * Ownership  The hub is counted: connections that end after cor_deliver_stop() still find it.
 * Threads    Functions that take the hub: Thread-safe.  Functions that take a connection:
 *            WebSocket thread only, unless they say otherwise.
 * Blocking   Never.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/id.h"
#include "deliver/deliver.h"
#include "deliver/frame.h"
#include "http/http-stream.h"

#define COR_PUSH_SINCE_CURSOR (-1) /* begin at the client's cursor */

typedef enum CorPushDoor {
    COR_PUSH_LIVE, /* /ws */
    COR_PUSH_PROD, /* /prod */
    COR_PUSH_SSE,  /* /clients/{id}/events */
    COR_PUSH_DOOR_COUNT_
} CorPushDoor;

typedef enum CorPushState {
    COR_PUSH_OPENING,  /* not yet among its client's connections */
    COR_PUSH_CATCHING, /* one page is asked of the catch-up thread, or on its way back */
    COR_PUSH_WAITING,  /* behind, until its buffer is empty */
    COR_PUSH_CURRENT,  /* next_seq is the next event that there will be */
    COR_PUSH_CLOSED,   /* the peer is gone; only references are left */
    COR_PUSH_STATE_COUNT_
} CorPushState;

typedef struct CorPush CorPush;
typedef struct CorPushClient CorPushClient;
typedef struct CorPushCursor CorPushCursor;

typedef struct CorPushConn {
    atomic_int refs;
    CorPush *push;         /* a reference */
    CorPushClient *client; /* a reference; NULL on /prod without client_id: never sent anything */
    atomic_bool has_slot;  /* counts against its client's bound */
    CorPushDoor door;
    int64_t since; /* where it wants to begin, or COR_PUSH_SINCE_CURSOR */
    CorWsSession *ws;
    CorHttpStream *stream; /* a reference, for COR_PUSH_SSE */

    CorPushCursor *cursor; /* that waits to be written; guarded by the mutex of catchup.c */

    /* WebSocket thread only */
    CorPushState state;
    bool is_placed;           /* next_seq is known */
    int64_t next_seq;         /* the number that goes out next */
    int64_t newest_seq;       /* the largest number that is known to exist */
    bool looks_again;         /* something was committed while a page was on its way */
    int64_t busy_since_ms;    /* its buffer has not been empty since */
    bool is_given_up;         /* it reads too slowly and is being closed */
    uint64_t frames;          /* WebSocket frames queued so far */
    int64_t acked_seq;        /* /prod: where the cursor was moved last */
    struct CorPushConn *next; /* of the same client */
    struct CorPushConn *previous;
} CorPushConn;

/* A page of a client's log, for one connection or for all that are current. */
typedef struct CorPushPage {
    CorPushConn *conn;     /* a reference; NULL: for all, and these two are references: */
    CorPush *push;         /* NULL if conn is not */
    CorPushClient *client; /* NULL if conn is not */
    int64_t start;         /* the page begins after this number */
    int64_t reset;         /* the last number, if the client asked for one beyond it; else -1 */
    int64_t gap;           /* the oldest number that is kept, if some before it are gone; else 0 */
    int64_t last;          /* the newest number of the log */
    size_t len;
    CorDeliverFrame *frames[64]; /* references */
} CorPushPage;

#define COR_PUSH_PAGE_MAX ((size_t) 64)

/* An event that was committed just now. */
typedef struct CorPushEvent {
    char client_id[COR_ID_SIZE];
    char job_id[COR_ID_SIZE];
    CorDeliverFrame *frame; /* a reference */
} CorPushEvent;

/** Make an empty hub; cor_deliver_priv_push_run() starts its catch-up thread. */
COR_MUSTCHECK bool cor_deliver_priv_push_new(const CorDeliverOptions *options, CorPush **ret_push,
                                             CorError *err);
CorPush *cor_deliver_priv_push_ref(CorPush *push);
void cor_deliver_priv_push_unref(CorPush *push);

/** Start the thread that reads logs and writes cursors. */
COR_MUSTCHECK bool cor_deliver_priv_push_run(CorPush *push, CorError *err);

/** End that thread; what it was asked for is dropped, cursors are written first. */
void cor_deliver_priv_push_halt(CorPush *push);

/** What the server was started with.  Borrowed. */
const CorDeliverOptions *cor_deliver_priv_push_options(const CorPush *push);

/** True if the client has a connection, so that a frame is worth making. */
bool cor_deliver_priv_push_has_client(CorPush *push, const char *client_id);

/** Send committed events to whom they belong; takes the frames and frees events with free(). */
void cor_deliver_priv_push_events(CorPush *push, CorPushEvent *events, size_t len);

/** Show the counters from now on. */
void cor_deliver_priv_push_show_metrics(void);

/** Let the connections of a client look into its log. */
void cor_deliver_priv_push_wake(CorPush *push, const char *client_id);

/** Show progress: only the latest of a job that is pending counts. */
void cor_deliver_priv_push_progress(CorPush *push, const char *client_id, const char *job_id,
                                    const char *json);

/* ---- Connections: for the doors ---- */

/**
 * Make a connection under its client's bound.
 *
 * @param client_id  NULL makes one that is never sent anything
 * @param ret_conn   a reference; free it with cor_deliver_priv_conn_close() or unref
 * @param err        LIMIT if the client has too many
 */
COR_MUSTCHECK bool cor_deliver_priv_conn_new(CorPush *push, CorPushDoor door, const char *client_id,
                                             CorPushConn **ret_conn, CorError *err);
/** Thread-safe. */
CorPushConn *cor_deliver_priv_conn_ref(CorPushConn *conn);
/** Thread-safe. */
void cor_deliver_priv_conn_unref(CorPushConn *conn);

/** Put it among its client's connections and begin. */
void cor_deliver_priv_conn_open(CorPushConn *conn);

/** The peer is gone: take it out and drop its own reference. */
void cor_deliver_priv_conn_close(CorPushConn *conn);

/** Everything that was queued is with the peer's kernel. */
void cor_deliver_priv_conn_drained(CorPushConn *conn);

/** A pong or ping came: on /prod the cursor may move. */
void cor_deliver_priv_conn_alive(CorPushConn *conn);

/** Send a text that is no event to a WebSocket. */
void cor_deliver_priv_conn_say(CorPushConn *conn, const char *json);

/** The client says that it has everything up to seq. */
void cor_deliver_priv_conn_ack(CorPushConn *conn, int64_t seq);

/** Take a page that the catch-up thread has read; frees it. */
void cor_deliver_priv_conn_page(CorPushPage *page);

/** Take a page that it has read for all connections of a client; frees it. */
void cor_deliver_priv_push_page(CorPushPage *page);

void cor_deliver_priv_page_free(CorPushPage *page);
