/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share.
 *
 * Threads  Thread-safe, but for cor_deliver_priv_consumer_start() and _stop().
 */
#pragma once

#include "deliver/deliver.h"
#include "deliver/push.h"
#include "program/thread.h"

typedef struct CorConsumer CorConsumer;

struct CorDeliver {
    CorDeliverOptions options;
    CorPush *push; /* a reference */
    CorConsumer *consumer;
    CorThread *timer;
    CorWakeup *timer_wakeup;
    atomic_bool is_stopping;
};

/** Start the thread that takes results. */
COR_MUSTCHECK bool cor_deliver_priv_consumer_start(const CorDeliverOptions *options, CorPush *push,
                                                   CorConsumer **ret_consumer, CorError *err);

/** Finish the batch that is held, end the thread and free.  NULL is ignored. */
void cor_deliver_priv_consumer_stop(CorConsumer *consumer);

/** Wait until nothing is left to receive, trouble comes or the time is over. */
void cor_deliver_priv_consumer_drain(CorConsumer *consumer, int64_t deadline_ms);

/** The store is back: try now what is waiting for it. */
void cor_deliver_priv_consumer_hurry(CorConsumer *consumer);

/** Read an event's number as clients write it: decimal digits; false for anything else. */
bool cor_deliver_priv_parse_seq(const char *text, int64_t *ret_seq);

/** Read ?since=; COR_PUSH_SINCE_CURSOR if it is absent.  False: res says what is wrong. */
bool cor_deliver_priv_read_since(CorHttpRequest *req, CorHttpResponse *res, int64_t *ret_since);

/** True, and res says why, if there is no such client. */
bool cor_deliver_priv_refuse_client(CorHttpResponse *res, const char *client_id);

/** Make a connection within the client's bound.  False: res says no. */
bool cor_deliver_priv_join(CorDeliver *deliver, CorPushDoor door, const char *client_id,
                           CorHttpResponse *res, CorPushConn **ret_conn);
