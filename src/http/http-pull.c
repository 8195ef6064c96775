/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd's content reader, handed on.  When there is nothing to give, the reader suspends
 * the connection under the lock unless ready() came meanwhile, and ready() resumes it under the
 * same lock: no wake-up is lost, and the reader never returns 0 without having suspended, which
 * libmicrohttpd would answer with a busy loop; or only to let other connections have their turn.
 *
 * An answer that goes in chunks may have pieces of files in it, which the reader itself sends
 * (http-direct.c).  Then it is the reader who finds the socket full: it suspends the connection,
 * and http-room.c resumes it.
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

#include "http/http-direct.h"
#include "http/http-priv.h"
#include "http/http-room.h"

enum { BLOCK = 256 * 1024, BLOCK_OF_CHUNKS = 1024, TURN = 4 * 1024 * 1024 };

struct CorHttpPull {
    atomic_uint refs;
    CorHttpPullOptions options; /* type is not kept */
    CorHttpRequest *req;        /* while there is an answer; connection's thread only */
    HttpDirect *direct;         /* NULL: libmicrohttpd sends everything; connection's thread only */
    bool waits_for_room;        /* connection's thread only */
    bool waits_for_bytes; /* connection's thread only; with direct: it is watched for its end */
    bool is_over;         /* pull() has said so; connection's thread only */
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
        free(pull->direct);
        free(pull);
    }
}

