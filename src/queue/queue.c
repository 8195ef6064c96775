/* SPDX-License-Identifier: Apache-2.0 */
/* The front of the queue port: which backend, and everything that is checked for all of them. */
#include "queue/queue.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/uri.h"
#include "queue/queue-backend.h"

static const CorQueueBackend *const backends[] = {
    &cor_queue_priv_sqlite,
};

static bool find_backend(const char *text, CorUri *ret_uri, const CorQueueBackend **ret_backend,
                         CorError *err)
{
    if (!cor_uri_parse(text, ret_uri, err)) {
        return false;
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(backends); i++) {
        const CorQueueBackend *backend = backends[i];

        if (!cor_uri_has_scheme(ret_uri, backend->scheme)) {
            continue;
        }
        assert(backend->open && backend->send && backend->receive && backend->settle &&
               backend->cancel && backend->stats && backend->dead_list && backend->dead_remove &&
               backend->watch && backend->list_names && backend->close);
        *ret_backend = backend;
        return true;
    }
    return cor_fail(err, COR_ERR_INVALID, "no queue store understands '%s'", ret_uri->shown);
}

static bool check_name(const char *name, CorError *err)
{
    static const char legal[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-";
    size_t len = strlen(name);

    if (len == 0 || len > COR_QUEUE_NAME_MAX || strspn(name, legal) != len) {
        return cor_fail(err, COR_ERR_INVALID,
                        "the name of a queue is 1 to %d letters, digits and ._~-",
                        COR_QUEUE_NAME_MAX);
    }
    return true;
}

static bool check_id(const char *id, const char *what, bool may_be_empty, CorError *err)
{
    size_t len = id ? strlen(id) : 0;

    if ((len == 0 && !may_be_empty) || len > COR_QUEUE_ID_MAX ||
        (len > 0 && !cor_utf8_is_valid(id, len))) {
        return cor_fail(err, COR_ERR_INVALID, "%s is not 1 to %d bytes of UTF-8", what,
                        COR_QUEUE_ID_MAX);
    }
    return true;
}

static bool check_range(int64_t value, int64_t min, int64_t max, const char *what, CorError *err)
{
    if (value < min || value > max) {
        return cor_fail(err, COR_ERR_INVALID, "%s of %lld is outside %lld to %lld", what,
                        (long long) value, (long long) min, (long long) max);
    }
    return true;
}

static bool check_len(size_t len, CorError *err)
{
    if (len < 1 || len > COR_QUEUE_BATCH_MAX) {
        return cor_fail(err, COR_ERR_INVALID, "%zu messages in one call; 1 to %d are allowed", len,
                        COR_QUEUE_BATCH_MAX);
    }
    return true;
}

bool cor_queue_open(const char *uri, const char *name, CorQueue **ret_queue, CorError *err)
{
    CorUri parsed;
    const CorQueueBackend *backend = NULL;
    CorQueue *queue = NULL;

    assert(uri && name && ret_queue);

    if (!check_name(name, err) || !find_backend(uri, &parsed, &backend, err)) {
        return false;
    }
    if (!backend->open(&parsed, name, &queue, err)) {
        cor_error_wrap(err, "open queue '%s'", name); /* also catches a silent failure */
        return false;
    }
    assert(queue->backend == backend);
    snprintf(queue->name, sizeof(queue->name), "%s", name);
    *ret_queue = queue;
    return true;
}

void cor_queue_close(CorQueue *queue)
{
    if (queue) {
        queue->backend->close(queue);
    }
}

const char *cor_queue_name(const CorQueue *queue)
{
    return queue->name;
}

/* What happens after a backend has answered: a failure says why. */
static bool answered(const CorQueue *queue, bool is_ok, const char *verb, CorError *err)
{
    if (!is_ok) {
        cor_error_wrap(err, "%s '%s'", verb, queue->name);
    }
    return is_ok;
}

static bool check_send(const CorQueueSend *send, CorError *err)
{
    if (!check_id(send->group_id, "group id", false, err) ||
        !check_id(send->dedup_id, "deduplication id", false, err) ||
        !check_id(send->client_id, "client id", true, err) ||
        !check_range(send->delay_ms, 0, COR_QUEUE_DELAY_MAX_MS, "delay", err)) {
        return false;
    }
    if (!send->body || send->body_size < 1 || send->body_size > COR_QUEUE_BODY_MAX) {
        return cor_fail(err, COR_ERR_INVALID, "a body of %zu bytes; 1 to %zu are allowed",
                        send->body_size, COR_QUEUE_BODY_MAX);
    }
    if (send->message_id && strlen(send->message_id) != COR_UUID_SIZE - 1) {
        return cor_fail(err, COR_ERR_INVALID, "a message id is a UUID");
    }
    return true;
}

bool cor_queue_send(CorQueue *queue, const CorQueueSend *send, char ret_message_id[COR_UUID_SIZE],
                    CorError *err)
{
    char id[1][COR_UUID_SIZE];

    if (!cor_queue_send_many(queue, send, 1, id, err)) {
        return false;
    }
    memcpy(ret_message_id, id[0], COR_UUID_SIZE);
    return true;
}

bool cor_queue_send_many(CorQueue *queue, const CorQueueSend *sends, size_t len,
                         char (*ret_message_ids)[COR_UUID_SIZE], CorError *err)
{
    char ids[COR_QUEUE_BATCH_MAX][COR_UUID_SIZE] = {{0}};

    assert(queue && sends);

    if (!check_len(len, err)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!check_send(&sends[i], err)) {
            return false;
        }
    }
    if (!answered(queue, queue->backend->send(queue, sends, len, ids, err), "send to", err)) {
        return false;
    }
    if (ret_message_ids) {
        memcpy(ret_message_ids, ids, len * sizeof(ids[0]));
    }
    return true;
}

