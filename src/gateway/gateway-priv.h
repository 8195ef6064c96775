/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the gateway share. */
#pragma once

#include "gateway/gateway.h"

#include <pthread.h>
#include <stdatomic.h>

#include "algo/algo.h"
#include "base/json-schema.h"
#include "catalog/catalog.h"
#include "ledger/ledger.h"
#include "program/thread.h"

#define INPUTS_MAX ((size_t) COR_HOST_INPUT_MAX) /* slices of one job */

/* An algorithm with what a request to it needs. */
typedef struct CorGatewayAlgo {
    const CorAlgorithm *algo;
    CorQueue *queue;
    json_t *schema_json;
    CorJsonSchema *schema;
    json_t *defaults;    /* complete default parameters */
    atomic_llong unsent; /* jobs that are accepted, or about to be, and not in the queue yet */
    bool is_put_off;     /* the relay's thread only: could not be sent to in this round */
    int64_t dead_seen;   /* the relay's thread only: the latest letter that was looked at */
} CorGatewayAlgo;

typedef struct CorRunning CorRunning; /* running.c */
typedef struct CorRelay CorRelay;     /* relay.c */
typedef struct CorSweeper CorSweeper; /* sweep.c */

struct CorGateway {
    CorGatewayOptions options;
    _Atomic(char *) public_url;
    char *first_public_url; /* what it was before the port was known; others may still read it */
    atomic_int searches;    /* GET /jobs?q= that walk the ledger now */
    uint8_t key[COR_GATEWAY_KEY_SIZE];
    CorGatewayAlgo *algos;
    size_t algo_len;
    CorJsonSchema *process_schema;
    CorJsonSchema *redrive_schema;
    CorRunning *running;
    CorRelay *relay;
    CorSweeper *sweeper;
    CorDeliver *deliver;
    CorWsServer *ws;
    CorGatewayHooks hooks;
    int64_t started_ms;
    int64_t started_unix_ms;
    atomic_bool is_draining;
    atomic_llong store_checked_ms; /* when store_is_fine was found out */
    atomic_bool store_is_fine;
    atomic_ullong finished_per_second[64]; /* second << 24 | count: a ring of the last minute */
};

/* --- store-state.c --- */

/** UNAVAILABLE while draining, when the store cannot be written or the disk is below its floor. */
COR_MUSTCHECK bool cor_gateway_priv_writable(CorGateway *gateway, CorError *err);

/* --- presign.c --- */

/** True if signature is that of a GET for this object and the time is not over. */
bool cor_gateway_priv_verify(const CorGateway *gateway, const char *bucket, const char *key,
                             const char *expires, const char *signature);

/** As cor_gateway_sign() as a new JSON string; NULL if there is no memory. */
json_t *cor_gateway_priv_url(CorGateway *gateway, const char *bucket, const char *key,
                             int64_t expires_in_s);

/* --- algorithms.c --- */

CorGatewayAlgo *cor_gateway_priv_algo(const CorGateway *gateway, const char *id);
COR_MUSTCHECK bool cor_gateway_priv_load_algos(CorGateway *gateway, CorError *err);
void cor_gateway_priv_free_algos(CorGateway *gateway);

/** True if the algorithm can make outputs of this role. */
bool cor_gateway_priv_makes(const CorAlgorithm *algo, const char *role);

/** The roles that a job gets which does not say: those that are configured, as far as the algorithm
 * can make them, else the algorithm's own.  A new reference, NULL or empty if there is no memory.
 */
json_t *cor_gateway_priv_default_outputs(const CorConfig *config, const CorAlgorithm *algo);

/**
 * Check parameters and complete them with defaults; integers written as 7.0 become 7 and reals
 * written as 2 become 2.0, so that equal parameters are equal text.
 *
 * @param params       NULL for none
 * @param ret_params   receives a new reference
 * @param ret_pointer  on failure, where: "" or "/sigma"
 */
