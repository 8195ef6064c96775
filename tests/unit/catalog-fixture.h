/* SPDX-License-Identifier: Apache-2.0 */
/* A catalogue in a temporary folder, and its functions as plain calls.
 *
 * Transactions run on the writer's thread, which no assertion may leave: so each call is packed
 * into a Call, run there, and looked at here. */
#pragma once

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/json.h"
#include "catalog/catalog.h"

typedef struct Fixture {
    CorSql *db;
    char folder[32];
} Fixture;

/* One file as a test wants it; what is NULL or 0 gets a plain default. */
typedef struct Item {
    const char *study;
    const char *series;
    const char *sop;
    const char *bucket; /* "pacs" */
    const char *key;
    char digest; /* 'a': the digest is 64 times this digit */
    const char *patient;
    const char *modality; /* "CT" */
    int number;           /* 0: no Instance Number */
    double z;             /* position of the slice; 0: none */
    bool is_derived;
    const char *job_id;
    int64_t created;     /* 0: 5000 */
    const char *without; /* member to leave out of the record */
    const char *with;    /* members to add to the record, JSON */
    int frames;          /* 0: 1 */
} Item;

typedef struct Call {
    CorCatalogEntry entry;
    CorPacsRef ref;
    CorCatalogImagesOptions images;
    const char *uid;
    const char *key;
    const char *after;
    size_t max;
    CorCatalogOutcome outcome;
    CorCatalogInstance *instance;
    CorCatalogInstances *list;
    CorCatalogTexts *ids;
    CorCatalogTotals totals;
    char text[2048];
    bool has;
} Call;

static inline int fixture_open(void **state)
{
    Fixture *fixture = calloc(1, sizeof(*fixture));
    char path[64];
    CorSqlOptions options = {.never_sync = true};
    CorError err = {0};

    (void) snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/corsia-catalog-XXXXXX");
    if (!mkdtemp(fixture->folder)) {
        return -1;
    }
    (void) snprintf(path, sizeof(path), "%s/catalog.db", fixture->folder);
    if (!cor_catalog_open(path, &options, &fixture->db, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    *state = fixture;
    return 0;
}

static inline int fixture_close(void **state)
{
    static const char *const names[] = {"catalog.db", "catalog.db-wal", "catalog.db-shm",
                                        "catalog.db.lock"};
    Fixture *fixture = *state;
    char path[80];

    cor_sql_close(fixture->db);
    for (size_t i = 0; i < COR_ARRAY_LEN(names); i++) {
        (void) snprintf(path, sizeof(path), "%s/%s", fixture->folder, names[i]);
        (void) unlink(path);
    }
    int result = rmdir(fixture->folder);
    free(fixture);
    return result;
}

static inline json_t *fixture_record(const Item *item)
{
    json_t *attributes =
        json_pack("{s:{s:s,s:[{s:s}]},s:{s:s,s:[s]},s:{s:s,s:[s]},s:{s:s,s:[i]}}", "00100010", "vr",
                  "PN", "Value", "Alphabetic", item->patient ? item->patient : "Doe^Jane",
                  "00100020", "vr", "LO", "Value", "id-1", "00080020", "vr", "DA", "Value",
                  "20260131", "00280100", "vr", "US", "Value", 16);
    if (item->z != 0) {
        json_t *at = json_pack("{s:s,s:[f,f,f]}", "vr", "DS", "Value", 1.0, 2.0, item->z);
        json_t *axes = json_pack("{s:s,s:[i,i,i,i,i,i]}", "vr", "DS", "Value", 1, 0, 0, 0, 1, 0);
        (void) json_object_set_new(attributes, "00200032", at);
        (void) json_object_set_new(attributes, "00200037", axes);
    }
    json_t *record =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:i,s:i,s:o?,s:b,s:o}", "sop_class_uid",
                  "1.2.840.10008.5.1.4.1.1.2", "sop_instance_uid", item->sop, "study_instance_uid",
                  item->study ? item->study : "1.1", "series_instance_uid",
                  item->series ? item->series : "1.1.1", "transfer_syntax_uid",
                  "1.2.840.10008.1.2.1", "modality", item->modality ? item->modality : "CT", "rows",
                  512, "columns", 256, "frames", item->frames ? item->frames : 1, "instance_number",
                  item->number ? json_integer(item->number) : json_null(), "has_pixels", 1,
                  "attributes", attributes);
    assert_non_null(record);
    if (item->with) {
        json_t *members = NULL;
        assert_true(cor_json_parse(item->with, strlen(item->with), &members, NULL));
        assert_int_equal(json_object_update(record, members), 0);
        json_decref(members);
    }
    if (item->without) {
        (void) json_object_del(record, item->without);
    }
    return record;
}

static inline bool fixture_run_add(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    return cor_catalog_add(txn, &call->entry, &call->outcome, &call->instance, err);
}

