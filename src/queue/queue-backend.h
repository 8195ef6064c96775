/* SPDX-License-Identifier: Apache-2.0 */
/* How to add a queue store.
 *
 * Write queue-<store>.c with a struct whose first member is CorQueue, a const CorQueueBackend at
 * the end of the file, and one line in the table of queue.c.  Then run the contract suite:
 *     COR_TEST_QUEUE_URI=<uri> meson test -C build --suite contract
 *
 * queue.c has checked names, ids, sizes, durations and counts before any function below is called,
 * and checks afterwards that out-parameters were set.
 */
#pragma once

#include "base/uri.h"
#include "queue/queue.h"

/* Callers may see these differences. */
#define COR_QUEUE_TAKES_TURNS (1u << 0) /* fair between clients; otherwise in order of arrival */

/* What becomes of leased messages. */
typedef enum CorQueueSettleKind {
    COR_QUEUE_ACK = 0, /* gone for good */
    COR_QUEUE_RELEASE, /* back to the queue after delay_ms */
    COR_QUEUE_EXTEND,  /* the lease ends delay_ms from now */
    COR_QUEUE_FAIL,    /* to the dead letters with reason */
} CorQueueSettleKind;

typedef struct CorQueueSettle {
    CorQueueSettleKind kind;
    int64_t delay_ms;
    bool counts;        /* RELEASE: false takes the receive back */
    const char *reason; /* FAIL */
} CorQueueSettle;

/* Which dead letters. */
typedef struct CorQueueDeadQuery {
    const char *message_id; /* this one alone; NULL: those ... */
    int64_t after;          /* ... that died after this one */
    size_t max;
} CorQueueDeadQuery;

/* Wall-clock milliseconds that never go back, for tests that move time. */
typedef int64_t CorQueueClock(void *arg);

typedef struct CorQueueBackend {
    const char *scheme; /* what stands before ':' in the URI */
    uint32_t features;  /* COR_QUEUE_TAKES_TURNS */

    /* Required.  Must leave nothing behind on failure. */
    bool (*open)(const CorUri *uri, const char *name, CorQueue **ret_queue, CorError *err);

    /* Required.  All or none; ret_message_ids has room for len and is never NULL. */
    bool (*send)(CorQueue *queue, const CorQueueSend *sends, size_t len,
                 char (*ret_message_ids)[COR_UUID_SIZE], CorError *err);

    /* Required.  *ret_len is 0 on entry. */
    bool (*receive)(CorQueue *queue, const CorQueueReceive *how, CorMessage **ret_messages,
                    size_t *ret_len, CorError *err);

    /* Required.  Settles every message whose receipt is good, sets is_stale of the others, and
     * fails with CONFLICT if there are any. */
    bool (*settle)(CorQueue *queue, CorMessage *const *messages, size_t len,
                   const CorQueueSettle *settle, CorError *err);

    /* Required. */
    bool (*cancel)(CorQueue *queue, const char *dedup_id, bool *ret_removed, CorError *err);

    /* Optional: a store that cannot look into the line.  NULL is reported as UNSUPPORTED. */
    bool (*position)(CorQueue *queue, const char *dedup_id, int64_t *ret_position, CorError *err);

    /* Required. */
    bool (*stats)(CorQueue *queue, CorQueueStats *ret_stats, CorError *err);

    /* Required. */
    bool (*dead_list)(CorQueue *queue, const CorQueueDeadQuery *query, CorMessage **ret_messages,
                      size_t *ret_len, CorError *err);

    /* Required. */
    bool (*dead_remove)(CorQueue *queue, const char *const *message_ids, size_t len,
                        size_t *ret_removed, CorError *err);

    /* Required.  See cor_queue_watch(). */
    void (*watch)(CorQueue *queue, CorQueueWatch *watch, void *arg);

    /* Required.  Sorted. */
    bool (*list_names)(const CorUri *uri, char ***ret_names, size_t *ret_len, CorError *err);

    /* Optional: a store whose clock is its own.  Used by the contract suite only. */
    void (*set_clock)(CorQueue *queue, CorQueueClock *clock, void *arg);

    /* Required.  No other call on this object is running. */
    void (*close)(CorQueue *queue);
} CorQueueBackend;

struct CorQueue {
    const CorQueueBackend *backend;
    char name[COR_QUEUE_NAME_MAX + 1];
};

/* Made by cor_queue_priv_message_new(); the texts and the body lie behind the struct. */
struct CorMessage {
    int64_t seq;     /* in the store's order */
    int64_t receipt; /* which lease this is */
    int64_t sent_unix_ms;
    int64_t failed_unix_ms;
    int64_t lease_end_ms;
    int receives;
    bool is_stale;
    char message_id[COR_UUID_SIZE];
    const char *group_id;
    const char *dedup_id;
    const char *client_id;
    const char *reason;
    const uint8_t *body;
    size_t body_size;
    char data[];
};

/* What cor_queue_priv_message_new() copies. */
typedef struct CorMessageParts {
    const char *message_id;
    const char *group_id;
    const char *dedup_id;
    const char *client_id;
    const char *reason;
    const void *body;
    size_t body_size;
} CorMessageParts;

/** Make a message with copies of all parts and zeros elsewhere; NULL if there is no memory. */
CorMessage *cor_queue_priv_message_new(const CorMessageParts *parts);

/** Replace the clock of a queue's store; false if it has its own.  For the contract suite. */
bool cor_queue_priv_set_clock(CorQueue *queue, CorQueueClock *clock, void *arg);

extern const CorQueueBackend cor_queue_priv_sqlite;
