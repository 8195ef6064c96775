/* SPDX-License-Identifier: Apache-2.0 */
/* The consumer of Results.fifo.
 *
 * A batch goes through these steps, all messages together:
 *
 *   1. read      the result, and its list of outputs if that is an object of its own; the job's
 *                state.  What cannot be read ends its job as failed and becomes a dead letter.
 *   2. catalog   put the derived objects in.  RELAXED: visible, and safe from kill -9, at once.
 *   3. ledger    final states and events, one transaction.  SYNCED.
 *   4. push      the clients hear.
 *   5. settle    make step 2 durable too (SYNCED), then acknowledge.
 *
 * Why so.  Steps 2 and 3 are two databases.  The ledger comes second, because the catalogue may
 * refuse an object (CONFLICT), which changes how the job ends; and because nobody may hear of a
 * result whose objects cannot be found (invariant 2).  Were step 2 SYNCED as well, a client would
 * wait for two fdatasyncs in a row.  It is RELAXED instead, and synced before the message leaves
 * its queue (invariant 4): a power cut in between may take the rows of the catalogue, but then the
 * message is still there, and step 1 lets a job that has succeeded go through step 2 again, where
 * all is idempotent.  After kill -9 the rows are there whenever the event is.
 *
 * A job that is final otherwise (cancelled, failed) goes straight to step 5: its output stays out
 * of the catalogue and is swept (invariant 3: the first final transition wins).
 *
 * Transient troubles release the messages concerned, to be tried again after 1 s, doubling to 60 s,
 * or when somebody knows that the store is back; nothing is lost, no receive is counted.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "base/time.h"
#include "catalog/catalog.h"
#include "deliver/consume-item.h"
#include "deliver/deliver-priv.h"
#include "job/result.h"
#include "ledger/ledger.h"
#include "program/failpoint.h"
#include "program/log.h"
#include "program/thread.h"

#define BATCH_MAX 64
#define LEASE_MS 30000
#define IDLE_MS 30000
#define BACK_OFF_MIN_MS 1000
#define BACK_OFF_MAX_MS 60000

typedef struct Batch Batch;

struct CorConsumer {
    const CorDeliverOptions *options;
    CorPush *push;
    CorThread *thread;
    CorWakeup *wakeup;
    atomic_bool is_stopping;
    atomic_bool is_hurried; /* somebody knows that the store is back */
    int64_t back_off_ms;    /* thread only; 0 while all is well */
    Batch *batch;           /* thread only */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t rounds;    /* guarded by mutex: how often nothing was left to receive */
    bool is_in_trouble; /* guarded by mutex: back_off_ms > 0 */
};

struct Batch {
    CorConsumer *consumer;
    CorDeliverItem items[BATCH_MAX];
    size_t len;
    int64_t leased_ms; /* when the leases began, or were extended */
};

/* Tell who waits in cor_deliver_priv_consumer_drain(). */
static void note_round(CorConsumer *consumer, bool is_empty)
{
    (void) pthread_mutex_lock(&consumer->mutex);
    consumer->rounds += is_empty;
    consumer->is_in_trouble = consumer->back_off_ms > 0;
    (void) pthread_cond_broadcast(&consumer->changed);
    (void) pthread_mutex_unlock(&consumer->mutex);
}

/* Only the first trouble of a row is logged. */
static void note_trouble(CorConsumer *consumer, const CorError *err)
{
    if (consumer->back_off_ms == 0) {
        cor_log_warning("results cannot be delivered now, retrying", COR_F("error", err->text));
    }
    consumer->back_off_ms = consumer->back_off_ms == 0
                                ? BACK_OFF_MIN_MS
                                : COR_MIN(consumer->back_off_ms * 2, (int64_t) BACK_OFF_MAX_MS);
    note_round(consumer, false);
}

static void note_success(CorConsumer *consumer)
{
    if (consumer->back_off_ms > 0) {
        cor_log_info("results are delivered again");
    }
    consumer->back_off_ms = 0;
}

/* Let the time pass whatever is sent meanwhile; only the end of the server, or the news that the
 * store is back, cuts it short.  False at the end of the server. */
