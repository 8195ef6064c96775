/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of delivery in a temporary folder: queue, ledger, catalogue, objects, HTTP and
 * WebSocket servers on a free port. */
#pragma once

#include "ledger-fixture.h"
#include "live-client.h"

#include "base/array.h"
#include "base/time.h"
#include "catalog/catalog.h"
#include "deliver/deliver.h"
#include "driver/sql-test.h"
#include "http/http-server.h"
#include "job/result.h"
#include "program/log.h"

#define BUFFER_BYTES ((size_t) 64 * 1024)

typedef struct Deliver {
    TempDir dir;
    CorSql *ledger;
    CorSql *catalog;
    CorBlobStore *blobs;
    CorQueue *results;
    CorWsServer *ws;
    CorHttpServer *http;
    CorDeliver *deliver;
    uint16_t port;
    int64_t retention_ms;
    int64_t ping_ms;
} Deliver;

static inline bool deliver_sign(void *context, const char *bucket, const char *key,
                                int64_t expires_in_s, CorString *url, CorError *err)
{
    (void) context;
    (void) err;
    cor_string_printf(url, "http://files/%s/%s?expires=%lld", bucket, key,
                      (long long) expires_in_s);
    return true;
}

static inline void deliver_open_stores(Deliver *fixture)
{
    char uri[512];
    CorSqlOptions options = {.never_sync = true};

    MUST(cor_sql_open(temp_path(&fixture->dir, "corsia.db"), &options, &fixture->ledger, &err));
    MUST(cor_sql_write(fixture->ledger, ledger_migrate_run, NULL, COR_SQL_RELAXED, &err));
    MUST(cor_catalog_open(temp_path(&fixture->dir, "catalog.db"), &options, &fixture->catalog,
                          &err));
    (void) snprintf(uri, sizeof(uri), "sqlite:%s/corsia.db", fixture->dir.path);
    MUST(cor_queue_open(uri, "Results.fifo", &fixture->results, &err));
    (void) snprintf(uri, sizeof(uri), "file:%s/objects", fixture->dir.path);
    MUST(cor_blob_open(uri, &fixture->blobs, &err));
}

static inline void deliver_close_stores(Deliver *fixture)
{
    cor_queue_close(fixture->results);
    cor_blob_close(fixture->blobs);
    cor_sql_close(fixture->catalog);
    cor_sql_close(fixture->ledger);
}

static inline void deliver_start(Deliver *fixture)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    const CorHttpRoute routes[] = {
        {.method = "GET",
         .pattern = "/ws",
         .handler = cor_deliver_serve_ws,
         .flags = COR_HTTP_WEBSOCKET},
        {.method = "GET",
         .pattern = "/prod",
         .handler = cor_deliver_serve_prod,
         .flags = COR_HTTP_WEBSOCKET},
        {.method = "GET",
         .pattern = "/clients/{client_id}/events",
         .handler = cor_deliver_serve_events,
         .flags = COR_HTTP_TICKET},
    };
    CorWsServerOptions ws = {.buffer_max = BUFFER_BYTES, .ping_ms = fixture->ping_ms};
    CorDeliverOptions deliver = {.results = fixture->results,
                                 .blobs = fixture->blobs,
                                 .ledger = fixture->ledger,
                                 .catalog = fixture->catalog,
                                 .signer = {.sign = deliver_sign},
                                 .url_expires_s = 86400,
                                 .connections_per_client = 32,
                                 .buffer_bytes = BUFFER_BYTES,
                                 .retention_ms = fixture->retention_ms};
    CorHttpServerOptions http = {.listen = listen,
                                 .listen_len = 1,
                                 .routes = routes,
                                 .routes_len = COR_ARRAY_LEN(routes),
                                 .threads = 4};

    MUST(cor_ws_server_start(&ws, &fixture->ws, &err));
    deliver.ws = fixture->ws;
    MUST(cor_deliver_start(&deliver, &fixture->deliver, &err));
    http.route_context = fixture->deliver;
    MUST(cor_http_server_start(&http, &fixture->http, &err));
    fixture->port = cor_http_server_port(fixture->http, 0);
}

static inline void deliver_stop(Deliver *fixture)
{
    cor_http_server_stop(fixture->http);
    cor_deliver_stop(fixture->deliver);
    cor_ws_server_stop(fixture->ws);
}

/** Stores only: what a test finds when the server starts is its own affair. */
static inline int deliver_setup_stores(void **state)
{
    Deliver *fixture = calloc(1, sizeof(*fixture));

    cor_log_set_level(COR_LOG_ERROR);
    fixture->dir = temp_dir_make();
    deliver_open_stores(fixture);
    *state = fixture;
    return 0;
}

static inline int deliver_setup(void **state)
{
    (void) deliver_setup_stores(state);
    deliver_start(*state);
    return 0;
}

