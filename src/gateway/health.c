/* SPDX-License-Identifier: Apache-2.0 */
/* Liveness, readiness and metrics. */
#include "gateway/gateway-priv.h"

#include <stdlib.h>

#include "base/time.h"
#include "program/metrics.h"

static CorMetric queue_depth =
    COR_METRIC_GAUGE("corsia_queue_depth", "Messages in a queue.", "queue", "state");
static CorMetric queue_age = COR_METRIC_GAUGE("corsia_queue_oldest_message_age_seconds",
                                              "Age of the oldest message in a queue.", "queue");
static CorMetric hosts =
    COR_METRIC_GAUGE("corsia_hosts", "Host processes by pool and state.", "pool", "state");
static CorMetric host_losses = COR_METRIC_COUNTER(
    "corsia_host_losses_total", "Hosts that crashed, hung or outgrew their memory.", "pool");
static CorMetric connections =
    COR_METRIC_GAUGE("corsia_websocket_connections", "Open WebSocket connections.");
static CorMetric instances = COR_METRIC_GAUGE("corsia_instances", "Instances in the catalogue.");
static CorMetric requests = COR_METRIC_HISTOGRAM("corsia_http_request_seconds",
                                                 "Time to answer requests.", "route", "class");
static CorMetric disk_free = COR_METRIC_GAUGE("corsia_disk_free_bytes", "Room left on the disk.");

void cor_gateway_priv_get_live(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) req;
    (void) context;
    cor_http_res_json(res, 200, json_pack("{s:s}", "status", "live"));
}

/* A check's word: "ok", or what is wrong.  Pools that have no host yet are told apart from those
 * whose hosts do not start. */
static bool check_pool(CorHostPool *pool, json_t *checks, const char *name)
{
    CorHostPoolStats stats = {0};

    cor_host_pool_stats(pool, &stats);
    (void) json_object_set_new(checks, name,
                               json_string(stats.is_ready ? "ok"
                                           : stats.start_error[0]
                                               ? "hosts do not start, see the log"
                                               : "starting"));
    return stats.is_ready;
}

void cor_gateway_priv_get_ready(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorGateway *gateway = context;
    json_t *checks = json_object();
    CorError err = {0};
    (void) req;

    bool is_ready = cor_gateway_priv_writable(gateway, &err);
    (void) json_object_set_new(checks, "store", json_string(is_ready ? "ok" : err.text));
    is_ready = check_pool(gateway->options.job_hosts, checks, "job_hosts") && is_ready;
    is_ready = check_pool(gateway->options.viewer_hosts, checks, "viewer_hosts") && is_ready;
    cor_http_res_json(
        res, is_ready ? 200 : 503,
        json_pack("{s:s, s:o}", "status", is_ready ? "ready" : "not ready", "checks", checks));
}

/* --- metrics --- */

static void show_queue(CorQueue *queue)
{
    CorQueueStats stats = {0};
    const char *name = cor_queue_name(queue);

    if (!cor_queue_stats(queue, &stats, NULL)) {
        return;
    }
    cor_metric_set(&queue_depth, COR_LABELS(name, "visible"), (double) stats.visible);
    cor_metric_set(&queue_depth, COR_LABELS(name, "in_flight"), (double) stats.in_flight);
    cor_metric_set(&queue_depth, COR_LABELS(name, "delayed"), (double) stats.delayed);
    cor_metric_set(&queue_depth, COR_LABELS(name, "dead"), (double) stats.dead);
    cor_metric_set(&queue_age, COR_LABELS(name), (double) stats.oldest_age_ms / 1000.0);
}

static void show_pool(CorHostPool *pool, const char *name)
{
    CorHostPoolStats stats = {0};

    cor_host_pool_stats(pool, &stats);
    cor_metric_set(&hosts, COR_LABELS(name, "alive"), (double) stats.alive);
    cor_metric_set(&hosts, COR_LABELS(name, "busy"), (double) stats.busy);
    cor_metric_count_to(&host_losses, COR_LABELS(name), (int64_t) stats.losses);
}

static bool read_totals(CorSqlTxn *txn, void *arg, CorError *err)
{
    return cor_catalog_totals(txn, arg, err);
}

void cor_gateway_priv_get_metrics(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorGateway *gateway = context;
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new((size_t) 8 * 1024 * 1024);
    CorCatalogTotals totals = {0};
    CorWsCounters sockets = {0};
    uint64_t free_bytes = 0;
    (void) req;

    for (size_t i = 0; i < gateway->algo_len; i++) {
        show_queue(gateway->algos[i].queue);
    }
    show_queue(gateway->options.results);
    show_pool(gateway->options.job_hosts, "jobs");
    show_pool(gateway->options.viewer_hosts, "viewers");
    if (cor_sql_read(gateway->options.catalog, read_totals, &totals, NULL)) {
        cor_metric_set(&instances, NULL, (double) totals.instances);
    }
    if (cor_blob_space(gateway->options.blobs, &free_bytes, NULL)) {
        cor_metric_set(&disk_free, NULL, (double) free_bytes);
    }
    if (gateway->ws) {
        cor_ws_server_counters(gateway->ws, &sockets);
        cor_metric_set(&connections, NULL, (double) sockets.sessions);
    }
    cor_metrics_text(text);
    cor_http_res_text(res, 200, COR_METRICS_MEDIA_TYPE, cor_string_text(text));
}

void cor_gateway_access(const CorHttpAccess *access, void *context)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    int class = access->status / 100;
    (void) context;

    cor_metric_observe(&requests,
                       COR_LABELS(access->pattern[0] ? access->pattern : "none",
                                  classes[class >= 0 && class <= 5 ? class : 0]),
                       (double) access->duration_us / 1e6);
}
