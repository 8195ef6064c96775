/* SPDX-License-Identifier: Apache-2.0 */
/* Reading is lenient: viewers leave out quotes, send types that nobody knows, and browsers send a
 * dozen.  What is not understood is passed over, as RFC 9110 section 12.5.1 lets a server do. */
#include "dicomweb/accept.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/http-media-type.h"

enum { QUALITY_ALL = 1000 };

/* qvalue of RFC 9110 section 12.4.2 in thousandths; what is none counts as 1. */
static unsigned read_quality(const char *text)
{
    unsigned quality = 0;
    unsigned unit = QUALITY_ALL;

    if (!text || (text[0] != '0' && text[0] != '.')) {
        return QUALITY_ALL;
    }
    text += text[0] == '0';
    text += text[0] == '.';
    for (; *text >= '0' && *text <= '9' && unit > 1; text++) {
        unit /= 10;
        quality += unit * (unsigned) (*text - '0');
    }
    return quality;
}

static bool copy(char *to, size_t size, const char *text)
{
    return (size_t) snprintf(to, size, "%s", text) < size;
}

static void lower(char *text)
{
    for (; *text; text++) {
        *text = (char) (*text >= 'A' && *text <= 'Z' ? *text + ('a' - 'A') : *text);
    }
}

/* A range from a media type, but for its transfer syntax; false if it can fit nothing. */
static bool read_range(const CorHttpMediaType *type, CorAcceptRange *ret_range)
{
    CorAcceptRange range = {.quality = read_quality(cor_http_media_type_parameter(type, "q"))};

    range.is_multipart = strncmp(type->type, "multipart/", strlen("multipart/")) == 0;
    range.is_single = !range.is_multipart;
    if (strcmp(type->type, "*/*") == 0) {
        range.is_multipart = true;
    }
    const char *inside = type->type;
    if (!range.is_single) {
        const char *parameter = cor_http_media_type_parameter(type, "type");
        inside = parameter && parameter[0] ? parameter : "*/*";
    }
    if (!copy(range.type, sizeof(range.type), inside)) {
        return false;
    }
    lower(range.type);
    *ret_range = range;
    return true;
}

/* One range for each transfer syntax, of which a quoted value may list several. */
static void add_ranges(CorAccept *accept, CorAcceptRange *range, const char *syntaxes)
{
    static const char dividers[] = ", \t";

    do {
        size_t len = strcspn(syntaxes, dividers);
        bool is_legal = len < sizeof(range->transfer_syntax);
        if (is_legal) {
            memcpy(range->transfer_syntax, syntaxes, len);
            range->transfer_syntax[len] = '\0';
        }
        is_legal = is_legal && (len == 0 || strcmp(range->transfer_syntax, "*") == 0 ||
                                cor_uid_is_legal(range->transfer_syntax));
        if (is_legal && accept->len < COR_ACCEPT_RANGES_MAX) {
            accept->ranges[accept->len++] = *range;
        }
        syntaxes += len;
        syntaxes += strspn(syntaxes, dividers);
    } while (*syntaxes);
}

bool cor_dicomweb_priv_accept_add(CorAccept *accept, const char *text, CorError *err)
{
    bool is_read = false;
    bool is_blank = text[strspn(text, " \t,")] == '\0';

    while (*text) {
        CorHttpMediaType type;
        CorAcceptRange range;
        bool is_type = cor_http_media_type_parse(&text, &type, NULL);

        is_read |= is_type;
        if (is_type && read_range(&type, &range)) {
            const char *syntaxes = cor_http_media_type_parameter(&type, "transfer-syntax");
            add_ranges(accept, &range, syntaxes ? syntaxes : "");
        }
        text += *text == ',';
    }
    return is_read || is_blank ||
           cor_fail(err, COR_ERR_INVALID, "there is no media type in Accept");
}

bool cor_dicomweb_priv_accept_of(const CorHttpRequest *req, CorAccept *ret_accept, CorError *err)
{
    const char *query = cor_http_req_query(req, "accept");

    ret_accept->len = 0;
    if (query) {
        return cor_dicomweb_priv_accept_add(ret_accept, query, err);
    }
    bool ok = true;
    const char *header = cor_http_req_header_at(req, "Accept", 0);
    for (size_t i = 1; ok && header; i++) {
        ok = cor_dicomweb_priv_accept_add(ret_accept, header, err);
        header = cor_http_req_header_at(req, "Accept", i);
    }
    return ok;
}

/* --- choosing --- */

/* How exactly a range names the type: 0 if it does not fit. */
static unsigned fit_type(const CorAcceptRange *range, const char *type)
{
    const char *slash = strchr(range->type, '/');

    if (strcmp(range->type, type) == 0) {
        return 3;
    }
    if (strcmp(range->type, "*/*") == 0) {
        return 1;
    }
    bool is_open = slash && strcmp(slash, "/*") == 0;
    return is_open && strncmp(range->type, type, (size_t) (slash + 1 - range->type)) == 0 ? 2 : 0;
}

/* A type that is named without a transfer syntax means its default; wildcards mean all. */
static unsigned fit_syntax(const CorAcceptRange *range, const CorAcceptOffer *offer, bool is_named)
{
    if (range->transfer_syntax[0] == '\0') {
        return !is_named || offer->is_default ? 1 : 0;
    }
    if (strcmp(range->transfer_syntax, "*") == 0) {
        return 2;
    }
    return offer->transfer_syntax && strcmp(offer->transfer_syntax, range->transfer_syntax) == 0
               ? 3
               : 0;
}

static unsigned fit(const CorAcceptRange *range, const CorAcceptOffer *offer)
{
    bool fits_packing = offer->is_multipart ? range->is_multipart : range->is_single;
    unsigned type = fits_packing ? fit_type(range, offer->type) : 0;
    unsigned syntax = type ? fit_syntax(range, offer, type == 3) : 0;
    bool is_exact_packing = range->is_multipart != range->is_single;

    return syntax ? type * 10 + is_exact_packing * 5 + syntax : 0;
}

unsigned cor_dicomweb_priv_accept_quality(const CorAccept *accept, const CorAcceptOffer *offer)
{
    unsigned best_fit = 0;
    unsigned quality = accept->len == 0 ? QUALITY_ALL : 0;

    for (size_t i = 0; i < accept->len; i++) {
        unsigned found = fit(&accept->ranges[i], offer);
        if (found > best_fit) {
            best_fit = found;
            quality = accept->ranges[i].quality;
        }
    }
    return quality;
}

size_t cor_dicomweb_priv_accept_best(const CorAccept *accept, const CorAcceptOffer *offers,
                                     size_t len)
{
    size_t best = COR_ACCEPT_NONE;
    unsigned best_quality = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned quality = cor_dicomweb_priv_accept_quality(accept, &offers[i]);
        if (quality > best_quality) {
            best_quality = quality;
            best = i;
        }
    }
    return best;
}

size_t cor_dicomweb_priv_accept_type(const CorAccept *accept, const char *const *types, size_t len)
{
    size_t best = COR_ACCEPT_NONE;
    unsigned best_quality = 0;

    for (size_t i = 0; i < len; i++) {
        CorAcceptOffer offer = {.type = types[i], .transfer_syntax = "", .is_default = true};
        unsigned quality = cor_dicomweb_priv_accept_quality(accept, &offer);
        if (quality > best_quality) {
            best_quality = quality;
            best = i;
        }
    }
    return best;
}