static bool back_off(CorConsumer *consumer)
{
    int64_t deadline_ms = cor_time_ms() + consumer->back_off_ms;

    while (!atomic_load(&consumer->is_stopping) && !atomic_load(&consumer->is_hurried) &&
           cor_wakeup_wait_until(consumer->wakeup, deadline_ms)) {
    }
    atomic_store(&consumer->is_hurried, false);
    return !atomic_load(&consumer->is_stopping);
}

/* Long lists of outputs, or a slow disk, may need more than one lease.  A lease that could not be
 * extended, or has ended, brings its message again, which changes nothing (invariant 4). */
static void keep_leases(Batch *batch)
{
    if (cor_time_ms() - batch->leased_ms < LEASE_MS / 3) {
        return;
    }
    batch->leased_ms = cor_time_ms();
    for (size_t i = 0; i < batch->len; i++) {
        CorError err = {0};

        if (!cor_queue_extend(batch->consumer->options->results, batch->items[i].message, LEASE_MS,
                              &err)) {
            cor_log_debug("the lease of a result was not extended", COR_F("error", err.text));
        }
    }
}

/* ---- Step 1: read ---- */

static bool look_up_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    Batch *batch = arg;

    for (size_t i = 0; i < batch->len; i++) {
        if (!cor_deliver_priv_item_look_up(txn, &batch->items[i], err)) {
            return false;
        }
    }
    return true;
}

static void read_all(Batch *batch)
{
    const CorDeliverOptions *options = batch->consumer->options;
    CorError err = {0};

    for (size_t i = 0; i < batch->len; i++) {
        batch->items[i].event_max_bytes =
            options->event_max_bytes ? options->event_max_bytes : COR_EVENT_BODY_MAX;
        cor_deliver_priv_item_parse(&batch->items[i]);
    }
    if (!cor_sql_read(options->ledger, look_up_run, batch, &err)) {
        for (size_t i = 0; i < batch->len; i++) {
            cor_deliver_priv_item_postpone(&batch->items[i], &err);
        }
        return;
    }
    for (size_t i = 0; i < batch->len; i++) {
        cor_deliver_priv_item_complete(options, &batch->items[i]);
        keep_leases(batch);
    }
}

/* ---- Step 2: catalogue ---- */

/* Writes handed over together, each in a savepoint of its own: one that is refused takes nothing
 * else back. */
typedef struct Crowd {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    size_t running; /* guarded by mutex */
} Crowd;

typedef struct Cataloguing {
    Crowd *crowd;
    CorDeliverItem *item;
    CorError err;
} Cataloguing;

static bool catalogue_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    Cataloguing *cataloguing = arg;

    return cor_deliver_priv_item_catalogue(txn, cataloguing->item, err);
}

static void catalogue_done(void *arg, const CorError *err)
{
    Cataloguing *cataloguing = arg;
    Crowd *crowd = cataloguing->crowd;

    if (err) {
        cataloguing->err = *err;
    }
    pthread_mutex_lock(&crowd->mutex);
    crowd->running--;
    if (crowd->running == 0) {
        (void) pthread_cond_signal(&crowd->cond);
    }
    pthread_mutex_unlock(&crowd->mutex);
}

/* True if at least one item has rows in the catalogue that must become durable. */
static bool catalogue(Batch *batch)
{
    Crowd crowd = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    Cataloguing cataloguings[BATCH_MAX];
    CorSql *db = batch->consumer->options->catalog;
    bool has_rows = false;
    size_t len = 0;

    for (size_t i = 0; i < batch->len; i++) {
        if (!cor_deliver_priv_item_has_rows(&batch->items[i])) {
            continue;
        }
        Cataloguing *cataloguing = &cataloguings[len];
        *cataloguing = (Cataloguing){.crowd = &crowd, .item = &batch->items[i]};
        pthread_mutex_lock(&crowd.mutex);
        crowd.running++;
        pthread_mutex_unlock(&crowd.mutex);
        if (!cor_sql_write_async(db, catalogue_run, catalogue_done, cataloguing, COR_SQL_RELAXED,
                                 &cataloguing->err)) {
            pthread_mutex_lock(&crowd.mutex);
            crowd.running--;
            pthread_mutex_unlock(&crowd.mutex);
        }
        len++;
    }
    pthread_mutex_lock(&crowd.mutex);
    while (crowd.running > 0) {
        (void) pthread_cond_wait(&crowd.cond, &crowd.mutex);
    }
    pthread_mutex_unlock(&crowd.mutex);

    for (size_t i = 0; i < len; i++) {
        if (cataloguings[i].err.code == COR_OK) {
            has_rows = true;
        } else {
            cor_deliver_priv_item_refused(cataloguings[i].item, &cataloguings[i].err);
        }
    }
    return has_rows;
}

