/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, finding and counting.  Adding and removing is in catalog-change.c, what clients name in
 * catalog-resolve.c. */
#include "catalog/catalog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "catalog/catalog-priv.h"

extern const char cor_catalog_priv_schema_1[];
extern const char cor_catalog_priv_schema_2[];
extern const char cor_catalog_priv_schema_3[];
extern const char cor_catalog_priv_schema_4[];

/* --- Rows. --- */

enum { /* COR_CATALOG_COLUMNS, in order */
       COLUMN_ID,
       COLUMN_STUDY,
       COLUMN_SERIES,
       COLUMN_STUDY_UID,
       COLUMN_SERIES_UID,
       COLUMN_SOP_UID,
       COLUMN_SOP_CLASS_UID,
       COLUMN_TRANSFER_SYNTAX_UID,
       COLUMN_FRAME_OF_REFERENCE_UID,
       COLUMN_MODALITY,
       COLUMN_BUCKET,
       COLUMN_SHA256,
       COLUMN_KEY,
       COLUMN_SIZE,
       COLUMN_CREATED,
       COLUMN_CHANGE_SEQ,
       COLUMN_INSTANCE_NUMBER,
       COLUMN_SLICE_POSITION,
       COLUMN_ROWS,
       COLUMN_COLUMNS,
       COLUMN_FRAMES,
       COLUMN_HAS_PIXELS,
       COLUMN_IS_DERIVED,
       COLUMN_PIXEL_OFFSET,
       COLUMN_FRAME_BYTES,
       COLUMN_DATA_SET_OFFSET,
       COLUMN_LACKS_META,
};

/* Copy a text column; NULL is "". */
static bool copy_text(CorSqlStmt *stmt, int column, char *field, size_t size, CorError *err)
{
    const char *text = cor_sql_column_text(stmt, column);
    size_t len = text ? strlen(text) : 0;

    if (len >= size) {
        return cor_fail(err, COR_ERR_CORRUPT, "catalogue: a text is too long");
    }
    memcpy(field, text ? text : "", len + 1);
    return true;
}

static bool copy_texts(CorSqlStmt *stmt, CorCatalogInstance *to, CorError *err)
{
    const struct {
        int column;
        char *field;
        size_t size;
    } texts[] = {
        {COLUMN_STUDY_UID, to->study_instance_uid, sizeof(to->study_instance_uid)},
        {COLUMN_SERIES_UID, to->series_instance_uid, sizeof(to->series_instance_uid)},
        {COLUMN_SOP_UID, to->sop_instance_uid, sizeof(to->sop_instance_uid)},
        {COLUMN_SOP_CLASS_UID, to->sop_class_uid, sizeof(to->sop_class_uid)},
        {COLUMN_TRANSFER_SYNTAX_UID, to->transfer_syntax_uid, sizeof(to->transfer_syntax_uid)},
        {COLUMN_FRAME_OF_REFERENCE_UID, to->frame_of_reference_uid,
         sizeof(to->frame_of_reference_uid)},
        {COLUMN_MODALITY, to->modality, sizeof(to->modality)},
        {COLUMN_BUCKET, to->bucket, sizeof(to->bucket)},
        {COLUMN_SHA256, to->sha256, sizeof(to->sha256)},
    };

    for (size_t i = 0; i < COR_ARRAY_LEN(texts); i++) {
        if (!copy_text(stmt, texts[i].column, texts[i].field, texts[i].size, err)) {
            return false;
        }
    }
    return true;
}

