/* SPDX-License-Identifier: Apache-2.0 */
/* Presigned URLs: HMAC-SHA256 with the server's key over "GET", bucket, key and expiry, a line
 * each. They are made from the configured public_url, never from a Host header. */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/time.h"
#include "base/uri.h"

static bool mac_of(const CorGateway *gateway, const char *bucket, const char *key,
                   const char *expires, uint8_t mac[COR_SHA256_SIZE])
{
    char text[COR_KEY_SIZE + 128];
    int len = snprintf(text, sizeof(text), "GET\n%s\n%s\n%s", bucket, key, expires);

    if (len < 0 || (size_t) len >= sizeof(text)) {
        return false;
    }
    cor_hmac_sha256(gateway->key, sizeof(gateway->key), text, (size_t) len, mac);
    return true;
}

bool cor_gateway_sign(void *context, const char *bucket, const char *key, int64_t expires_in_s,
                      CorString *url, CorError *err)
{
    const CorGateway *gateway = context;
    uint8_t mac[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];
    char expires[24];

    (void) snprintf(expires, sizeof(expires), "%lld",
                    (long long) (cor_time_unix_ms() / 1000 + expires_in_s));
    if (!mac_of(gateway, bucket, key, expires, mac)) {
        return cor_fail(err, COR_ERR_INVALID, "key is too long to be signed");
    }
    cor_string_printf(url, "%s/objects/%s/", gateway->public_url, bucket);
    cor_percent_encode(url, key, "/");
    cor_string_printf(url, "?expires=%s&signature=%s", expires,
                      cor_hex_encode(mac, sizeof(mac), hex));
    return cor_string_check(url, err);
}

json_t *cor_gateway_priv_url(CorGateway *gateway, const char *bucket, const char *key,
                             int64_t expires_in_s)
{
    COR_CLEANUP(cor_string_freep) CorString *url = cor_string_new(8192);

    if (!cor_gateway_sign(gateway, bucket, key, expires_in_s, url, NULL)) {
        return NULL;
    }
    return json_string(cor_string_text(url));
}

bool cor_gateway_priv_verify(const CorGateway *gateway, const char *bucket, const char *key,
                             const char *expires, const char *signature)
{
    uint8_t given[COR_SHA256_SIZE];
    uint8_t mac[COR_SHA256_SIZE];

    if (!expires || !signature || strlen(expires) < 1 || strlen(expires) > 15 ||
        strspn(expires, "0123456789") != strlen(expires) ||
        !cor_hex_decode(signature, given, sizeof(given)) ||
        !mac_of(gateway, bucket, key, expires, mac) ||
        !cor_equal_constant_time(given, mac, sizeof(mac))) {
        return false;
    }
    return strtoll(expires, NULL, 10) > cor_time_unix_ms() / 1000; // style-ok: 15 digits, checked
}
