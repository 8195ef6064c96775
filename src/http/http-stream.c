/* SPDX-License-Identifier: Apache-2.0 */
/* A stream is a bounded buffer between writers and libmicrohttpd's content reader.
 *
 * When the reader finds the buffer empty it suspends the connection under the stream's lock, and a
 * writer that finds it suspended resumes it under the same lock: no wake-up is lost, and a reader
 * never returns 0 without having suspended, which libmicrohttpd would answer with a busy loop.
 *
 * References: one for the caller of cor_http_res_stream(), one for the response (first ours, then
 * libmicrohttpd's).  When the response goes, on_end() comes, exactly once. */
#include "http/http-stream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/time.h"

#include "http/http-priv.h"

enum { BUFFER_DEFAULT = 1024 * 1024, BUFFER_START = 1024, HEARTBEAT_MS = 15000, BLOCK = 16384 };

struct CorHttpStream {
    atomic_uint refs;
    CorHttpStreamOptions options;
    char *type;
    pthread_mutex_t mutex;
    struct MHD_Connection *connection; /* guarded by mutex; NULL before and after the answer */
    int fd;                            /* guarded by mutex; good while there is a connection */
    bool is_suspended;                 /* guarded by mutex */
    bool is_closed;                    /* guarded by mutex; writers are done */
    bool is_aborted;                   /* guarded by mutex; cut */
    uint8_t *buffer;                   /* guarded by mutex; a ring */
    size_t capacity;                   /* guarded by mutex */
    size_t head;                       /* guarded by mutex */
    size_t size;                       /* guarded by mutex */
    int64_t wrote_ms;                  /* guarded by mutex */
};

CorHttpStream *cor_http_stream_ref(CorHttpStream *stream)
{
    atomic_fetch_add_explicit(&stream->refs, 1, memory_order_relaxed);
    return stream;
}

void cor_http_stream_unref(CorHttpStream *stream)
{
    if (stream && atomic_fetch_sub_explicit(&stream->refs, 1, memory_order_acq_rel) == 1) {
        (void) pthread_mutex_destroy(&stream->mutex);
        free(stream->buffer);
        free(stream->type);
        free(stream);
    }
}

bool cor_http_res_stream(CorHttpResponse *res, const CorHttpStreamOptions *options,
                         CorHttpStream **ret_stream, CorError *err)
{
    CorHttpStream *stream = cor_new(CorHttpStream);

    if (stream) {
        stream->type = strdup(options->type);
    }
    if (!stream || !stream->type) {
        free(stream);
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a stream");
    }
    atomic_init(&stream->refs, 2);
    (void) pthread_mutex_init(&stream->mutex, NULL);
    stream->options = *options;
    if (stream->options.buffer_max == 0) {
        stream->options.buffer_max = BUFFER_DEFAULT;
    }
    if (stream->options.heartbeat_ms == 0) {
        stream->options.heartbeat_ms = HEARTBEAT_MS;
    }
    stream->wrote_ms = cor_time_ms();

    cor_http_res_status(res, 200); /* drops an earlier answer */
    res->kind = HTTP_STREAM;
    res->stream = stream;
    res->type = strdup(stream->type);
    cor_http_res_header(res, "Cache-Control", "no-store");
    *ret_stream = stream;
    return true;
}

/* Lock held. */
static void resume(CorHttpStream *stream)
{
    if (stream->is_suspended) {
        stream->is_suspended = false;
        MHD_resume_connection(stream->connection);
    }
}

/* Lock held.  Make room for size more bytes; unrolls the ring into the new buffer. */
static bool grow(CorHttpStream *stream, size_t size)
{
    size_t needed = stream->size + size;
    size_t capacity = stream->capacity ? stream->capacity : BUFFER_START;

    while (capacity < needed) {
        capacity *= 2;
    }
    if (capacity == stream->capacity) {
        return true;
    }
    uint8_t *grown = malloc(capacity);
    if (!grown) {
        return false;
    }
    size_t first = COR_MIN(stream->size, stream->capacity - stream->head);
    if (stream->size > 0) {
        memcpy(grown, stream->buffer + stream->head, first);
        memcpy(grown + first, stream->buffer, stream->size - first);
    }
    free(stream->buffer);
    stream->buffer = grown;
    stream->capacity = capacity;
    stream->head = 0;
    return true;
}

/* Lock held, room made. */
static void push(CorHttpStream *stream, const uint8_t *data, size_t size)
{
    size_t tail = (stream->head + stream->size) % stream->capacity;
    size_t first = COR_MIN(size, stream->capacity - tail);

    memcpy(stream->buffer + tail, data, first);
    memcpy(stream->buffer, data + first, size - first);
    stream->size += size;
    stream->wrote_ms = cor_time_ms();
}

/* Lock held.  Move up to size bytes out. */
static size_t pull(CorHttpStream *stream, char *data, size_t size)
{
    size_t taken = COR_MIN(size, stream->size);
    size_t first = COR_MIN(taken, stream->capacity - stream->head);

    memcpy(data, stream->buffer + stream->head, first);
    memcpy(data + first, stream->buffer, taken - first);
    stream->head = (stream->head + taken) % stream->capacity;
    stream->size -= taken;
    if (stream->size == 0) { /* ten thousand idle streams keep nothing */
        free(COR_TAKE(stream->buffer));
        stream->capacity = 0;
        stream->head = 0;
    }
    return taken;
}

