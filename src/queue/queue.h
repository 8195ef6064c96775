/* SPDX-License-Identifier: Apache-2.0 */
/* Durable FIFO of messages.
 *
 * A message belongs to a group.  Groups are independent; inside a group messages are handed out one
 * at a time, in the order they were sent: a group whose first message is leased, delayed or waiting
 * for its retry gives nothing else out.  A received message is leased: it stays hidden until it is
 * acknowledged or its lease ends, and then it is handed out again.  So delivery is at least once,
 * and receivers must be idempotent.  Messages never expire.
 *
 * Fairness    Between groups the smallest (turn, arrival) goes next, where a message's turn is
 *             max(the queue's current turn, its client's last turn) + 1: one client's thousand
 *             messages do not make another client wait for all of them.
 * Durability  cor_queue_send() returns true only when the message survives a crash of this host;
 *             with is_resendable, of this process (the sender can and will send again).  What is
 *             done with a received message survives a crash of this process; a power cut may undo
 *             it, which is work done twice.
 * Ownership   cor_queue_open() gives an object to close; cor_queue_receive() and the dead-letter
 *             calls give messages to free.
 * Threads     CorQueue: Thread-safe.
 *             CorMessage: One thread at a time.
 * Blocking    Every function may block until its data is committed.  Not for the WebSocket thread.
 * Errors      UNAVAILABLE and TIMEOUT are worth a retry; nothing else is.  CONFLICT: the lease of
 *             a message has ended.
 * Units       Durations are milliseconds.  Bodies are opaque bytes, 1 to COR_QUEUE_BODY_MAX.
 *
 * To add a store, see queue-backend.h.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_QUEUE_BODY_MAX ((size_t) 256 * 1024)
#define COR_QUEUE_NAME_MAX 160                       /* bytes of a queue's name */
#define COR_QUEUE_ID_MAX 256                         /* bytes of a group, dedup or client id */
#define COR_QUEUE_REASON_MAX 256                     /* bytes of a reason; more is cut */
#define COR_QUEUE_BATCH_MAX 128                      /* messages per call */
#define COR_QUEUE_LEASE_MIN_MS ((int64_t) 1000)      /* a second */
#define COR_QUEUE_LEASE_MAX_MS ((int64_t) 43200000)  /* 12 hours */
#define COR_QUEUE_DELAY_MAX_MS ((int64_t) 43200000)  /* 12 hours */
#define COR_QUEUE_WAIT_MAX_MS ((int64_t) 60000)      /* a minute */
#define COR_QUEUE_DEDUP_WINDOW_MS ((int64_t) 300000) /* 5 minutes */
#define COR_QUEUE_POSITION_MAX 1000                  /* positions are exact up to here */

typedef struct CorQueue CorQueue;
typedef struct CorMessage CorMessage;

/* What to send.  Texts and body are borrowed for the call. */
typedef struct CorQueueSend {
    const char *group_id;   /* 1 to COR_QUEUE_ID_MAX bytes of UTF-8 */
    const char *dedup_id;   /* the same; for a job's messages, the job id */
    const char *client_id;  /* for taking turns; NULL or "" takes part as nobody */
    const char *message_id; /* a UUID to use as message id; NULL makes a random one */
    const void *body;
    size_t body_size;
    int64_t delay_ms;   /* not handed out before; its group waits for it */
    bool is_resendable; /* a power cut may undo it: the sender would send it again */
} CorQueueSend;

typedef struct CorQueueReceive {
    int64_t lease_ms; /* how long others cannot see it: COR_QUEUE_LEASE_MIN_MS to _MAX_MS */
    int64_t wait_ms;  /* longest time to wait for the first message; 0 returns at once */
    size_t max;       /* 1 to COR_QUEUE_BATCH_MAX */
} CorQueueReceive;

typedef struct CorQueueStats {
    int64_t visible; /* neither leased nor delayed; those behind another of their group included */
    int64_t receivable; /* of these: could be received now */
    int64_t in_flight;  /* leased */
    int64_t delayed;    /* waiting for a delay or a retry */
    int64_t dead;       /* dead letters */
    int64_t
        oldest_age_ms; /* since the oldest message that is not dead was sent; 0 if there is none */
} CorQueueStats;

