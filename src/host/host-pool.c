/* SPDX-License-Identifier: Apache-2.0 */
/* Leases.  Threads that wait for one stand in a line; a host that becomes available is put into the
 * hands of the first, so that nobody who comes later can snatch it.  The states of a host are drawn
 * in host-pool-priv.h.
 */
#include "host/host-pool.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/time.h"
#include "host/host-pool-priv.h"

enum { IDLE_MS = 30 * 1000, START_TIMEOUT_MS = 10 * 1000 };

static const size_t memory_max_default = (size_t) 2 * 1024 * 1024 * 1024;

static const char *const state_names[] = {
    [COR_HOST_STARTING] = "starting",
    [COR_HOST_IDLE] = "idle",
    [COR_HOST_LEASED] = "leased",
    [COR_HOST_ENDING] = "ending",
};
static_assert(COR_ARRAY_LEN(state_names) == COR_HOST_STATE_COUNT_, "name every state");

/* Bit n of entry s is set when a host may go from state s to state n. */
static const uint32_t allowed_next[COR_HOST_STATE_COUNT_] = {
    [COR_HOST_STARTING] = (1u << COR_HOST_IDLE) | (1u << COR_HOST_ENDING),
    [COR_HOST_IDLE] = (1u << COR_HOST_LEASED) | (1u << COR_HOST_ENDING),
    [COR_HOST_LEASED] = (1u << COR_HOST_IDLE) | (1u << COR_HOST_ENDING),
};

static const char *const failure_names[] = {
    [COR_HOST_FAILURE_NONE] = "none",
    [COR_HOST_FAILURE_CRASHED] = "crashed",
    [COR_HOST_FAILURE_OUT_OF_MEMORY] = "out_of_memory",
    [COR_HOST_FAILURE_TIMED_OUT] = "timed_out",
    [COR_HOST_FAILURE_CANCELLED] = "cancelled",
};
static_assert(COR_ARRAY_LEN(failure_names) == COR_HOST_FAILURE_COUNT_, "name every failure");

const char *cor_host_failure_name(CorHostFailure failure)
{
    return (size_t) failure < COR_ARRAY_LEN(failure_names) ? failure_names[failure] : "none";
}

void cor_host_priv_move_locked(CorHost *host, CorHostState next)
{
    bool is_allowed = (allowed_next[host->state] & (1u << next)) != 0;

    assert(is_allowed);
    (void) is_allowed;
    host->state = next;
    host->since_ms = cor_time_ms();
}

CorHostCount cor_host_priv_count_locked(const CorHostPool *pool)
{
    CorHostCount count = {0};

    for (const CorHost *host = pool->hosts; host; host = host->next) {
        count.by_state[host->state]++;
        count.alive += host->state != COR_HOST_ENDING;
    }
    return count;
}

void cor_host_priv_retire_locked(CorHostPool *pool, CorHost *host, bool is_to_be_killed)
{
    cor_host_priv_move_locked(host, COR_HOST_ENDING);
    if (is_to_be_killed) {
        cor_host_priv_process_kill(&host->process);
    } else {
        (void) shutdown(host->process.socket, SHUT_RDWR); /* end of file ends a host */
    }
    cor_wakeup_signal(pool->wake);
}

/* Lend an idle host, and see to it that the keeper watches its memory. */
static void lend_locked(CorHostPool *pool, CorHost *host)
{
    cor_host_priv_move_locked(host, COR_HOST_LEASED);
    host->is_lost = false;
    if (pool->keeper_until_ms < 0 || pool->keeper_until_ms > host->since_ms + COR_HOST_WATCH_MS) {
        cor_wakeup_signal(pool->wake);
    }
}

void cor_host_priv_give_locked(CorHostPool *pool, CorHost *host)
{
    CorHostWaiter *first = pool->waiters;

    cor_host_priv_move_locked(host, COR_HOST_IDLE);
    host->turn = ++pool->turns;
    if (!first) {
        return;
    }
    pool->waiters = first->next;
    pool->waiter_len--;
    lend_locked(pool, host);
    first->host = host;
    (void) pthread_cond_signal(&first->given);
}

