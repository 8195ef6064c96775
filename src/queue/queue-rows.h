/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the embedded queue: what happens inside a transaction.
 *
 * Every function runs on the writer thread (or, where it says so, on a reader) and notes in its
 * CorQueueRows what the lane's counters in memory have to learn once it is committed.
 *
 * Ownership  Nothing is kept; messages are handed out to be freed.
 * Threads    One thread at a time.
 * Blocking   Work on the database only.
 * Errors     Those of driver/sql.h.  CORRUPT if a message's rows contradict each other.
 * Units      Times are wall-clock milliseconds of the store's clock.
 */
#pragma once

#include "driver/sql.h"
#include "queue/queue-backend.h"

typedef enum CorQueueState {
    COR_QUEUE_NONE = 0, /* not sent yet, or gone */
    COR_QUEUE_BLOCKED,  /* behind another message of its group */
    COR_QUEUE_READY,    /* first of its group: can be claimed; in index queue_message_ready */
    COR_QUEUE_DELAYED,  /* first of its group, not before its time; in index queue_message_due */
    COR_QUEUE_LEASED,   /* first of its group, somebody works on it; in index queue_message_due */
    COR_QUEUE_DEAD,     /* in table queue_dead with a reason; final until it is removed */
    COR_QUEUE_STATE_COUNT_
} CorQueueState;

#define COR_QUEUE_NEVER INT64_MAX

/* One transaction on one lane, and what it changed. */
typedef struct CorQueueRows {
    CorSqlTxn *txn;
    int64_t lane; /* queue.id */
    int64_t now_unix_ms;

    /* For the lane's memory, after the commit. */
    int64_t turn;                          /* in and out: the queue's current turn */
    int64_t moved[COR_QUEUE_STATE_COUNT_]; /* change of each state's count */
    int64_t woken;                         /* moves into READY */
    int64_t next_due_unix_ms;              /* earliest time met, or COR_QUEUE_NEVER */
    bool is_next_due_exact;                /* it is the earliest of all, not only of those met */
} CorQueueRows;

/* What a lane knows when it is opened. */
typedef struct CorQueueLaneFacts {
    int64_t counts[COR_QUEUE_STATE_COUNT_];
    int64_t turn;
    int64_t next_due_unix_ms;
} CorQueueLaneFacts;

/* The id that the next message gets, and the receipt that the next lease gets. */
typedef struct CorQueueCounters {
    int64_t next_id;
    int64_t next_receipt;
} CorQueueCounters;

/** Bring the tables up to date, end the leases of the previous life, find the next message id. */
COR_MUSTCHECK bool cor_queue_priv_rows_start(CorSqlTxn *txn, int64_t now_unix_ms,
                                             CorQueueCounters *counters, CorError *err);

/** Find or make the lane of a name and count what is in it. */
COR_MUSTCHECK bool cor_queue_priv_rows_lane(CorSqlTxn *txn, const char *name, int64_t *ret_lane,
                                            CorQueueLaneFacts *ret_facts, CorError *err);

/** Put messages in, or find the first one of a duplicate; ids receives the message ids. */
COR_MUSTCHECK bool cor_queue_priv_rows_send(CorQueueRows *rows, const CorQueueSend *sends,
                                            size_t len, CorQueueCounters *counters,
                                            char (*ids)[COR_UUID_SIZE], CorError *err);

/** End delays and leases whose time has come, at most a few hundred at a time. */
COR_MUSTCHECK bool cor_queue_priv_rows_due(CorQueueRows *rows, CorError *err);

/** Lease up to how->max messages, in the order of their turns. */
COR_MUSTCHECK bool cor_queue_priv_rows_claim(CorQueueRows *rows, const CorQueueReceive *how,
                                             CorQueueCounters *counters, CorMessage **ret_messages,
                                             size_t *ret_len, CorError *err);

/** Settle one message; *ret_is_stale if its lease has ended. */
COR_MUSTCHECK bool cor_queue_priv_rows_settle(CorQueueRows *rows, const CorMessage *message,
                                              const CorQueueSettle *settle, bool *ret_is_stale,
                                              CorError *err);

/** Remove what is not leased; NOT_FOUND if there is nothing of that name. */
COR_MUSTCHECK bool cor_queue_priv_rows_cancel(CorQueueRows *rows, const char *dedup_id,
                                              bool *ret_removed, CorError *err);

/** Remove dead letters. */
COR_MUSTCHECK bool cor_queue_priv_rows_dead_remove(CorQueueRows *rows,
                                                   const char *const *message_ids, size_t len,
                                                   size_t *ret_removed, CorError *err);

/** On a reader: how many are before the first message of this name. */
COR_MUSTCHECK bool cor_queue_priv_rows_position(CorSqlTxn *txn, int64_t lane, const char *dedup_id,
                                                int64_t *ret_position, CorError *err);

/** On a reader: when the oldest message was sent; 0 if there is none. */
COR_MUSTCHECK bool cor_queue_priv_rows_oldest(CorSqlTxn *txn, int64_t lane, int64_t *ret_unix_ms,
                                              CorError *err);

/** On a reader: dead letters. */
COR_MUSTCHECK bool cor_queue_priv_rows_dead_list(CorSqlTxn *txn, int64_t lane,
                                                 const CorQueueDeadQuery *query,
                                                 CorMessage **ret_messages, size_t *ret_len,
                                                 CorError *err);
