/* SPDX-License-Identifier: Apache-2.0 */
/* What an operation of the host may use: its descriptors, and ways to answer while it works.
 *
 * Ownership  The context and its descriptors belong to the host; descriptors are closed after the
 *            operation.
 * Threads    One thread at a time.
 * Blocking   Answers block while the other side does not read.
 * Errors     CANCELLED: the request was cancelled, stop.  HOST_LOST: the other side is gone, stop.
 * Units      Milliseconds, bytes.
 */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "host/host.h"

#include <stddef.h>
#include <stdint.h>

/** How many descriptors came with the request and the `input` frames before it. */
size_t cor_host_priv_input_len(const CorHostContext *context);

/** Descriptor i; borrowed. */
int cor_host_priv_input_fd(const CorHostContext *context, size_t i);

/** Bytes that one decoded frame may have; 0: the default of dicom/dicom.h. */
size_t cor_host_priv_frame_max(const CorHostContext *context);

/** Bytes that the host may use; 0: no limit. */
size_t cor_host_priv_memory_max(const CorHostContext *context);

/** What was said of descriptor i in its `input` frame; borrowed, NULL if nothing. */
const json_t *cor_host_priv_input_json(const CorHostContext *context, size_t i);

/** Close descriptor i early; a long series would else hold all its files to the end. */
void cor_host_priv_input_close(CorHostContext *context, size_t i);

/** Look whether the request has been cancelled; never blocks.  False with CANCELLED or HOST_LOST.
 */
COR_MUSTCHECK bool cor_host_priv_check(CorHostContext *context, CorError *err);

/**
 * Report the share of the work that is done, and look whether it is cancelled.
 *
 * @param fraction  0 to 1; the first, 1.0, and others at most once in 50 ms are sent
 */
COR_MUSTCHECK bool cor_host_priv_progress(CorHostContext *context, double fraction,
                                          const char *stage, CorError *err);

/**
 * Send one output: a sealed copy of the bytes and its description.
 *
 * @param output  an object of one's own; "answer", "id", "fds" and "size" are added
 */
COR_MUSTCHECK bool cor_host_priv_output(CorHostContext *context, json_t *output, const void *data,
                                        size_t size, CorError *err);

/** As above, for bytes that are already in a memory file, which is sealed; fd stays the caller's.
 */
COR_MUSTCHECK bool cor_host_priv_output_fd(CorHostContext *context, json_t *output, int fd,
                                           CorError *err);

/**
 * Add what is JSON text already to the operation's result, so that nobody has to parse it before
 * the other side does: a member, and an annex that the other side need not parse either.
 *
 * @param name   of the member; static
 * @param text   JSON that is known to be well formed; taken and freed
 * @param annex  NULL, or a part of the memory of text that it does not use itself
 */
void cor_host_priv_result_text(CorHostContext *context, const char *name, char *text,
                               const char *annex, size_t annex_size);

extern const CorHostOperation cor_host_priv_op_bulk;
extern const CorHostOperation cor_host_priv_op_frame;
extern const CorHostOperation cor_host_priv_op_transcode;
extern const CorHostOperation cor_host_priv_op_index;
extern const CorHostOperation cor_host_priv_op_decode;
extern const CorHostOperation cor_host_priv_op_render;
extern const CorHostOperation cor_host_priv_op_run;
