/* SPDX-License-Identifier: Apache-2.0 */
/* `corsia serve`: the wiring.  What is opened is listed once, in order; closing goes backwards.
 *
 *   data directory -> host pools -> ledger -> objects -> catalogue -> archive -> queues -> gateway
 *     -> DICOMweb -> sockets -> deliver -> relay -> HTTP -> worker -> (wait for a signal) -> drain
 *
 * Draining: refuse new work, let the worker finish or give back what it holds while results are
 * still delivered, end the HTTP server, then everything else.
 */
#include "cli/serve.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "algo/algo.h"
#include "archive/archive.h"
#include "base/array.h"
#include "base/time.h"
#include "blob/blob.h"
#include "catalog/catalog.h"
#include "cli/check-rebuild.h"
#include "deliver/deliver.h"
#include "dicomweb/dicomweb.h"
#include "gateway/gateway.h"
#include "host/host-pool.h"
#include "http/http-server.h"
#include "ledger/ledger.h"
#include "program/config.h"
#include "program/datadir.h"
#include "program/failpoint.h"
#include "program/log.h"
#include "program/shutdown.h"
#include "queue/queue.h"
#include "worker/worker.h"
#include "ws/ws-server.h"

extern char **environ;

enum { TICKET_MS = 30000, TICKETS_MAX = 4096, DELIVER_ROUTES = 3 };

typedef struct Server {
    CorConfig *config;
    CorDatadir *datadir;
    char *public_url;
    char *token;
    CorSql *ledger;
    CorSql *catalog;
    CorBlobStore *blobs;
    CorQueue **requests;
    size_t request_len;
    CorQueue *results;
    CorHostPool *job_hosts;
    CorHostPool *viewer_hosts;
    CorHttpTickets *tickets;
    CorArchive *archive;
    CorGateway *gateway;
    CorDicomweb *dicomweb;
    CorWsServer *ws;
    CorDeliver *deliver;
    CorHttpRoute *routes;
    CorHttpServer *http;
    pthread_mutex_t worker_mutex;
    CorWorker *worker; /* guarded by worker_mutex */
} Server;

/* --- stores --- */

static bool migrate_ledger(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_ledger_migrate(txn, err);
}

static bool open_ledger(Server *server, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *path = cor_string_new(8192);

    cor_string_printf(path, "%s/corsia.db", cor_datadir_path(server->datadir));
    return cor_string_check(path, err) &&
           cor_sql_open(cor_string_text(path), NULL, &server->ledger, err) &&
           cor_sql_write(server->ledger, migrate_ledger, NULL, COR_SQL_SYNCED, err);
}

/* Objects beside a catalogue that is new would have no row, and be swept. */
static bool check_new_catalog(const Server *server, const char *path, CorError *err)
{
    static const char *const buckets[] = {COR_BUCKET_PACS, COR_BUCKET_OUTPUT};
    CorBlobListOptions options = {.max = 1};

    for (size_t i = 0; i < COR_ARRAY_LEN(buckets); i++) {
        COR_CLEANUP(cor_keys_freep) CorKeys *keys = NULL;
        if (!cor_blob_list(server->blobs, buckets[i], &options, &keys, err)) {
            return false;
        }
        if (keys->len > 0) {
            return cor_fail(err, COR_ERR_CORRUPT,
                            "database '%s' is missing, and there are stored objects; see "
                            "docs/operations.md#damaged-database",
                            path);
        }
    }
    return true;
}

static bool open_catalog(Server *server, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *path = cor_string_new(8192);

    cor_string_printf(path, "%s/catalog.db", cor_datadir_path(server->datadir));
    if (!cor_string_check(path, err)) {
        return false;
    }
    if (cor_cli_rebuild_is_unfinished(server->datadir)) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "database '%s' is half made: corsia check --rebuild was interrupted; run "
                        "it again",
                        cor_string_text(path));
    }
    if (access(cor_string_text(path), F_OK) != 0 &&
        !check_new_catalog(server, cor_string_text(path), err)) {
        return false;
    }
    return cor_catalog_open(cor_string_text(path), NULL, &server->catalog, err);
}

/* When the machine went down under the last server, its latest relaxed commits may be undone, and
 * numbers of changes that were given are given again. */
static bool begin_to_serve(Server *server, CorError *err)
{
    if (cor_datadir_was_cut(server->datadir)) {
        cor_log_warning("the last server was not stopped before the machine was: followers of the "
                        "changes begin anew");
        if (!cor_sql_write(server->catalog, cor_catalog_renew_identity, NULL, COR_SQL_SYNCED,
                           err)) {
            return false;
        }
    }
    return cor_datadir_serve(server->datadir, err);
}

