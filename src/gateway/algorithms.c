/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithms as clients see them, and the check of parameters against their schemas. */
#include "gateway/gateway-priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

CorGatewayAlgo *cor_gateway_priv_algo(const CorGateway *gateway, const char *id)
{
    for (size_t i = 0; i < gateway->algo_len; i++) {
        if (strcmp(gateway->algos[i].algo->id, id) == 0) {
            return &gateway->algos[i];
        }
    }
    return NULL;
}

static bool load_algo(CorGatewayAlgo *algo, CorError *err)
{
    const char *text = algo->algo->params_schema;
    char pointer[COR_JSON_POINTER_SIZE] = "";

    return cor_json_parse(text, strlen(text), &algo->schema_json, err) &&
           cor_json_schema_compile(algo->schema_json, NULL, &algo->schema, err) &&
           cor_gateway_priv_params(algo, NULL, &algo->defaults, pointer, err);
}

bool cor_gateway_priv_load_algos(CorGateway *gateway, CorError *err)
{
    size_t len = 0;
    const CorAlgorithm *const *all = cor_algo_all(&len);

    gateway->algos = cor_new_array(CorGatewayAlgo, len);
    if (!gateway->algos) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for algorithms");
    }
    for (size_t i = 0; i < len; i++) {
        gateway->algos[i].algo = all[i];
        gateway->algos[i].queue = gateway->options.requests[i];
        gateway->algo_len = i + 1;
        if (!load_algo(&gateway->algos[i], err)) {
            cor_error_wrap(err, "parameter schema of %s", all[i]->id);
            return false;
        }
    }
    return true;
}

void cor_gateway_priv_free_algos(CorGateway *gateway)
{
    for (size_t i = 0; i < gateway->algo_len; i++) {
        json_decref(gateway->algos[i].schema_json);
        json_decref(gateway->algos[i].defaults);
        cor_json_schema_free(gateway->algos[i].schema);
    }
    free(gateway->algos);
}

bool cor_gateway_priv_params(const CorGatewayAlgo *algo, const json_t *params, json_t **ret_params,
                             char ret_pointer[COR_JSON_POINTER_SIZE], CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *complete = params ? json_deep_copy(params) : json_object();

    if (!complete) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for parameters");
    }
    if (!cor_json_schema_validate(algo->schema, complete, ret_pointer, err) ||
        !cor_json_schema_fill_defaults(algo->schema, complete, err)) {
        return false;
    }
    if (!algo->algo->check(complete, err)) {
        ret_pointer[0] = '\0';
        return false;
    }
    *ret_params = COR_TAKE(complete);
    return true;
}

bool cor_gateway_priv_makes(const CorAlgorithm *algo, const char *role)
{
    for (const char *const *made = algo->outputs; *made; made++) {
        if (strcmp(*made, role) == 0) {
            return true;
        }
    }
    return false;
}

json_t *cor_gateway_priv_default_outputs(const CorConfig *config, const CorAlgorithm *algo)
{
    const CorConfigList *configured = &config->outputs;
    const char *const *role = algo->defaults ? algo->defaults : algo->outputs;
    json_t *chosen = json_array();

    for (size_t i = 0; i < configured->len; i++) {
        if (cor_gateway_priv_makes(algo, configured->items[i])) {
            (void) json_array_append_new(chosen, json_string(configured->items[i]));
        }
    }
    for (bool is_unsaid = json_array_size(chosen) == 0; is_unsaid && *role; role++) {
        (void) json_array_append_new(chosen, json_string(*role));
    }
    return chosen;
}

static json_t *scopes_json(unsigned scopes)
{
    json_t *array = json_array();

    if (scopes & COR_SCOPE_IMAGE) {
        (void) json_array_append_new(array, json_string("image"));
    }
    if (scopes & COR_SCOPE_SERIES) {
        (void) json_array_append_new(array, json_string("series"));
    }
    if (scopes & COR_SCOPE_STUDY) {
        (void) json_array_append_new(array, json_string("study"));
    }
    return array;
}

static json_t *texts_json(const char *const *texts)
{
    json_t *array = json_array();

    for (; *texts; texts++) {
        (void) json_array_append_new(array, json_string(*texts));
    }
    return array;
}

static json_t *labels_json(const CorAlgorithm *algo)
{
    json_t *array = json_array();

    for (size_t i = 0; i < algo->label_len; i++) {
        const CorAlgoLabel *label = &algo->labels[i];
        (void) json_array_append_new(array,
                                     json_pack("{s:i, s:s, s:s, s:[i, i, i]}", "number",
                                               label->number, "id", label->id, "name", label->name,
                                               "rgb", label->rgb[0], label->rgb[1], label->rgb[2]));
    }
    return array;
}

/* What a job gets that does not say. */
static json_t *defaults_json(const CorConfig *config, const CorAlgorithm *algo)
{
    json_t *array = cor_gateway_priv_default_outputs(config, algo);

    return array ? array : json_array();
}

static json_t *algorithm_json(const CorGateway *gateway, const CorGatewayAlgo *entry)
{
    const CorAlgorithm *algo = entry->algo;

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:O, s:s}", "id", algo->id,
                     "algorithm_id", algo->id, "name", algo->title, "version", algo->version,
                     "title", algo->title, "description", algo->description, "scopes",
                     scopes_json(algo->scopes), "outputs", texts_json(algo->outputs),
                     "default_outputs", defaults_json(gateway->options.config, algo), "labels",
                     labels_json(algo), "params_schema", entry->schema_json, "status", "ACTIVE");
}

void cor_gateway_priv_list_algorithms(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    const CorGateway *gateway = context;
    json_t *items = json_array();
    (void) req;

    for (size_t i = 0; i < gateway->algo_len; i++) {
        (void) json_array_append_new(items, algorithm_json(gateway, &gateway->algos[i]));
    }
    cor_http_res_json(
        res, 200, json_pack("{s:o, s:I}", "items", items, "count", (json_int_t) gateway->algo_len));
}

void cor_gateway_priv_get_algorithm(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    const CorGatewayAlgo *algo = cor_gateway_priv_algo(context, cor_http_req_param(req, "algo_id"));

    if (!algo) {
        cor_http_problem(res, 404, NULL, "Unknown algorithm");
        return;
    }
    cor_http_res_json(res, 200, algorithm_json(context, algo));
}
