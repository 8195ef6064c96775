/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the parent's end share: host-pool.c (leases), host-keeper.c (the pool's thread)
 * and host-call.c (talking to a leased host).
 *
 * The life of a host:
 *
 *     STARTING --hello answered--> IDLE <--released-- LEASED
 *        |                          | ---leased------> |
 *        |                          |                  |
 *        +--failed or too slow--+   +--died, not       +--failed, cancelled
 *                               |   |  needed          |
 *                               v   v                  v
 *                               ENDING ---reaped---> freed
 *
 *   STARTING -> IDLE      keeper: hear_hello()
 *   STARTING -> ENDING    keeper: fail_start()
 *   IDLE     -> LEASED    lease: take_idle(), or whoever makes one available: _pool_give()
 *   LEASED   -> IDLE      holder: cor_host_lease_release(), through _pool_give()
 *   IDLE     -> ENDING    keeper: hear_idle(); lease: take_idle(); _pool_trim()
 *   LEASED   -> ENDING    holder: cor_host_lease_release()
 *
 * Ownership  A pool owns its hosts; its keeper alone adds and frees them.
 * Threads    Fields say what guards them.  Functions named _locked want the pool's mutex held.
 * Errors     As in host-pool.h.
 */
#pragma once

#include "host/host-pool.h"
#include "host/host-process.h"
#include "host/host-protocol.h"
#include "program/thread.h"

#include <stdatomic.h>

typedef enum CorHostState {
    COR_HOST_STARTING, /* `hello` is sent and not yet answered; socket and reader are the keeper's
                        */
    COR_HOST_IDLE,     /* leased by nobody; the keeper watches for its end */
    COR_HOST_LEASED,   /* socket, reader and end are the lease holder's */
    COR_HOST_ENDING,   /* of no more use; the keeper reaps and frees it */
    COR_HOST_STATE_COUNT_
} CorHostState;

typedef struct CorHost {
    CorHostProcess process;
    CorHostReader reader;
    CorWakeup *cancel; /* set while the lease's call is to stop */
    int64_t next_id;   /* of requests; the holder's */
    /* guarded by the pool's mutex */
    struct CorHost *next;
    CorHostState state; /* assigned by cor_host_priv_move_locked() only */
    int64_t since_ms;   /* when the state began */
    uint64_t turn;      /* larger: idle more recently */
    bool is_lost;       /* leased, and its holder has seen it end or is killing it */
    bool has_outgrown;  /* killed for its memory */
} CorHost;

/* A thread in the line for a lease; lives on its stack. */
typedef struct CorHostWaiter {
    struct CorHostWaiter *next;
    pthread_cond_t given;
    CorHost *host; /* NULL until it is this thread's turn */
} CorHostWaiter;

struct CorHostPool {
    CorHostPoolOptions options; /* complete; strings are the pool's own */
    CorThread *keeper;
    CorWakeup *wake; /* wakes the keeper */
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a start succeeded or failed, a waiter has gone, the pool stops */
    /* guarded by mutex */
    CorHost *hosts;
    CorHostWaiter *waiters; /* first in line */
    size_t waiter_len;
    size_t wanted; /* threads in cor_host_pool_wait_ready() */
    uint64_t turns;
    uint64_t starts;
    uint64_t losses;
    uint64_t calls;
    unsigned layers;
    bool is_ready;
    bool is_stopped; /* gives no more leases */
    bool is_ending;  /* the keeper ends everything, then itself */
    char start_error[COR_ERROR_TEXT_SIZE];
    int64_t retry_delay_ms;  /* 0: the latest start succeeded */
    int64_t retry_at_ms;     /* no start before */
    int64_t keeper_until_ms; /* the keeper sleeps no longer than this; -1: until it is woken */
};

struct CorHostLease {
    CorHostPool *pool;
    CorHost *host;
    CorHostFailure failure;
    atomic_bool is_cancelled;
};

/* How many hosts are in which state; ending ones do not count as alive. */
typedef struct CorHostCount {
    size_t by_state[COR_HOST_STATE_COUNT_];
    size_t alive;
} CorHostCount;

/** Look at busy hosts' memory so often. */
#define COR_HOST_WATCH_MS 25

/** The only place that assigns host->state; the move must be one of the drawing's. */
void cor_host_priv_move_locked(CorHost *host, CorHostState next);

/** Count the hosts. */
CorHostCount cor_host_priv_count_locked(const CorHostPool *pool);

/** A host has become available (STARTING or LEASED): hand it to the first in line, or let it idle.
 */
void cor_host_priv_give_locked(CorHostPool *pool, CorHost *host);

/** A host is of no more use: let it end by itself, or kill it, and have the keeper reap it. */
void cor_host_priv_retire_locked(CorHostPool *pool, CorHost *host, bool is_to_be_killed);

/** End idle hosts above min that have been idle for long enough at now_ms. */
void cor_host_priv_trim_locked(CorHostPool *pool, int64_t now_ms);

/** The keeper's life; context is the pool. */
void cor_host_priv_keep(void *context);

/**
 * The lease's host is of no more use to its holder: end it, note why, fill in err.
 *
 * @param why       what was noticed; CRASHED becomes OUT_OF_MEMORY if the keeper had killed it
 * @param grace_ms  how long it may take to end by itself
 * @param text      what was noticed, for the error
 * @return false
 */
bool cor_host_priv_lose(CorHostLease *lease, CorHostFailure why, int64_t grace_ms, const char *text,
                        CorError *err);
