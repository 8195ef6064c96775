/* SPDX-License-Identifier: Apache-2.0 */
/* What arrives and what goes.
 *
 * Everything that a row of study, series or total says about others is kept along with each change,
 * so that nobody has to count; and each change gets its number in the feed first, so that the
 * instance can carry it.
 */
#include <string.h>

#include "base/array.h"
#include "catalog/catalog-priv.h"
#include "catalog/catalog.h"

/* Append to the feed; the number is cor_sql_last_rowid(). */
static bool add_change(CorSqlTxn *txn, CorCatalogChange kind, int64_t at_unix_ms,
                       const char *const texts[5], CorError *err)
{
    static const char sql[] = "INSERT INTO change(kind, at, study_uid, series_uid, sop_uid, bucket,"
                              " key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, kind);
    cor_sql_bind_int(stmt, 2, at_unix_ms);
    for (int i = 0; i < 5; i++) {
        cor_sql_bind_text(stmt, 3 + i, texts[i]);
    }
    return cor_sql_run(stmt, err);
}

static const char total_instances[] = "UPDATE total SET instances = instances + ?1";
static const char total_bytes[] = "UPDATE total SET bytes = bytes + ?1";

static void bind_instance(CorSqlStmt *stmt, const CorCatalogEntry *entry,
                          const CorCatalogRecord *record)
{
    static const CorCatalogColumn columns[] = {{17, "00200052"}};
    const char *slash = strrchr(entry->key, '/');
    int64_t bits = 0;

    cor_sql_bind_text(stmt, 1, record->sop_instance_uid);
    cor_sql_bind_text(stmt, 2, record->sop_class_uid);
    cor_sql_bind_text(stmt, 3, record->transfer_syntax_uid);
    cor_sql_bind_text(stmt, 4, entry->bucket);
    cor_sql_bind_text(stmt, 5, entry->key);
    cor_sql_bind_text(stmt, 6, slash ? slash + 1 : entry->key);
    cor_sql_bind_int(stmt, 7, (int64_t) entry->size);
    cor_sql_bind_text(stmt, 8, entry->sha256);
    cor_sql_bind_int(stmt, 9, entry->created_unix_ms);
    cor_sql_bind_int(stmt, 10, entry->is_derived);
    cor_sql_bind_text(stmt, 11, entry->algo_id);
    cor_sql_bind_text(stmt, 12, entry->job_id);
    cor_sql_bind_text(stmt, 13, record->modality);
    cor_sql_bind_int(stmt, 14, record->rows);
    cor_sql_bind_int(stmt, 15, record->columns);
    cor_sql_bind_int(stmt, 16, record->frames);
    cor_catalog_priv_bind_columns(stmt, record->picked, columns, COR_ARRAY_LEN(columns));
    cor_sql_bind_int(stmt, 18, record->has_pixels);
    if (cor_catalog_priv_attribute_int(record->picked, "00280100", &bits)) {
        cor_sql_bind_int(stmt, 19, bits);
    }
    if (record->has_instance_number) {
        cor_sql_bind_int(stmt, 20, record->instance_number);
    }
    if (record->has_slice_position) {
        cor_sql_bind_real(stmt, 21, record->slice_position_mm);
    }
    cor_catalog_priv_bind_layout(stmt, 22, record, entry->size);
    cor_sql_bind_int(stmt, 25, record->lacks_meta);
}

/* Keep along how many instances there are above, and which change was the last. */
static bool note_change(CorSqlTxn *txn, const CorCatalogRow *row, int64_t change_seq, int more,
                        CorError *err)
{
    static const char *const levels[] = {
        "UPDATE study SET instance_count = instance_count + ?2, change_seq = ?3 WHERE id = ?1",
        "UPDATE series SET instance_count = instance_count + ?2, change_seq = ?3 WHERE id = ?1"};
    const int64_t ids[] = {row->study, row->series};

    for (size_t i = 0; i < COR_ARRAY_LEN(levels); i++) {
        CorSqlStmt *stmt = cor_sql_stmt(txn, levels[i]);

        cor_sql_bind_int(stmt, 1, ids[i]);
        cor_sql_bind_int(stmt, 2, more);
        cor_sql_bind_int(stmt, 3, change_seq);
        if (!cor_sql_run(stmt, err)) {
            return false;
        }
    }
    return true;
}

