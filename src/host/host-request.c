/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of host-protocol.h with C types. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "algo/algo.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/time.h"
#include "dicom/dicom-syntax.h"
#include "host/host-memfd.h"
#include "host/host-pool-priv.h"

/* Attributes that do not fit into a frame come as a file; this is as large as one may be. */
static const uint64_t record_max_bytes = (uint64_t) 16 * 1024 * 1024;

/* Keep the one file that an operation makes. */
static bool keep_file(void *context, int fd, const json_t *output, CorError *err)
{
    CorHostFile *file = context;

    if (fd < 0 || file->fd >= 0) {
        return cor_fail(err, COR_ERR_BUG, "the host sent no file, or several");
    }
    if (!cor_host_priv_memfd_check(fd, &file->size_bytes, err)) {
        return false;
    }
    file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (file->fd < 0) {
        return cor_fail_errno(err, errno, "keep the host's file");
    }
    file->info = json_incref((json_t *) (uintptr_t) output);
    return true;
}

void cor_host_file_done(CorHostFile *file)
{
    if (file) {
        cor_fd_closep(&file->fd);
        json_decref(file->info);
        file->info = NULL;
    }
}

/* Lease, call and release within one timeout. */
static bool call_once(CorHostPool *pool, CorHostRequest *request, const CorHostCallbacks *callbacks,
                      json_t **ret_result, CorError *err)
{
    COR_CLEANUP(cor_host_lease_releasep) CorHostLease *lease = NULL;
    int64_t before_ms = cor_time_ms();

    if (!cor_host_pool_lease(pool, request->timeout_ms, &lease, err)) {
        return false;
    }
    request->timeout_ms = COR_MAX(request->timeout_ms - (cor_time_ms() - before_ms), (int64_t) 1);
    return cor_host_call(lease, request, callbacks, ret_result, err);
}

/* A call whose outcome is a file; takes the reference to json. */
static bool call_for_file(CorHostPool *pool, json_t *json, int fd, int64_t timeout_ms,
                          CorHostFile *ret_file, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *owned = json;
    COR_CLEANUP(cor_json_freep) json_t *result = NULL;
    CorHostFile file = {.fd = -1};
    const CorHostCallbacks callbacks = {.on_output = keep_file, .context = &file};
    CorHostRequest request = {.json = json, .fds = &fd, .fd_len = 1, .timeout_ms = timeout_ms};

    if (!owned) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a request");
    }
    if (!call_once(pool, &request, &callbacks, &result, err)) {
        cor_host_file_done(&file);
        return false;
    }
    if (file.fd < 0) {
        return cor_fail(err, COR_ERR_BUG, "the host sent no file");
    }
    *ret_file = file;
    return true;
}

/* --- index --- */

/* What is heard of a record. */
typedef struct Index {
    CorHostFile file; /* the attributes of a large one; first, as for other calls */
    json_t *text;     /* the attributes as a string, or NULL */
} Index;

/* A string of the attributes' text; NULL if it is none. */
static json_t *text_of(const char *text, size_t size)
{
    bool is_text = size > 0 && text[0] == '{' && !memchr(text, '\0', size);

    return is_text ? json_stringn(text, size) : NULL; /* which looks whether it is UTF-8 */
}

static void hear_index(void *context, const json_t *result, const char *annex, size_t size)
{
    Index *index = context;

    (void) result;
    index->text = text_of(annex, size);
}

/* Take the text that came as a file. */
static bool read_attributes(Index *index, CorError *err)
{
    const CorHostFile *file = &index->file;

    if (file->size_bytes == 0 || file->size_bytes > record_max_bytes) {
        return cor_fail(err, COR_ERR_LIMIT, "the host's record has %llu bytes",
                        (unsigned long long) file->size_bytes);
    }
    void *text = mmap(NULL, file->size_bytes, PROT_READ, MAP_SHARED, file->fd, 0);
    if (text == MAP_FAILED) {
        return cor_fail_errno(err, errno, "read the host's record");
    }
    index->text = text_of(text, file->size_bytes);
    (void) munmap(text, file->size_bytes);
    return true;
}

