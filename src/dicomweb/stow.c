/* SPDX-License-Identifier: Apache-2.0 */
#include "dicomweb/dicomweb-priv.h"

void cor_dicomweb_priv_store_instances(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) req;
    (void) context;
    cor_http_problem(res, 501, NULL, "not yet");
}

static bool data(void *upload, const void *bytes, size_t *size, CorHttpResponse *res)
{
    (void) upload;
    (void) bytes;
    (void) size;
    (void) res;
    return true;
}

static void abort_upload(void *upload)
{
    (void) upload;
}

const CorHttpUpload cor_dicomweb_priv_upload = {.data = data, .abort = abort_upload};
