/* SPDX-License-Identifier: Apache-2.0 */
/* POST /process/{algo_id}: from a posted object to a durable job.
 *
 *     algorithm known -> JSON -> schema -> parameters -> seen before? -> room in the queue
 *       -> inputs in the catalogue -> job and outbox row committed -> 202
 *
 * 202 is answered only after the commit (invariant 1); the relay does the rest.
 */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/time.h"
#include "base/uri.h"
#include "job/derived.h"

/* A request on its way to becoming a job. */
typedef struct Draft {
    CorGateway *gateway;
    CorGatewayAlgo *algo;
    json_t *posted; /* borrowed while `body` lives */
    json_t *body;
    json_t *message; /* what will be queued */
    json_t *params;
    const json_t *pacs;
    const char *scope;
    char job_id[COR_ID_SIZE];
    char content[65];
    char message_id[COR_UUID_SIZE];
    json_t *outputs; /* what will be made */
    char key_hash[9];
    bool has_uid_series_key;
    char study_uid[COR_UID_SIZE];
    char group[COR_ID_SIZE + COR_UID_SIZE + 16];
    int64_t now_unix_ms;
    CorInput *inputs;
    size_t input_len;
    char *text;         /* of message */
    bool has_its_place; /* is counted in algo->unsent */
} Draft;

static void draft_done(Draft *draft)
{
    if (draft->has_its_place) {
        (void) atomic_fetch_sub(&draft->algo->unsent, 1);
    }
    for (size_t i = 0; i < draft->input_len; i++) {
        free(draft->inputs[i].key);
    }
    free(draft->inputs);
    free(draft->text);
    json_decref(draft->outputs);
    json_decref(draft->params);
    json_decref(draft->message);
    json_decref(draft->body);
}

static void answer_accepted(const Draft *draft, CorHttpResponse *res, const char *message_id)
{
    cor_http_res_json(res, 202,
                      json_pack("{s:s, s:s, s:s, s:s, s:o}", "message", "Enqueued",
                                "sqs_message_id", message_id, "job_id", draft->job_id, "algo_id",
                                draft->algo->algo->id, "status_url",
                                json_sprintf("/jobs/%s", draft->job_id)));
}

/* --- reading what was posted --- */

static bool read_body(Draft *draft, CorHttpRequest *req, CorHttpResponse *res)
{
    const char *type = cor_http_req_header(req, "Content-Type");
    char pointer[COR_JSON_POINTER_SIZE] = "";
    CorError err = {0};
    size_t size = 0;
    const char *text = cor_http_req_body(req, &size);

    if (!type || strncasecmp(type, "application/json", 16) != 0 ||
        (type[16] != '\0' && type[16] != ';' && type[16] != ' ')) {
        cor_http_problem(res, 415, NULL, "post the job as application/json");
        return false;
    }
    if (!cor_json_parse(text ? text : "", size, &draft->body, &err) ||
        !cor_json_schema_validate(draft->gateway->process_schema, draft->body, pointer, &err)) {
        cor_http_problem(res, 400, pointer, "%s%s%s", pointer[0] ? pointer + 1 : "",
                         pointer[0] ? ": " : "", err.text);
        return false;
    }
    draft->posted = draft->body;
    draft->pacs = json_object_get(draft->posted, "pacs");
    draft->scope = cor_json_string(draft->pacs, "scope", "image");
    return true;
}

static bool check_scope(const Draft *draft, CorHttpResponse *res)
{
    const char *scope = draft->scope;
    unsigned wanted = strcmp(scope, "study") == 0    ? COR_SCOPE_STUDY
                      : strcmp(scope, "series") == 0 ? COR_SCOPE_SERIES
                                                     : COR_SCOPE_IMAGE;

    if (!(draft->algo->algo->scopes & wanted)) {
        cor_http_problem(res, 400, "/pacs/scope", "pacs/scope: %s does not take scope %s",
                         draft->algo->algo->id, scope);
        return false;
    }
    if (wanted == COR_SCOPE_IMAGE && !json_object_get(draft->pacs, "image_id")) {
        cor_http_problem(res, 400, "/pacs/image_id", "pacs/image_id: is required for scope image");
        return false;
    }
    return true;
}

