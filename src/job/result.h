/* SPDX-License-Identifier: Apache-2.0 */
/* What travels on Results.fifo, and the event that a client gets from it.
 *
 * Result message (worker -> deliver):
 *   {"job_id","algo_id","client_id","status":"succeeded"|"failed","found":bool,
 *    "outputs":[{"role","bucket","key","media_type","sop_instance_uid","size","sha256",
 *                "record":{...catalogue record...}}] or "outputs_key":"<key in bucket jobs>",
 *    "measurements":{...},"attempts":n,
 *    "timing_ms":{"queued","fetch","compute","store","total"},
 *    "error":{"code","message","stage","attempts"}}          only when failed
 *
 * Event body (in the client's log, without URLs; those are signed when a frame is sent):
 *   the same without records, sizes and digests, plus "type":"result" and
 *   "dicom":{"bucket","key"}, the first overlay.
 *
 * Ownership  Functions give new references.
 * Threads    One thread at a time per value.
 */
#pragma once

#include "base/json.h"
#include "job/job-state.h"

#include <stdint.h>

#define COR_EVENT_BODY_MAX ((size_t) 256 * 1024)

/** The word that clients see for a failure that ended a job: "bad_input", "timeout", ... */
const char *cor_result_error_code(CorErrorCode code);

/** The error member of a failed result. */
json_t *cor_result_error(const char *code, const char *message, const char *stage, int attempts);

/**
 * Make the event body of a result message whose outputs are complete (not behind outputs_key).
 * Outputs that would make it longer than max_bytes are left out and "outputs_url" says
 * where they are.
 */
COR_MUSTCHECK bool cor_event_from_result(const json_t *result, size_t max_bytes, json_t **ret_event,
                                         CorError *err);

/** The event body of a job that was cancelled. */
COR_MUSTCHECK bool cor_event_cancelled(const char *job_id, const char *algo_id,
                                       const char *client_id, json_t **ret_event, CorError *err);

/** The final state that a result message or an event body tells; CORRUPT if it tells none. */
COR_MUSTCHECK bool cor_result_state(const json_t *result, CorJobState *ret_state, CorError *err);
