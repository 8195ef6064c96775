/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of requests, results and events, and the names of derived objects. */
#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "job/derived.h"
#include "job/request.h"
#include "job/result.h"

/* ---- requests ---- */

static json_t *make_request(void)
{
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:{s:s,s:s},s:s,s:s,s:I,s:{s:f},s:[{s:s,s:s,s:s,s:s,s:s,s:s,s:I}]}",
        "job_id", "j1", "client_id", "c1", "algo_id", "processing_1", "algo_version", "1.0",
        "key_hash", "", "pacs", "scope", "image", "study_id", "a/b", "study_part", "a",
        "series_part", "b", "accepted_unix_ms", (json_int_t) 1700000000000, "params", "sigma", 2.0,
        "inputs", "sop_instance_uid", "1.2.3.4.5", "series_instance_uid", "1.2.3.4",
        "study_instance_uid", "1.2.3", "bucket", "pacs", "key", "a/b/c.dcm", "sha256",
        "0000000000000000000000000000000000000000000000000000000000000000", "size",
        (json_int_t) 526000);
}

static bool parse_json(const json_t *json, CorRequest *request, CorError *err)
{
    char *text = cor_json_text(json);
    bool ok = cor_request_parse(text, strlen(text), request, err);

    free(text);
    return ok;
}

static void a_request_is_read_whole(void **state)
{
    json_t *json = make_request();
    CorRequest request = {0};
    CorError err = {0};
    (void) state;

    assert_true(parse_json(json, &request, &err));

    assert_string_equal(request.job_id, "j1");
    assert_string_equal(request.scope, "image");
    assert_int_equal(request.accepted_unix_ms, 1700000000000);
    assert_int_equal(request.input_len, 1);
    assert_string_equal(request.inputs[0].key, "a/b/c.dcm");
    assert_int_equal(request.inputs[0].size_bytes, 526000);
    assert_null(request.inputs_key);
    assert_true(cor_json_number(request.params, "sigma", 0) == 2.0);
    cor_request_done(&request);
    json_decref(json);
}

static void a_request_with_its_inputs_elsewhere_says_where(void **state)
{
    json_t *json = make_request();
    CorRequest request = {0};
    CorError err = {0};
    (void) state;

    (void) json_object_del(json, "inputs");
    (void) json_object_set_new(json, "inputs_key", json_string("j1/inputs.json"));
    assert_true(parse_json(json, &request, &err));

    assert_int_equal(request.input_len, 0);
    assert_string_equal(request.inputs_key, "j1/inputs.json");
    cor_request_done(&request);
    json_decref(json);
}

static void a_request_without_a_member_is_refused(void **state)
{
    static const char *const members[] = {"job_id", "client_id", "algo_id", "algo_version",
                                          "pacs",   "params",    "inputs",  "key_hash"};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(members); i++) {
        json_t *json = make_request();
        CorRequest request = {0};
        CorError err = {0};

        (void) json_object_del(json, members[i]);
        assert_false(parse_json(json, &request, &err));
        assert_int_not_equal(err.code, COR_OK);
        assert_null(request.inputs); /* nothing was given out */
        json_decref(json);
    }
}

static void an_input_that_leaves_its_root_is_refused(void **state)
{
    json_t *json = make_request();
    CorRequest request = {0};
    CorError err = {0};
    (void) state;

    (void) json_object_set_new(json_array_get(json_object_get(json, "inputs"), 0), "key",
                               json_string("../../etc/passwd"));
    assert_false(parse_json(json, &request, &err));
    json_decref(json);
}

static void inputs_survive_the_way_to_json_and_back(void **state)
{
    CorInput input = {.sop_instance_uid = "1.2.3.4.5",
                      .series_instance_uid = "1.2.3.4",
                      .study_instance_uid = "1.2.3",
                      .bucket = "pacs",
                      .sha256 = "ab",
                      .size_bytes = UINT64_C(5000000000),
                      .key = (char[]){"a/\xC3\xA4.dcm"}};
    CorRequest request = {0};
    json_t *array = NULL;
    CorError err = {0};
    (void) state;

    assert_true(cor_inputs_to_json(&input, 1, &array, &err));
    assert_true(cor_inputs_from_json(array, &request, &err));

    assert_int_equal(request.input_len, 1);
    assert_string_equal(request.inputs[0].sop_instance_uid, input.sop_instance_uid);
    assert_string_equal(request.inputs[0].key, input.key);
    assert_true(request.inputs[0].size_bytes == input.size_bytes);
    assert_false(request.inputs[0].has_uid_key);
    assert_null(json_object_get(json_array_get(array, 0), "uid_key"));
    cor_request_done(&request);
    json_decref(array);
}

