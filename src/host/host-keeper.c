/* SPDX-License-Identifier: Apache-2.0 */
/* One thread per pool, the keeper, starts hosts, hears their first answer, watches idle ones for
 * their end and busy ones for their memory, and reaps them.  It must be one thread that lives as
 * long as the pool: hosts die with the thread that started them (PR_SET_PDEATHSIG), which is how
 * they never outlive a server that was killed.
 *
 * It alone adds hosts to the pool's list and frees them, so that what it polls without the mutex
 * stays valid; whatever it finds ready it looks at again under the mutex, since a lease may have
 * begun meanwhile.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/time.h"
#include "host/host-pool-priv.h"

enum {
    RETRY_FIRST_MS = 100, /* after a failed start, doubling ... */
    RETRY_LAST_MS = 5000, /* ... up to this */
    END_GRACE_MS = 500,   /* for a host to end at end of file */
    HELLO_SEND_MS = 1000, /* the socket is empty, so this is for a system out of memory */
    OWN_FILES = 64,       /* descriptors that a host needs beside its inputs */
    ROUND_MAX = 4 * COR_HOST_POOL_MAX,
};

/* What one turn of the loop waits for. */
typedef struct Round {
    struct pollfd fds[ROUND_MAX + 1]; /* the first is the wake-up */
    CorHost *hosts[ROUND_MAX + 1];
    size_t len;
    size_t to_start;
    int64_t until_ms; /* -1: nothing is due */
    bool is_over;
} Round;

static void due(Round *round, int64_t at_ms)
{
    if (round->until_ms < 0 || at_ms < round->until_ms) {
        round->until_ms = at_ms;
    }
}

/* How many hosts to start now: min, one per waiting thread, within max and not too soon after a
 * failure. */
static size_t count_to_start_locked(const CorHostPool *pool, Round *round, int64_t now_ms)
{
    CorHostCount count = cor_host_priv_count_locked(pool);
    size_t starting = count.by_state[COR_HOST_STARTING];
    size_t min = pool->options.min;
    size_t wanted = min > count.alive ? min - count.alive : 0;

    if (pool->is_stopped) {
        return 0;
    }
    if (pool->waiter_len > starting) {
        wanted = COR_MAX(wanted, pool->waiter_len - starting);
    }
    if (pool->wanted > 0 && count.alive == 0) {
        wanted = COR_MAX(wanted, 1);
    }
    wanted = COR_MIN(wanted, pool->options.max - count.alive);
    if (wanted > 0 && pool->retry_delay_ms > 0) {
        if (now_ms < pool->retry_at_ms) {
            due(round, pool->retry_at_ms);
            return 0;
        }
        return starting > 0 ? 0 : 1;
    }
    return wanted;
}

/* Kill a busy host that has outgrown its memory; its holder notices the end. */
static void watch_memory_locked(const CorHostPool *pool, CorHost *host)
{
    if (host->is_lost || host->has_outgrown) {
        return;
    }
    if (cor_host_priv_process_memory(&host->process) > pool->options.memory_max_bytes) {
        host->has_outgrown = true;
        cor_host_priv_process_kill(&host->process);
    }
}

static void look_at_host_locked(CorHostPool *pool, Round *round, CorHost *host, int64_t now_ms)
{
    struct pollfd fd = {.fd = host->process.socket};

    switch (host->state) {
    case COR_HOST_STARTING:
        fd.events = POLLIN;
        due(round, host->since_ms + pool->options.start_timeout_ms);
        break;
    case COR_HOST_IDLE:
        fd.events = 0; /* the end is always told; an answer would already be its next holder's */
        break;
    case COR_HOST_LEASED:
        watch_memory_locked(pool, host);
        due(round, now_ms + COR_HOST_WATCH_MS);
        return;
    default:
        fd.fd = host->process.pid_fd;
        fd.events = POLLIN;
        if (now_ms - host->since_ms >= END_GRACE_MS) {
            cor_host_priv_process_kill(&host->process);
        } else {
            due(round, host->since_ms + END_GRACE_MS);
        }
        break;
    }
    if (round->len <= ROUND_MAX) {
        round->hosts[round->len] = host;
        round->fds[round->len++] = fd;
    } else {
        due(round, now_ms + END_GRACE_MS); /* its turn comes when others are gone */
    }
}

/* Free the hosts that have been reaped. */
static void free_reaped_locked(CorHostPool *pool)
{
    CorHost **slot = &pool->hosts;

    while (*slot) {
        CorHost *host = *slot;
        if (host->state != COR_HOST_ENDING || !host->process.is_reaped) {
            slot = &host->next;
            continue;
        }
        *slot = host->next;
        cor_host_priv_process_close(&host->process);
        cor_host_priv_reader_done(&host->reader);
        cor_wakeup_free(host->cancel);
        free(host);
    }
}

/* The pool is to end: everything that is not leased ends by end of file. */
static void retire_all_locked(CorHostPool *pool)
{
    for (CorHost *host = pool->hosts; host; host = host->next) {
        if (host->state == COR_HOST_STARTING || host->state == COR_HOST_IDLE) {
            cor_host_priv_retire_locked(pool, host, false);
        }
    }
}