static bool check_outputs(const Draft *draft, CorHttpResponse *res)
{
    size_t index = 0;
    const json_t *wanted = NULL;

    json_array_foreach(json_object_get(draft->posted, "outputs"), index, wanted)
    {
        if (!cor_gateway_priv_makes(draft->algo->algo, json_string_value(wanted))) {
            char pointer[32];
            (void) snprintf(pointer, sizeof(pointer), "/outputs/%zu", index);
            cor_http_problem(res, 400, pointer, "outputs: %s does not make a %s",
                             draft->algo->algo->id, json_string_value(wanted));
            return false;
        }
    }
    return true;
}

/* What the job asks for, else what is made by default. */
static bool choose_outputs(Draft *draft, CorError *err)
{
    json_t *asked = json_object_get(draft->posted, "outputs");

    draft->outputs =
        asked ? json_incref(asked)
              : cor_gateway_priv_default_outputs(draft->gateway->options.config, draft->algo->algo);
    return json_array_size(draft->outputs) > 0 ||
           cor_fail(err, COR_ERR_NOMEM, "out of memory for a job");
}

/* The scope, where it makes another result of the same slice. */
static const char *scope_for_names(const Draft *draft)
{
    bool matters = draft->algo->algo->is_volumetric && strcmp(draft->scope, "series") != 0;

    return matters ? draft->scope : NULL;
}

static bool read_params(Draft *draft, CorHttpResponse *res)
{
    char inside[COR_JSON_POINTER_SIZE] = "";
    char pointer[COR_JSON_POINTER_SIZE + 8];
    CorError err = {0};

    if (cor_gateway_priv_params(draft->algo, json_object_get(draft->posted, "params"),
                                &draft->params, inside, &err) &&
        cor_derived_hash(draft->algo->algo->version, draft->params, draft->algo->defaults,
                         scope_for_names(draft), draft->key_hash, &err) &&
        choose_outputs(draft, &err)) {
        return true;
    }
    (void) snprintf(pointer, sizeof(pointer), "/params%s", inside);
    if (err.code == COR_ERR_INVALID) {
        cor_http_problem(res, 400, pointer, "params%s: %s", inside, err.text);
    } else {
        cor_http_fail(res, pointer, &err);
    }
    return false;
}

/* The same job is told by what was posted, without the id that it may have been given. */
static bool identify(Draft *draft, CorError *err)
{
    const char *given = cor_json_string(draft->posted, "job_id", NULL);
    COR_CLEANUP(cor_json_freep) json_t *content = json_copy(draft->posted);

    if (given) {
        (void) snprintf(draft->job_id, sizeof(draft->job_id), "%s", given);
    } else {
        char made[COR_UUID_SIZE];
        if (!cor_uuid4(made, err)) {
            return false;
        }
        (void) snprintf(draft->job_id, sizeof(draft->job_id), "%s", made);
    }
    if (!content ||
        json_object_set_new(content, "algo_id", json_string(draft->algo->algo->id)) != 0) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a job");
    }
    (void) json_object_del(content, "job_id");
    return cor_json_sha256(content, draft->content, err) && cor_uuid4(draft->message_id, err);
}

/* --- a job id that was seen before --- */

typedef struct Earlier {
    const Draft *draft;
    bool is_same;
    char message_id[COR_UUID_SIZE];
    json_t *job;
} Earlier;