static void an_input_keeps_that_its_outputs_are_named_by_uids(void **state)
{
    CorInput input = {.bucket = "pacs", .has_uid_key = true, .key = (char[]){"a/b"}};
    CorRequest request = {0};
    json_t *array = NULL;
    CorError err = {0};
    (void) state;

    assert_true(cor_inputs_to_json(&input, 1, &array, &err));
    assert_true(cor_inputs_from_json(array, &request, &err));
    assert_true(request.inputs[0].has_uid_key);
    cor_request_done(&request);
    json_decref(array);
}

/* ---- results and events ---- */

static json_t *make_result(int outputs)
{
    json_t *list = json_array();

    for (int i = 0; i < outputs; i++) {
        char key[64];

        (void) snprintf(key, sizeof(key), "study/series/image-%05d_processing_1.dcm", i);
        (void) json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:{s:s}}", "role",
                            i == 0 ? "preview" : "overlay", "bucket", "output", "key", key,
                            "media_type", "application/dicom", "sop_instance_uid", "1.2.3", "size",
                            7, "sha256", "ab", "record", "patient", "secret"));
    }
    return json_pack("{s:s,s:s,s:s,s:s,s:b,s:o,s:{},s:i,s:{s:f}}", "job_id", "j1", "algo_id",
                     "processing_1", "client_id", "c1", "status", "succeeded", "found", 1,
                     "outputs", list, "measurements", "attempts", 1, "timing_ms", "total", 1.5);
}

static void an_event_shows_what_a_client_may_see(void **state)
{
    json_t *result = make_result(3);
    json_t *event = NULL;
    CorError err = {0};
    (void) state;

    assert_true(cor_event_from_result(result, COR_EVENT_BODY_MAX, &event, &err));
    json_t *output = json_array_get(json_object_get(event, "outputs"), 1);
    json_t *dicom = json_object_get(event, "dicom");

    assert_string_equal(cor_json_string(event, "type", ""), "result");
    assert_int_equal(json_array_size(json_object_get(event, "outputs")), 3);
    assert_int_equal(json_object_size(output), 5);
    assert_null(json_object_get(output, "record"));
    assert_string_equal(cor_json_string(dicom, "key", ""),
                        "study/series/image-00001_processing_1.dcm"); /* the first overlay */
    assert_int_equal(json_object_size(dicom), 2);
    json_decref(event);
    json_decref(result);
}

static void an_event_of_a_failure_has_no_outputs(void **state)
{
    json_t *result = make_result(2);
    json_t *event = NULL;
    CorError err = {0};
    (void) state;

    (void) json_object_set_new(result, "status", json_string("failed"));
    (void) json_object_set_new(result, "error",
                               cor_result_error("timeout", "too long", "compute", 2));
    assert_true(cor_event_from_result(result, COR_EVENT_BODY_MAX, &event, &err));

    assert_null(json_object_get(event, "dicom"));
    assert_null(json_object_get(event, "outputs"));
    assert_string_equal(cor_json_string(json_object_get(event, "error"), "code", ""), "timeout");
    json_decref(event);
    json_decref(result);
}

static void outputs_that_would_be_too_long_are_told_by_url(void **state)
{
    json_t *result = make_result(2000);
    json_t *event = NULL;
    CorError err = {0};
    (void) state;

    assert_true(cor_event_from_result(result, COR_EVENT_BODY_MAX, &event, &err));
    char *text = cor_json_text(event);

    assert_true(strlen(text) <= COR_EVENT_BODY_MAX);
    assert_int_equal(json_array_size(json_object_get(event, "outputs")), 0);
    assert_string_equal(cor_json_string(event, "outputs_url", ""), "/jobs/j1/outputs");
    assert_non_null(json_object_get(event, "dicom"));
    free(text);
    json_decref(event);
    json_decref(result);
}

static void a_cancelled_job_has_an_event_too(void **state)
{
    json_t *event = NULL;
    CorJobState job = COR_JOB_QUEUED;
    CorError err = {0};
    (void) state;

    assert_true(cor_event_cancelled("j1", "processing_1", "c1", &event, &err));
    assert_true(cor_result_state(event, &job, &err));

    assert_int_equal(job, COR_JOB_CANCELLED);
    assert_string_equal(cor_json_string(event, "job_id", ""), "j1");
    json_decref(event);
}

static void a_result_tells_a_final_state_or_is_corrupt(void **state)
{
    static const char *const bad[] = {"{}", "{\"status\":7}", "{\"status\":\"running\"}",
                                      "{\"status\":\"asleep\"}"};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        json_t *json = NULL;
        CorJobState job = COR_JOB_QUEUED;
        CorError err = {0};

        assert_true(cor_json_parse(bad[i], strlen(bad[i]), &json, &err));
        assert_false(cor_result_state(json, &job, &err));
        assert_int_equal(err.code, COR_ERR_CORRUPT);
        json_decref(json);
    }
}

