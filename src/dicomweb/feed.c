/* SPDX-License-Identifier: Apache-2.0 */
/* A listener is a parked request or a stream.  It is in the list while its request lives, and has a
 * reference from it and one from whoever works on it; the number that it has got to belongs to
 * the thread alone.
 *
 * A stream whose buffer is full is left out until it is empty again, and then goes on behind its
 * last number: a slow reader costs its buffer and no change is lost.
 */
#include "dicomweb/feed.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/string.h"
#include "catalog/catalog.h"
#include "program/thread.h"

enum {
    PAGE = 200,                /* changes written to a stream at once */
    STREAM_BYTES = 256 * 1024, /* of a stream's buffer */
    LISTENERS_MAX = 4096,
    HEARTBEAT_MS = 15000,
};

typedef struct Listener {
    atomic_uint refs;
    struct Listener *next; /* guarded by the feed's mutex */
    struct CorFeed *feed;
    CorHttpPark *park;     /* of a request, else NULL */
    CorHttpStream *stream; /* of a stream, else NULL */
    CorHttpParkOptions options;
    int64_t since;                         /* the thread's */
    char asked[COR_CATALOG_IDENTITY_SIZE]; /* of a stream: whose number since is; "": nobody said */
    atomic_bool is_full;                   /* waits until its buffer is empty */
    atomic_bool is_gone;
} Listener;

struct CorFeed {
    CorSql *catalog;
    CorThread *thread;
    pthread_mutex_t mutex;
    pthread_cond_t due;
    bool is_due;     /* guarded by mutex: there may be something to tell */
    bool is_ending;  /* guarded by mutex */
    Listener *first; /* guarded by mutex */
    size_t len;      /* guarded by mutex */
};

/* --- listeners --- */

static void wake(void *context)
{
    CorFeed *feed = context;

    (void) pthread_mutex_lock(&feed->mutex);
    feed->is_due = true;
    bool somebody_listens = feed->first != NULL;
    (void) pthread_mutex_unlock(&feed->mutex);
    if (somebody_listens) {
        (void) pthread_cond_signal(&feed->due); /* unlocked: who wakes shall not wait for it */
    }
}

static void unref(Listener *listener)
{
    if (atomic_fetch_sub(&listener->refs, 1) == 1) {
        cor_http_park_unref(listener->park);
        cor_http_stream_unref(listener->stream);
        free(listener);
    }
}

/* One whose reference is that of its request. */
static bool listener_new(CorFeed *feed, int64_t since, Listener **ret_listener, CorError *err)
{
    Listener *listener = cor_new(Listener);

    if (!listener) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a listener");
    }
    (void) pthread_mutex_lock(&feed->mutex);
    bool has_room = feed->len < LISTENERS_MAX;
    (void) pthread_mutex_unlock(&feed->mutex);
    if (!has_room) {
        free(listener);
        return cor_fail(err, COR_ERR_UNAVAILABLE, "too many wait for changes");
    }
    listener->feed = feed;
    listener->since = since;
    atomic_init(&listener->refs, 1);
    *ret_listener = listener;
    return true;
}

/* Put it into the list, and let the thread see whether there is something for it already. */
static void enlist(Listener *listener)
{
    CorFeed *feed = listener->feed;

    (void) pthread_mutex_lock(&feed->mutex);
    listener->next = feed->first;
    feed->first = listener;
    feed->len++;
    (void) pthread_mutex_unlock(&feed->mutex);
    wake(feed);
}

static void leave(Listener *listener)
{
    CorFeed *feed = listener->feed;

    (void) pthread_mutex_lock(&feed->mutex);
    for (Listener **at = &feed->first; *at; at = &(*at)->next) {
        if (*at == listener) {
            *at = listener->next;
            feed->len--;
            break;
        }
    }
    (void) pthread_mutex_unlock(&feed->mutex);
    atomic_store(&listener->is_gone, true);
    unref(listener);
}

/* --- the thread --- */

