/* SPDX-License-Identifier: Apache-2.0 */
/* The worker: claims requests, fetches their inputs, has a host compute, stores what came out and
 * publishes the result.
 *
 * A worker knows queues, an object store and a pool of hosts; no database, no catalogue, no client.
 * The order of one job is fixed by invariants 2 and 4: objects durable, result sent, request
 * acknowledged.  After a crash between any two the lease ends and the job is done again; the
 * outcome is the same (invariant 5).
 *
 * Ownership  cor_worker_start() gives an object to stop; what its options point to stays the
 *            caller's and outlives it.
 * Threads    Thread-safe.  The callbacks come from the worker's threads, several at once.
 * Blocking   cor_worker_drain() and cor_worker_stop() wait until every slot is done.
 * Errors     As queue/queue.h and host/host-pool.h.
 * Units      Durations are milliseconds.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "blob/blob.h"
#include "host/host-pool.h"
#include "job/progress.h"
#include "queue/queue.h"

#include <stddef.h>
#include <stdint.h>

typedef struct CorWorker CorWorker;

/* What the server that embeds a worker wants to hear.  Called without a lock; must be short. */
typedef struct CorWorkerEvents {
    /* A host is about to get the job; attempt counts from 1. */
    void (*started)(void *context, const CorRequest *request, int attempt);
    void (*progress)(void *context, const CorJobProgress *progress);
    /* The job goes back to its queue. */
    void (*postponed)(void *context, const char *job_id);
    /* The worker is done with the job: its result is sent, or it was cancelled. */
    void (*ended)(void *context, const char *job_id);
    /* The job has failed or was cancelled, or its lease was lost: this worker does not run it any
     * more, and objects of it may lie where no result names them. */
    void (*abandoned)(void *context, const char *job_id);
    void *context;
} CorWorkerEvents;

typedef struct CorWorkerOptions {
    CorQueue *const *requests; /* one per algorithm; the array is copied, the queues are not */
    size_t request_len;
    CorQueue *results;
    CorBlobStore *blobs;
    CorHostPool *hosts;
    size_t slots; /* jobs at once; the pool has at least as many hosts */
    int64_t lease_ms;
    int64_t timeout_ms; /* of one run of an algorithm */
    int attempts_max;
    CorWorkerEvents events;
} CorWorkerOptions;

/** Start the slots and the thread that renews leases. */
COR_MUSTCHECK bool cor_worker_start(const CorWorkerOptions *options, CorWorker **ret_worker,
                                    CorError *err);

/**
 * Stop claiming, give what runs up to drain_ms to finish, then cancel it and give it back to its
 * queue without counting the attempt.  Returns when nothing is held.  cor_worker_cancel() still
 * works meanwhile.  NULL is ignored.
 */
void cor_worker_drain(CorWorker *worker, int64_t drain_ms);

/** Drain without patience and free.  No other call may be running.  NULL is ignored. */
void cor_worker_stop(CorWorker *worker);

/**
 * Kill the run of a job that this worker holds; its message will be acknowledged.  False if it
 * holds no such job, or is giving its message back at this moment: ask again shortly.
 */
bool cor_worker_cancel(CorWorker *worker, const char *job_id);

/** Somebody knows that the store takes bytes again: try the jobs that wait for it now. */
void cor_worker_store_is_back(CorWorker *worker);
