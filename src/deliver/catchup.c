/* SPDX-License-Identifier: Apache-2.0 */
/* A list of pages that were asked for and a list of cursors to move, both emptied by one thread.
 *
 * Cursors go first: a client that acknowledges, leaves and comes back must not be sent again what
 * it acknowledged.  All cursors that wait share one write, which may be undone by a power cut: then
 * the client is sent a few events twice, which is what a cursor that comes late means anyway.
 *
 * A page is read in one snapshot together with the state of the log, so that "the page ends at the
 * last number" is true of one moment.  It holds consecutive numbers only; where numbers are missing
 * (pruned by the retention time) it says so at its beginning.
 */
#include "deliver/catchup.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "deliver/push-priv.h"
#include "ledger/ledger.h"
#include "program/log.h"
#include "program/thread.h"

#define BACK_OFF_MS 250
#define PAGE_BYTES_MIN ((size_t) 16 * 1024)

typedef struct Wish {
    struct Wish *next;
    CorPushConn *conn;     /* a reference; NULL: for all connections, and these are references: */
    CorPush *push;         /* NULL if conn is not */
    CorPushClient *client; /* NULL if conn is not */
    int64_t since;
    bool is_first;
} Wish;

/* At most one per connection waits, so that a flood of acknowledgements takes no memory. */
struct CorPushCursor {
    struct CorPushCursor *next;
    CorPushConn *conn; /* a reference */
    int64_t seq;       /* 0: only note that the client is here */
};

struct CorCatchup {
    const CorDeliverOptions *options;
    CorThread *thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    Wish *wishes; /* guarded by mutex; oldest first */
    Wish **wishes_end;
    CorPushCursor *cursors; /* guarded by mutex; oldest first */
    CorPushCursor **cursors_end;
    bool is_running;  /* guarded by mutex */
    bool is_troubled; /* thread only: the last try failed, and that was logged */
};

/* ---- Reading a page ---- */

typedef struct Reading {
    const CorDeliverOptions *options;
    const Wish *wish;
    CorPushPage *page;
    int64_t expected;
    size_t bytes;
    bool is_full;
} Reading;

static bool add_event(void *context, int64_t seq, int64_t created_unix_ms, const char *body,
                      CorError *err)
{
    Reading *reading = context;
    CorPushPage *page = reading->page;
    size_t bytes_max = COR_MAX(reading->options->buffer_bytes / 4, PAGE_BYTES_MIN);

    (void) created_unix_ms;
    if (page->len == 0 && seq > reading->expected) {
        page->gap = seq;
        reading->expected = seq;
    }
    if (reading->is_full || seq != reading->expected) {
        reading->is_full = true;
        return true;
    }
    if (!cor_deliver_priv_frame_from_body(reading->options, seq, body, &page->frames[page->len],
                                          err)) {
        return false;
    }
    reading->bytes += cor_bytes_size(cor_deliver_priv_frame_json(page->frames[page->len]));
    reading->is_full = reading->bytes >= bytes_max;
    reading->expected++;
    page->len++;
    return true;
}

static void place(const Wish *wish, const CorClientLog *log, CorPushPage *page)
{
    page->last = log->last;
    page->reset = -1;
    page->start = wish->since == COR_PUSH_SINCE_CURSOR ? log->acked : wish->since;
    if (page->start > log->last) {
        page->reset = wish->is_first ? log->last : -1;
        page->start = log->last;
    }
}

static bool read_page(CorSqlTxn *txn, void *arg, CorError *err)
{
    Reading *reading = arg;
    CorPushPage *page = reading->page;
    const Wish *wish = reading->wish;
    CorEventRange range = {.client_id = wish->conn ? wish->conn->client->id : wish->client->id,
                           .max = COR_PUSH_PAGE_MAX};
    CorClientLog log = {0};

    if (!cor_ledger_client(txn, range.client_id, &log, err)) {
        return false;
    }
    place(wish, &log, page);
    reading->expected = page->start + 1;
    range.since = page->start;
    if (!cor_ledger_events(txn, &range, add_event, reading, err)) {
        return false;
    }
    if (page->len == 0 && log.last > page->start) {
        page->gap = log.last + 1;
    }
    return true;
}

static void post_page(void *arg)
{
    CorPushPage *page = arg;

    if (page->conn) {
        cor_deliver_priv_conn_page(page);
    } else {
        cor_deliver_priv_push_page(page);
    }
}

static void address(const Wish *wish, CorPushPage *page)
{
    if (wish->conn) {
        page->conn = cor_deliver_priv_conn_ref(wish->conn);
        return;
    }
    page->push = cor_deliver_priv_push_ref(wish->push);
    page->client = wish->client;
    cor_deliver_priv_client_ref(wish->push, wish->client);
}

