/* SPDX-License-Identifier: Apache-2.0 */
/* Starting, stopping and the timer.
 *
 * Threads of delivery: the consumer (consume.c), the catch-up thread (catchup.c) and the timer
 * here, which forgets what is older than the retention time.  Connections live on the WebSocket
 * thread (push-conn.c) and keep the hub alive until the last of them is gone. */
#include "deliver/deliver.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/time.h"
#include "deliver/deliver-priv.h"
#include "ledger/ledger.h"
#include "program/log.h"

#define PRUNE_STEP 500
#define PRUNE_FIRST_MS 10000
#define PRUNE_EVERY_MS 600000

#define CONNECTIONS_PER_CLIENT 32
#define BUFFER_BYTES ((size_t) 1024 * 1024)
#define URL_EXPIRES_S 86400

typedef struct Pruning {
    int64_t older_than_unix_ms;
    size_t removed;
} Pruning;

static bool prune_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    Pruning *pruning = arg;

    return cor_ledger_prune(txn, pruning->older_than_unix_ms, PRUNE_STEP, &pruning->removed, err);
}

bool cor_deliver_prune(CorDeliver *deliver, size_t *ret_removed, CorError *err)
{
    Pruning pruning = {.older_than_unix_ms = cor_time_unix_ms() - deliver->options.retention_ms};
    size_t removed = 0;

    if (deliver->options.retention_ms <= 0) {
        *ret_removed = 0;
        return true;
    }
    do {
        /* RELAXED: what a power cut brings back is forgotten again. */
        if (!cor_sql_write(deliver->options.ledger, prune_run, &pruning, COR_SQL_RELAXED, err)) {
            return false;
        }
        removed += pruning.removed;
    } while (pruning.removed == PRUNE_STEP && !atomic_load(&deliver->is_stopping));
    *ret_removed = removed;
    return true;
}

static void run_timer(void *arg)
{
    CorDeliver *deliver = arg;
    int64_t deadline_ms = cor_time_ms() + PRUNE_FIRST_MS;

    while (!atomic_load(&deliver->is_stopping)) {
        CorError err = {0};
        size_t removed = 0;

        if (cor_wakeup_wait_until(deliver->timer_wakeup, deadline_ms)) {
            continue;
        }
        deadline_ms = cor_time_ms() + PRUNE_EVERY_MS;
        if (!cor_deliver_prune(deliver, &removed, &err)) {
            cor_log_warning("old events cannot be forgotten, retrying later",
                            COR_F("error", err.text));
        } else if (removed > 0) {
            cor_log_info("forgot what is older than the retention time", COR_FI("jobs", removed));
        }
    }
}

static bool start_parts(CorDeliver *deliver, CorError *err)
{
    return cor_deliver_priv_push_new(&deliver->options, &deliver->push, err) &&
           cor_deliver_priv_push_run(deliver->push, err) &&
           cor_deliver_priv_consumer_start(&deliver->options, deliver->push, &deliver->consumer,
                                           err) &&
           cor_wakeup_new(&deliver->timer_wakeup, err) &&
           cor_thread_start("deliver-timer", 0, run_timer, deliver, &deliver->timer, err);
}

bool cor_deliver_start(const CorDeliverOptions *options, CorDeliver **ret_deliver, CorError *err)
{
    CorDeliver *deliver = cor_new(CorDeliver);

    if (!deliver) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for delivery");
    }
    atomic_init(&deliver->is_stopping, false);
    deliver->options = *options;
    if (deliver->options.connections_per_client == 0) {
        deliver->options.connections_per_client = CONNECTIONS_PER_CLIENT;
    }
    if (deliver->options.buffer_bytes == 0) {
        deliver->options.buffer_bytes = BUFFER_BYTES;
    }
    if (deliver->options.url_expires_s == 0) {
        deliver->options.url_expires_s = URL_EXPIRES_S;
    }
    cor_deliver_priv_push_show_metrics();
    if (!start_parts(deliver, err)) {
        cor_deliver_stop(deliver);
        return false;
    }
    *ret_deliver = deliver;
    return true;
}

void cor_deliver_drain(CorDeliver *deliver, int64_t drain_ms)
{
    if (deliver) {
        cor_deliver_priv_consumer_drain(deliver->consumer, cor_time_ms() + drain_ms);
    }
}

void cor_deliver_stop(CorDeliver *deliver)
{
    if (!deliver) {
        return;
    }
    atomic_store(&deliver->is_stopping, true);
    if (deliver->timer) {
        cor_wakeup_signal(deliver->timer_wakeup);
        cor_thread_join(deliver->timer);
    }
    cor_wakeup_free(deliver->timer_wakeup);
    cor_deliver_priv_consumer_stop(deliver->consumer);
    if (deliver->push) {
        cor_deliver_priv_push_halt(deliver->push);
        cor_deliver_priv_push_unref(deliver->push);
    }
    free(deliver);
}

void cor_deliver_wake(CorDeliver *deliver, const char *client_id)
{
    cor_deliver_priv_push_wake(deliver->push, client_id);
}

void cor_deliver_store_is_back(CorDeliver *deliver)
{
    cor_deliver_priv_consumer_hurry(deliver->consumer);
}

void cor_deliver_progress(CorDeliver *deliver, const char *client_id, const char *job_id,
                          const char *json)
{
    cor_deliver_priv_push_progress(deliver->push, client_id, job_id, json);
}
