/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of studies and series: they come with their first instance, say what that one says, and go
 * with the last one.
 *
 * "First" is the one of those that are there that came first.  So when it goes, or is replaced, the
 * row is written anew from the header of the one that is first now; a search that reads headers
 * looks at the same one (catalog-query-sql.c).
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "catalog/catalog-attributes.h"
#include "catalog/catalog-priv.h"

static const char total_studies[] = "UPDATE total SET studies = studies + ?1";
static const char total_series[] = "UPDATE total SET series = series + ?1";

bool cor_catalog_priv_run_with(CorSqlTxn *txn, const char *sql, int64_t value, CorError *err)
{
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, value);
    return cor_sql_run(stmt, err);
}

/* --- What a row says. --- */

void cor_catalog_priv_bind_columns(CorSqlStmt *stmt, const json_t *attributes,
                                   const CorCatalogColumn *columns, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const char *text = cor_catalog_priv_attribute(attributes, columns[i].tag);
        text = text ? text + strspn(text, " ") : NULL; /* which mean nothing */
        size_t size = text ? cor_catalog_priv_text_size(text, COR_CATALOG_TEXT_MAX) : 0;
        cor_sql_bind_text_size(stmt, columns[i].parameter, text, size);
    }
}

/* Bind a Person Name and its folded form as parameters n and n + 1; the buffers must outlive the
 * run. */
static void bind_name(CorSqlStmt *stmt, int parameter, const json_t *attributes, const char *tag,
                      char texts[2][COR_CATALOG_TEXT_MAX + 1])
{
    cor_catalog_priv_person_name(attributes, tag, texts[0]);
    cor_catalog_priv_fold_name(texts[0], texts[1]);
    cor_sql_bind_text(stmt, parameter, texts[0][0] ? texts[0] : NULL);
    cor_sql_bind_text(stmt, parameter + 1, texts[0][0] ? texts[1] : NULL);
}

static bool describe_study(CorSqlTxn *txn, int64_t study, const char *attributes, CorError *err)
{
    static const char sql[] =
        "UPDATE study SET patient_name = ?2, patient_name_search = ?3, referring_name = ?4,"
        " referring_name_search = ?5, patient_id = ?6, issuer_of_patient_id = ?7,"
        " patient_birth_date = ?8, patient_sex = ?9, study_date = ?10, study_time = ?11,"
        " accession_number = ?12, study_id = ?13, study_description = ?14 WHERE id = ?1";
    static const CorCatalogColumn columns[] = {
        {6, "00100020"},  {7, "00100021"},  {8, "00100030"},  {9, "00100040"}, {10, "00080020"},
        {11, "00080030"}, {12, "00080050"}, {13, "00200010"}, {14, "00081030"}};
    static const char *const tags[] = {"00080020", "00080030", "00080050", "00080090",
                                       "00081030", "00100010", "00100020", "00100021",
                                       "00100030", "00100040", "00200010"};
    COR_CLEANUP(cor_json_freep) json_t *picked = NULL;
    char patient[2][COR_CATALOG_TEXT_MAX + 1];
    char referring[2][COR_CATALOG_TEXT_MAX + 1];

    if (!cor_catalog_priv_pick(attributes, tags, COR_ARRAY_LEN(tags), &picked, err)) {
        return false;
    }
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    cor_sql_bind_int(stmt, 1, study);
    bind_name(stmt, 2, picked, "00100010", patient);
    bind_name(stmt, 4, picked, "00080090", referring);
    cor_catalog_priv_bind_columns(stmt, picked, columns, COR_ARRAY_LEN(columns));
    return cor_sql_run(stmt, err) &&
           cor_catalog_priv_write_ready(txn, COR_CATALOG_STUDIES, study, attributes, err);
}

