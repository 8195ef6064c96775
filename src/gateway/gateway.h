/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway: what stands behind the routes, but for delivery.
 *
 * It accepts jobs and relays them to their queues, answers about jobs, queues, algorithms and the
 * system, keeps the PACS API and the objects, and sweeps what nobody names.
 *
 * Ownership  cor_gateway_open() gives an object to close.  What its options point to stays the
 *            caller's and outlives it.
 * Threads    Thread-safe.
 * Blocking   Handlers commit and read; cor_gateway_close() waits for the relay and the sweeper.
 * Errors     As the rooms below; http/http-error.c turns them into HTTP statuses.
 * Units      Durations are milliseconds.
 */
#pragma once

#include "archive/archive.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/string.h"
#include "blob/blob.h"
#include "deliver/deliver.h"
#include "driver/sql.h"
#include "host/host-pool.h"
#include "http/http-server.h"
#include "job/progress.h"
#include "program/config.h"
#include "queue/queue.h"
#include "ws/ws-server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CorGateway CorGateway;

typedef struct CorGatewayOptions {
    const CorConfig *config;
    const char *public_url; /* without a final slash; copied */
    const uint8_t *key;     /* of the server, COR_GATEWAY_KEY_SIZE bytes: signs URLs */
    CorSql *ledger;
    CorSql *catalog;
    CorBlobStore *blobs;
    CorArchive *archive;
    CorHostPool *job_hosts;
    CorHostPool *viewer_hosts;
    CorQueue *const *requests; /* one per algorithm, in the order of cor_algo_all(); copied */
    CorQueue *results;
    CorHttpTickets *tickets;
} CorGatewayOptions;

#define COR_GATEWAY_KEY_SIZE 32

/** Compile the schemas and make the gateway; nothing runs yet. */
COR_MUSTCHECK bool cor_gateway_open(const CorGatewayOptions *options, CorGateway **ret_gateway,
                                    CorError *err);

/** Stop what cor_gateway_start() started; URLs can still be signed.  Calling it again does nothing.
 */
void cor_gateway_stop(CorGateway *gateway);

/** Stop and free.  NULL is ignored. */
void cor_gateway_close(CorGateway *gateway);
COR_DEFINE_CLEANUP(CorGateway, cor_gateway_close)

/** Replace the public URL, before anybody was told it: where the port was found out by listening.
 */
COR_MUSTCHECK bool cor_gateway_set_public_url(CorGateway *gateway, const char *public_url,
                                              CorError *err);

/** The public URL as it is now; context is the gateway.  Borrowed. */
const char *cor_gateway_public_url(void *gateway);

/** False with UNAVAILABLE while nothing new may be stored; context is the gateway. */
bool cor_gateway_is_writable(void *gateway, CorError *err);

/** Sign URLs for delivery; context is the gateway. */
bool cor_gateway_sign(void *gateway, const char *bucket, const char *key, int64_t expires_in_s,
                      CorString *url, CorError *err);

/** The routes of the gateway; their context is the gateway.  Lives for ever. */
const CorHttpRoute *cor_gateway_routes(size_t *ret_len);

/** Count a finished request; give it to the HTTP server as on_access. */
void cor_gateway_access(const CorHttpAccess *access, void *gateway);

/* What the gateway asks of whoever runs jobs. */
typedef struct CorGatewayHooks {
    /* Stop the run of a job; false if nobody is known to run it. */
    bool (*cancel_run)(void *context, const char *job_id);
    /* The store was away and takes bytes again. */
    void (*store_is_back)(void *context);
    void *context;
} CorGatewayHooks;

/**
 * Begin to relay accepted jobs to their queues and to sweep.  Before it no route may be served.
 *
 * @param deliver  is woken when a job is cancelled
 * @param hooks    copied
 */
COR_MUSTCHECK bool cor_gateway_start(CorGateway *gateway, CorDeliver *deliver, CorWsServer *ws,
                                     const CorGatewayHooks *hooks, CorError *err);

/** From now on nothing new is accepted: readiness says so, jobs and uploads get 503. */
void cor_gateway_drain(CorGateway *gateway);

/* What a worker tells; the context of each is the gateway. */
void cor_gateway_job_started(void *gateway, const CorRequest *request, int attempt);
void cor_gateway_job_progress(void *gateway, const CorJobProgress *progress);
void cor_gateway_job_postponed(void *gateway, const char *job_id);
void cor_gateway_job_ended(void *gateway, const char *job_id);
void cor_gateway_job_abandoned(void *gateway, const char *job_id);