static inline int deliver_teardown(void **state)
{
    Deliver *fixture = *state;

    deliver_stop(fixture);
    deliver_close_stores(fixture);
    temp_dir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

/* ---- Results ---- */

/** An output with a catalogue record; the digest is 64 times one digit. */
static inline json_t *deliver_output(const char *uid, const char *key, char digit)
{
    char digest[65];

    memset(digest, digit, 64);
    digest[64] = '\0';
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:I,s:{s:s,s:s,s:s,s:s,s:s,s:s,s:{}}}", "role",
                     "overlay", "bucket", "output", "key", key, "media_type", "application/dicom",
                     "sop_instance_uid", uid, "size", 100, "sha256", digest, "stored_unix_ms",
                     (json_int_t) 1000, "record", "sop_class_uid", "1.2.840.10008.5.1.4.1.1.7",
                     "sop_instance_uid", uid, "study_instance_uid", "1.2.3", "series_instance_uid",
                     "1.2.3.4", "transfer_syntax_uid", "1.2.840.10008.1.2.1", "modality", "OT",
                     "attributes");
}

static inline json_t *deliver_result(const char *job_id, const char *status)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:b,s:i,s:{s:f},s:{s:f}}", "job_id", job_id, "algo_id",
                     "processing_1", "client_id", "c1", "status", status, "found", 1, "attempts", 1,
                     "measurements", "area_px", 12.5, "timing_ms", "total", 3.25);
}

static inline void deliver_send_text(Deliver *fixture, const char *job_id, const char *dedup_id,
                                     const char *text)
{
    char message_id[COR_UUID_SIZE];
    CorQueueSend send = {.group_id = job_id,
                         .dedup_id = dedup_id,
                         .client_id = "c1",
                         .body = text,
                         .body_size = strlen(text)};

    MUST(cor_queue_send(fixture->results, &send, message_id, &err));
}

/** Send a result, which it takes. */
static inline void deliver_send(Deliver *fixture, const char *dedup_id, json_t *result)
{
    char *text = cor_json_text(result);

    assert_non_null(text);
    deliver_send_text(fixture, cor_json_string(result, "job_id", ""), dedup_id, text);
    free(text);
    json_decref(result);
}

/** Accept a job and let it succeed with one output of its own. */
static inline void deliver_job(Deliver *fixture, const char *client_id, int number)
{
    char job_id[COR_ID_SIZE];
    char uid[COR_UID_SIZE];
    char key[256];
    json_t *result = NULL;

    (void) snprintf(job_id, sizeof(job_id), "%s-%d", client_id, number);
    (void) snprintf(uid, sizeof(uid), "1.2.3.4.%u.%d", (unsigned) client_id[1], number);
    (void) snprintf(key, sizeof(key), "study/series/%s-%d.dcm", client_id, number);
    ledger_accept(fixture->ledger, job_id, client_id);
    result = deliver_result(job_id, "succeeded");
    (void) json_object_set_new(result, "outputs", json_pack("[o]", deliver_output(uid, key, 'a')));
    deliver_send(fixture, job_id, result);
}

/** Put an event into a client's log by hand, as if it had been delivered earlier. */
static inline void deliver_past_event(Deliver *fixture, const char *client_id, int number,
                                      int64_t now_unix_ms)
{
    char job_id[COR_ID_SIZE];
    char event[512];

    (void) snprintf(job_id, sizeof(job_id), "past-%s-%d", client_id, number);
    (void) snprintf(event, sizeof(event),
                    "{\"type\":\"result\",\"job_id\":\"%s\",\"client_id\":\"%s\","
                    "\"status\":\"failed\"}",
                    job_id, client_id);
    ledger_accept(fixture->ledger, job_id, client_id);
    (void) ledger_finish(fixture->ledger, job_id, COR_JOB_FAILED, event, now_unix_ms);
}

typedef struct DeliverFind {
    const char *uid;
    CorCatalogInstance *instance;
} DeliverFind;

static inline bool deliver_find_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    DeliverFind *find = arg;

    return cor_catalog_find(txn, find->uid, &find->instance, err);
}

/** The catalogued instance of a UID, or NULL; free() it. */
static inline CorCatalogInstance *deliver_find(Deliver *fixture, const char *uid)
{
    DeliverFind find = {.uid = uid};

    MUST(cor_sql_read(fixture->catalog, deliver_find_run, &find, &err));
    return find.instance;
}

/** True if the catalogue has the UID. */
static inline bool deliver_has(Deliver *fixture, const char *uid)
{
    CorCatalogInstance *instance = deliver_find(fixture, uid);
    bool has = instance != NULL;

    free(instance);
    return has;
}

/** Stop the server, so that everything it held is settled, and count what is left of the queue. */
static inline CorQueueStats deliver_settle(Deliver *fixture)
{
    CorQueueStats stats = {0};

    deliver_stop(fixture);
    MUST(cor_queue_stats(fixture->results, &stats, &err));
    deliver_start(fixture);
    return stats;
}
