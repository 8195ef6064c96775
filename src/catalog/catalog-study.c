/* SPDX-License-Identifier: Apache-2.0 */
/* What a study says of itself: the folder that its keys share, its modalities, its id in lists.
 *
 * The folder is kept along: a new key can only shorten it.  Only a removal has to look anew, and
 * asks the index for the study's first and last key: what those two share is shared by all between.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "catalog/catalog-priv.h"
#include "catalog/catalog.h"

/* Bytes of the longest folder (whole parts) that both paths lie in; a path's last part is no
 * folder. */
static size_t common_folder(const char *a, const char *b)
{
    size_t len = 0;

    for (size_t i = 0; a[i] && a[i] == b[i]; i++) {
        if (a[i] == '/') {
            len = i;
        }
    }
    return len;
}

static bool set_folder(CorSqlTxn *txn, int64_t study, const char *key, size_t len, CorError *err)
{
    static const char sql[] = "UPDATE study SET folder = ?2, list_id = coalesce(nullif(?2, ''),"
                              " study_uid) WHERE id = ?1 AND folder IS NOT ?2";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, study);
    if (key) {
        cor_sql_bind_text_size(stmt, 2, key, len);
    }
    return cor_sql_run(stmt, err);
}

bool cor_catalog_priv_update_folder(CorSqlTxn *txn, int64_t study, CorError *err)
{
    static const char sql[] =
        "SELECT (SELECT key FROM instance WHERE study = ?1 AND bucket = '" COR_CATALOG_PACS "'"
        " ORDER BY key LIMIT 1), (SELECT key FROM instance WHERE study = ?1 AND bucket = "
        "'" COR_CATALOG_PACS "'"
        " ORDER BY key DESC LIMIT 1)";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    char first[COR_KEY_SIZE] = "";
    size_t len = 0;
    bool has_row = false;

    cor_sql_bind_int(stmt, 1, study);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    const char *low = has_row ? cor_sql_column_text(stmt, 0) : NULL;
    const char *high = has_row ? cor_sql_column_text(stmt, 1) : NULL;
    bool has_keys = low && high && strlen(low) < sizeof(first);
    if (has_keys) {
        len = common_folder(low, high);
        memcpy(first, low, strlen(low) + 1);
    }
    cor_sql_reset(stmt);
    return set_folder(txn, study, has_keys ? first : NULL, len, err);
}

bool cor_catalog_priv_narrow_folder(CorSqlTxn *txn, int64_t study, const char *key, CorError *err)
{
    static const char sql[] = "SELECT folder FROM study WHERE id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    char path[COR_KEY_SIZE + 1];
    const char *slash = strrchr(key, '/');
    size_t len = slash ? (size_t) (slash - key) : 0;
    bool has_row = false;

    cor_sql_bind_int(stmt, 1, study);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    const char *folder = has_row ? cor_sql_column_text(stmt, 0) : NULL;
    if (folder && strlen(folder) <= COR_KEY_MAX) {
        (void) snprintf(path, sizeof(path), "%s/", folder);
        len = common_folder(path, key);
    }
    cor_sql_reset(stmt);
    return set_folder(txn, study, key, len, err);
}

bool cor_catalog_priv_update_modalities(CorSqlTxn *txn, int64_t study, CorError *err)
{
    static const char sql[] =
        "UPDATE study SET modalities = (SELECT group_concat(modality, '\\') FROM (SELECT DISTINCT"
        " modality FROM series WHERE study = ?1 AND modality IS NOT NULL ORDER BY modality))"
        " WHERE id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, study);
    return cor_sql_run(stmt, err);
}

bool cor_catalog_study_ids(CorSqlTxn *txn, const char *after, size_t max, CorCatalogTexts **ret_ids,
                           CorError *err)
{
    static const char sql[] =
        "SELECT DISTINCT list_id FROM study WHERE list_id > ?1 ORDER BY list_id LIMIT ?2";
    COR_CLEANUP(cor_catalog_texts_freep) CorCatalogTexts *ids = cor_new(CorCatalogTexts);
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;

    assert(max >= 1 && max <= COR_CATALOG_PAGE_MAX);

    if (ids) {
        ids->items = cor_new_array(char *, max);
    }
    if (!ids || !ids->items) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of studies");
    }
    cor_sql_bind_text(stmt, 1, after ? after : "");
    cor_sql_bind_int(stmt, 2, (int64_t) max + 1);
    for (;;) {
        if (!cor_sql_next(stmt, &has_row, err)) {
            return false;
        }
        if (!has_row || ids->len == max) {
            break;
        }
        ids->items[ids->len] = strdup(cor_sql_column_text(stmt, 0));
        if (!ids->items[ids->len]) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of studies");
        }
        ids->len++;
    }
    ids->has_more = has_row;
    cor_sql_reset(stmt);
    *ret_ids = COR_TAKE(ids);
    return true;
}
