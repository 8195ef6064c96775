/* SPDX-License-Identifier: Apache-2.0 */
/* GET /jobs, GET /jobs/{id}, its outputs, and DELETE, which cancels. */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"
#include "base/uri.h"
#include "job/result.h"

enum { SEARCHES_MAX = 2 }; /* of a million jobs each takes a second: the rest must go on */

#define LIST_BYTES_MAX ((size_t) 64 * 1024 * 1024)

/* --- one row as JSON --- */

static void set_time(json_t *job, const char *name, int64_t unix_ms)
{
    char text[COR_TIME_ISO_SIZE];

    if (unix_ms > 0) {
        (void) json_object_set_new(job, name,
                                   json_string(cor_time_iso(unix_ms, text, sizeof(text))));
    }
}

static void set_text(json_t *job, const char *name, const char *text)
{
    if (text && text[0]) {
        (void) json_object_set_new(job, name, json_string(text));
    }
}

/* Milliseconds per stage: what the worker measured, or what is known so far. */
static json_t *timeline_of(const CorJobRow *row, const json_t *result)
{
    json_t *timing = json_object_get(result, "timing_ms");
    int64_t now_unix_ms = cor_time_unix_ms();

    if (timing) {
        json_t *timeline = json_copy(timing);
        int64_t delivered_ms = row->finished_unix_ms - row->accepted_unix_ms;
        (void) json_object_set_new(timeline, "delivered", json_real((double) delivered_ms));
        return timeline;
    }
    int64_t end_ms = row->finished_unix_ms ? row->finished_unix_ms : now_unix_ms;
    if (row->started_unix_ms > 0) {
        return json_pack("{s:f, s:f}", "queued",
                         (double) (row->started_unix_ms - row->accepted_unix_ms), "running",
                         (double) (end_ms - row->started_unix_ms));
    }
    return json_pack("{s:f}", "queued", (double) (end_ms - row->accepted_unix_ms));
}

static json_t *row_json(const CorJobRow *row, const json_t *result)
{
    json_t *job = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s}", "job_id", row->job_id,
                            "client_id", row->client_id, "algo_id", row->algo_id, "algo_version",
                            row->algo_version, "state", cor_job_state_name(row->state), "attempts",
                            row->attempts, "scope", row->scope);

    set_text(job, "study_id", row->study_id);
    set_text(job, "study_instance_uid", row->study_instance_uid);
    set_text(job, "retry_of", row->retry_of);
    set_time(job, "accepted_at", row->accepted_unix_ms);
    set_time(job, "started_at", row->started_unix_ms);
    set_time(job, "finished_at", row->finished_unix_ms);
    (void) json_object_set_new(job, "timeline", timeline_of(row, result));
    return job;
}

static json_t *parse_or_null(const char *text)
{
    json_t *json = NULL;

    if (text && !cor_json_parse(text, strlen(text), &json, NULL)) {
        return NULL;
    }
    return json;
}

/* --- details --- */

/* The inputs of a long list are an object; what cannot be read is left out. */
static json_t *inputs_of(CorGateway *gateway, const json_t *request)
{
    const char *key = cor_json_string(request, "inputs_key", NULL);
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *text = NULL;
    json_t *inputs = NULL;

    if (!key) {
        return json_incref(json_object_get(request, "inputs"));
    }
    if (!cor_blob_read(gateway->options.blobs, COR_BUCKET_JOBS, key, LIST_BYTES_MAX, &text, NULL) ||
        !cor_json_parse((const char *) cor_bytes_data(text), cor_bytes_size(text), &inputs, NULL)) {
        return NULL;
    }
    return inputs;
}

