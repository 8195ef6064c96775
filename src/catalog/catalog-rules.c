/* SPDX-License-Identifier: Apache-2.0 */
/* What may be stored beside what is there: the rules at the top of catalog.h, in one place for
 * those who ask before they store and for cor_catalog_add(). */
#include <stdlib.h>
#include <string.h>

#include "catalog/catalog-priv.h"
#include "catalog/catalog.h"

void cor_catalog_priv_verdict_done(CorCatalogVerdict *verdict)
{
    free(verdict->existing);
    free(verdict->outgrown);
    verdict->existing = NULL;
    verdict->outgrown = NULL;
}

static bool check_entry(const CorCatalogEntry *entry, CorError *err)
{
    if (!entry->bucket[0] || strlen(entry->bucket) >= COR_CATALOG_BUCKET_SIZE) {
        return cor_fail(err, COR_ERR_INVALID, "bucket is empty or too long");
    }
    if (strlen(entry->sha256) != 64 || strspn(entry->sha256, "0123456789abcdef") != 64) {
        return cor_fail(err, COR_ERR_INVALID, "sha256 is no lower-case hexadecimal digest");
    }
    if (entry->size > INT64_MAX) {
        return cor_fail(err, COR_ERR_INVALID, "size is too large");
    }
    return cor_key_check(entry->key, err);
}

/* The UID is there: is this the same object again? */
static bool judge_known(const CorCatalogEntry *entry, const CorCatalogRecord *record,
                        CorCatalogVerdict *verdict, CorError *err)
{
    const CorCatalogInstance *existing = verdict->existing;
    bool is_same_place = strcmp(existing->study_instance_uid, record->study_instance_uid) == 0 &&
                         strcmp(existing->series_instance_uid, record->series_instance_uid) == 0;

    if (strcmp(existing->sha256, entry->sha256) == 0) {
        verdict->outcome = COR_CATALOG_DUPLICATE;
        return true;
    }
    if (entry->is_derived && existing->is_derived && is_same_place &&
        strcmp(existing->bucket, entry->bucket) == 0 && strcmp(existing->key, entry->key) == 0) {
        verdict->outcome = COR_CATALOG_REPLACED;
        return true;
    }
    return cor_fail(err, COR_ERR_CONFLICT,
                    "SOP Instance UID %s is stored already, with other bytes",
                    record->sop_instance_uid);
}

/* A Series belongs to one Study. */
static bool judge_series(CorSqlTxn *txn, const CorCatalogRecord *record, CorError *err)
{
    static const char sql[] = "SELECT t.study_uid FROM series s JOIN study t ON t.id = s.study"
                              " WHERE s.series_uid = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;
    bool ok = true;

    cor_sql_bind_text(stmt, 1, record->series_instance_uid);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (has_row && strcmp(cor_sql_column_text(stmt, 0), record->study_instance_uid) != 0) {
        ok = cor_fail(err, COR_ERR_CONFLICT,
                      "Series Instance UID %s belongs to another study, Study Instance UID %s",
                      record->series_instance_uid, cor_sql_column_text(stmt, 0));
    }
    cor_sql_reset(stmt);
    return ok;
}

bool cor_catalog_priv_judge(CorSqlTxn *txn, const CorCatalogEntry *entry,
                            const CorCatalogRecord *record, CorCatalogVerdict *verdict,
                            CorError *err)
{
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *holder = NULL;

    if (!check_entry(entry, err) ||
        !cor_catalog_priv_find(txn, record->sop_instance_uid, &verdict->row, &verdict->existing,
                               err)) {
        return false;
    }
    if (verdict->existing) {
        return judge_known(entry, record, verdict, err);
    }
    if (!cor_catalog_find_key(txn, entry->bucket, entry->key, &holder, err)) {
        return false;
    }
    /* A job derives the same anew, from more slices or by another version: what was there is
     * outgrown. */
    if (holder && entry->job_id && entry->is_derived && holder->is_derived &&
        strcmp(holder->study_instance_uid, record->study_instance_uid) == 0) {
        verdict->outgrown = COR_TAKE(holder);
    }
    if (holder) {
        return cor_fail(err, COR_ERR_CONFLICT, "the key belongs to SOP Instance UID %s",
                        holder->sop_instance_uid);
    }
    verdict->outcome = COR_CATALOG_ADDED;
    return judge_series(txn, record, err);
}

bool cor_catalog_check(CorSqlTxn *txn, const CorCatalogEntry *entry, CorCatalogOutcome *ret_outcome,
                       CorCatalogInstance **ret_existing, CorError *err)
{
    COR_CLEANUP(cor_catalog_priv_verdict_done) CorCatalogVerdict verdict = {0};
    CorCatalogRecord record;

    if (!cor_catalog_priv_record(entry->index, &record, err) ||
        !cor_catalog_priv_judge(txn, entry, &record, &verdict, err)) {
        return false;
    }
    *ret_outcome = verdict.outcome;
    if (ret_existing) {
        *ret_existing =
            verdict.outcome == COR_CATALOG_DUPLICATE ? COR_TAKE(verdict.existing) : NULL;
    }
    return true;
}