/* The modality is that of the instance, which is bounded. */
static bool describe_series(CorSqlTxn *txn, int64_t series, const char *modality,
                            const char *attributes, CorError *err)
{
    static const char sql[] =
        "UPDATE series SET modality = ?2, series_number = ?3, series_description = ?4,"
        " series_date = ?5, series_time = ?6, body_part_examined = ?7, laterality = ?8,"
        " protocol_name = ?9, performed_start_date = ?10, performed_start_time = ?11,"
        " frame_of_reference_uid = ?12 WHERE id = ?1";
    static const CorCatalogColumn columns[] = {
        {4, "0008103E"}, {5, "00080021"},  {6, "00080031"},  {7, "00180015"}, {8, "00200060"},
        {9, "00181030"}, {10, "00400244"}, {11, "00400245"}, {12, "00200052"}};
    static const char *const tags[] = {"00080021", "00080031", "0008103E", "00180015", "00181030",
                                       "00200011", "00200052", "00200060", "00400244", "00400245"};
    COR_CLEANUP(cor_json_freep) json_t *picked = NULL;
    int64_t number = 0;

    if (!cor_catalog_priv_pick(attributes, tags, COR_ARRAY_LEN(tags), &picked, err)) {
        return false;
    }
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    cor_sql_bind_int(stmt, 1, series);
    cor_sql_bind_text(stmt, 2, modality);
    cor_sql_bind_null(stmt, 3);
    if (cor_catalog_priv_attribute_int(picked, "00200011", &number)) {
        cor_sql_bind_int(stmt, 3, number);
    }
    cor_catalog_priv_bind_columns(stmt, picked, columns, COR_ARRAY_LEN(columns));
    return cor_sql_run(stmt, err) &&
           cor_catalog_priv_write_ready(txn, COR_CATALOG_SERIES, series, attributes, err);
}

/* --- Coming. --- */

static bool need_study(CorSqlTxn *txn, const CorCatalogRecord *record, int64_t *ret_study,
                       CorError *err)
{
    static const char find[] = "SELECT id FROM study WHERE study_uid = ?1";
    static const char insert[] = "INSERT INTO study(study_uid, list_id) VALUES (?1, ?1)";
    CorSqlStmt *stmt = cor_sql_stmt(txn, find);

    cor_sql_bind_text(stmt, 1, record->study_instance_uid);
    if (!cor_catalog_priv_number(stmt, ret_study, err)) {
        return false;
    }
    if (*ret_study != 0) {
        return true;
    }
    stmt = cor_sql_stmt(txn, insert);
    cor_sql_bind_text(stmt, 1, record->study_instance_uid);
    if (!cor_sql_run(stmt, err)) {
        return false;
    }
    *ret_study = cor_sql_last_rowid(txn);
    return describe_study(txn, *ret_study, record->attributes, err) &&
           cor_catalog_priv_run_with(txn, total_studies, 1, err);
}

static bool need_series(CorSqlTxn *txn, const CorCatalogRecord *record, int64_t study,
                        int64_t *ret_series, CorError *err)
{
    static const char find[] = "SELECT id FROM series WHERE series_uid = ?1";
    static const char insert[] = "INSERT INTO series(series_uid, study) VALUES (?1, ?2)";
    static const char note[] = "UPDATE study SET series_count = series_count + 1 WHERE id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, find);

    cor_sql_bind_text(stmt, 1, record->series_instance_uid);
    if (!cor_catalog_priv_number(stmt, ret_series, err)) {
        return false;
    }
    if (*ret_series != 0) {
        return true;
    }
    stmt = cor_sql_stmt(txn, insert);
    cor_sql_bind_text(stmt, 1, record->series_instance_uid);
    cor_sql_bind_int(stmt, 2, study);
    if (!cor_sql_run(stmt, err)) {
        return false;
    }
    *ret_series = cor_sql_last_rowid(txn);
    return describe_series(txn, *ret_series, record->modality, record->attributes, err) &&
           cor_catalog_priv_run_with(txn, note, study, err) &&
           cor_catalog_priv_run_with(txn, total_series, 1, err) &&
           cor_catalog_priv_update_modalities(txn, study, err);
}

bool cor_catalog_priv_need_above(CorSqlTxn *txn, const CorCatalogRecord *record, int64_t *ret_study,
                                 int64_t *ret_series, CorError *err)
{
    return need_study(txn, record, ret_study, err) &&
           need_series(txn, record, *ret_study, ret_series, err);
}

/* --- Going. --- */