static bool see_earlier(void *context, const CorJobRow *row, CorError *err)
{
    Earlier *earlier = context;

    earlier->is_same = strcmp(row->content_sha256, earlier->draft->content) == 0;
    (void) snprintf(earlier->message_id, sizeof(earlier->message_id), "%s", row->message_id);
    /* A client id is a capability (invariant 7): only its own holder is told it. */
    const char *asking = cor_json_string(earlier->draft->posted, "client_id", "");
    earlier->job = json_pack("{s:s, s:s, s:s, s:s*}", "job_id", row->job_id, "algo_id",
                             row->algo_id, "state", cor_job_state_name(row->state), "client_id",
                             strcmp(asking, row->client_id) == 0 ? row->client_id : NULL);
    return earlier->job ? true : cor_fail(err, COR_ERR_NOMEM, "out of memory for a job");
}

static bool read_earlier(CorSqlTxn *txn, void *arg, CorError *err)
{
    Earlier *earlier = arg;

    return cor_ledger_job(txn, earlier->draft->job_id, see_earlier, earlier, err);
}

/* True if the job id is new; otherwise the request is answered. */
static bool is_new_job(const Draft *draft, CorHttpResponse *res)
{
    Earlier earlier = {.draft = draft};
    CorError err = {0};

    if (!cor_sql_read(draft->gateway->options.ledger, read_earlier, &earlier, &err)) {
        if (err.code == COR_ERR_NOT_FOUND) {
            return true;
        }
        cor_http_fail(res, NULL, &err);
        return false;
    }
    if (earlier.is_same) {
        answer_accepted(draft, res, earlier.message_id);
        json_decref(earlier.job);
    } else {
        cor_http_problem_extra(res, 409, "/job_id", json_pack("{s:o}", "job", earlier.job),
                               "job_id: another job has this id already");
    }
    return false;
}

/* --- room in the queue --- */

/* Take a place among those that wait, so that many at once do not pass the bound together. */
static bool take_place(Draft *draft, CorHttpResponse *res)
{
    CorQueueStats stats = {0};
    CorError err = {0};

    if (!cor_gateway_priv_writable(draft->gateway, &err) ||
        !cor_queue_stats(draft->algo->queue, &stats, &err)) {
        cor_http_fail(res, NULL, &err);
        return false;
    }
    int64_t waiting = stats.visible + stats.delayed + stats.in_flight +
                      (int64_t) atomic_fetch_add(&draft->algo->unsent, 1);
    draft->has_its_place = true;
    if (waiting >= draft->gateway->options.config->queue_bound) {
        cor_http_res_header(res, "Retry-After", "10");
        cor_http_problem(res, 429, NULL, "%lld jobs of %s are waiting already; try again later",
                         (long long) waiting, draft->algo->algo->id);
        return false;
    }
    return true;
}

/* --- inputs --- */

typedef struct Resolution {
    CorPacsRef ref;
    CorCatalogInstances *instances;
    bool *has_uid_key; /* one for each of them: see job/derived.h */
    bool has_uid_series_key;
} Resolution;

static void resolution_done(Resolution *resolution)
{
    cor_catalog_instances_free(resolution->instances);
    free(resolution->has_uid_key);
    resolution->instances = NULL;
    resolution->has_uid_key = NULL;
}

/* Would another, older object have the same name for what is derived from it? */
static bool needs_uid_key(CorSqlTxn *txn, const CorCatalogInstance *instance, bool *ret_needs,
                          CorError *err)
{
    static const char ends[COR_CATALOG_TWINS][5] = {"",     ".dcm", ".dcM", ".dCm", ".dCM",
                                                    ".Dcm", ".DcM", ".DCm", ".DCM"};
    char twins[COR_CATALOG_TWINS][COR_KEY_SIZE + 4];
    const char *keys[COR_CATALOG_TWINS];
    size_t stem = cor_derived_stem(instance->key);

    if (strcmp(instance->bucket, COR_BUCKET_PACS) != 0) {
        *ret_needs = true;
        return true;
    }
    for (size_t i = 0; i < COR_CATALOG_TWINS; i++) {
        (void) snprintf(twins[i], sizeof(twins[i]), "%.*s%s", (int) stem, instance->key, ends[i]);
        /* "a/1.dcm" is not the same as "a/1.dcm.dcm": its own stem is shorter. */
        keys[i] = cor_derived_stem(twins[i]) == stem ? twins[i] : NULL;
    }
    return cor_catalog_has_older(txn, instance, keys, ret_needs, err);
}