/* One page on its way into a stream. */
typedef struct Page {
    Listener *listener;
    CorString *text;
    int64_t last;
    size_t len;
    int64_t newest;
    char here[COR_CATALOG_IDENTITY_SIZE];
} Page;

static bool add_to_page(void *context, int64_t seq, const char *json, size_t size)
{
    Page *page = context;

    cor_string_printf(page->text, "id: %lld-%s\ndata: ", (long long) seq, page->here);
    cor_string_append(page->text, json, size);
    cor_string_append_text(page->text, "\n\n");
    page->last = seq;
    page->len++;
    return cor_string_size(page->text) < STREAM_BYTES / 2;
}

/* Numbers of another catalogue: what comes after them here is nothing to do with the client. */
static bool is_of_another(const Page *page)
{
    const Listener *listener = page->listener;

    return listener->since > page->newest ||
           (listener->asked[0] && strcmp(listener->asked, page->here) != 0);
}

static bool read_page(CorSqlTxn *txn, void *arg, CorError *err)
{
    Page *page = arg;

    if (!cor_catalog_identity(txn, page->here, err) ||
        !cor_catalog_last_change(txn, &page->newest, err)) {
        return false;
    }
    if (is_of_another(page)) {
        cor_string_printf(page->text, "id: %lld-%s\nevent: reset\ndata: {\"last\":%lld}\n\n",
                          (long long) page->newest, page->here, (long long) page->newest);
        page->last = page->newest;
        page->len = 1;
        return true;
    }
    return cor_catalog_changes(txn, page->listener->since, PAGE, add_to_page, page, err);
}

/* Write what there is, page by page; false if the reading failed, to try again later. */
static bool tell_stream(Listener *listener)
{
    CorFeed *feed = listener->feed;
    size_t written = 1;

    while (written > 0 && !atomic_load(&listener->is_full) && !atomic_load(&listener->is_gone)) {
        COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(STREAM_BYTES);
        Page page = {.listener = listener, .text = text, .last = listener->since};
        CorError err = {0};

        if (!cor_sql_read(feed->catalog, read_page, &page, &err) || !cor_string_check(text, &err)) {
            cor_http_stream_abort(listener->stream); /* the client comes again with its number */
            return false;
        }
        /* Said first: the buffer may be empty again before the write has returned. */
        atomic_store(&listener->is_full, page.len > 0);
        if (page.len > 0 && !cor_http_stream_write(listener->stream, cor_string_text(text),
                                                   cor_string_size(text), &err)) {
            return true; /* on_drained() or on_end() comes */
        }
        listener->since = page.last;
        memcpy(listener->asked, page.here, sizeof(listener->asked));
        written = page.len;
    }
    return true;
}

static bool read_last(CorSqlTxn *txn, void *arg, CorError *err)
{
    return cor_catalog_last_change(txn, arg, err);
}

/* All that are in the list, each with a reference; NULL if there are none, or no memory. */
static Listener **list(CorFeed *feed, size_t *ret_len)
{
    size_t len = 0;

    (void) pthread_mutex_lock(&feed->mutex);
    Listener **items = feed->len > 0 ? cor_new_array(Listener *, feed->len) : NULL;
    for (Listener *at = feed->first; items && at; at = at->next) {
        atomic_fetch_add(&at->refs, 1);
        items[len++] = at;
    }
    (void) pthread_mutex_unlock(&feed->mutex);
    *ret_len = len;
    return items;
}

static void tell(CorFeed *feed)
{
    size_t len = 0;
    COR_CLEANUP(cor_freep) Listener **items = list(feed, &len);
    int64_t last = 0;

    if (len > 0 && !cor_sql_read(feed->catalog, read_last, &last, NULL)) {
        last = INT64_MAX; /* who waits shall find out */
    }
    for (size_t i = 0; i < len; i++) {
        Listener *listener = items[i];

        if (listener->stream) {
            (void) tell_stream(listener);
        } else if (listener->since != last) {
            cor_http_park_wake(listener->park);
        }
        unref(listener);
    }
}

