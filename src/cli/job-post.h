/* SPDX-License-Identifier: Apache-2.0 */
/* Posting a job: POST /provision and POST /process/{algo}.
 *
 * Threads   One thread at a time.
 * Blocking  As http-client.h.
 */
#pragma once

#include "base/error.h"
#include "base/id.h"
#include "cli/http-client.h"

#include <stddef.h>

/* Texts are borrowed; NULL leaves a member out. */
typedef struct CorJobPost {
    const char *algo, *study, *series, *image, *scope, *client_id, *job_id, *order;
    const char *const *params; /* "name=value" */
    size_t param_len;
} CorJobPost;

/** Have a client id confirmed, or get a new one (wanted NULL). */
COR_MUSTCHECK bool cor_job_provision(CorClient *client, const char *wanted,
                                     char ret_client_id[COR_ID_SIZE], CorError *err);

/**
 * Post a job.
 *
 * @param ret_accepted  a new reference to the answer: job_id, algo_id, status_url...
 * @param err           INVALID if a param is not name=value; else what the server says
 */
COR_MUSTCHECK bool cor_job_post(CorClient *client, const CorJobPost *post, json_t **ret_accepted,
                                CorError *err);