static void every_error_has_a_word_for_clients(void **state)
{
    (void) state;

    for (int code = 0; code < COR_ERR_COUNT_; code++) {
        assert_true(strlen(cor_result_error_code((CorErrorCode) code)) > 0);
    }
    assert_string_equal(cor_result_error_code(COR_ERR_TIMEOUT), "timeout");
    assert_string_equal(cor_result_error_code(COR_ERR_HOST_LOST), "algorithm_crashed");
    assert_string_equal(cor_result_error_code(COR_ERR_CORRUPT), "bad_input");
}

/* ---- derived names ---- */

static CorInput make_input(const char *key)
{
    return (CorInput){.sop_instance_uid = "1.2.3.4.5",
                      .series_instance_uid = "1.2.3.4",
                      .study_instance_uid = "1.2.3",
                      .key = (char *) (uintptr_t) key};
}

static void expect_name(CorInput *input, const CorDerived *asked, const char *scope,
                        const char *expected)
{
    CorRequest request = {.job_id = "j1",
                          .algo_id = "processing_1",
                          .inputs = input,
                          .input_len = 1,
                          .has_uid_series_key = input->has_uid_key};
    CorDerived derived = *asked;
    const char *bucket = NULL;
    char key[COR_KEY_SIZE];
    char name[COR_KEY_SIZE + 32];
    CorError err = {0};

    (void) snprintf(request.scope, sizeof(request.scope), "%s", scope);
    (void) snprintf(request.key_hash, sizeof(request.key_hash), "%s",
                    asked->request ? asked->request->key_hash : "");
    derived.request = &request;
    assert_true(cor_derived_name(&derived, &bucket, key, &err));
    (void) snprintf(name, sizeof(name), "%s:%s", bucket, key);
    assert_string_equal(name, expected);
}

static void expect_key(const char *input_key, const char *hash, const char *expected)
{
    CorInput input = make_input(input_key);
    CorRequest hashed = {0};
    char name[COR_KEY_SIZE + 32];

    (void) snprintf(hashed.key_hash, sizeof(hashed.key_hash), "%s", hash);
    (void) snprintf(name, sizeof(name), "output:%s", expected);
    expect_name(&input, &(CorDerived){.request = &hashed, .role = "overlay"}, "image", name);
}

static void a_derived_key_stands_beside_its_input(void **state)
{
    (void) state;

    expect_key("a/b/c.dcm", "", "a/b/c_processing_1.dcm");
    expect_key("a/b/c.DcM", "", "a/b/c_processing_1.dcm");
    expect_key("a/b/c.dcm.dcm", "", "a/b/c.dcm_processing_1.dcm");
    expect_key("a/b/c", "0123abcd", "a/b/c_processing_1-0123abcd.dcm");
    expect_key("a/.dcm", "", "a/.dcm_processing_1.dcm");
    expect_key("c.dcm", "", "1.2.3/1.2.3.4/1.2.3.4.5_processing_1.dcm");
}

static void a_derived_key_that_would_be_too_long_is_made_of_uids(void **state)
{
    char input_key[300];
    (void) state;

    memset(input_key, 'x', sizeof(input_key));
    memcpy(input_key, "a/", 2);
    input_key[2 + 250] = '\0';
    expect_key(input_key, "", "1.2.3/1.2.3.4/1.2.3.4.5_processing_1.dcm");
}

static void a_derived_key_that_may_be_of_another_input_is_made_of_uids(void **state)
{
    static const char uids[] = "1.2.3/1.2.3.4/1.2.3.4.5_processing_1.dcm";
    CorInput input = make_input("a/b/c.dcm");
    (void) state;

    input.has_uid_key = true;
    expect_name(&input, &(CorDerived){.role = "overlay"}, "image",
                "output:1.2.3/1.2.3.4/1.2.3.4.5_processing_1.dcm");
    expect_key("1.2.3/1.2.3.4/1.2.3.4.5.dcm", "", uids);
    expect_key("1.2.3/1.2.3.4/1.2.3.4.6.dcm", "", uids);
    expect_key("2024/1/5.dcm", "", "2024/1/5_processing_1.dcm");
    expect_key("1.2/1.3/1.4/1.5.dcm", "", "1.2/1.3/1.4/1.5_processing_1.dcm");
}