static bool write_attributes(CorSqlTxn *txn, int64_t instance, const char *attributes,
                             CorError *err)
{
    static const char sql[] = "INSERT OR REPLACE INTO attributes(instance, body) VALUES (?1, ?2)";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, instance);
    cor_sql_bind_text(stmt, 2, attributes);
    bool ok = cor_sql_run(stmt, err);
    cor_sql_bind_null(stmt, 2); /* the text was borrowed */
    return ok;
}

/* What lies beside the row of an instance. */
static bool write_beside(CorSqlTxn *txn, int64_t instance, const CorCatalogEntry *entry,
                         const CorCatalogRecord *record, CorError *err)
{
    return write_attributes(txn, instance, record->attributes, err) &&
           cor_catalog_priv_write_ready(txn, COR_CATALOG_INSTANCES, instance, record->attributes,
                                        err) &&
           cor_catalog_priv_write_fragments(txn, instance, record, entry->size, err);
}

static bool insert_instance(CorSqlTxn *txn, const CorCatalogEntry *entry,
                            const CorCatalogRecord *record, int64_t change_seq, CorError *err)
{
    static const char sql[] =
        "INSERT INTO instance(sop_uid, sop_class_uid, transfer_syntax_uid, bucket, key, file_name,"
        " size, sha256, created, is_derived, algo_id, job_id, modality, image_rows, image_columns,"
        " frames, frame_of_reference_uid, has_pixels, bits_allocated, instance_number,"
        " slice_position, pixel_offset, frame_bytes, data_set_offset, lacks_meta, change_seq, "
        "study,"
        " series)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,"
        " ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)";
    int64_t study = 0;
    int64_t series = 0;

    if (!cor_catalog_priv_need_above(txn, record, &study, &series, err)) {
        return false;
    }
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bind_instance(stmt, entry, record);
    cor_sql_bind_int(stmt, 26, change_seq);
    cor_sql_bind_int(stmt, 27, study);
    cor_sql_bind_int(stmt, 28, series);
    if (!cor_sql_run(stmt, err) ||
        !write_beside(txn, cor_sql_last_rowid(txn), entry, record, err)) {
        return false;
    }
    if (strcmp(entry->bucket, COR_CATALOG_PACS) == 0 &&
        !cor_catalog_priv_narrow_folder(txn, study, entry->key, err)) {
        return false;
    }
    const CorCatalogRow row = {.study = study, .series = series};
    return note_change(txn, &row, change_seq, 1, err) &&
           cor_catalog_priv_run_with(txn, total_instances, 1, err) &&
           cor_catalog_priv_run_with(txn, total_bytes, (int64_t) entry->size, err);
}

static bool replace_instance(CorSqlTxn *txn, const CorCatalogEntry *entry,
                             const CorCatalogRecord *record, const CorCatalogVerdict *verdict,
                             CorError *err)
{
    static const char sql[] =
        "UPDATE instance SET sop_class_uid = ?2, transfer_syntax_uid = ?3, bucket = ?4, key = ?5,"
        " file_name = ?6, size = ?7, sha256 = ?8, created = ?9, is_derived = ?10, algo_id = ?11,"
        " job_id = ?12, modality = ?13, image_rows = ?14, image_columns = ?15, frames = ?16,"
        " frame_of_reference_uid = ?17, has_pixels = ?18, bits_allocated = ?19,"
        " instance_number = ?20, slice_position = ?21, pixel_offset = ?22, frame_bytes = ?23,"
        " data_set_offset = ?24, lacks_meta = ?25, change_seq = ?26 WHERE sop_uid = ?1";
    int64_t change_seq = cor_sql_last_rowid(txn);
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    bind_instance(stmt, entry, record);
    cor_sql_bind_int(stmt, 26, change_seq);
    return cor_sql_run(stmt, err) && write_beside(txn, verdict->row.id, entry, record, err) &&
           cor_catalog_priv_renew_above(txn, &verdict->row, err) &&
           note_change(txn, &verdict->row, change_seq, 0, err) &&
           cor_catalog_priv_run_with(
               txn, total_bytes, (int64_t) entry->size - (int64_t) verdict->existing->size, err);
}