/* ---- Step 3: ledger ---- */

static bool finish_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    Batch *batch = arg;
    int64_t now_unix_ms = cor_time_unix_ms();

    for (size_t i = 0; i < batch->len; i++) {
        CorDeliverItem *item = &batch->items[i];

        if (item->fate == COR_ITEM_FINISH &&
            !cor_deliver_priv_item_finish(txn, item, now_unix_ms, err)) {
            return false;
        }
    }
    return true;
}

static void finish(Batch *batch)
{
    CorError err = {0};
    bool has_work = false;

    for (size_t i = 0; i < batch->len; i++) {
        has_work = has_work || batch->items[i].fate == COR_ITEM_FINISH;
    }
    if (!has_work) {
        return;
    }
    COR_FAILPOINT(BEFORE_EVENT);
    if (cor_sql_write(batch->consumer->options->ledger, finish_run, batch, COR_SQL_SYNCED, &err)) {
        COR_FAILPOINT(AFTER_EVENT);
        return;
    }
    for (size_t i = 0; i < batch->len; i++) {
        if (batch->items[i].fate == COR_ITEM_FINISH) {
            cor_deliver_priv_item_postpone(&batch->items[i], &err);
        }
    }
}

/* ---- Step 4: push ---- */

static void push(Batch *batch)
{
    CorConsumer *consumer = batch->consumer;
    CorPushEvent *events = cor_new_array(CorPushEvent, batch->len);
    size_t len = 0;

    for (size_t i = 0; events && i < batch->len; i++) {
        CorDeliverItem *item = &batch->items[i];
        CorPushEvent *event = &events[len];

        if (item->fate != COR_ITEM_FINISH || !item->is_first ||
            !cor_deliver_priv_push_has_client(consumer->push, item->client_id)) {
            continue;
        }
        memcpy(event->client_id, item->client_id, sizeof(event->client_id));
        memcpy(event->job_id, item->job_id, sizeof(event->job_id));
        if (cor_deliver_priv_frame_new(consumer->options, item->seq, item->event, &event->frame,
                                       NULL)) {
            len++;
        } else {
            cor_deliver_priv_push_wake(consumer->push, item->client_id); /* it reads the log */
        }
    }
    if (len == 0) {
        free(events);
        return;
    }
    cor_deliver_priv_push_events(consumer->push, events, len);
}

/* ---- Step 5: settle ---- */

static bool mark_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char sql[] = "UPDATE deliver_mark SET marks = marks + 1";

    (void) arg;
    return cor_sql_run(cor_sql_stmt(txn, sql), err);
}

/* Make everything durable that was committed to the catalogue before: a SYNCED commit syncs the
 * whole log, but only if it has something to write. */
static void sync_catalogue(Batch *batch)
{
    CorError err = {0};

    if (cor_sql_write(batch->consumer->options->catalog, mark_run, NULL, COR_SQL_SYNCED, &err)) {
        return;
    }
    for (size_t i = 0; i < batch->len; i++) {
        if (cor_deliver_priv_item_has_rows(&batch->items[i])) {
            cor_deliver_priv_item_postpone(&batch->items[i], &err);
        }
    }
}

