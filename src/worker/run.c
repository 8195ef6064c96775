/* SPDX-License-Identifier: Apache-2.0 */
/* From pinned inputs to stored objects, with one host.  What is done for one share of a job is here
 * as well; who divides a job is in spread.c.  Nothing here looks into DICOM bytes (invariant 6).
 */
#include "worker/worker-priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/time.h"
#include "program/failpoint.h"

#define LIST_BYTES_MAX ((size_t) 64 * 1024 * 1024)

/* --- fetch --- */

/* The list of inputs of a large series is an object of its own. */
bool cor_worker_priv_load_inputs(CorWork *work, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *array = NULL;
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *text = NULL;

    if (work->request.input_len > 0) {
        return true;
    }
    return cor_blob_read(work->worker->options.blobs, COR_BUCKET_JOBS, work->request.inputs_key,
                         LIST_BYTES_MAX, &text, err) &&
           cor_json_parse((const char *) cor_bytes_data(text), cor_bytes_size(text), &array, err) &&
           cor_inputs_from_json(array, &work->request, err);
}

/* Open an input and check that it is what was pinned when the job was accepted. */
static bool open_input(CorWork *work, const CorInput *input, int *ret_file, CorError *err)
{
    COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];

    if (!cor_blob_open_object(work->worker->options.blobs, input->bucket, input->key, &object,
                              err)) {
        return false;
    }
    if (object.size == input->size_bytes && !cor_sha256_fd(object.file, object.size, digest, err)) {
        return false; /* it cannot be read, which does not mean that it is another */
    }
    if (object.size != input->size_bytes ||
        strcmp(cor_hex_encode(digest, sizeof(digest), hex), input->sha256) != 0) {
        return cor_fail(err, COR_ERR_CONFLICT, "the image was changed after the job was accepted");
    }
    *ret_file = COR_TAKE_FD(object.file);
    return true;
}

bool cor_worker_priv_inputs_new(const CorWork *work, CorHostInput **ret_inputs, CorError *err)
{
    size_t len = work->request.input_len;
    CorHostInput *inputs = cor_new_array(CorHostInput, len);

    if (!inputs) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for %zu inputs", len);
    }
    for (size_t i = 0; i < len; i++) {
        inputs[i].fd = -1;
        inputs[i].sop_instance_uid = work->request.inputs[i].sop_instance_uid;
        inputs[i].series_instance_uid = work->request.inputs[i].series_instance_uid;
    }
    *ret_inputs = inputs;
    return true;
}

void cor_worker_priv_inputs_free(CorHostInput *inputs, size_t len)
{
    for (size_t i = 0; inputs && i < len; i++) {
        cor_fd_closep(&inputs[i].fd);
    }
    free(inputs);
}

bool cor_worker_priv_fetch(CorWorkShare *share, CorHostInput *inputs, size_t len, CorError *err)
{
    int64_t start_us = cor_time_us();
    bool ok = true;

    share->stage = "fetch";
    for (size_t i = share->first; ok && i < share->first + len; i++) {
        ok = open_input(share->work, &share->work->request.inputs[i], &inputs[i].fd, err);
        if (!ok) {
            cor_error_wrap(err, "input %s", inputs[i].sop_instance_uid);
        }
    }
    share->fetch_us += cor_time_us() - start_us;
    return ok;
}

/* --- compute and store --- */

void cor_worker_priv_report(CorWork *work, double fraction, const char *stage)
{
    const CorWorkerEvents *events = &work->worker->options.events;
    CorJobProgress progress = {.request = &work->request, .fraction = fraction, .stage = stage};

    (void) pthread_mutex_lock(&work->worker->mutex);
    progress.preview = work->preview;
    work->has_told_preview = work->preview != NULL;
    (void) pthread_mutex_unlock(&work->worker->mutex);
    work->fraction = fraction;
    if (events->progress) {
        events->progress(events->context, &progress);
    }
}

static void on_progress(void *context, double fraction, const char *stage)
{
    CorWorkShare *share = context;
    CorWork *work = share->work;

    if (!share->tells) {
        return;
    }
    if (!work->is_computing) {
        work->is_computing = true;
        COR_FAILPOINT(WHILE_COMPUTING);
    }
    if (share->scale) {
        fraction = share->scale(share, fraction);
    }
    cor_worker_priv_report(work, fraction, stage);
}

/* Of several slices the first that is found is shown at once, the others with the progress that
 * comes anyway.  The object is durable (invariant 2). */