COR_MUSTCHECK bool cor_gateway_priv_params(const CorGatewayAlgo *algo, const json_t *params,
                                           json_t **ret_params,
                                           char ret_pointer[COR_JSON_POINTER_SIZE], CorError *err);

/* --- accept.c --- */

/**
 * Commit a job and its outbox row, and wake the relay if it is new.  The caller has counted it in
 * `unsent`; the relay takes that back when it is sent, the caller if it was not new.
 */
COR_MUSTCHECK bool cor_gateway_priv_accept(CorGateway *gateway, const CorJobRow *row,
                                           CorAcceptOutcome *ret_outcome,
                                           char ret_message_id[COR_UUID_SIZE], CorError *err);

/* --- running.c --- */

COR_MUSTCHECK bool cor_gateway_priv_running_new(CorRunning **ret_running, CorError *err);
void cor_gateway_priv_running_free(CorRunning *running);

/** The progress of a running job as JSON, or NULL if it is not running here. */
json_t *cor_gateway_priv_running_progress(CorRunning *running, const char *job_id);

/* --- relay.c --- */

/** Count what a former life left in the outbox, before anything is accepted. */
COR_MUSTCHECK bool cor_gateway_priv_count_unsent(CorGateway *gateway, CorError *err);

/* Relay and sweeper use each other: both are made before either runs, and both are halted before
 * either is freed.  NULL is ignored by halt and free. */
COR_MUSTCHECK bool cor_gateway_priv_relay_new(CorGateway *gateway, CorRelay **ret_relay,
                                              CorError *err);
COR_MUSTCHECK bool cor_gateway_priv_relay_run(CorRelay *relay, CorError *err);
void cor_gateway_priv_relay_halt(CorRelay *relay);
void cor_gateway_priv_relay_free(CorRelay *relay);

/** Rows have been written to the outbox. */
void cor_gateway_priv_relay_wake(CorRelay *relay);

/** The store is back: carry out now what waits for it. */
void cor_gateway_priv_relay_hurry(CorRelay *relay);

/**
 * Run a function while nothing is relayed, if nothing is on its way either: all queues empty and
 * no job queued or running.  False if something was.
 */
bool cor_gateway_priv_relay_when_idle(CorRelay *relay, void (*run)(void *context), void *context);

/* --- reconcile.c: for the relay's thread only --- */

/* A job that ends without a worker, and why. */
typedef struct CorGatewayEnd {
    const char *job_id;
    const char *algo_id;
    const char *client_id;
    const char *code;
    const char *why;
    int attempts;
} CorGatewayEnd;

/** Let a job fail, with its event, unless it is final. */
COR_MUSTCHECK bool cor_gateway_priv_end_job(CorGateway *gateway, const CorGatewayEnd *job,
                                            CorError *err);

/**
 * Let the jobs fail whose messages have become dead letters without a result.
 *
 * @param ret_waits  true if some have to be looked at again, because results are on their way
 */
COR_MUSTCHECK bool cor_gateway_priv_check_letters(CorGateway *gateway, bool *ret_waits,
                                                  CorError *err);

/* A search through the jobs that are not final; begins all zero. */
typedef struct CorGatewaySearch {
    size_t state;    /* which of the states */
    int64_t after;   /* page */
    bool waits;      /* some were sent: look again, from the beginning */
    bool is_held_up; /* results are on their way: go on in a moment */
    bool is_over;
} CorGatewaySearch;

/** Send the requests again of jobs that are not final and have no message: one page of a search. */
COR_MUSTCHECK bool cor_gateway_priv_find_lost(CorGateway *gateway, CorGatewaySearch *search,
                                              CorError *err);

/* --- sweep.c --- */

COR_MUSTCHECK bool cor_gateway_priv_sweeper_new(CorGateway *gateway, CorSweeper **ret_sweeper,
                                                CorError *err);