/* Would what is derived from another, older series have the same name? */
static bool needs_uid_series_key(CorSqlTxn *txn, const CorCatalogInstances *instances,
                                 bool *ret_needs, CorError *err)
{
    const CorCatalogInstance *oldest = instances->items[0];

    for (size_t i = 1; i < instances->len; i++) {
        oldest =
            instances->items[i]->change_seq < oldest->change_seq ? instances->items[i] : oldest;
    }
    return cor_catalog_folder_has_older(txn, oldest, ret_needs, err);
}

static bool resolve(CorSqlTxn *txn, void *arg, CorError *err)
{
    Resolution *resolution = arg;

    resolution_done(resolution);
    if (!cor_catalog_resolve(txn, &resolution->ref, INPUTS_MAX, &resolution->instances, err)) {
        return false;
    }
    size_t len = resolution->instances->len;
    resolution->has_uid_key = cor_new_array(bool, len);
    if (!resolution->has_uid_key) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for %zu inputs", len);
    }
    for (size_t i = 0; i < len; i++) {
        if (!needs_uid_key(txn, resolution->instances->items[i], &resolution->has_uid_key[i],
                           err)) {
            return false;
        }
    }
    return resolution->ref.scope == COR_PACS_IMAGE ||
           needs_uid_series_key(txn, resolution->instances, &resolution->has_uid_series_key, err);
}

/* Which of the ids an error of the catalogue is about. */
static const char *pointer_of(const CorError *err)
{
    if (strstr(err->text, "no such image") || strstr(err->text, "image_id")) {
        return "/pacs/image_id";
    }
    if (strstr(err->text, "no such series") || strstr(err->text, "series_id")) {
        return "/pacs/series_id";
    }
    return "/pacs/study_id";
}

static void answer_unresolved(const CorError *err, CorHttpResponse *res)
{
    switch (err->code) {
    case COR_ERR_CONFLICT:
    case COR_ERR_LIMIT:
        cor_http_problem(res, 400, pointer_of(err), "%s", err->text);
        break;
    default:
        cor_http_fail(res, pointer_of(err), err);
    }
}

/* Pin the inputs: what the worker fetches must be what was there now. */
static bool pin(Draft *draft, const Resolution *resolution, CorError *err)
{
    const CorCatalogInstances *instances = resolution->instances;

    draft->inputs = cor_new_array(CorInput, instances->len);
    if (!draft->inputs) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for %zu inputs", instances->len);
    }
    for (size_t i = 0; i < instances->len; i++) {
        const CorCatalogInstance *from = instances->items[i];
        CorInput *to = &draft->inputs[i];

        (void) snprintf(to->sop_instance_uid, COR_UID_SIZE, "%s", from->sop_instance_uid);
        (void) snprintf(to->series_instance_uid, COR_UID_SIZE, "%s", from->series_instance_uid);
        (void) snprintf(to->study_instance_uid, COR_UID_SIZE, "%s", from->study_instance_uid);
        (void) snprintf(to->bucket, COR_BUCKET_SIZE, "%s", from->bucket);
        (void) snprintf(to->sha256, sizeof(to->sha256), "%s", from->sha256);
        to->size_bytes = from->size;
        to->has_uid_key = resolution->has_uid_key[i];
        to->key = strdup(from->key);
        draft->input_len = i + 1;
        if (!to->key) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for %zu inputs", instances->len);
        }
    }
    draft->has_uid_series_key = resolution->has_uid_series_key;
    (void) snprintf(draft->study_uid, COR_UID_SIZE, "%s", draft->inputs[0].study_instance_uid);
    return true;
}

/* Clients of the reference system may write an id as it stands in a URL: "a%2Fb" for "a/b". */
static bool decode_id(const char **id, char decoded[COR_KEY_SIZE])
{
    size_t size = *id ? strlen(*id) : 0;

    if (size == 0 || !strchr(*id, '%')) {
        return true;
    }
    if (size >= COR_KEY_SIZE || !cor_percent_decode(*id, size, false, decoded, NULL)) {
        return false;
    }
    *id = decoded;
    return true;
}

