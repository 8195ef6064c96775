/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd's content reader, handed on.  When there is nothing to give, the reader suspends
 * the connection under the lock unless ready() came meanwhile, and ready() resumes it under the
 * same lock: no wake-up is lost, and the reader never returns 0 without having suspended, which
 * libmicrohttpd would answer with a busy loop.
 *
 * The time that a reader of the answer may take is counted anew with every block: the deadline is
 * that of a file of the block's size.  While the connection is suspended there is none, as it is we
 * who let the reader wait.
 *
 * References: one for the caller of cor_http_res_pull(), one for the response (first ours, then
 * libmicrohttpd's).  When the response goes, on_end() comes, exactly once. */
#include "http/http-pull.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/time.h"

#include "http/http-priv.h"

enum { BLOCK = 256 * 1024 };

struct CorHttpPull {
    atomic_uint refs;
    CorHttpPullOptions options; /* type is not kept */
    CorHttpRequest *req;        /* while there is an answer; connection's thread only */
    pthread_mutex_t mutex;
    struct MHD_Connection *connection; /* guarded by mutex; NULL before and after the answer */
    int fd;                            /* guarded by mutex; good while there is a connection */
    bool is_suspended;                 /* guarded by mutex */
    bool is_ready;                     /* guarded by mutex; ready() came during pull() */
    bool is_gone;                      /* guarded by mutex; the peer left, or the server stops */
};

CorHttpPull *cor_http_pull_ref(CorHttpPull *pull)
{
    atomic_fetch_add_explicit(&pull->refs, 1, memory_order_relaxed);
    return pull;
}

void cor_http_pull_unref(CorHttpPull *pull)
{
    if (pull && atomic_fetch_sub_explicit(&pull->refs, 1, memory_order_acq_rel) == 1) {
        (void) pthread_mutex_destroy(&pull->mutex);
        free(pull);
    }
}

bool cor_http_res_pull(CorHttpResponse *res, const CorHttpPullOptions *options,
                       CorHttpPull **ret_pull, CorError *err)
{
    CorHttpPull *pull = cor_new(CorHttpPull);

    if (!pull) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an answer");
    }
    atomic_init(&pull->refs, 2);
    (void) pthread_mutex_init(&pull->mutex, NULL);
    pull->options = *options;
    cor_http_priv_res_set_pull(res, options->type, pull);
    *ret_pull = pull;
    return true;
}

/* Lock held. */
static void resume(CorHttpPull *pull)
{
    if (pull->is_suspended) {
        pull->is_suspended = false;
        MHD_resume_connection(pull->connection);
    }
}

void cor_http_pull_ready(CorHttpPull *pull)
{
    (void) pthread_mutex_lock(&pull->mutex);
    pull->is_ready = true;
    resume(pull);
    (void) pthread_mutex_unlock(&pull->mutex);
}

/* ---- libmicrohttpd's side ---- */

/* libmicrohttpd closes a connection whose content reader gives up only at the connection's next
 * event.  The shutdown is one. */
static ssize_t lose(CorHttpPull *pull)
{
    (void) pthread_mutex_lock(&pull->mutex);
    if (pull->connection) {
        (void) shutdown(pull->fd, SHUT_RDWR);
    }
    (void) pthread_mutex_unlock(&pull->mutex);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void set_deadline(CorHttpPull *pull, size_t size)
{
    const CorHttpServerOptions *options = &pull->req->server->options;
    int64_t rate = options->bytes_per_s_min;

    atomic_store(&pull->req->conn->deadline_ms,
                 cor_time_ms() + options->idle_timeout_ms + (int64_t) size * 1000 / rate);
}

/* True if the connection is suspended now. */
static bool suspend(CorHttpPull *pull)
{
    (void) pthread_mutex_lock(&pull->mutex);
    bool waits = !pull->is_ready && !pull->is_gone;
    if (waits) {
        atomic_store(&pull->req->conn->deadline_ms, 0);
        pull->is_suspended = true;
        MHD_suspend_connection(pull->connection);
    }
    (void) pthread_mutex_unlock(&pull->mutex);
    return waits;
}

static ssize_t pull_once(CorHttpPull *pull, char *data, size_t size)
{
    (void) pthread_mutex_lock(&pull->mutex);
    pull->is_ready = false;
    bool is_gone = pull->is_gone;
    (void) pthread_mutex_unlock(&pull->mutex);
    return is_gone ? COR_HTTP_PULL_LOST : pull->options.pull(pull->options.context, data, size);
}

static ssize_t on_read(void *context, uint64_t position, char *data, size_t size)
{
    CorHttpPull *pull = context;
    ssize_t got = 0;
    (void) position;

    do {
        got = pull_once(pull, data, size);
    } while (got == COR_HTTP_PULL_WAIT && !suspend(pull));

    if (got == COR_HTTP_PULL_END) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (got == COR_HTTP_PULL_LOST) {
        return lose(pull);
    }
    if (got > 0) {
        set_deadline(pull, (size_t) got);
        pull->req->bytes_sent += (uint64_t) got;
    }
    return got;
}

/* The response is over, however it ended. */
static void on_free(void *context)
{
    CorHttpPull *pull = context;

    (void) pthread_mutex_lock(&pull->mutex);
    pull->is_gone = true;
    pull->is_suspended = false;
    pull->connection = NULL;
    (void) pthread_mutex_unlock(&pull->mutex);
    if (pull->options.on_end) {
        pull->options.on_end(pull->options.context);
    }
    cor_http_pull_unref(pull);
}

void cor_http_priv_pull_drop(CorHttpPull *pull)
{
    on_free(pull);
}

static void on_tick(void *object, int64_t now_ms)
{
    (void) object;
    (void) now_ms;
}

static void on_drain(void *object)
{
    (void) object; /* an end before the end would look like a whole answer */
}

static void on_gone(void *object)
{
    CorHttpPull *pull = object;

    (void) pthread_mutex_lock(&pull->mutex);
    pull->is_gone = true;
    if (pull->connection) {
        (void) shutdown(pull->fd, SHUT_RDWR);
    }
    resume(pull);
    (void) pthread_mutex_unlock(&pull->mutex);
}

static const HttpSuspension pull_suspension = {
    .tick = on_tick,
    .drain = on_drain,
    .gone = on_gone,
};

/* Takes the response's reference. */
struct MHD_Response *cor_http_priv_pull_response(CorHttpPull *pull, CorHttpRequest *req)
{
    uint64_t size = pull->options.size;
    struct MHD_Response *response = MHD_create_response_from_callback(
        size == COR_HTTP_PULL_ANY ? MHD_SIZE_UNKNOWN : size,
        (size_t) COR_MIN(size, (uint64_t) BLOCK), on_read, pull, on_free);

    if (!response) {
        on_free(pull);
        return NULL;
    }
    cor_http_priv_limit_patience(req->conn);
    pull->req = req;
    (void) pthread_mutex_lock(&pull->mutex);
    pull->connection = req->connection;
    pull->fd = req->conn->fd;
    (void) pthread_mutex_unlock(&pull->mutex);
    cor_http_priv_suspension_set(req->conn, &pull_suspension, pull);
    return response;
}
