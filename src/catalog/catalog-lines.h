/* SPDX-License-Identifier: Apache-2.0 */
/* DICOM JSON as lines: the members of a data set, one in each line, in the order of their tags.
 *
 *     "00080020":{"vr":"DA","Value":["20260131"]}
 *     "00100020":{"vr":"LO","Value":["4711"]}
 *
 * Compact JSON never holds a newline, so lines are found without parsing and merged by comparing
 * their first bytes: an answer is put together from what several levels have ready.  Private to
 * this room.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include "base/error.h"
#include "base/string.h"
#include "catalog/catalog-search.h"

#include <stdbool.h>
#include <stddef.h>

/* Bytes of an attribute; what is longer is only in the metadata. */
#define COR_CATALOG_VALUE_MAX ((size_t) 65536)

/* A stretch of somebody's text. */
typedef struct CorCatalogSpan {
    const char *text;
    size_t size;
} CorCatalogSpan;

/** True if the lines below have a place for an attribute. */
bool cor_catalog_priv_is_ready(CorCatalogLevel level, const char *tag);

/** Append the lines of a level's answers (PS3.18 tables 10.6.3-3 to 10.6.3-5).
 *
 * @param attributes  compact and in the order of tags; NULL for none */
void cor_catalog_priv_ready(CorCatalogLevel level, const char *attributes, CorString *lines);

/** Go through the members of a compact JSON object; false at the end.  Of another text they mean
 * nothing.
 *
 * @param at  in: where to go on, first the object's text; out: behind the member */
bool cor_catalog_priv_next_member(const char **at, CorCatalogSpan *ret_member);

/** The value of a member of a compact JSON object; size 0 if there is none. */
CorCatalogSpan cor_catalog_priv_member(const char *object, const char *tag);

/** True if all members of a compact JSON object are named by tags and in the order of tags; what
 * follows the last member is not looked at. */
bool cor_catalog_priv_is_sorted(const char *object);

/* How far a search for tags, each after those before it, has come. */
typedef struct CorCatalogWalk {
    const char *at;        /* first a compact JSON object in the order of tags, or "" */
    CorCatalogSpan member; /* that is before us; size 0: none yet */
} CorCatalogWalk;

/** Go on to a tag and get its value; false if it is not there.  Members whose name is no tag are
 * passed over. */
bool cor_catalog_priv_seek(CorCatalogWalk *walk, const char *tag, CorCatalogSpan *ret_value);

/** Append one JSON object made of the lines of several texts; of a tag that comes again the first
 * one stays. */
void cor_catalog_priv_merge(const CorCatalogSpan *texts, size_t len, CorString *object);