static bool open_archive(Server *server, CorError *err)
{
    const CorArchiveOptions options = {
        .catalog = server->catalog, .blobs = server->blobs, .hosts = server->viewer_hosts};

    return cor_archive_new(&options, &server->archive, err) &&
           cor_archive_recover(server->archive, cor_datadir_was_left(server->datadir),
                               cor_datadir_was_cut(server->datadir), err);
}

static bool open_queues(Server *server, CorError *err)
{
    size_t len = 0;
    const CorAlgorithm *const *algos = cor_algo_all(&len);

    server->requests = cor_new_array(CorQueue *, len);
    if (!server->requests) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for queues");
    }
    for (size_t i = 0; i < len; i++) {
        char name[COR_QUEUE_NAME_MAX];
        (void) snprintf(name, sizeof(name), "Requests-%s.fifo", algos[i]->id);
        if (!cor_queue_open(server->config->queue, name, &server->requests[i], err)) {
            return false;
        }
        server->request_len = i + 1;
    }
    return cor_queue_open(server->config->queue, "Results.fifo", &server->results, err);
}

static bool start_hosts(Server *server, CorError *err)
{
    const CorConfig *config = server->config;
    CorHostPoolOptions jobs = {.name = "jobs",
                               .min = (size_t) config->job_hosts_min,
                               .max = (size_t) config->job_hosts_max,
                               .memory_max_bytes = (size_t) config->host_memory_bytes,
                               .frame_max_bytes = (size_t) config->frame_max_bytes,
                               .sandbox = config->sandbox == COR_SANDBOX_STRICT
                                              ? COR_HOST_SANDBOX_STRICT
                                              : COR_HOST_SANDBOX_BEST_EFFORT};
    CorHostPoolOptions viewers = jobs;

    viewers.name = "viewers";
    viewers.min = 1;
    viewers.max = (size_t) config->viewer_hosts_max;
    return cor_host_pool_new(&jobs, &server->job_hosts, err) &&
           cor_host_pool_new(&viewers, &server->viewer_hosts, err);
}

/* --- the network side --- */

static bool open_gateway(Server *server, CorError *err)
{
    CorGatewayOptions options = {.config = server->config,
                                 .public_url = server->config->public_url,
                                 .key = cor_datadir_key(server->datadir),
                                 .ledger = server->ledger,
                                 .catalog = server->catalog,
                                 .blobs = server->blobs,
                                 .archive = server->archive,
                                 .job_hosts = server->job_hosts,
                                 .viewer_hosts = server->viewer_hosts,
                                 .requests = server->requests,
                                 .results = server->results};

    server->tickets = cor_http_tickets_new(TICKET_MS, TICKETS_MAX);
    if (!server->tickets) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for tickets");
    }
    options.tickets = server->tickets;
    return cor_gateway_open(&options, &server->gateway, err);
}

static bool open_dicomweb(Server *server, CorError *err)
{
    const CorDicomwebOptions options = {.config = server->config,
                                        .catalog = server->catalog,
                                        .blobs = server->blobs,
                                        .archive = server->archive,
                                        .hosts = server->viewer_hosts,
                                        .public_url = cor_gateway_public_url,
                                        .is_writable = cor_gateway_is_writable,
                                        .context = server->gateway};

    return cor_dicomweb_open(&options, &server->dicomweb, err);
}

static bool start_delivery(Server *server, CorError *err)
{
    const CorConfig *config = server->config;
    CorWsServerOptions sockets = {.buffer_max = (size_t) config->ws_buffer_bytes,
                                  .ping_ms = config->ws_ping_ms};
    CorDeliverOptions deliver = {.results = server->results,
                                 .blobs = server->blobs,
                                 .ledger = server->ledger,
                                 .catalog = server->catalog,
                                 .signer = {.sign = cor_gateway_sign, .context = server->gateway},
                                 .url_expires_s = config->presign_output_ms / 1000,
                                 .connections_per_client =
                                     (size_t) config->ws_connections_per_client,
                                 .buffer_bytes = (size_t) config->ws_buffer_bytes,
                                 .event_max_bytes = (size_t) config->event_body_max_bytes,
                                 .retention_ms = config->retention_days * 24 * 60 * 60 * 1000};

    if (!cor_ws_server_start(&sockets, &server->ws, err)) {
        return false;
    }
    deliver.ws = server->ws;
    return cor_deliver_start(&deliver, &server->deliver, err);
}

