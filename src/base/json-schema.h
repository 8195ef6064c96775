/* SPDX-License-Identifier: Apache-2.0 */
/* The one interpreter of JSON Schema (2020-12), for the subset that parameters, requests and the
 * console's forms use.
 *
 *   any       type (one or several), enum, const, oneOf, default, $ref "#/..."
 *   object    properties, required, additionalProperties (boolean or schema)
 *   array     items, prefixItems, minItems, maxItems
 *   number    minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf
 *   string    minLength, maxLength (characters), pattern
 *
 * title, description, examples, deprecated, readOnly, writeOnly, format, $schema, $id, $comment and
 * everything that begins with "x-" say nothing about validity and are passed over.  Any other
 * keyword is an error at compile time: a schema is never believed to check what it does not.
 *
 * pattern is a POSIX extended regular expression over bytes (regcomp()), at most 256 bytes, and
 * texts over 4096 bytes do not match it; write only what ECMA-262 and POSIX read alike: classes in
 * brackets, groups, alternatives, counts, anchors.
 *
 * A oneOf whose alternatives are all objects with the same required member of const value is told
 * by that member, so that the complaint is about the alternative that was meant.
 *
 * Ownership  cor_json_schema_compile() gives an object to free.  It copies what it needs.
 * Threads    Thread-safe once compiled; a json_t is one thread's at a time, as ever.
 * Blocking   Never.  Depth is at most 64, a schema is at most 10,000 nodes.
 * Errors     INVALID: the sentence in err says what must be, and never repeats the value; the JSON
 *            pointer (RFC 6901) says where.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <jansson.h>

#define COR_JSON_POINTER_SIZE 512

typedef struct CorJsonSchema CorJsonSchema;

/**
 * Compile a schema.
 *
 * @param schema      the schema: an object, or true or false
 * @param root        the document in which $ref is looked up ("#/components/schemas/Job"); NULL for
 *                    schema itself
 * @param ret_schema  free it with cor_json_schema_free()
 * @param err         INVALID with the pointer in schema of what is not understood; LIMIT
 */
COR_MUSTCHECK bool cor_json_schema_compile(const json_t *schema, const json_t *root,
                                           CorJsonSchema **ret_schema, CorError *err);
void cor_json_schema_free(CorJsonSchema *schema);
COR_DEFINE_CLEANUP(CorJsonSchema, cor_json_schema_free)

/**
 * Check a value.
 *
 * @param ret_pointer  receives where the first offending member is, on failure only:
 * "/params/sigma",
 *                     "" for the whole value; a missing or unknown member is pointed at by its own
 *                     name.  Cut between parts if it does not fit.  NULL if not wanted.
 * @param err          INVALID: "must be at most 10"
 */
COR_MUSTCHECK bool cor_json_schema_validate(const CorJsonSchema *schema, const json_t *value,
                                            char ret_pointer[COR_JSON_POINTER_SIZE], CorError *err);

/**
 * Complete a valid value: put in the default of every absent member of every object, inside
 * defaults too, and inside the alternative of a oneOf that holds.
 *
 * @param value  changed in place; must have passed cor_json_schema_validate()
 * @param err    NOMEM
 */
COR_MUSTCHECK bool cor_json_schema_fill_defaults(const CorJsonSchema *schema, json_t *value,
                                                 CorError *err);
