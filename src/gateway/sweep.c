/* SPDX-License-Identifier: Apache-2.0 */
/* Removes objects that nothing names: what a cancelled job had stored already, lists of jobs that
 * are forgotten.  Imported objects are never removed: cor_archive_adopt().
 *
 * A derived object is removed only while nothing is on its way (all queues empty, no live job, the
 * relay held), which is found out anew for each: so nobody can be about to announce it, and nobody
 * waits for more than one removal.
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
    LOOK_AGAIN_MS = 24 * 3600 * 1000, /* retention forgets jobs once in a while */
    LIST_AGE_MS = 3600 * 1000,        /* a list of inputs is written before its job is accepted */
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
    bool has_failed;                    /* also when something was on its way */
    bool has_told;                      /* that it has failed; once until it goes well */
    size_t fates[COR_ARCHIVE_LEFT + 1]; /* of the imports */
    size_t left;                        /* of the present pass over derived objects */
    size_t left_told;
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
    return cor_sql_read(sweeper->gateway->options.catalog, ask_catalog, question, err);
}

/* --- removing --- */

typedef struct Removal {
    CorSweeper *sweeper;
    Question question;
    CorError err;
} Removal;

/* Nothing is on its way; what came since the key was listed has its name by now. */
static void remove_held(void *context)
{
    Removal *removal = context;
    const Question *question = &removal->question;

    if (!is_named(removal->sweeper, &removal->question, &removal->err) || question->is_named ||
        !cor_blob_remove(removal->sweeper->gateway->options.blobs, question->bucket, question->key,
                         &removal->err)) {
        return;
    }
    cor_log_info("object without a name removed", COR_F("bucket", question->bucket));
}

static bool remove_when_idle(CorSweeper *sweeper, const char *key, CorError *err)
{
    Removal removal = {.sweeper = sweeper, .question = {.bucket = sweeper->bucket, .key = key}};

    if (!cor_gateway_priv_relay_when_idle(sweeper->gateway->relay, remove_held, &removal)) {
        sweeper->has_failed = true;
        return true;
    }
    return removal.err.code == COR_OK || cor_fail(err, removal.err.code, "%s", removal.err.text);
}

/* --- one object --- */

static bool sweep_output(CorSweeper *sweeper, const char *key, CorError *err)
{
    CorSweepFate fate = COR_SWEEP_NAMED;

    if (!cor_gateway_priv_sweep_row(sweeper->gateway, key, &fate, err)) {
        return false;
    }
    sweeper->left += fate == COR_SWEEP_LEFT;
    sweeper->has_failed = sweeper->has_failed || fate == COR_SWEEP_BUSY;
    return fate != COR_SWEEP_UNNAMED || remove_when_idle(sweeper, key, err);
}

/* A list of outputs belongs to a live job or to nobody.  That of inputs is there before its job, so
 * it also has to be old: from a former life, or longer than any request takes. */
static bool is_old_list(CorSweeper *sweeper, const char *key)
{
    CorObject object = {.file = -1};
    const char *slash = strchr(key, '/');

    return (slash && strcmp(slash, "/outputs.json") == 0) ||
           (cor_blob_head(sweeper->gateway->options.blobs, COR_BUCKET_JOBS, key, &object, NULL) &&
            (object.modified_unix_ms < sweeper->gateway->started_unix_ms ||
             object.modified_unix_ms < cor_time_unix_ms() - LIST_AGE_MS));
}

static bool sweep_list(CorSweeper *sweeper, const char *key, CorError *err)
{
    Question question = {.bucket = COR_BUCKET_JOBS, .key = key};

    if (!is_old_list(sweeper, key)) {
        return true;
    }
    return is_named(sweeper, &question, err) &&
           (question.is_named || remove_when_idle(sweeper, key, err));
}

static bool sweep_key(CorSweeper *sweeper, const char *key, CorError *err)
{
    if (strcmp(sweeper->bucket, COR_BUCKET_PACS) == 0) {
        sweeper->fates[cor_archive_adopt(sweeper->gateway->options.archive, key)]++;
        return true;
    }
    return strcmp(sweeper->bucket, COR_BUCKET_JOBS) == 0 ? sweep_list(sweeper, key, err)
                                                         : sweep_output(sweeper, key, err);
}

static bool is_stopping(CorSweeper *sweeper)
{
    (void) pthread_mutex_lock(&sweeper->mutex);
    bool stopping = sweeper->is_stopping;
    (void) pthread_mutex_unlock(&sweeper->mutex);
    return stopping;
}

static void tell_trouble(CorSweeper *sweeper, const CorError *err)
{
    if (!sweeper->has_told) {
        cor_log_warning("sweep broken off, retrying later", COR_F("bucket", sweeper->bucket),
                        COR_F("error", err->text));
    }
    sweeper->has_told = true;
    sweeper->has_failed = true;
}