bool cor_http_stream_write(CorHttpStream *stream, const void *data, size_t size, CorError *err)
{
    CorErrorCode code = COR_OK;

    (void) pthread_mutex_lock(&stream->mutex);
    if (stream->is_closed || stream->is_aborted) {
        code = COR_ERR_CANCELLED;
    } else if (size > stream->options.buffer_max - stream->size) {
        code = COR_ERR_LIMIT;
    } else if (size > 0) {
        if (grow(stream, size)) {
            push(stream, data, size);
            resume(stream);
        } else {
            code = COR_ERR_NOMEM;
        }
    }
    (void) pthread_mutex_unlock(&stream->mutex);

    if (code != COR_OK) {
        return cor_fail(err, code, "%s",
                        code == COR_ERR_CANCELLED ? "the stream has ended"
                        : code == COR_ERR_LIMIT   ? "the stream's reader is too slow"
                                                  : "out of memory for a stream");
    }
    return true;
}

size_t cor_http_stream_pending(CorHttpStream *stream)
{
    (void) pthread_mutex_lock(&stream->mutex);
    size_t size = stream->size;
    (void) pthread_mutex_unlock(&stream->mutex);
    return size;
}

void cor_http_stream_close(CorHttpStream *stream)
{
    (void) pthread_mutex_lock(&stream->mutex);
    stream->is_closed = true;
    resume(stream);
    (void) pthread_mutex_unlock(&stream->mutex);
}

/* A peer that does not read keeps libmicrohttpd waiting for ever; and libmicrohttpd closes a
 * connection whose content reader gives up only at the connection's next event.  The shutdown is
 * one. */
void cor_http_stream_abort(CorHttpStream *stream)
{
    (void) pthread_mutex_lock(&stream->mutex);
    stream->is_aborted = true;
    if (stream->connection) {
        (void) shutdown(stream->fd, SHUT_RDWR);
    }
    resume(stream);
    (void) pthread_mutex_unlock(&stream->mutex);
}

/* ---- libmicrohttpd's side ---- */

static ssize_t on_read(void *context, uint64_t position, char *data, size_t size)
{
    CorHttpStream *stream = context;
    bool is_drained = false;
    ssize_t result = 0;
    (void) position;

    (void) pthread_mutex_lock(&stream->mutex);
    if (stream->is_aborted) {
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (stream->size > 0) {
        result = (ssize_t) pull(stream, data, size);
        is_drained = stream->size == 0 && !stream->is_closed;
    } else if (stream->is_closed) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        stream->is_suspended = true;
        MHD_suspend_connection(stream->connection);
    }
    (void) pthread_mutex_unlock(&stream->mutex);

    if (is_drained && stream->options.on_drained) {
        stream->options.on_drained(stream->options.context);
    }
    return result;
}

/* The response is over, however it ended. */
static void on_free(void *context)
{
    CorHttpStream *stream = context;

    (void) pthread_mutex_lock(&stream->mutex);
    stream->is_aborted = true;
    stream->is_suspended = false;
    stream->connection = NULL;
    (void) pthread_mutex_unlock(&stream->mutex);
    if (stream->options.on_end) {
        stream->options.on_end(stream->options.context);
    }
    cor_http_stream_unref(stream);
}

void cor_http_priv_stream_drop(CorHttpStream *stream)
{
    on_free(stream);
}

static void on_tick(void *object, int64_t now_ms)
{
    CorHttpStream *stream = object;
    const char *heartbeat = stream->options.heartbeat;

    (void) pthread_mutex_lock(&stream->mutex);
    bool is_due = heartbeat && stream->size == 0 && !stream->is_closed && !stream->is_aborted &&
                  now_ms - stream->wrote_ms >= stream->options.heartbeat_ms;
    if (is_due && grow(stream, strlen(heartbeat))) {
        push(stream, (const uint8_t *) heartbeat, strlen(heartbeat));
        resume(stream);
    }
    (void) pthread_mutex_unlock(&stream->mutex);
}

static void on_drain(void *object)
{
    cor_http_stream_close(object);
}

static void on_gone(void *object)
{
    cor_http_stream_abort(object);
}

static const HttpSuspension stream_suspension = {
    .tick = on_tick,
    .drain = on_drain,
    .gone = on_gone,
};

/* Takes the response's reference. */
struct MHD_Response *cor_http_priv_stream_response(CorHttpStream *stream, CorHttpRequest *req)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_read, stream, on_free);

    if (!response) {
        on_free(stream);
        return NULL;
    }
    cor_http_priv_limit_patience(req->conn);
    (void) pthread_mutex_lock(&stream->mutex);
    stream->connection = req->connection;
    stream->fd = req->conn->fd;
    (void) pthread_mutex_unlock(&stream->mutex);
    cor_http_priv_suspension_set(req->conn, &stream_suspension, stream);
    return response;
}
