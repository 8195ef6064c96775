/* SPDX-License-Identifier: Apache-2.0 */
/* What worker.c (slots, leases) and work.c (one job) share. */
#pragma once

#include "worker/worker.h"

#include <pthread.h>
#include <stdatomic.h>

#define COR_WORKER_TIMEOUTS 256 /* timeouts that are remembered */

/* Why a run was stopped from outside. */
typedef enum CorWorkStop {
    COR_WORK_GOES_ON,
    COR_WORK_CANCELLED,  /* the job is final already; its message is acknowledged */
    COR_WORK_LEASE_LOST, /* somebody else may have the message; nothing is settled */
    COR_WORK_SHUTDOWN,   /* the message goes back and the receive does not count */
} CorWorkStop;

/* One claimed message in the hands of one slot. */
typedef struct CorWork {
    CorWorker *worker;
    CorQueue *queue;
    CorMessage *message;
    CorRequest request;
    const char *stage; /* "fetch", "compute" or "store": where it is */
    CorHostFailure host_failure;
    int64_t claimed_us;
    int64_t fetch_us;
    int64_t compute_us;
    int64_t store_us;
    json_t *outputs;       /* array; the objects stored so far */
    const json_t *preview; /* one of outputs, or NULL */
    double fraction;       /* that was reported last */
    bool is_refused;       /* the gate refused an output: it lies in quarantine */
    bool is_computing;     /* the first progress was seen */
    bool has_had_host;     /* a host was asked: a transient error may be its own answer */

    /* Below: guarded by worker->mutex */
    struct CorWork *next;   /* list of what is held */
    int64_t lease_until_ms; /* monotonic */
    int64_t renewed_ms;     /* the renewer's round that looked at it last */
    CorWorkStop stop;
    CorHostLease *host; /* while a host has it; others may cancel it */
    bool is_renewing;   /* the renewer is using the message */
    bool is_settling;   /* the renewer must not use the message any more */
} CorWork;

struct CorWorker {
    CorWorkerOptions options;
    CorQueue **requests;
    atomic_int host_failures;     /* hosts that could not be had, in a row: the back-off */
    atomic_bool has_told_trouble; /* that a queue does not answer was logged */
    atomic_bool is_stopping;
    pthread_mutex_t wake_mutex; /* taken by queue watches: nothing else is called under it */
    pthread_cond_t wake; /* something may be receivable, the store is back, or the worker stops */
    uint64_t arrivals;   /* guarded by wake_mutex: counts what wake announced */
    int64_t
        store_retry_ms; /* guarded by wake_mutex: no claims before this; 0: the store is there */
    int store_trials;   /* guarded by wake_mutex: how often it was away in a row */
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* the list, or a work's is_renewing, changed */
    CorWork *held;          /* guarded by mutex */
    /* The latest messages of which a run timed out, guarded by mutex: one that is forgotten after
     * so many others gets one more try, and ends by attempts_max all the same. */
    char timeouts[COR_WORKER_TIMEOUTS][COR_UUID_SIZE];
    size_t timeout_len; /* guarded by mutex: how many were noted */
    struct CorThread **threads;
    size_t thread_len;
    struct CorThread *renewer;
};

/** Do the job of a claimed message to its end and settle the message. */
void cor_worker_priv_work(CorWork *work);

/** Store one output of a host under its name, and add it to the list. */
COR_MUSTCHECK bool cor_worker_priv_store_output(CorWork *work, int fd, const json_t *output,
                                                CorError *err);

/** Let cancel reach the host that runs the work.  CANCELLED if the work was stopped before. */
COR_MUSTCHECK bool cor_worker_priv_expose_host(CorWork *work, CorHostLease *host, CorError *err);

/** Take the host out of cancel's reach; call it before the lease is released. */
void cor_worker_priv_hide_host(CorWork *work);

/** The store failed a job: let nobody claim for a while, longer each time in a row. */
void cor_worker_priv_store_is_away(CorWorker *worker);

/** The store served a job to its end. */
void cor_worker_priv_store_is_fine(CorWorker *worker);

/** Sleep; false when the worker stops. */
bool cor_worker_priv_pause(CorWorker *worker, int64_t pause_ms);

/** first_ms doubled so many times, at most max_ms. */
int64_t cor_worker_priv_doubled(int64_t first_ms, int times, int64_t max_ms);

/**
 * Keep the renewer away from the message, so that it can be settled.  Who cancels from now on is
 * told that nobody holds the job; gives what was asked before.
 */
CorWorkStop cor_worker_priv_begin_settling(CorWork *work);

/** Note that a run of a message timed out; true if one did before.  Only the latest are known. */
bool cor_worker_priv_note_timeout(CorWorker *worker, const char *message_id);

/** Tell the client of a message that cannot be read that its job has failed. */
COR_MUSTCHECK bool cor_worker_priv_send_refusal(CorWorker *worker, const CorQueue *queue,
                                                const CorMessage *message, const char *why,
                                                CorError *err);
