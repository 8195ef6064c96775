/* SPDX-License-Identifier: Apache-2.0 */
#include "job/derived.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"

bool cor_derived_hash(const char *algo_version, const json_t *params, const json_t *defaults,
                      const char *scope, char ret_hash[9], CorError *err)
{
    if (!scope && json_equal(params, defaults)) {
        ret_hash[0] = '\0';
        return true;
    }

    char digest[65];
    json_t *both =
        json_pack("{s:s, s:O, s:s*}", "version", algo_version, "params", params, "scope", scope);
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

/* Could this be so many UIDs, "<study uid>/<series uid>/<sop uid>"?  Real UIDs have a dot:
 * "2024/1/5" is none. */
static bool looks_like_uids(const char *text, size_t size, int len)
{
    size_t start = 0;
    int parts = 0;

    for (size_t i = 0; i <= size; i++) {
        char part[COR_UID_SIZE];

        if (i < size && text[i] != '/') {
            continue;
        }
        if (i - start >= sizeof(part)) {
            return false;
        }
        (void) snprintf(part, sizeof(part), "%.*s", (int) (i - start), text + start);
        if (!cor_uid_is_legal(part) || !strchr(part, '.')) {
            return false;
        }
        parts++;
        start = i + 1;
    }
    return parts == len;
}

/* Named after one input. */
static bool name_image(const CorDerived *derived, const char *ending, char ret_key[COR_KEY_SIZE],
                       CorError *err)
{
    const CorRequest *request = derived->request;
    const CorInput *input = &request->inputs[derived->input];
    const char *hash = request->key_hash;
    const char *dash = hash[0] ? "-" : "";
    size_t stem = cor_derived_stem(input->key);
    bool is_plain = !input->has_uid_key && strchr(input->key, '/') != NULL &&
                    !looks_like_uids(input->key, stem, 3);
    int len = 0;

    if (is_plain) {
        len = snprintf(ret_key, COR_KEY_SIZE, "%.*s_%s%s%s%s", (int) stem, input->key,
                       request->algo_id, dash, hash, ending);
    }
    if (!is_plain || len >= COR_KEY_SIZE || !cor_key_check(ret_key, NULL)) {
        (void) snprintf(ret_key, COR_KEY_SIZE, "%s/%s/%s_%s%s%s%s", input->study_instance_uid,
                        input->series_instance_uid, input->sop_instance_uid, request->algo_id, dash,
                        hash, ending);
    }
    return cor_key_check(ret_key, err);
}

/* Named after the series of an input. */
static bool name_series(const CorDerived *derived, const char *ending, char ret_key[COR_KEY_SIZE],
                        CorError *err)
{
    const CorRequest *request = derived->request;
    const CorInput *input = &request->inputs[derived->input];
    const char *hash = request->key_hash;
    const char *dash = hash[0] ? "-" : "";
    const char *slash = strrchr(input->key, '/');
    size_t folder = slash ? (size_t) (slash - input->key) : 0;
    bool is_plain = !input->has_uid_key && !request->has_uid_series_key && slash &&
                    !looks_like_uids(input->key, folder, 2);
    int len = 0;

    if (is_plain) {
        len = snprintf(ret_key, COR_KEY_SIZE, "%.*s/%s%s%s%s", (int) folder, input->key,
                       request->algo_id, dash, hash, ending);
    }
    if (!is_plain || len >= COR_KEY_SIZE || !cor_key_check(ret_key, NULL)) {
        (void) snprintf(ret_key, COR_KEY_SIZE, "%s/%s/%s%s%s%s", input->study_instance_uid,
                        input->series_instance_uid, request->algo_id, dash, hash, ending);
    }
    return cor_key_check(ret_key, err);
}

static bool name_refused(const CorDerived *derived, bool is_picture, char ret_key[COR_KEY_SIZE],
                         CorError *err)
{
    (void) snprintf(ret_key, COR_KEY_SIZE, "%s/%s-%zu.%lld.%s", derived->request->job_id,
                    derived->role, derived->input + 1, (long long) derived->frame,
                    is_picture ? "png" : "dcm");
    return cor_key_check(ret_key, err);
}

bool cor_derived_name(const CorDerived *derived, const char **ret_bucket,
                      char ret_key[COR_KEY_SIZE], CorError *err)
{
    static const struct {
        const char *role;
        const char *ending; /* of an object */
        const char *file;   /* of what is no DICOM */
    } kinds[] = {{"overlay", ".dcm", NULL},
                 {"image", ".dcm", NULL},
                 {"segmentation", ".seg.dcm", NULL},
                 {"report", ".sr.dcm", NULL},
                 {"preview", NULL, "preview.png"},
                 {"thumbnail", NULL, "thumbnail.png"},
                 {"measurements", NULL, "measurements.json"}};
    bool is_image = strcmp(derived->request->scope, "image") == 0;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char ending[32];
        bool is_of_slice = i < 2;

        if (strcmp(kinds[i].role, derived->role) != 0) {
            continue;
        }
        if (derived->is_refused) {
            *ret_bucket = "quarantine";
            return name_refused(derived, kinds[i].file != NULL, ret_key, err);
        }
        if (kinds[i].file) {
            *ret_bucket = "jobs";
            (void) snprintf(ret_key, COR_KEY_SIZE, "%s/%s", derived->request->job_id,
                            kinds[i].file);
            return cor_key_check(ret_key, err);
        }
        *ret_bucket = "output";
        (void) snprintf(ending, sizeof(ending), "%s", kinds[i].ending);
        if (derived->number > 1 && !is_of_slice) {
            (void) snprintf(ending, sizeof(ending), ".%lld%s", (long long) derived->number,
                            kinds[i].ending);
        }
        if (derived->frame > 0 && is_of_slice) {
            (void) snprintf(ending, sizeof(ending), ".frame%lld.dcm", (long long) derived->frame);
        }
        return is_image || is_of_slice ? name_image(derived, ending, ret_key, err)
                                       : name_series(derived, ending, ret_key, err);
    }
    return cor_fail(err, COR_ERR_CORRUPT, "nothing derived has the role of this output");
}
