/* SPDX-License-Identifier: Apache-2.0 */
/* Names of what a job makes: a function of its inputs, the algorithm and the parameters, so that a
 * retry overwrites itself (invariant 5).
 *
 * Threads  Thread-safe: pure functions.
 */
#pragma once

#include <stdint.h>

#include "base/id.h"
#include "base/json.h"
#include "job/request.h"

/**
 * The 8 hexadecimal digits that tell runs with other parameters apart: of the SHA-256 over the
 * algorithm's version and the canonical parameters.  "" when params equal defaults.
 *
 * @param scope  of an algorithm whose masks depend on the other slices, taken in as well; NULL if
 * it makes no difference or is "series"
 */
COR_MUSTCHECK bool cor_derived_hash(const char *algo_version, const json_t *params,
                                    const json_t *defaults, const char *scope, char ret_hash[9],
                                    CorError *err);

/** Size of a key without one trailing ".dcm" in any case, unless that is the whole last part. */
size_t cor_derived_stem(const char *key);

/* What is derived, for its name. */
typedef struct CorDerived {
    const CorRequest *request;
    size_t input;     /* that it is named after: of a series the first slice */
    const char *role; /* "overlay", "segmentation", "report", "preview", "thumbnail", ... */
    int64_t frame;    /* from 1, of an overlay if the input has several; else 0 */
    int64_t number;   /* of a Segmentation or report among those of its job, from 1; 0: the only */
    bool is_refused;  /* by the gate: it is kept apart */
} CorDerived;

/**
 * Bucket and key of something derived.
 *
 *   overlay       output      "<folder>/<image>_<algo>[-hash][.frame<n>].dcm"
 *   segmentation  output      the same ending in ".seg.dcm" if the job is about one image, else
 *   report                    "<folder>/<algo>[-hash].seg.dcm"; ".sr.dcm".  The second one of a
 *                             job ends in ".2.seg.dcm", and so on
 *   others        jobs        "<job id>/preview.png", "thumbnail.png", "measurements.json": they
 *                             live as long as the ledger knows the job
 *   refused       quarantine  "<job id>/<role>-<input, frame>.dcm", ".png"
 *
 * <image> is the input's last key part without one trailing ".dcm" in any case.  Where that could
 * name two, names are made of the input's UIDs: "<study uid>/<series uid>/<sop uid>_<algo>..." and
 * "<study uid>/<series uid>/<algo>...".  So no two inputs and no two series share a key:
 *
 *   has_uid_key         whoever pins an input sets it if its bucket is not "pacs", where the same
 *                       folder and image may exist, or if an older object of "pacs" has a key with
 *                       the same stem ("a/1", "a/1.dcm" and "a/1.DCM").  The older one keeps the
 *                       first form
 *   has_uid_series_key  the same for the folder: an older object of another series lies in it
 *   UIDs                the stem looks like three UIDs, or the folder like two, which may be those
 *                       of another input
 *   no folder           or the key would be too long
 */
COR_MUSTCHECK bool cor_derived_name(const CorDerived *derived, const char **ret_bucket,
                                    char ret_key[COR_KEY_SIZE], CorError *err);
