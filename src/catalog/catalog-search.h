/* SPDX-License-Identifier: Apache-2.0 */
/* Searches as QIDO-RS makes them (PS3.18 section 10.6, PS3.4 section C.2.2.2): keys that have to
 * match, attributes to include, a page, and answers as DICOM JSON.
 *
 * Attributes of a study are those of the instance that came first in it, likewise of a series.
 * Answers come in the order in which studies, series or instances arrived, so that pages stay what
 * they are while others arrive.
 *
 * Ownership  cor_catalog_query_new() gives a query to free.  Texts are copied.
 * Threads    CorCatalogQuery: One thread at a time.
 * Blocking   Never; cor_catalog_search() as its transaction.
 * Errors     INVALID names the key, never its value (invariant 7).
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/string.h"
#include "catalog/catalog.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_CATALOG_KEYS_MAX ((size_t) 64)
#define COR_CATALOG_VALUES_MAX ((size_t) 1000) /* of one key */
#define COR_CATALOG_ANSWER_MAX \
    ((size_t) 64 << 20) /* a page ends when it has reached half of it \
                         */

typedef enum CorCatalogLevel {
    COR_CATALOG_STUDIES = 0,
    COR_CATALOG_SERIES,
    COR_CATALOG_INSTANCES,
} CorCatalogLevel;

typedef struct CorCatalogQuery CorCatalogQuery;

/**
 * Begin a query.
 *
 * @param within  the study and series to stay in; what is NULL counts as any.  Borrowed until free
 */
COR_MUSTCHECK bool cor_catalog_query_new(CorCatalogLevel level, const CorCatalogUids *within,
                                         CorCatalogQuery **ret_query, CorError *err);
void cor_catalog_query_free(CorCatalogQuery *query);
COR_DEFINE_CLEANUP(CorCatalogQuery, cor_catalog_query_free)

/**
 * Ask that an attribute matches; a key is included in the answers, too.
 *
 * @param name         keyword, eight hexadecimal digits, or several joined by dots
 * @param value        "" matches everything; UIDs may be a list, and come in several keys
 * @param ret_is_used  false if nobody knows the name, or nothing can be matched with it
 * @param err          INVALID: no legal value of the attribute's VR.  LIMIT: too many keys
 */
COR_MUSTCHECK bool cor_catalog_query_match(CorCatalogQuery *query, const char *name,
                                           const char *value, bool *ret_is_used, CorError *err);

/** Include an attribute, by name as above (of one in a sequence the whole sequence), or "all";
 * false if nobody knows it or it belongs to a lower level. */
bool cor_catalog_query_include(CorCatalogQuery *query, const char *name);

/** Choose the page. */
void cor_catalog_query_page(CorCatalogQuery *query, int64_t offset, int64_t limit);

/** True if the search has to read headers: it may take its time. */
bool cor_catalog_query_reads_headers(const CorCatalogQuery *query);

typedef struct CorCatalogFound {
    int64_t len;
    int64_t remaining; /* how many follow; -1: some, more than anybody wants to count */
} CorCatalogFound;

/**
 * Append the answers as a JSON array.  Reads.
 *
 * @param root_url  what studies are below: "http://server/dicom-web"
 */
COR_MUSTCHECK bool cor_catalog_search(CorSqlTxn *txn, const CorCatalogQuery *query,
                                      const char *root_url, CorString *text,
                                      CorCatalogFound *ret_found, CorError *err);
