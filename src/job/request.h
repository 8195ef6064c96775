/* SPDX-License-Identifier: Apache-2.0 */
/* What travels on Requests-<algo>.fifo: the accepted job, with its inputs pinned.
 *
 * The message is the posted object (unknown members kept) plus job_id, algo_id, algo_version,
 * accepted_at and the pinned inputs, or inputs_key when their list is longer than
 * COR_LIST_INLINE_MAX.
 *
 * Ownership  A CorRequest owns what it points to; cor_request_done() frees it.
 * Threads    One thread at a time.
 */
#pragma once

#include "base/id.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_ALGO_ID_SIZE 65
#define COR_VERSION_SIZE 33
#define COR_BUCKET_SIZE 32

/* Longest list that travels inside a message; longer ones are an object in bucket "jobs". */
#define COR_LIST_INLINE_MAX ((size_t) 64 * 1024)

/* An input as it was when the job was accepted. */
typedef struct CorInput {
    char sop_instance_uid[COR_UID_SIZE];
    char series_instance_uid[COR_UID_SIZE];
    char study_instance_uid[COR_UID_SIZE];
    char bucket[COR_BUCKET_SIZE];
    char sha256[65];
    uint64_t size_bytes;
    char *key;
    bool has_uid_key; /* what is derived from it is named by UIDs, see derived.h */
} CorInput;

typedef struct CorRequest {
    char job_id[COR_ID_SIZE];
    char client_id[COR_ID_SIZE];
    char algo_id[COR_ALGO_ID_SIZE];
    char algo_version[COR_VERSION_SIZE];
    char scope[16]; /* "image", "series" or "study" */
    int64_t accepted_unix_ms;
    json_t *params;  /* complete: defaults are filled in */
    json_t *outputs; /* array of roles, or NULL for all that the algorithm makes */
    CorInput *inputs;
    size_t input_len;
    char *inputs_key;        /* NULL when the inputs are inline */
    bool has_uid_series_key; /* what is derived from the series is named by UIDs, see derived.h */
    char key_hash[9];        /* 8 hex digits, "" for default parameters: part of derived keys */
} CorRequest;

void cor_request_done(CorRequest *request);

/** Read a message; CORRUPT if it is none.  Inputs stay empty when inputs_key is set. */
COR_MUSTCHECK bool cor_request_parse(const char *text, size_t size, CorRequest *ret_request,
                                     CorError *err);

/** Add a list of pinned inputs to the JSON object of a message as member "inputs". */
COR_MUSTCHECK bool cor_inputs_to_json(const CorInput *inputs, size_t len, json_t **ret_array,
                                      CorError *err);

/** Read such a list into request->inputs (which must be empty). */
COR_MUSTCHECK bool cor_inputs_from_json(const json_t *array, CorRequest *request, CorError *err);
