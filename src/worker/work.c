/* SPDX-License-Identifier: Apache-2.0 */
/* One job, from the claimed message to its settlement.
 *
 *     claim -> fetch -> compute and store, object by object -> send result -> acknowledge
 *
 * What becomes of a message is decided in settle() and nowhere else, by the class of the error: a
 * store that is away is waited for and costs no attempt; a lost host costs one; everything else
 * ends the job with a result that says why (invariant 8).
 */
#include "worker/worker-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "job/result.h"
#include "program/failpoint.h"
#include "program/log.h"
#include "program/metrics.h"

enum {
    RETRY_FIRST_MS = 250, /* after a lost host; doubles with every attempt */
    RETRY_MAX_MS = 60000,
    STORE_DELAY_MS = 1000, /* of a job that met no store; the worker waits longer than that */
    HOST_FIRST_MS = 1000,  /* while no host can be had; doubles up to RETRY_MAX_MS */
    SETTLE_PAUSE_MS = 250, /* a queue that is away is asked again */
};

static CorMetric job_seconds = COR_METRIC_HISTOGRAM(
    "corsia_job_seconds", "Time that jobs spent in each stage.", "algo", "stage");

/* --- the result --- */

static double ms_of(int64_t us)
{
    return (double) us / 1000.0;
}

static double queued_ms(const CorWork *work, int64_t now_unix_ms, int64_t now_us)
{
    double since_claim = ms_of(now_us - work->claimed_us);
    double since_accepted = (double) (now_unix_ms - work->request.accepted_unix_ms);

    return COR_MAX(0.0, since_accepted - since_claim);
}

static json_t *timing(const CorWork *work)
{
    int64_t now_us = cor_time_us();
    int64_t now_unix_ms = cor_time_unix_ms();
    double total = ms_of(now_us - work->claimed_us) + queued_ms(work, now_unix_ms, now_us);

    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "queued", queued_ms(work, now_unix_ms, now_us),
                     "fetch", ms_of(work->fetch_us), "compute", ms_of(work->compute_us), "store",
                     ms_of(work->store_us), "total", total);
}

static json_t *new_result(const CorWork *work, const char *status)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:o}", "job_id", work->request.job_id, "algo_id",
                     work->request.algo_id, "client_id", work->request.client_id, "status", status,
                     "attempts", cor_message_receives(work->message), "timing_ms", timing(work));
}

/* A long list of outputs goes into an object of its own. */
static bool add_outputs(CorWork *work, json_t *result, CorError *err)
{
    char *text = cor_json_text(work->outputs);
    bool ok = true;

    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the list of outputs");
    }
    size_t size = strlen(text);
    if (size <= COR_LIST_INLINE_MAX) {
        (void) json_object_set(result, "outputs", work->outputs);
    } else {
        char key[COR_KEY_SIZE];
        (void) snprintf(key, sizeof(key), "%s/outputs.json", work->request.job_id);
        (void) json_object_set_new(result, "outputs_key", json_string(key));
        ok = cor_blob_put_bytes(work->worker->options.blobs, COR_BUCKET_JOBS, key, text, size, err);
    }
    free(text);
    return ok;
}

/* The result may be sent again after a crash, because the request is acknowledged only later. */
static bool send_result(CorWork *work, const json_t *result, CorError *err)
{
    char *text = cor_json_text(result);
    char message_id[COR_UUID_SIZE];

    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a result");
    }
    CorQueueSend send = {.group_id = work->request.job_id,
                         .dedup_id = work->request.job_id,
                         .client_id = work->request.client_id,
                         .body = text,
                         .body_size = strlen(text),
                         .is_resendable = true};
    bool ok = cor_queue_send(work->worker->options.results, &send, message_id, err);
    free(text);
    return ok;
}

static bool send_success(CorWork *work, const json_t *host_result, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *result = new_result(work, "succeeded");
    json_t *measurements = json_object_get(host_result, "measurements");

    if (!result) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a result");
    }
    (void) json_object_set_new(result, "found",
                               json_boolean(cor_json_boolean(host_result, "found", false)));
    if (measurements) {
        (void) json_object_set(result, "measurements", measurements);
    }
    work->stage = "store";
    return add_outputs(work, result, err) && send_result(work, result, err);
}

