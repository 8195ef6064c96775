/* SPDX-License-Identifier: Apache-2.0 */
/* One job over several hosts.
 *
 * Slices that do not depend on each other are taken a chunk at a time by the thread that has the
 * job and by helpers, each with a host of its own: fetched, computed, stored.  Then the first host
 * joins the parts into what belongs to all slices (host/host-part.h).  Whatever the division was,
 * the objects are the same to the last byte, and a chunk that was lost fails the attempt as a host
 * that was lost does: the next one does all of it again (invariant 5).
 *
 * Others come first.  A helper takes a host that is free or can be started, and gives it back after
 * its chunk when anybody waits for one; there are no more of them than processors.  The thread that
 * has the job waits for nobody but helpers that are in the middle of a chunk.
 */
#include "worker/worker-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/time.h"
#include "program/thread.h"

enum {
    INPUTS_MIN = 16,     /* fewer are done before a second host has begun */
    CHUNK_MIN = 8,       /* inputs */
    HELPER_WAIT_MS = 100 /* for a host that is being started */
};

typedef struct Spread {
    CorWork *work;
    CorHostInput *inputs; /* of the job; each opened by who takes its chunk */
    size_t chunk_inputs;  /* the last chunk may have fewer */
    size_t chunk_len;
    int parts[COR_HOST_PART_MAX]; /* by chunk; -1 while there is none */
    pthread_mutex_t mutex;
    size_t next_chunk;      /* guarded by mutex, as all below: that nobody has taken */
    size_t done;            /* inputs */
    bool has_failed;        /* the next three say how, the first failure stands */
    CorError err;           /* as its share said it */
    const char *stage;      /* where that share was */
    CorHostFailure failure; /* of its host */
    bool is_refused;
    int64_t fetch_us; /* of all shares together */
    int64_t compute_us;
    int64_t store_us;
} Spread;

/* A thread that takes chunks. */
typedef struct Runner {
    CorWorkShare share; /* first */
    Spread *spread;
    size_t input_len; /* of the chunk that it has */
    CorThread *thread;
} Runner;

/* --- chunks --- */

static bool take_chunk(Spread *spread, size_t *ret_chunk)
{
    (void) pthread_mutex_lock(&spread->mutex);
    bool ok = !spread->has_failed && spread->next_chunk < spread->chunk_len;
    *ret_chunk = spread->next_chunk;
    spread->next_chunk += ok;
    (void) pthread_mutex_unlock(&spread->mutex);
    return ok;
}

static bool is_any_left(Spread *spread)
{
    (void) pthread_mutex_lock(&spread->mutex);
    bool is_left = !spread->has_failed && spread->next_chunk < spread->chunk_len;
    (void) pthread_mutex_unlock(&spread->mutex);
    return is_left;
}

static bool run_chunk(Runner *runner, size_t chunk, CorError *err)
{
    Spread *spread = runner->spread;
    CorWorkShare *share = &runner->share;
    size_t all = spread->work->request.input_len;
    COR_CLEANUP(cor_json_freep) json_t *result = NULL;

    share->first = chunk * spread->chunk_inputs;
    runner->input_len = COR_MIN(spread->chunk_inputs, all - share->first);
    share->part = &spread->parts[chunk];
    CorHostRun run = {
        .inputs = spread->inputs + share->first, .input_len = runner->input_len, .is_part = true};

    if (!cor_worker_priv_fetch(share, spread->inputs, runner->input_len, err) ||
        !cor_worker_priv_compute(share, &run, &result, err)) {
        return false;
    }
    if (*share->part < 0) {
        return cor_fail(err, COR_ERR_CORRUPT, "the host made no part");
    }
    (void) pthread_mutex_lock(&spread->mutex);
    spread->done += runner->input_len;
    (void) pthread_mutex_unlock(&spread->mutex);
    return true;
}

/* The share of the job that is done, of the chunk that is running. */
static double scale_chunk(const CorWorkShare *share, double fraction)
{
    const Runner *runner = (const Runner *) share;
    Spread *spread = runner->spread;

    (void) pthread_mutex_lock(&spread->mutex);
    double done = (double) spread->done + fraction * (double) runner->input_len;
    (void) pthread_mutex_unlock(&spread->mutex);
    /* All slices are not all of the job: the 1 comes when the parts are joined. */
    return COR_MIN(done / (double) spread->work->request.input_len, 0.99);
}

static double scale_join(const CorWorkShare *share, double fraction)
{
    return COR_MAX(fraction, share->work->fraction);
}

/* The first failure is the job's; what the others are at is of no use any more. */
static void fail(Runner *runner, const CorError *err)
{
    Spread *spread = runner->spread;

    (void) pthread_mutex_lock(&spread->mutex);
    bool is_first = !spread->has_failed;
    if (is_first) {
        spread->has_failed = true;
        spread->err = *err;
        spread->stage = runner->share.stage;
        spread->failure =
            runner->share.host ? cor_host_lease_failure(runner->share.host) : COR_HOST_FAILURE_NONE;
    }
    (void) pthread_mutex_unlock(&spread->mutex);
    cor_worker_priv_give_host(&runner->share);
    if (is_first) {
        cor_worker_priv_cancel_hosts(spread->work);
    }
}

