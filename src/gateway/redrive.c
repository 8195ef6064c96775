/* SPDX-License-Identifier: Apache-2.0 */
/* POST /queues/{queue}/redrive: dead letters become new jobs with retry_of (the failed job stays
 * failed: a final state is never left).
 *
 * The new job's id is made from the dead letter's, and the letter is removed only after the job is
 * durable; so a redrive that was cut in the middle can be repeated without running anything twice.
 */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"

#define LIST_BYTES_MAX ((size_t) 64 * 1024 * 1024)

enum { REDRIVE_MAX = 10000 }; /* letters per call */

typedef struct Redrive {
    CorGateway *gateway;
    CorQueue *queue;
    json_t *jobs;
    json_t *skipped;
} Redrive;

static void skip(Redrive *redrive, const char *message_id, const char *why)
{
    (void) json_array_append_new(redrive->skipped,
                                 json_pack("{s:s, s:s}", "id", message_id, "error", why));
}

/* The old request with the new job's id and time. */
static bool renew_request(json_t *body, const char *job_id, int64_t now_unix_ms, CorError *err)
{
    char accepted_at[COR_TIME_ISO_SIZE];

    (void) cor_time_iso(now_unix_ms, accepted_at, sizeof(accepted_at));
    if (json_object_set_new(body, "job_id", json_string(job_id)) != 0 ||
        json_object_set_new(body, "accepted_at", json_string(accepted_at)) != 0 ||
        json_object_set_new(body, "accepted_unix_ms", json_integer(now_unix_ms)) != 0) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a job");
    }
    return true;
}

/* The list of a long series belongs to the job that it was made for and is swept with it, so the
 * new job gets one of its own.  NOT_FOUND if the old one is gone. */
static bool renew_inputs(Redrive *redrive, json_t *body, const char *job_id, json_t **ret_inputs,
                         CorError *err)
{
    CorBlobStore *blobs = redrive->gateway->options.blobs;
    const char *old_key = cor_json_string(body, "inputs_key", NULL);
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *text = NULL;
    char key[COR_KEY_SIZE];

    if (!old_key) {
        *ret_inputs = json_incref(json_object_get(body, "inputs"));
        return true;
    }
    const char *name = strrchr(old_key, '/');
    (void) snprintf(key, sizeof(key), "%s/%s", job_id, name ? name + 1 : old_key);
    if (!cor_blob_read(blobs, COR_BUCKET_JOBS, old_key, LIST_BYTES_MAX, &text, err) ||
        !cor_json_parse((const char *) cor_bytes_data(text), cor_bytes_size(text), ret_inputs,
                        err)) {
        return false;
    }
    if (!cor_blob_put_bytes(blobs, COR_BUCKET_JOBS, key, cor_bytes_data(text), cor_bytes_size(text),
                            err)) {
        return false;
    }
    return json_object_set_new(body, "inputs_key", json_string(key)) == 0
               ? true
               : cor_fail(err, COR_ERR_NOMEM, "out of memory for a job");
}

/* NOT_FOUND or CORRUPT: the list of inputs is gone; LIMIT: the new id makes it too long; CONFLICT:
 * somebody else's job has this id. */
static bool accept_again(Redrive *redrive, const CorMessage *message, json_t *body,
                         const char *job_id, CorError *err)
{
    const json_t *pacs = json_object_get(body, "pacs");
    const char *retry_of = cor_message_dedup_id(message);
    const char *group = cor_message_group_id(message);
    COR_CLEANUP(cor_json_freep) json_t *inputs = NULL;
    CorAcceptOutcome outcome = COR_ACCEPTED_NEW;
    int64_t now_unix_ms = cor_time_unix_ms();
    char message_id[COR_UUID_SIZE];
    char accepted_as[COR_UUID_SIZE];

    if (!renew_inputs(redrive, body, job_id, &inputs, err) || !cor_uuid4(message_id, err) ||
        !renew_request(body, job_id, now_unix_ms, err)) {
        return false;
    }
    char *text = cor_json_text(body);
    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a job");
    }
    if (strlen(text) > COR_QUEUE_BODY_MAX) {
        free(text);
        return cor_fail(err, COR_ERR_LIMIT, "the job is longer than %zu bytes", COR_QUEUE_BODY_MAX);
    }
    CorJobRow row = {.job_id = job_id,
                     .client_id = cor_json_string(body, "client_id", ""),
                     .algo_id = cor_json_string(body, "algo_id", ""),
                     .algo_version = cor_json_string(body, "algo_version", ""),
                     .accepted_unix_ms = now_unix_ms,
                     .scope = cor_json_string(pacs, "scope", "image"),
                     .study_id = cor_json_string(pacs, "study_id", ""),
                     .study_instance_uid =
                         cor_json_string(json_array_get(inputs, 0), "study_instance_uid", ""),
                     .message_id = message_id,
                     .content_sha256 = job_id, /* nobody posts this: the id alone tells it */
                     .request = text,
                     .order_group = strcmp(group, retry_of) == 0 ? job_id : group,
                     .retry_of = retry_of};
    CorGatewayAlgo *algo = cor_gateway_priv_algo(redrive->gateway, row.algo_id);
    if (algo) {
        (void) atomic_fetch_add(&algo->unsent, 1);
    }
    bool ok = cor_gateway_priv_accept(redrive->gateway, &row, &outcome, accepted_as, err);
    if (algo && (!ok || outcome != COR_ACCEPTED_NEW)) {
        (void) atomic_fetch_sub(&algo->unsent, 1);
    }
    free(text);
    return ok && outcome == COR_ACCEPTED_OTHER
               ? cor_fail(err, COR_ERR_CONFLICT, "another job has the id %s", job_id)
               : ok;
}