/**
 * Something may have become receivable.  Called from any thread, must be short (write to an
 * eventfd) and must not call this queue.
 */
typedef void CorQueueWatch(void *arg);

/**
 * Open the queue named by a URI, creating its storage if there is none.
 *
 * The first open of an embedded store in a process ends the leases that its previous life left, and
 * those receives do not count.  A damaged store is refused with CORRUPT and a text that says the
 * way out.
 *
 * @param uri        "sqlite:/path/corsia.db"
 * @param name       "Requests-<algo>.fifo" or "Results.fifo"; letters, digits and ._~-
 * @param ret_queue  receives the queue; the caller closes it with cor_queue_close()
 * @return true on success.  INVALID if no backend knows the scheme.
 */
COR_MUSTCHECK bool cor_queue_open(const char *uri, const char *name, CorQueue **ret_queue,
                                  CorError *err);

/**
 * Close a queue.  Leased messages stay leased until their time runs out.  No other call on this
 * object may be running.  NULL is ignored.
 */
void cor_queue_close(CorQueue *queue);
COR_DEFINE_CLEANUP(CorQueue, cor_queue_close)

/** The name it was opened with.  Borrowed. */
const char *cor_queue_name(const CorQueue *queue);

/**
 * Send one message.
 *
 * If a message with the same dedup_id was sent to this queue within COR_QUEUE_DEDUP_WINDOW_MS, this
 * succeeds, stores nothing and gives the first one's id, even if that one is already acknowledged.
 *
 * @param ret_message_id  receives the message id
 * @return INVALID for an illegal size or id
 */
COR_MUSTCHECK bool cor_queue_send(CorQueue *queue, const CorQueueSend *send,
                                  char ret_message_id[COR_UUID_SIZE], CorError *err);

/**
 * Send several messages in one commit: all or none, in the order of the array.  One message that is
 * not resendable makes all of them survive a power cut.
 *
 * @param len              1 to COR_QUEUE_BATCH_MAX
 * @param ret_message_ids  len ids; NULL if not wanted
 */
COR_MUSTCHECK bool cor_queue_send_many(CorQueue *queue, const CorQueueSend *sends, size_t len,
                                       char (*ret_message_ids)[COR_UUID_SIZE], CorError *err);

/**
 * Take the next messages and lease them.
 *
 * An empty queue is no error: the call succeeds with *ret_len 0, and costs no work in the store.
 * The wait ends with the first message; it does not wait for how->max.  A message whose body is
 * damaged goes to the dead letters instead of being handed out.
 *
 * @param ret_messages  room for how->max messages; free each with cor_message_free()
 * @param ret_len       how many came
 */
COR_MUSTCHECK bool cor_queue_receive(CorQueue *queue, const CorQueueReceive *how,
                                     CorMessage **ret_messages, size_t *ret_len, CorError *err);

/**
 * Be told whenever something may have become receivable: sent, released, its turn in its group, its
 * lease or delay over.  If something is receivable now, told at once.  One watch per CorQueue
 * object.
 *
 * @param watch  NULL ends it; when that returns, no call is running any more
 */
void cor_queue_watch(CorQueue *queue, CorQueueWatch *watch, void *arg);

/** Let the lease end lease_ms from now.  CONFLICT if it has ended. */
COR_MUSTCHECK bool cor_queue_extend(CorQueue *queue, CorMessage *message, int64_t lease_ms,
                                    CorError *err);

/**
 * Give a leased message back, to be handed out again after delay_ms.  Its group waits for it.
 *
 * @param counts  false takes the receive back: it was no attempt
 */
COR_MUSTCHECK bool cor_queue_release(CorQueue *queue, CorMessage *message, int64_t delay_ms,
                                     bool counts, CorError *err);

/**
 * Remove leased messages for good.
 *
 * Call it once the work is durable.  CONFLICT means that the lease of at least one ended and
 * somebody else may have it (cor_message_is_stale() tells which): the caller's work stands, it is
 * only done twice.  The others are acknowledged all the same.
 *
 * @param len  1 to COR_QUEUE_BATCH_MAX
 */