static void serve(void *context)
{
    CorFeed *feed = context;

    for (;;) {
        (void) pthread_mutex_lock(&feed->mutex);
        while (!feed->is_due && !feed->is_ending) {
            (void) pthread_cond_wait(&feed->due, &feed->mutex);
        }
        feed->is_due = false;
        bool is_over = feed->is_ending;
        (void) pthread_mutex_unlock(&feed->mutex);
        if (is_over) {
            return;
        }
        tell(feed);
    }
}

bool cor_dicomweb_priv_feed_new(CorSql *catalog, CorFeed **ret_feed, CorError *err)
{
    CorFeed *feed = cor_new(CorFeed);

    if (!feed) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the feed of changes");
    }
    feed->catalog = catalog;
    (void) pthread_mutex_init(&feed->mutex, NULL);
    (void) pthread_cond_init(&feed->due, NULL);
    if (!cor_thread_start("changes", 0, serve, feed, &feed->thread, err) ||
        !cor_sql_watch(catalog, wake, feed, err)) {
        cor_dicomweb_priv_feed_free(feed);
        return false;
    }
    *ret_feed = feed;
    return true;
}

void cor_dicomweb_priv_feed_free(CorFeed *feed)
{
    if (!feed) {
        return;
    }
    cor_sql_unwatch(feed->catalog, wake, feed);
    (void) pthread_mutex_lock(&feed->mutex);
    feed->is_ending = true;
    (void) pthread_cond_signal(&feed->due);
    (void) pthread_mutex_unlock(&feed->mutex);
    cor_thread_join(feed->thread);
    assert(feed->len == 0); /* the HTTP server has ended every request */
    (void) pthread_cond_destroy(&feed->due);
    (void) pthread_mutex_destroy(&feed->mutex);
    free(feed);
}

/* --- requests --- */

static void again(CorHttpRequest *req, CorHttpResponse *res, bool is_woken, void *context)
{
    Listener *listener = context;

    listener->options.again(req, res, is_woken, listener->options.context);
}

static void release(void *context)
{
    Listener *listener = context;

    if (listener->options.release) {
        listener->options.release(listener->options.context);
    }
    leave(listener);
}

bool cor_dicomweb_priv_feed_park(CorFeed *feed, CorHttpRequest *req, int64_t since,
                                 const CorHttpParkOptions *options, CorError *err)
{
    CorHttpParkOptions mine = {
        .timeout_ms = options->timeout_ms, .again = again, .release = release};
    Listener *listener = NULL;

    if (!listener_new(feed, since, &listener, err)) {
        return false;
    }
    listener->options = *options;
    mine.context = listener;
    if (!cor_http_park(req, &mine, &listener->park, err)) {
        unref(listener);
        return false;
    }
    enlist(listener);
    return true;
}

static void on_drained(void *context)
{
    Listener *listener = context;

    atomic_store(&listener->is_full, false);
    wake(listener->feed);
}

static void on_end(void *context)
{
    leave(context);
}

bool cor_dicomweb_priv_feed_stream(CorFeed *feed, CorHttpResponse *res, int64_t since,
                                   const char *asked, CorError *err)
{
    CorHttpStreamOptions options = {.type = "text/event-stream",
                                    .buffer_max = STREAM_BYTES,
                                    .heartbeat = ": \n\n",
                                    .heartbeat_ms = HEARTBEAT_MS,
                                    .on_drained = on_drained,
                                    .on_end = on_end};
    Listener *listener = NULL;

    if (!listener_new(feed, since, &listener, err)) {
        return false;
    }
    (void) snprintf(listener->asked, sizeof(listener->asked), "%s", asked);
    options.context = listener;
    if (!cor_http_res_stream(res, &options, &listener->stream, err)) {
        unref(listener);
        return false;
    }
    enlist(listener);
    return true;
}
