/* SPDX-License-Identifier: Apache-2.0 */
/* What a client is willing to take (PS3.18 sections 8.7.4 to 8.7.8, RFC 9110 section 12.5.1), and
 * which of the things that a resource offers is the best for it.
 *
 *     Accept: multipart/related; type="application/octet-stream"; transfer-syntax=*,
 * image/png;q=0.5
 *
 * Each element is a range: a media type (that of the parts, if it is multipart/related), perhaps
 * with a transfer syntax, and a quality.  An offer has the quality of the most specific range that
 * it fits; the offer of the highest quality wins, and of equal ones the first.
 *
 * Ownership  Plain values; offers borrow their texts.
 * Threads    Thread-safe.
 * Blocking   Never.
 * Errors     INVALID: there is something, but nothing of it is a media type.
 * Units      Quality in thousandths.
 */
#pragma once

#include "base/error.h"
#include "base/id.h"
#include "http/http-request.h"

#include <stdbool.h>
#include <stddef.h>

#define COR_ACCEPT_RANGES_MAX ((size_t) 32) /* further ones are ignored */
#define COR_ACCEPT_TYPE_SIZE \
    ((size_t) 64) /* a media type with its NUL; longer ones are ignored \
                   */
#define COR_ACCEPT_NONE SIZE_MAX

typedef struct CorAcceptRange {
    char type[COR_ACCEPT_TYPE_SIZE]; /* in lower case; of multipart/related that of the parts */
    bool is_multipart;
    bool is_single;                     /* of any/any both are true */
    char transfer_syntax[COR_UID_SIZE]; /* a UID, "*" for as it is, "" if it does not say */
    unsigned quality;                   /* 0 to 1000; 0 is a refusal */
} CorAcceptRange;

typedef struct CorAccept {
    CorAcceptRange ranges[COR_ACCEPT_RANGES_MAX];
    size_t len; /* 0: takes anything */
} CorAccept;

typedef struct CorAcceptOffer {
    const char *type; /* of what is inside */
    bool is_multipart;
    const char *transfer_syntax; /* NULL: each as it is stored, whatever that is; "" has none */
    bool is_default;             /* what the type means without a transfer syntax */
} CorAcceptOffer;

/**
 * Add what an Accept header (or the query parameter "accept") says.  Elements that cannot be read
 * are passed over.
 *
 * @param accept  zeroed before the first call
 * @param err     INVALID if the text is not blank and none of it could be read
 */
COR_MUSTCHECK bool cor_dicomweb_priv_accept_add(CorAccept *accept, const char *text, CorError *err);

/**
 * Read what a request accepts: the query parameter "accept" if there is one (section 8.3.3.1), else
 * its Accept headers.  With neither it takes anything.
 */
COR_MUSTCHECK bool cor_dicomweb_priv_accept_of(const CorHttpRequest *req, CorAccept *ret_accept,
                                               CorError *err);

/** Quality of an offer: 0 if it is not acceptable. */
unsigned cor_dicomweb_priv_accept_quality(const CorAccept *accept, const CorAcceptOffer *offer);

/** Index of the best offer; COR_ACCEPT_NONE if none is acceptable. */
size_t cor_dicomweb_priv_accept_best(const CorAccept *accept, const CorAcceptOffer *offers,
                                     size_t len);

/** As cor_dicomweb_priv_accept_best(), of single-part media types without transfer syntax. */
size_t cor_dicomweb_priv_accept_type(const CorAccept *accept, const char *const *types, size_t len);