COR_MUSTCHECK bool cor_gateway_priv_sweeper_run(CorSweeper *sweeper, CorError *err);
void cor_gateway_priv_sweeper_halt(CorSweeper *sweeper);
void cor_gateway_priv_sweeper_free(CorSweeper *sweeper);

/** A job ended without a result: look for what it may have left, when there is time. */
void cor_gateway_priv_sweep_later(CorSweeper *sweeper);

/* What the sweeper finds of a derived object, and what became of it. */
typedef enum CorSweepFate {
    COR_SWEEP_NAMED = 0, /* nothing is wrong with it, or it is gone */
    COR_SWEEP_UNNAMED,   /* it has no row */
    COR_SWEEP_LEFT,      /* it stays as it is */
    COR_SWEEP_BUSY,      /* not now: try again */
} CorSweepFate;

/* --- sweep-row.c --- */

/** Tell whether a derived object has a row; one that is older than the object follows it. */
COR_MUSTCHECK bool cor_gateway_priv_sweep_row(CorGateway *gateway, const char *key,
                                              CorSweepFate *ret_fate, CorError *err);

/* --- sweep-guard.c --- */

/** Tell whether the catalogue has rows for what the latest jobs made; else it is an old copy. */
COR_MUSTCHECK bool cor_gateway_priv_sweep_knows_results(CorGateway *gateway, bool *ret_knows,
                                                        CorError *err);

/** Log that the sweeper does not believe the catalogue. */
void cor_gateway_priv_sweep_refuse(size_t len);

/* --- queues.c --- */

/** The queue of a name; NULL if there is none. */
CorQueue *cor_gateway_priv_queue(const CorGateway *gateway, const char *name);

/* --- store.c --- */

extern const CorHttpUpload cor_gateway_priv_upload;

/* --- handlers: CorHttpHandler, context is the gateway --- */

#define COR_GATEWAY_HANDLER(name) \
    void cor_gateway_priv_##name(CorHttpRequest *req, CorHttpResponse *res, void *context)

COR_GATEWAY_HANDLER(provision);       /* provision.c */
COR_GATEWAY_HANDLER(ticket);          /* provision.c */
COR_GATEWAY_HANDLER(process);         /* process.c */
COR_GATEWAY_HANDLER(list_jobs);       /* jobs.c */
COR_GATEWAY_HANDLER(get_job);         /* jobs.c */
COR_GATEWAY_HANDLER(get_outputs);     /* jobs.c */
COR_GATEWAY_HANDLER(cancel_job);      /* jobs.c */
COR_GATEWAY_HANDLER(list_algorithms); /* algorithms.c */
COR_GATEWAY_HANDLER(get_algorithm);   /* algorithms.c */
COR_GATEWAY_HANDLER(list_queues);     /* queues.c */
COR_GATEWAY_HANDLER(get_queue);       /* queues.c */
COR_GATEWAY_HANDLER(list_dead);       /* queues.c */
COR_GATEWAY_HANDLER(redrive);         /* redrive.c */
COR_GATEWAY_HANDLER(pacs_status);     /* pacs.c */
COR_GATEWAY_HANDLER(list_studies);    /* pacs.c */
COR_GATEWAY_HANDLER(get_images);      /* pacs.c: a listing or one image */
COR_GATEWAY_HANDLER(store_image);     /* store.c: the end of an upload */
COR_GATEWAY_HANDLER(get_object);      /* objects.c */
COR_GATEWAY_HANDLER(get_live);        /* health.c */
COR_GATEWAY_HANDLER(get_ready);       /* health.c */
COR_GATEWAY_HANDLER(get_metrics);     /* health.c */
COR_GATEWAY_HANDLER(get_system);      /* system.c */
COR_GATEWAY_HANDLER(get_env);         /* system.c */
COR_GATEWAY_HANDLER(get_openapi);     /* openapi.c */
COR_GATEWAY_HANDLER(get_console);     /* console.c */
