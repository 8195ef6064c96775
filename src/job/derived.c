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

size_t cor_derived_stem(const char *key)
{
    size_t size = strlen(key);
    bool has_end = size > 4 && strcasecmp(key + size - 4, ".dcm") == 0 && key[size - 5] != '/';

    return has_end ? size - 4 : size;
}

/* Could this be "<study uid>/<series uid>/<sop uid>"?  Real UIDs have a dot: "2024/1/5" is none. */
static bool looks_like_uids(const char *stem, size_t size)
{
    size_t start = 0;
    int parts = 0;

    for (size_t i = 0; i <= size; i++) {
        char part[COR_UID_SIZE];

        if (i < size && stem[i] != '/') {
            continue;
        }
        if (i - start >= sizeof(part)) {
            return false;
        }
        (void) snprintf(part, sizeof(part), "%.*s", (int) (i - start), stem + start);
        if (!cor_uid_is_legal(part) || !strchr(part, '.')) {
            return false;
        }
        parts++;
        start = i + 1;
    }
    return parts == 3;
}

bool cor_derived_key(const CorInput *input, const char *algo_id, const char *hash,
                     char ret_key[COR_KEY_SIZE], CorError *err)
{
    const char *dash = hash[0] ? "-" : "";
    size_t stem = cor_derived_stem(input->key);
    bool is_plain = !input->has_uid_key && strchr(input->key, '/') != NULL &&
                    !looks_like_uids(input->key, stem);
    int len = 0;

    if (is_plain) {
        len = snprintf(ret_key, COR_KEY_SIZE, "%.*s_%s%s%s.dcm", (int) stem, input->key, algo_id,
                       dash, hash);
    }
    if (!is_plain || len >= COR_KEY_SIZE || !cor_key_check(ret_key, NULL)) {
        len = snprintf(ret_key, COR_KEY_SIZE, "%s/%s/%s_%s%s%s.dcm", input->study_instance_uid,
                       input->series_instance_uid, input->sop_instance_uid, algo_id, dash, hash);
    }
    return cor_key_check(ret_key, err);
}