static void index_done(Index *index)
{
    cor_host_file_done(&index->file);
    json_decref(index->text);
}

bool cor_host_index(CorHostPool *pool, int fd, int64_t timeout_ms, json_t **ret_record,
                    CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *json = json_pack("{s:s}", "op", "index");
    COR_CLEANUP(cor_json_freep) json_t *result = NULL;
    COR_CLEANUP(index_done) Index index = {.file = {.fd = -1}};
    const CorHostCallbacks callbacks = {
        .on_output = keep_file, .on_result = hear_index, .context = &index};
    CorHostRequest request = {.json = json, .fds = &fd, .fd_len = 1, .timeout_ms = timeout_ms};

    if (!json) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a request");
    }
    if (!call_once(pool, &request, &callbacks, &result, err) ||
        (index.file.fd >= 0 && !index.text && !read_attributes(&index, err))) {
        return false;
    }
    json_t *record = json_object_get(result, "record");
    if (!json_is_object(record) || !index.text ||
        json_object_set(record, "attributes_text", index.text) < 0) {
        return cor_fail(err, COR_ERR_BUG, "the host sent no record, or no text of it");
    }
    *ret_record = json_incref(record);
    return true;
}

/* --- files --- */

bool cor_host_decode(CorHostPool *pool, int fd, unsigned frame, int64_t timeout_ms,
                     CorHostFile *ret_file, CorError *err)
{
    json_t *json = json_pack("{s:s, s:I}", "op", "decode", "frame", (json_int_t) frame);

    return call_for_file(pool, json, fd, timeout_ms, ret_file, err);
}

bool cor_host_can_encode(const char *transfer_syntax_uid)
{
    return cor_dicom_can_encode(transfer_syntax_uid);
}

bool cor_host_transcode(CorHostPool *pool, int fd, const char *transfer_syntax_uid,
                        int64_t timeout_ms, CorHostFile *ret_file, CorError *err)
{
    json_t *json =
        json_pack("{s:s, s:s*}", "op", "transcode", "transfer_syntax_uid", transfer_syntax_uid);

    return call_for_file(pool, json, fd, timeout_ms, ret_file, err);
}

bool cor_host_frame(CorHostPool *pool, const CorHostFrameOf *of, CorHostFile *ret_file,
                    CorError *err)
{
    json_t *json = json_pack("{s:s, s:I, s:s*}", "op", "frame", "frame", (json_int_t) of->frame,
                             "transfer_syntax_uid", of->transfer_syntax_uid);

    return call_for_file(pool, json, of->fd, of->timeout_ms, ret_file, err);
}

bool cor_host_bulk(CorHostPool *pool, int fd, const char *path, int64_t timeout_ms,
                   CorHostFile *ret_file, CorError *err)
{
    json_t *json = json_pack("{s:s, s:s}", "op", "bulk", "path", path);

    return call_for_file(pool, json, fd, timeout_ms, ret_file, err);
}

static bool add_window(json_t *json, const CorHostRender *render)
{
    static const char *const functions[] = {[COR_HOST_WINDOW_LINEAR] = "linear",
                                            [COR_HOST_WINDOW_LINEAR_EXACT] = "linear_exact",
                                            [COR_HOST_WINDOW_SIGMOID] = "sigmoid"};
    size_t function = (size_t) render->window_function;

    return function < COR_ARRAY_LEN(functions) &&
           json_object_set_new(json, "window_center", json_real(render->window_center)) == 0 &&
           json_object_set_new(json, "window_width", json_real(render->window_width)) == 0 &&
           json_object_set_new(json, "window_function", json_string(functions[function])) == 0;
}

static bool add_region(json_t *json, const CorHostRegion *region)
{
    json_t *numbers =
        json_pack("[I, I, I, I]", (json_int_t) region->left_px, (json_int_t) region->top_px,
                  (json_int_t) region->width_px, (json_int_t) region->height_px);

    return json_object_set_new(json, "region", numbers) == 0 &&
           json_object_set_new(json, "mirrored", json_boolean(region->is_mirrored)) == 0 &&
           json_object_set_new(json, "upside_down", json_boolean(region->is_upside_down)) == 0;
}