COR_MUSTCHECK bool cor_queue_ack(CorQueue *queue, CorMessage *const *messages, size_t len,
                                 CorError *err);

/** Move a leased message to the dead letters ("<queue>-dead") with a reason.  CONFLICT if stale. */
COR_MUSTCHECK bool cor_queue_fail(CorQueue *queue, CorMessage *message, const char *reason,
                                  CorError *err);

/**
 * Remove the messages with this dedup_id that are not leased.
 *
 * @param ret_removed  true if none is left; false if one is leased: its receiver must be told and
 *                     acknowledges it
 * @return NOT_FOUND if there is no such message
 */
COR_MUSTCHECK bool cor_queue_cancel(CorQueue *queue, const char *dedup_id, bool *ret_removed,
                                    CorError *err);

/**
 * How many messages are handed out before this one: those with an earlier turn that could be handed
 * out now, and those before it in its group.  Exact up to COR_QUEUE_POSITION_MAX, then that.  0 for
 * the next one and for a leased one.
 *
 * @return NOT_FOUND if there is no such message
 */
COR_MUSTCHECK bool cor_queue_position(CorQueue *queue, const char *dedup_id, int64_t *ret_position,
                                      CorError *err);

/** Counts and age.  Cheap: nothing is counted in the store. */
COR_MUSTCHECK bool cor_queue_stats(CorQueue *queue, CorQueueStats *ret_stats, CorError *err);

/**
 * List dead letters in the order in which they died.
 *
 * @param after         cor_message_seq() of the last one seen; 0 begins
 * @param max           1 to COR_QUEUE_BATCH_MAX
 * @param ret_messages  room for max messages; free each with cor_message_free()
 */
COR_MUSTCHECK bool cor_queue_dead_list(CorQueue *queue, int64_t after, size_t max,
                                       CorMessage **ret_messages, size_t *ret_len, CorError *err);

/** Find a dead letter by its message id.  *ret_message is NULL if there is none. */
COR_MUSTCHECK bool cor_queue_dead_find(CorQueue *queue, const char *message_id,
                                       CorMessage **ret_message, CorError *err);

/**
 * Remove dead letters for good, for a redrive after their new jobs are durable.  One that is not
 * there is no error.
 *
 * @param len          1 to COR_QUEUE_BATCH_MAX
 * @param ret_removed  how many were there; NULL if not wanted
 */
COR_MUSTCHECK bool cor_queue_dead_remove(CorQueue *queue, const char *const *message_ids,
                                         size_t len, size_t *ret_removed, CorError *err);

/**
 * The names of all queues of a store, sorted, without those of the dead letters.
 *
 * @param ret_names  a malloc()ed array of malloc()ed names; free with cor_queue_names_free()
 */
COR_MUSTCHECK bool cor_queue_list_names(const char *uri, char ***ret_names, size_t *ret_len,
                                        CorError *err);
void cor_queue_names_free(char **names, size_t len);

/** Free a message, leaving its lease as it is.  NULL is ignored. */
void cor_message_free(CorMessage *message);
COR_DEFINE_CLEANUP(CorMessage, cor_message_free)

/* Borrowed from the message. */
const char *cor_message_id(const CorMessage *message);
const char *cor_message_group_id(const CorMessage *message);
const char *cor_message_dedup_id(const CorMessage *message);
const char *cor_message_client_id(const CorMessage *message);
/** The body; a NUL that does not count follows it. */
const void *cor_message_body(const CorMessage *message);
size_t cor_message_size(const CorMessage *message);

/** How often it has been received, this time included and those given back excluded. */
int cor_message_receives(const CorMessage *message);
int64_t cor_message_sent_unix_ms(const CorMessage *message);

/** When the lease ends, on the clock of cor_time_ms(). */
int64_t cor_message_lease_end_ms(const CorMessage *message);

/** True once a call said that its lease has ended. */
bool cor_message_is_stale(const CorMessage *message);

/** Place in the order of arrival, or for a dead letter in the order of death.  At least 1. */
int64_t cor_message_seq(const CorMessage *message);

/** Why and when it was put to the dead letters; "" and 0 for a living message. */
const char *cor_message_reason(const CorMessage *message);
int64_t cor_message_failed_unix_ms(const CorMessage *message);
