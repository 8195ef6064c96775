/* SPDX-License-Identifier: Apache-2.0 */
/* Where outputs go: objects to bucket "output", what lives as long as its job to "jobs", what the
 * gate refused to "quarantine", with its reason and a picture beside it.  Nothing here looks into
 * DICOM bytes (invariant 6). */
#include "worker/worker-priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "job/derived.h"

/* Where an object lies. */
typedef struct Place {
    const char *bucket;
    char key[COR_KEY_SIZE];
    CorBlobPut put;
} Place;

/* Add an output to the result, with where it lies; shares of a job do so at once. */
static bool list_output(CorWorkShare *share, const json_t *output, const Place *place,
                        const json_t **ret_listed, CorError *err)
{
    CorWorker *worker = share->work->worker;
    char hex[COR_SHA256_HEX_SIZE];
    json_t *stored = json_copy((json_t *) output);

    if (stored && share->first > 0 && json_object_get(stored, "source")) {
        int64_t source = cor_json_integer(stored, "source", 0) + (int64_t) share->first;
        (void) json_object_set_new(stored, "source", json_integer(source));
    }
    bool ok =
        stored && json_object_set_new(stored, "bucket", json_string(place->bucket)) == 0 &&
        json_object_set_new(stored, "key", json_string(place->key)) == 0 &&
        json_object_set_new(stored, "sha256",
                            json_string(cor_hex_encode(place->put.sha256, COR_SHA256_SIZE, hex))) ==
            0 &&
        json_object_set_new(stored, "stored_unix_ms", json_integer(place->put.modified_unix_ms)) ==
            0;
    (void) pthread_mutex_lock(&worker->mutex);
    ok = ok && json_array_append(share->work->outputs, stored) == 0;
    (void) pthread_mutex_unlock(&worker->mutex);
    json_decref(stored);
    *ret_listed = stored; /* the list has it */
    return ok || cor_fail(err, COR_ERR_NOMEM, "out of memory for the list of outputs");
}

/* Beside what the gate refused, in words: why, and of what. */
static bool store_reason(const CorDerived *derived, CorBlobStore *blobs, const json_t *output,
                         char key[COR_KEY_SIZE], CorError *err)
{
    const CorRequest *request = derived->request;
    char *end = strrchr(key, '.');
    COR_CLEANUP(cor_json_freep)
    json_t *reason =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "job_id", request->job_id, "algo_id",
                  request->algo_id, "algo_version", request->algo_version, "role",
                  cor_json_string(output, "role", ""), "sop_instance_uid",
                  cor_json_string(output, "sop_instance_uid", ""), "source_sop_instance_uid",
                  request->inputs[derived->input].sop_instance_uid, "reason",
                  cor_json_string(output, "refusal", ""));
    char *text = reason ? cor_json_canonical(reason) : NULL;

    if (!text || !end || end + sizeof(".json") > key + COR_KEY_SIZE) {
        free(text);
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a reason");
    }
    memcpy(end, ".json", sizeof(".json"));
    bool ok = cor_blob_put_bytes(blobs, COR_BUCKET_QUARANTINE, key, text, strlen(text), err);
    free(text);
    return ok;
}

/* Store one output under its name; a function of the input, so that a retry overwrites. */
bool cor_worker_priv_store_output(CorWorkShare *share, int fd, const json_t *output,
                                  const json_t **ret_listed, CorError *err)
{
    CorWork *work = share->work;
    CorBlobStore *blobs = work->worker->options.blobs;
    bool is_object = strcmp(cor_json_string(output, "media_type", ""), "application/dicom") == 0;
    CorDerived derived = {.request = &work->request,
                          .role = cor_json_string(output, "role", ""),
                          .frame = cor_json_integer(output, "frame", 0),
                          .number = cor_json_integer(output, "number", 0),
                          .is_refused = json_object_get(output, "refusal") != NULL};
    int64_t source = cor_json_integer(output, "source", is_object ? -1 : 0);
    Place place;

    if (fd < 0 || cor_json_integer(output, "size", -1) < 0 || source < 0 ||
        (size_t) source >= work->request.input_len - share->first) {
        return cor_fail(err, COR_ERR_CORRUPT, "the host described an output that cannot be");
    }
    derived.input = share->first + (size_t) source;
    share->is_refused = share->is_refused || derived.is_refused;
    if (!cor_derived_name(&derived, &place.bucket, place.key, err) ||
        !cor_blob_put_file(blobs, place.bucket, place.key, fd, &place.put, err)) {
        return false;
    }
    if (derived.is_refused) {
        return !is_object || store_reason(&derived, blobs, output, place.key, err);
    }
    return list_output(share, output, &place, ret_listed, err);
}
