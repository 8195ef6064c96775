/* SPDX-License-Identifier: Apache-2.0 */
/* Studies, series and instances by their UIDs, as DICOMweb names them.
 *
 * Each question has one statement for the lowest UID that is given: that one is sought, and those
 * above it are compared with what it belongs to.
 */
#include <assert.h>
#include <string.h>

#include "base/array.h"
#include "catalog/catalog-priv.h"
#include "catalog/catalog.h"

CorSqlStmt *cor_catalog_priv_stmt_of(CorSqlTxn *txn, const CorCatalogUids *uids,
                                     const char *const texts[4])
{
    size_t level = uids->sop_instance_uid      ? 3
                   : uids->series_instance_uid ? 2
                   : uids->study_instance_uid  ? 1
                                               : 0;
    CorSqlStmt *stmt = cor_sql_stmt(txn, texts[level]);

    if (level >= 1) {
        cor_sql_bind_text(stmt, 1, uids->study_instance_uid);
    }
    if (level >= 2) {
        cor_sql_bind_text(stmt, 2, uids->series_instance_uid);
    }
    if (level >= 3) {
        cor_sql_bind_text(stmt, 3, uids->sop_instance_uid);
    }
    return stmt;
}

/* What to say of a lowest level that is not there. */
static bool fail_not_found(const CorCatalogUids *uids, CorError *err)
{
    return cor_fail(err, COR_ERR_NOT_FOUND, "no such %s",
                    uids->sop_instance_uid      ? "instance"
                    : uids->series_instance_uid ? "series"
                                                : "study");
}

#define IN_STUDY " AND (?1 IS NULL OR t.study_uid = ?1)"
#define IN_SERIES " AND (?2 IS NULL OR s.series_uid = ?2)"
#define OF_STUDY " WHERE i.study = (SELECT id FROM study WHERE study_uid = ?1) ORDER BY i.id"
#define OF_SERIES \
    " WHERE i.series = (SELECT id FROM series WHERE series_uid = ?2)" IN_STUDY " ORDER BY i.id"
#define OF_INSTANCE " WHERE i.sop_uid = ?3" IN_STUDY IN_SERIES

bool cor_catalog_select(CorSqlTxn *txn, const CorCatalogUids *uids, size_t max,
                        CorCatalogInstances **ret_instances, CorError *err)
{
#define SELECT "SELECT " COR_CATALOG_COLUMNS COR_CATALOG_FROM
    static const char *const texts[] = {SELECT " ORDER BY i.id", SELECT OF_STUDY, SELECT OF_SERIES,
                                        SELECT OF_INSTANCE};
    COR_CLEANUP(cor_catalog_instances_freep) CorCatalogInstances *list = NULL;

    assert(max >= 1 && max <= COR_CATALOG_RESOLVE_MAX);

    if (!cor_catalog_priv_read_all(cor_catalog_priv_stmt_of(txn, uids, texts), max, &list, err)) {
        return false;
    }
    if (list->len == 0) {
        return fail_not_found(uids, err);
    }
    if (list->has_more) {
        return cor_fail(err, COR_ERR_LIMIT, "more than %zu instances", max);
    }
    *ret_instances = COR_TAKE(list);
    return true;
}

#define AFTER " AND i.id > ?4"
#define HEADERS                                                                  \
    "SELECT t.study_uid, s.series_uid, i.sop_uid, a.body, i.id" COR_CATALOG_FROM \
    " JOIN attributes a ON a.instance = i.id"

bool cor_catalog_headers(CorSqlTxn *txn, const CorCatalogUids *uids,
                         bool (*visit)(void *context, const CorCatalogUids *instance,
                                       const char *json, size_t size, bool *ret_is_full,
                                       CorError *err),
                         void *context, int64_t *ret_after, CorError *err)
{
    static const char *const texts[] = {
        HEADERS " WHERE ?1 IS NULL" AFTER " ORDER BY i.id",
        HEADERS " WHERE i.study = (SELECT id FROM study WHERE study_uid = ?1)" AFTER
                " ORDER BY i.id",
        HEADERS " WHERE i.series = (SELECT id FROM series WHERE series_uid = ?2)" IN_STUDY AFTER
                " ORDER BY i.id",
        HEADERS OF_INSTANCE AFTER};
    CorSqlStmt *stmt = cor_catalog_priv_stmt_of(txn, uids, texts);
    bool is_found = *ret_after > 0;
    bool has_row = false;
    bool is_full = false;
    int64_t after = 0;

    cor_sql_bind_int(stmt, 4, *ret_after);
    for (;;) {
        if (!cor_sql_next(stmt, &has_row, err)) {
            return false;
        }
        if (!has_row || is_full) {
            break;
        }
        const CorCatalogUids instance = {.study_instance_uid = cor_sql_column_text(stmt, 0),
                                         .series_instance_uid = cor_sql_column_text(stmt, 1),
                                         .sop_instance_uid = cor_sql_column_text(stmt, 2)};
        const char *json = cor_sql_column_text(stmt, 3);
        if (!visit(context, &instance, json, strlen(json), &is_full, err)) {
            cor_sql_reset(stmt);
            return false;
        }
        after = cor_sql_column_int(stmt, 4);
        is_found = true;
    }
    cor_sql_reset(stmt);
    *ret_after = has_row ? after : 0;
    return is_found || fail_not_found(uids, err);
}

/* In stored text, which is compact, this is only ever a member: inside a string its quotes would be
 * escaped. */
#define BULK "\"BulkDataURI\":\""

bool cor_catalog_has_bulk(const char *json, size_t size)
{
    return memmem(json, size, BULK, sizeof(BULK) - 1) != NULL;
}

void cor_catalog_append_header(CorString *text, const char *json, size_t size,
                               const char *instance_url)
{
    static const char relative[] = BULK "bulkdata/";
    const char *end = json + size;

    for (;;) {
        const char *found = memmem(json, (size_t) (end - json), relative, sizeof(relative) - 1);
        if (!found) {
            cor_string_append(text, json, (size_t) (end - json));
            return;
        }
        found += sizeof(BULK) - 1;
        cor_string_append(text, json, (size_t) (found - json));
        cor_string_append_text(text, instance_url);
        cor_string_append(text, "/", 1);
        json = found;
    }
}

bool cor_catalog_state(CorSqlTxn *txn, const CorCatalogUids *uids, CorCatalogState *ret_state,
                       CorError *err)
{
    static const char *const texts[] = {
        "SELECT instances, coalesce((SELECT seq FROM change ORDER BY seq DESC LIMIT 1), 0)"
        " FROM total",
        "SELECT instance_count, change_seq FROM study WHERE study_uid = ?1",
        "SELECT s.instance_count, s.change_seq FROM series s JOIN study t ON t.id = s.study"
        " WHERE s.series_uid = ?2" IN_STUDY,
        "SELECT 1, i.change_seq" COR_CATALOG_FROM OF_INSTANCE};
    CorSqlStmt *stmt = cor_catalog_priv_stmt_of(txn, uids, texts);
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (!has_row) {
        return fail_not_found(uids, err);
    }
    *ret_state = (CorCatalogState){.instances = cor_sql_column_int(stmt, 0),
                                   .change_seq = cor_sql_column_int(stmt, 1)};
    cor_sql_reset(stmt);
    return true;
}