static json_t *outputs_of(CorGateway *gateway, const json_t *result)
{
    json_t *shown = json_array();
    size_t index = 0;
    json_t *output = NULL;

    json_array_foreach(json_object_get(result, "outputs"), index, output)
    {
        json_t *copy = json_copy(output);
        const char *bucket = cor_json_string(copy, "bucket", "");
        const char *key = cor_json_string(copy, "key", "");
        (void) json_object_set_new(
            copy, "url",
            cor_gateway_priv_url(gateway, bucket, key,
                                 gateway->options.config->presign_output_ms / 1000));
        (void) json_object_del(copy, "record");
        (void) json_array_append_new(shown, copy);
    }
    return shown;
}

static void copy_member(json_t *to, const json_t *from, const char *name)
{
    json_t *member = json_object_get(from, name);

    if (member) {
        (void) json_object_set(to, name, member);
    }
}

/* What the client posted, unknown members included: the message without what we put into it. */
static json_t *posted_of(const json_t *request)
{
    static const char *const ours[] = {"algo_version", "accepted_at", "accepted_unix_ms",
                                       "key_hash",     "inputs",      "inputs_key"};
    json_t *posted = json_copy((json_t *) request);

    for (size_t i = 0; posted && i < COR_ARRAY_LEN(ours); i++) {
        (void) json_object_del(posted, ours[i]);
    }
    return posted;
}

typedef struct JobView {
    CorGateway *gateway;
    const char *job_id;
    json_t *job; /* new reference */
    json_t *outputs;
    CorJobState state;
    char algo_id[COR_ALGO_ID_SIZE];
    char client_id[COR_ID_SIZE];
} JobView;

static void add_live(JobView *view)
{
    const CorGatewayAlgo *algo = cor_gateway_priv_algo(view->gateway, view->algo_id);
    int64_t position = 0;

    if (view->state == COR_JOB_QUEUED && algo &&
        cor_queue_position(algo->queue, view->job_id, &position, NULL)) {
        (void) json_object_set_new(view->job, "position", json_integer(position));
    }
    if (view->state == COR_JOB_RUNNING) {
        json_t *progress = cor_gateway_priv_running_progress(view->gateway->running, view->job_id);
        if (progress) {
            (void) json_object_set_new(view->job, "progress", progress);
        }
    }
}

static bool view_row(void *context, const CorJobRow *row, CorError *err)
{
    JobView *view = context;
    COR_CLEANUP(cor_json_freep) json_t *request = parse_or_null(row->request);
    COR_CLEANUP(cor_json_freep) json_t *result = parse_or_null(row->result);

    view->job = row_json(row, result);
    if (!view->job) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a job");
    }
    view->state = row->state;
    (void) snprintf(view->algo_id, sizeof(view->algo_id), "%s", row->algo_id);
    (void) snprintf(view->client_id, sizeof(view->client_id), "%s", row->client_id);
    copy_member(view->job, request, "params");
    copy_member(view->job, request, "pacs");
    json_t *posted = posted_of(request);
    if (posted) {
        (void) json_object_set_new(view->job, "request", posted);
    }
    copy_member(view->job, result, "found");
    copy_member(view->job, result, "measurements");
    copy_member(view->job, result, "error");
    json_t *inputs = inputs_of(view->gateway, request);
    if (inputs) {
        (void) json_object_set_new(view->job, "inputs", inputs);
    }
    view->outputs = outputs_of(view->gateway, result);
    (void) json_object_set(view->job, "outputs", view->outputs);
    return true;
}

static bool read_view(CorSqlTxn *txn, void *arg, CorError *err)
{
    JobView *view = arg;

    return cor_ledger_job(txn, view->job_id, view_row, view, err);
}

/* Fill a view; answers the request if there is no such job. */
static bool view_job(JobView *view, CorHttpResponse *res)
{
    CorError err = {0};

    if (!cor_sql_read(view->gateway->options.ledger, read_view, view, &err)) {
        if (err.code == COR_ERR_NOT_FOUND) {
            cor_http_problem(res, 404, NULL, "there is no such job");
        } else {
            cor_http_fail(res, NULL, &err);
        }
        return false;
    }
    return true;
}

static void view_done(JobView *view)
{
    json_decref(view->job);
    json_decref(view->outputs);
}

