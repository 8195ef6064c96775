/* SPDX-License-Identifier: Apache-2.0 */
/* Taking instances out together with their objects.
 *
 * Row and object cannot go in one step.  The row goes first, with a note in table removal that its
 * object is to follow; the note goes when the object is gone.  So a crash in between neither leaves
 * a row without an object nor brings an image back that somebody has deleted: whoever starts next
 * finishes what the notes say.  A row that takes the key again takes the note away with it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "catalog/catalog-priv.h"
#include "catalog/catalog.h"

/* An instance that is named must lie in the study and series that are named with it.  The last to
 * come go first, so that what is said of studies and series has not to be written anew for each. */
static CorSqlStmt *find_below(CorSqlTxn *txn, const CorCatalogUids *uids)
{
    static const char in_study[] =
        "SELECT i.sop_uid FROM instance i JOIN study t ON t.id = i.study WHERE t.study_uid = ?1"
        " ORDER BY i.id DESC LIMIT ?4";
    static const char in_series[] =
        "SELECT i.sop_uid FROM series s JOIN study t ON t.id = s.study JOIN instance i"
        " ON i.series = s.id WHERE t.study_uid = ?1 AND s.series_uid = ?2"
        " ORDER BY i.id DESC LIMIT ?4";
    static const char itself[] =
        "SELECT i.sop_uid FROM instance i JOIN series s ON s.id = i.series JOIN study t"
        " ON t.id = i.study WHERE i.sop_uid = ?3 AND s.series_uid = ?2 AND t.study_uid = ?1"
        " LIMIT ?4";
    static const char *const texts[] = {NULL, in_study, in_series, itself};

    return cor_catalog_priv_stmt_of(txn, uids, texts);
}

/* The rows are read to their end before any of them goes. */
static bool collect(CorSqlTxn *txn, const CorCatalogUids *uids, size_t max,
                    char (*ret_uids)[COR_UID_SIZE], size_t *ret_len, CorError *err)
{
    CorSqlStmt *stmt = find_below(txn, uids);
    size_t len = 0;
    bool has_row = false;

    cor_sql_bind_int(stmt, 4, (int64_t) max);
    for (;;) {
        if (!cor_sql_next(stmt, &has_row, err)) {
            return false;
        }
        if (!has_row) {
            break;
        }
        (void) snprintf(ret_uids[len++], COR_UID_SIZE, "%s", cor_sql_column_text(stmt, 0));
    }
    *ret_len = len;
    return true;
}

static bool note(CorSqlTxn *txn, const CorCatalogInstance *gone, int64_t now_unix_ms, CorError *err)
{
    static const char sql[] = "INSERT OR REPLACE INTO removal(bucket, key, at) VALUES (?1, ?2, ?3)";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, gone->bucket);
    cor_sql_bind_text(stmt, 2, gone->key);
    cor_sql_bind_int(stmt, 3, now_unix_ms);
    return cor_sql_run(stmt, err);
}

bool cor_catalog_remove_below(CorSqlTxn *txn, const CorCatalogUids *uids, size_t max,
                              int64_t now_unix_ms, size_t *ret_len, CorError *err)
{
    char(*found)[COR_UID_SIZE] = calloc(max, sizeof(*found));
    size_t len = 0;

    assert(uids->study_instance_uid && max >= 1 && max <= COR_CATALOG_PAGE_MAX);

    if (!found) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of instances");
    }
    bool ok = collect(txn, uids, max, found, &len, err);
    for (size_t i = 0; ok && i < len; i++) {
        COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *gone = NULL;
        ok = cor_catalog_remove(txn, found[i], now_unix_ms, &gone, err) &&
             (!gone || note(txn, gone, now_unix_ms, err));
    }
    free(found);
    if (ok) {
        *ret_len = len;
    }
    return ok;
}

bool cor_catalog_next_removal(CorSqlTxn *txn, CorCatalogRemoval *removal, bool *ret_has,
                              CorError *err)
{
    static const char sql[] = "SELECT bucket, key, at FROM removal WHERE (bucket, key) > (?1, ?2)"
                              " ORDER BY bucket, key LIMIT 1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, removal->bucket);
    cor_sql_bind_text(stmt, 2, removal->key);
    if (!cor_sql_next(stmt, ret_has, err)) {
        return false;
    }
    if (*ret_has) {
        CorCatalogRemoval next = {.at_unix_ms = cor_sql_column_int(stmt, 2)};
        (void) snprintf(next.bucket, sizeof(next.bucket), "%s", cor_sql_column_text(stmt, 0));
        (void) snprintf(next.key, sizeof(next.key), "%s", cor_sql_column_text(stmt, 1));
        cor_sql_reset(stmt);
        *removal = next;
    }
    return true;
}

bool cor_catalog_find_removal(CorSqlTxn *txn, const char *bucket, const char *key,
                              CorCatalogRemoval *removal, bool *ret_has, CorError *err)
{
    static const char sql[] = "SELECT at FROM removal WHERE bucket = ?1 AND key = ?2";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, bucket);
    cor_sql_bind_text(stmt, 2, key);
    if (!cor_sql_next(stmt, ret_has, err)) {
        return false;
    }
    if (*ret_has) {
        *removal = (CorCatalogRemoval){.at_unix_ms = cor_sql_column_int(stmt, 0)};
        cor_sql_reset(stmt);
        (void) snprintf(removal->bucket, sizeof(removal->bucket), "%s", bucket);
        (void) snprintf(removal->key, sizeof(removal->key), "%s", key);
    }
    return true;
}

bool cor_catalog_removal_is_due(CorSqlTxn *txn, const CorCatalogRemoval *removal, bool *ret_is_due,
                                CorError *err)
{
    static const char sql[] = "SELECT 1 FROM removal WHERE bucket = ?1 AND key = ?2 AND at = ?3";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, removal->bucket);
    cor_sql_bind_text(stmt, 2, removal->key);
    cor_sql_bind_int(stmt, 3, removal->at_unix_ms);
    return cor_catalog_priv_has_row(stmt, ret_is_due, err);
}

bool cor_catalog_forget_removal(CorSqlTxn *txn, const char *bucket, const char *key, CorError *err)
{
    static const char sql[] = "DELETE FROM removal WHERE bucket = ?1 AND key = ?2";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, bucket);
    cor_sql_bind_text(stmt, 2, key);
    return cor_sql_run(stmt, err);
}

bool cor_catalog_was_removed(CorSqlTxn *txn, const char *bucket, const char *key, bool *ret_was,
                             CorError *err)
{
    static const char sql[] = "SELECT 1 FROM change WHERE kind = 3 AND bucket = ?1 AND key = ?2"
                              " LIMIT 1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, bucket);
    cor_sql_bind_text(stmt, 2, key);
    return cor_catalog_priv_has_row(stmt, ret_was, err);
}