static void account(Runner *runner)
{
    Spread *spread = runner->spread;

    (void) pthread_mutex_lock(&spread->mutex);
    spread->fetch_us += runner->share.fetch_us;
    spread->compute_us += runner->share.compute_us;
    spread->store_us += runner->share.store_us;
    spread->is_refused = spread->is_refused || runner->share.is_refused;
    (void) pthread_mutex_unlock(&spread->mutex);
}

/* --- helpers --- */

static CorHostPoolStats look_at_hosts(const CorWork *work)
{
    CorHostPoolStats stats;

    cor_host_pool_stats(work->worker->options.hosts, &stats);
    return stats;
}

static bool is_host_wanted(const CorWork *work)
{
    return look_at_hosts(work).waiting > 0;
}

/* A host that nobody needs, or that the pool starts for us. */
static bool find_host(Runner *runner)
{
    CorWork *work = runner->spread->work;

    while (is_any_left(runner->spread)) {
        CorHostPoolStats stats = look_at_hosts(work);
        CorError err = {0};
        if (stats.waiting > 0 || (stats.idle == 0 && stats.alive >= stats.max)) {
            return false;
        }
        if (cor_worker_priv_take_host(&runner->share, HELPER_WAIT_MS, &err)) {
            return true;
        }
        if (err.code != COR_ERR_TIMEOUT) {
            return false; /* the job goes on without help, or has been stopped */
        }
    }
    return false;
}

static void help(void *context)
{
    Runner *runner = context;
    size_t chunk = 0;
    CorError err = {0};

    if (!find_host(runner)) {
        return;
    }
    while (!is_host_wanted(runner->spread->work) && take_chunk(runner->spread, &chunk)) {
        if (!run_chunk(runner, chunk, &err)) {
            fail(runner, &err);
            break;
        }
    }
    cor_worker_priv_give_host(&runner->share);
    account(runner);
}

static size_t count_helpers(const Spread *spread)
{
    long processors = COR_MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);
    size_t most = COR_MIN(COR_MIN((size_t) processors, spread->chunk_len), (size_t) COR_WORK_HOSTS);

    return COR_MIN(most, look_at_hosts(spread->work).max) - 1;
}

static void free_copies(CorWorkShare *share)
{
    json_decref(share->params);
    json_decref(share->outputs);
}

/* False if there is nothing to start it with; the job goes on without. */
static bool start_helper(Spread *spread, Runner *helper)
{
    const CorRequest *request = &spread->work->request;
    CorWorkShare *share = &helper->share;

    helper->spread = spread;
    share->work = spread->work;
    share->params = json_deep_copy(request->params);
    share->outputs = json_deep_copy(request->outputs);
    if (share->params && (share->outputs || !request->outputs) &&
        cor_thread_start("worker-helper", 0, help, helper, &helper->thread, NULL)) {
        return true;
    }
    free_copies(share);
    return false;
}

/* --- the whole --- */

/* Run all chunks, alone if no helper can be had. */
static void run_chunks(Spread *spread, Runner *first)
{
    Runner helpers[COR_WORK_HOSTS] = {0};
    size_t helper_len = count_helpers(spread);
    size_t chunk = 0;
    CorError err = {0};

    for (size_t i = 0; i < helper_len; i++) {
        if (!start_helper(spread, &helpers[i])) {
            helper_len = i;
        }
    }
    while (take_chunk(spread, &chunk)) {
        if (!run_chunk(first, chunk, &err)) {
            fail(first, &err);
        }
    }
    for (size_t i = 0; i < helper_len; i++) {
        cor_thread_join(helpers[i].thread);
        free_copies(&helpers[i].share);
    }
}

static bool join_parts(Spread *spread, Runner *first, json_t **ret_result, CorError *err)
{
    CorWorkShare *share = &first->share;
    CorHostRun run = {.inputs = spread->inputs,
                      .input_len = spread->work->request.input_len,
                      .parts = spread->parts,
                      .part_len = spread->chunk_len};

    share->first = 0;
    share->part = NULL;
    share->scale = scale_join;
    return cor_worker_priv_compute(share, &run, ret_result, err);
}

static bool run_all(Spread *spread, Runner *first, json_t **ret_result, CorError *err)
{
    CorWork *work = spread->work;
    CorError why = {0};

    first->share.stage = "compute";
    if (!cor_worker_priv_take_host(&first->share, COR_WORK_HOST_WAIT_MS, err)) {
        work->stage = first->share.stage;
        return false;
    }
    work->has_had_host = true;
    run_chunks(spread, first);
    if (!spread->has_failed && !join_parts(spread, first, ret_result, &why)) {
        fail(first, &why);
    }
    cor_worker_priv_give_host(&first->share);
    account(first);
    work->stage = first->share.stage;
    work->is_refused = spread->is_refused;
    if (!spread->has_failed) {
        return true;
    }
    work->stage = spread->stage;
    work->host_failure = spread->failure;
    return cor_fail(err, spread->err.code, "%s", spread->err.text);
}

