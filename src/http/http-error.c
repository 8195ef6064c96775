/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that knows which HTTP status an error is. */
#include "http/http-response.h"

#include <assert.h>

#include "base/array.h"
#include "program/log.h"

static const int statuses[] = {
    [COR_OK] = 500, /* a failure that recorded nothing */
    [COR_ERR_INVALID] = 400,
    [COR_ERR_NOT_FOUND] = 404,
    [COR_ERR_CONFLICT] = 409,
    [COR_ERR_LIMIT] = 413,
    [COR_ERR_UNSUPPORTED] = 415,
    [COR_ERR_CORRUPT] = 500,
    [COR_ERR_DENIED] = 403,
    [COR_ERR_NOMEM] = 503,
    [COR_ERR_IO] = 500,
    [COR_ERR_UNAVAILABLE] = 503,
    [COR_ERR_TIMEOUT] = 503,
    [COR_ERR_HOST_LOST] = 500,
    [COR_ERR_CANCELLED] = 503,
    [COR_ERR_BUG] = 500,
};
static_assert(COR_ARRAY_LEN(statuses) == COR_ERR_COUNT_, "a status for every code");

int cor_http_error_status(CorErrorCode code)
{
    return statuses[code];
}

void cor_http_fail(CorHttpResponse *res, const char *pointer, const CorError *err)
{
    int status = cor_http_error_status(err->code);

    if (status < 500) {
        cor_http_problem(res, status, pointer, "%s", err->text);
        return;
    }
    cor_log_error("request failed", COR_F("code", cor_error_code_name(err->code)),
                  COR_F("error", err->text));
    if (status == 503) {
        cor_http_res_header(res, "Retry-After", "5");
        cor_http_problem(res, status, NULL,
                         "the server cannot do this at the moment; nothing was changed");
    } else {
        cor_http_problem(res, status, NULL, "the server failed; its log says why");
    }
}
