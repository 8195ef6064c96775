/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of Server-Sent Events (HTML Living Standard, section 9.2.6): bytes in, events out.
 *
 * Keeps its state between any two bytes.  Lines end with LF, CR LF or CR.
 *
 * Ownership  cor_sse_new() gives an object to free; what a callback gets is valid during the call.
 * Threads    One thread at a time.
 * Errors     LIMIT if an event is larger than allowed.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct CorSse CorSse;

/* One event; return false to stop.  type is "message" if the event does not name one; id is the
 * last id that the stream has named, or "". */
typedef bool (*CorSseEvent)(void *context, const char *type, const char *id, const char *data);

/** Make a reader of events of at most max_bytes; NULL if there is no memory. */
CorSse *cor_sse_new(size_t max_bytes, CorSseEvent on_event, void *context);
void cor_sse_free(CorSse *sse);
COR_DEFINE_CLEANUP(CorSse, cor_sse_free)

/** Take the next bytes; false if a callback stopped (err stays untouched) or LIMIT. */
bool cor_sse_feed(CorSse *sse, const char *bytes, size_t size, CorError *err);