/* --- the order of what was made --- */

typedef struct Ranked {
    size_t rank;
    size_t index;
    json_t *output;
} Ranked;

static int compare_ranks(const void *a, const void *b)
{
    const Ranked *one = a;
    const Ranked *other = b;

    if (one->rank != other->rank) {
        return one->rank < other->rank ? -1 : 1;
    }
    return one->index < other->index ? -1 : one->index > other->index;
}

static void name_place(char name[48], json_int_t source, json_int_t frame)
{
    (void) snprintf(name, 48, "%lld.%lld", (long long) source, (long long) frame);
}

/* {"source.frame": rank} */
static json_t *rank_slices(const json_t *order)
{
    json_t *ranks = json_object();
    size_t i = 0;
    json_t *place = NULL;

    json_array_foreach(order, i, place)
    {
        char name[48];
        name_place(name, json_integer_value(json_array_get(place, 0)),
                   json_integer_value(json_array_get(place, 1)));
        (void) json_object_set_new(ranks, name, json_integer((json_int_t) i));
    }
    return ranks;
}

static size_t rank_of(const json_t *ranks, const json_t *output)
{
    const char *role = cor_json_string(output, "role", "");
    char name[48];

    if (strcmp(role, "overlay") != 0 && strcmp(role, "image") != 0) {
        return SIZE_MAX; /* it belongs to them all */
    }
    name_place(name, cor_json_integer(output, "source", 0), cor_json_integer(output, "frame", 0));
    return (size_t) cor_json_integer(ranks, name, 0);
}

/* As a run in one host lists them: slice by slice as they lie, then what belongs to them all. */
static bool put_in_order(CorWork *work, const json_t *order, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *ranks = rank_slices(order);
    size_t len = json_array_size(work->outputs);
    COR_CLEANUP(cor_freep) Ranked *ranked = cor_new_array(Ranked, len + 1);
    json_t *sorted = json_array();
    bool ok = ranks && ranked && sorted;

    for (size_t i = 0; ok && i < len; i++) {
        json_t *output = json_array_get(work->outputs, i);
        ranked[i] = (Ranked){.rank = rank_of(ranks, output), .index = i, .output = output};
    }
    if (ok) {
        qsort(ranked, len, sizeof(*ranked), compare_ranks);
    }
    for (size_t i = 0; ok && i < len; i++) {
        ok = json_array_append(sorted, ranked[i].output) == 0;
    }
    if (!ok) {
        json_decref(sorted);
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the list of outputs");
    }
    json_decref(work->outputs);
    work->outputs = sorted;
    return true;
}

/* --- for work.c --- */

bool cor_worker_priv_can_spread(const CorWork *work)
{
    const CorRequest *request = &work->request;

    return request->input_len >= INPUTS_MIN && cor_host_can_split(request->algo_id) &&
           look_at_hosts(work).max > 1 && sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

bool cor_worker_priv_spread(CorWork *work, json_t **ret_result, CorError *err)
{
    size_t len = work->request.input_len;
    size_t most = COR_HOST_PART_MAX;
    Spread spread = {.work = work,
                     .chunk_inputs = COR_MAX((len + most - 1) / most, (size_t) CHUNK_MIN)};
    Runner first = {.share = {.work = work,
                              .params = work->request.params,
                              .outputs = work->request.outputs,
                              .tells = true,
                              .scale = scale_chunk},
                    .spread = &spread};
    COR_CLEANUP(cor_json_freep) json_t *result = NULL;
    int64_t start_us = cor_time_us();

    if (!cor_worker_priv_inputs_new(work, &spread.inputs, err)) {
        return false;
    }
    spread.chunk_len = (len + spread.chunk_inputs - 1) / spread.chunk_inputs;
    for (size_t i = 0; i < spread.chunk_len; i++) {
        spread.parts[i] = -1;
    }
    (void) pthread_mutex_init(&spread.mutex, NULL);
    bool ok = run_all(&spread, &first, &result, err) &&
              put_in_order(work, json_object_get(result, "order"), err);
    (void) pthread_mutex_destroy(&spread.mutex);
    for (size_t i = 0; i < spread.chunk_len; i++) {
        cor_fd_closep(&spread.parts[i]);
    }
    cor_worker_priv_inputs_free(spread.inputs, len);

    /* The time that the job took, in the proportion in which its shares spent it. */
    double wall_us = (double) (cor_time_us() - start_us);
    double spent_us = (double) (spread.fetch_us + spread.compute_us + spread.store_us) + 1;
    work->fetch_us = (int64_t) (wall_us * (double) spread.fetch_us / spent_us);
    work->compute_us = (int64_t) (wall_us * (double) spread.compute_us / spent_us);
    work->store_us = (int64_t) (wall_us * (double) spread.store_us / spent_us);
    if (ok) {
        *ret_result = COR_TAKE(result);
    }
    return ok;
}
