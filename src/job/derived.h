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

/** Size of a key without one trailing ".dcm" in any case, unless that is the whole last part. */
size_t cor_derived_stem(const char *key);

/**
 * Key of the object derived from one input: "<folder>/<image>_<algo>[-hash].dcm", where <image> is
 * the input's last key part without one trailing ".dcm" in any case; or, made of the input's UIDs,
 * "<study uid>/<series uid>/<sop uid>_<algo>[-hash].dcm".
 *
 * No two inputs share a key.  The UIDs are taken where the first form could name two:
 *
 *   has_uid_key  whoever pins an input sets it if its bucket is not "pacs", where the same folder
 *                and image may exist, or if an older object of "pacs" has a key with the same stem
 *                ("a/1", "a/1.dcm" and "a/1.DCM").  The older one keeps the first form
 *   UIDs         the stem looks like three UIDs, which may be those of another input
 *   no folder    or the key would be too long
 */
COR_MUSTCHECK bool cor_derived_key(const CorInput *input, const char *algo_id, const char *hash,
                                   char ret_key[COR_KEY_SIZE], CorError *err);
