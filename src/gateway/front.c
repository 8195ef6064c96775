/* SPDX-License-Identifier: Apache-2.0 */
/* The page at / and the API description, both compiled in from schema/ and this room. */
#include "gateway/gateway-priv.h"

extern const char cor_openapi_json[];
extern const size_t cor_openapi_json_size;
extern const char cor_front_html[];
extern const size_t cor_front_html_size;

void cor_gateway_priv_get_openapi(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) req;
    (void) context;
    cor_http_res_static(res, 200, "application/json", cor_openapi_json, cor_openapi_json_size);
}

void cor_gateway_priv_get_front(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) req;
    (void) context;
    cor_http_res_static(res, 200, "text/html; charset=utf-8", cor_front_html, cor_front_html_size);
}
