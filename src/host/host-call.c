/* SPDX-License-Identifier: Apache-2.0 */
/* One call: send the request, hear what comes, end with a result, an error or the end of the host.
 *
 * The calling thread does all the talking.  A cancel from another thread only sets a wake-up, on
 * which this thread waits as well: so no two threads ever write to a host's socket, and a host that
 * does not read cannot hold up the one who cancels.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/time.h"
#include "host/host-memfd.h"
#include "host/host-pool-priv.h"

enum {
    CANCEL_GRACE_MS = 250, /* to answer a cancel */
    CRASH_GRACE_MS = 1000, /* from the end of file to the end of the process */
};

typedef struct Call {
    CorHostLease *lease;
    const CorHostRequest *request;
    const CorHostCallbacks *callbacks;
    CorHostWait wait;
    int64_t id;
    size_t output_len;
    bool is_asked_to_stop;
    bool is_over;
    json_t *result; /* a new reference once the call is over */
} Call;

/* The host is healthy, but what it does is not wanted any more: keep err as it is. */
static bool abandon(Call *call)
{
    (void) cor_host_priv_lose(call->lease, COR_HOST_FAILURE_CANCELLED, 0, "", NULL);
    return false;
}

static bool broke_protocol(Call *call, const char *text, CorError *err)
{
    return cor_host_priv_lose(call->lease, COR_HOST_FAILURE_CRASHED, 0, text, err);
}

/* Sending or receiving failed: say what that means for the host. */
static bool lost_connection(Call *call, const CorError *why, CorError *err)
{
    CorHostLease *lease = call->lease;

    if (call->is_asked_to_stop || why->code == COR_ERR_CANCELLED) {
        return cor_host_priv_lose(lease, COR_HOST_FAILURE_CANCELLED, 0, "the call was cancelled",
                                  err);
    }
    switch (why->code) {
    case COR_ERR_TIMEOUT:
        return cor_host_priv_lose(lease, COR_HOST_FAILURE_TIMED_OUT, 0, why->text, err);
    case COR_ERR_HOST_LOST:
        return cor_host_priv_lose(lease, COR_HOST_FAILURE_CRASHED, CRASH_GRACE_MS, "", err);
    case COR_ERR_CORRUPT:
        return broke_protocol(call, why->text, err);
    default: /* our own trouble: no memory, no descriptors, a request that is too large */
        (void) abandon(call);
        return cor_fail(err, why->code, "%s", why->text);
    }
}

/* Send one frame that was made for this call; takes the reference. */
static bool send_frame(Call *call, json_t *frame, const int *fds, size_t fd_len, CorError *err)
{
    CorError why = {0};
    bool ok = frame && json_object_set_new(frame, "id", json_integer(call->id)) == 0;

    if (!ok) {
        (void) cor_fail(&why, COR_ERR_NOMEM, "out of memory for a request");
    }
    ok = ok && cor_host_priv_send(&call->wait, frame, fds, fd_len, &why);
    json_decref(frame);
    return ok || lost_connection(call, &why, err);
}

/* The descriptors first, as many as fit into each frame. */
static bool send_inputs(Call *call, CorError *err)
{
    const CorHostRequest *request = call->request;

    for (size_t done = 0; done < request->fd_len;) {
        size_t len = COR_MIN(request->fd_len - done, (size_t) COR_HOST_FRAME_FDS_MAX);
        json_t *frame = json_pack("{s:s}", "op", "input");
        json_t *inputs = frame && request->inputs ? json_array() : NULL;

        for (size_t i = 0; inputs && i < len; i++) {
            /* A short array shows at the host as inputs that do not match their descriptors. */
            (void) json_array_append(inputs, json_array_get(request->inputs, done + i));
        }
        if (inputs && json_object_set_new(frame, "inputs", inputs) < 0) {
            json_decref(frame);
            frame = NULL;
        }
        if (!send_frame(call, frame, request->fds + done, len, err)) {
            return false;
        }
        done += len;
    }
    return true;
}

static bool send_request(Call *call, CorError *err)
{
    const CorHostRequest *request = call->request;
    bool is_small = !request->inputs && request->fd_len <= COR_HOST_FRAME_FDS_MAX;
    /* Only the top level gets new members. */
    json_t *frame = json_copy((json_t *) (uintptr_t) request->json);

    if (is_small) {
        return send_frame(call, frame, request->fds, request->fd_len, err);
    }
    if (!send_inputs(call, err)) {
        json_decref(frame);
        return false;
    }
    return send_frame(call, frame, NULL, 0, err);
}

/* Somebody cancelled: ask the host once, then give it a moment. */
static bool ask_to_stop(Call *call, CorError *err)
{
    int64_t grace_ms = cor_time_ms() + CANCEL_GRACE_MS;

    (void) cor_wakeup_clear(call->lease->host->cancel);
    call->is_asked_to_stop = true;
    call->wait.wake_fd = -1;
    call->wait.deadline_ms = COR_MIN(call->wait.deadline_ms, grace_ms);
    return send_frame(call, json_pack("{s:s}", "op", "cancel"), NULL, 0, err);
}

static void take_progress(const Call *call, const json_t *answer)
{
    const CorHostCallbacks *callbacks = call->callbacks;
    double fraction = cor_json_number(answer, "fraction", 0);

    if (callbacks && callbacks->on_progress && !call->is_asked_to_stop) {
        fraction = fraction >= 0 ? COR_MIN(fraction, 1.0) : 0; /* NaN becomes 0 */
        callbacks->on_progress(callbacks->context, fraction, cor_json_string(answer, "stage", ""));
    }
}

