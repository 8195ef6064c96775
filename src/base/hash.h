/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, HMAC-SHA256 and CRC-32, and their hexadecimal form.  Over OpenSSL and a table.
 *
 * Threads  Functions: Thread-safe.  CorSha256: One thread at a time.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define COR_SHA256_SIZE 32
#define COR_SHA256_HEX_SIZE 65 /* with the final NUL */

typedef struct CorSha256 CorSha256;

/** Start a digest; NULL if there is no memory. */
CorSha256 *cor_sha256_new(void);
void cor_sha256_free(CorSha256 *sha);
COR_DEFINE_CLEANUP(CorSha256, cor_sha256_free)
void cor_sha256_update(CorSha256 *sha, const void *data, size_t size);
/** Finish; the object can only be freed afterwards. */
void cor_sha256_final(CorSha256 *sha, uint8_t digest[COR_SHA256_SIZE]);

/** Digest of one buffer. */
void cor_sha256(const void *data, size_t size, uint8_t digest[COR_SHA256_SIZE]);

/** HMAC-SHA256 (RFC 2104). */
void cor_hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                     uint8_t mac[COR_SHA256_SIZE]);

/** Digest of the bytes of a descriptor from offset 0, which it does not move; reads with pread().
 */
COR_MUSTCHECK bool cor_sha256_fd(int fd, uint64_t size, uint8_t digest[COR_SHA256_SIZE],
                                 CorError *err);

/** CRC-32 (IEEE 802.3), for noticing damage, not for security. */
uint32_t cor_crc32(const void *data, size_t size);

/** Lower-case hexadecimal; text needs 2 * size + 1 bytes. */
char *cor_hex_encode(const uint8_t *data, size_t size, char *text);

/** False unless text is exactly 2 * size hexadecimal digits. */
bool cor_hex_decode(const char *text, uint8_t *data, size_t size);

/** Compare without telling by the time taken where the first difference is. */
bool cor_equal_constant_time(const void *a, const void *b, size_t size);

/** Random bytes from the kernel. */
COR_MUSTCHECK bool cor_random_bytes(void *data, size_t size, CorError *err);