/* Look at one page of a bucket. */
static void sweep_page(CorSweeper *sweeper)
{
    CorBlobListOptions options = {.after = sweeper->after, .max = PAGE};
    COR_CLEANUP(cor_keys_freep) CorKeys *keys = NULL;
    CorError err = {0};

    bool ok =
        cor_blob_list(sweeper->gateway->options.blobs, sweeper->bucket, &options, &keys, &err);
    for (size_t i = 0; ok && !sweeper->has_failed && i < keys->len; i++) {
        if (is_stopping(sweeper)) {
            sweeper->has_failed = true;
            return;
        }
        ok = sweep_key(sweeper, keys->keys[i], &err);
    }
    if (!ok) {
        tell_trouble(sweeper, &err);
        return;
    }
    sweeper->is_last_page = !keys->has_more;
    if (keys->has_more) {
        (void) snprintf(sweeper->after, sizeof(sweeper->after), "%s", keys->keys[keys->len - 1]);
    }
}

/* --- the thread --- */

/* Wait until wanted or until the next day, or only for a pause; false when the sweeper stops. */
static bool pause_for(CorSweeper *sweeper, int64_t pause_ms)
{
    int64_t deadline_ms = cor_time_ms() + (pause_ms > 0 ? pause_ms : LOOK_AGAIN_MS);

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

/* Go through one bucket; false if it has to be tried again. */
static bool sweep_bucket(CorSweeper *sweeper, const char *bucket)
{
    sweeper->bucket = bucket;
    sweeper->after[0] = '\0';
    sweeper->is_last_page = false;
    sweeper->has_failed = false;
    while (!sweeper->is_last_page && !sweeper->has_failed) {
        sweep_page(sweeper);
    }
    sweeper->has_told = sweeper->has_told && sweeper->has_failed;
    return !sweeper->has_failed;
}

static bool sweep_imports(CorSweeper *sweeper)
{
    bool is_done = sweep_bucket(sweeper, COR_BUCKET_PACS);
    const size_t *fates = sweeper->fates;

    if (is_done && fates[COR_ARCHIVE_CATALOGUED] > 0) {
        cor_log_info("imported objects without a row catalogued again",
                     COR_FI("objects", fates[COR_ARCHIVE_CATALOGUED]));
    }
    return is_done;
}

static bool sweep_outputs(CorSweeper *sweeper)
{
    sweeper->left = 0;
    bool is_done = sweep_bucket(sweeper, COR_BUCKET_OUTPUT);

    if (is_done && sweeper->left != sweeper->left_told) {
        cor_log_warning("derived objects contradict their rows in the catalogue, left as they are",
                        COR_FI("objects", sweeper->left));
    }
    sweeper->left_told = is_done ? sweeper->left : sweeper->left_told;
    return is_done;
}

typedef struct Judgement {
    CorGateway *gateway;
    bool knows;
    bool is_made;
    CorError err;
} Judgement;

/* Only while nothing is on its way: after a power cut rows may be behind until their results have
 * been delivered once more. */
static void judge_held(void *context)
{
    Judgement *judgement = context;

    judgement->is_made = cor_gateway_priv_sweep_knows_results(judgement->gateway, &judgement->knows,
                                                              &judgement->err);
}

/* Before anything derived is removed because the catalogue does not name it: is it to be believed
 * (sweep-guard.c)?  False if that has to be asked again. */
static bool judge_catalog(CorSweeper *sweeper, bool *ret_is_believed)
{
    Judgement judgement = {.gateway = sweeper->gateway};
    const size_t *fates = sweeper->fates;

    if (!cor_gateway_priv_relay_when_idle(sweeper->gateway->relay, judge_held, &judgement)) {
        return false;
    }
    if (!judgement.is_made) {
        tell_trouble(sweeper, &judgement.err);
        return false;
    }
    size_t found =
        fates[COR_ARCHIVE_CATALOGUED] + fates[COR_ARCHIVE_QUARANTINED] + fates[COR_ARCHIVE_LEFT];
    size_t threads = (size_t) sweeper->gateway->options.config->http_threads;
    *ret_is_believed = judgement.knows && found <= CUT_OFF_MAX * threads;
    if (!*ret_is_believed) {
        cor_gateway_priv_sweep_refuse(found);
    }
    return true;
}

static void run_sweeper(void *context)
{
    CorSweeper *sweeper = context;
    bool has_swept_imports = false;
    bool has_judged = false;
    bool is_believed = false;
    int64_t pause_ms = 0;

    while (pause_for(sweeper, pause_ms)) {
        (void) pthread_mutex_lock(&sweeper->mutex);
        sweeper->is_wanted = false;
        (void) pthread_mutex_unlock(&sweeper->mutex);

        has_swept_imports = has_swept_imports || sweep_imports(sweeper);
        has_judged = has_swept_imports && (has_judged || judge_catalog(sweeper, &is_believed));
        bool is_done =
            has_judged &&
            (!is_believed || (sweep_outputs(sweeper) && sweep_bucket(sweeper, COR_BUCKET_JOBS)));
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
