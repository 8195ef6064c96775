/* SPDX-License-Identifier: Apache-2.0 */
/* What a crash leaves of the latest uploads: object and row become durable side by side, or the row
 * a moment later (store.c).
 *
 * After the death of the process both are whole, but the object may not be synced yet.  After a
 * power cut there may be a row whose object is not there, or is not whole: nobody was told that the
 * image is stored, and it can be sent again.  Either is among the rows that came last (ahead.c) and
 * shortly before the crash.  Older rows are none of our business, whatever became of their objects:
 * `corsia check` tells.
 *
 * And there may be a whole object whose row is lost, of which the client was told.  It lies in a
 * folder that changed since the latest row that is left, and gets its row again.  Of two that
 * contradict each other the older one was stored, and the other one about to be refused.
 */
#include "archive/archive-priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "program/log.h"

enum {
    LATEST = 2 * COR_ARCHIVE_AHEAD_MAX, /* those who took a ticket at once may be swapped */
    SHORTLY_MS = 10 * 60 * 1000, /* before the last change: no disk keeps us waiting longer */
    CLOCK_MS = 60 * 1000,        /* the clock may have been set meanwhile, by so much */
    NONE_LEFT = 64,              /* objects, all missing: they are somewhere else */
    TRIES = 3,                   /* for an image that could not be looked at */
};

/* --- rows --- */

typedef struct Recovery {
    CorArchive *archive;
    bool was_cut;
    CorCatalogLatest latest;
} Recovery;

/* One of the rows that came last. */
typedef struct Row {
    const char *uid;
    int64_t changed_unix_ms;   /* of the catalogue, when the server ended */
    CorCatalogInstance *found; /* malloc()ed; NULL: it went again */
} Row;

static void row_done(Row *row)
{
    free(row->found);
}

static bool list_latest(CorSqlTxn *txn, void *arg, CorError *err)
{
    Recovery *recovery = arg;

    return cor_catalog_latest(txn, COR_BUCKET_PACS, LATEST, &recovery->latest, err);
}

static bool find_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    Row *row = arg;

    return cor_catalog_find(txn, row->uid, &row->found, err);
}

/* Dated by the last change before, so that a recovery that is cut off measures the same again. */
static bool remove_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    const Row *row = arg;

    return cor_catalog_remove(txn, row->uid, row->changed_unix_ms, NULL, err);
}

static bool get_row(const Recovery *recovery, size_t i, Row *row, CorError *err)
{
    *row =
        (Row){.uid = recovery->latest.uids[i], .changed_unix_ms = recovery->latest.changed_unix_ms};
    if (!cor_sql_read(recovery->archive->options.catalog, find_row, row, err)) {
        return false;
    }
    if (row->found && strcmp(row->found->bucket, COR_BUCKET_PACS) != 0) {
        free(COR_TAKE(row->found));
    }
    return true;
}

/* Somebody may have forgotten to mount the objects. */
static bool are_objects_there(const Recovery *recovery, CorError *err)
{
    CorBlobStore *blobs = recovery->archive->options.blobs;
    size_t missing = 0;

    for (size_t i = 0; i < recovery->latest.len; i++) {
        COR_CLEANUP(row_done) Row row = {0};
        CorObject object = {.file = -1};
        CorError why = {0};

        if (!get_row(recovery, i, &row, err)) {
            return false;
        }
        if (row.found && (cor_blob_head(blobs, row.found->bucket, row.found->key, &object, &why) ||
                          why.code != COR_ERR_NOT_FOUND)) {
            return true;
        }
        missing += row.found != NULL;
    }
    return missing < NONE_LEFT ||
           cor_fail(
               err, COR_ERR_NOT_FOUND,
               "the objects of the latest %zu images are missing: is the object store mounted? "
               "(docs/operations.md#stopping-and-crashing)",
               missing);
}

typedef enum State { STATE_WHOLE, STATE_MISSING, STATE_TORN, STATE_UNKNOWN } State;