void cor_host_priv_trim_locked(CorHostPool *pool, int64_t now_ms)
{
    size_t alive = cor_host_priv_count_locked(pool).alive;

    for (CorHost *host = pool->hosts; host && alive > pool->options.min; host = host->next) {
        if (host->state == COR_HOST_IDLE && now_ms - host->since_ms >= pool->options.idle_ms) {
            cor_host_priv_retire_locked(pool, host, false);
            alive--;
        }
    }
}

/* The idle host that was used last and still lives, or NULL. */
static CorHost *take_idle_locked(CorHostPool *pool)
{
    for (;;) {
        CorHost *best = NULL;

        for (CorHost *host = pool->hosts; host; host = host->next) {
            if (host->state == COR_HOST_IDLE && (!best || host->turn > best->turn)) {
                best = host;
            }
        }
        if (!best) {
            return NULL;
        }
        /* Nobody has asked it anything, so all that can come from it is its end. */
        struct pollfd fd = {.fd = best->process.socket, .events = POLLIN};
        if (poll(&fd, 1, 0) == 0) {
            lend_locked(pool, best);
            return best;
        }
        pool->losses++;
        cor_host_priv_retire_locked(pool, best, true);
    }
}

static void leave_line_locked(CorHostPool *pool, const CorHostWaiter *waiter)
{
    for (CorHostWaiter **slot = &pool->waiters; *slot; slot = &(*slot)->next) {
        if (*slot == waiter) {
            *slot = waiter->next;
            pool->waiter_len--;
            return;
        }
    }
}

/* Why there is no lease. */
static bool fail_lease_locked(const CorHostPool *pool, int64_t wait_ms, CorError *err)
{
    const char *name = pool->options.name;

    if (pool->is_stopped) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "hosts for %s are shutting down", name);
    }
    if (!pool->is_ready && pool->start_error[0]) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "no host for %s starts: %.180s", name,
                        pool->start_error);
    }
    return cor_fail(err, COR_ERR_TIMEOUT, "no host for %s came free within %lld ms", name,
                    (long long) wait_ms);
}

/* Stand in line until a host is given, the time is over or the pool stops. */
static CorHost *wait_in_line_locked(CorHostPool *pool, int64_t wait_ms)
{
    int64_t deadline_ms = cor_time_ms() + wait_ms;
    CorHostWaiter self = {0};
    CorHostWaiter **last = &pool->waiters;

    if (!cor_cond_init(&self.given, NULL)) {
        return NULL;
    }
    while (*last) {
        last = &(*last)->next;
    }
    *last = &self;
    pool->waiter_len++;
    cor_wakeup_signal(pool->wake); /* the pool may grow */
    while (!self.host && !pool->is_stopped) {
        if (!cor_cond_wait_until(&self.given, &pool->mutex, deadline_ms)) {
            break;
        }
    }
    if (!self.host) {
        leave_line_locked(pool, &self);
    }
    (void) pthread_cond_destroy(&self.given);
    (void) pthread_cond_broadcast(&pool->changed); /* cor_host_pool_free() waits for the line */
    return self.host;
}

bool cor_host_pool_lease(CorHostPool *pool, int64_t wait_ms, CorHostLease **ret_lease,
                         CorError *err)
{
    CorHost *host = NULL;
    bool ok = true;
    CorHostLease *lease = cor_new(CorHostLease);

    if (!lease) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a lease");
    }
    (void) pthread_mutex_lock(&pool->mutex);
    if (!pool->is_stopped && !pool->waiters) {
        host = take_idle_locked(pool);
    }
    if (!host && !pool->is_stopped && wait_ms > 0) {
        host = wait_in_line_locked(pool, wait_ms);
    }
    if (!host) {
        ok = fail_lease_locked(pool, wait_ms, err);
    }
    (void) pthread_mutex_unlock(&pool->mutex);
    if (!ok) {
        free(lease);
        return false;
    }

    (void) cor_wakeup_clear(host->cancel); /* of an earlier lease, too late for its call */
    lease->pool = pool;
    lease->host = host;
    atomic_init(&lease->is_cancelled, false);
    *ret_lease = lease;
    return true;
}

