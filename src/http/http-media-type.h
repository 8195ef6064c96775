/* SPDX-License-Identifier: Apache-2.0 */
/* Media types with parameters (RFC 9110 section 8.3.1), as Content-Type and Accept have them.
 *
 * Lenient where viewers are: values that ought to be quoted may come without quotes
 * (type=application/dicom), and there may be blanks around '='.
 *
 * Ownership  CorHttpMediaType is a plain value: everything in it lives as long as it does, and it
 *            must not be copied or moved (its parameters point into it).
 * Threads    Thread-safe.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>

#define COR_HTTP_MEDIA_TYPE_MAX ((size_t) 1024) /* bytes of one, parameters included */
#define COR_HTTP_MEDIA_PARAMETERS_MAX ((size_t) 16)

typedef struct CorHttpMediaParameter {
    const char *name;  /* lower case */
    const char *value; /* without quotes and escapes; "" if there was no '=' */
} CorHttpMediaParameter;

typedef struct CorHttpMediaType {
    const char *type; /* "multipart/related", in lower case; of a range maybe with "*" in it */
    CorHttpMediaParameter parameters[COR_HTTP_MEDIA_PARAMETERS_MAX];
    size_t parameters_len;
    char texts[COR_HTTP_MEDIA_TYPE_MAX + 4];
} CorHttpMediaType;

/**
 * Read one media type, or one element of a list of them.
 *
 * @param at        in: where it begins; out, whether it could be read or not: where it ends, at the
 *                  ',' before the next one or at the final NUL
 * @param ret_type  undefined on failure
 * @param err       INVALID; LIMIT for what is longer or has more parameters than allowed
 */
COR_MUSTCHECK bool cor_http_media_type_parse(const char **at, CorHttpMediaType *ret_type,
                                             CorError *err);

/** Read a header that is a single media type; INVALID if there is more, or nothing. */
COR_MUSTCHECK bool cor_http_media_type_parse_all(const char *header, CorHttpMediaType *ret_type,
                                                 CorError *err);

/** Value of the first parameter of a name (given in lower case); NULL if there is none. */
const char *cor_http_media_type_parameter(const CorHttpMediaType *type, const char *name);
