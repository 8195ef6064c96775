/* SPDX-License-Identifier: Apache-2.0 */
#include "faulty.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/array.h"
#include "queue/queue-backend.h"

typedef struct FaultyQueue {
    CorQueue base; /* first */
    CorQueue *inner;
    pthread_mutex_t mutex;
    int calls;   /* guarded by mutex, as all below */
    int fail_in; /* calls until the one that fails; 0: none */
    bool fails_after;
} FaultyQueue;

typedef enum Fault { FAULT_NONE = 0, FAULT_BEFORE, FAULT_AFTER } Fault;

static FaultyQueue *of(CorQueue *base)
{
    return (FaultyQueue *) base;
}

static Fault count_call(CorQueue *base)
{
    FaultyQueue *queue = of(base);
    Fault fault = FAULT_NONE;

    pthread_mutex_lock(&queue->mutex);
    queue->calls++;
    if (queue->fail_in > 0 && --queue->fail_in == 0) {
        fault = queue->fails_after ? FAULT_AFTER : FAULT_BEFORE;
    }
    pthread_mutex_unlock(&queue->mutex);
    return fault;
}

static bool fault_fail(CorError *err)
{
    return cor_fail(err, COR_ERR_UNAVAILABLE, "failure made by a test");
}

/* Evaluate the inner call unless the fault comes before it; lose its answer if it comes after. */
#define WITH_FAULT(base, call)                          \
    do {                                                \
        Fault fault_ = count_call(base);                \
        if (fault_ == FAULT_BEFORE) {                   \
            return fault_fail(err);                     \
        }                                               \
        if (!(call)) {                                  \
            return false;                               \
        }                                               \
        return fault_ == FAULT_NONE || fault_fail(err); \
    } while (0)

static bool faulty_open(const CorUri *uri, const char *name, CorQueue **ret_queue, CorError *err)
{
    (void) uri;
    (void) name;
    (void) ret_queue;
    return cor_fail(err, COR_ERR_UNSUPPORTED, "a faulty queue is put around another");
}

static bool faulty_send(CorQueue *base, const CorQueueSend *sends, size_t len,
                        char (*ret_message_ids)[COR_UUID_SIZE], CorError *err)
{
    WITH_FAULT(base, cor_queue_send_many(of(base)->inner, sends, len, ret_message_ids, err));
}

static bool faulty_receive(CorQueue *base, const CorQueueReceive *how, CorMessage **ret_messages,
                           size_t *ret_len, CorError *err)
{
    Fault fault = count_call(base);
    size_t len = 0;

    if (fault == FAULT_BEFORE) {
        return fault_fail(err);
    }
    if (!cor_queue_receive(of(base)->inner, how, ret_messages, &len, err)) {
        return false;
    }
    if (fault == FAULT_AFTER) {
        for (size_t i = 0; i < len; i++) {
            cor_message_free(ret_messages[i]);
            ret_messages[i] = NULL;
        }
        return fault_fail(err);
    }
    *ret_len = len;
    return true;
}

static bool faulty_settle(CorQueue *base, CorMessage *const *messages, size_t len,
                          const CorQueueSettle *settle, CorError *err)
{
    CorQueue *inner = of(base)->inner;

    WITH_FAULT(base, inner->backend->settle(inner, messages, len, settle, err));
}

static bool faulty_cancel(CorQueue *base, const char *dedup_id, bool *ret_removed, CorError *err)
{
    WITH_FAULT(base, cor_queue_cancel(of(base)->inner, dedup_id, ret_removed, err));
}

static bool faulty_position(CorQueue *base, const char *dedup_id, int64_t *ret_position,
                            CorError *err)
{
    WITH_FAULT(base, cor_queue_position(of(base)->inner, dedup_id, ret_position, err));
}

static bool faulty_stats(CorQueue *base, CorQueueStats *ret_stats, CorError *err)
{
    WITH_FAULT(base, cor_queue_stats(of(base)->inner, ret_stats, err));
}

static bool faulty_dead_list(CorQueue *base, const CorQueueDeadQuery *query,
                             CorMessage **ret_messages, size_t *ret_len, CorError *err)
{
    CorQueue *inner = of(base)->inner;

    if (count_call(base) != FAULT_NONE) {
        return fault_fail(err);
    }
    return inner->backend->dead_list(inner, query, ret_messages, ret_len, err);
}

static bool faulty_dead_remove(CorQueue *base, const char *const *message_ids, size_t len,
                               size_t *ret_removed, CorError *err)
{
    WITH_FAULT(base, cor_queue_dead_remove(of(base)->inner, message_ids, len, ret_removed, err));
}

static void faulty_watch(CorQueue *base, CorQueueWatch *watch, void *arg)
{
    cor_queue_watch(of(base)->inner, watch, arg);
}

static bool faulty_list_names(const CorUri *uri, char ***ret_names, size_t *ret_len, CorError *err)
{
    return cor_queue_list_names(uri->shown, ret_names, ret_len, err);
}

static void faulty_set_clock(CorQueue *base, CorQueueClock *clock, void *arg)
{
    (void) cor_queue_priv_set_clock(of(base)->inner, clock, arg);
}

static void faulty_close(CorQueue *base)
{
    FaultyQueue *queue = of(base);

    cor_queue_close(queue->inner);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

static const CorQueueBackend faulty_backend = {
    .scheme = "faulty",
    .open = faulty_open,
    .send = faulty_send,
    .receive = faulty_receive,
    .settle = faulty_settle,
    .cancel = faulty_cancel,
    .position = faulty_position,
    .stats = faulty_stats,
    .dead_list = faulty_dead_list,
    .dead_remove = faulty_dead_remove,
    .watch = faulty_watch,
    .list_names = faulty_list_names,
    .set_clock = faulty_set_clock,
    .close = faulty_close,
};

CorQueue *faulty_queue_new(CorQueue *inner)
{
    FaultyQueue *queue = cor_new(FaultyQueue);

    if (!queue) {
        return NULL;
    }
    queue->base = *inner;
    queue->base.backend = &faulty_backend;
    queue->inner = inner;
    pthread_mutex_init(&queue->mutex, NULL);
    return &queue->base;
}

void faulty_queue_fail(CorQueue *base, int n, bool after)
{
    FaultyQueue *queue = of(base);

    pthread_mutex_lock(&queue->mutex);
    queue->fail_in = n;
    queue->fails_after = after;
    pthread_mutex_unlock(&queue->mutex);
}

int faulty_queue_calls(CorQueue *base)
{
    FaultyQueue *queue = of(base);
    int calls = 0;

    pthread_mutex_lock(&queue->mutex);
    calls = queue->calls;
    pthread_mutex_unlock(&queue->mutex);
    return calls;
}