static bool serve(CorCatchup *catchup, const Wish *wish, CorError *err)
{
    CorPushPage *page = cor_new(CorPushPage);
    Reading reading = {.options = catchup->options, .wish = wish, .page = page};

    if (!page) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "out of memory for a page");
    }
    address(wish, page);
    if (!cor_sql_read(catchup->options->ledger, read_page, &reading, err)) {
        cor_deliver_priv_page_free(page);
        return false;
    }
    if (!cor_ws_post(catchup->options->ws, post_page, page)) {
        cor_deliver_priv_page_free(page); /* the server has stopped: nobody reads it */
    }
    return true;
}

/* ---- Writing cursors ---- */

static bool write_cursors(CorSqlTxn *txn, void *arg, CorError *err)
{
    int64_t now_unix_ms = cor_time_unix_ms();

    for (const CorPushCursor *cursor = arg; cursor; cursor = cursor->next) {
        const char *client_id = cursor->conn->client->id;

        if (!cor_ledger_seen(txn, client_id, now_unix_ms, err) ||
            !cor_ledger_ack(txn, client_id, cursor->seq, err)) {
            return false;
        }
    }
    return true;
}

static void free_cursors(CorPushCursor *cursor)
{
    while (cursor) {
        CorPushCursor *next = cursor->next;

        cor_deliver_priv_conn_unref(cursor->conn);
        free(cursor);
        cursor = next;
    }
}

static void free_wish(Wish *wish)
{
    if (!wish) {
        return;
    }
    cor_deliver_priv_conn_unref(wish->conn);
    if (wish->client) {
        cor_deliver_priv_client_unref(wish->push, wish->client);
    }
    cor_deliver_priv_push_unref(wish->push);
    free(wish);
}

/* ---- The thread ---- */

/* Log once per change, not per try. */
static void note(CorCatchup *catchup, bool is_ok, const CorError *err)
{
    if (!is_ok && !catchup->is_troubled) {
        cor_log_warning("the ledger cannot be used for live connections, retrying",
                        COR_F("error", err->text));
    }
    if (is_ok && catchup->is_troubled) {
        cor_log_info("the ledger can be used for live connections again");
    }
    catchup->is_troubled = !is_ok;
}

/* Mutex held. */
static void give_back_wish(CorCatchup *catchup, Wish *wish)
{
    wish->next = catchup->wishes;
    catchup->wishes = wish;
    if (!wish->next) {
        catchup->wishes_end = &wish->next;
    }
}

/* Mutex held.  Those whose connection has acknowledged more meanwhile come back to be freed. */
static CorPushCursor *give_back_cursors(CorCatchup *catchup, CorPushCursor *cursor)
{
    CorPushCursor *merged = NULL;

    while (cursor) {
        CorPushCursor *next = cursor->next;
        CorPushCursor *newer = cursor->conn->cursor;

        if (newer) {
            newer->seq = COR_MAX(newer->seq, cursor->seq);
            cursor->next = merged;
            merged = cursor;
        } else {
            cursor->conn->cursor = cursor;
            cursor->next = NULL;
            *catchup->cursors_end = cursor;
            catchup->cursors_end = &cursor->next;
        }
        cursor = next;
    }
    return merged;
}

/* Mutex held. */
static CorPushCursor *take_cursors(CorCatchup *catchup)
{
    CorPushCursor *cursors = catchup->cursors;

    catchup->cursors = NULL;
    catchup->cursors_end = &catchup->cursors;
    for (CorPushCursor *cursor = cursors; cursor; cursor = cursor->next) {
        cursor->conn->cursor = NULL;
    }
    return cursors;
}

/* Mutex held. */
static Wish *take_wish(CorCatchup *catchup)
{
    Wish *wish = catchup->wishes;

    if (wish) {
        catchup->wishes = wish->next;
        if (!catchup->wishes) {
            catchup->wishes_end = &catchup->wishes;
        }
    }
    return wish;
}

/* Mutex held.  Give back what failed, and let some time pass. */
static void back_off(CorCatchup *catchup, Wish *wish, CorPushCursor *cursors)
{
    int64_t deadline_ms = cor_time_ms() + BACK_OFF_MS;
    CorPushCursor *merged = give_back_cursors(catchup, cursors);

    if (wish) {
        give_back_wish(catchup, wish);
    }
    while (catchup->is_running &&
           cor_cond_wait_until(&catchup->cond, &catchup->mutex, deadline_ms)) {
    }
    pthread_mutex_unlock(&catchup->mutex);
    free_cursors(merged);
    pthread_mutex_lock(&catchup->mutex);
}

/* Mutex held; given up meanwhile.  Do one thing that waits: all cursors, or one page. */
static void work(CorCatchup *catchup)
{
    CorPushCursor *cursors = take_cursors(catchup);
    Wish *wish = cursors ? NULL : take_wish(catchup);
    CorError err = {0};
    bool is_ok = false;

    pthread_mutex_unlock(&catchup->mutex);
    is_ok = cursors ? cor_sql_write(catchup->options->ledger, write_cursors, cursors,
                                    COR_SQL_RELAXED, &err)
                    : serve(catchup, wish, &err);
    note(catchup, is_ok, &err);
    if (is_ok) {
        free_cursors(cursors);
        free_wish(wish);
    }
    pthread_mutex_lock(&catchup->mutex);
    if (!is_ok) {
        back_off(catchup, wish, cursors);
    }
}

