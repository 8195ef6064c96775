/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

/* Version and variant bits of RFC 9562 section 4. */
static void shape_uuid(uint8_t bytes[16], uint8_t version)
{
    bytes[6] = (uint8_t) ((bytes[6] & 0x0F) | (version << 4));
    bytes[8] = (uint8_t) ((bytes[8] & 0x3F) | 0x80);
}

bool cor_uuid4(char ret_uuid[COR_UUID_SIZE], CorError *err)
{
    uint8_t bytes[16];
    char hex[33];

    if (!cor_random_bytes(bytes, sizeof(bytes), err)) {
        return false;
    }
    shape_uuid(bytes, 4);
    cor_hex_encode(bytes, sizeof(bytes), hex);
    (void) snprintf(ret_uuid, COR_UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                    hex + 16, hex + 20);
    return true;
}

bool cor_id_is_legal(const char *id)
{
    static const char legal[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-";
    size_t len = strlen(id);

    return len >= 1 && len <= 128 && strspn(id, legal) == len;
}

bool cor_uid_is_legal(const char *uid)
{
    size_t len = strlen(uid);

    if (len < 1 || len > 64 || strspn(uid, "0123456789.") != len) {
        return false;
    }
    return uid[0] != '.' && uid[len - 1] != '.' && !strstr(uid, "..");
}

void cor_uid_from_texts(const char *const *texts, size_t len, char ret_uid[COR_UID_SIZE])
{
    CorSha256 *sha = cor_sha256_new();
    uint8_t digest[COR_SHA256_SIZE] = {0};
    char decimal[40]; /* 2^128 has 39 digits */
    size_t start = sizeof(decimal) - 1;

    for (size_t i = 0; sha && i < len; i++) {
        uint64_t size = strlen(texts[i]);
        cor_sha256_update(sha, &size, sizeof(size));
        cor_sha256_update(sha, texts[i], size);
    }
    if (sha) {
        cor_sha256_final(sha, digest);
        cor_sha256_free(sha);
    }
    shape_uuid(digest, 8);

    unsigned __int128 value = 0;
    for (int i = 0; i < 16; i++) {
        value = value << 8 | digest[i];
    }
    decimal[start] = '\0';
    do {
        decimal[--start] = (char) ('0' + (int) (value % 10));
        value /= 10;
    } while (value > 0);
    (void) snprintf(ret_uid, COR_UID_SIZE, "2.25.%s", decimal + start);
}

/* Bytes that follow a lead byte, or -1 if it leads nothing. */
static int continuation_len(unsigned char lead)
{
    if (lead < 0x80) {
        return 0;
    }
    if (lead >= 0xC2 && lead <= 0xDF) {
        return 1;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        return 2;
    }
    return lead >= 0xF0 && lead <= 0xF4 ? 3 : -1;
}

bool cor_utf8_is_valid(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *) text;

    for (size_t i = 0; i < size;) {
        unsigned char lead = bytes[i];
        int more = continuation_len(lead);

        if (lead == 0 || more < 0 || (size_t) more >= size - i) {
            return false;
        }
        for (int k = 1; k <= more; k++) {
            if ((bytes[i + (size_t) k] & 0xC0) != 0x80) {
                return false;
            }
        }
        unsigned char second = more > 0 ? bytes[i + 1] : 0;
        if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
            (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
            return false; /* overlong, surrogate or beyond U+10FFFF */
        }
        i += (size_t) more + 1;
    }
    return true;
}

static bool check_part(const char *part, size_t len, CorError *err)
{
    if (len == 0) {
        return cor_fail(err, COR_ERR_INVALID, "key has an empty part");
    }
    if (len > 255) {
        return cor_fail(err, COR_ERR_INVALID, "key has a part of more than 255 bytes");
    }
    if ((len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.')) {
        return cor_fail(err, COR_ERR_INVALID, "key has a part '.' or '..'");
    }
    if (len >= 5 && memcmp(part, ".tmp-", 5) == 0) {
        return cor_fail(err, COR_ERR_INVALID, "key has a part that begins with '.tmp-'");
    }
    return true;
}

bool cor_key_check(const char *key, CorError *err)
{
    size_t size = strlen(key);

    if (size == 0 || size > COR_KEY_MAX) {
        return cor_fail(err, COR_ERR_INVALID, "key is empty or longer than %d bytes", COR_KEY_MAX);
    }
    if (!cor_utf8_is_valid(key, size)) {
        return cor_fail(err, COR_ERR_INVALID, "key is not valid UTF-8");
    }
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char) key[i];
        if (byte < 0x20 || byte == 0x7F || byte == '\\') {
            return cor_fail(err, COR_ERR_INVALID, "key has a control character or backslash");
        }
    }
    for (const char *part = key;;) {
        const char *slash = strchr(part, '/');
        size_t len = slash ? (size_t) (slash - part) : strlen(part);
        if (!check_part(part, len, err)) {
            return false;
        }
        if (!slash) {
            return true;
        }
        part = slash + 1;
    }
}