void cor_gateway_priv_get_job(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    JobView view = {.gateway = context, .job_id = cor_http_req_param(req, "job_id")};

    if (view_job(&view, res)) {
        add_live(&view);
        cor_http_res_json(res, 200, json_incref(view.job));
    }
    view_done(&view);
}

void cor_gateway_priv_get_outputs(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    JobView view = {.gateway = context, .job_id = cor_http_req_param(req, "job_id")};

    if (view_job(&view, res)) {
        cor_http_res_json(res, 200,
                          json_pack("{s:s, s:O}", "job_id", view.job_id, "outputs", view.outputs));
    }
    view_done(&view);
}

/* --- cancel --- */

typedef struct Cancellation {
    CorFinal final;
    int64_t seq;
    bool is_first;
} Cancellation;

static bool write_cancelled(CorSqlTxn *txn, void *arg, CorError *err)
{
    Cancellation *cancellation = arg;

    return cor_ledger_finish(txn, &cancellation->final, &cancellation->seq, &cancellation->is_first,
                             err);
}

/* The final transition and the order to the queue are one commit; the relay carries the order out.
 */
static bool cancel(const JobView *view, bool *ret_is_first, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *event = NULL;

    if (!cor_event_cancelled(view->job_id, view->algo_id, view->client_id, &event, err)) {
        return false;
    }
    char *text = cor_json_text(event);
    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an event");
    }
    Cancellation cancellation = {.final = {.job_id = view->job_id,
                                           .state = COR_JOB_CANCELLED,
                                           .event = text,
                                           .now_unix_ms = cor_time_unix_ms(),
                                           .with_cancel_outbox = true}};
    bool ok = cor_sql_write(view->gateway->options.ledger, write_cancelled, &cancellation,
                            COR_SQL_SYNCED, err);
    free(text);
    if (ok) {
        *ret_is_first = cancellation.is_first;
    }
    return ok;
}

void cor_gateway_priv_cancel_job(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorGateway *gateway = context;
    JobView before = {.gateway = gateway, .job_id = cor_http_req_param(req, "job_id")};
    JobView after = before;
    CorError err = {0};
    bool is_first = false;

    if (!view_job(&before, res)) {
        return;
    }
    if (!cor_job_state_is_final(before.state) && !cancel(&before, &is_first, &err)) {
        cor_http_fail(res, NULL, &err);
    } else if (view_job(&after, res)) {
        if (is_first) {
            cor_gateway_priv_relay_wake(gateway->relay);
            cor_deliver_wake(gateway->deliver, before.client_id);
            cor_http_res_json(res, 200, json_incref(after.job));
        } else {
            cor_http_problem_extra(res, 409, NULL, json_pack("{s:O}", "job", after.job),
                                   "the job is %s already", cor_job_state_name(after.state));
        }
    }
    view_done(&before);
    view_done(&after);
}

/* --- the list --- */

typedef struct JobList {
    CorJobFilter filter;
    json_t *jobs;
    size_t wanted;
    int64_t last; /* number of the last row that was taken */
    bool has_more;
} JobList;

static bool take_job(void *context, const CorJobRow *row, CorError *err)
{
    JobList *list = context;

    if (json_array_size(list->jobs) == list->wanted) {
        list->has_more = true;
        return true;
    }
    list->last = row->number;
    if (json_array_append_new(list->jobs, row_json(row, NULL)) != 0) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of jobs");
    }
    return true;
}

static bool read_list(CorSqlTxn *txn, void *arg, CorError *err)
{
    JobList *list = arg;

    return cor_ledger_jobs(txn, &list->filter, take_job, list, err);
}

