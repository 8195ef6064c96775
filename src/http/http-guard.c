/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts and origins are compared as text (RFC 6454 section 5); nothing is looked up. */
#include "http/http-guard.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"

static bool is_digits(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!isdigit((unsigned char) text[i])) {
            return false;
        }
    }
    return true;
}

static bool is_host_character(char c)
{
    return isalnum((unsigned char) c) || c == '-' || c == '.' || c == '_' ||
           (unsigned char) c >= 0x80;
}

/* True for "" and ":123". */
static bool is_port(const char *text)
{
    size_t size = strlen(text);

    return size == 0 || (text[0] == ':' && size <= 6 && is_digits(text + 1, size - 1));
}

size_t cor_http_host_len(const char *host)
{
    size_t len = 0;

    if (host[0] == '[') {
        len = strspn(host + 1, "0123456789abcdefABCDEF:.");
        if (len == 0 || host[len + 1] != ']') {
            return 0;
        }
        len += 2;
    } else {
        while (host[len] && is_host_character(host[len])) {
            len++;
        }
    }
    return is_port(host + len) ? len : 0;
}

static bool is_text(const char *given, size_t size, const char *text)
{
    return strlen(text) == size && strncasecmp(given, text, size) == 0;
}

/* "127.x.y.z" and nothing that merely begins so: "127.0.0.1.evil.example" has letters. */
static bool is_loopback_ipv4(const char *host, size_t len)
{
    int dots = 0;

    if (len < 9 || len > 15 || strncmp(host, "127.", 4) != 0) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (host[i] == '.') {
            dots++;
        } else if (!isdigit((unsigned char) host[i])) {
            return false;
        }
    }
    return dots == 3;
}

static bool is_loopback(const char *host, size_t len)
{
    return is_text(host, len, "localhost") || is_text(host, len, "[::1]") ||
           is_loopback_ipv4(host, len);
}

bool cor_http_host_is_loopback(const char *host)
{
    return is_loopback(host, cor_http_host_len(host));
}

bool cor_http_host_is_allowed(const char *host, const char *const *names, size_t len)
{
    size_t host_len = cor_http_host_len(host);

    if (host_len == 0) {
        return false;
    }
    if (is_loopback(host, host_len)) {
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        if (strcmp(names[i], "*") == 0 || is_text(host, host_len, names[i])) {
            return true;
        }
    }
    return false;
}

/* The part behind "http://" or "https://"; NULL if it begins otherwise. */
static const char *authority_of(const char *origin)
{
    if (strncasecmp(origin, "http://", 7) == 0) {
        return origin + 7;
    }
    return strncasecmp(origin, "https://", 8) == 0 ? origin + 8 : NULL;
}

static bool ends_with_any_port(const char *pattern, size_t *ret_base)
{
    size_t size = strlen(pattern);

    if (size < 2 || strcmp(pattern + size - 2, ":*") != 0) {
        return false;
    }
    *ret_base = size - 2;
    return true;
}

bool cor_http_origin_pattern_is_legal(const char *pattern)
{
    char bare[300];
    size_t base = 0;

    if (strcmp(pattern, "*") == 0) {
        return true;
    }
    if (strlen(pattern) >= sizeof(bare)) {
        return false;
    }
    memcpy(bare, pattern, strlen(pattern) + 1);
    if (ends_with_any_port(pattern, &base)) {
        bare[base] = '\0';
    }
    const char *authority = authority_of(bare);
    return authority && cor_http_host_len(authority) > 0;
}

static bool matches(const char *origin, const char *pattern)
{
    size_t base = 0;

    if (strcmp(pattern, "*") == 0) {
        return true;
    }
    if (!ends_with_any_port(pattern, &base)) {
        return strcasecmp(origin, pattern) == 0;
    }
    return strlen(origin) >= base && strncasecmp(origin, pattern, base) == 0 &&
           is_port(origin + base);
}

bool cor_http_origin_is_allowed(const char *origin, const char *const *patterns, size_t len)
{
    const char *authority = authority_of(origin);

    if (!authority || cor_http_host_len(authority) == 0) {
        return false; /* "null" too: sandboxed frames and local files are nobody */
    }
    size_t host_len = cor_http_host_len(authority);
    if (authority == origin + 7 &&
        (is_text(authority, host_len, "localhost") || is_text(authority, host_len, "127.0.0.1") ||
         is_text(authority, host_len, "[::1]"))) {
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        if (matches(origin, patterns[i])) {
            return true;
        }
    }
    return false;
}

bool cor_http_origin_is_same(const char *origin, const char *host)
{
    const char *authority = authority_of(origin);

    return authority && cor_http_host_len(authority) > 0 && strcasecmp(authority, host) == 0;
}

const char *cor_http_bearer(const char *authorization)
{
    if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0) {
        return NULL;
    }
    const char *token = authorization + 7;
    return token + strspn(token, " ");
}

bool cor_http_token_is_right(const char *given, size_t size, const char *right)
{
    uint8_t digests[2][COR_SHA256_SIZE];

    /* Digests have one length, so that the right token's does not show either. */
    cor_sha256(given, size, digests[0]);
    cor_sha256(right, strlen(right), digests[1]);
    return cor_equal_constant_time(digests[0], digests[1], COR_SHA256_SIZE);
}

const char *cor_http_list_next(const char **at, size_t *ret_size)
{
    const char *begin = *at + strspn(*at, " \t,");
    size_t size = strcspn(begin, ",");

    if (size == 0) {
        return NULL;
    }
    *at = begin + size;
    while (size > 0 && (begin[size - 1] == ' ' || begin[size - 1] == '\t')) {
        size--;
    }
    *ret_size = size;
    return begin;
}

bool cor_http_list_has(const char *list, const char *element)
{
    size_t size = 0;
    const char *item = NULL;

    while (list && (item = cor_http_list_next(&list, &size))) {
        const char *parameters = memchr(item, ';', size);
        size_t len = parameters ? (size_t) (parameters - item) : size;
        while (len > 0 && (item[len - 1] == ' ' || item[len - 1] == '\t')) {
            len--;
        }
        if (is_text(item, len, element)) {
            return true;
        }
    }
    return false;
}

bool cor_http_type_is(const char *content_type, const char *type)
{
    if (!content_type) {
        return false;
    }
    const char *begin = content_type + strspn(content_type, " \t");
    return is_text(begin, strcspn(begin, "; \t"), type);
}
