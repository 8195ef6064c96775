/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of an object, by presigned URL.  Range, ETag, HEAD and sendfile are the server's. */
#include "gateway/gateway-priv.h"

#include <string.h>

static const char *type_of(const char *key)
{
    static const struct {
        const char *ending;
        const char *type;
    } types[] = {{".json", "application/json"}, {".png", "image/png"}, {".jpg", "image/jpeg"}};
    size_t len = strlen(key);

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t ending = strlen(types[i].ending);
        if (len > ending && strcmp(key + len - ending, types[i].ending) == 0) {
            return types[i].type;
        }
    }
    return "application/dicom";
}

void cor_gateway_priv_get_object(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorGateway *gateway = context;
    const char *bucket = cor_http_req_param(req, "bucket");
    const char *key = cor_http_req_param(req, "key");
    const char *name = strrchr(key, '/');
    CorObject object = {.file = -1};
    CorError err = {0};

    if (!cor_gateway_priv_verify(gateway, bucket, key, cor_http_req_query(req, "expires"),
                                 cor_http_req_query(req, "signature"))) {
        cor_http_problem(res, 403, NULL, "the URL's signature is wrong or its time is over");
        return;
    }
    if (!cor_blob_open_object(gateway->options.blobs, bucket, key, &object, &err)) {
        if (err.code == COR_ERR_NOT_FOUND) {
            cor_http_problem(res, 404, NULL, "there is no such object");
        } else {
            cor_http_fail(res, NULL, &err);
        }
        return;
    }
    cor_http_res_file(res, type_of(key), object.file, 0, object.size);
    cor_http_res_etag(res, object.etag);
    cor_http_res_header(res, "Cache-Control", "private, no-cache");
    cor_http_res_disposition(res, true, name ? name + 1 : key);
}
