/* SPDX-License-Identifier: Apache-2.0 */
/* The two names of DICOM JSON (PS3.18 section 8.7.3.2 and annex F). */
#include <stdio.h>

#include "base/array.h"
#include "dicomweb/accept.h"
#include "dicomweb/dicomweb-priv.h"

bool cor_dicomweb_priv_choose_json(const CorHttpRequest *req, CorHttpResponse *res,
                                   const char **ret_type)
{
    static const char *const types[] = {"application/dicom+json", "application/json"};
    CorAccept accept = {0};
    CorError err = {0};

    if (!cor_dicomweb_priv_accept_of(req, &accept, &err)) {
        cor_http_fail(res, NULL, &err);
        return false;
    }
    size_t best = cor_dicomweb_priv_accept_type(&accept, types, COR_ARRAY_LEN(types));
    cor_http_res_header(res, "Vary", "Accept");
    if (best == COR_ACCEPT_NONE) {
        cor_http_problem(res, 406, NULL, "this is application/dicom+json or application/json only");
        return false;
    }
    *ret_type = types[best];
    return true;
}

const char *cor_dicomweb_priv_root_url(const CorDicomweb *dicomweb, char *text, size_t size)
{
    (void) snprintf(text, size, "%s/dicom-web",
                    dicomweb->options.public_url(dicomweb->options.context));
    return text;
}