/* Only a power cut leaves other bytes than those that were written.  They go to quarantine. */
static State compare_bytes(const Recovery *recovery, const Row *row, const CorObject *object,
                           CorError *err)
{
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];
    const CorArchiveOutcast outcast = {.key = row->found->key,
                                       .object = object,
                                       .sha256 = hex,
                                       .uid = row->uid,
                                       .reason = "only a part of the object was stored"};
    CorError why = {0};

    if (!cor_sha256_fd(object->file, object->size, digest, err)) {
        return STATE_UNKNOWN;
    }
    if (strcmp(cor_hex_encode(digest, sizeof(digest), hex), row->found->sha256) == 0) {
        return STATE_WHOLE;
    }
    if (!cor_archive_priv_cast_out(recovery->archive, &outcast, &why)) {
        cor_log_warning("what is left of an object stays for the sweeper",
                        COR_F("sop_instance_uid", row->uid), COR_F("error", why.text));
    }
    return STATE_TORN; /* in any case the row must not stand for it */
}

/* Make it durable, if it is what was to be stored. */
static State settle_object(const Recovery *recovery, const Row *row, CorError *err)
{
    COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};
    CorBlobStore *blobs = recovery->archive->options.blobs;
    const CorCatalogInstance *found = row->found;
    uint8_t digest[COR_SHA256_SIZE];

    if (!cor_blob_open_object(blobs, found->bucket, found->key, &object, err)) {
        return err->code == COR_ERR_NOT_FOUND ? STATE_MISSING : STATE_UNKNOWN;
    }
    State state = recovery->was_cut ? compare_bytes(recovery, row, &object, err) : STATE_WHOLE;
    if (state == STATE_WHOLE && (!cor_hex_decode(found->sha256, digest, sizeof(digest)) ||
                                 !cor_blob_settle(blobs, found->bucket, found->key, digest, err))) {
        return STATE_UNKNOWN;
    }
    return state;
}

/* After a mere kill nothing that was named is missing for that reason. */
static bool check_row(const Recovery *recovery, Row *row, CorError *err)
{
    CorError why = {0};
    State state = settle_object(recovery, row, &why);

    if (state == STATE_UNKNOWN && cor_error_is_transient(&why)) {
        return cor_fail(err, why.code, "%s", why.text);
    }
    if (state == STATE_MISSING && !recovery->was_cut) {
        cor_log_warning("an image has lost its object; it can be sent again",
                        COR_F("sop_instance_uid", row->uid));
        return true;
    }
    if (state == STATE_UNKNOWN) {
        cor_log_warning("an image could not be looked at after the crash, and stays",
                        COR_F("sop_instance_uid", row->uid), COR_F("error", why.text));
        return true;
    }
    if (state == STATE_WHOLE) {
        return true;
    }
    cor_log_warning("an image that was not stored completely before the crash is gone",
                    COR_F("sop_instance_uid", row->uid));
    return cor_sql_write(recovery->archive->options.catalog, remove_row, row, COR_SQL_SYNCED, err);
}

static bool came_shortly_before(const Row *row)
{
    return row->found && row->found->created_unix_ms >= row->changed_unix_ms - SHORTLY_MS;
}

static bool check_rows(const Recovery *recovery, CorError *err)
{
    for (size_t i = 0; i < recovery->latest.len; i++) {
        COR_CLEANUP(row_done) Row row = {0};
        if (!get_row(recovery, i, &row, err) ||
            (came_shortly_before(&row) && !check_row(recovery, &row, err))) {
            return false;
        }
    }
    return true;
}

/* --- objects without rows --- */

typedef struct Orphan {
    char *key;
    int64_t modified_unix_ms;
} Orphan;

typedef struct Orphans {
    CorArchive *archive;
    Orphan *items;
    size_t len;
    size_t room;
    const char *key; /* that is asked about */
    bool is_named;
} Orphans;

static void orphans_done(Orphans *orphans)
{
    for (size_t i = 0; i < orphans->len; i++) {
        free(orphans->items[i].key);
    }
    free(orphans->items);
}

static bool ask_catalog(CorSqlTxn *txn, void *arg, CorError *err)
{
    Orphans *orphans = arg;

    return cor_catalog_has_key(txn, COR_BUCKET_PACS, orphans->key, &orphans->is_named, err);
}

