/* SPDX-License-Identifier: Apache-2.0 */
/* The web console: its files as they were compressed at build time, picked by Accept-Encoding.
 * Names under /assets/ change with their content, so browsers may keep them for ever; all else is
 * asked for anew, and answered 304 while it is the same.
 */
#include "gateway/console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "gateway/gateway-priv.h"

extern const char cor_front_html[];
extern const size_t cor_front_html_size;

static const CorConsoleAsset *find(const char *path)
{
    for (size_t i = 0; i < cor_console_priv_asset_len; i++) {
        if (strcmp(cor_console_priv_assets[i].path, path) == 0) {
            return &cor_console_priv_assets[i];
        }
    }
    return NULL;
}

/* For the rare client that takes nothing compressed. */
static void answer_inflated(CorHttpResponse *res, const CorConsoleAsset *asset)
{
    z_stream stream = {.next_in = (Bytef *) (uintptr_t) asset->gzip,
                       .avail_in = (uInt) asset->gzip_size,
                       .avail_out = (uInt) asset->size};
    uint8_t *data = malloc(asset->size + 1);
    CorError err = {0};

    stream.next_out = data;
    if (!data || inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) {
        free(data);
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for a file of the console");
        cor_http_fail(res, NULL, &err);
        return;
    }
    bool is_whole = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_out == 0;
    (void) inflateEnd(&stream);
    if (!is_whole) {
        free(data);
        (void) cor_fail(&err, COR_ERR_BUG, "a file of the console does not inflate");
        cor_http_fail(res, NULL, &err);
        return;
    }
    cor_http_res_buffer(res, 200, asset->type, data, asset->size);
}

/* Each encoding is a representation of its own and so has a validator of its own (RFC 9110 section
 * 8.8.3.3). */
static void answer_asset(const CorHttpRequest *req, CorHttpResponse *res,
                         const CorConsoleAsset *asset)
{
    const char *encoding = "identity";
    char etag[64];

    if (cor_http_req_header_has(req, "Accept-Encoding", "br")) {
        cor_http_res_static(res, 200, asset->type, asset->brotli, asset->brotli_size);
        encoding = "br";
    } else if (cor_http_req_header_has(req, "Accept-Encoding", "gzip")) {
        cor_http_res_static(res, 200, asset->type, asset->gzip, asset->gzip_size);
        encoding = "gzip";
    } else {
        answer_inflated(res, asset);
    }
    if (strcmp(encoding, "identity") != 0) {
        cor_http_res_header(res, "Content-Encoding", "%s", encoding);
    }
    (void) snprintf(etag, sizeof(etag), "%s-%s", asset->etag, encoding);
    cor_http_res_etag(res, etag);
    cor_http_res_header(res, "Vary", "Accept-Encoding");
    cor_http_res_header(res, "Cache-Control",
                        asset->is_immutable ? "public, max-age=31536000, immutable" : "no-cache");
}

void cor_gateway_priv_get_console(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    const char *path = cor_http_req_path(req);
    bool is_front = strcmp(path, "/") == 0;
    const CorConsoleAsset *asset = find(is_front ? "/index.html" : path);

    (void) context;
    if (asset) {
        answer_asset(req, res, asset);
    } else if (is_front) {
        cor_http_res_static(res, 200, "text/html; charset=utf-8", cor_front_html,
                            cor_front_html_size);
    } else {
        cor_http_problem(res, 404, NULL, "there is nothing at this address");
    }
}