static void prepare_round(CorHostPool *pool, Round *round)
{
    int64_t now_ms = cor_time_ms();

    round->until_ms = -1;
    round->to_start = 0;
    round->len = 1;
    round->fds[0] = (struct pollfd){.fd = cor_wakeup_fd(pool->wake), .events = POLLIN};

    (void) pthread_mutex_lock(&pool->mutex);
    free_reaped_locked(pool);
    if (pool->is_ending) {
        retire_all_locked(pool);
    } else {
        cor_host_priv_trim_locked(pool, now_ms);
        round->to_start = count_to_start_locked(pool, round, now_ms);
    }
    size_t alive = cor_host_priv_count_locked(pool).alive;
    for (CorHost *host = pool->hosts; host; host = host->next) {
        if (host->state == COR_HOST_IDLE && alive > pool->options.min) {
            due(round, host->since_ms + pool->options.idle_ms);
        }
        look_at_host_locked(pool, round, host, now_ms);
    }
    round->is_over = pool->is_ending && !pool->hosts;
    pool->keeper_until_ms = round->until_ms;
    (void) pthread_mutex_unlock(&pool->mutex);
}

/* Note why no host starts, and when to try again. */
static void note_start_failure(CorHostPool *pool, const CorError *why)
{
    (void) pthread_mutex_lock(&pool->mutex);
    pool->is_ready = false;
    memcpy(pool->start_error, why->text, sizeof(pool->start_error));
    pool->retry_delay_ms =
        COR_MIN(COR_MAX(2 * pool->retry_delay_ms, RETRY_FIRST_MS), RETRY_LAST_MS);
    pool->retry_at_ms = cor_time_ms() + pool->retry_delay_ms;
    (void) pthread_cond_broadcast(&pool->changed);
    (void) pthread_mutex_unlock(&pool->mutex);
}

static bool send_hello(const CorHostPool *pool, CorHost *host, CorError *err)
{
    const CorHostPoolOptions *options = &pool->options;
    CorHostWait wait = {
        .fd = host->process.socket, .wake_fd = -1, .deadline_ms = cor_time_ms() + HELLO_SEND_MS};
    COR_CLEANUP(cor_json_freep)
    json_t *hello = json_pack(
        "{s:s, s:I, s:i, s:s, s:I, s:I, s:i}", "op", "hello", "id", (json_int_t) host->next_id,
        "protocol", COR_HOST_PROTOCOL, "sandbox",
        options->sandbox == COR_HOST_SANDBOX_STRICT ? "strict" : "best-effort", "memory_max",
        (json_int_t) options->memory_max_bytes, "frame_max", (json_int_t) options->frame_max_bytes,
        "nofile_max", COR_HOST_INPUT_MAX + COR_HOST_PART_MAX + OWN_FILES);

    if (!hello) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for hello");
    }
    return cor_host_priv_send(&wait, hello, NULL, 0, err);
}

static bool fail_early(const CorHostDeath *death, CorError *err)
{
    return cor_fail(err, COR_ERR_HOST_LOST, "it ended before it was ready, %s", death->how);
}

static bool start_host(CorHostPool *pool, CorError *err)
{
    CorHostDeath death;
    CorHost *host = cor_new(CorHost);

    if (!host) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a host");
    }
    host->next_id = 1;
    host->since_ms = cor_time_ms();
    if (!cor_wakeup_new(&host->cancel, err)) {
        free(host);
        return false;
    }
    if (!cor_host_priv_process_start(pool->options.executable, &host->process, err)) {
        cor_wakeup_free(host->cancel);
        free(host);
        return false;
    }
    CorError why = {0};
    if (!send_hello(pool, host, &why)) {
        cor_host_priv_process_end(&host->process, END_GRACE_MS, &death);
        (void) (why.code == COR_ERR_HOST_LOST ? fail_early(&death, err)
                                              : cor_fail(err, why.code, "%s", why.text));
        cor_host_priv_process_close(&host->process);
        cor_wakeup_free(host->cancel);
        free(host);
        return false;
    }

    (void) pthread_mutex_lock(&pool->mutex);
    host->next = pool->hosts;
    pool->hosts = host;
    pool->starts++;
    (void) pthread_mutex_unlock(&pool->mutex);
    return true;
}

static unsigned layers_of(const json_t *answer)
{
    const json_t *names = json_object_get(answer, "layers");
    unsigned layers = 0;
    size_t i = 0;
    json_t *name = NULL;

    json_array_foreach(names, i, name)
    {
        for (unsigned bit = 0; json_is_string(name) && cor_host_priv_layer_name(bit); bit++) {
            if (strcmp(json_string_value(name), cor_host_priv_layer_name(bit)) == 0) {
                layers |= 1u << bit;
            }
        }
    }
    return layers;
}

