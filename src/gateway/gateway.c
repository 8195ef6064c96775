/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway as a whole: its table of routes, what they share, and its life.
 *
 *   open (schemas compiled) -> start (relay and sweeper run) -> drain (refuses) -> close
 */
#include "gateway/gateway-priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/time.h"

extern const char cor_openapi_json[];
extern const size_t cor_openapi_json_size;

#define FILE_MAX UINT64_MAX /* the bound is the upload's own, file_max */

#define GET(pattern_, handler_, flags_)                                                 \
    {                                                                                   \
        .method = "GET", .pattern = (pattern_), .handler = cor_gateway_priv_##handler_, \
        .flags = (flags_), .body = COR_HTTP_BODY_NONE                                   \
    }
#define POST(pattern_, handler_, body_)                                                  \
    {                                                                                    \
        .method = "POST", .pattern = (pattern_), .handler = cor_gateway_priv_##handler_, \
        .body = (body_)                                                                  \
    }
#define PUT(pattern_, handler_)                                                                \
    {                                                                                          \
        .method = "PUT", .pattern = (pattern_), .handler = cor_gateway_priv_##handler_,        \
        .body = COR_HTTP_BODY_STREAM, .body_max = FILE_MAX, .upload = &cor_gateway_priv_upload \
    }

static const CorHttpRoute routes[] = {
    GET("/", get_console, COR_HTTP_PUBLIC),
    GET("/icon.svg", get_console, COR_HTTP_PUBLIC),
    GET("/assets/{name}", get_console, COR_HTTP_PUBLIC),
    GET("/openapi.json", get_openapi, COR_HTTP_PUBLIC),
    POST("/provision", provision, COR_HTTP_BODY_JSON),
    POST("/process/{algo_id}", process, COR_HTTP_BODY_RAW),
    GET("/jobs", list_jobs, 0),
    GET("/jobs/{job_id}", get_job, 0),
    GET("/jobs/{job_id}/outputs", get_outputs, 0),
    {.method = "DELETE", .pattern = "/jobs/{job_id}", .handler = cor_gateway_priv_cancel_job},
    GET("/algorithms", list_algorithms, 0),
    GET("/algorithms/{algo_id}", get_algorithm, 0),
    GET("/queues", list_queues, 0),
    GET("/queues/{queue}", get_queue, 0),
    GET("/queues/{queue}/dead", list_dead, 0),
    POST("/queues/{queue}/redrive", redrive, COR_HTTP_BODY_JSON),
    POST("/ws/ticket", ticket, COR_HTTP_BODY_NONE),
    GET("/pacs", pacs_status, 0),
    GET("/pacs/", pacs_status, 0),
    GET("/pacs/studies", list_studies, 0),
    GET("/pacs/studies/{path...}", get_images, 0),
    PUT("/pacs/studies/{path...}", store_image),
    GET("/objects/{bucket}/{key...}", get_object, COR_HTTP_PUBLIC),
    PUT("/objects/{bucket}/{key...}", store_image),
    GET("/health/live", get_live, COR_HTTP_PUBLIC),
    GET("/health/ready", get_ready, COR_HTTP_PUBLIC),
    GET("/metrics", get_metrics, 0),
    GET("/system", get_system, 0),
    GET("/env", get_env, 0),
};

const CorHttpRoute *cor_gateway_routes(size_t *ret_len)
{
    *ret_len = COR_ARRAY_LEN(routes);
    return routes;
}

/* One of the request schemas of the API description. */
static bool compile_schema(const json_t *openapi, const char *name, CorJsonSchema **ret_schema,
                           CorError *err)
{
    const json_t *components = json_object_get(openapi, "components");
    const json_t *schema = json_object_get(json_object_get(components, "schemas"), name);

    if (!cor_json_schema_compile(schema, openapi, ret_schema, err)) {
        cor_error_wrap(err, "schema %s", name);
        return false;
    }
    return true;
}

static bool load_schemas(CorGateway *gateway, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *openapi = NULL;

    return cor_json_parse(cor_openapi_json, cor_openapi_json_size, &openapi, err) &&
           compile_schema(openapi, "ProcessRequest", &gateway->process_schema, err) &&
           compile_schema(openapi, "RedriveRequest", &gateway->redrive_schema, err);
}

bool cor_gateway_set_public_url(CorGateway *gateway, const char *public_url, CorError *err)
{
    char *copy = strdup(public_url);

    if (!copy) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the gateway");
    }
    free(gateway->first_public_url);
    gateway->first_public_url = atomic_exchange(&gateway->public_url, copy);
    return true;
}

const char *cor_gateway_public_url(void *gateway)
{
    return atomic_load(&((CorGateway *) gateway)->public_url);
}

bool cor_gateway_is_writable(void *gateway, CorError *err)
{
    return cor_gateway_priv_writable(gateway, err);
}

bool cor_gateway_open(const CorGatewayOptions *options, CorGateway **ret_gateway, CorError *err)
{
    COR_CLEANUP(cor_gateway_closep) CorGateway *gateway = cor_new(CorGateway);

    if (!gateway) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the gateway");
    }
    gateway->options = *options;
    gateway->started_ms = cor_time_ms();
    gateway->started_unix_ms = cor_time_unix_ms();
    memcpy(gateway->key, options->key, sizeof(gateway->key));
    if (!cor_gateway_set_public_url(gateway, options->public_url, err) ||
        !load_schemas(gateway, err) || !cor_gateway_priv_load_algos(gateway, err) ||
        !cor_gateway_priv_count_unsent(gateway, err) ||
        !cor_gateway_priv_running_new(&gateway->running, err)) {
        return false;
    }
    *ret_gateway = COR_TAKE(gateway);
    return true;
}

bool cor_gateway_start(CorGateway *gateway, CorDeliver *deliver, CorWsServer *ws,
                       const CorGatewayHooks *hooks, CorError *err)
{
    gateway->deliver = deliver;
    gateway->ws = ws;
    gateway->hooks = *hooks;
    return cor_gateway_priv_relay_new(gateway, &gateway->relay, err) &&
           cor_gateway_priv_sweeper_new(gateway, &gateway->sweeper, err) &&
           cor_gateway_priv_relay_run(gateway->relay, err) &&
           cor_gateway_priv_sweeper_run(gateway->sweeper, err);
}

void cor_gateway_drain(CorGateway *gateway)
{
    atomic_store(&gateway->is_draining, true);
}

void cor_gateway_stop(CorGateway *gateway)
{
    cor_gateway_priv_sweeper_halt(gateway->sweeper);
    cor_gateway_priv_relay_halt(gateway->relay);
    cor_gateway_priv_sweeper_free(COR_TAKE(gateway->sweeper));
    cor_gateway_priv_relay_free(COR_TAKE(gateway->relay));
}

void cor_gateway_close(CorGateway *gateway)
{
    if (!gateway) {
        return;
    }
    cor_gateway_stop(gateway);
    cor_gateway_priv_running_free(gateway->running);
    cor_gateway_priv_free_algos(gateway);
    cor_json_schema_free(gateway->process_schema);
    cor_json_schema_free(gateway->redrive_schema);
    free(gateway->first_public_url);
    free(atomic_load(&gateway->public_url));
    free(gateway);
}
