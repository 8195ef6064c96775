/* SPDX-License-Identifier: Apache-2.0 */
/* GET /system and GET /env: what runs here, and under which URLs. */
#include "gateway/gateway-priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"

static json_t *layers_json(unsigned layers)
{
    return json_pack(
        "{s:b, s:b, s:b, s:b}", "no_new_privs", (layers & COR_HOST_LAYER_NO_NEW_PRIVS) != 0,
        "landlock", (layers & COR_HOST_LAYER_LANDLOCK) != 0, "seccomp",
        (layers & COR_HOST_LAYER_SECCOMP) != 0, "rlimits", (layers & COR_HOST_LAYER_RLIMITS) != 0);
}

static json_t *pool_json(CorHostPool *pool)
{
    CorHostPoolStats stats = {0};
    json_t *pids = json_array();

    cor_host_pool_stats(pool, &stats);
    for (size_t i = 0; i < stats.alive && i < COR_HOST_POOL_MAX; i++) {
        (void) json_array_append_new(pids, json_integer(stats.pids[i]));
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "alive", (json_int_t) stats.alive,
                     "busy", (json_int_t) stats.busy, "idle", (json_int_t) stats.idle, "waiting",
                     (json_int_t) stats.waiting, "starts", (json_int_t) stats.starts, "losses",
                     (json_int_t) stats.losses, "pids", pids, "layers", layers_json(stats.layers));
}

/* Hosts are lent to whichever algorithm has work; those in flight are those at work. */
static json_t *per_algorithm(CorGateway *gateway)
{
    json_t *algorithms = json_object();

    for (size_t i = 0; i < gateway->algo_len; i++) {
        CorQueueStats stats = {0};
        if (cor_queue_stats(gateway->algos[i].queue, &stats, NULL)) {
            (void) json_object_set_new(algorithms, gateway->algos[i].algo->id,
                                       json_integer(stats.in_flight));
        }
    }
    return algorithms;
}

static json_t *hosts_json(CorGateway *gateway)
{
    return json_pack("{s:o, s:o, s:o}", "jobs", pool_json(gateway->options.job_hosts), "viewers",
                     pool_json(gateway->options.viewer_hosts), "busy_per_algorithm",
                     per_algorithm(gateway));
}

static bool read_counts(CorSqlTxn *txn, void *arg, CorError *err)
{
    return cor_ledger_counts(txn, arg, err);
}

static json_t *jobs_json(CorGateway *gateway)
{
    int64_t counts[COR_JOB_STATE_COUNT_] = {0};
    json_t *jobs = json_object();

    if (cor_sql_read(gateway->options.ledger, read_counts, counts, NULL)) {
        for (int state = 0; state < COR_JOB_STATE_COUNT_; state++) {
            (void) json_object_set_new(jobs, cor_job_state_name((CorJobState) state),
                                       json_integer(counts[state]));
        }
    }
    return jobs;
}

static bool read_totals(CorSqlTxn *txn, void *arg, CorError *err)
{
    return cor_catalog_totals(txn, arg, err);
}

static json_t *catalog_json(CorGateway *gateway)
{
    CorCatalogTotals totals = {0};

    if (!cor_sql_read(gateway->options.catalog, read_totals, &totals, NULL)) {
        return json_object();
    }
    return json_pack("{s:I, s:I, s:I, s:I}", "studies", (json_int_t) totals.studies, "series",
                     (json_int_t) totals.series, "instances", (json_int_t) totals.instances,
                     "bytes", (json_int_t) totals.bytes);
}

static json_t *disk_json(CorGateway *gateway)
{
    uint64_t free_bytes = 0;

    if (!cor_blob_space(gateway->options.blobs, &free_bytes, NULL)) {
        return json_object();
    }
    return json_pack("{s:I, s:I}", "free_bytes", (json_int_t) free_bytes, "floor_bytes",
                     (json_int_t) gateway->options.config->disk_floor_bytes);
}

static json_t *throughput_json(CorGateway *gateway)
{
    unsigned long long now = (unsigned long long) (cor_time_ms() / 1000);
    unsigned long long jobs = 0;

    for (size_t i = 0; i < COR_ARRAY_LEN(gateway->finished_per_second); i++) {
        unsigned long long slot = atomic_load(&gateway->finished_per_second[i]);
        if (now - (slot >> 24) < 60) {
            jobs += slot & 0xFFFFFF;
        }
    }
    return json_pack("{s:I}", "jobs_last_minute", (json_int_t) jobs);
}

void cor_gateway_priv_get_system(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorGateway *gateway = context;
    (void) req;

    cor_http_res_json(
        res, 200,
        json_pack(
            "{s:s, s:f, s:o, s:o, s:o, s:o, s:o, s:s}", "version", COR_VERSION, "uptime_seconds",
            (double) (cor_time_ms() - gateway->started_ms) / 1000.0, "disk", disk_json(gateway),
            "hosts", hosts_json(gateway), "jobs", jobs_json(gateway), "throughput",
            throughput_json(gateway), "catalog", catalog_json(gateway), "sandbox_mode",
            gateway->options.config->sandbox == COR_SANDBOX_STRICT ? "strict" : "best-effort"));
}

/* "http://…" -> "ws://…", "https://…" -> "wss://…". */
static json_t *socket_url(const char *public_url, const char *path)
{
    return json_sprintf("ws%s%s", public_url + strlen("http"), path);
}

void cor_gateway_priv_get_env(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    const CorGateway *gateway = context;
    const char *base = gateway->public_url;
    (void) req;

    cor_http_res_json(
        res, 200,
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "API_BASE", base, "PACS_API_BASE",
                  json_sprintf("%s/pacs", base), "WS_ENDPOINT", socket_url(base, "/prod"),
                  "WS_LIVE_ENDPOINT", socket_url(base, "/ws"), "RESULTS_QUEUE_URL",
                  json_sprintf("%s/queues/%s", base, cor_queue_name(gateway->options.results)),
                  "DICOMWEB_ROOT", json_sprintf("%s/dicom-web", base)));
}
