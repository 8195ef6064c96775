/* SPDX-License-Identifier: Apache-2.0 */
/* The hub: who is connected, and the way from any thread to the WebSocket thread.
 *
 * The table of clients is under a mutex, because a handshake must be refused on the HTTP server's
 * thread and because the consumer makes no frame for a client that nobody listens as.  The list of
 * a client's connections belongs to the WebSocket thread alone.  A client that connects after the
 * consumer has looked reads the committed log, so nothing falls between.
 */
#include "deliver/push.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "deliver/push-priv.h"

/* What travels to the WebSocket thread. */
typedef struct Parcel {
    CorPush *push; /* a reference */
    CorPushEvent *events;
    size_t len;
    char client_id[COR_ID_SIZE]; /* to wake, if there are no events */
} Parcel;

/* ---- The table of clients ---- */

/* FNV-1a from a random start. */
static size_t bucket_of(const CorPush *push, const char *client_id)
{
    uint32_t hash = 2166136261u ^ push->seed;

    for (const char *c = client_id; *c; c++) {
        hash = (hash ^ (uint8_t) *c) * 16777619u;
    }
    return (hash ^ (hash >> 16)) % COR_PUSH_BUCKETS;
}

/* Mutex held. */
static CorPushClient *find_locked(CorPush *push, const char *client_id)
{
    CorPushClient *client = push->clients[bucket_of(push, client_id)];

    while (client && strcmp(client->id, client_id) != 0) {
        client = client->next;
    }
    return client;
}

CorPushClient *cor_deliver_priv_client_find(CorPush *push, const char *client_id)
{
    CorPushClient *client = NULL;

    pthread_mutex_lock(&push->mutex);
    client = find_locked(push, client_id);
    if (client) {
        client->refs++;
    }
    pthread_mutex_unlock(&push->mutex);
    return client;
}

void cor_deliver_priv_client_ref(CorPush *push, CorPushClient *client)
{
    pthread_mutex_lock(&push->mutex);
    client->refs++;
    pthread_mutex_unlock(&push->mutex);
}

/* Mutex held; NULL if there is no memory. */
static CorPushClient *add_locked(CorPush *push, const char *client_id)
{
    CorPushClient *client = cor_new(CorPushClient);
    size_t bucket = bucket_of(push, client_id);

    if (client) {
        memcpy(client->id, client_id, strlen(client_id) + 1);
        client->next = push->clients[bucket];
        push->clients[bucket] = client;
    }
    return client;
}

bool cor_deliver_priv_client_join(CorPush *push, const char *client_id, CorPushClient **ret_client,
                                  CorError *err)
{
    CorPushClient *client = NULL;
    bool is_full = false;

    pthread_mutex_lock(&push->mutex);
    client = find_locked(push, client_id);
    if (!client) {
        client = add_locked(push, client_id);
    }
    is_full = client && client->connections >= push->options.connections_per_client;
    if (client && !is_full) {
        client->refs++;
        client->connections++;
    }
    pthread_mutex_unlock(&push->mutex);
    if (is_full) {
        return cor_fail(err, COR_ERR_LIMIT, "this client has %zu connections already",
                        push->options.connections_per_client);
    }
    if (!client) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a connection");
    }
    *ret_client = client;
    return true;
}

void cor_deliver_priv_client_leave(CorPush *push, CorPushClient *client)
{
    pthread_mutex_lock(&push->mutex);
    client->connections--;
    pthread_mutex_unlock(&push->mutex);
}

void cor_deliver_priv_client_unref(CorPush *push, CorPushClient *client)
{
    CorPushClient **slot = NULL;

    pthread_mutex_lock(&push->mutex);
    if (--client->refs > 0) {
        pthread_mutex_unlock(&push->mutex);
        return;
    }
    slot = &push->clients[bucket_of(push, client->id)];
    while (*slot != client) {
        slot = &(*slot)->next;
    }
    *slot = client->next;
    pthread_mutex_unlock(&push->mutex);
    free(client);
}

/* ---- The hub ---- */

bool cor_deliver_priv_push_new(const CorDeliverOptions *options, CorPush **ret_push, CorError *err)
{
    CorPush *push = cor_new(CorPush);

    if (!push) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for delivery");
    }
    atomic_init(&push->refs, 1);
    push->options = *options;
    if (!cor_random_bytes(&push->seed, sizeof(push->seed), err) ||
        !cor_deliver_priv_catchup_new(&push->options, &push->catchup, err)) {
        free(push);
        return false;
    }
    (void) pthread_mutex_init(&push->mutex, NULL);
    *ret_push = push;
    return true;
}

bool cor_deliver_priv_push_run(CorPush *push, CorError *err)
{
    return cor_deliver_priv_catchup_start(push->catchup, err);
}

void cor_deliver_priv_push_halt(CorPush *push)
{
    cor_deliver_priv_catchup_stop(push->catchup);
}