/* The ids as they are written; if nothing has that name, percent-decoded. */
static bool resolve_ids(const Draft *draft, Resolution *resolution, CorError *err)
{
    CorSql *catalog = draft->gateway->options.catalog;
    CorPacsRef as_written = resolution->ref;
    char decoded[3][COR_KEY_SIZE];
    CorError again = {0};

    if (cor_sql_read(catalog, resolve, resolution, err)) {
        return true;
    }
    if (err->code != COR_ERR_NOT_FOUND || !decode_id(&resolution->ref.study_id, decoded[0]) ||
        !decode_id(&resolution->ref.series_id, decoded[1]) ||
        !decode_id(&resolution->ref.image_id, decoded[2]) ||
        (resolution->ref.study_id == as_written.study_id &&
         resolution->ref.series_id == as_written.series_id &&
         resolution->ref.image_id == as_written.image_id) ||
        !cor_sql_read(catalog, resolve, resolution, &again)) {
        resolution->ref = as_written; /* not into decoded, which ends here */
        if (again.code == COR_ERR_INVALID) {
            *err = again;
        }
        return false;
    }
    resolution->ref = as_written;
    *err = (CorError){0};
    return true;
}

static bool find_inputs(Draft *draft, CorHttpResponse *res)
{
    Resolution resolution = {.ref = {.study_id = cor_json_string(draft->pacs, "study_id", ""),
                                     .series_id = cor_json_string(draft->pacs, "series_id", ""),
                                     .image_id = cor_json_string(draft->pacs, "image_id", NULL),
                                     .only_pixels = true}};
    CorError err = {0};

    (void) cor_pacs_scope_from_name(draft->scope, &resolution.ref.scope);
    if (!resolve_ids(draft, &resolution, &err)) {
        resolution_done(&resolution);
        answer_unresolved(&err, res);
        return false;
    }
    bool ok = pin(draft, &resolution, &err);
    resolution_done(&resolution);
    if (!ok) {
        cor_http_fail(res, NULL, &err);
    }
    return ok;
}

/* --- the message --- */

/* Inputs travel inline up to a bound; a longer list is an object that is durable before the job. */
static bool add_inputs(Draft *draft, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *array = NULL;

    if (!cor_inputs_to_json(draft->inputs, draft->input_len, &array, err)) {
        return false;
    }
    char *text = cor_json_text(array);
    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for inputs");
    }
    bool ok = true;
    if (strlen(text) <= COR_LIST_INLINE_MAX) {
        ok = json_object_set(draft->message, "inputs", array) == 0;
    } else {
        char key[COR_KEY_SIZE];
        (void) snprintf(key, sizeof(key), "%s/inputs-%.16s.json", draft->job_id, draft->content);
        ok = cor_blob_put_bytes(draft->gateway->options.blobs, COR_BUCKET_JOBS, key, text,
                                strlen(text), err) &&
             json_object_set_new(draft->message, "inputs_key", json_string(key)) == 0;
    }
    free(text);
    return ok;
}

static void choose_group(Draft *draft)
{
    const char *order = cor_json_string(draft->posted, "order", "none");

    if (strcmp(order, "client") == 0) {
        (void) snprintf(draft->group, sizeof(draft->group), "client:%s",
                        cor_json_string(draft->posted, "client_id", ""));
    } else if (strcmp(order, "study") == 0) {
        (void) snprintf(draft->group, sizeof(draft->group), "study:%s", draft->study_uid);
    } else {
        (void) snprintf(draft->group, sizeof(draft->group), "%s", draft->job_id);
    }
}