static bool note_orphan(Orphans *orphans, const char *key, int64_t modified_unix_ms, CorError *err)
{
    if (orphans->len == orphans->room) {
        size_t room = COR_MAX((size_t) 64, orphans->room * 2);
        Orphan *grown = reallocarray(orphans->items, room, sizeof(*orphans->items));
        if (!grown) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for objects without rows");
        }
        orphans->items = grown;
        orphans->room = room;
    }
    Orphan *orphan = &orphans->items[orphans->len];
    *orphan = (Orphan){.key = strdup(key), .modified_unix_ms = modified_unix_ms};
    orphans->len += orphan->key != NULL;
    return orphan->key || cor_fail(err, COR_ERR_NOMEM, "out of memory for objects without rows");
}

static bool see_key(void *context, const char *key, CorError *err)
{
    Orphans *orphans = context;
    CorObject object = {.file = -1};
    CorError why = {0};

    orphans->key = key;
    if (!cor_sql_read(orphans->archive->options.catalog, ask_catalog, orphans, err)) {
        return false;
    }
    if (orphans->is_named) {
        return true;
    }
    if (!cor_blob_head(orphans->archive->options.blobs, COR_BUCKET_PACS, key, &object, &why)) {
        object.modified_unix_ms = INT64_MAX; /* adopting it will tell what is wrong */
    }
    return why.code == COR_ERR_NOT_FOUND || note_orphan(orphans, key, object.modified_unix_ms, err);
}

static int compare_times(const void *a, const void *b)
{
    const Orphan *one = a;
    const Orphan *other = b;

    return (one->modified_unix_ms > other->modified_unix_ms) -
           (one->modified_unix_ms < other->modified_unix_ms);
}

/* More than once, before a younger one is looked at, which may contradict it. */
static CorArchiveFate adopt_at_last(CorArchive *archive, const char *key)
{
    CorArchiveFate fate = COR_ARCHIVE_LEFT;

    for (int i = 0; i < TRIES && fate == COR_ARCHIVE_LEFT; i++) {
        fate = cor_archive_adopt(archive, key);
    }
    return fate;
}

static bool adopt_latest(const Recovery *recovery, CorError *err)
{
    COR_CLEANUP(orphans_done) Orphans orphans = {.archive = recovery->archive};
    CorBlobStore *blobs = recovery->archive->options.blobs;
    size_t fates[COR_ARCHIVE_LEFT + 1] = {0};

    if (!cor_blob_can_list_changed(blobs)) {
        return true; /* no row was left behind */
    }
    if (!cor_blob_list_changed(blobs, COR_BUCKET_PACS, recovery->latest.changed_unix_ms - CLOCK_MS,
                               see_key, &orphans, err)) {
        return false;
    }
    if (orphans.len > 0) {
        qsort(orphans.items, orphans.len, sizeof(orphans.items[0]), compare_times);
    }
    for (size_t i = 0; i < orphans.len; i++) {
        fates[adopt_at_last(recovery->archive, orphans.items[i].key)]++;
    }
    if (fates[COR_ARCHIVE_CATALOGUED] > 0) {
        cor_log_warning("images whose rows were lost when the machine went down have them again",
                        COR_FI("images", fates[COR_ARCHIVE_CATALOGUED]));
    }
    if (fates[COR_ARCHIVE_LEFT] > 0) {
        cor_log_error("images without rows could not be looked at; the sweeper tries again",
                      COR_FI("images", fates[COR_ARCHIVE_LEFT]));
    }
    return true;
}

/* --- the whole --- */

static bool settle_latest(Recovery *recovery, CorError *err)
{
    return are_objects_there(recovery, err) && check_rows(recovery, err) &&
           /* What was removed must not be found again. */
           cor_archive_priv_remove_objects(recovery->archive, err) &&
           (!recovery->was_cut || adopt_latest(recovery, err));
}

bool cor_archive_recover(CorArchive *archive, bool was_left, bool was_cut, CorError *err)
{
    Recovery recovery = {.archive = archive, .was_cut = was_cut};

    if (!was_left) {
        return cor_archive_priv_remove_objects(archive, err);
    }
    if (!cor_sql_read(archive->options.catalog, list_latest, &recovery, err)) {
        return false;
    }
    bool ok = settle_latest(&recovery, err);
    free(recovery.latest.uids);
    return ok;
}