bool cor_catalog_add(CorSqlTxn *txn, const CorCatalogEntry *entry, CorCatalogOutcome *ret_outcome,
                     CorCatalogInstance **ret_existing, CorError *err)
{
    COR_CLEANUP(cor_catalog_priv_verdict_done) CorCatalogVerdict verdict = {0};
    COR_CLEANUP(cor_catalog_priv_record_done) CorCatalogRecord record = {0};

    if (!cor_catalog_priv_record(entry->index, &record, err) ||
        !cor_catalog_priv_judge(txn, entry, &record, &verdict, err) ||
        (verdict.outcome != COR_CATALOG_DUPLICATE &&
         !cor_catalog_priv_record_attributes(txn, entry->index, &record, err))) {
        return false;
    }
    const char *const texts[] = {record.study_instance_uid, record.series_instance_uid,
                                 record.sop_instance_uid, entry->bucket, entry->key};
    switch (verdict.outcome) {
    case COR_CATALOG_DUPLICATE:
        break;
    case COR_CATALOG_ADDED:
        if (verdict.outgrown && !cor_catalog_remove(txn, verdict.outgrown->sop_instance_uid,
                                                    entry->created_unix_ms, NULL, err)) {
            return false;
        }
        if (!cor_catalog_forget_removal(txn, entry->bucket, entry->key, err) ||
            !add_change(txn, COR_CHANGE_ADDED, entry->created_unix_ms, texts, err) ||
            !insert_instance(txn, entry, &record, cor_sql_last_rowid(txn), err)) {
            return false;
        }
        break;
    case COR_CATALOG_REPLACED:
        if (!add_change(txn, COR_CHANGE_REPLACED, entry->created_unix_ms, texts, err) ||
            !replace_instance(txn, entry, &record, &verdict, err)) {
            return false;
        }
        break;
    }
    *ret_outcome = verdict.outcome;
    if (ret_existing) {
        *ret_existing =
            verdict.outcome == COR_CATALOG_DUPLICATE ? COR_TAKE(verdict.existing) : NULL;
    }
    return true;
}

/* --- Going. --- */

bool cor_catalog_remove(CorSqlTxn *txn, const char *sop_instance_uid, int64_t now_unix_ms,
                        CorCatalogInstance **ret_removed, CorError *err)
{
    static const char drop_attributes[] = "DELETE FROM attributes WHERE instance = ?1";
    static const char drop_ready[] = "DELETE FROM ready WHERE instance = ?1";
    static const char drop_fragments[] = "DELETE FROM fragments WHERE instance = ?1";
    static const char drop_instance[] = "DELETE FROM instance WHERE id = ?1";
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *gone = NULL;
    CorCatalogRow row = {0};

    if (!cor_catalog_priv_find(txn, sop_instance_uid, &row, &gone, err)) {
        return false;
    }
    if (gone) {
        const char *const texts[] = {gone->study_instance_uid, gone->series_instance_uid,
                                     gone->sop_instance_uid, gone->bucket, gone->key};
        bool is_pacs = strcmp(gone->bucket, COR_CATALOG_PACS) == 0;

        if (!add_change(txn, COR_CHANGE_REMOVED, now_unix_ms, texts, err) ||
            !note_change(txn, &row, cor_sql_last_rowid(txn), -1, err) ||
            !cor_catalog_priv_run_with(txn, drop_attributes, row.id, err) ||
            !cor_catalog_priv_run_with(txn, drop_ready, row.id, err) ||
            !cor_catalog_priv_run_with(txn, drop_fragments, row.id, err) ||
            !cor_catalog_priv_run_with(txn, drop_instance, row.id, err) ||
            !cor_catalog_priv_run_with(txn, total_instances, -1, err) ||
            !cor_catalog_priv_run_with(txn, total_bytes, -(int64_t) gone->size, err) ||
            (is_pacs && !cor_catalog_priv_update_folder(txn, row.study, err)) ||
            !cor_catalog_priv_settle_above(txn, &row, err)) {
            return false;
        }
    }
    if (ret_removed) {
        *ret_removed = COR_TAKE(gone);
    }
    return true;
}

bool cor_catalog_clear(CorSqlTxn *txn, int64_t now_unix_ms, CorError *err)
{
    static const char script[] = "DELETE FROM attributes; DELETE FROM fragments; DELETE FROM ready;"
                                 " DELETE FROM instance; DELETE FROM series; DELETE FROM study;"
                                 " UPDATE total SET studies = 0, series = 0,"
                                 " instances = 0, bytes = 0;";
    const char *const texts[5] = {0};

    return cor_sql_exec(txn, script, err) &&
           add_change(txn, COR_CHANGE_CLEARED, now_unix_ms, texts, err);
}
