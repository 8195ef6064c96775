/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for changes: parked requests, and streams of Server-Sent Events.
 *
 * One thread is woken by each commit of the catalogue.  It lets go of the requests that have
 * something to read, and writes to each stream what came since its last number.
 *
 * Ordering   A stream gets each change once, in the order of the numbers, none left out.
 * Ownership  cor_dicomweb_priv_feed_new() gives an object to free.
 * Threads    Thread-safe.
 * Blocking   free waits for the thread; the rest never.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "driver/sql.h"
#include "http/http-stream.h"

#include <stdint.h>

typedef struct CorFeed CorFeed;

/** Start to hear of commits. */
COR_MUSTCHECK bool cor_dicomweb_priv_feed_new(CorSql *catalog, CorFeed **ret_feed, CorError *err);

/** Free.  No request may be left: the HTTP server ends them when it drains.  NULL is ignored. */
void cor_dicomweb_priv_feed_free(CorFeed *feed);

/** Park a request, as cor_http_park() does, until there is a change after since. */
COR_MUSTCHECK bool cor_dicomweb_priv_feed_park(CorFeed *feed, CorHttpRequest *req, int64_t since,
                                               const CorHttpParkOptions *options, CorError *err);

/**
 * Answer with a stream of the changes after since.  The id of each event is the number of its
 * change and the identity of the catalogue: "42-0123456789abcdef".
 *
 * @param asked  identity of the catalogue whose number since is, or "" if nobody said; another one
 *               makes the stream begin with a reset
 */
COR_MUSTCHECK bool cor_dicomweb_priv_feed_stream(CorFeed *feed, CorHttpResponse *res, int64_t since,
                                                 const char *asked, CorError *err);
