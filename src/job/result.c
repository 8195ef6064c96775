/* SPDX-License-Identifier: Apache-2.0 */
#include "job/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *cor_result_error_code(CorErrorCode code)
{
    switch (code) {
    case COR_ERR_INVALID:
    case COR_ERR_CORRUPT:
    case COR_ERR_LIMIT:
        return "bad_input";
    case COR_ERR_NOT_FOUND:
    case COR_ERR_CONFLICT:
        return "input_gone";
    case COR_ERR_UNSUPPORTED:
        return "unsupported";
    case COR_ERR_HOST_LOST:
        return "algorithm_crashed";
    case COR_ERR_TIMEOUT:
        return "timeout";
    case COR_ERR_NOMEM:
        return "out_of_memory";
    default:
        return "internal";
    }
}

json_t *cor_result_error(const char *code, const char *message, const char *stage, int attempts)
{
    return json_pack("{s:s, s:s, s:s, s:i}", "code", code, "message", message, "stage", stage,
                     "attempts", attempts);
}

/* The members of an output that a client sees. */
static json_t *public_output(const json_t *output)
{
    static const char *const members[] = {"role", "bucket", "key", "media_type",
                                          "sop_instance_uid"};
    json_t *shown = json_object();

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        json_t *member = json_object_get(output, members[i]);
        if (member) {
            (void) json_object_set(shown, members[i], member);
        }
    }
    return shown;
}

/* "dicom" of the reference system: the first overlay. */
static void add_first_overlay(json_t *event, const json_t *outputs)
{
    size_t index = 0;
    json_t *output = NULL;

    json_array_foreach(outputs, index, output)
    {
        if (strcmp(cor_json_string(output, "role", ""), "overlay") == 0) {
            (void) json_object_set_new(event, "dicom",
                                       json_pack("{s:O, s:O}", "bucket",
                                                 json_object_get(output, "bucket"), "key",
                                                 json_object_get(output, "key")));
            return;
        }
    }
}

/* Leave the list out when it does not fit; GET /jobs/{id}/outputs has it. */
static void bound_outputs(json_t *event, json_t *shown, size_t max_bytes)
{
    char *text = cor_json_text(shown);
    size_t size = text ? strlen(text) : SIZE_MAX;

    free(text);
    if (size <= max_bytes / 2) {
        (void) json_object_set(event, "outputs", shown);
        return;
    }
    (void) json_object_set_new(event, "outputs", json_array());
    (void) json_object_set_new(
        event, "outputs_url",
        json_sprintf("/jobs/%s/outputs", cor_json_string(event, "job_id", "")));
}

bool cor_event_from_result(const json_t *result, size_t max_bytes, json_t **ret_event,
                           CorError *err)
{
    static const char *const members[] = {"job_id", "algo_id",      "client_id", "status",
                                          "found",  "measurements", "timing_ms", "error"};
    COR_CLEANUP(cor_json_freep) json_t *event = json_pack("{s:s}", "type", "result");
    COR_CLEANUP(cor_json_freep) json_t *shown = json_array();
    const json_t *outputs = json_object_get(result, "outputs");
    size_t index = 0;
    json_t *output = NULL;

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        json_t *member = json_object_get(result, members[i]);
        if (member) {
            (void) json_object_set(event, members[i], member);
        }
    }
    json_array_foreach(outputs, index, output)
    {
        (void) json_array_append_new(shown, public_output(output));
    }
    if (!event || !shown || json_array_size(shown) != json_array_size(outputs)) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an event");
    }
    if (!json_object_get(event, "error")) {
        add_first_overlay(event, outputs);
        bound_outputs(event, shown, max_bytes);
    }
    *ret_event = COR_TAKE(event);
    return true;
}

bool cor_event_cancelled(const char *job_id, const char *algo_id, const char *client_id,
                         json_t **ret_event, CorError *err)
{
    json_t *event =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "result", "job_id", job_id, "algo_id",
                  algo_id, "client_id", client_id, "status", cor_job_state_name(COR_JOB_CANCELLED));

    if (!event) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an event");
    }
    *ret_event = event;
    return true;
}

bool cor_result_state(const json_t *result, CorJobState *ret_state, CorError *err)
{
    CorJobState state = COR_JOB_QUEUED;

    if (!cor_job_state_from_name(cor_json_string(result, "status", ""), &state) ||
        !cor_job_state_is_final(state)) {
        return cor_fail(err, COR_ERR_CORRUPT, "result message has no final status");
    }
    *ret_state = state;
    return true;
}
