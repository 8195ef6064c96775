/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/array.h"

struct CorSha256 {
    EVP_MD_CTX *context;
};

/* Fetching the algorithm once saves OpenSSL 3 a look-up in its providers per digest. */
static const EVP_MD *sha256_method(void)
{
    static const EVP_MD *method; /* the same value whoever writes it */
    const EVP_MD *found = __atomic_load_n(&method, __ATOMIC_ACQUIRE);

    if (!found) {
        found = EVP_MD_fetch(NULL, "SHA256", NULL);
        if (!found) {
            found = EVP_sha256();
        }
        __atomic_store_n(&method, found, __ATOMIC_RELEASE);
    }
    return found;
}

CorSha256 *cor_sha256_new(void)
{
    CorSha256 *sha = cor_new(CorSha256);

    if (!sha) {
        return NULL;
    }
    sha->context = EVP_MD_CTX_new();
    if (!sha->context || EVP_DigestInit_ex(sha->context, sha256_method(), NULL) != 1) {
        cor_sha256_free(sha);
        return NULL;
    }
    return sha;
}

void cor_sha256_free(CorSha256 *sha)
{
    if (sha) {
        EVP_MD_CTX_free(sha->context);
        free(sha);
    }
}

void cor_sha256_update(CorSha256 *sha, const void *data, size_t size)
{
    (void) EVP_DigestUpdate(sha->context, data, size);
}

void cor_sha256_final(CorSha256 *sha, uint8_t digest[COR_SHA256_SIZE])
{
    (void) EVP_DigestFinal_ex(sha->context, digest, NULL);
}

void cor_sha256(const void *data, size_t size, uint8_t digest[COR_SHA256_SIZE])
{
    (void) EVP_Digest(data, size, digest, NULL, sha256_method(), NULL);
}

void cor_hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                     uint8_t mac[COR_SHA256_SIZE])
{
    (void) HMAC(EVP_sha256(), key, (int) key_size, data, size, mac, NULL);
}

bool cor_sha256_fd(int fd, uint64_t size, uint8_t digest[COR_SHA256_SIZE], CorError *err)
{
    enum { CHUNK = 256 * 1024 };
    COR_CLEANUP(cor_sha256_freep) CorSha256 *sha = cor_sha256_new();
    uint8_t *chunk = malloc(CHUNK);
    bool ok = false;

    if (!sha || !chunk) {
        free(chunk);
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a digest");
    }
    for (uint64_t offset = 0; offset < size;) {
        size_t wanted = (size_t) COR_MIN(size - offset, (uint64_t) CHUNK);
        ssize_t got = pread(fd, chunk, wanted, (off_t) offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            (void) (got < 0 ? cor_fail_errno(err, errno, "read")
                            : cor_fail(err, COR_ERR_CORRUPT, "file is shorter than it was"));
            goto out;
        }
        cor_sha256_update(sha, chunk, (size_t) got);
        offset += (uint64_t) got;
    }
    cor_sha256_final(sha, digest);
    ok = true;
out:
    free(chunk);
    return ok;
}

uint32_t cor_crc32(const void *data, size_t size)
{
    static uint32_t table[256];
    static uint32_t ready;
    const uint8_t *bytes = data;
    uint32_t crc = ~0u;

    if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++) {
                value = (value >> 1) ^ (0xEDB88320u & (0u - (value & 1u)));
            }
            __atomic_store_n(&table[i], value, __ATOMIC_RELAXED);
        }
        __atomic_store_n(&ready, 1u, __ATOMIC_RELEASE);
    }
    for (size_t i = 0; i < size; i++) {
        crc = (crc >> 8) ^ __atomic_load_n(&table[(crc ^ bytes[i]) & 0xFF], __ATOMIC_RELAXED);
    }
    return ~crc;
}

char *cor_hex_encode(const uint8_t *data, size_t size, char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    text[2 * size] = '\0';
    return text;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

bool cor_hex_decode(const char *text, uint8_t *data, size_t size)
{
    if (strlen(text) != 2 * size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        data[i] = (uint8_t) (high << 4 | low);
    }
    return true;
}

bool cor_equal_constant_time(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

bool cor_random_bytes(void *data, size_t size, CorError *err)
{
    assert(size <= 256); /* getrandom() gives these whole */

    ssize_t got = getrandom(data, size, 0);
    if (got != (ssize_t) size) {
        return cor_fail_errno(err, errno, "get random bytes");
    }
    return true;
}