static void fail_start(CorHostPool *pool, CorHost *host, CorError *why)
{
    (void) pthread_mutex_lock(&pool->mutex);
    cor_host_priv_retire_locked(pool, host, true);
    (void) pthread_mutex_unlock(&pool->mutex);
    note_start_failure(pool, why);
}

/* The answer to `hello` is there: the host is ready, or says why it will not be. */
static void take_hello(CorHostPool *pool, CorHost *host, const json_t *answer)
{
    CorError why = {0};
    const char *kind = cor_json_string(answer, "answer", "");

    if (strcmp(kind, "error") == 0) {
        (void) cor_fail(&why, COR_ERR_UNAVAILABLE, "%s",
                        cor_json_string(answer, "message", "the host gave no reason"));
    } else if (strcmp(kind, "result") != 0 || cor_json_integer(answer, "id", -1) != host->next_id ||
               cor_json_integer(answer, "protocol", -1) != COR_HOST_PROTOCOL) {
        (void) cor_fail(&why, COR_ERR_CORRUPT, "the host does not speak version %d of the protocol",
                        COR_HOST_PROTOCOL);
    }
    if (why.code != COR_OK) {
        fail_start(pool, host, &why);
        return;
    }

    (void) pthread_mutex_lock(&pool->mutex);
    host->next_id++;
    pool->layers = layers_of(answer);
    pool->is_ready = true;
    pool->start_error[0] = '\0';
    pool->retry_delay_ms = 0;
    cor_host_priv_give_locked(pool, host);
    (void) pthread_cond_broadcast(&pool->changed);
    (void) pthread_mutex_unlock(&pool->mutex);
}

static void hear_hello(CorHostPool *pool, CorHost *host)
{
    CorHostFrame frame = {0};
    CorHostDeath death;
    CorError why = {0};

    switch (cor_host_priv_read(&host->reader, host->process.socket, &frame, &why)) {
    case COR_HOST_READ_AGAIN:
        return;
    case COR_HOST_READ_FRAME:
        take_hello(pool, host, frame.json);
        cor_host_priv_frame_done(&frame);
        return;
    case COR_HOST_READ_END:
        cor_host_priv_process_end(&host->process, END_GRACE_MS, &death);
        (void) fail_early(&death, &why);
        fail_start(pool, host, &why);
        return;
    case COR_HOST_READ_FAILED:
        fail_start(pool, host, &why);
        return;
    }
}

/* Something happened to a host that was idle when we looked. */
static void hear_idle(CorHostPool *pool, CorHost *host)
{
    (void) pthread_mutex_lock(&pool->mutex);
    if (host->state == COR_HOST_IDLE) {
        pool->losses++;
        cor_host_priv_retire_locked(pool, host, true);
    }
    (void) pthread_mutex_unlock(&pool->mutex);
}

static void reap(CorHost *host)
{
    CorHostDeath death;

    if (!host->process.is_reaped) {
        cor_host_priv_process_end(&host->process, 0, &death);
    }
}

/* A host that has not answered in time will not. */
static void check_late_start(CorHostPool *pool, CorHost *host)
{
    CorError why = {0};

    if (cor_time_ms() - host->since_ms >= pool->options.start_timeout_ms) {
        (void) cor_fail(&why, COR_ERR_TIMEOUT, "it was not ready within %lld ms",
                        (long long) pool->options.start_timeout_ms);
        fail_start(pool, host, &why);
    }
}

static void handle_round(CorHostPool *pool, Round *round)
{
    for (size_t i = 1; i < round->len; i++) {
        CorHost *host = round->hosts[i];
        bool is_ready = round->fds[i].revents != 0;

        (void) pthread_mutex_lock(&pool->mutex);
        CorHostState state = host->state;
        (void) pthread_mutex_unlock(&pool->mutex);
        if (state == COR_HOST_STARTING) {
            if (is_ready) {
                hear_hello(pool, host);
            } else {
                check_late_start(pool, host);
            }
        } else if (state == COR_HOST_IDLE && is_ready) {
            hear_idle(pool, host);
        } else if (state == COR_HOST_ENDING && is_ready &&
                   round->fds[i].fd == host->process.pid_fd) {
            reap(host);
        }
    }
}

void cor_host_priv_keep(void *context)
{
    CorHostPool *pool = context;
    Round round;

    for (;;) {
        prepare_round(pool, &round);
        if (round.is_over) {
            return;
        }
        for (size_t i = 0; i < round.to_start; i++) {
            CorError why = {0};
            if (!start_host(pool, &why)) {
                note_start_failure(pool, &why);
                break;
            }
        }
        if (round.to_start > 0) {
            continue;
        }
        int64_t left_ms =
            round.until_ms < 0 ? -1 : COR_MAX(round.until_ms - cor_time_ms(), (int64_t) 0);
        int ready = poll(round.fds, (nfds_t) round.len, (int) COR_MIN(left_ms, 3600 * 1000));
        if (ready < 0) {
            continue; /* EINTR: signals are blocked here, but a debugger interrupts too */
        }
        (void) cor_wakeup_clear(pool->wake);
        handle_round(pool, &round);
    }
}
