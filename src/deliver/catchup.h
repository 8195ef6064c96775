/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that touches the ledger for connections: reads pages of logs, writes cursors.
 *
 * Ordering   A cursor that was acknowledged before a page was asked for is written before that
 *            page is read.
 * Ownership  cor_deliver_priv_catchup_new() gives an object to free.
 * Threads    Thread-safe.
 * Blocking   Asking never blocks; stopping waits for the thread.
 * Errors     Transient troubles are tried again inside and logged once per change.
 */
#pragma once

#include "deliver/push.h"

typedef struct CorCatchup CorCatchup;

COR_MUSTCHECK bool cor_deliver_priv_catchup_new(const CorDeliverOptions *options,
                                                CorCatchup **ret_catchup, CorError *err);
void cor_deliver_priv_catchup_free(CorCatchup *catchup);

COR_MUSTCHECK bool cor_deliver_priv_catchup_start(CorCatchup *catchup, CorError *err);

/** Write the cursors that wait, drop the pages that were asked for, and end the thread. */
void cor_deliver_priv_catchup_stop(CorCatchup *catchup);

/**
 * Ask for the page after conn->next_seq - 1, or for the first one after conn->since; it comes back
 * through cor_deliver_priv_conn_page() on the WebSocket thread.  WebSocket thread only.
 *
 * @return false if there is no memory or the thread has stopped: no page will come
 */
COR_MUSTCHECK bool cor_deliver_priv_catchup_ask(CorCatchup *catchup, CorPushConn *conn);

/**
 * Ask for the page after `since` for all connections of a client that are current; it comes back
 * through cor_deliver_priv_push_page() on the WebSocket thread.  WebSocket thread only.
 *
 * @return false if there is no memory or the thread has stopped: no page will come
 */
COR_MUSTCHECK bool cor_deliver_priv_catchup_ask_for_all(CorCatchup *catchup, CorPush *push,
                                                        CorPushClient *client, int64_t since);

/** Move the cursor of a connection's client, soon; seq 0 only notes that the client is here. */
void cor_deliver_priv_catchup_ack(CorCatchup *catchup, CorPushConn *conn, int64_t seq);
