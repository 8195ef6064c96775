/* SPDX-License-Identifier: Apache-2.0 */
/* What push.c and push-conn.c share: the hub and its table of clients.
 *
 * Threads  As said at each field.
 */
#pragma once

#include "deliver/catchup.h"
#include "deliver/push.h"

#define COR_PUSH_BUCKETS ((size_t) 8192)
#define COR_PUSH_PROGRESS_MAX ((size_t) 256) /* jobs whose progress is pending */

struct CorPushClient {
    char id[COR_ID_SIZE];
    size_t refs;                /* guarded by the hub's mutex */
    size_t connections;         /* guarded by the hub's mutex; bounded */
    CorPushConn *conns;         /* WebSocket thread only */
    bool is_reading;            /* WebSocket thread only; a page for all of conns is asked for */
    bool reads_again;           /* WebSocket thread only; one more, when that has come */
    struct CorPushClient *next; /* in its bucket; guarded by the hub's mutex */
};

typedef struct CorPushProgress {
    struct CorPushProgress *next;
    char client_id[COR_ID_SIZE];
    char job_id[COR_ID_SIZE];
    CorBytes *json;
    CorBytes *ws;
} CorPushProgress;

struct CorPush {
    atomic_int refs;
    CorDeliverOptions options;
    CorCatchup *catchup;
    pthread_mutex_t mutex;
    uint32_t seed; /* of the hash, so that nobody can choose colliding ids */
    CorPushClient *clients[COR_PUSH_BUCKETS]; /* guarded by mutex */
    CorPushProgress *progress;                /* guarded by mutex; oldest first */
    size_t progress_len;                      /* guarded by mutex */
    bool progress_is_posted;                  /* guarded by mutex */
};

/** Find a client; NULL if it has no connection.  Give it back with client_unref.  Thread-safe. */
CorPushClient *cor_deliver_priv_client_find(CorPush *push, const char *client_id);

/** One more reference.  Thread-safe. */
void cor_deliver_priv_client_ref(CorPush *push, CorPushClient *client);

/** Find or make a client and take one of its connections; LIMIT if none is left.  Thread-safe. */
COR_MUSTCHECK bool cor_deliver_priv_client_join(CorPush *push, const char *client_id,
                                                CorPushClient **ret_client, CorError *err);

/** Give a connection of the bound back.  Thread-safe. */
void cor_deliver_priv_client_leave(CorPush *push, CorPushClient *client);
void cor_deliver_priv_client_unref(CorPush *push, CorPushClient *client);

/* Below: WebSocket thread only. */

/** An event was committed: send it if it is the next one, else catch up. */
void cor_deliver_priv_conn_offer(CorPushConn *conn, CorDeliverFrame *frame);

/** Somebody committed something: look into the log unless that happens anyway. */
void cor_deliver_priv_conn_wake(CorPushConn *conn);

/** Show progress to a connection that is current and not half full. */
void cor_deliver_priv_conn_progress(CorPushConn *conn, CorBytes *json, CorBytes *ws);