static bool write_message(Draft *draft, CorError *err)
{
    char accepted_at[COR_TIME_ISO_SIZE];

    draft->now_unix_ms = cor_time_unix_ms();
    draft->message = json_copy(draft->posted);
    json_t *pacs = json_copy((json_t *) draft->pacs);
    if (!draft->message || !pacs || json_object_set_new(pacs, "scope", json_string(draft->scope)) ||
        json_object_set_new(draft->message, "pacs", pacs) ||
        json_object_set_new(draft->message, "job_id", json_string(draft->job_id)) ||
        json_object_set_new(draft->message, "algo_id", json_string(draft->algo->algo->id)) ||
        json_object_set_new(draft->message, "algo_version",
                            json_string(draft->algo->algo->version)) ||
        json_object_set_new(
            draft->message, "accepted_at",
            json_string(cor_time_iso(draft->now_unix_ms, accepted_at, sizeof(accepted_at)))) ||
        json_object_set_new(draft->message, "accepted_unix_ms", json_integer(draft->now_unix_ms)) ||
        json_object_set_new(draft->message, "key_hash", json_string(draft->key_hash)) ||
        json_object_set(draft->message, "outputs", draft->outputs) ||
        (draft->has_uid_series_key &&
         json_object_set_new(draft->message, "uid_series_key", json_true())) ||
        json_object_set(draft->message, "params", draft->params) || !add_inputs(draft, err)) {
        return err->code != COR_OK ? false
                                   : cor_fail(err, COR_ERR_NOMEM, "out of memory for a job");
    }
    draft->text = cor_json_text(draft->message);
    if (!draft->text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a job");
    }
    if (strlen(draft->text) > COR_QUEUE_BODY_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "the job is longer than %zu bytes", COR_QUEUE_BODY_MAX);
    }
    return true;
}

/* --- the commit --- */

static bool accept_draft(Draft *draft, CorAcceptOutcome *ret_outcome,
                         char ret_message_id[COR_UUID_SIZE], CorError *err)
{
    CorJobRow row = {.job_id = draft->job_id,
                     .client_id = cor_json_string(draft->posted, "client_id", ""),
                     .algo_id = draft->algo->algo->id,
                     .algo_version = draft->algo->algo->version,
                     .accepted_unix_ms = draft->now_unix_ms,
                     .scope = draft->scope,
                     .study_id = cor_json_string(draft->pacs, "study_id", ""),
                     .study_instance_uid = draft->study_uid,
                     .message_id = draft->message_id,
                     .content_sha256 = draft->content,
                     .request = draft->text,
                     .order_group = draft->group};

    return cor_gateway_priv_accept(draft->gateway, &row, ret_outcome, ret_message_id, err);
}

static void commit(Draft *draft, CorHttpResponse *res)
{
    CorAcceptOutcome outcome = COR_ACCEPTED_NEW;
    char message_id[COR_UUID_SIZE];
    CorError err = {0};

    choose_group(draft);
    if (!write_message(draft, &err) || !accept_draft(draft, &outcome, message_id, &err)) {
        cor_http_fail(res, NULL, &err);
    } else if (outcome == COR_ACCEPTED_OTHER) {
        (void) is_new_job(draft, res); /* answers 409 with the job that was quicker */
    } else {
        if (outcome == COR_ACCEPTED_NEW) {
            draft->has_its_place = false; /* the relay gives it back */
        }
        answer_accepted(draft, res, message_id);
    }
}

void cor_gateway_priv_process(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    Draft draft = {.gateway = context,
                   .algo = cor_gateway_priv_algo(context, cor_http_req_param(req, "algo_id"))};
    CorError err = {0};

    if (!draft.algo) {
        cor_http_problem(res, 404, NULL, "Unknown algorithm");
        return;
    }
    if (read_body(&draft, req, res) && check_scope(&draft, res) && check_outputs(&draft, res) &&
        read_params(&draft, res)) {
        if (!identify(&draft, &err)) {
            cor_http_fail(res, NULL, &err);
        } else if (is_new_job(&draft, res) && take_place(&draft, res) && find_inputs(&draft, res)) {
            commit(&draft, res);
        }
    }
    draft_done(&draft);
}
