/* SPDX-License-Identifier: Apache-2.0 */
/* What the workers of this process are doing, as they tell it.
 *
 * Progress lives in memory: it is worth nothing after a crash.  That a job was started or postponed
 * is also written to the ledger, without waiting: if a power cut undoes it, the job simply counts
 * as queued, which it is again.
 */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "program/log.h"

typedef struct Run {
    struct Run *next;
    char job_id[COR_ID_SIZE];
    double fraction;
    char stage[16];
} Run;

struct CorRunning {
    pthread_mutex_t mutex;
    Run *runs; /* guarded by mutex; as many as there are slots */
};

bool cor_gateway_priv_running_new(CorRunning **ret_running, CorError *err)
{
    CorRunning *running = cor_new(CorRunning);

    if (!running) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the list of runs");
    }
    (void) pthread_mutex_init(&running->mutex, NULL);
    *ret_running = running;
    return true;
}

void cor_gateway_priv_running_free(CorRunning *running)
{
    if (!running) {
        return;
    }
    while (running->runs) {
        Run *next = running->runs->next;
        free(running->runs);
        running->runs = next;
    }
    (void) pthread_mutex_destroy(&running->mutex);
    free(running);
}

/* The link that points to a job's run, or to NULL at the end.  The mutex is held. */
static Run **find(CorRunning *running, const char *job_id)
{
    Run **link = &running->runs;

    while (*link && strcmp((*link)->job_id, job_id) != 0) {
        link = &(*link)->next;
    }
    return link;
}

/* What is late, of a run that has ended, makes no new entry. */
static void note(CorRunning *running, const char *job_id, double fraction, const char *stage,
                 bool is_start)
{
    (void) pthread_mutex_lock(&running->mutex);
    Run **link = find(running, job_id);
    if (!*link && is_start) {
        *link = cor_new(Run);
        if (*link) {
            (void) snprintf((*link)->job_id, COR_ID_SIZE, "%s", job_id);
        }
    }
    if (*link) {
        (*link)->fraction = fraction;
        (void) snprintf((*link)->stage, sizeof((*link)->stage), "%s", stage);
    }
    (void) pthread_mutex_unlock(&running->mutex);
}

static void forget(CorRunning *running, const char *job_id)
{
    (void) pthread_mutex_lock(&running->mutex);
    Run **link = find(running, job_id);
    Run *run = *link;
    if (run) {
        *link = run->next;
    }
    (void) pthread_mutex_unlock(&running->mutex);
    free(run);
}

json_t *cor_gateway_priv_running_progress(CorRunning *running, const char *job_id)
{
    json_t *progress = NULL;

    (void) pthread_mutex_lock(&running->mutex);
    const Run *run = *find(running, job_id);
    if (run) {
        progress = json_pack("{s:f, s:s}", "fraction", run->fraction, "stage", run->stage);
    }
    (void) pthread_mutex_unlock(&running->mutex);
    return progress;
}

/* --- news for the ledger --- */

typedef struct News {
    char job_id[COR_ID_SIZE];
    int attempt; /* 0: postponed */
    int64_t now_unix_ms;
} News;

static bool write_news(CorSqlTxn *txn, void *arg, CorError *err)
{
    const News *news = arg;

    return news->attempt > 0
               ? cor_ledger_started(txn, news->job_id, news->attempt, news->now_unix_ms, err)
               : cor_ledger_postponed(txn, news->job_id, err);
}

static void news_written(void *arg, const CorError *err)
{
    if (err) {
        cor_log_warning("state of a job not noted, ignoring", COR_F("error", err->text));
    }
    free(arg);
}

static void send_news(CorGateway *gateway, const char *job_id, int attempt)
{
    News *news = cor_new(News);
    CorError err = {0};

    if (!news) {
        return;
    }
    (void) snprintf(news->job_id, COR_ID_SIZE, "%s", job_id);
    news->attempt = attempt;
    news->now_unix_ms = cor_time_unix_ms();
    if (!cor_sql_write_async(gateway->options.ledger, write_news, news_written, news,
                             COR_SQL_RELAXED, &err)) {
        news_written(news, &err);
    }
}

/* --- what a worker tells --- */

void cor_gateway_job_started(void *context, const CorRequest *request, int attempt)
{
    CorGateway *gateway = context;

    note(gateway->running, request->job_id, 0.0, "fetch", true);
    send_news(gateway, request->job_id, attempt);
}

/* What a client sees of an output that its job has stored already. */
static json_t *show_preview(CorGateway *gateway, const json_t *output)
{
    static const char *const members[] = {
        "role", "bucket", "key", "media_type", "sop_instance_uid", "source_sop_instance_uid"};
    json_t *shown = json_object();

    for (size_t i = 0; i < COR_ARRAY_LEN(members); i++) {
        (void) json_object_set(shown, members[i], json_object_get(output, members[i]));
    }
    (void) json_object_set_new(
        shown, "url",
        cor_gateway_priv_url(gateway, cor_json_string(output, "bucket", ""),
                             cor_json_string(output, "key", ""),
                             gateway->options.config->presign_output_ms / 1000));
    return shown;
}

void cor_gateway_job_progress(void *context, const CorJobProgress *progress)
{
    CorGateway *gateway = context;
    const CorRequest *request = progress->request;

    note(gateway->running, request->job_id, progress->fraction, progress->stage, false);
    json_t *frame = json_pack("{s:s, s:s, s:s, s:f, s:s}", "type", "progress", "job_id",
                              request->job_id, "algo_id", request->algo_id, "fraction",
                              progress->fraction, "stage", progress->stage);
    if (frame && progress->preview) {
        (void) json_object_set_new(frame, "preview", show_preview(gateway, progress->preview));
    }
    char *text = frame ? cor_json_text(frame) : NULL;
    json_decref(frame);
    if (text) {
        cor_deliver_progress(gateway->deliver, request->client_id, request->job_id, text);
        free(text);
    }
}

void cor_gateway_job_postponed(void *context, const char *job_id)
{
    CorGateway *gateway = context;

    forget(gateway->running, job_id);
    send_news(gateway, job_id, 0);
    atomic_store(&gateway->store_is_fine,
                 false); /* it may be the reason: whoever asks next looks */
}

/* Count the job in the second that it ended in: a ring of the last minute. */
static void count_finished(CorGateway *gateway)
{
    unsigned long long second = (unsigned long long) (cor_time_ms() / 1000);
    atomic_ullong *slot =
        &gateway->finished_per_second[second % COR_ARRAY_LEN(gateway->finished_per_second)];
    unsigned long long seen = atomic_load(slot);
    unsigned long long next = 0;

    do {
        next = (seen >> 24 == second) ? seen + 1 : (second << 24 | 1);
    } while (!atomic_compare_exchange_weak(slot, &seen, next));
}

void cor_gateway_job_ended(void *context, const char *job_id)
{
    CorGateway *gateway = context;

    forget(gateway->running, job_id);
    count_finished(gateway);
}

void cor_gateway_job_abandoned(void *context, const char *job_id)
{
    CorGateway *gateway = context;

    forget(gateway->running, job_id);
    cor_gateway_priv_sweep_later(gateway->sweeper);
}
