/* SPDX-License-Identifier: Apache-2.0 */
#include "job/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void cor_request_done(CorRequest *request)
{
    for (size_t i = 0; i < request->input_len; i++) {
        free(request->inputs[i].key);
    }
    free(request->inputs);
    free(request->inputs_key);
    json_decref(request->params);
    json_decref(request->outputs);
    *request = (CorRequest){0};
}

/* Copy the text member name into a field of size bytes. */
static bool copy_text(const json_t *object, const char *name, char *field, size_t size,
                      CorError *err)
{
    const char *text = cor_json_string(object, name, NULL);

    if (!text || strlen(text) >= size) {
        return cor_fail(err, COR_ERR_CORRUPT, "message member '%s' is missing or too long", name);
    }
    memcpy(field, text, strlen(text) + 1);
    return true;
}

static bool duplicate_text(const json_t *object, const char *name, char **ret_text, CorError *err)
{
    char *text = strdup(cor_json_string(object, name, ""));

    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a message");
    }
    *ret_text = text;
    return true;
}

static bool read_input(const json_t *object, CorInput *input, CorError *err)
{
    if (!copy_text(object, "sop_instance_uid", input->sop_instance_uid, COR_UID_SIZE, err) ||
        !copy_text(object, "series_instance_uid", input->series_instance_uid, COR_UID_SIZE, err) ||
        !copy_text(object, "study_instance_uid", input->study_instance_uid, COR_UID_SIZE, err) ||
        !copy_text(object, "bucket", input->bucket, COR_BUCKET_SIZE, err) ||
        !copy_text(object, "sha256", input->sha256, sizeof(input->sha256), err) ||
        !duplicate_text(object, "key", &input->key, err)) {
        return false;
    }
    input->size_bytes = (uint64_t) cor_json_integer(object, "size", 0);
    input->has_uid_key = cor_json_boolean(object, "uid_key", false);
    return cor_key_check(input->key, err);
}

bool cor_inputs_from_json(const json_t *array, CorRequest *request, CorError *err)
{
    size_t len = json_array_size(array);

    if (len == 0) {
        return cor_fail(err, COR_ERR_CORRUPT, "message has no inputs");
    }
    request->inputs = cor_new_array(CorInput, len);
    if (!request->inputs) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for %zu inputs", len);
    }
    request->input_len = len;
    for (size_t i = 0; i < len; i++) {
        if (!read_input(json_array_get(array, i), &request->inputs[i], err)) {
            cor_error_wrap(err, "input %zu", i);
            return false;
        }
    }
    return true;
}

bool cor_inputs_to_json(const CorInput *inputs, size_t len, json_t **ret_array, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *array = json_array();

    for (size_t i = 0; i < len; i++) {
        const CorInput *input = &inputs[i];
        json_t *object = json_pack(
            "{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "sop_instance_uid", input->sop_instance_uid,
            "series_instance_uid", input->series_instance_uid, "study_instance_uid",
            input->study_instance_uid, "bucket", input->bucket, "key", input->key, "sha256",
            input->sha256, "size", (json_int_t) input->size_bytes);
        if (json_array_append_new(array, object) != 0 ||
            (input->has_uid_key && json_object_set_new(object, "uid_key", json_true()) != 0)) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for %zu inputs", len);
        }
    }
    *ret_array = COR_TAKE(array);
    return true;
}

static bool fill(const json_t *object, CorRequest *request, CorError *err)
{
    const json_t *pacs = json_object_get(object, "pacs");
    const json_t *inputs = json_object_get(object, "inputs");

    if (!copy_text(object, "job_id", request->job_id, COR_ID_SIZE, err) ||
        !copy_text(object, "client_id", request->client_id, COR_ID_SIZE, err) ||
        !copy_text(object, "algo_id", request->algo_id, COR_ALGO_ID_SIZE, err) ||
        !copy_text(object, "algo_version", request->algo_version, COR_VERSION_SIZE, err) ||
        !copy_text(object, "key_hash", request->key_hash, sizeof(request->key_hash), err) ||
        !copy_text(pacs, "scope", request->scope, sizeof(request->scope), err)) {
        return false;
    }
    request->accepted_unix_ms = cor_json_integer(object, "accepted_unix_ms", 0);
    request->params = json_incref(json_object_get(object, "params"));
    request->has_uid_series_key = cor_json_boolean(object, "uid_series_key", false);
    request->outputs = json_incref(json_object_get(object, "outputs"));
    if (!json_is_object(request->params)) {
        return cor_fail(err, COR_ERR_CORRUPT, "message member 'params' is missing");
    }
    if (inputs) {
        return cor_inputs_from_json(inputs, request, err);
    }
    if (!duplicate_text(object, "inputs_key", &request->inputs_key, err)) {
        return false;
    }
    return cor_key_check(request->inputs_key, err);
}

bool cor_request_parse(const char *text, size_t size, CorRequest *ret_request, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *object = NULL;
    CorRequest request = {0};

    if (!cor_json_parse(text, size, &object, err) || !fill(object, &request, err)) {
        cor_request_done(&request);
        cor_error_wrap(err, "read request message");
        return false;
    }
    *ret_request = request;
    return true;
}
