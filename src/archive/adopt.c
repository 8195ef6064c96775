/* SPDX-License-Identifier: Apache-2.0 */
/* Stored images that no row names: never removed, only given what they lack.
 *
 * An upload that was killed between object and row leaves one; a power cut that took the row of the
 * latest, an old copy of catalog.db and a rebuild that could not read everything leave such as the
 * client was told are stored.  Nothing tells them apart, so each is read again and gets its row, by
 * the rules and under the locks of an upload.  What the rules refuse, and what cannot be read,
 * moves to bucket "quarantine"; what could not be looked at (a lost host, a store that is away) is
 * left as it is.
 */
#include "archive/archive-priv.h"

#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "program/log.h"

enum { INDEX_TRIES = 2 };

typedef struct Orphan {
    CorArchive *archive;
    const char *key;
    CorObject object;
    json_t *record; /* NULL: the file cannot be read */
    char sha256[COR_SHA256_HEX_SIZE];
    CorCatalogOutcome outcome;
    bool is_named;
} Orphan;

static void orphan_done(Orphan *orphan)
{
    cor_object_done(&orphan->object);
    json_decref(orphan->record);
}

static bool ask_catalog(CorSqlTxn *txn, void *arg, CorError *err)
{
    Orphan *orphan = arg;

    return cor_catalog_has_key(txn, COR_BUCKET_PACS, orphan->key, &orphan->is_named, err);
}

static bool add_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    Orphan *orphan = arg;
    CorCatalogEntry entry = {.index = orphan->record,
                             .bucket = COR_BUCKET_PACS,
                             .key = orphan->key,
                             .size = orphan->object.size,
                             .sha256 = orphan->sha256,
                             .created_unix_ms = orphan->object.modified_unix_ms};

    return cor_catalog_add(txn, &entry, &orphan->outcome, NULL, err);
}

static CorArchiveFate leave(const CorError *why)
{
    cor_log_warning("imported object without a row left for later",
                    COR_F("bucket", COR_BUCKET_PACS), COR_F("error", why->text));
    return COR_ARCHIVE_LEFT;
}

/* --- reading --- */

bool cor_archive_read_again(CorArchive *archive, int file, json_t **ret_record, CorError *err)
{
    CorError why = {.code = COR_ERR_HOST_LOST};

    /* Somebody may have ended the host; a file that ends it does so again. */
    for (int i = 0; i < INDEX_TRIES && why.code == COR_ERR_HOST_LOST; i++) {
        why = (CorError){0};
        if (cor_host_index(archive->options.hosts, file, COR_ARCHIVE_INDEX_TIMEOUT_MS, ret_record,
                           &why)) {
            return true;
        }
    }
    return cor_fail(err, why.code, "%s", why.text);
}

static bool hash(Orphan *orphan, uint8_t digest[COR_SHA256_SIZE], CorError *err)
{
    if (!cor_sha256_fd(orphan->object.file, orphan->object.size, digest, err)) {
        return false;
    }
    (void) cor_hex_encode(digest, COR_SHA256_SIZE, orphan->sha256);
    return true;
}

/* As for an upload, half a file does not count as one. */
static bool read_header(Orphan *orphan, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *record = NULL;

    if (!cor_archive_read_again(orphan->archive, orphan->object.file, &record, err)) {
        return false;
    }
    if (cor_json_boolean(record, "truncated", false)) {
        return cor_fail(err, COR_ERR_CORRUPT, "the pixel data are cut off");
    }
    orphan->record = COR_TAKE(record);
    return true;
}

/* True if the file itself is at fault: reading it once more would end the same way. */
static bool is_of_file(const CorError *err)
{
    switch (err->code) {
    case COR_ERR_INVALID:
    case COR_ERR_CORRUPT:
    case COR_ERR_LIMIT:
    case COR_ERR_UNSUPPORTED:
    case COR_ERR_NOT_FOUND:
    case COR_ERR_CONFLICT:
        return true;
    default:
        return false;
    }
}

