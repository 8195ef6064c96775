/* SPDX-License-Identifier: Apache-2.0 */
/* Glue over Jansson: parsing with limits, typed members whose complaints are JSON pointers, and a
 * canonical form for hashing.
 *
 * Ownership  Functions that return json_t * say whether the reference is borrowed or new.
 * Threads    One thread at a time per value.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

static inline void cor_json_freep(json_t **slot)
{
    json_decref(*slot);
    *slot = NULL;
}

/**
 * Parse one JSON text: valid UTF-8, no duplicate member, at most 64 levels deep.
 *
 * @param ret_json  receives a new reference
 * @param err       INVALID with line and column; LIMIT if nested too deeply
 */
COR_MUSTCHECK bool cor_json_parse(const char *text, size_t size, json_t **ret_json, CorError *err);

/** Hold a text that is not parsed to the depth of those that are; LIMIT if it is deeper. */
COR_MUSTCHECK bool cor_json_check_depth(const char *text, size_t size, CorError *err);

/** Compact text with members in insertion order; malloc()ed, NULL if there is no memory. */
char *cor_json_text(const json_t *json);

/** Compact text with sorted members: equal values give equal text.  malloc()ed. */
char *cor_json_canonical(const json_t *json);

/** Lower-case hexadecimal SHA-256 of the canonical text. */
COR_MUSTCHECK bool cor_json_sha256(const json_t *json, char ret_hex[65], CorError *err);

/** The text of member name, or fallback if it is absent or no string.  Borrowed. */
const char *cor_json_string(const json_t *object, const char *name, const char *fallback);

/** The integer member name, or fallback. */
int64_t cor_json_integer(const json_t *object, const char *name, int64_t fallback);

/** The number member name (integer or real), or fallback. */
double cor_json_number(const json_t *object, const char *name, double fallback);

/** The boolean member name, or fallback. */
bool cor_json_boolean(const json_t *object, const char *name, bool fallback);
