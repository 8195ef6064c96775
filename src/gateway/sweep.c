/* SPDX-License-Identifier: Apache-2.0 */
/* Removes objects that nothing names: what a cancelled job had stored already, what an import left
 * when the server was killed between object and catalogue, lists of jobs that are forgotten.
 *
 * Derived objects are looked at only while nothing is on its way (all queues empty, no live job,
 * the relay held), a page at a time: so nobody can be about to announce one.  Imported objects are
 * looked at under the lock of their key, and only those older than this server.
 */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "program/log.h"

enum {
    PAGE = 256,
    RETRY_MS = 2000,
    CUT_OFF_MAX = 2, /* imports without a row per HTTP thread: no crash leaves more behind */
};

struct CorSweeper {
    CorGateway *gateway;
    CorThread *thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool is_wanted;     /* guarded by mutex */
    bool is_stopping;   /* guarded by mutex */
    const char *bucket; /* what the present page is of */
    char after[COR_KEY_SIZE];
    bool is_last_page;
    bool has_failed;
    bool only_counts; /* nothing is removed, found says how much would be */
    size_t found;
};

typedef struct Question {
    const char *bucket;
    const char *key;
    char job_id[COR_ID_SIZE];
    bool is_named;
} Question;

static bool ask_catalog(CorSqlTxn *txn, void *arg, CorError *err)
{
    Question *question = arg;

    return cor_catalog_has_key(txn, question->bucket, question->key, &question->is_named, err);
}

static bool see_job(void *context, const CorJobRow *row, CorError *err)
{
    (void) context;
    (void) row;
    (void) err;
    return true;
}

static bool ask_ledger(CorSqlTxn *txn, void *arg, CorError *err)
{
    Question *question = arg;
    CorError why = {0};

    question->is_named = cor_ledger_job(txn, question->job_id, see_job, NULL, &why);
    if (!question->is_named && why.code != COR_ERR_NOT_FOUND) {
        return cor_fail(err, why.code, "%s", why.text);
    }
    return true;
}

/* Lists in bucket "jobs" are "<job id>/<what>": the outputs are of use only until delivery, the
 * inputs as long as the ledger knows the job. */
static bool job_list_is_named(CorSweeper *sweeper, Question *question, CorError *err)
{
    size_t len = strcspn(question->key, "/");

    if (len >= COR_ID_SIZE || strcmp(question->key + len, "/outputs.json") == 0) {
        question->is_named = false;
        return true;
    }
    memcpy(question->job_id, question->key, len);
    return cor_sql_read(sweeper->gateway->options.ledger, ask_ledger, question, err);
}

static bool is_named(CorSweeper *sweeper, Question *question, CorError *err)
{
    if (strcmp(question->bucket, COR_BUCKET_JOBS) == 0) {
        return job_list_is_named(sweeper, question, err);
    }
    if (strcmp(question->bucket, COR_BUCKET_OUTPUT) == 0) {
        return cor_gateway_priv_sweep_row(sweeper->gateway, question->bucket, question->key,
                                          &question->is_named, err);
    }
    return cor_sql_read(sweeper->gateway->options.catalog, ask_catalog, question, err);
}

static bool is_older_than_server(CorSweeper *sweeper, const Question *question)
{
    CorObject object = {.file = -1};

    return cor_blob_head(sweeper->gateway->options.blobs, question->bucket, question->key, &object,
                         NULL) &&
           object.modified_unix_ms < sweeper->gateway->started_unix_ms;
}

static bool sweep_key(CorSweeper *sweeper, const char *key, CorError *err)
{
    CorGateway *gateway = sweeper->gateway;
    Question question = {.bucket = sweeper->bucket, .key = key};
    bool is_import = strcmp(sweeper->bucket, COR_BUCKET_PACS) == 0;
    bool ok = true;

    if (is_import) {
        cor_gateway_priv_lock(gateway, key, key);
    }
    ok = is_named(sweeper, &question, err);
    bool goes =
        ok && !question.is_named && (!is_import || is_older_than_server(sweeper, &question));
    sweeper->found += goes;
    if (goes && !sweeper->only_counts) {
        ok = cor_blob_remove(gateway->options.blobs, sweeper->bucket, key, err);
        if (ok) {
            cor_log_info("object without a name removed", COR_F("bucket", sweeper->bucket));
        }
    }
    if (is_import) {
        cor_gateway_priv_unlock(gateway, key, key);
    }
    return ok;
}

/* Look at one page of a bucket. */
static void sweep_page(void *context)
{
    CorSweeper *sweeper = context;
    CorBlobListOptions options = {.after = sweeper->after, .max = PAGE};
    COR_CLEANUP(cor_keys_freep) CorKeys *keys = NULL;
    CorError err = {0};

    bool ok =
        cor_blob_list(sweeper->gateway->options.blobs, sweeper->bucket, &options, &keys, &err);
    for (size_t i = 0; ok && i < keys->len; i++) {
        ok = sweep_key(sweeper, keys->keys[i], &err);
    }
    sweeper->has_failed = !ok;
    sweeper->is_last_page = !ok || !keys->has_more;
    if (!ok) {
        cor_log_warning("sweep broken off, retrying later", COR_F("bucket", sweeper->bucket),
                        COR_F("error", err.text));
    } else if (keys->has_more) {
        (void) snprintf(sweeper->after, sizeof(sweeper->after), "%s", keys->keys[keys->len - 1]);
    }
}