static void show_overlay(CorWorkShare *share, const json_t *listed)
{
    CorWork *work = share->work;
    bool is_one_of_several =
        work->request.input_len > 1 || json_object_get(listed, "frame") != NULL;

    if (!is_one_of_several || !cor_json_boolean(listed, "found", false) ||
        strcmp(cor_json_string(listed, "role", ""), "overlay") != 0) {
        return;
    }
    (void) pthread_mutex_lock(&work->worker->mutex);
    work->preview = listed;
    (void) pthread_mutex_unlock(&work->worker->mutex);
    if (share->tells && !work->has_told_preview) {
        cor_worker_priv_report(work, work->fraction, "compute");
    }
}

/* What another host will join; sealed memory, so it is what the host made. */
static bool keep_part(CorWorkShare *share, int fd, CorError *err)
{
    if (fd < 0 || *share->part >= 0) {
        return cor_fail(err, COR_ERR_CORRUPT, "the host sent two parts, or nothing as one");
    }
    *share->part = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return *share->part >= 0 || cor_fail_errno(err, errno, "keep a part");
}

static bool on_output(void *context, int fd, const json_t *output, CorError *err)
{
    CorWorkShare *share = context;
    int64_t start_us = cor_time_us();
    const json_t *listed = NULL;

    share->stage = "store";
    bool ok = share->part && strcmp(cor_json_string(output, "role", ""), "part") == 0
                  ? keep_part(share, fd, err)
                  : cor_worker_priv_store_output(share, fd, output, &listed, err);
    share->store_us += cor_time_us() - start_us;
    if (ok) {
        share->stage = "compute";
        if (listed) {
            show_overlay(share, listed);
        }
    }
    return ok;
}

bool cor_worker_priv_compute(CorWorkShare *share, CorHostRun *run, json_t **ret_result,
                             CorError *err)
{
    const CorWorkerOptions *options = &share->work->worker->options;
    const CorRequest *request = &share->work->request;
    CorHostCallbacks callbacks = {
        .on_progress = on_progress, .on_output = on_output, .context = share};
    int64_t start_us = cor_time_us();
    int64_t before_us = share->store_us;

    run->algo_id = request->algo_id;
    run->params = share->params;
    run->scope = request->scope;
    run->outputs = share->outputs;
    run->accepted_unix_ms = request->accepted_unix_ms;
    run->timeout_ms = COR_MAX(options->timeout_ms - share->compute_us / 1000, (int64_t) 1);
    share->stage = "compute";
    bool ok = cor_host_run(share->host, run, &callbacks, ret_result, err);
    share->compute_us += cor_time_us() - start_us - (share->store_us - before_us);
    return ok;
}

bool cor_worker_priv_take_host(CorWorkShare *share, int64_t wait_ms, CorError *err)
{
    CorWork *work = share->work;

    if (!cor_host_pool_lease(work->worker->options.hosts, wait_ms, &share->host, err)) {
        return false;
    }
    if (!cor_worker_priv_expose_host(work, share->host, err)) {
        cor_host_lease_release(share->host);
        share->host = NULL;
        return false;
    }
    return true;
}

void cor_worker_priv_give_host(CorWorkShare *share)
{
    if (share->host) {
        cor_worker_priv_hide_host(share->work, share->host);
        cor_host_lease_release(share->host);
        share->host = NULL;
    }
}

/* --- the whole, with one host --- */

static bool fetch_and_compute(CorWorkShare *share, CorHostInput *inputs, json_t **ret_result,
                              CorError *err)
{
    CorWork *work = share->work;
    CorHostRun run = {.inputs = inputs, .input_len = work->request.input_len};

    if (!cor_worker_priv_fetch(share, inputs, work->request.input_len, err)) {
        return false;
    }
    share->stage = "compute";
    if (!cor_worker_priv_take_host(share, COR_WORK_HOST_WAIT_MS, err)) {
        return false;
    }
    work->has_had_host = true;
    bool ok = cor_worker_priv_compute(share, &run, ret_result, err);
    work->host_failure = cor_host_lease_failure(share->host);
    cor_worker_priv_give_host(share);
    return ok;
}

bool cor_worker_priv_run(CorWork *work, json_t **ret_result, CorError *err)
{
    CorWorkShare share = {.work = work,
                          .params = work->request.params,
                          .outputs = work->request.outputs,
                          .stage = "fetch",
                          .tells = true};
    CorHostInput *inputs = NULL;
    bool ok = cor_worker_priv_inputs_new(work, &inputs, err) &&
              fetch_and_compute(&share, inputs, ret_result, err);

    cor_worker_priv_inputs_free(inputs, work->request.input_len);
    work->stage = share.stage;
    work->is_refused = share.is_refused;
    work->fetch_us = share.fetch_us;
    work->compute_us = share.compute_us;
    work->store_us = share.store_us;
    return ok;
}
