/* SPDX-License-Identifier: Apache-2.0 */
/* Properties, for any bytes without NUL taken as an Accept header:
 *   1. what is read is bounded: ranges, types, syntaxes, qualities;
 *   2. a failure says why, and only what holds no media type fails;
 *   3. the best offer is acceptable, and no other offer has a higher quality;
 *   4. reading needs no memory.
 */
#include "fuzz.h"

#include <string.h>

#include "dicomweb/accept.h"

static const CorAcceptOffer offers[] = {
    {.type = "application/dicom", .is_multipart = true},
    {.type = "image/jp2",
     .is_multipart = true,
     .transfer_syntax = "1.2.840.10008.1.2.4.90",
     .is_default = true},
    {.type = "application/octet-stream",
     .transfer_syntax = "1.2.840.10008.1.2.1",
     .is_default = true},
    {.type = "image/png", .transfer_syntax = "", .is_default = true},
};
enum { OFFERS = sizeof(offers) / sizeof(offers[0]) };

static void check_ranges(const CorAccept *accept)
{
    FUZZ_CHECK(accept->len <= COR_ACCEPT_RANGES_MAX);
    for (size_t i = 0; i < accept->len; i++) {
        const CorAcceptRange *range = &accept->ranges[i];
        FUZZ_CHECK(memchr(range->type, '\0', sizeof(range->type)));
        FUZZ_CHECK(memchr(range->transfer_syntax, '\0', sizeof(range->transfer_syntax)));
        FUZZ_CHECK(range->is_multipart || range->is_single);
        FUZZ_CHECK(range->quality <= 1000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[4096];
    CorAccept accept = {0};
    CorError err = {0};

    if (size >= sizeof(text) || memchr(data, '\0', size)) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';

    FuzzMemory before = fuzz_memory_now();
    if (!cor_dicomweb_priv_accept_add(&accept, text, &err)) {
        FUZZ_CHECK(err.code == COR_ERR_INVALID && err.text[0] != '\0' && accept.len == 0);
        return 0;
    }
    FUZZ_CHECK(fuzz_memory_peak_since(&before) == 0);
    check_ranges(&accept);

    size_t best = cor_dicomweb_priv_accept_best(&accept, offers, OFFERS);
    unsigned quality =
        best == COR_ACCEPT_NONE ? 0 : cor_dicomweb_priv_accept_quality(&accept, &offers[best]);
    FUZZ_CHECK(best == COR_ACCEPT_NONE || quality > 0);
    for (size_t i = 0; i < OFFERS; i++) {
        FUZZ_CHECK(cor_dicomweb_priv_accept_quality(&accept, &offers[i]) <= quality);
    }
    return 0;
}