/* The routes of the gateway, of delivery's three doors and of DICOMweb, each with its context. */
static bool make_routes(Server *server, size_t *ret_len, CorError *err)
{
    size_t gateway_len = 0;
    size_t dicomweb_len = 0;
    const CorHttpRoute *gateway = cor_gateway_routes(&gateway_len);
    const CorHttpRoute *dicomweb = cor_dicomweb_routes(&dicomweb_len);
    const CorHttpRoute doors[DELIVER_ROUTES] = {
        {.method = "GET",
         .pattern = "/ws",
         .handler = cor_deliver_serve_ws,
         .flags = COR_HTTP_WEBSOCKET,
         .context = server->deliver},
        {.method = "GET",
         .pattern = "/prod",
         .handler = cor_deliver_serve_prod,
         .flags = COR_HTTP_WEBSOCKET,
         .context = server->deliver},
        {.method = "GET",
         .pattern = "/clients/{client_id}/events",
         .handler = cor_deliver_serve_events,
         .flags = COR_HTTP_TICKET,
         .context = server->deliver},
    };

    size_t len = gateway_len + dicomweb_len + DELIVER_ROUTES;
    server->routes = cor_new_array(CorHttpRoute, len);
    if (!server->routes) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for routes");
    }
    memcpy(server->routes, gateway, gateway_len * sizeof(CorHttpRoute));
    memcpy(server->routes + gateway_len, doors, sizeof(doors));
    for (size_t i = 0; i < dicomweb_len; i++) {
        CorHttpRoute *route = &server->routes[gateway_len + DELIVER_ROUTES + i];
        *route = dicomweb[i];
        route->context = server->dicomweb;
    }
    *ret_len = len;
    return true;
}

/* With port 0 the system chose one; links must name it. */
static bool settle_public_url(Server *server, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *url = cor_string_new(1024);
    const char *listen = server->config->listen.items[0];
    const char *colon = strrchr(listen, ':');

    if (!server->config->public_url_is_derived || !colon || strcmp(colon, ":0") != 0) {
        return true;
    }
    cor_string_printf(url, "http://%.*s:%u", (int) (colon - listen), listen,
                      cor_http_server_port(server->http, 0));
    return cor_string_check(url, err) &&
           cor_gateway_set_public_url(server->gateway, cor_string_text(url), err);
}

static bool start_http(Server *server, CorError *err)
{
    const CorConfig *config = server->config;
    CorHttpServerOptions options = {
        .listen = (const char *const *) config->listen.items,
        .listen_len = config->listen.len,
        .route_context = server->gateway,
        .hosts = (const char *const *) config->hosts.items,
        .hosts_len = config->hosts.len,
        .origins = (const char *const *) config->origins.items,
        .origins_len = config->origins.len,
        .token = server->token,
        .tickets = server->tickets,
        .csp = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' "
               "'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; worker-src "
               "'self'; font-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors "
               "'self'",
        .threads = (unsigned) config->http_threads,
        .connections_max = (unsigned) config->connections_max,
        .body_max = (size_t) config->body_max_bytes,
        .request_timeout_ms = config->request_timeout_ms,
        .on_access = cor_gateway_access,
        .access_context = server->gateway};

    if (!make_routes(server, &options.routes_len, err)) {
        return false;
    }
    options.routes = server->routes;
    return cor_http_server_start(&options, &server->http, err) && settle_public_url(server, err);
}

/* --- the worker --- */

static bool cancel_run(void *context, const char *job_id)
{
    Server *server = context;

    (void) pthread_mutex_lock(&server->worker_mutex);
    bool is_told = server->worker && cor_worker_cancel(server->worker, job_id);
    (void) pthread_mutex_unlock(&server->worker_mutex);
    return is_told;
}

static void try_jobs(void *context)
{
    Server *server = context;

    (void) pthread_mutex_lock(&server->worker_mutex);
    if (server->worker) {
        cor_worker_store_is_back(server->worker);
    }
    (void) pthread_mutex_unlock(&server->worker_mutex);
}

/* Before anybody can ask it and before a worker finds jobs of a former life: both talk to it at
 * once. */
static bool start_gateway(Server *server, CorError *err)
{
    CorGatewayHooks hooks = {
        .cancel_run = cancel_run, .store_is_back = try_jobs, .context = server};

    return cor_gateway_start(server->gateway, server->deliver, server->ws, &hooks, err);
}

static bool start_worker(Server *server, CorError *err)
{
    const CorConfig *config = server->config;
    CorWorkerOptions options = {.requests = server->requests,
                                .request_len = server->request_len,
                                .results = server->results,
                                .blobs = server->blobs,
                                .hosts = server->job_hosts,
                                .slots = (size_t) config->job_hosts_max,
                                .lease_ms = config->lease_ms,
                                .timeout_ms = config->job_timeout_ms,
                                .attempts_max = (int) config->attempts_max,
                                .events = {.started = cor_gateway_job_started,
                                           .progress = cor_gateway_job_progress,
                                           .postponed = cor_gateway_job_postponed,
                                           .ended = cor_gateway_job_ended,
                                           .abandoned = cor_gateway_job_abandoned,
                                           .context = server->gateway}};

    (void) pthread_mutex_lock(&server->worker_mutex);
    bool ok = cor_worker_start(&options, &server->worker, err);
    (void) pthread_mutex_unlock(&server->worker_mutex);
    return ok;
}