static void acknowledge(Batch *batch)
{
    CorMessage *messages[BATCH_MAX];
    CorError err = {0};
    size_t len = 0;

    for (size_t i = 0; i < batch->len; i++) {
        if (batch->items[i].fate == COR_ITEM_FINISH || batch->items[i].fate == COR_ITEM_OVER) {
            messages[len] = batch->items[i].message;
            len++;
        }
    }
    while (len > 0 && !cor_queue_ack(batch->consumer->options->results, messages, len, &err) &&
           err.code != COR_ERR_CONFLICT) {
        note_trouble(batch->consumer, &err);
        if (!cor_error_is_transient(&err) || !back_off(batch->consumer)) {
            return; /* they come again and change nothing */
        }
        err = (CorError){0};
    }
    for (size_t i = 0; i < batch->len; i++) {
        cor_deliver_priv_item_tidy(batch->consumer->options, &batch->items[i]);
    }
}

/* Give a message back.  The pause until it is tried again is the consumer's, which can be cut
 * short; that of the message is as short as it may be. */
static void release(CorConsumer *consumer, CorMessage *message)
{
    CorError err = {0};

    while (!cor_queue_release(consumer->options->results, message, BACK_OFF_MIN_MS, false, &err)) {
        if (!cor_error_is_transient(&err) || !back_off(consumer)) {
            cor_log_debug("the lease of a result ends on its own", COR_F("error", err.text));
            return;
        }
        note_trouble(consumer, &err);
        err = (CorError){0};
    }
}

/* What cannot be read becomes a dead letter, after its job has said that it failed. */
static void bury(CorConsumer *consumer, CorDeliverItem *item)
{
    CorError err = {0};

    if (item->burial.code == COR_OK || item->fate == COR_ITEM_POSTPONED) {
        return;
    }
    cor_log_error("result cannot be delivered", COR_F("job", item->job_id),
                  COR_F("error", item->burial.text));
    if (!cor_queue_fail(consumer->options->results, item->message, item->burial.text, &err) &&
        err.code != COR_ERR_CONFLICT) {
        note_trouble(consumer, &err);
    }
}

static void settle(Batch *batch)
{
    CorConsumer *consumer = batch->consumer;
    CorError trouble = {0};

    for (size_t i = 0; i < batch->len; i++) {
        bury(consumer, &batch->items[i]);
        if (batch->items[i].burial.code != COR_OK && batch->items[i].fate != COR_ITEM_POSTPONED) {
            batch->items[i].fate = COR_ITEM_GONE;
        }
        if (batch->items[i].fate == COR_ITEM_POSTPONED) {
            trouble = batch->items[i].trouble;
        }
    }
    if (trouble.code != COR_OK) {
        note_trouble(consumer, &trouble);
    } else {
        note_success(consumer);
    }
    for (size_t i = 0; i < batch->len; i++) {
        if (batch->items[i].fate == COR_ITEM_POSTPONED) {
            release(consumer, batch->items[i].message);
        }
    }
    acknowledge(batch);
}

static void log_done(const Batch *batch)
{
    for (size_t i = 0; i < batch->len; i++) {
        const CorDeliverItem *item = &batch->items[i];

        if (item->fate == COR_ITEM_FINISH && item->is_first) {
            cor_log_debug("job has ended", COR_F("job", item->job_id), COR_F("algo", item->algo_id),
                          COR_F("state", cor_job_state_name(item->state)));
        }
    }
}

static void deliver_batch(Batch *batch)
{
    read_all(batch);
    bool has_rows = catalogue(batch);
    keep_leases(batch);
    finish(batch);
    push(batch);
    if (has_rows) {
        sync_catalogue(batch);
    }
    keep_leases(batch);
    settle(batch);
    log_done(batch);
}

/* ---- The thread ---- */

static void wait_for(CorConsumer *consumer, int64_t ms)
{
    if (!atomic_load(&consumer->is_stopping)) {
        (void) cor_wakeup_wait_until(consumer->wakeup, cor_time_ms() + ms);
    }
}

static void on_receivable(void *arg)
{
    CorConsumer *consumer = arg;

    cor_wakeup_signal(consumer->wakeup);
}

