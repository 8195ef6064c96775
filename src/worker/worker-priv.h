/* SPDX-License-Identifier: Apache-2.0 */
/* What worker.c (slots, leases) and work.c (one job) share. */
#pragma once

#include "worker/worker.h"

#include <pthread.h>
#include <stdatomic.h>

#define COR_WORKER_TIMEOUTS 256 /* timeouts that are remembered */
#define COR_WORK_HOSTS 16       /* hosts that may work on one job */
#define COR_WORK_HOST_WAIT_MS 30000

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
    json_t *outputs;   /* array; the objects stored so far; guarded by worker->mutex while several
                          hosts are at work */
    double fraction;   /* that was reported last */
    bool is_refused;   /* the gate refused an output: it lies in quarantine */
    bool is_computing; /* the first progress was seen */
    bool has_had_host; /* a host was asked: a transient error may be its own answer */
    bool has_told_preview; /* with the progress that was reported last */

    /* Below: guarded by worker->mutex */
    struct CorWork *next;   /* list of what is held */
    int64_t lease_until_ms; /* monotonic */
    int64_t renewed_ms;     /* the renewer's round that looked at it last */
    CorWorkStop stop;
    CorHostLease *hosts[COR_WORK_HOSTS]; /* those that have it; others may cancel them */
    size_t host_len;
    const json_t *preview; /* one of outputs, or NULL */
    bool is_renewing;      /* the renewer is using the message */
    bool is_settling;      /* the renewer must not use the message any more */
} CorWork;

/* What one thread does of a job, with one host. */
typedef struct CorWorkShare {
    CorWork *work;
    json_t *params;     /* of the request, or a copy: reference counts are one thread's */
    json_t *outputs;    /* NULL: nothing was said of them */
    CorHostLease *host; /* NULL: none at the moment */
    size_t first;       /* of the inputs that the host has: the index among the job's */
    const char *stage;  /* as the work's */
    int64_t fetch_us;
    int64_t compute_us;
    int64_t store_us;
    bool is_refused; /* as the work's */
    bool tells;      /* reports the job's progress: one share does */
    double (*scale)(const struct CorWorkShare *share, double fraction); /* NULL: it is the job's */
    int *part; /* where a part goes, -1 before; NULL: none is made */
} CorWorkShare;

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

/** Read the list of inputs, if it is an object of its own. */
COR_MUSTCHECK bool cor_worker_priv_load_inputs(CorWork *work, CorError *err);

/** Run the job in one host: fetch, compute, store. */
COR_MUSTCHECK bool cor_worker_priv_run(CorWork *work, json_t **ret_result, CorError *err);

/** True if the slices of a job may go to several hosts, and it is worth it. */
bool cor_worker_priv_can_spread(const CorWork *work);

/** As cor_worker_priv_run(), with as many hosts as are free and have a processor. */
COR_MUSTCHECK bool cor_worker_priv_spread(CorWork *work, json_t **ret_result, CorError *err);

/** The inputs of a job, none of them open yet. */
COR_MUSTCHECK bool cor_worker_priv_inputs_new(const CorWork *work, CorHostInput **ret_inputs,
                                              CorError *err);

/** Close and free them.  NULL is ignored. */
void cor_worker_priv_inputs_free(CorHostInput *inputs, size_t len);

/** Open len of the job's inputs, from the share's first on, and check that they are the same. */
COR_MUSTCHECK bool cor_worker_priv_fetch(CorWorkShare *share, CorHostInput *inputs, size_t len,
                                         CorError *err);

/** Run in the share's host; what the job says is filled in.  Outputs are stored as they come. */
COR_MUSTCHECK bool cor_worker_priv_compute(CorWorkShare *share, CorHostRun *run,
                                           json_t **ret_result, CorError *err);

/** Lease a host that cancel can reach.  CANCELLED if the work was stopped before. */
COR_MUSTCHECK bool cor_worker_priv_take_host(CorWorkShare *share, int64_t wait_ms, CorError *err);

/** Give it back, if there is one. */
void cor_worker_priv_give_host(CorWorkShare *share);

/** Tell the job's progress; for the thread that has the job. */
void cor_worker_priv_report(CorWork *work, double fraction, const char *stage);

/**
 * Store one output of a host under its name, and add it to the list.
 *
 * @param ret_listed  receives what was added, which the list owns; NULL if it was refused
 */
COR_MUSTCHECK bool cor_worker_priv_store_output(CorWorkShare *share, int fd, const json_t *output,
                                                const json_t **ret_listed, CorError *err);

/** Let cancel reach a host that runs the work.  CANCELLED if the work was stopped before. */
COR_MUSTCHECK bool cor_worker_priv_expose_host(CorWork *work, CorHostLease *host, CorError *err);

/** Take a host out of cancel's reach; call it before the lease is released. */
void cor_worker_priv_hide_host(CorWork *work, const CorHostLease *host);

/** Cancel what the hosts of a work do. */
void cor_worker_priv_cancel_hosts(CorWork *work);

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