static bool send_failure(CorWork *work, const char *code, const char *message, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *result = new_result(work, "failed");
    json_t *why = cor_result_error(code, message, work->stage, cor_message_receives(work->message));

    if (!result || json_object_set_new(result, "error", why) != 0) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a result");
    }
    return send_result(work, result, err);
}

static void observe(const CorWork *work)
{
    const char *algo = work->request.algo_id;
    int64_t now_us = cor_time_us();
    double queued = queued_ms(work, cor_time_unix_ms(), now_us) / 1000.0;
    double since_claim = ms_of(now_us - work->claimed_us) / 1000.0;

    cor_metric_observe(&job_seconds, COR_LABELS(algo, "queued"), queued);
    cor_metric_observe(&job_seconds, COR_LABELS(algo, "fetch"), ms_of(work->fetch_us) / 1000.0);
    cor_metric_observe(&job_seconds, COR_LABELS(algo, "compute"), ms_of(work->compute_us) / 1000.0);
    cor_metric_observe(&job_seconds, COR_LABELS(algo, "store"), ms_of(work->store_us) / 1000.0);
    cor_metric_observe(&job_seconds, COR_LABELS(algo, "total"), queued + since_claim);
}

/* --- the whole --- */

static bool run_job(CorWork *work, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *host_result = NULL;
    const CorWorkerEvents *events = &work->worker->options.events;

    if (events->started) {
        events->started(events->context, &work->request, cor_message_receives(work->message));
    }
    COR_FAILPOINT(AFTER_CLAIM);

    if (!cor_worker_priv_load_inputs(work, err) ||
        !(cor_worker_priv_can_spread(work) ? cor_worker_priv_spread(work, &host_result, err)
                                           : cor_worker_priv_run(work, &host_result, err))) {
        return false;
    }
    COR_FAILPOINT(AFTER_OBJECT);
    if (!send_success(work, host_result, err)) {
        return false;
    }
    COR_FAILPOINT(AFTER_RESULT);
    observe(work);
    return true;
}

/* --- settlement --- */

static void log_settled(const CorWork *work, const char *what, const CorError *err)
{
    cor_log_warning(what, COR_F("job", work->request.job_id), COR_F("stage", work->stage),
                    COR_FI("attempt", cor_message_receives(work->message)),
                    COR_F("error", err->text));
}

/* What a message is to become. */
typedef struct Settlement {
    enum { ACKNOWLEDGE, RELEASE, BURY } kind;
    int64_t delay_ms;   /* RELEASE */
    bool counts;        /* RELEASE */
    const char *reason; /* BURY */
} Settlement;

static bool settle_once(CorWork *work, const Settlement *settlement, CorError *err)
{
    switch (settlement->kind) {
    case ACKNOWLEDGE:
        return cor_queue_ack(work->queue, &work->message, 1, err);
    case RELEASE:
        return cor_queue_release(work->queue, work->message, settlement->delay_ms,
                                 settlement->counts, err);
    default:
        return cor_queue_fail(work->queue, work->message, settlement->reason, err);
    }
}

/* A receipt that is stale means that somebody else has the message: our work stands, it is only
 * done twice.  A queue that is away is waited for: were the lease left to end by itself, a full
 * disk would cost the job an attempt. */
static void settle_message(CorWork *work, const Settlement *settlement)
{
    Settlement gone = {.kind = ACKNOWLEDGE};
    bool is_told = false;

    if (cor_worker_priv_begin_settling(work) == COR_WORK_CANCELLED && settlement->kind == RELEASE) {
        settlement = &gone; /* the job is final: given back, it would only run again */
    }
    for (;;) {
        CorError err = {0};
        if (settle_once(work, settlement, &err)) {
            return;
        }
        if (!cor_error_is_transient(&err) ||
            !cor_worker_priv_pause(work->worker, SETTLE_PAUSE_MS)) {
            cor_log_warning("message not settled, its lease will end",
                            COR_F("job", work->request.job_id), COR_F("error", err.text));
            return;
        }
        if (!is_told) {
            cor_log_warning("message cannot be settled, retrying",
                            COR_F("job", work->request.job_id), COR_F("error", err.text));
            is_told = true;
        }
    }
}

static void acknowledge(CorWork *work)
{
    Settlement settlement = {.kind = ACKNOWLEDGE};

    settle_message(work, &settlement);
}