static void run(void *arg)
{
    static const CorQueueReceive how = {.lease_ms = LEASE_MS, .wait_ms = 0, .max = BATCH_MAX};
    CorConsumer *consumer = arg;
    Batch *batch = consumer->batch;

    while (!atomic_load(&consumer->is_stopping)) {
        CorMessage *messages[BATCH_MAX];
        CorError err = {0};

        batch->len = 0;
        batch->leased_ms = cor_time_ms();
        if (!cor_queue_receive(consumer->options->results, &how, messages, &batch->len, &err)) {
            note_trouble(consumer, &err);
            (void) back_off(consumer);
            continue;
        }
        if (batch->len == 0) {
            note_round(consumer, true);
            wait_for(consumer, IDLE_MS);
            continue;
        }
        for (size_t i = 0; i < batch->len; i++) {
            batch->items[i] = (CorDeliverItem){.message = messages[i]};
        }
        deliver_batch(batch);
        for (size_t i = 0; i < batch->len; i++) {
            cor_deliver_priv_item_done(&batch->items[i]);
        }
        if (consumer->back_off_ms > 0) {
            (void) back_off(consumer);
        }
    }
}

static bool migrate_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char *const steps[] = {
        "CREATE TABLE deliver_mark (marks INTEGER NOT NULL) STRICT;"
        "INSERT INTO deliver_mark(marks) VALUES (0);",
    };

    (void) arg;
    return cor_sql_migrate(txn, "deliver", steps, COR_ARRAY_LEN(steps), err);
}

static CorConsumer *new_consumer(CorError *err)
{
    CorConsumer *consumer = cor_new(CorConsumer);

    if (consumer) {
        consumer->batch = cor_new(Batch);
    }
    if (!consumer || !consumer->batch) {
        free(consumer);
        (void) cor_fail(err, COR_ERR_NOMEM, "out of memory for delivery");
        return NULL;
    }
    consumer->batch->consumer = consumer;
    if (!cor_cond_init(&consumer->changed, err)) {
        free(consumer->batch);
        free(consumer);
        return NULL;
    }
    (void) pthread_mutex_init(&consumer->mutex, NULL);
    return consumer;
}

static void free_consumer(CorConsumer *consumer)
{
    cor_wakeup_free(consumer->wakeup);
    (void) pthread_cond_destroy(&consumer->changed);
    (void) pthread_mutex_destroy(&consumer->mutex);
    free(consumer->batch);
    free(consumer);
}

bool cor_deliver_priv_consumer_start(const CorDeliverOptions *options, CorPush *push,
                                     CorConsumer **ret_consumer, CorError *err)
{
    CorConsumer *consumer = NULL;

    if (!cor_sql_write(options->catalog, migrate_run, NULL, COR_SQL_SYNCED, err)) {
        cor_error_wrap(err, "prepare delivery");
        return false;
    }
    consumer = new_consumer(err);
    if (!consumer) {
        return false;
    }
    consumer->options = options;
    consumer->push = push;
    if (!cor_wakeup_new(&consumer->wakeup, err) ||
        !cor_thread_start("deliver", 0, run, consumer, &consumer->thread, err)) {
        free_consumer(consumer);
        return false;
    }
    cor_queue_watch(options->results, on_receivable, consumer);
    *ret_consumer = consumer;
    return true;
}

void cor_deliver_priv_consumer_hurry(CorConsumer *consumer)
{
    atomic_store(&consumer->is_hurried, true);
    cor_wakeup_signal(consumer->wakeup);
}

/* Two rounds: the first may have looked before the last result was sent. */
void cor_deliver_priv_consumer_drain(CorConsumer *consumer, int64_t deadline_ms)
{
    (void) pthread_mutex_lock(&consumer->mutex);
    uint64_t enough = consumer->rounds + 2;
    do {
        cor_wakeup_signal(consumer->wakeup);
    } while (consumer->rounds < enough && !consumer->is_in_trouble &&
             cor_cond_wait_until(&consumer->changed, &consumer->mutex, deadline_ms));
    (void) pthread_mutex_unlock(&consumer->mutex);
}

void cor_deliver_priv_consumer_stop(CorConsumer *consumer)
{
    if (!consumer) {
        return;
    }
    cor_queue_watch(consumer->options->results, NULL, NULL);
    atomic_store(&consumer->is_stopping, true);
    cor_wakeup_signal(consumer->wakeup);
    cor_thread_join(consumer->thread);
    free_consumer(consumer);
}