bool cor_catalog_priv_read(CorSqlStmt *stmt, CorCatalogRow *ret_row,
                           CorCatalogInstance **ret_instance, CorError *err)
{
    const char *key = cor_sql_column_text(stmt, COLUMN_KEY);
    size_t key_size = strlen(key ? key : "") + 1;
    COR_CLEANUP(cor_catalog_instance_freep)
    CorCatalogInstance *to = calloc(1, sizeof(*to) + key_size);

    if (!to) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an instance");
    }
    memcpy(to->key, key ? key : "", key_size);
    if (!copy_texts(stmt, to, err)) {
        return false;
    }
    to->size = (uint64_t) cor_sql_column_int(stmt, COLUMN_SIZE);
    to->created_unix_ms = cor_sql_column_int(stmt, COLUMN_CREATED);
    to->change_seq = cor_sql_column_int(stmt, COLUMN_CHANGE_SEQ);
    to->has_instance_number = !cor_sql_column_is_null(stmt, COLUMN_INSTANCE_NUMBER);
    to->instance_number = cor_sql_column_int(stmt, COLUMN_INSTANCE_NUMBER);
    to->has_slice_position = !cor_sql_column_is_null(stmt, COLUMN_SLICE_POSITION);
    to->slice_position_mm = cor_sql_column_real(stmt, COLUMN_SLICE_POSITION);
    to->rows = (int) cor_sql_column_int(stmt, COLUMN_ROWS);
    to->columns = (int) cor_sql_column_int(stmt, COLUMN_COLUMNS);
    to->frames = (int) cor_sql_column_int(stmt, COLUMN_FRAMES);
    to->has_pixels = cor_sql_column_int(stmt, COLUMN_HAS_PIXELS) != 0;
    to->is_derived = cor_sql_column_int(stmt, COLUMN_IS_DERIVED) != 0;
    to->lacks_meta = cor_sql_column_int(stmt, COLUMN_LACKS_META) != 0;
    to->pixel_offset = (uint64_t) cor_sql_column_int(stmt, COLUMN_PIXEL_OFFSET);
    to->frame_bytes = (uint64_t) cor_sql_column_int(stmt, COLUMN_FRAME_BYTES);
    to->data_set_offset = cor_sql_column_is_null(stmt, COLUMN_DATA_SET_OFFSET)
                              ? -1
                              : cor_sql_column_int(stmt, COLUMN_DATA_SET_OFFSET);
    if (ret_row) {
        ret_row->id = cor_sql_column_int(stmt, COLUMN_ID);
        ret_row->study = cor_sql_column_int(stmt, COLUMN_STUDY);
        ret_row->series = cor_sql_column_int(stmt, COLUMN_SERIES);
    }
    *ret_instance = COR_TAKE(to);
    return true;
}

bool cor_catalog_priv_read_one(CorSqlStmt *stmt, CorCatalogRow *ret_row,
                               CorCatalogInstance **ret_instance, CorError *err)
{
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (!has_row) {
        *ret_instance = NULL;
        return true;
    }
    bool ok = cor_catalog_priv_read(stmt, ret_row, ret_instance, err);
    cor_sql_reset(stmt);
    return ok;
}

bool cor_catalog_priv_read_all(CorSqlStmt *stmt, size_t max, CorCatalogInstances **ret_instances,
                               CorError *err)
{
    COR_CLEANUP(cor_catalog_instances_freep)
    CorCatalogInstances *list = cor_new(CorCatalogInstances);
    size_t capacity = 0;
    bool has_row = true;

    if (!list) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of instances");
    }
    for (;;) {
        if (!cor_sql_next(stmt, &has_row, err)) {
            return false;
        }
        if (!has_row || list->len == max) {
            break;
        }
        if (list->len == capacity) {
            capacity = COR_MIN(COR_MAX(2 * capacity, (size_t) 16), max);
            CorCatalogInstance **more = reallocarray(list->items, capacity, sizeof(list->items[0]));
            if (!more) {
                return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of instances");
            }
            list->items = more;
        }
        if (!cor_catalog_priv_read(stmt, NULL, &list->items[list->len], err)) {
            return false;
        }
        list->len++;
    }
    list->has_more = has_row;
    cor_sql_reset(stmt);
    *ret_instances = COR_TAKE(list);
    return true;
}

bool cor_catalog_priv_number(CorSqlStmt *stmt, int64_t *ret_number, CorError *err)
{
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    *ret_number = has_row ? cor_sql_column_int(stmt, 0) : 0;
    cor_sql_reset(stmt);
    return true;
}

bool cor_catalog_priv_has_row(CorSqlStmt *stmt, bool *ret_has, CorError *err)
{
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    cor_sql_reset(stmt);
    *ret_has = has_row;
    return true;
}