static void give_back(CorWork *work, int64_t delay_ms, bool counts)
{
    const CorWorkerEvents *events = &work->worker->options.events;
    Settlement settlement = {.kind = RELEASE, .delay_ms = delay_ms, .counts = counts};

    if (events->postponed) {
        events->postponed(events->context, work->request.job_id);
    }
    settle_message(work, &settlement);
}

/* The worker is done with the job.  What it has stored is named by a result, or by nobody. */
static void tell_end(const CorWork *work, bool has_succeeded)
{
    const CorWorkerEvents *events = &work->worker->options.events;

    if (events->ended) {
        events->ended(events->context, work->request.job_id);
    }
    if (events->abandoned && !has_succeeded && json_array_size(work->outputs) > 0) {
        events->abandoned(events->context, work->request.job_id);
    }
}

static void postpone_for_store(CorWork *work, const CorError *err)
{
    log_settled(work, "job waits for the store", err);
    cor_worker_priv_store_is_away(work->worker);
    give_back(work, STORE_DELAY_MS, false);
}

static void postpone_for_host(CorWork *work, const CorError *err)
{
    int failures = atomic_fetch_add(&work->worker->host_failures, 1);

    log_settled(work, "job waits for a host", err);
    give_back(work,
              cor_worker_priv_doubled(HOST_FIRST_MS, failures / (int) work->worker->options.slots,
                                      RETRY_MAX_MS),
              false);
}

/* Tell why, then let go of the request: dead_reason moves it to the dead letters, NULL acknowledges
 * it.  The result goes first, so that a dead letter always belongs to a job that has said so. */
static void end_failed(CorWork *work, const char *code, const CorError *why,
                       const char *dead_reason)
{
    CorError err = {0};

    log_settled(work, "job failed", why);
    if (!send_failure(work, code, why->text, &err)) {
        postpone_for_store(work, &err);
        return;
    }
    if (dead_reason) {
        Settlement settlement = {.kind = BURY, .reason = dead_reason};
        settle_message(work, &settlement);
    } else {
        acknowledge(work);
    }
    tell_end(work, false);
}

/* The word for a host that was lost, for clients. */
static const char *lost_code(const CorWork *work)
{
    switch (work->host_failure) {
    case COR_HOST_FAILURE_TIMED_OUT:
        return "timeout";
    case COR_HOST_FAILURE_OUT_OF_MEMORY:
        return "out_of_memory";
    default:
        return "algorithm_crashed";
    }
}

/* An attempt is used up: try again later, or give up.  A timeout is tried once more, whatever else
 * went wrong before it. */
static void end_attempt(CorWork *work, const char *code, const CorError *err)
{
    int attempts = cor_message_receives(work->message);
    bool is_hopeless = work->host_failure == COR_HOST_FAILURE_TIMED_OUT &&
                       cor_worker_priv_note_timeout(work->worker, cor_message_id(work->message));

    if (is_hopeless || attempts >= work->worker->options.attempts_max) {
        end_failed(work, code, err, err->text);
        return;
    }
    log_settled(work, "attempt failed, retrying", err);
    give_back(work, cor_worker_priv_doubled(RETRY_FIRST_MS, attempts - 1, RETRY_MAX_MS), true);
}

/* Stopped from outside: the reason decides, whatever the error says. */
static bool settle_stopped(CorWork *work)
{

    (void) pthread_mutex_lock(&work->worker->mutex);
    CorWorkStop stop = work->stop;
    (void) pthread_mutex_unlock(&work->worker->mutex);

    switch (stop) {
    case COR_WORK_CANCELLED:
        acknowledge(work);
        tell_end(work, false);
        return true;
    case COR_WORK_SHUTDOWN:
        give_back(work, 0, false);
        return true;
    case COR_WORK_LEASE_LOST:
        cor_log_warning("lease lost, leaving the job to others",
                        COR_F("job", work->request.job_id));
        if (work->worker->options.events.abandoned) {
            work->worker->options.events.abandoned(work->worker->options.events.context,
                                                   work->request.job_id);
        }
        return true;
    default:
        return false;
    }
}

/* The word for what ended a job, for clients.  Only what was fetched can be gone: a host that finds
 * no pixels in it says that the input is bad, and a store that has no room for a key is our fault.
 */
static const char *failure_code(const CorWork *work, CorErrorCode code)
{
    if (work->is_refused) {
        return "gate_refused";
    }
    if (code == COR_ERR_NOT_FOUND || code == COR_ERR_CONFLICT) {
        return strcmp(work->stage, "fetch") == 0     ? "input_gone"
               : strcmp(work->stage, "compute") == 0 ? "bad_input"
                                                     : "internal";
    }
    return cor_result_error_code(code);
}

