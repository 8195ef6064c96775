/* SPDX-License-Identifier: Apache-2.0 */
/* What a query holds, and the statement that it becomes.  Private to this room.
 *
 * Threads  One thread at a time.
 */
#pragma once

#include "base/string.h"
#include "catalog/catalog-match.h"
#include "catalog/catalog-search.h"

struct CorCatalogQuery {
    CorCatalogLevel level;
    CorCatalogUids within;
    CorCatalogKey *keys[COR_CATALOG_KEYS_MAX];
    size_t keys_len;
    char includes[COR_CATALOG_KEYS_MAX][COR_CATALOG_TAG_SIZE];
    size_t includes_len;
    bool includes_all;
    int64_t offset;
    int64_t limit;
};

/** True if the answers tell about a level: their own, and those above that the path does not fix.
 */
bool cor_catalog_priv_tells(const CorCatalogQuery *query, CorCatalogLevel level);

/** True if an attribute is asked for by name, but not told without being asked. */
bool cor_catalog_priv_names(const CorCatalogQuery *query, const char *tag);

/** True if an attribute of a header is asked for, by name or by "all". */
bool cor_catalog_priv_includes(const CorCatalogQuery *query, const char *tag);

/** True if answers need more than what is ready: the header has to be read. */
bool cor_catalog_priv_needs_header(const CorCatalogQuery *query);

/* Columns of the statement of a page. */
enum {
    COR_FOUND_STUDY_UID,
    COR_FOUND_SERIES_UID,
    COR_FOUND_SOP_UID,
    COR_FOUND_STUDY_READY, /* lines; likewise the two below */
    COR_FOUND_SERIES_READY,
    COR_FOUND_INSTANCE_READY,
    COR_FOUND_HEADER, /* NULL if nobody needs it */
    COR_FOUND_MODALITIES,
    COR_FOUND_STUDY_SERIES,
    COR_FOUND_STUDY_INSTANCES,
    COR_FOUND_SERIES_INSTANCES,
    COR_FOUND_SOP_CLASSES, /* NULL if nobody asks */
};

/** Make the statement of a page: the rows of one more than query->limit from query->offset. */
COR_MUSTCHECK bool cor_catalog_priv_page_stmt(CorSqlTxn *txn, const CorCatalogQuery *query,
                                              CorSqlStmt **ret_stmt, CorError *err);

/** Make the statement that counts all, up to max. */
COR_MUSTCHECK bool cor_catalog_priv_count_stmt(CorSqlTxn *txn, const CorCatalogQuery *query,
                                               int64_t max, CorSqlStmt **ret_stmt, CorError *err);

/** True if there is a way to match the key with SQL; without one it is not used. */
bool cor_catalog_priv_can_match(const CorCatalogKey *key);
