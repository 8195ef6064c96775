/* SPDX-License-Identifier: Apache-2.0 */
/* Follow a client's numbered events over Server-Sent Events, across broken connections.
 *
 * Order      As in the client's log, each number once: after a break it goes on behind the last
 *            number that was seen.
 * Threads    One thread at a time.
 * Blocking   Until the callback says stop; after a break it tries again for 30 s.
 */
#pragma once

#include "base/error.h"
#include "cli/http-client.h"

#include <stdbool.h>
#include <stdint.h>

/* One frame as JSON (borrowed); return false to stop. */
typedef bool (*CorFollowFrame)(void *context, const json_t *frame);

/**
 * Follow from behind number since (-1: from the client's cursor).
 *
 * @return true if the callback stopped it
 */
COR_MUSTCHECK bool cor_follow(CorClient *client, const char *client_id, int64_t since,
                              CorFollowFrame on_frame, void *context, CorError *err);

/** The number of a client's last event; 0 if there is none. */
COR_MUSTCHECK bool cor_follow_last(CorClient *client, const char *client_id, int64_t *ret_last,
                                   CorError *err);

/** Print a frame: JSON on one line, or words. */
void cor_follow_print(const json_t *frame, bool as_json);