static void settle(CorWork *work, const CorError *err)
{
    if (settle_stopped(work)) {
        return;
    }
    bool is_computing = strcmp(work->stage, "compute") == 0;
    if (cor_error_is_transient(err) && is_computing && work->has_had_host) {
        /* The host's own words: they cost an attempt, or it could keep a job from ending. */
        end_attempt(work, cor_result_error_code(err->code), err);
    } else if (cor_error_is_transient(err) && is_computing) {
        postpone_for_host(work, err);
    } else if (cor_error_is_transient(err)) {
        postpone_for_store(work, err);
    } else if (err->code == COR_ERR_HOST_LOST) {
        end_attempt(work, lost_code(work), err);
    } else if (err->code == COR_ERR_NOMEM || err->code == COR_ERR_IO) {
        end_attempt(work, cor_result_error_code(err->code), err);
    } else {
        end_failed(work, failure_code(work, err->code), err, NULL);
    }
}

static void log_done(const CorWork *work)
{
    cor_log_info("job done", COR_F("job", work->request.job_id),
                 COR_F("algo", work->request.algo_id), COR_FI("inputs", work->request.input_len),
                 COR_FI("attempt", cor_message_receives(work->message)),
                 COR_FR("ms", ms_of(cor_time_us() - work->claimed_us)));
}

/* What a client is told of a message that cannot be read. */
static json_t *refusal_result(const CorQueue *queue, const CorMessage *message, const char *why)
{
    static const char prefix[] = "Requests-";
    static const char suffix[] = ".fifo";
    COR_CLEANUP(cor_json_freep) json_t *body = NULL;
    const char *name = cor_queue_name(queue);
    const char *client_id = cor_message_client_id(message);
    int attempts = cor_message_receives(message);
    char algo_id[COR_ALGO_ID_SIZE] = "";
    size_t size = strlen(name);

    if (strncmp(name, prefix, sizeof(prefix) - 1) == 0 && size > sizeof(prefix) + sizeof(suffix)) {
        (void) snprintf(algo_id, sizeof(algo_id), "%.*s",
                        (int) (size - (sizeof(prefix) - 1) - (sizeof(suffix) - 1)),
                        name + sizeof(prefix) - 1);
    }
    if ((!client_id || !client_id[0]) &&
        cor_json_parse(cor_message_body(message), cor_message_size(message), &body, NULL)) {
        client_id = cor_json_string(body, "client_id", "");
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:o}", "job_id", cor_message_dedup_id(message),
                     "algo_id", algo_id, "client_id", client_id, "status", "failed", "attempts",
                     attempts, "error", cor_result_error("internal", why, "fetch", attempts));
}

bool cor_worker_priv_send_refusal(CorWorker *worker, const CorQueue *queue,
                                  const CorMessage *message, const char *why, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *result = refusal_result(queue, message, why);
    char *text = result ? cor_json_text(result) : NULL;
    char message_id[COR_UUID_SIZE];

    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a result");
    }
    CorQueueSend send = {.group_id = cor_message_dedup_id(message),
                         .dedup_id = cor_message_dedup_id(message),
                         .client_id = cor_message_client_id(message),
                         .body = text,
                         .body_size = strlen(text),
                         .is_resendable = true};
    bool ok = cor_queue_send(worker->options.results, &send, message_id, err);
    free(text);
    return ok;
}

void cor_worker_priv_work(CorWork *work)
{
    CorError err = {0};

    work->stage = "fetch";
    if (cor_message_receives(work->message) > work->worker->options.attempts_max) {
        /* The last attempt failed and said so, and the move to the dead letters did not happen. */
        (void) cor_fail(&err, COR_ERR_HOST_LOST, "all %d attempts were used up",
                        work->worker->options.attempts_max);
        end_failed(work, lost_code(work), &err, err.text);
        return;
    }
    work->outputs = json_array();
    if (!run_job(work, &err)) {
        settle(work, &err);
    } else {
        atomic_store(&work->worker->host_failures, 0);
        cor_worker_priv_store_is_fine(work->worker);
        acknowledge(work);
        tell_end(work, true);
        log_done(work);
    }
    json_decref(work->outputs);
    work->outputs = NULL;
}
