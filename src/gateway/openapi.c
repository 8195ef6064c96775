/* SPDX-License-Identifier: Apache-2.0 */
/* The API description, compiled in from schema/. */
#include "gateway/gateway-priv.h"

extern const char cor_openapi_json[];
extern const size_t cor_openapi_json_size;

void cor_gateway_priv_get_openapi(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) req;
    (void) context;
    cor_http_res_static(res, 200, "application/json", cor_openapi_json, cor_openapi_json_size);
}
