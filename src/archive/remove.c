/* SPDX-License-Identifier: Apache-2.0 */
/* Rows first, then their objects: catalog-removal.c says why. */
#include "archive/archive-priv.h"

#include <string.h>

#include "base/time.h"
#include "program/failpoint.h"
#include "program/log.h"

enum { BATCH = 1000 }; /* rows that one commit takes out: others wait for it */

typedef struct Removal {
    const CorCatalogUids *uids;
    const char *key; /* of one object that is looked for */
    size_t len;
    CorCatalogRemoval object;
    bool has_object;
    bool is_due;
} Removal;

static bool remove_rows(CorSqlTxn *txn, void *arg, CorError *err)
{
    Removal *removal = arg;

    return cor_catalog_remove_below(txn, removal->uids, BATCH, cor_time_unix_ms(), &removal->len,
                                    err);
}

static bool next_object(CorSqlTxn *txn, void *arg, CorError *err)
{
    Removal *removal = arg;

    return cor_catalog_next_removal(txn, &removal->object, &removal->has_object, err);
}

static bool ask(CorSqlTxn *txn, void *arg, CorError *err)
{
    Removal *removal = arg;

    return cor_catalog_removal_is_due(txn, &removal->object, &removal->is_due, err);
}

static bool forget(CorSqlTxn *txn, void *arg, CorError *err)
{
    Removal *removal = arg;

    return cor_catalog_forget_removal(txn, removal->object.bucket, removal->object.key, err);
}

/* The key is locked: an upload of the same key waits, or its row is there and nothing is due.  An
 * object that is younger than the removal was put there since, by a job: it stays. */
static bool remove_object(CorArchive *archive, Removal *removal, CorError *err)
{
    const CorArchiveOptions *options = &archive->options;
    const CorCatalogRemoval *object = &removal->object;
    CorObject there = {.file = -1};
    CorError why = {0};

    if (!cor_sql_read(options->catalog, ask, removal, err)) {
        return false;
    }
    if (!removal->is_due) {
        return true;
    }
    bool is_there = cor_blob_head(options->blobs, object->bucket, object->key, &there, &why);
    if (!is_there && why.code != COR_ERR_NOT_FOUND) {
        return cor_fail(err, why.code, "%s", why.text);
    }
    if ((!is_there || there.modified_unix_ms <= object->at_unix_ms) &&
        !cor_blob_remove(options->blobs, object->bucket, object->key, err)) {
        return false;
    }
    return cor_sql_write(options->catalog, forget, removal, COR_SQL_RELAXED, err);
}

static bool find_removal(CorSqlTxn *txn, void *arg, CorError *err)
{
    Removal *removal = arg;

    return cor_catalog_find_removal(txn, COR_BUCKET_PACS, removal->key, &removal->object,
                                    &removal->has_object, err);
}

bool cor_archive_priv_end_removal(CorArchive *archive, const char *key, CorError *err)
{
    Removal removal = {.key = key};

    return cor_sql_read(archive->options.catalog, find_removal, &removal, err) &&
           (!removal.has_object || remove_object(archive, &removal, err));
}

/* Every object whose row is gone, whoever took it out: two that remove at once may meet. */
bool cor_archive_priv_remove_objects(CorArchive *archive, CorError *err)
{
    Removal removal = {0};

    for (;;) {
        if (!cor_sql_read(archive->options.catalog, next_object, &removal, err)) {
            return false;
        }
        if (!removal.has_object) {
            return true;
        }
        const char *key = removal.object.key;
        cor_archive_lock(archive, key, key);
        bool ok = remove_object(archive, &removal, err);
        cor_archive_unlock(archive, key, key);
        if (!ok) {
            return false;
        }
    }
}

bool cor_archive_remove(CorArchive *archive, const CorCatalogUids *uids, size_t *ret_len,
                        CorError *err)
{
    size_t len = 0;
    Removal removal = {.uids = uids};
    CorError why = {0};

    do {
        if (!cor_sql_write(archive->options.catalog, remove_rows, &removal, COR_SQL_SYNCED, err)) {
            return false;
        }
        COR_FAILPOINT(AFTER_REMOVAL);
        len += removal.len;
        if (!cor_archive_priv_remove_objects(archive, &why)) {
            /* The images are gone for everybody; only their space is not free yet. */
            cor_log_warning("objects without rows left for the next removal or start",
                            COR_F("error", why.text));
        }
    } while (removal.len == BATCH);
    if (len == 0) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "there is nothing of that UID");
    }
    *ret_len = len;
    return true;
}