bool cor_queue_receive(CorQueue *queue, const CorQueueReceive *how, CorMessage **ret_messages,
                       size_t *ret_len, CorError *err)
{
    size_t len = 0;

    assert(queue && how && ret_messages && ret_len);

    if (!check_len(how->max, err) ||
        !check_range(how->lease_ms, COR_QUEUE_LEASE_MIN_MS, COR_QUEUE_LEASE_MAX_MS, "lease", err) ||
        !check_range(how->wait_ms, 0, COR_QUEUE_WAIT_MAX_MS, "wait", err)) {
        return false;
    }
    if (!answered(queue, queue->backend->receive(queue, how, ret_messages, &len, err),
                  "receive from", err)) {
        return false;
    }
    assert(len <= how->max);
    *ret_len = len;
    return true;
}

void cor_queue_watch(CorQueue *queue, CorQueueWatch *watch, void *arg)
{
    queue->backend->watch(queue, watch, arg);
}

bool cor_queue_extend(CorQueue *queue, CorMessage *message, int64_t lease_ms, CorError *err)
{
    CorQueueSettle settle = {.kind = COR_QUEUE_EXTEND, .delay_ms = lease_ms};

    assert(queue && message);

    return check_range(lease_ms, COR_QUEUE_LEASE_MIN_MS, COR_QUEUE_LEASE_MAX_MS, "lease", err) &&
           answered(queue, queue->backend->settle(queue, &message, 1, &settle, err),
                    "extend lease in", err);
}

bool cor_queue_release(CorQueue *queue, CorMessage *message, int64_t delay_ms, bool counts,
                       CorError *err)
{
    CorQueueSettle settle = {.kind = COR_QUEUE_RELEASE, .delay_ms = delay_ms, .counts = counts};

    assert(queue && message);

    return check_range(delay_ms, 0, COR_QUEUE_DELAY_MAX_MS, "delay", err) &&
           answered(queue, queue->backend->settle(queue, &message, 1, &settle, err), "release to",
                    err);
}

bool cor_queue_ack(CorQueue *queue, CorMessage *const *messages, size_t len, CorError *err)
{
    CorQueueSettle settle = {.kind = COR_QUEUE_ACK};

    assert(queue && messages);

    return check_len(len, err) &&
           answered(queue, queue->backend->settle(queue, messages, len, &settle, err),
                    "acknowledge to", err);
}

