/* SPDX-License-Identifier: Apache-2.0 */
/* What a client gets: an event of its log with its number and URLs signed now.
 *
 * Ownership  cor_deliver_priv_frame_new() gives the first reference.
 * Threads    Thread-safe: a frame never changes and its count is atomic.
 * Blocking   Never.
 * Errors     NOMEM only: an event that cannot be read becomes a frame that says so.
 */
#pragma once

#include <jansson.h>

#include "base/bytes.h"
#include "deliver/deliver.h"

typedef struct CorDeliverFrame CorDeliverFrame;

/**
 * Make the text of a frame (interfaces.md section 3).  An object whose URL cannot be signed goes
 * without one.
 *
 * @param event     the event body; NULL if it could not be read
 * @param job_id    named when event is NULL; may be NULL
 * @param ret_text  malloc()ed
 */
COR_MUSTCHECK bool cor_deliver_priv_frame_text(const CorDeliverOptions *options, int64_t seq,
                                               const json_t *event, const char *job_id,
                                               char **ret_text, CorError *err);

/** Make a frame, encoded once for all the connections that it goes to. */
COR_MUSTCHECK bool cor_deliver_priv_frame_new(const CorDeliverOptions *options, int64_t seq,
                                              const json_t *event, CorDeliverFrame **ret_frame,
                                              CorError *err);

/** As cor_deliver_priv_frame_new(), from the stored text of an event. */
COR_MUSTCHECK bool cor_deliver_priv_frame_from_body(const CorDeliverOptions *options, int64_t seq,
                                                    const char *body, CorDeliverFrame **ret_frame,
                                                    CorError *err);

CorDeliverFrame *cor_deliver_priv_frame_ref(CorDeliverFrame *frame);
void cor_deliver_priv_frame_unref(CorDeliverFrame *frame);
COR_DEFINE_CLEANUP(CorDeliverFrame, cor_deliver_priv_frame_unref)

int64_t cor_deliver_priv_frame_seq(const CorDeliverFrame *frame);

/** The JSON text.  Borrowed. */
CorBytes *cor_deliver_priv_frame_json(const CorDeliverFrame *frame);

/** The encoded WebSocket frame.  Borrowed. */
CorBytes *cor_deliver_priv_frame_ws(const CorDeliverFrame *frame);