/* Drained, it can still be told of a cancellation; stopped, it cannot. */
static void stop_worker(Server *server, int64_t drain_ms)
{
    cor_worker_drain(server->worker, drain_ms);
    (void) pthread_mutex_lock(&server->worker_mutex);
    CorWorker *worker = COR_TAKE(server->worker);
    (void) pthread_mutex_unlock(&server->worker_mutex);
    cor_worker_stop(worker);
}

/* --- the whole --- */

static bool start(Server *server, CorError *err)
{
    return cor_datadir_open(server->config->data, &server->datadir, err) &&
           cor_config_read_token(server->config->token_file, &server->token, err) &&
           start_hosts(server, err) && open_ledger(server, err) &&
           cor_blob_open(server->config->blob, &server->blobs, err) && open_catalog(server, err) &&
           open_archive(server, err) && begin_to_serve(server, err) && open_queues(server, err) &&
           open_gateway(server, err) && open_dicomweb(server, err) && start_delivery(server, err) &&
           start_gateway(server, err) && start_http(server, err) && start_worker(server, err);
}

static void sync_catalog(Server *server)
{
    CorError err = {0};

    if (server->catalog && !cor_sql_sync(server->catalog, &err)) {
        cor_log_warning("the catalogue is not synced", COR_F("error", err.text));
        cor_datadir_leave_note(server->datadir);
    }
}

static void stop(Server *server)
{
    int64_t drain_ms = server->config->drain_timeout_ms;

    if (server->gateway) {
        cor_gateway_drain(server->gateway);
    }
    stop_worker(server, drain_ms);
    cor_deliver_drain(server->deliver, drain_ms);
    if (server->http && !cor_http_server_drain(server->http, drain_ms)) {
        cor_log_warning("requests were cut off at the end of the drain");
    }
    cor_http_server_stop(server->http);
    if (server->gateway) {
        cor_gateway_stop(server->gateway);
    }
    if (server->ws && !cor_ws_server_drain(server->ws, drain_ms)) {
        cor_log_warning("connections were cut off at the end of the drain");
    }
    cor_deliver_stop(server->deliver);
    cor_ws_server_stop(server->ws);
    cor_dicomweb_close(server->dicomweb);
    cor_gateway_close(server->gateway);
    cor_archive_free(server->archive);
    cor_http_tickets_free(server->tickets);
    cor_host_pool_free(server->viewer_hosts);
    cor_host_pool_free(server->job_hosts);
    cor_queue_close(server->results);
    for (size_t i = 0; i < server->request_len; i++) {
        cor_queue_close(server->requests[i]);
    }
    cor_blob_close(server->blobs);
    sync_catalog(server);
    cor_sql_close(server->catalog);
    cor_sql_close(server->ledger);
    cor_datadir_close(server->datadir);
    free(server->requests);
    free(server->routes);
    free(server->token);
    cor_config_free(server->config);
}

/* As many descriptors as we may have: a connection, a slice of a series and an upload need one
 * each. */
static void raise_limits(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
            cor_log_warning("limit of open files not raised, ignoring");
        }
    }
    (void) mallopt(M_ARENA_MAX, 4);
}

int cor_cli_serve(int argc, char *const *argv)
{
    Server server = {.worker_mutex = PTHREAD_MUTEX_INITIALIZER};
    CorError err = {0};
    int64_t started_ms = cor_time_ms();

    if (!cor_config_load(argc, argv, environ, &server.config, &err)) {
        (void) fprintf(stderr, "corsia serve: %s\n", err.text);
        return 2;
    }
    cor_log_set_level(server.config->log_level);
    raise_limits();
    (void) setenv("CORSIA_SIMD", cor_config_simd_name(server.config->simd), 1); /* hosts get it */
    if (!cor_failpoint_arm(getenv("CORSIA_FAILPOINT"), &err) || !cor_shutdown_prepare(&err) ||
        !start(&server, &err)) {
        (void) fprintf(stderr, "corsia serve: %s\n", err.text);
        stop(&server);
        return 1;
    }
    cor_log_info("serving", COR_F("listen", server.config->listen.items[0]),
                 COR_FI("port", cor_http_server_port(server.http, 0)),
                 COR_F("data", cor_datadir_path(server.datadir)),
                 COR_FI("ms", cor_time_ms() - started_ms));

    while (!cor_shutdown_wait(INT64_MAX)) {
    }
    cor_log_info("draining");
    stop(&server);
    cor_log_info("stopped");
    return 0;
}