/* since: an ISO time or Unix ms. */
static bool read_since(const char *text, int64_t *ret_unix_ms, CorError *err)
{
    char *end = NULL;

    if (!text || !text[0]) {
        return true;
    }
    if (cor_time_parse_iso(text, ret_unix_ms)) {
        return true;
    }
    long long value = strtoll(text, &end, 10); // style-ok: the end is checked
    if (*end || value < 0) {
        return cor_fail(err, COR_ERR_INVALID,
                        "since must be a time such as 2026-01-31T12:00:00Z or Unix ms");
    }
    *ret_unix_ms = value;
    return true;
}

static bool read_filter(CorHttpRequest *req, JobList *list, CorError *err)
{
    static const int64_t limits[2] = {1, 1000};
    static const int64_t pages[2] = {1, INT64_MAX};
    CorJobState state = COR_JOB_QUEUED;
    int64_t limit = 0;

    list->filter = (CorJobFilter){.client_id = cor_http_req_query(req, "client_id"),
                                  .algo_id = cor_http_req_query(req, "algo"),
                                  .state = cor_http_req_query(req, "state"),
                                  .study = cor_http_req_query(req, "study"),
                                  .text = cor_http_req_query(req, "q")};
    if (list->filter.state && !cor_job_state_from_name(list->filter.state, &state)) {
        return cor_fail(err, COR_ERR_INVALID,
                        "state must be queued, running, succeeded, failed or cancelled");
    }
    if (!cor_http_req_query_integer(req, "limit", limits, 50, &limit, err) ||
        !cor_http_req_query_integer(req, "after", pages, 0, &list->filter.after, err) ||
        !read_since(cor_http_req_query(req, "since"), &list->filter.since_unix_ms, err)) {
        return false;
    }
    list->wanted = (size_t) limit;
    list->filter.limit =
        COR_MIN(list->wanted + 1, (size_t) 1000); /* one more tells of a next page */
    return true;
}

static void link_to_next(CorHttpRequest *req, CorHttpResponse *res, const JobList *list)
{
    COR_CLEANUP(cor_string_freep) CorString *target = cor_string_new(8192);
    const char *name = NULL;
    const char *value = NULL;

    cor_string_append_text(target, "/jobs?");
    for (size_t i = 0; i < cor_http_req_query_len(req); i++) {
        cor_http_req_query_at(req, i, &name, &value);
        if (strcmp(name, "after") != 0) {
            cor_percent_encode(target, name, "");
            cor_string_append_text(target, "=");
            cor_percent_encode(target, value, "");
            cor_string_append_text(target, "&");
        }
    }
    cor_http_res_header(res, "Link", "<%safter=%lld>; rel=\"next\"", cor_string_text(target),
                        (long long) list->last);
}

void cor_gateway_priv_list_jobs(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorGateway *gateway = context;
    JobList list = {.jobs = json_array()};
    CorError err = {0};

    if (!read_filter(req, &list, &err)) {
        json_decref(list.jobs);
        cor_http_fail(res, NULL, &err);
        return;
    }
    bool is_search = list.filter.text != NULL;
    if (is_search && atomic_fetch_add(&gateway->searches, 1) >= SEARCHES_MAX) {
        atomic_fetch_sub(&gateway->searches, 1);
        json_decref(list.jobs);
        cor_http_res_header(res, "Retry-After", "1");
        cor_http_problem(res, 429, NULL, "%d searches are running already; try again",
                         SEARCHES_MAX);
        return;
    }
    bool ok = cor_sql_read(gateway->options.ledger, read_list, &list, &err);
    if (is_search) {
        atomic_fetch_sub(&gateway->searches, 1);
    }
    if (!ok) {
        json_decref(list.jobs);
        cor_http_fail(res, NULL, &err);
        return;
    }
    if (list.wanted == 1000 && json_array_size(list.jobs) == 1000) {
        list.has_more = true; /* a full page of the largest size: there may be a next one */
    }
    json_t *page = json_pack("{s:o}", "jobs", list.jobs);
    if (list.has_more) {
        (void) json_object_set_new(page, "next", json_sprintf("%lld", (long long) list.last));
        link_to_next(req, res, &list);
    }
    cor_http_res_json(res, 200, page);
}