static void run(void *arg)
{
    CorCatchup *catchup = arg;

    pthread_mutex_lock(&catchup->mutex);
    while (catchup->is_running) {
        if (catchup->cursors || catchup->wishes) {
            work(catchup);
        } else {
            (void) pthread_cond_wait(&catchup->cond, &catchup->mutex);
        }
    }
    if (catchup->cursors && !catchup->is_troubled) {
        work(catchup);
    }
    pthread_mutex_unlock(&catchup->mutex);
}

/* ---- For everybody ---- */

bool cor_deliver_priv_catchup_new(const CorDeliverOptions *options, CorCatchup **ret_catchup,
                                  CorError *err)
{
    CorCatchup *catchup = cor_new(CorCatchup);

    if (!catchup) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for delivery");
    }
    if (!cor_cond_init(&catchup->cond, err)) {
        free(catchup);
        return false;
    }
    (void) pthread_mutex_init(&catchup->mutex, NULL);
    catchup->options = options;
    catchup->wishes_end = &catchup->wishes;
    catchup->cursors_end = &catchup->cursors;
    *ret_catchup = catchup;
    return true;
}

void cor_deliver_priv_catchup_free(CorCatchup *catchup)
{
    if (!catchup) {
        return;
    }
    (void) pthread_cond_destroy(&catchup->cond);
    (void) pthread_mutex_destroy(&catchup->mutex);
    free(catchup);
}

bool cor_deliver_priv_catchup_start(CorCatchup *catchup, CorError *err)
{
    catchup->is_running = true;
    if (!cor_thread_start("catchup", 0, run, catchup, &catchup->thread, err)) {
        catchup->is_running = false;
        return false;
    }
    return true;
}

void cor_deliver_priv_catchup_stop(CorCatchup *catchup)
{
    CorPushCursor *cursors = NULL;
    Wish *wish = NULL;

    pthread_mutex_lock(&catchup->mutex);
    catchup->is_running = false;
    (void) pthread_cond_broadcast(&catchup->cond);
    pthread_mutex_unlock(&catchup->mutex);
    cor_thread_join(catchup->thread);
    catchup->thread = NULL;

    pthread_mutex_lock(&catchup->mutex);
    cursors = take_cursors(catchup);
    wish = catchup->wishes;
    catchup->wishes = NULL;
    catchup->wishes_end = &catchup->wishes;
    pthread_mutex_unlock(&catchup->mutex);
    free_cursors(cursors);
    while (wish) {
        Wish *next = wish->next;

        free_wish(wish);
        wish = next;
    }
}

/* Takes the wish; false if the thread has stopped. */
static bool put_wish(CorCatchup *catchup, Wish *wish)
{
    bool is_running = false;

    pthread_mutex_lock(&catchup->mutex);
    is_running = catchup->is_running;
    if (is_running) {
        *catchup->wishes_end = wish;
        catchup->wishes_end = &wish->next;
        (void) pthread_cond_signal(&catchup->cond);
    }
    pthread_mutex_unlock(&catchup->mutex);
    if (!is_running) {
        free_wish(wish);
    }
    return is_running;
}

bool cor_deliver_priv_catchup_ask(CorCatchup *catchup, CorPushConn *conn)
{
    Wish *wish = cor_new(Wish);

    if (!wish) {
        return false;
    }
    wish->conn = cor_deliver_priv_conn_ref(conn);
    wish->is_first = !conn->is_placed;
    wish->since = conn->is_placed ? conn->next_seq - 1 : conn->since;
    return put_wish(catchup, wish);
}

bool cor_deliver_priv_catchup_ask_for_all(CorCatchup *catchup, CorPush *push, CorPushClient *client,
                                          int64_t since)
{
    Wish *wish = cor_new(Wish);

    if (!wish) {
        return false;
    }
    wish->push = cor_deliver_priv_push_ref(push);
    wish->client = client;
    cor_deliver_priv_client_ref(push, client);
    wish->since = since;
    return put_wish(catchup, wish);
}

void cor_deliver_priv_catchup_ack(CorCatchup *catchup, CorPushConn *conn, int64_t seq)
{
    CorPushCursor *spare = cor_new(CorPushCursor);

    pthread_mutex_lock(&catchup->mutex);
    if (conn->cursor) {
        conn->cursor->seq = COR_MAX(conn->cursor->seq, seq);
    } else if (catchup->is_running && spare) {
        spare->conn = cor_deliver_priv_conn_ref(conn);
        spare->seq = seq;
        conn->cursor = spare;
        *catchup->cursors_end = spare;
        catchup->cursors_end = &spare->next;
        spare = NULL;
        (void) pthread_cond_signal(&catchup->cond);
    }
    pthread_mutex_unlock(&catchup->mutex);
    free(spare);
}
