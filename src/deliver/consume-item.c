/* SPDX-License-Identifier: Apache-2.0 */
/* What a result message says, and how its job ends by it.
 *
 * A message that cannot be used still ends its job: the queue's deduplication id is the job's id,
 * so the job is known even when the body is damaged (invariant 3). */
#include "deliver/consume-item.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "catalog/catalog.h"
#include "job/result.h"
#include "ledger/ledger.h"
#include "program/log.h"

#define OUTPUTS_BYTES_MAX ((size_t) 64 * 1024 * 1024)

static void copy_id(char *field, size_t size, const char *text)
{
    size_t len = strnlen(text, size - 1);

    memcpy(field, text, len);
    field[len] = '\0';
}

/* ---- Ends ---- */

/* Make the texts of the job's end from item->result. */
static bool make_texts(CorDeliverItem *item, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *event = NULL;
    COR_CLEANUP(cor_json_freep) json_t *kept = NULL;
    json_t *outputs = json_object_get(item->result, "outputs");
    json_t *attempts = json_object_get(item->result, "attempts");
    COR_CLEANUP(cor_json_freep) json_t *shown = json_array();
    size_t index = 0;
    json_t *output = NULL;

    if (!cor_event_from_result(item->result, item->event_max_bytes, &event, err)) {
        return false;
    }
    kept = json_copy(event);
    json_array_foreach(outputs, index, output)
    {
        json_t *copy = json_copy(output);

        (void) json_object_del(copy, "record");
        (void) json_object_del(copy, "stored_unix_ms");
        (void) json_array_append_new(shown, copy);
    }
    if (outputs) {
        (void) json_object_set(kept, "outputs", shown);
    }
    if (attempts) {
        (void) json_object_set(kept, "attempts", attempts);
    }
    free(item->event_text);
    free(item->result_text);
    item->event_text = cor_json_text(event);
    item->result_text = cor_json_text(kept);
    json_decref(item->event);
    item->event = COR_TAKE(event);
    if (!item->event_text || !item->result_text) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "out of memory for an event");
    }
    return true;
}

/* An event that is too long goes without its measurements; they are kept with the job. */
static bool shorten(CorDeliverItem *item, CorError *err)
{
    if (strlen(item->event_text) <= item->event_max_bytes) {
        return true;
    }
    (void) json_object_del(item->event, "measurements");
    (void) json_object_set_new(item->event, "outputs_url",
                               json_sprintf("/jobs/%s/outputs", item->job_id));
    free(item->event_text);
    item->event_text = cor_json_text(item->event);
    if (!item->event_text) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "out of memory for an event");
    }
    if (strlen(item->event_text) > item->event_max_bytes) {
        return cor_fail(err, COR_ERR_LIMIT, "the event of the job is too long");
    }
    return true;
}

/* Let the job end as failed, with what is known of it. */
static void fail_job(CorDeliverItem *item, const char *code, const char *sentence)
{
    json_t *timing = json_object_get(item->result, "timing_ms");
    int attempts = (int) cor_json_integer(item->result, "attempts", 1);
    json_t *result = json_pack("{s:s, s:s, s:s, s:s, s:i, s:O*, s:o}", "job_id", item->job_id,
                               "algo_id", item->algo_id, "client_id", item->client_id, "status",
                               "failed", "attempts", attempts, "timing_ms", timing, "error",
                               cor_result_error(code, sentence, "deliver", attempts));
    CorError err = {0};

    json_decref(item->result);
    item->result = result;
    item->state = COR_JOB_FAILED;
    if (!result || !make_texts(item, &err)) {
        cor_fail(&err, COR_ERR_UNAVAILABLE, "out of memory for an event");
        cor_deliver_priv_item_postpone(item, &err);
    }
}

void cor_deliver_priv_item_postpone(CorDeliverItem *item, const CorError *why)
{
    item->fate = COR_ITEM_POSTPONED;
    item->trouble = *why;
}