/* Why a letter stays where it is; NULL if the reason is not the letter. */
static const char *skip_reason(CorErrorCode code)
{
    switch (code) {
    case COR_ERR_NOT_FOUND:
    case COR_ERR_CORRUPT:
        return "the list of its inputs is gone";
    case COR_ERR_LIMIT:
        return "with the id of its new job it is too long for a message";
    case COR_ERR_CONFLICT:
        return "another job has the id that its new job would get";
    default:
        return NULL;
    }
}

/* One dead letter; false only if the store does not answer. */
static bool redrive_letter(Redrive *redrive, const CorMessage *message, CorError *err)
{
    const char *id = cor_message_id(message);
    COR_CLEANUP(cor_json_freep) json_t *body = NULL;
    CorRequest request = {0};
    char job_id[COR_ID_SIZE];

    if (!cor_request_parse(cor_message_body(message), cor_message_size(message), &request, NULL) ||
        !cor_json_parse(cor_message_body(message), cor_message_size(message), &body, NULL)) {
        skip(redrive, id, "the letter is no request");
        return true;
    }
    cor_request_done(&request);
    (void) snprintf(job_id, sizeof(job_id), "retry-%s", id);
    if (!accept_again(redrive, message, body, job_id, err)) {
        const char *why = skip_reason(err->code);
        if (!why) {
            return false;
        }
        *err = (CorError){0};
        skip(redrive, id, why);
        return true;
    }
    if (!cor_queue_dead_remove(redrive->queue, &id, 1, NULL, err)) {
        return false;
    }
    (void) json_array_append_new(redrive->jobs,
                                 json_pack("{s:s, s:s, s:s, s:o}", "id", id, "job_id", job_id,
                                           "retry_of", cor_message_dedup_id(message), "status_url",
                                           json_sprintf("/jobs/%s", job_id)));
    return true;
}

static bool redrive_all(Redrive *redrive, CorError *err)
{
    CorMessage *messages[COR_QUEUE_BATCH_MAX];
    int64_t after = 0;
    size_t len = 0;
    size_t done = 0;
    bool ok = true;

    do {
        len = 0;
        ok = cor_queue_dead_list(redrive->queue, after, COR_QUEUE_BATCH_MAX, messages, &len, err);
        for (size_t i = 0; i < len; i++) {
            after = cor_message_seq(messages[i]);
            ok = ok && redrive_letter(redrive, messages[i], err);
            cor_message_free(messages[i]);
        }
        done += len;
    } while (ok && len > 0 && done < REDRIVE_MAX);
    return ok;
}

static bool redrive_some(Redrive *redrive, const json_t *ids, CorError *err)
{
    size_t index = 0;
    const json_t *id = NULL;

    json_array_foreach(ids, index, id)
    {
        COR_CLEANUP(cor_message_freep) CorMessage *message = NULL;
        if (!cor_queue_dead_find(redrive->queue, json_string_value(id), &message, err)) {
            return false;
        }
        if (!message) {
            skip(redrive, json_string_value(id), "there is no such dead letter");
        } else if (!redrive_letter(redrive, message, err)) {
            return false;
        }
    }
    return true;
}

static void answer(Redrive *redrive, const json_t *body, CorHttpResponse *res)
{
    const json_t *ids = json_object_get(body, "ids");
    CorError err = {0};

    redrive->jobs = json_array();
    redrive->skipped = json_array();
    bool ok = cor_gateway_priv_writable(redrive->gateway, &err) &&
              (ids ? redrive_some(redrive, ids, &err) : redrive_all(redrive, &err));
    if (ok) {
        cor_http_res_json(
            res, 200, json_pack("{s:O, s:O}", "jobs", redrive->jobs, "skipped", redrive->skipped));
    } else {
        cor_http_fail(res, NULL, &err);
    }
    json_decref(redrive->jobs);
    json_decref(redrive->skipped);
}

void cor_gateway_priv_redrive(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorGateway *gateway = context;
    Redrive redrive = {.gateway = gateway,
                       .queue = cor_gateway_priv_queue(gateway, cor_http_req_param(req, "queue"))};
    json_t *body = cor_http_req_json(req);
    char pointer[COR_JSON_POINTER_SIZE] = "";
    CorError err = {0};

    if (!redrive.queue) {
        cor_http_problem(res, 404, NULL, "there is no such queue");
    } else if (redrive.queue == gateway->options.results) {
        cor_http_problem(res, 409, NULL,
                         "a dead result belongs to no request that could run again");
    } else if (!body || !cor_json_schema_validate(gateway->redrive_schema, body, pointer, &err)) {
        cor_http_problem(res, 400, pointer, "%s", body ? err.text : "a body is needed");
    } else if ((json_object_get(body, "ids") != NULL) == (json_object_get(body, "all") != NULL)) {
        cor_http_problem(res, 400, "", "give either ids or all");
    } else {
        answer(&redrive, body, res);
    }
}