/* Take away the series, and the study, that the last instance left. */
static bool drop_empty(CorSqlTxn *txn, const CorCatalogRow *row, CorError *err)
{
    static const char drop_series[] = "DELETE FROM series WHERE id = ?1 AND instance_count = 0";
    static const char drop_study[] = "DELETE FROM study WHERE id = ?1 AND instance_count = 0";
    static const char note_study[] =
        "UPDATE study SET series_count = series_count - 1 WHERE id = ?1";

    if (!cor_catalog_priv_run_with(txn, drop_series, row->series, err)) {
        return false;
    }
    if (cor_sql_changes(txn) > 0 && (!cor_catalog_priv_run_with(txn, total_series, -1, err) ||
                                     !cor_catalog_priv_run_with(txn, note_study, row->study, err) ||
                                     !cor_catalog_priv_update_modalities(txn, row->study, err))) {
        return false;
    }
    if (!cor_catalog_priv_run_with(txn, drop_study, row->study, err)) {
        return false;
    }
    return cor_sql_changes(txn) == 0 || cor_catalog_priv_run_with(txn, total_studies, -1, err);
}

/* A copy of a text, NULL of none. */
static bool copy(const char *text, char **ret_copy, CorError *err)
{
    *ret_copy = text ? strdup(text) : NULL;
    return !text || *ret_copy || cor_fail(err, COR_ERR_NOMEM, "out of memory for a header");
}

/* The header of an instance, and its modality, to be freed; each NULL if there is none.  A header
 * that cannot be read any more counts as none: it must not keep others from going. */
static bool read_header(CorSqlTxn *txn, int64_t instance, char **ret_attributes,
                        char **ret_modality, CorError *err)
{
    static const char sql[] =
        "SELECT CASE WHEN json_valid(a.body) THEN a.body END, i.modality"
        " FROM instance i LEFT JOIN attributes a ON a.instance = i.id WHERE i.id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;

    cor_sql_bind_int(stmt, 1, instance);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    bool ok = copy(has_row ? cor_sql_column_text(stmt, 0) : NULL, ret_attributes, err) &&
              copy(has_row ? cor_sql_column_text(stmt, 1) : NULL, ret_modality, err);
    cor_sql_reset(stmt);
    return ok;
}

static bool find_first(CorSqlTxn *txn, const char *sql, int64_t above, int64_t *ret_first,
                       CorError *err)
{
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_int(stmt, 1, above);
    return cor_catalog_priv_number(stmt, ret_first, err);
}

/* Write anew what is said of a series and a study, from the first instance of each (0: it stays).
 */
static bool renew(CorSqlTxn *txn, const CorCatalogRow *row, int64_t of_series, int64_t of_study,
                  CorError *err)
{
    COR_CLEANUP(cor_freep) char *series = NULL;
    COR_CLEANUP(cor_freep) char *study = NULL;
    COR_CLEANUP(cor_freep) char *modality = NULL;
    COR_CLEANUP(cor_freep) char *other = NULL;

    if (of_series != 0 && (!read_header(txn, of_series, &series, &modality, err) ||
                           !describe_series(txn, row->series, modality, series, err) ||
                           !cor_catalog_priv_update_modalities(txn, row->study, err))) {
        return false;
    }
    return of_study == 0 || (read_header(txn, of_study, &study, &other, err) &&
                             describe_study(txn, row->study, study, err));
}

static const char first_of_series[] = "SELECT id FROM instance WHERE series = ?1"
                                      " ORDER BY id LIMIT 1";
static const char first_of_study[] = "SELECT id FROM instance WHERE study = ?1"
                                     " ORDER BY id LIMIT 1";

bool cor_catalog_priv_settle_above(CorSqlTxn *txn, const CorCatalogRow *gone, CorError *err)
{
    int64_t of_series = 0;
    int64_t of_study = 0;

    if (!drop_empty(txn, gone, err) ||
        !find_first(txn, first_of_series, gone->series, &of_series, err) ||
        !find_first(txn, first_of_study, gone->study, &of_study, err)) {
        return false;
    }
    return renew(txn, gone, of_series > gone->id ? of_series : 0,
                 of_study > gone->id ? of_study : 0, err);
}

bool cor_catalog_priv_renew_above(CorSqlTxn *txn, const CorCatalogRow *row, CorError *err)
{
    int64_t of_series = 0;
    int64_t of_study = 0;

    if (!find_first(txn, first_of_series, row->series, &of_series, err) ||
        !find_first(txn, first_of_study, row->study, &of_study, err)) {
        return false;
    }
    return renew(txn, row, of_series == row->id ? of_series : 0, of_study == row->id ? of_study : 0,
                 err);
}