void cor_deliver_priv_item_refused(CorDeliverItem *item, const CorError *why)
{
    char sentence[sizeof(why->text) + 64];

    if (cor_error_is_transient(why)) {
        cor_deliver_priv_item_postpone(item, why);
        return;
    }
    if (item->fate == COR_ITEM_OVER) {
        item->was_succeeded = false; /* it had its place before; somebody else has it now */
        return;
    }
    (void) snprintf(sentence, sizeof(sentence), "the catalogue refused an output: %s", why->text);
    /* A UID or key that is another's: the last of what the gate before release asks. */
    fail_job(item, why->code == COR_ERR_CONFLICT ? "gate_refused" : "internal", sentence);
}

/* ---- Reading ---- */

static bool check_outputs(const json_t *outputs, CorError *err)
{
    size_t index = 0;
    json_t *output = NULL;

    if (outputs && !json_is_array(outputs)) {
        return cor_fail(err, COR_ERR_CORRUPT, "the outputs of a result are no list");
    }
    json_array_foreach(outputs, index, output)
    {
        const char *bucket = cor_json_string(output, "bucket", NULL);
        const char *key = cor_json_string(output, "key", NULL);

        if (!bucket || !key || !cor_json_string(output, "role", NULL) ||
            !cor_bucket_is_known(bucket)) {
            return cor_fail(err, COR_ERR_CORRUPT, "output %zu of a result is incomplete", index);
        }
        if (!cor_key_check(key, err)) {
            return false;
        }
    }
    return true;
}

/* Read the list of outputs that is an object of its own. */
static bool fetch_outputs(const CorDeliverOptions *options, CorDeliverItem *item, CorError *err)
{
    const char *key = cor_json_string(item->result, "outputs_key", NULL);
    COR_CLEANUP(cor_json_freep) json_t *outputs = NULL;
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *bytes = NULL;

    if (!key) {
        return true;
    }
    if (!cor_key_check(key, err) ||
        !cor_blob_read(options->blobs, COR_BUCKET_JOBS, key, OUTPUTS_BYTES_MAX, &bytes, err) ||
        !cor_json_parse((const char *) cor_bytes_data(bytes), cor_bytes_size(bytes), &outputs,
                        err)) {
        cor_error_wrap(err, "read the list of outputs");
        return false;
    }
    item->outputs_object = json_incref(json_object_get(item->result, "outputs_key"));
    (void) json_object_del(item->result, "outputs_key");
    (void) json_object_set(item->result, "outputs", outputs);
    return true;
}

static bool parse(CorDeliverItem *item, CorError *err)
{
    const char *job_id = NULL;

    if (!cor_json_parse(cor_message_body(item->message), cor_message_size(item->message),
                        &item->result, err) ||
        !cor_result_state(item->result, &item->state, err)) {
        return false;
    }
    job_id = cor_json_string(item->result, "job_id", "");
    if (!cor_id_is_legal(job_id)) {
        return cor_fail(err, COR_ERR_CORRUPT, "a result names no job");
    }
    copy_id(item->job_id, sizeof(item->job_id), job_id);
    copy_id(item->algo_id, sizeof(item->algo_id), cor_json_string(item->result, "algo_id", ""));
    return true;
}

void cor_deliver_priv_item_parse(CorDeliverItem *item)
{
    const char *dedup_id = cor_message_dedup_id(item->message);

    if (cor_id_is_legal(dedup_id)) {
        copy_id(item->job_id, sizeof(item->job_id), dedup_id);
    }
    item->state = COR_JOB_FAILED;
    if (!parse(item, &item->burial)) {
        item->state = COR_JOB_FAILED;
        cor_error_wrap(&item->burial, "damaged result");
    }
}

bool cor_deliver_priv_item_look_up(CorSqlTxn *txn, CorDeliverItem *item, CorError *err)
{
    CorJobState state = COR_JOB_QUEUED;
    CorError failure = {0};

    if (cor_ledger_state(txn, item->job_id, &state, item->client_id, &failure)) {
        item->fate = cor_job_state_is_final(state) ? COR_ITEM_OVER : COR_ITEM_FINISH;
        item->was_succeeded = state == COR_JOB_SUCCEEDED && item->state == COR_JOB_SUCCEEDED;
        return true;
    }
    if (failure.code != COR_ERR_NOT_FOUND) {
        return cor_fail(err, failure.code, "%s", failure.text);
    }
    item->fate = COR_ITEM_OVER;
    if (item->burial.code == COR_OK) {
        item->burial = failure;
    }
    return true;
}

