/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job-post.h"

#include <stdio.h>
#include <string.h>

bool cor_job_provision(CorClient *client, const char *wanted, char ret_client_id[COR_ID_SIZE],
                       CorError *err)
{
    COR_CLEANUP(cor_json_freep)
    json_t *body = wanted ? json_pack("{s:s}", "client_id", wanted) : json_object();
    COR_CLEANUP(cor_json_freep) json_t *answer = NULL;

    if (wanted && !cor_id_is_legal(wanted)) {
        return cor_fail(err, COR_ERR_INVALID, "a client id is 1 to 128 of A-Z a-z 0-9 . _ ~ -");
    }
    if (!cor_client_call(client, "POST", "/provision", body, &answer, err)) {
        return false;
    }
    const char *id = cor_json_string(answer, "client_id", "");
    if (!cor_id_is_legal(id)) {
        return cor_fail(err, COR_ERR_CORRUPT, "the server gave no client id");
    }
    (void) snprintf(ret_client_id, COR_ID_SIZE, "%s", id);
    return true;
}

static bool set_param(json_t *params, const char *text, CorError *err)
{
    const char *equals = strchr(text, '=');
    json_t *value = NULL;
    char name[128];

    if (!equals || equals == text || (size_t) (equals - text) >= sizeof(name)) {
        return cor_fail(err, COR_ERR_INVALID, "--param '%s' is not NAME=VALUE", text);
    }
    memcpy(name, text, (size_t) (equals - text));
    name[equals - text] = '\0';
    if (!cor_json_parse(equals + 1, strlen(equals + 1), &value, NULL)) {
        value = json_string(equals + 1);
    }
    if (!value || json_object_set_new(params, name, value) != 0) {
        return cor_fail(err, COR_ERR_INVALID, "--param '%s' is not UTF-8", name);
    }
    return true;
}

static bool make_body(const CorJobPost *post, json_t **ret_body, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *params = json_object();
    const char *scope = post->scope ? post->scope : post->image ? "image" : "series";

    for (size_t i = 0; i < post->param_len; i++) {
        if (!set_param(params, post->params[i], err)) {
            return false;
        }
    }
    *ret_body = json_pack("{s:s, s:s*, s:s*, s:O, s:{s:s, s:s*, s:s*, s:s}}", "client_id",
                          post->client_id, "job_id", post->job_id, "order", post->order, "params",
                          params, "pacs", "study_id", post->study, "series_id", post->series,
                          "image_id", post->image, "scope", scope);
    return *ret_body || cor_fail(err, COR_ERR_INVALID, "an argument is not UTF-8");
}

bool cor_job_post(CorClient *client, const CorJobPost *post, json_t **ret_accepted, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *path = cor_string_new(4096);
    COR_CLEANUP(cor_json_freep) json_t *body = NULL;

    cor_client_path(path, "process", post->algo, NULL);
    return cor_string_check(path, err) && make_body(post, &body, err) &&
           cor_client_call(client, "POST", cor_string_text(path), body, ret_accepted, err);
}
