/* SPDX-License-Identifier: Apache-2.0 */
#include "dicomweb/dicomweb-priv.h"

void cor_dicomweb_priv_retrieve_instances(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) req;
    (void) context;
    cor_http_problem(res, 501, NULL, "not yet");
}
