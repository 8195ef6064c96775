/* SPDX-License-Identifier: Apache-2.0 */
/* Names of what a job makes: a function of its inputs, the algorithm and the parameters, so that a
 * retry overwrites itself (invariant 5).
 *
 * Threads  Thread-safe: pure functions.
 */
#pragma once

#include "base/id.h"
#include "base/json.h"
#include "job/request.h"

/**
 * The 8 hexadecimal digits that tell runs with other parameters apart: of the SHA-256 over the
 * algorithm's version and the canonical parameters.  "" when params equal defaults.
 */
COR_MUSTCHECK bool cor_derived_hash(const char *algo_version, const json_t *params,
                                    const json_t *defaults, char ret_hash[9], CorError *err);

/**
 * Key of the object derived from one input: "<folder>/<image>_<algo>[-hash].dcm", where <image> is
 * the input's last key part without one trailing ".dcm" in any case.
 *
 * A key without a folder, or one that would become too long, takes the input's UIDs instead:
 * "<study uid>/<series uid>/<sop uid>_<algo>[-hash].dcm".
 */
COR_MUSTCHECK bool cor_derived_key(const CorInput *input, const char *algo_id, const char *hash,
                                   char ret_key[COR_KEY_SIZE], CorError *err);