void cor_catalog_instances_free(CorCatalogInstances *instances)
{
    if (instances) {
        for (size_t i = 0; i < instances->len; i++) {
            free(instances->items[i]);
        }
        free(instances->items);
        free(instances);
    }
}

void cor_catalog_texts_free(CorCatalogTexts *texts)
{
    if (texts) {
        for (size_t i = 0; i < texts->len; i++) {
            free(texts->items[i]);
        }
        free(texts->items);
        free(texts);
    }
}

/* --- Opening. --- */

bool cor_catalog_migrate(CorSqlTxn *txn, CorError *err)
{
    const char *const steps[] = {cor_catalog_priv_schema_1, cor_catalog_priv_schema_2,
                                 cor_catalog_priv_schema_3, cor_catalog_priv_schema_4};

    return cor_sql_migrate(txn, "catalog", steps, COR_ARRAY_LEN(steps), err) &&
           cor_catalog_priv_fill_ready(txn, err);
}

static bool run_migrate(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_catalog_migrate(txn, err);
}

bool cor_catalog_open(const char *path, const CorSqlOptions *options, CorSql **ret_db,
                      CorError *err)
{
    COR_CLEANUP(cor_sql_closep) CorSql *db = NULL;

    if (!cor_sql_open(path, options, &db, err) ||
        !cor_sql_write(db, run_migrate, NULL, COR_SQL_SYNCED, err)) {
        cor_error_wrap(err, "open catalogue");
        return false;
    }
    *ret_db = COR_TAKE(db);
    return true;
}

/* --- Finding. --- */

bool cor_catalog_priv_find(CorSqlTxn *txn, const char *sop_instance_uid, CorCatalogRow *ret_row,
                           CorCatalogInstance **ret_instance, CorError *err)
{
    static const char sql[] =
        "SELECT " COR_CATALOG_COLUMNS COR_CATALOG_FROM " WHERE i.sop_uid = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, sop_instance_uid);
    return cor_catalog_priv_read_one(stmt, ret_row, ret_instance, err);
}

bool cor_catalog_priv_find_key(CorSqlTxn *txn, const char *bucket, const char *key,
                               CorCatalogRow *ret_row, CorCatalogInstance **ret_instance,
                               CorError *err)
{
    static const char sql[] =
        "SELECT " COR_CATALOG_COLUMNS COR_CATALOG_FROM " WHERE i.bucket = ?1 AND i.key = ?2";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, bucket);
    cor_sql_bind_text(stmt, 2, key);
    return cor_catalog_priv_read_one(stmt, ret_row, ret_instance, err);
}

bool cor_catalog_find(CorSqlTxn *txn, const char *sop_instance_uid,
                      CorCatalogInstance **ret_instance, CorError *err)
{
    return cor_catalog_priv_find(txn, sop_instance_uid, NULL, ret_instance, err);
}

bool cor_catalog_find_key(CorSqlTxn *txn, const char *bucket, const char *key,
                          CorCatalogInstance **ret_instance, CorError *err)
{
    return cor_catalog_priv_find_key(txn, bucket, key, NULL, ret_instance, err);
}

bool cor_catalog_has_key(CorSqlTxn *txn, const char *bucket, const char *key, bool *ret_has,
                         CorError *err)
{
    static const char sql[] = "SELECT 1 FROM instance WHERE bucket = ?1 AND key = ?2";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    cor_sql_bind_text(stmt, 1, bucket);
    cor_sql_bind_text(stmt, 2, key);
    return cor_catalog_priv_has_row(stmt, ret_has, err);
}

bool cor_catalog_has_older(CorSqlTxn *txn, const CorCatalogInstance *instance,
                           const char *const keys[COR_CATALOG_TWINS], bool *ret_has, CorError *err)
{
    static const char sql[] = "SELECT 1 FROM instance WHERE bucket = ?1"
                              " AND key IN (?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
                              " AND sop_uid <> ?2 AND (change_seq < ?3 OR created < ?4) LIMIT 1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    int64_t found = 0;

    cor_sql_bind_text(stmt, 1, instance->bucket);
    cor_sql_bind_text(stmt, 2, instance->sop_instance_uid);
    cor_sql_bind_int(stmt, 3, instance->change_seq);
    cor_sql_bind_int(stmt, 4, instance->created_unix_ms);
    for (size_t i = 0; i < COR_CATALOG_TWINS; i++) {
        cor_sql_bind_text(stmt, 5 + (int) i, keys[i]); /* nothing equals NULL */
    }
    if (!cor_catalog_priv_number(stmt, &found, err)) {
        return false;
    }
    *ret_has = found != 0;
    return true;
}

