/* SPDX-License-Identifier: Apache-2.0 */
/* One key of a search and what it matches (PS3.4 section C.2.2.2): single value, list of UID,
 * universal, wildcard, range.  Private to this room.
 *
 * Ownership  cor_catalog_priv_key_new() gives a key to free; texts are copied.
 * Threads    A key that is made does not change: Thread-safe.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "catalog/catalog-tags.h"

#include <stdbool.h>
#include <stddef.h>

/* Digits of a date and time: YYYYMMDDHHMMSSFFFFFF and the NUL. */
#define COR_CATALOG_MOMENT_SIZE 21

typedef enum CorCatalogKeyKind {
    COR_KEY_UNIVERSAL = 0, /* matches everything */
    COR_KEY_EXACT,         /* one of values, letter by letter */
    COR_KEY_WILD,          /* one of values, with * and ? */
    COR_KEY_NAME,          /* values[0] is a pattern of a folded Person Name */
    COR_KEY_NUMBER,        /* number */
    COR_KEY_MOMENT,        /* DA, TM, DT: from low to high */
} CorCatalogKeyKind;

typedef struct CorCatalogKey {
    CorCatalogPath path;
    CorCatalogKeyKind kind;
    char **values;
    size_t values_len;
    double number;
    char low[COR_CATALOG_MOMENT_SIZE];
    char high[COR_CATALOG_MOMENT_SIZE];
} CorCatalogKey;

/**
 * Make a key.
 *
 * @param err  INVALID: not a legal value; UNSUPPORTED: nothing can be matched with this VR
 */
COR_MUSTCHECK bool cor_catalog_priv_key_new(const CorCatalogPath *path, const char *value,
                                            CorCatalogKey **ret_key, CorError *err);
void cor_catalog_priv_key_free(CorCatalogKey *key);
COR_DEFINE_CLEANUP(CorCatalogKey, cor_catalog_priv_key_free)

/** Add the values of another key for the same list of UIDs. */
COR_MUSTCHECK bool cor_catalog_priv_key_join(CorCatalogKey *key, const CorCatalogKey *more,
                                             CorError *err);

/** CorSqlMatch of one value as text, of a Person Name its groups joined by '='; context is the
 * key. */
bool cor_catalog_priv_match_text(const void *context, const char *text, size_t size);

/** CorSqlMatch of a header as compact DICOM JSON, in which the path leads to the values. */
bool cor_catalog_priv_match_header(const void *context, const char *text, size_t size);