CorPush *cor_deliver_priv_push_ref(CorPush *push)
{
    atomic_fetch_add_explicit(&push->refs, 1, memory_order_relaxed);
    return push;
}

static void free_progress(CorPushProgress *progress)
{
    while (progress) {
        CorPushProgress *next = progress->next;

        cor_bytes_unref(progress->json);
        cor_bytes_unref(progress->ws);
        free(progress);
        progress = next;
    }
}

void cor_deliver_priv_push_unref(CorPush *push)
{
    if (!push || atomic_fetch_sub_explicit(&push->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    free_progress(push->progress);
    cor_deliver_priv_catchup_free(push->catchup);
    (void) pthread_mutex_destroy(&push->mutex);
    free(push);
}

const CorDeliverOptions *cor_deliver_priv_push_options(const CorPush *push)
{
    return &push->options;
}

bool cor_deliver_priv_push_has_client(CorPush *push, const char *client_id)
{
    bool has = false;

    pthread_mutex_lock(&push->mutex);
    has = find_locked(push, client_id) != NULL;
    pthread_mutex_unlock(&push->mutex);
    return has;
}

/* ---- Events ---- */

static void free_parcel(Parcel *parcel)
{
    for (size_t i = 0; i < parcel->len; i++) {
        cor_deliver_priv_frame_unref(parcel->events[i].frame);
    }
    free(parcel->events);
    cor_deliver_priv_push_unref(parcel->push);
    free(parcel);
}

/* Call offer for every connection of a client.  A connection may leave the list during its own
 * call, and no other one does. */
static void offer_to_all(CorPushClient *client, CorDeliverFrame *frame)
{
    CorPushConn *conn = client->conns;

    while (conn) {
        CorPushConn *next = conn->next;

        cor_deliver_priv_conn_offer(conn, frame);
        conn = next;
    }
}

/* Something that nobody has a frame of was committed for a client.  Its connections that are
 * current are all at the same place, or nearly: they share one page, and a burst shares one too.
 * The others look into the log anyway. */
static void wake_all(CorPush *push, CorPushClient *client)
{
    CorPushConn *conn = client->conns;
    size_t current = 0;
    int64_t oldest = INT64_MAX;

    for (CorPushConn *each = conn; each; each = each->next) {
        if (each->state == COR_PUSH_CURRENT) {
            current++;
            oldest = COR_MIN(oldest, each->next_seq);
        }
    }
    client->reads_again = client->is_reading;
    if (!client->is_reading && current > 1) {
        client->is_reading =
            cor_deliver_priv_catchup_ask_for_all(push->catchup, push, client, oldest - 1);
    }
    while (conn) {
        CorPushConn *next = conn->next;

        if (!client->is_reading || conn->state != COR_PUSH_CURRENT) {
            cor_deliver_priv_conn_wake(conn);
        }
        conn = next;
    }
}

/* Those that are current and still behind, because the page was cut or begins with a gap, read on
 * for themselves. */
static void wake_those_behind(CorPushClient *client, int64_t last)
{
    CorPushConn *conn = client->conns;

    while (conn) {
        CorPushConn *next = conn->next;

        if (conn->state == COR_PUSH_CURRENT && conn->next_seq <= last) {
            cor_deliver_priv_conn_wake(conn);
        }
        conn = next;
    }
}

void cor_deliver_priv_push_page(CorPushPage *page)
{
    CorPushClient *client = page->client;

    client->is_reading = false;
    for (size_t i = 0; i < page->len; i++) {
        offer_to_all(client, page->frames[i]);
    }
    wake_those_behind(client, page->last);
    if (client->reads_again) {
        wake_all(page->push, client);
    }
    cor_deliver_priv_page_free(page);
}

static void deliver_to(CorPush *push, const char *client_id, CorDeliverFrame *frame)
{
    CorPushClient *client = cor_deliver_priv_client_find(push, client_id);

    if (!client) {
        return;
    }
    if (frame) {
        offer_to_all(client, frame);
    } else {
        wake_all(push, client);
    }
    cor_deliver_priv_client_unref(push, client);
}

static void open_parcel(void *arg)
{
    Parcel *parcel = arg;

    for (size_t i = 0; i < parcel->len; i++) {
        deliver_to(parcel->push, parcel->events[i].client_id, parcel->events[i].frame);
    }
    if (parcel->len == 0) {
        deliver_to(parcel->push, parcel->client_id, NULL);
    }
    free_parcel(parcel);
}

static void post_parcel(CorPush *push, Parcel *parcel)
{
    parcel->push = cor_deliver_priv_push_ref(push);
    if (!cor_ws_post(push->options.ws, open_parcel, parcel)) {
        free_parcel(parcel); /* nobody is connected any more, or finds it in the log later */
    }
}

/* What was said about a job before its end must not be said after it. */
static void drop_progress(CorPush *push, const CorPushEvent *events, size_t len)
{
    CorPushProgress *dropped = NULL;
    CorPushProgress **slot = NULL;

    pthread_mutex_lock(&push->mutex);
    slot = &push->progress;
    while (*slot) {
        CorPushProgress *progress = *slot;
        bool is_over = false;

        for (size_t i = 0; i < len && !is_over; i++) {
            is_over = strcmp(events[i].job_id, progress->job_id) == 0;
        }
        if (is_over) {
            *slot = progress->next;
            progress->next = dropped;
            dropped = progress;
            push->progress_len--;
        } else {
            slot = &progress->next;
        }
    }
    pthread_mutex_unlock(&push->mutex);
    free_progress(dropped);
}

void cor_deliver_priv_push_events(CorPush *push, CorPushEvent *events, size_t len)
{
    Parcel *parcel = cor_new(Parcel);
    Parcel lost = {.events = events, .len = len};

    drop_progress(push, events, len);
    if (!parcel) {
        for (size_t i = 0; i < len; i++) {
            cor_deliver_priv_frame_unref(lost.events[i].frame);
        }
        free(events);
        return;
    }
    *parcel = lost;
    post_parcel(push, parcel);
}

void cor_deliver_priv_push_wake(CorPush *push, const char *client_id)
{
    Parcel *parcel = NULL;

    if (!cor_id_is_legal(client_id) || !cor_deliver_priv_push_has_client(push, client_id)) {
        return;
    }
    parcel = cor_new(Parcel);
    if (parcel) {
        memcpy(parcel->client_id, client_id, strlen(client_id) + 1);
        post_parcel(push, parcel);
    }
}

/* ---- Progress ---- */

static void show_progress(CorPush *push, CorPushProgress *progress)
{
    CorPushClient *client = cor_deliver_priv_client_find(push, progress->client_id);
    CorPushConn *conn = client ? client->conns : NULL;

    while (conn) {
        CorPushConn *next = conn->next;

        cor_deliver_priv_conn_progress(conn, progress->json, progress->ws);
        conn = next;
    }
    if (client) {
        cor_deliver_priv_client_unref(push, client);
    }
}

static void take_progress(void *arg)
{
    CorPush *push = arg;
    CorPushProgress *progress = NULL;

    pthread_mutex_lock(&push->mutex);
    progress = push->progress;
    push->progress = NULL;
    push->progress_len = 0;
    push->progress_is_posted = false;
    pthread_mutex_unlock(&push->mutex);
    for (CorPushProgress *each = progress; each; each = each->next) {
        show_progress(push, each);
    }
    free_progress(progress);
    cor_deliver_priv_push_unref(push);
}

/* Put it in, in the place of an older one of the same job, which comes back to be freed; it comes
 * back itself if there are too many.  *ret_must_post: the WebSocket thread does not know yet. */
static CorPushProgress *put_progress(CorPush *push, CorPushProgress *progress, bool *ret_must_post)
{
    CorPushProgress *old = NULL;
    CorPushProgress **slot = NULL;

    pthread_mutex_lock(&push->mutex);
    slot = &push->progress;
    while (*slot && strcmp((*slot)->job_id, progress->job_id) != 0) {
        slot = &(*slot)->next;
    }
    if (*slot) {
        old = *slot;
        progress->next = old->next;
        old->next = NULL;
        *slot = progress;
    } else if (push->progress_len >= COR_PUSH_PROGRESS_MAX) {
        old = progress;
    } else {
        *slot = progress;
        push->progress_len++;
    }
    *ret_must_post = push->progress && !push->progress_is_posted;
    push->progress_is_posted = push->progress_is_posted || *ret_must_post;
    pthread_mutex_unlock(&push->mutex);
    return old;
}

void cor_deliver_priv_push_progress(CorPush *push, const char *client_id, const char *job_id,
                                    const char *json)
{
    CorPushProgress *progress = NULL;
    bool must_post = false;

    if (!cor_id_is_legal(client_id) || !cor_id_is_legal(job_id) ||
        !cor_deliver_priv_push_has_client(push, client_id)) {
        return;
    }
    progress = cor_new(CorPushProgress);
    if (!progress) {
        return; /* progress may be dropped */
    }
    memcpy(progress->client_id, client_id, strlen(client_id) + 1);
    memcpy(progress->job_id, job_id, strlen(job_id) + 1);
    progress->json = cor_bytes_new(json, strlen(json));
    progress->ws = cor_ws_frame_new(json, strlen(json));
    if (!progress->json || !progress->ws) {
        free_progress(progress);
        return;
    }
    free_progress(put_progress(push, progress, &must_post));
    if (must_post) {
        (void) cor_deliver_priv_push_ref(push);
        if (!cor_ws_post(push->options.ws, take_progress, push)) {
            cor_deliver_priv_push_unref(push);
        }
    }
}