bool cor_host_render(CorHostPool *pool, const CorHostRender *render, CorHostFile *ret_file,
                     CorError *err)
{
    json_t *json = json_pack(
        "{s:s, s:I, s:s, s:I, s:I, s:b, s:i}", "op", "render", "frame", (json_int_t) render->frame,
        "format", render->format, "width", (json_int_t) render->width_px, "height",
        (json_int_t) render->height_px, "enlarge", render->may_enlarge, "quality", render->quality);

    if (json && ((render->has_window && !add_window(json, render)) ||
                 (render->has_region && !add_region(json, &render->region)))) {
        json_decref(json);
        return cor_fail(err, COR_ERR_INVALID, "window or region is no number");
    }
    return call_for_file(pool, json, render->fd, render->timeout_ms, ret_file, err);
}

/* The request without its inputs. */
static json_t *run_json(const CorHostRun *run)
{
    json_t *json = json_pack("{s:s, s:s, s:s, s:I}", "op", "run", "algo_id", run->algo_id, "scope",
                             run->scope, "accepted_unix_ms", (json_int_t) run->accepted_unix_ms);

    /* Borrowed in, shared for the time of the call: setting a member takes a reference. */
    if (json && json_object_set(json, "params", (json_t *) (uintptr_t) run->params) < 0) {
        json_decref(json);
        return NULL;
    }
    if (json && run->outputs &&
        json_object_set(json, "outputs", (json_t *) (uintptr_t) run->outputs) < 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* The division of a job, if it has one. */
static bool add_division(json_t *json, const CorHostRun *run)
{
    return (!run->is_part || json_object_set_new(json, "part", json_true()) == 0) &&
           (run->part_len == 0 ||
            json_object_set_new(json, "parts", json_integer((json_int_t) run->part_len)) == 0);
}

static bool describe_inputs(const CorHostRun *run, int *fds, json_t *inputs, CorError *err)
{
    size_t len = run->input_len + run->part_len;

    for (size_t i = 0; i < len; i++) {
        bool is_part = i >= run->input_len;
        const CorHostInput *input = is_part ? NULL : &run->inputs[i];
        json_t *item = is_part
                           ? json_object()
                           : json_pack("{s:s, s:s}", "sop_instance_uid", input->sop_instance_uid,
                                       "series_instance_uid", input->series_instance_uid);
        fds[i] = is_part ? run->parts[i - run->input_len] : input->fd;
        if (json_array_append_new(inputs, item) < 0) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for a request");
        }
    }
    return true;
}

bool cor_host_run(CorHostLease *lease, const CorHostRun *run, const CorHostCallbacks *callbacks,
                  json_t **ret_result, CorError *err)
{
    if (run->input_len < 1 || run->input_len > COR_HOST_INPUT_MAX ||
        run->part_len > COR_HOST_PART_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "run over %zu inputs", run->input_len);
    }

    COR_CLEANUP(cor_json_freep) json_t *json = run_json(run);
    COR_CLEANUP(cor_json_freep) json_t *inputs = json_array();
    size_t fd_len = run->input_len + run->part_len;
    int *fds = cor_new_array(int, fd_len);
    bool ok = json && inputs && fds && add_division(json, run);

    if (!ok) {
        (void) cor_fail(err, COR_ERR_NOMEM, "out of memory for a request");
    }
    ok = ok && describe_inputs(run, fds, inputs, err);
    if (ok) {
        CorHostRequest request = {.json = json,
                                  .fds = fds,
                                  .fd_len = fd_len,
                                  .inputs = inputs,
                                  .timeout_ms = run->timeout_ms};
        ok = cor_host_call(lease, &request, callbacks, ret_result, err);
    }
    free(fds);
    return ok;
}

bool cor_host_can_split(const char *algo_id)
{
    const CorAlgorithm *algorithm = cor_algo_find(algo_id);

    return algorithm && !algorithm->is_volumetric;
}
