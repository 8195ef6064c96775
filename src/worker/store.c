/* SPDX-License-Identifier: Apache-2.0 */
/* Where outputs go: objects to bucket "output", what lives as long as its job to "jobs", what the
 * gate refused to "quarantine", with its reason and a picture beside it.  Nothing here looks into
 * DICOM bytes (invariant 6). */
#include "worker/worker-priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "job/derived.h"

/* Add an output to the result, with where it lies. */
static bool list_output(CorWork *work, const json_t *output, const char *bucket, const char *key,
                        const CorBlobPut *put, CorError *err)
{
    char hex[COR_SHA256_HEX_SIZE];
    json_t *stored = json_copy((json_t *) output);

    if (!stored || json_object_set_new(stored, "bucket", json_string(bucket)) != 0 ||
        json_object_set_new(stored, "key", json_string(key)) != 0 ||
        json_object_set_new(stored, "sha256",
                            json_string(cor_hex_encode(put->sha256, COR_SHA256_SIZE, hex))) != 0 ||
        json_object_set_new(stored, "stored_unix_ms", json_integer(put->modified_unix_ms)) != 0 ||
        json_array_append_new(work->outputs, stored) != 0) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the list of outputs");
    }
    return true;
}

/* Beside what the gate refused, in words: why, and of what. */
static bool store_reason(CorWork *work, const json_t *output, char key[COR_KEY_SIZE], CorError *err)
{
    const CorRequest *request = &work->request;
    char *end = strrchr(key, '.');
    COR_CLEANUP(cor_json_freep)
    json_t *reason =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "job_id", request->job_id, "algo_id",
                  request->algo_id, "algo_version", request->algo_version, "role",
                  cor_json_string(output, "role", ""), "sop_instance_uid",
                  cor_json_string(output, "sop_instance_uid", ""), "source_sop_instance_uid",
                  request->inputs[cor_json_integer(output, "source", 0)].sop_instance_uid, "reason",
                  cor_json_string(output, "refusal", ""));
    char *text = reason ? cor_json_canonical(reason) : NULL;

    if (!text || !end || end + sizeof(".json") > key + COR_KEY_SIZE) {
        free(text);
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a reason");
    }
    memcpy(end, ".json", sizeof(".json"));
    bool ok = cor_blob_put_bytes(work->worker->options.blobs, COR_BUCKET_QUARANTINE, key, text,
                                 strlen(text), err);
    free(text);
    return ok;
}

/* Store one output under its name; a function of the input, so that a retry overwrites. */
bool cor_worker_priv_store_output(CorWork *work, int fd, const json_t *output, CorError *err)
{
    bool is_object = strcmp(cor_json_string(output, "media_type", ""), "application/dicom") == 0;
    CorDerived derived = {.request = &work->request,
                          .role = cor_json_string(output, "role", ""),
                          .frame = cor_json_integer(output, "frame", 0),
                          .is_refused = json_object_get(output, "refusal") != NULL};
    int64_t source = cor_json_integer(output, "source", is_object ? -1 : 0);
    CorBlobPut put;
    const char *bucket = NULL;
    char key[COR_KEY_SIZE];

    if (fd < 0 || cor_json_integer(output, "size", -1) < 0 || source < 0 ||
        (size_t) source >= work->request.input_len) {
        return cor_fail(err, COR_ERR_CORRUPT, "the host described an output that cannot be");
    }
    derived.input = (size_t) source;
    work->is_refused = work->is_refused || derived.is_refused;
    if (!cor_derived_name(&derived, &bucket, key, err) ||
        !cor_blob_put_file(work->worker->options.blobs, bucket, key, fd, &put, err)) {
        return false;
    }
    if (derived.is_refused) {
        return !is_object || store_reason(work, output, key, err);
    }
    return list_output(work, output, bucket, key, &put, err);
}