static bool take_output(Call *call, const CorHostFrame *frame, CorError *err)
{
    const CorHostCallbacks *callbacks = call->callbacks;
    CorError why = {0};
    uint64_t size = 0;
    int fd = frame->fd_len == 1 ? frame->fds[0] : -1;

    if (frame->fd_len > 1 || ++call->output_len > COR_HOST_OUTPUT_MAX) {
        return broke_protocol(call, "it sends too many outputs", err);
    }
    if (fd >= 0 && !cor_host_priv_memfd_check(fd, &size, &why)) {
        return broke_protocol(call, why.text, err);
    }
    if (!callbacks || !callbacks->on_output || call->is_asked_to_stop) {
        return true;
    }

    (void) json_object_del(frame->json, "answer"); /* what is left describes the output */
    (void) json_object_del(frame->json, "id");
    (void) json_object_del(frame->json, "fds");
    int64_t before_ms = cor_time_ms();
    if (!callbacks->on_output(callbacks->context, fd, frame->json, err)) {
        cor_error_wrap(err, "output of host");
        return abandon(call);
    }
    call->wait.deadline_ms += cor_time_ms() - before_ms; /* a slow store is not the host's fault */
    return true;
}

static bool take_error(Call *call, const json_t *answer, CorError *err)
{
    const char *message = cor_json_string(answer, "message", "no reason given");
    CorErrorCode code = cor_error_code_from_name(cor_json_string(answer, "code", ""));

    if (code == COR_ERR_CANCELLED && call->is_asked_to_stop) {
        return cor_host_priv_lose(call->lease, COR_HOST_FAILURE_CANCELLED, 0,
                                  "the call was cancelled", err);
    }
    if (code == COR_ERR_NOMEM) {
        return cor_host_priv_lose(call->lease, COR_HOST_FAILURE_OUT_OF_MEMORY, 0, message, err);
    }
    if (code == COR_OK || code == COR_ERR_HOST_LOST || code == COR_ERR_CANCELLED) {
        return broke_protocol(call, "it answers with an error that makes no sense", err);
    }
    return cor_fail(err, code, "%s", message);
}

static bool take_answer(Call *call, CorHostFrame *frame, CorError *err)
{
    const char *kind = cor_json_string(frame->json, "answer", "");

    if (cor_json_integer(frame->json, "id", -1) != call->id) {
        return broke_protocol(call, "it answers something that nobody asked", err);
    }
    if (strcmp(kind, "output") == 0) {
        return take_output(call, frame, err);
    }
    if (frame->fd_len > 0) {
        return broke_protocol(call, "it sends descriptors where none belong", err);
    }
    if (strcmp(kind, "progress") == 0) {
        take_progress(call, frame->json);
        return true;
    }
    if (strcmp(kind, "error") == 0) {
        return take_error(call, frame->json, err);
    }
    if (strcmp(kind, "result") != 0) {
        return broke_protocol(call, "it answers with no kind of answer", err);
    }
    (void) json_object_del(frame->json, "answer");
    (void) json_object_del(frame->json, "id");
    call->result = COR_TAKE(frame->json);
    call->is_over = true;
    if (call->callbacks && call->callbacks->on_result) {
        call->callbacks->on_result(call->callbacks->context, call->result, frame->annex,
                                   frame->annex_size);
    }
    return true;
}

static bool hear(Call *call, CorError *err)
{
    CorHost *host = call->lease->host;

    while (!call->is_over) {
        CorHostFrame frame = {0};
        CorError why = {0};

        if (!cor_host_priv_receive(&host->reader, &call->wait, &frame, &why)) {
            if (why.code == COR_ERR_CANCELLED ? ask_to_stop(call, err)
                                              : lost_connection(call, &why, err)) {
                continue;
            }
            return false;
        }
        bool ok = take_answer(call, &frame, err);
        cor_host_priv_frame_done(&frame);
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool cor_host_call(CorHostLease *lease, const CorHostRequest *request,
                   const CorHostCallbacks *callbacks, json_t **ret_result, CorError *err)
{
    CorHost *host = lease->host;
    CorError why = {0};
    Call call = {.lease = lease, .request = request, .callbacks = callbacks};

    if (lease->failure != COR_HOST_FAILURE_NONE) {
        return cor_fail(err, COR_ERR_BUG, "call of a host that is gone");
    }
    if (request->fd_len > COR_HOST_INPUT_MAX + COR_HOST_PART_MAX || request->timeout_ms <= 0 ||
        !json_is_object(request->json)) {
        return cor_fail(err, COR_ERR_LIMIT, "call with %zu inputs and a timeout of %lld ms",
                        request->fd_len, (long long) request->timeout_ms);
    }
    if (atomic_load(&lease->is_cancelled)) {
        return cor_fail(err, COR_ERR_CANCELLED, "the call was cancelled");
    }
    (void) pthread_mutex_lock(&lease->pool->mutex);
    lease->pool->calls++;
    (void) pthread_mutex_unlock(&lease->pool->mutex);

    call.id = host->next_id++;
    call.wait.fd = host->process.socket;
    call.wait.wake_fd = cor_wakeup_fd(host->cancel);
    call.wait.deadline_ms = cor_time_ms() + request->timeout_ms;
    if (!send_request(&call, &why) || !hear(&call, &why)) {
        json_decref(call.result);
        return cor_fail(err, why.code, "%s", why.text);
    }
    *ret_result = call.result;
    return true;
}