/* What is wrong with a readable message: its job fails by it, or was over anyway. */
static void give_up(CorDeliverItem *item, const CorError *why)
{
    if (cor_error_is_transient(why)) {
        cor_deliver_priv_item_postpone(item, why);
    } else if (item->fate == COR_ITEM_OVER) {
        item->was_succeeded = false;
    } else {
        fail_job(item, "internal", why->text);
    }
}

void cor_deliver_priv_item_complete(const CorDeliverOptions *options, CorDeliverItem *item)
{
    CorError err = {0};

    if (item->fate == COR_ITEM_POSTPONED || (item->fate == COR_ITEM_OVER && !item->was_succeeded)) {
        return;
    }
    if (item->burial.code != COR_OK) {
        fail_job(item, "internal", "the result of the job was damaged");
        return;
    }
    if (!fetch_outputs(options, item, &err) ||
        !check_outputs(json_object_get(item->result, "outputs"), &err) ||
        !cor_deliver_priv_item_settle_digests(options, item, &err)) {
        give_up(item, &err);
        return;
    }
    (void) json_object_set_new(item->result, "client_id", json_string(item->client_id));
    if (item->fate == COR_ITEM_FINISH && (!make_texts(item, &err) || !shorten(item, &err))) {
        give_up(item, &err);
    }
}

/* ---- Writing ---- */

bool cor_deliver_priv_item_has_rows(const CorDeliverItem *item)
{
    const json_t *outputs = json_object_get(item->result, "outputs");
    size_t index = 0;
    json_t *output = NULL;

    if (item->state != COR_JOB_SUCCEEDED ||
        !(item->fate == COR_ITEM_FINISH || (item->fate == COR_ITEM_OVER && item->was_succeeded))) {
        return false;
    }
    json_array_foreach(outputs, index, output)
    {
        if (json_is_object(json_object_get(output, "record"))) {
            return true;
        }
    }
    return false;
}

bool cor_deliver_priv_item_catalogue(CorSqlTxn *txn, const CorDeliverItem *item, CorError *err)
{
    const json_t *outputs = json_object_get(item->result, "outputs");
    size_t index = 0;
    json_t *output = NULL;

    json_array_foreach(outputs, index, output)
    {
        CorCatalogOutcome outcome = COR_CATALOG_ADDED;
        CorCatalogEntry entry = {
            .index = json_object_get(output, "record"),
            .bucket = cor_json_string(output, "bucket", ""),
            .key = cor_json_string(output, "key", ""),
            .size = (uint64_t) cor_json_integer(output, "size", 0),
            .sha256 = cor_json_string(output, "sha256", ""),
            .created_unix_ms =
                cor_json_integer(output, "stored_unix_ms", cor_message_sent_unix_ms(item->message)),
            .is_derived = true,
            .algo_id = item->algo_id,
            .job_id = item->job_id,
        };

        if (json_is_object(entry.index) && !cor_catalog_add(txn, &entry, &outcome, NULL, err)) {
            return false;
        }
    }
    return true;
}

bool cor_deliver_priv_item_finish(CorSqlTxn *txn, CorDeliverItem *item, int64_t now_unix_ms,
                                  CorError *err)
{
    CorFinal final = {
        .job_id = item->job_id,
        .state = item->state,
        .event = item->event_text,
        .result = item->result_text,
        .now_unix_ms = now_unix_ms,
    };

    return cor_ledger_finish(txn, &final, &item->seq, &item->is_first, err);
}

void cor_deliver_priv_item_tidy(const CorDeliverOptions *options, CorDeliverItem *item)
{
    const char *key = json_string_value(item->outputs_object);
    CorError err = {0};

    if (key && (item->fate == COR_ITEM_FINISH || item->fate == COR_ITEM_OVER) &&
        !cor_blob_remove(options->blobs, COR_BUCKET_JOBS, key, &err)) {
        cor_log_debug("a list of outputs stays behind", COR_F("error", err.text));
    }
}

void cor_deliver_priv_item_done(CorDeliverItem *item)
{
    cor_message_free(item->message);
    json_decref(item->result);
    json_decref(item->event);
    json_decref(item->outputs_object);
    free(item->event_text);
    free(item->result_text);
    *item = (CorDeliverItem){0};
}