static CorArchiveFate quarantine(const Orphan *orphan, const char *reason)
{
    const CorArchiveOutcast outcast = {
        .key = orphan->key,
        .object = &orphan->object,
        .sha256 = orphan->sha256,
        .uid = cor_json_string(orphan->record, "sop_instance_uid", "unknown"),
        .reason = reason};
    CorError err = {0};

    if (!cor_archive_priv_cast_out(orphan->archive, &outcast, &err)) {
        return leave(&err);
    }
    return COR_ARCHIVE_QUARANTINED;
}

/* --- the row --- */

/* The stripes are locked: did an upload come between? */
static bool is_still_orphan(Orphan *orphan, CorError *err)
{
    CorObject now = {.file = -1};

    return cor_sql_read(orphan->archive->options.catalog, ask_catalog, orphan, err) &&
           !orphan->is_named &&
           cor_blob_head(orphan->archive->options.blobs, COR_BUCKET_PACS, orphan->key, &now, err) &&
           strcmp(now.etag, orphan->object.etag) == 0;
}

static CorArchiveFate file_away(Orphan *orphan)
{
    CorArchiveAhead *ahead = &orphan->archive->ahead;
    CorArchiveTicket ticket;
    CorError err = {0};

    (void) cor_archive_priv_ahead_enter(ahead, &ticket);
    bool is_added =
        cor_sql_write(orphan->archive->options.catalog, add_row, orphan, COR_SQL_SYNCED, &err);
    cor_archive_priv_ahead_leave(ahead, &ticket);
    if (!is_added) {
        return is_of_file(&err) ? quarantine(orphan, err.text) : leave(&err);
    }
    return orphan->outcome == COR_CATALOG_ADDED
               ? COR_ARCHIVE_CATALOGUED
               : quarantine(orphan, "the same image is stored under another key");
}

static CorArchiveFate settle(Orphan *orphan)
{
    CorArchive *archive = orphan->archive;
    CorArchiveFate fate = COR_ARCHIVE_NAMED;
    uint8_t digest[COR_SHA256_SIZE];
    CorError why = {0};
    CorError err = {0};

    if (!hash(orphan, digest, &why)) {
        return leave(&why);
    }
    /* The crash may have come before the object was durable, or whole. */
    bool is_whole =
        cor_blob_settle(archive->options.blobs, COR_BUCKET_PACS, orphan->key, digest, &why) &&
        read_header(orphan, &why);
    if (!is_whole && !is_of_file(&why)) {
        return leave(&why);
    }
    const char *uid = cor_json_string(orphan->record, "sop_instance_uid", "");
    cor_archive_lock(archive, orphan->key, uid);
    /* What somebody has deleted must not come back, though its object is still there. */
    if (cor_archive_priv_end_removal(archive, orphan->key, &err) && is_still_orphan(orphan, &err)) {
        fate = orphan->record ? file_away(orphan) : quarantine(orphan, why.text);
    } else if (err.code != COR_OK && err.code != COR_ERR_NOT_FOUND) {
        fate = leave(&err);
    }
    cor_archive_unlock(archive, orphan->key, uid);
    return fate;
}

/* Who stores it right now has the lock until its row is written. */
static bool wait_for_upload(Orphan *orphan, CorError *err)
{
    CorArchive *archive = orphan->archive;

    cor_archive_lock(archive, orphan->key, orphan->key);
    bool ok = cor_sql_read(archive->options.catalog, ask_catalog, orphan, err);
    cor_archive_unlock(archive, orphan->key, orphan->key);
    return ok;
}

CorArchiveFate cor_archive_adopt(CorArchive *archive, const char *key)
{
    COR_CLEANUP(orphan_done)
    Orphan orphan = {.archive = archive, .key = key, .object = {.file = -1}};
    CorError err = {0};

    if (!cor_sql_read(archive->options.catalog, ask_catalog, &orphan, &err)) {
        return leave(&err);
    }
    if (orphan.is_named) {
        return COR_ARCHIVE_NAMED;
    }
    if (!cor_blob_open_object(archive->options.blobs, COR_BUCKET_PACS, key, &orphan.object, &err)) {
        return err.code == COR_ERR_NOT_FOUND ? COR_ARCHIVE_NAMED : leave(&err);
    }
    if (!wait_for_upload(&orphan, &err)) {
        return leave(&err);
    }
    return orphan.is_named ? COR_ARCHIVE_NAMED : settle(&orphan);
}
