/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the feed of changes. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "base/time.h"
#include "catalog/catalog-priv.h"
#include "catalog/catalog.h"

#define CHANGE_BYTES_MAX ((size_t) 8192)

enum {
    COLUMN_SEQ,
    COLUMN_KIND,
    COLUMN_AT,
    COLUMN_STUDY,
    COLUMN_SERIES,
    COLUMN_SOP,
    COLUMN_MODALITY
};

static const char *name_of(int64_t kind)
{
    switch (kind) {
    case COR_CHANGE_ADDED:
        return "added";
    case COR_CHANGE_REPLACED:
        return "replaced";
    case COR_CHANGE_REMOVED:
        return "removed";
    default:
        return "cleared";
    }
}

static void append_member(CorString *text, const char *name, const char *value)
{
    json_t *json = value ? json_string(value) : NULL;
    char *quoted = json ? cor_json_text(json) : NULL;

    if (quoted) {
        cor_string_printf(text, ",\"%s\":%s", name, quoted);
    }
    free(quoted);
    json_decref(json);
}

static void append_change(CorString *text, CorSqlStmt *stmt)
{
    char at[COR_TIME_ISO_SIZE];

    cor_string_printf(text, "{\"seq\":%lld,\"kind\":\"%s\",\"at\":\"%s\"",
                      (long long) cor_sql_column_int(stmt, COLUMN_SEQ),
                      name_of(cor_sql_column_int(stmt, COLUMN_KIND)),
                      cor_time_iso(cor_sql_column_int(stmt, COLUMN_AT), at, sizeof(at)));
    append_member(text, "study_instance_uid", cor_sql_column_text(stmt, COLUMN_STUDY));
    append_member(text, "series_instance_uid", cor_sql_column_text(stmt, COLUMN_SERIES));
    append_member(text, "sop_instance_uid", cor_sql_column_text(stmt, COLUMN_SOP));
    append_member(text, "modality", cor_sql_column_text(stmt, COLUMN_MODALITY));
    cor_string_append(text, "}", 1);
}

bool cor_catalog_last_change(CorSqlTxn *txn, int64_t *ret_seq, CorError *err)
{
    static const char sql[] = "SELECT seq FROM change ORDER BY seq DESC LIMIT 1";

    return cor_catalog_priv_number(cor_sql_stmt(txn, sql), ret_seq, err);
}

enum { LATEST_CHANGES_MAX = 100000 }; /* to look through for what came last */

/* It may have come and gone and come again. */
static bool is_listed(const CorCatalogLatest *latest, const char *uid)
{
    for (size_t i = 0; i < latest->len; i++) {
        if (strcmp(latest->uids[i], uid) == 0) {
            return true;
        }
    }
    return false;
}

static bool list_uids(CorSqlTxn *txn, const char *bucket, size_t max, CorCatalogLatest *latest,
                      CorError *err)
{
    static const char sql[] =
        "SELECT sop_uid FROM change WHERE kind = ?1 AND bucket = ?2 AND"
        " seq > (SELECT coalesce(max(seq), 0) FROM change) - ?4 ORDER BY seq DESC LIMIT ?3";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = true;

    cor_sql_bind_int(stmt, 1, COR_CHANGE_ADDED);
    cor_sql_bind_text(stmt, 2, bucket);
    cor_sql_bind_int(stmt, 3, (int64_t) max);
    cor_sql_bind_int(stmt, 4, LATEST_CHANGES_MAX);
    while (cor_sql_next(stmt, &has_row, err)) {
        if (!has_row) {
            return true;
        }
        const char *uid = cor_sql_column_text(stmt, 0);
        if (!is_listed(latest, uid)) {
            (void) snprintf(latest->uids[latest->len], COR_UID_SIZE, "%s", uid);
            latest->len++;
        }
    }
    return false;
}

bool cor_catalog_latest(CorSqlTxn *txn, const char *bucket, size_t max,
                        CorCatalogLatest *ret_latest, CorError *err)
{
    static const char sql[] = "SELECT at FROM change ORDER BY seq DESC LIMIT 1";
    CorCatalogLatest latest = {.uids = calloc(max, sizeof(*latest.uids))};

    if (!latest.uids) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of instances");
    }
    if (!list_uids(txn, bucket, max, &latest, err) ||
        !cor_catalog_priv_number(cor_sql_stmt(txn, sql), &latest.changed_unix_ms, err)) {
        free(latest.uids);
        return false;
    }
    *ret_latest = latest;
    return true;
}

bool cor_catalog_identity(CorSqlTxn *txn, char ret_identity[COR_CATALOG_IDENTITY_SIZE],
                          CorError *err)
{
    static const char sql[] = "SELECT id FROM identity";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (!has_row) {
        return cor_fail(err, COR_ERR_CORRUPT, "catalogue: the identity is missing");
    }
    (void) snprintf(ret_identity, COR_CATALOG_IDENTITY_SIZE, "%s", cor_sql_column_text(stmt, 0));
    cor_sql_reset(stmt);
    return true;
}

bool cor_catalog_renew_identity(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char sql[] = "UPDATE identity SET id = lower(hex(randomblob(8)))";

    (void) arg;
    return cor_sql_run(cor_sql_stmt(txn, sql), err);
}

bool cor_catalog_changes(CorSqlTxn *txn, int64_t since, size_t max,
                         bool (*visit)(void *context, int64_t seq, const char *json, size_t size),
                         void *context, CorError *err)
{
    static const char sql[] =
        "SELECT c.seq, c.kind, c.at, c.study_uid, c.series_uid, c.sop_uid, s.modality FROM change c"
        " LEFT JOIN series s ON s.series_uid = c.series_uid WHERE c.seq > ?1 ORDER BY c.seq"
        " LIMIT ?2";
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(CHANGE_BYTES_MAX);
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = true;

    assert(max >= 1 && max <= COR_CATALOG_PAGE_MAX);

    cor_sql_bind_int(stmt, 1, since);
    cor_sql_bind_int(stmt, 2, (int64_t) max);
    for (;;) {
        if (!cor_sql_next(stmt, &has_row, err)) {
            return false;
        }
        if (!has_row) {
            return true;
        }
        cor_string_truncate(text, 0);
        append_change(text, stmt);
        if (!cor_string_check(text, err)) {
            return false;
        }
        if (!visit(context, cor_sql_column_int(stmt, COLUMN_SEQ), cor_string_text(text),
                   cor_string_size(text))) {
            cor_sql_reset(stmt);
            return true;
        }
    }
}