/* Wait until wanted, or for a while; false when the sweeper stops. */
static bool pause_for(CorSweeper *sweeper, int64_t pause_ms)
{
    int64_t deadline_ms = pause_ms > 0 ? cor_time_ms() + pause_ms : INT64_MAX;

    (void) pthread_mutex_lock(&sweeper->mutex);
    while (!sweeper->is_stopping && (pause_ms > 0 || !sweeper->is_wanted)) {
        if (!cor_cond_wait_until(&sweeper->wake, &sweeper->mutex, deadline_ms)) {
            break;
        }
    }
    bool goes_on = !sweeper->is_stopping;
    (void) pthread_mutex_unlock(&sweeper->mutex);
    return goes_on;
}

static bool is_stopping(CorSweeper *sweeper)
{
    (void) pthread_mutex_lock(&sweeper->mutex);
    bool stopping = sweeper->is_stopping;
    (void) pthread_mutex_unlock(&sweeper->mutex);
    return stopping;
}

/* Go through one bucket; false if it has to be tried again. */
static bool sweep_bucket(CorSweeper *sweeper, const char *bucket)
{
    bool is_import = strcmp(bucket, COR_BUCKET_PACS) == 0;

    sweeper->bucket = bucket;
    sweeper->after[0] = '\0';
    do {
        if (is_stopping(sweeper)) {
            return true;
        }
        if (is_import) {
            sweep_page(sweeper);
        } else if (!cor_gateway_priv_relay_when_idle(sweeper->gateway->relay, sweep_page,
                                                     sweeper)) {
            return false;
        }
    } while (!sweeper->is_last_page);
    return !sweeper->has_failed;
}

/* Count first: what the catalogue does not name is removed only if the catalogue can be believed
 * (sweep-guard.c).  False if it has to be tried again. */
static bool judge_catalog(CorSweeper *sweeper, bool *ret_is_believed)
{
    CorError err = {0};
    bool knows = false;

    sweeper->found = 0;
    sweeper->only_counts = true;
    bool ok = sweep_bucket(sweeper, COR_BUCKET_PACS);
    sweeper->only_counts = false;
    if (!ok) {
        return false;
    }
    if (!cor_gateway_priv_sweep_knows_results(sweeper->gateway, &knows, &err)) {
        cor_log_warning("sweep broken off, retrying later", COR_F("error", err.text));
        return false;
    }
    size_t threads = (size_t) sweeper->gateway->options.config->http_threads;
    *ret_is_believed = knows && sweeper->found <= CUT_OFF_MAX * threads;
    if (!*ret_is_believed) {
        cor_gateway_priv_sweep_refuse(sweeper->found);
    }
    return true;
}

static void run_sweeper(void *context)
{
    CorSweeper *sweeper = context;
    bool has_judged = false;
    bool is_believed = false;
    bool has_swept_imports = false;
    int64_t pause_ms = 0;

    while (pause_for(sweeper, pause_ms)) {
        (void) pthread_mutex_lock(&sweeper->mutex);
        sweeper->is_wanted = false;
        (void) pthread_mutex_unlock(&sweeper->mutex);

        has_judged = has_judged || judge_catalog(sweeper, &is_believed);
        if (has_judged && is_believed && !has_swept_imports) {
            has_swept_imports = sweep_bucket(sweeper, COR_BUCKET_PACS);
        }
        bool is_done = has_judged && (!is_believed || (has_swept_imports &&
                                                       sweep_bucket(sweeper, COR_BUCKET_OUTPUT) &&
                                                       sweep_bucket(sweeper, COR_BUCKET_JOBS)));
        pause_ms = is_done ? 0 : RETRY_MS;
    }
}

void cor_gateway_priv_sweep_later(CorSweeper *sweeper)
{
    if (!sweeper) {
        return;
    }
    (void) pthread_mutex_lock(&sweeper->mutex);
    sweeper->is_wanted = true;
    (void) pthread_cond_signal(&sweeper->wake);
    (void) pthread_mutex_unlock(&sweeper->mutex);
}

bool cor_gateway_priv_sweeper_new(CorGateway *gateway, CorSweeper **ret_sweeper, CorError *err)
{
    CorSweeper *sweeper = cor_new(CorSweeper);

    if (!sweeper) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the sweeper");
    }
    if (!cor_cond_init(&sweeper->wake, err)) {
        free(sweeper);
        return false;
    }
    sweeper->gateway = gateway;
    sweeper->is_wanted = true; /* what a crash left */
    (void) pthread_mutex_init(&sweeper->mutex, NULL);
    *ret_sweeper = sweeper;
    return true;
}

bool cor_gateway_priv_sweeper_run(CorSweeper *sweeper, CorError *err)
{
    return cor_thread_start("sweeper", 0, run_sweeper, sweeper, &sweeper->thread, err);
}

void cor_gateway_priv_sweeper_halt(CorSweeper *sweeper)
{
    if (!sweeper) {
        return;
    }
    (void) pthread_mutex_lock(&sweeper->mutex);
    sweeper->is_stopping = true;
    (void) pthread_cond_signal(&sweeper->wake);
    (void) pthread_mutex_unlock(&sweeper->mutex);
    cor_thread_join(COR_TAKE(sweeper->thread));
}

void cor_gateway_priv_sweeper_free(CorSweeper *sweeper)
{
    if (!sweeper) {
        return;
    }
    (void) pthread_cond_destroy(&sweeper->wake);
    (void) pthread_mutex_destroy(&sweeper->mutex);
    free(sweeper);
}