static void each_role_has_a_name_of_its_own(void **state)
{
    static const struct {
        const char *role;
        const char *scope;
        const char *name;
    } cases[] = {
        {"segmentation", "image", "output:a/b/c_processing_1.seg.dcm"},
        {"report", "image", "output:a/b/c_processing_1.sr.dcm"},
        {"segmentation", "series", "output:a/b/processing_1.seg.dcm"},
        {"report", "series", "output:a/b/processing_1.sr.dcm"},
        {"preview", "series", "jobs:j1/preview.png"},
        {"thumbnail", "image", "jobs:j1/thumbnail.png"},
        {"measurements", "series", "jobs:j1/measurements.json"},
    };
    CorInput input = make_input("a/b/c.dcm");
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(cases); i++) {
        expect_name(&input, &(CorDerived){.role = cases[i].role}, cases[i].scope, cases[i].name);
    }
    expect_name(&input, &(CorDerived){.role = "overlay", .frame = 3}, "image",
                "output:a/b/c_processing_1.frame3.dcm");
    expect_name(&input, &(CorDerived){.role = "overlay", .is_refused = true}, "series",
                "quarantine:j1/overlay-1.0.dcm");
    expect_name(&input, &(CorDerived){.role = "preview", .is_refused = true}, "series",
                "quarantine:j1/preview-1.0.png");
}

static void a_series_whose_folder_is_not_its_own_is_named_by_uids(void **state)
{
    CorInput input = make_input("a/b/c.dcm");
    CorInput like_uids = make_input("1.2.3/1.2.9/c.dcm");
    CorInput no_folder = make_input("c.dcm");
    const CorDerived derived = {.role = "segmentation"};
    (void) state;

    expect_name(&input, &(CorDerived){.role = "segmentation", .number = 1}, "series",
                "output:a/b/processing_1.seg.dcm");
    expect_name(&input, &(CorDerived){.role = "segmentation", .number = 2}, "series",
                "output:a/b/processing_1.2.seg.dcm");
    expect_name(&input, &(CorDerived){.role = "report", .number = 11}, "series",
                "output:a/b/processing_1.11.sr.dcm");
    input.has_uid_key = true;
    expect_name(&input, &derived, "series", "output:1.2.3/1.2.3.4/processing_1.seg.dcm");
    expect_name(&like_uids, &derived, "series", "output:1.2.3/1.2.3.4/processing_1.seg.dcm");
    expect_name(&no_folder, &derived, "series", "output:1.2.3/1.2.3.4/processing_1.seg.dcm");
}

static void other_parameters_have_another_hash(void **state)
{
    json_t *defaults = json_pack("{s:f,s:i}", "sigma", 2.0, "side", 3);
    json_t *same = json_pack("{s:i,s:f}", "side", 3, "sigma", 2.0);
    json_t *other = json_pack("{s:f,s:i}", "sigma", 2.5, "side", 3);
    char hash[9] = "x";
    char again[9] = "x";
    char newer[9] = "x";
    CorError err = {0};
    (void) state;

    assert_true(cor_derived_hash("1", same, defaults, NULL, hash, &err));
    assert_string_equal(hash, "");
    assert_true(cor_derived_hash("1", other, defaults, NULL, hash, &err));
    assert_true(cor_derived_hash("1", other, defaults, NULL, again, &err));
    assert_true(cor_derived_hash("2", other, defaults, NULL, newer, &err));
    assert_int_equal(strlen(hash), 8);
    assert_string_equal(hash, again);
    assert_string_not_equal(hash, newer);
    assert_true(cor_derived_hash("1", same, defaults, "image", newer, &err));
    assert_int_equal(strlen(newer), 8);
    json_decref(defaults);
    json_decref(same);
    json_decref(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read_whole),
        cmocka_unit_test(a_request_with_its_inputs_elsewhere_says_where),
        cmocka_unit_test(a_request_without_a_member_is_refused),
        cmocka_unit_test(an_input_that_leaves_its_root_is_refused),
        cmocka_unit_test(inputs_survive_the_way_to_json_and_back),
        cmocka_unit_test(an_input_keeps_that_its_outputs_are_named_by_uids),
        cmocka_unit_test(an_event_shows_what_a_client_may_see),
        cmocka_unit_test(an_event_of_a_failure_has_no_outputs),
        cmocka_unit_test(outputs_that_would_be_too_long_are_told_by_url),
        cmocka_unit_test(a_cancelled_job_has_an_event_too),
        cmocka_unit_test(a_result_tells_a_final_state_or_is_corrupt),
        cmocka_unit_test(every_error_has_a_word_for_clients),
        cmocka_unit_test(a_derived_key_stands_beside_its_input),
        cmocka_unit_test(a_derived_key_that_would_be_too_long_is_made_of_uids),
        cmocka_unit_test(a_derived_key_that_may_be_of_another_input_is_made_of_uids),
        cmocka_unit_test(each_role_has_a_name_of_its_own),
        cmocka_unit_test(a_series_whose_folder_is_not_its_own_is_named_by_uids),
        cmocka_unit_test(other_parameters_have_another_hash),
    };

    return cmocka_run_group_tests_name("job-message", tests, NULL, NULL);
}