bool cor_catalog_folder_has_older(CorSqlTxn *txn, const CorCatalogInstance *instance, bool *ret_has,
                                  CorError *err)
{
    /* '0' is the character after '/'. */
    static const char sql[] =
        "SELECT 1 FROM instance WHERE bucket = ?1 AND key > ?2 || '/' AND key < ?2 || '0'"
        " AND instr(substr(key, length(?2) + 2), '/') = 0"
        " AND series <> (SELECT series FROM instance WHERE sop_uid = ?3)"
        " AND (change_seq < ?4 OR created < ?5) LIMIT 1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    const char *slash = strrchr(instance->key, '/');
    char folder[COR_KEY_SIZE];
    int64_t found = 0;

    (void) snprintf(folder, sizeof(folder), "%.*s", slash ? (int) (slash - instance->key) : 0,
                    instance->key);
    cor_sql_bind_text(stmt, 1, instance->bucket);
    cor_sql_bind_text(stmt, 2, folder);
    cor_sql_bind_text(stmt, 3, instance->sop_instance_uid);
    cor_sql_bind_int(stmt, 4, instance->change_seq);
    cor_sql_bind_int(stmt, 5, instance->created_unix_ms);
    if (!cor_catalog_priv_number(stmt, &found, err)) {
        return false;
    }
    *ret_has = found != 0;
    return true;
}

bool cor_catalog_attributes(CorSqlTxn *txn, const char *sop_instance_uid, char **ret_json,
                            size_t *ret_size, CorError *err)
{
    static const char sql[] = "SELECT a.body FROM instance i JOIN attributes a ON a.instance = i.id"
                              " WHERE i.sop_uid = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;

    cor_sql_bind_text(stmt, 1, sop_instance_uid);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (!has_row) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "no such instance");
    }
    const char *text = cor_sql_column_text(stmt, 0);
    size_t size = text ? strlen(text) : 0;
    char *json = text ? strdup(text) : NULL;
    cor_sql_reset(stmt);
    if (!json) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for attributes");
    }
    *ret_json = json;
    *ret_size = size;
    return true;
}

bool cor_catalog_page(CorSqlTxn *txn, const char *after_bucket, const char *after_key, size_t max,
                      CorCatalogInstances **ret_instances, CorError *err)
{
    static const char sql[] =
        "SELECT " COR_CATALOG_COLUMNS COR_CATALOG_FROM
        " WHERE (i.bucket, i.key) > (?1, ?2) ORDER BY i.bucket, i.key LIMIT ?3";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);

    assert(max >= 1 && max <= COR_CATALOG_PAGE_MAX);

    cor_sql_bind_text(stmt, 1, after_bucket ? after_bucket : "");
    cor_sql_bind_text(stmt, 2, after_bucket && after_key ? after_key : "");
    cor_sql_bind_int(stmt, 3, (int64_t) max + 1);
    return cor_catalog_priv_read_all(stmt, max, ret_instances, err);
}

bool cor_catalog_totals(CorSqlTxn *txn, CorCatalogTotals *ret_totals, CorError *err)
{
    static const char sql[] =
        "SELECT studies, series, instances, bytes,"
        " coalesce((SELECT seq FROM change ORDER BY seq DESC LIMIT 1), 0) FROM total";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;

    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (!has_row) {
        return cor_fail(err, COR_ERR_CORRUPT, "catalogue: the totals are missing");
    }
    *ret_totals = (CorCatalogTotals){
        .studies = cor_sql_column_int(stmt, 0),
        .series = cor_sql_column_int(stmt, 1),
        .instances = cor_sql_column_int(stmt, 2),
        .bytes = cor_sql_column_int(stmt, 3),
        .last_change_seq = cor_sql_column_int(stmt, 4),
    };
    cor_sql_reset(stmt);
    return true;
}