bool cor_http_pull_takes_files(const CorHttpRequest *req)
{
    return req->takes_chunks && !req->is_head;
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

static void set_deadline(CorHttpPull *pull, uint64_t size)
{
    const CorHttpServerOptions *options = &pull->req->server->options;
    int64_t rate = options->bytes_per_s_min;

    atomic_store(&pull->req->conn->deadline_ms,
                 cor_time_ms() + options->idle_timeout_ms + (int64_t) size * 1000 / rate);
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

/* While there is something to read the peer may have said that it says no more. */
static const HttpSuspension room_suspension = {
    .tick = on_tick,
    .drain = on_drain,
    .gone = on_gone,
    .may_end_sending = true,
};

/* Lock held. */
static void suspend(CorHttpPull *pull)
{
    pull->is_suspended = true;
    MHD_suspend_connection(pull->connection);
}

/* There is nothing to give.  True if the connection is suspended now. */
static bool wait_for_bytes(CorHttpPull *pull)
{
    if (pull->direct) { /* what there was is not kept from the peer */
        cor_http_priv_direct_cork(pull->direct, pull->req->conn->fd, false);
    }
    if (pull->direct) {
        pull->waits_for_bytes = true;
        cor_http_priv_suspension_set(pull->req->conn, &pull_suspension, pull);
    }
    (void) pthread_mutex_lock(&pull->mutex);
    bool waits = !pull->is_ready && !pull->is_gone;
    if (waits) {
        atomic_store(&pull->req->conn->deadline_ms, 0);
        suspend(pull);
    }
    (void) pthread_mutex_unlock(&pull->mutex);
    return waits;
}

/* With the room's lock held. */
static void on_room(void *object)
{
    CorHttpPull *pull = object;

    (void) pthread_mutex_lock(&pull->mutex);
    resume(pull);
    (void) pthread_mutex_unlock(&pull->mutex);
}

/* The socket is full.  Its peer may have said that it says no more.  Watched first: a stop that
 * begins from here on finds it.  False if that cannot be waited for. */
static bool wait_for_room(CorHttpPull *pull)
{
    cor_http_priv_suspension_set(pull->req->conn, &room_suspension, pull);
    (void) pthread_mutex_lock(&pull->mutex);
    bool is_gone = pull->is_gone;
    if (!is_gone) {
        suspend(pull);
    }
    (void) pthread_mutex_unlock(&pull->mutex);
    if (is_gone) {
        return false;
    }
    if (atomic_load(&pull->req->conn->deadline_ms) == 0) {
        set_deadline(pull, 0);
    }
    /* A window smaller than a segment would not move under the cork. */
    cor_http_priv_direct_cork(pull->direct, pull->req->conn->fd, false);
    /* The connection is resumed no earlier than this thread has returned to libmicrohttpd. */
    pull->waits_for_room = true;
    if (!cor_http_priv_room_wait(pull->req->server->room, pull->req->conn->fd, on_room, pull)) {
        on_gone(pull);
    }
    return true;
}

static void forget_room(CorHttpPull *pull)
{
    if (pull->waits_for_room) {
        pull->waits_for_room = false;
        cor_http_priv_room_forget(pull->req->server->room, pull->req->conn->fd);
    }
}

static ssize_t pull_once(CorHttpPull *pull, char *data, size_t size, CorHttpFile *ret_file)
{
    (void) pthread_mutex_lock(&pull->mutex);
    pull->is_ready = false;
    bool is_gone = pull->is_gone;
    (void) pthread_mutex_unlock(&pull->mutex);
    return is_gone ? COR_HTTP_PULL_LOST
                   : pull->options.pull(pull->options.context, data, size, ret_file);
}

static void count(CorHttpPull *pull, uint64_t size)
{
    if (size > 0) {
        set_deadline(pull, size);
        pull->req->bytes_sent += size;
    }
}

/* Send what is on its way past libmicrohttpd. */
static HttpSent send_direct(CorHttpPull *pull, uint64_t *turn)
{
    uint64_t sent = 0;
    HttpSent result = cor_http_priv_direct_send(pull->direct, pull->req->conn->fd, &sent);

    count(pull, sent);
    *turn += sent;
    return result;
}

/* What comes next begins a chunk.  What pull() said. */
static ssize_t next_chunk(CorHttpPull *pull, char *data, size_t size)
{
    CorHttpFile file = {.fd = -1};
    ssize_t got = pull_once(pull, data, COR_MIN(size, HTTP_DIRECT_TEXT_MAX), &file);

    if (got < 0 || (got == 0 && file.size == 0)) {
        return got;
    }
    cor_http_priv_direct_chunk(pull->direct, data, (size_t) got, &file);
    pull->req->bytes_sent += (uint64_t) got + (file.size - pull->direct->file.size);
    return 1;
}

/* Give what comes next to the socket, piece by piece; libmicrohttpd has nothing to send but the
 * end. */
static ssize_t read_direct(CorHttpPull *pull, char *data, size_t size)
{
    uint64_t turn = 0;

    forget_room(pull);
    if (pull->waits_for_bytes) {
        pull->waits_for_bytes = false;
        cor_http_priv_suspension_set(pull->req->conn, &room_suspension, pull);
    }
    cor_http_priv_direct_cork(pull->direct, pull->req->conn->fd, true);
    while (turn < TURN) {
        HttpSent sent = send_direct(pull, &turn);
        if (sent == HTTP_SENT_NO_ROOM && wait_for_room(pull)) {
            return COR_HTTP_PULL_WAIT;
        }
        if (sent == HTTP_SENT_SOME) {
            continue;
        }
        if (sent != HTTP_SENT) {
            return COR_HTTP_PULL_LOST;
        }
        ssize_t got = pull->is_over ? COR_HTTP_PULL_END : next_chunk(pull, data, size);
        if (got == COR_HTTP_PULL_END && !pull->is_over) {
            pull->is_over = true;
            cor_http_priv_direct_end(pull->direct);
        } else if (got < 0 || (got == COR_HTTP_PULL_WAIT && wait_for_bytes(pull))) {
            return got;
        }
    }
    return COR_HTTP_PULL_WAIT; /* others have their turn, then libmicrohttpd asks again */
}

static ssize_t read_copy(CorHttpPull *pull, char *data, size_t size)
{
    ssize_t got = 0;

    do {
        got = pull_once(pull, data, size, NULL);
    } while (got == COR_HTTP_PULL_WAIT && !wait_for_bytes(pull));
    if (got > 0) {
        count(pull, (uint64_t) got);
    }
    return got;
}

static ssize_t on_read(void *context, uint64_t position, char *data, size_t size)
{
    CorHttpPull *pull = context;
    (void) position;

    ssize_t got = pull->direct ? read_direct(pull, data, size) : read_copy(pull, data, size);
    if (got == COR_HTTP_PULL_END) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    return got == COR_HTTP_PULL_LOST ? lose(pull) : got;
}

/* The request is over: its connection goes on without us, or ends. */
void cor_http_priv_pull_end(CorHttpPull *pull)
{
    if (pull->direct) {
        forget_room(pull);
        cor_http_priv_direct_cork(pull->direct, pull->req->conn->fd, false);
    }
    cor_http_pull_unref(pull);
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

/* Takes the response's reference. */
struct MHD_Response *cor_http_priv_pull_response(CorHttpPull *pull, CorHttpRequest *req)
{
    uint64_t size = pull->options.size;
    bool is_direct = size == COR_HTTP_PULL_ANY && cor_http_pull_takes_files(req);
    struct MHD_Response *response = MHD_create_response_from_callback(
        size == COR_HTTP_PULL_ANY ? MHD_SIZE_UNKNOWN : size,
        is_direct ? BLOCK_OF_CHUNKS : (size_t) COR_MIN(size, (uint64_t) BLOCK), on_read, pull,
        on_free);

    if (!response) {
        on_free(pull);
        return NULL;
    }
    if (is_direct) {
        pull->direct = cor_new(HttpDirect);
        if (!pull->direct) {
            MHD_destroy_response(response);
            return NULL;
        }
        cor_http_priv_direct_cork(pull->direct, req->conn->fd, true);
    }
    cor_http_priv_limit_patience(req->conn);
    pull->req = req;
    req->pulled = cor_http_pull_ref(pull);
    (void) pthread_mutex_lock(&pull->mutex);
    pull->connection = req->connection;
    pull->fd = req->conn->fd;
    (void) pthread_mutex_unlock(&pull->mutex);
    cor_http_priv_suspension_set(req->conn, is_direct ? &room_suspension : &pull_suspension, pull);
    return response;
}