void cor_host_lease_release(CorHostLease *lease)
{
    if (!lease) {
        return;
    }
    CorHostPool *pool = lease->pool;

    (void) pthread_mutex_lock(&pool->mutex);
    if (lease->failure != COR_HOST_FAILURE_NONE || pool->is_ending || lease->host->has_outgrown) {
        cor_host_priv_retire_locked(pool, lease->host, true);
    } else {
        cor_host_priv_give_locked(pool, lease->host);
    }
    (void) pthread_mutex_unlock(&pool->mutex);
    free(lease);
}

bool cor_host_priv_lose(CorHostLease *lease, CorHostFailure why, int64_t grace_ms, const char *text,
                        CorError *err)
{
    CorHostPool *pool = lease->pool;
    CorHost *host = lease->host;
    CorHostDeath death;
    long pid = (long) host->process.pid;

    (void) pthread_mutex_lock(&pool->mutex);
    host->is_lost = true; /* the keeper leaves it to us from here on */
    if (why == COR_HOST_FAILURE_CRASHED && host->has_outgrown) {
        why = COR_HOST_FAILURE_OUT_OF_MEMORY;
    }
    pool->losses += why != COR_HOST_FAILURE_CANCELLED;
    (void) pthread_mutex_unlock(&pool->mutex);

    cor_host_priv_process_end(&host->process, grace_ms, &death);
    lease->failure = why;
    switch (why) {
    case COR_HOST_FAILURE_OUT_OF_MEMORY:
        return cor_fail(err, COR_ERR_HOST_LOST, "host %ld exceeded memory (%zu bytes)", pid,
                        pool->options.memory_max_bytes);
    case COR_HOST_FAILURE_CANCELLED:
        return cor_fail(err, COR_ERR_CANCELLED, "%s", text);
    case COR_HOST_FAILURE_TIMED_OUT:
        return cor_fail(err, COR_ERR_HOST_LOST, "host %ld timed out: %s", pid, text);
    default:
        return cor_fail(err, COR_ERR_HOST_LOST, "host %ld was lost, %s%s%s", pid,
                        death.was_killed_by_us ? "killed" : death.how, text[0] ? ": " : "", text);
    }
}

CorHostFailure cor_host_lease_failure(const CorHostLease *lease)
{
    return lease->failure;
}

pid_t cor_host_lease_pid(const CorHostLease *lease)
{
    return lease->host->process.pid;
}

void cor_host_lease_cancel(CorHostLease *lease)
{
    atomic_store(&lease->is_cancelled, true);
    cor_wakeup_signal(lease->host->cancel);
}

void cor_host_pool_stats(CorHostPool *pool, CorHostPoolStats *ret_stats)
{
    CorHostPoolStats stats = {0};
    size_t len = 0;

    (void) pthread_mutex_lock(&pool->mutex);
    CorHostCount count = cor_host_priv_count_locked(pool);
    stats.alive = count.alive;
    stats.starting = count.by_state[COR_HOST_STARTING];
    stats.idle = count.by_state[COR_HOST_IDLE];
    stats.busy = count.by_state[COR_HOST_LEASED];
    stats.waiting = pool->waiter_len;
    stats.max = pool->options.max;
    stats.starts = pool->starts;
    stats.losses = pool->losses;
    stats.calls = pool->calls;
    stats.layers = pool->layers;
    stats.is_ready = pool->is_ready;
    memcpy(stats.start_error, pool->start_error, sizeof(stats.start_error));
    for (const CorHost *host = pool->hosts; host && len < COR_HOST_POOL_MAX; host = host->next) {
        if (host->state != COR_HOST_ENDING) {
            stats.pids[len++] = host->process.pid;
        }
    }
    (void) pthread_mutex_unlock(&pool->mutex);
    *ret_stats = stats;
}

