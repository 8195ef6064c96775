/* SPDX-License-Identifier: Apache-2.0 */
/* Names of things: client and job ids, UUIDs, DICOM UIDs made from a hash, object keys.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>

#define COR_ID_SIZE 129  /* a client or job id with its NUL */
#define COR_UUID_SIZE 37 /* a UUID with its NUL */
#define COR_UID_SIZE 65  /* a DICOM UID with its NUL */
#define COR_KEY_MAX 1024 /* bytes of an object key, without a NUL */
#define COR_KEY_SIZE (COR_KEY_MAX + 1)

/** Make a random UUIDv4 (RFC 9562 section 5.4). */
COR_MUSTCHECK bool cor_uuid4(char ret_uuid[COR_UUID_SIZE], CorError *err);

/** True for [A-Za-z0-9._~-]{1,128}: what a client or job id may be. */
bool cor_id_is_legal(const char *id);

/** True for a DICOM UID (PS3.5 section 9.1): digits and dots, at most 64, no empty component. */
bool cor_uid_is_legal(const char *uid);

/**
 * Make the UID "2.25.<decimal of 128 bits>" from a hash over several texts (PS3.5 section B.2).
 *
 * The texts are hashed with their lengths, so ("ab","c") and ("a","bc") differ.  The bits are
 * shaped like a UUID, as the standard wants.
 */
void cor_uid_from_texts(const char *const *texts, size_t len, char ret_uid[COR_UID_SIZE]);

/**
 * Check an object key: valid UTF-8, at most 1024 bytes, parts of 1 to 255 bytes between single
 * slashes, none of them ".", ".." or beginning with ".tmp-", no control character, no backslash.
 * INVALID says what is wrong.
 */
COR_MUSTCHECK bool cor_key_check(const char *key, CorError *err);

/** True if the bytes are valid UTF-8 without NUL (RFC 3629). */
bool cor_utf8_is_valid(const char *text, size_t size);
