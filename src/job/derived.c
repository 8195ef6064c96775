/* SPDX-License-Identifier: Apache-2.0 */
#include "job/derived.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"

bool cor_derived_hash(const char *algo_version, const json_t *params, const json_t *defaults,
                      char ret_hash[9], CorError *err)
{
    if (json_equal(params, defaults)) {
        ret_hash[0] = '\0';
        return true;
    }

    char digest[65];
    json_t *both = json_pack("{s:s, s:O}", "version", algo_version, "params", params);
    if (!both) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for JSON");
    }
    bool ok = cor_json_sha256(both, digest, err);
    json_decref(both);
    if (ok) {
        (void) snprintf(ret_hash, 9, "%.8s", digest);
    }
    return ok;
}

bool cor_derived_key(const CorInput *input, const char *algo_id, const char *hash,
                     char ret_key[COR_KEY_SIZE], CorError *err)
{
    const char *slash = strrchr(input->key, '/');
    const char *dash = hash[0] ? "-" : "";
    size_t stem = strlen(input->key);
    int len = 0;

    if (stem > 4 && strcasecmp(input->key + stem - 4, ".dcm") == 0 && input->key[stem - 5] != '/') {
        stem -= 4;
    }
    if (slash) {
        len = snprintf(ret_key, COR_KEY_SIZE, "%.*s_%s%s%s.dcm", (int) stem, input->key, algo_id,
                       dash, hash);
    }
    if (!slash || len >= COR_KEY_SIZE || !cor_key_check(ret_key, NULL)) {
        len = snprintf(ret_key, COR_KEY_SIZE, "%s/%s/%s_%s%s%s.dcm", input->study_instance_uid,
                       input->series_instance_uid, input->sop_instance_uid, algo_id, dash, hash);
    }
    return cor_key_check(ret_key, err);
}