bool cor_host_pool_wait_ready(CorHostPool *pool, int64_t wait_ms, CorError *err)
{
    int64_t deadline_ms = cor_time_ms() + wait_ms;
    bool is_late = false;

    (void) pthread_mutex_lock(&pool->mutex);
    pool->wanted++; /* a pool with min 0 starts one for us */
    cor_wakeup_signal(pool->wake);
    while (!pool->is_ready && !pool->start_error[0] && !pool->is_stopped && !is_late) {
        is_late = !cor_cond_wait_until(&pool->changed, &pool->mutex, deadline_ms);
    }
    pool->wanted--;
    (void) pthread_cond_broadcast(&pool->changed);
    bool ok = pool->is_ready && !pool->is_stopped;
    if (!ok) {
        ok = fail_lease_locked(pool, wait_ms, err);
    }
    (void) pthread_mutex_unlock(&pool->mutex);
    return ok;
}

void cor_host_pool_trim(CorHostPool *pool, int64_t now_ms)
{
    (void) pthread_mutex_lock(&pool->mutex);
    cor_host_priv_trim_locked(pool, now_ms);
    (void) pthread_mutex_unlock(&pool->mutex);
}

/* Take the caller's options, fill in what they leave to us. */
static bool take_options(CorHostPool *pool, const CorHostPoolOptions *options, CorError *err)
{
    CorHostPoolOptions *own = &pool->options;

    if (!options->name || options->max < 1 || options->max > COR_HOST_POOL_MAX ||
        options->min > options->max || options->idle_ms < 0 || options->start_timeout_ms < 0) {
        return cor_fail(err, COR_ERR_INVALID, "hosts: bounds %zu to %zu are impossible",
                        options->min, options->max);
    }
    *own = *options;
    own->idle_ms = own->idle_ms ? own->idle_ms : IDLE_MS;
    own->start_timeout_ms = own->start_timeout_ms ? own->start_timeout_ms : START_TIMEOUT_MS;
    own->memory_max_bytes = own->memory_max_bytes ? own->memory_max_bytes : memory_max_default;
    own->name = strdup(options->name);
    own->executable = strdup(options->executable ? options->executable : "/proc/self/exe");
    if (!own->name || !own->executable) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for hosts");
    }
    return true;
}

static void free_parts(CorHostPool *pool)
{
    cor_wakeup_free(pool->wake);
    free((char *) (uintptr_t) pool->options.name); /* ours, whatever the options promise */
    free((char *) (uintptr_t) pool->options.executable);
    free(pool);
}

bool cor_host_pool_new(const CorHostPoolOptions *options, CorHostPool **ret_pool, CorError *err)
{
    CorHostPool *pool = cor_new(CorHostPool);

    if (!pool) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for hosts");
    }
    if (!take_options(pool, options, err) || !cor_wakeup_new(&pool->wake, err) ||
        !cor_cond_init(&pool->changed, err)) {
        free_parts(pool);
        return false;
    }
    (void) pthread_mutex_init(&pool->mutex, NULL); /* a default mutex cannot fail on Linux */
    if (!cor_thread_start("host-keeper", COR_THREAD_STACK_SMALL, cor_host_priv_keep, pool,
                          &pool->keeper, err)) {
        (void) pthread_mutex_destroy(&pool->mutex);
        (void) pthread_cond_destroy(&pool->changed);
        free_parts(pool);
        return false;
    }
    *ret_pool = pool;
    return true;
}

void cor_host_pool_stop(CorHostPool *pool)
{
    (void) pthread_mutex_lock(&pool->mutex);
    pool->is_stopped = true;
    for (CorHostWaiter *waiter = pool->waiters; waiter; waiter = waiter->next) {
        (void) pthread_cond_signal(&waiter->given);
    }
    (void) pthread_cond_broadcast(&pool->changed);
    (void) pthread_mutex_unlock(&pool->mutex);
}

void cor_host_pool_free(CorHostPool *pool)
{
    if (!pool) {
        return;
    }
    cor_host_pool_stop(pool);
    (void) pthread_mutex_lock(&pool->mutex);
    while (pool->waiters || pool->wanted > 0) {
        (void) pthread_cond_wait(&pool->changed, &pool->mutex);
    }
    pool->is_ending = true;
    (void) pthread_mutex_unlock(&pool->mutex);
    cor_wakeup_signal(pool->wake);
    cor_thread_join(pool->keeper);
    (void) pthread_mutex_destroy(&pool->mutex);
    (void) pthread_cond_destroy(&pool->changed);
    free_parts(pool);
}