bool cor_queue_fail(CorQueue *queue, CorMessage *message, const char *reason, CorError *err)
{
    char cut[COR_QUEUE_REASON_MAX + 1];
    CorQueueSettle settle = {.kind = COR_QUEUE_FAIL, .reason = cut};
    size_t len = 0;

    assert(queue && message && reason);

    snprintf(cut, sizeof(cut), "%s", reason);
    len = strlen(cut);
    while (len > 0 && !cor_utf8_is_valid(cut, len)) { /* not in the middle of a character */
        cut[--len] = '\0';
    }
    return answered(queue, queue->backend->settle(queue, &message, 1, &settle, err),
                    "move to dead letters of", err);
}

bool cor_queue_cancel(CorQueue *queue, const char *dedup_id, bool *ret_removed, CorError *err)
{
    bool is_removed = false;

    assert(queue && ret_removed);

    if (!check_id(dedup_id, "deduplication id", false, err) ||
        !answered(queue, queue->backend->cancel(queue, dedup_id, &is_removed, err), "cancel in",
                  err)) {
        return false;
    }
    *ret_removed = is_removed;
    return true;
}

bool cor_queue_position(CorQueue *queue, const char *dedup_id, int64_t *ret_position, CorError *err)
{
    int64_t position = 0;

    assert(queue && ret_position);

    if (!queue->backend->position) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "this queue does not tell positions");
    }
    if (!check_id(dedup_id, "deduplication id", false, err) ||
        !answered(queue, queue->backend->position(queue, dedup_id, &position, err),
                  "find position in", err)) {
        return false;
    }
    *ret_position = COR_MIN(position, COR_QUEUE_POSITION_MAX);
    return true;
}

bool cor_queue_stats(CorQueue *queue, CorQueueStats *ret_stats, CorError *err)
{
    CorQueueStats stats = {0};

    assert(queue && ret_stats);

    if (!answered(queue, queue->backend->stats(queue, &stats, err), "count", err)) {
        return false;
    }
    *ret_stats = stats;
    return true;
}

bool cor_queue_dead_list(CorQueue *queue, int64_t after, size_t max, CorMessage **ret_messages,
                         size_t *ret_len, CorError *err)
{
    CorQueueDeadQuery query = {.after = after, .max = max};
    size_t len = 0;

    assert(queue && ret_messages && ret_len);

    if (!check_len(max, err) ||
        !answered(queue, queue->backend->dead_list(queue, &query, ret_messages, &len, err),
                  "list dead letters of", err)) {
        return false;
    }
    *ret_len = len;
    return true;
}

bool cor_queue_dead_find(CorQueue *queue, const char *message_id, CorMessage **ret_message,
                         CorError *err)
{
    CorQueueDeadQuery query = {.message_id = message_id, .max = 1};
    CorMessage *message = NULL;
    size_t len = 0;

    assert(queue && message_id && ret_message);

    if (!answered(queue, queue->backend->dead_list(queue, &query, &message, &len, err),
                  "find dead letter of", err)) {
        return false;
    }
    *ret_message = message;
    return true;
}

bool cor_queue_dead_remove(CorQueue *queue, const char *const *message_ids, size_t len,
                           size_t *ret_removed, CorError *err)
{
    size_t removed = 0;

    assert(queue && message_ids);

    if (!check_len(len, err) ||
        !answered(queue, queue->backend->dead_remove(queue, message_ids, len, &removed, err),
                  "remove dead letters of", err)) {
        return false;
    }
    if (ret_removed) {
        *ret_removed = removed;
    }
    return true;
}

bool cor_queue_list_names(const char *uri, char ***ret_names, size_t *ret_len, CorError *err)
{
    CorUri parsed;
    const CorQueueBackend *backend = NULL;

    assert(uri && ret_names && ret_len);

    if (!find_backend(uri, &parsed, &backend, err)) {
        return false;
    }
    if (!backend->list_names(&parsed, ret_names, ret_len, err)) {
        cor_error_wrap(err, "list queues");
        return false;
    }
    return true;
}

void cor_queue_names_free(char **names, size_t len)
{
    for (size_t i = 0; names && i < len; i++) {
        free(names[i]);
    }
    free(names);
}

bool cor_queue_priv_set_clock(CorQueue *queue, CorQueueClock *clock, void *arg)
{
    if (!queue->backend->set_clock) {
        return false;
    }
    queue->backend->set_clock(queue, clock, arg);
    return true;
}