static inline bool fixture_run_check(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    return cor_catalog_check(txn, &call->entry, &call->outcome, &call->instance, err);
}

static inline bool fixture_run_find(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    return cor_catalog_find(txn, call->uid, &call->instance, err);
}

static inline bool fixture_run_find_key(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    return cor_catalog_find_key(txn, call->uid, call->key, &call->instance, err) &&
           cor_catalog_has_key(txn, call->uid, call->key, &call->has, err);
}

static inline bool fixture_run_remove(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    return cor_catalog_remove(txn, call->uid, 77, &call->instance, err);
}

static inline bool fixture_run_resolve(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    return cor_catalog_resolve(txn, &call->ref, call->max ? call->max : 1000, &call->list, err);
}

static inline bool fixture_run_images(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    return cor_catalog_images(txn, &call->images, &call->list, err);
}

static inline bool fixture_run_ids(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    return cor_catalog_study_ids(txn, call->after, call->max ? call->max : 1000, &call->ids, err);
}

static inline bool fixture_run_totals(CorSqlTxn *txn, void *arg, CorError *err)
{
    Call *call = arg;
    return cor_catalog_totals(txn, &call->totals, err);
}

static inline bool fixture_run_clear(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_catalog_clear(txn, 88, err);
}

/* The feed as text: "1+1.2.3 2-1.2.3 ...". */
static inline bool fixture_run_changes(CorSqlTxn *txn, void *arg, CorError *err)
{
    static const char sql[] = "SELECT seq, kind, coalesce(sop_uid, '') FROM change ORDER BY seq";
    static const char signs[] = "?+=-0";
    Call *call = arg;
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = true;
    size_t len = 0;

    call->text[0] = '\0';
    while (cor_sql_next(stmt, &has_row, err)) {
        if (!has_row) {
            return true;
        }
        len += (size_t) snprintf(call->text + len, sizeof(call->text) - len, "%s%d%c%s",
                                 len ? " " : "", (int) cor_sql_column_int(stmt, 0),
                                 signs[cor_sql_column_int(stmt, 1)], cor_sql_column_text(stmt, 2));
    }
    return false;
}

/* Offer an item; *call says what became of it.  Free call->instance. */
static inline bool fixture_offer(Fixture *fixture, CorSqlRun *run, const Item *item, Call *call,
                                 CorError *err)
{
    char digest[65];
    json_t *record = fixture_record(item);

    memset(digest, item->digest ? item->digest : 'a', 64);
    digest[64] = '\0';
    call->entry = (CorCatalogEntry){
        .index = record,
        .bucket = item->bucket ? item->bucket : "pacs",
        .key = item->key,
        .size = 100,
        .sha256 = digest,
        .created_unix_ms = item->created ? item->created : 5000,
        .is_derived = item->is_derived,
        .job_id = item->job_id,
    };
    bool ok = run == fixture_run_check
                  ? cor_sql_read(fixture->db, run, call, err)
                  : cor_sql_write(fixture->db, run, call, COR_SQL_RELAXED, err);
    json_decref(record);
    return ok;
}

/* Add an item that must be new. */
static inline void fixture_add(Fixture *fixture, const Item *item)
{
    Call call = {0};
    CorError err = {0};

    if (!fixture_offer(fixture, fixture_run_add, item, &call, &err)) {
        fail_msg("add %s: %s", item->sop, err.text);
    }
    assert_int_equal(call.outcome, COR_CATALOG_ADDED);
    assert_null(call.instance);
}

static inline void fixture_add_all(Fixture *fixture, const Item *items, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        fixture_add(fixture, &items[i]);
    }
}

static inline void fixture_read(Fixture *fixture, CorSqlRun *run, Call *call)
{
    CorError err = {0};

    if (!cor_sql_read(fixture->db, run, call, &err)) {
        fail_msg("read: %s", err.text);
    }
}

static inline CorCatalogTotals fixture_totals(Fixture *fixture)
{
    Call call = {0};

    fixture_read(fixture, fixture_run_totals, &call);
    return call.totals;
}

/* The study ids joined by commas, in call->text. */
static inline void assert_study_ids(Fixture *fixture, const char *expected)
{
    Call call = {0};
    size_t len = 0;

    fixture_read(fixture, fixture_run_ids, &call);
    for (size_t i = 0; i < call.ids->len; i++) {
        len += (size_t) snprintf(call.text + len, sizeof(call.text) - len, "%s%s", i ? "," : "",
                                 call.ids->items[i]);
    }
    cor_catalog_texts_free(call.ids);
    assert_string_equal(call.text, expected);
}

static inline void fixture_remove(Fixture *fixture, const char *uid)
{
    Call call = {.uid = uid};

    assert_true(cor_sql_write(fixture->db, fixture_run_remove, &call, COR_SQL_RELAXED, NULL));
    assert_non_null(call.instance);
    assert_string_equal(call.instance->sop_instance_uid, uid);
    free(call.instance);
}
