/* SPDX-License-Identifier: Apache-2.0 */
/* GET /queues, one queue, and its dead letters. */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"

static json_t *queue_json(CorQueue *queue)
{
    CorQueueStats stats = {0};

    if (!cor_queue_stats(queue, &stats, NULL)) {
        return NULL;
    }
    return json_pack("{s:s, s:I, s:I, s:I, s:f, s:I}", "name", cor_queue_name(queue), "visible",
                     (json_int_t) stats.visible, "in_flight", (json_int_t) stats.in_flight,
                     "delayed", (json_int_t) stats.delayed, "oldest_age_seconds",
                     (double) stats.oldest_age_ms / 1000.0, "dead", (json_int_t) stats.dead);
}

CorQueue *cor_gateway_priv_queue(const CorGateway *gateway, const char *name)
{
    for (size_t i = 0; i < gateway->algo_len; i++) {
        if (strcmp(cor_queue_name(gateway->algos[i].queue), name) == 0) {
            return gateway->algos[i].queue;
        }
    }
    return strcmp(cor_queue_name(gateway->options.results), name) == 0 ? gateway->options.results
                                                                       : NULL;
}

void cor_gateway_priv_list_queues(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorGateway *gateway = context;
    json_t *queues = json_array();
    (void) req;

    for (size_t i = 0; i < gateway->algo_len; i++) {
        (void) json_array_append_new(queues, queue_json(gateway->algos[i].queue));
    }
    (void) json_array_append_new(queues, queue_json(gateway->options.results));
    if (json_array_size(queues) != gateway->algo_len + 1) {
        json_decref(queues);
        queues = NULL;
    }
    cor_http_res_json(res, 200, queues ? json_pack("{s:o}", "queues", queues) : NULL);
}

static CorQueue *queue_or_404(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorQueue *queue = cor_gateway_priv_queue(context, cor_http_req_param(req, "queue"));

    if (!queue) {
        cor_http_problem(res, 404, NULL, "there is no such queue");
    }
    return queue;
}

void cor_gateway_priv_get_queue(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorQueue *queue = queue_or_404(req, res, context);

    if (queue) {
        cor_http_res_json(res, 200, queue_json(queue));
    }
}

static json_t *dead_json(const CorMessage *message)
{
    char sent_at[COR_TIME_ISO_SIZE];
    char dead_at[COR_TIME_ISO_SIZE];

    (void) cor_time_iso(cor_message_sent_unix_ms(message), sent_at, sizeof(sent_at));
    (void) cor_time_iso(cor_message_failed_unix_ms(message), dead_at, sizeof(dead_at));
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s}", "id", cor_message_id(message), "job_id",
                     cor_message_dedup_id(message), "reason", cor_message_reason(message),
                     "attempts", cor_message_receives(message), "sent_at", sent_at, "dead_at",
                     dead_at);
}

/* Pages go by the order of death; the queue gives at most COR_QUEUE_BATCH_MAX at once. */
void cor_gateway_priv_list_dead(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    static const int64_t limits[2] = {1, 1000};
    static const int64_t pages[2] = {0, INT64_MAX};
    CorQueue *queue = queue_or_404(req, res, context);
    CorMessage *messages[COR_QUEUE_BATCH_MAX];
    COR_CLEANUP(cor_json_freep) json_t *dead = json_array();
    CorError err = {0};
    int64_t limit = 0;
    int64_t after = 0;
    size_t len = 0;

    if (!queue) {
        return;
    }
    bool ok = cor_http_req_query_integer(req, "limit", limits, 50, &limit, &err) &&
              cor_http_req_query_integer(req, "after", pages, 0, &after, &err);
    do {
        size_t left = (size_t) limit - json_array_size(dead);
        size_t max = COR_MIN(left, (size_t) COR_QUEUE_BATCH_MAX);

        len = 0;
        ok = ok && cor_queue_dead_list(queue, after, max, messages, &len, &err);
        for (size_t i = 0; ok && i < len; i++) {
            after = cor_message_seq(messages[i]);
            (void) json_array_append_new(dead, dead_json(messages[i]));
            cor_message_free(messages[i]);
        }
    } while (ok && len > 0 && json_array_size(dead) < (size_t) limit);
    if (!ok) {
        cor_http_fail(res, NULL, &err);
        return;
    }
    json_t *page = json_pack("{s:O}", "dead", dead);
    if (json_array_size(dead) == (size_t) limit) {
        (void) json_object_set_new(page, "next", json_sprintf("%lld", (long long) after));
    }
    cor_http_res_json(res, 200, page);
}
