/* SPDX-License-Identifier: Apache-2.0 */
/* What a crash leaves of the latest uploads: object and row become durable side by side, or the row
 * a moment later (store.c).
 *
 * After the death of the process both are whole, but the object may not be synced yet.  After a
 * power cut there may be a row whose object is not there, or is not whole: nobody was told that the
 * image is stored, and it can be sent again.  Either is among the latest rows (ahead.c), so their
 * objects are settled.  What lies under the key of a row that is taken out stays for the sweeper,
 * which moves what is not whole to bucket "quarantine".
 *
 * And there may be a whole object whose row is lost, of which the client was told.  It lies in a
 * folder that changed since the latest row that is left, and gets its row again.
 */
#include "archive/archive-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/time.h"
#include "program/log.h"

enum {
    LATEST = 2 * COR_ARCHIVE_AHEAD_MAX, /* those who took a ticket at once may be swapped */
    CLOCK_MS = 60000,                   /* the clock may have been set meanwhile, by so much */
};

typedef struct Latest {
    char (*uids)[COR_UID_SIZE];
    size_t len;
    int64_t at_unix_ms; /* of the very last change; 0 if there is none */
} Latest;

static bool note_change(void *context, int64_t seq, const char *json, size_t size)
{
    Latest *latest = context;
    COR_CLEANUP(cor_json_freep) json_t *change = json_loadb(json, size, 0, NULL);

    (void) seq;
    if (!cor_time_parse_iso(cor_json_string(change, "at", ""), &latest->at_unix_ms)) {
        latest->at_unix_ms = 0; /* then all of them are looked at */
    }
    if (strcmp(cor_json_string(change, "kind", ""), "added") == 0) {
        (void) snprintf(latest->uids[latest->len], COR_UID_SIZE, "%s",
                        cor_json_string(change, "sop_instance_uid", ""));
        latest->len++;
    }
    return true;
}

static bool list_latest(CorSqlTxn *txn, void *arg, CorError *err)
{
    int64_t last = 0;

    return cor_catalog_last_change(txn, &last, err) &&
           cor_catalog_changes(txn, COR_MAX(last - LATEST, (int64_t) 0), LATEST, note_change, arg,
                               err);
}

typedef struct Row {
    const char *uid;
    CorCatalogInstance *found; /* malloc()ed; NULL: it went again */
} Row;

static bool find_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    Row *row = arg;

    return cor_catalog_find(txn, row->uid, &row->found, err);
}

static bool remove_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    const Row *row = arg;

    return cor_catalog_remove(txn, row->uid, cor_time_unix_ms(), NULL, err);
}

/* Make it durable; false with NOT_FOUND, or with CORRUPT if it is not what was to be stored. */
static bool settle_object(CorArchive *archive, const CorCatalogInstance *row, CorError *err)
{
    COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};
    uint8_t digest[COR_SHA256_SIZE];

    return cor_blob_open_object(archive->options.blobs, row->bucket, row->key, &object, err) &&
           cor_sha256_fd(object.file, object.size, digest, err) &&
           cor_blob_settle(archive->options.blobs, row->bucket, row->key, digest, err);
}

static bool check_row(CorArchive *archive, Row *row, size_t *taken_out, CorError *err)
{
    CorError why = {0};

    if (!cor_sql_read(archive->options.catalog, find_row, row, err)) {
        return false;
    }
    if (!row->found || strcmp(row->found->bucket, COR_BUCKET_PACS) != 0 ||
        settle_object(archive, row->found, &why)) {
        return true;
    }
    if (why.code != COR_ERR_NOT_FOUND && why.code != COR_ERR_CORRUPT) {
        return cor_fail(err, why.code, "%s", why.text);
    }
    (*taken_out)++;
    return cor_sql_write(archive->options.catalog, remove_row, row, COR_SQL_SYNCED, err);
}

static bool check_rows(CorArchive *archive, const Latest *latest, CorError *err)
{
    size_t taken_out = 0;

    for (size_t i = 0; i < latest->len; i++) {
        Row row = {.uid = latest->uids[i]};
        bool ok = check_row(archive, &row, &taken_out, err);
        free(row.found);
        if (!ok) {
            return false;
        }
    }
    if (taken_out > 0) {
        cor_log_warning(
            "images that were not stored completely when the machine went down are gone",
            COR_FI("images", taken_out));
    }
    return true;
}

typedef struct Adoption {
    CorArchive *archive;
    size_t fates[COR_ARCHIVE_LEFT + 1];
} Adoption;

static bool adopt(void *context, const char *key, CorError *err)
{
    Adoption *adoption = context;

    (void) err;
    adoption->fates[cor_archive_adopt(adoption->archive, key)]++;
    return true;
}

static bool adopt_latest(CorArchive *archive, const Latest *latest, CorError *err)
{
    Adoption adoption = {.archive = archive};
    int64_t since_unix_ms = latest->at_unix_ms - CLOCK_MS;
    CorBlobStore *blobs = archive->options.blobs;

    if (!cor_blob_can_list_changed(blobs)) {
        return true; /* no row was left behind */
    }
    if (!cor_blob_list_changed(blobs, COR_BUCKET_PACS, since_unix_ms, adopt, &adoption, err)) {
        return false;
    }
    if (adoption.fates[COR_ARCHIVE_CATALOGUED] > 0) {
        cor_log_warning("images whose rows were lost when the machine went down have them again",
                        COR_FI("images", adoption.fates[COR_ARCHIVE_CATALOGUED]));
    }
    return true;
}

static bool settle_latest(CorArchive *archive, bool was_cut, CorError *err)
{
    Latest latest = {.uids = calloc(LATEST, sizeof(*latest.uids))};
    bool ok = latest.uids || cor_fail(err, COR_ERR_NOMEM, "out of memory to look at images");

    ok = ok && cor_sql_read(archive->options.catalog, list_latest, &latest, err) &&
         check_rows(archive, &latest, err) &&
         /* What was removed must not be found again. */
         cor_archive_priv_remove_objects(archive, err) &&
         (!was_cut || adopt_latest(archive, &latest, err));
    free(latest.uids);
    return ok;
}

bool cor_archive_recover(CorArchive *archive, bool was_left, bool was_cut, CorError *err)
{
    return was_left ? settle_latest(archive, was_cut, err)
                    : cor_archive_priv_remove_objects(archive, err);
}
