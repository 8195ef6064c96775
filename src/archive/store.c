/* SPDX-License-Identifier: Apache-2.0 */
/* Object and row:
 *
 *     --own key, nothing there--> named --+--> row committed ---+--> stored
 *     |                             ^     +--> object durable --+
 *     |                            new          |
 *     +--> judged by the rules -----+           +--refused--> taken back
 *              +--there already--> duplicate
 *              +--no row--> adopted (adopt.c), and begun again
 *
 * The key that is made of UIDs belongs to the image.  While nothing lies there the image is most
 * likely new, and asking the rules beforehand can be spared: the row asks them again.
 *
 * Row and object become durable side by side, for each waits for the disk (ahead.c, and recover.c
 * for what a crash leaves of that).  Uploads that come together share a commit.
 */
#include "archive/archive-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/time.h"
#include "program/failpoint.h"
#include "program/log.h"

enum { ADOPTIONS_MAX = 3 }; /* others may store and crash under the same key */

typedef struct Filing {
    CorArchive *archive;
    CorBlobTemp *temp;
    CorCatalogEntry entry;
    bool has_own_key;
    CorCatalogOutcome outcome;
    CorCatalogInstance *existing; /* malloc()ed */
    bool is_announced;            /* the row */
    bool is_durable;              /* the object */
    CorError why_not;
} Filing;

static const char *uid_of(const Filing *filing)
{
    return cor_json_string(filing->entry.index, "sop_instance_uid", "");
}

/* --- the rules --- */

static bool check_rules(CorSqlTxn *txn, void *arg, CorError *err)
{
    Filing *filing = arg;

    return cor_catalog_check(txn, &filing->entry, &filing->outcome, &filing->existing, err);
}

static bool find_existing(CorSqlTxn *txn, void *arg, CorError *err)
{
    Filing *filing = arg;

    return cor_catalog_find(txn, uid_of(filing), &filing->existing, err);
}

/* Open what was uploaded, which may be an object already. */
static bool open_upload(const Filing *filing, bool is_named, int *ret_file, CorError *err)
{
    COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};
    const CorCatalogEntry *entry = &filing->entry;

    if (!is_named) {
        return cor_blob_temp_open(filing->temp, ret_file, err);
    }
    if (!cor_blob_open_object(filing->archive->options.blobs, entry->bucket, entry->key, &object,
                              err)) {
        return false;
    }
    *ret_file = COR_TAKE_FD(object.file);
    return true;
}

/* The row is of the very object that we have stored now, or are about to. */
static bool is_same_place(const Filing *filing)
{
    return strcmp(filing->existing->bucket, filing->entry.bucket) == 0 &&
           strcmp(filing->existing->key, filing->entry.key) == 0;
}

static bool is_same_as_existing(const Filing *filing, bool is_named, bool *ret_is_same,
                                CorError *err)
{
    COR_CLEANUP(cor_fd_closep) int file = -1;

    if (is_named && is_same_place(filing)) {
        return true; /* its object was missing: there is nothing to compare with */
    }
    return open_upload(filing, is_named, &file, err) &&
           cor_archive_priv_is_same(filing->archive, file, &filing->entry, filing->existing,
                                    ret_is_same, err);
}

/* A conflict with an image of the same UID may be none after all: same.c. */
static bool resolve(Filing *filing, bool is_named, const CorError *conflict, CorError *err)
{
    bool is_same = false;

    if (!cor_sql_read(filing->archive->options.catalog, find_existing, filing, err) ||
        (filing->existing && !is_same_as_existing(filing, is_named, &is_same, err))) {
        return false;
    }
    if (!is_same) {
        return cor_fail(err, conflict->code, "%s", conflict->text);
    }
    filing->outcome = COR_CATALOG_DUPLICATE;
    return true;
}

static bool judge(Filing *filing, CorError *err)
{
    CorError why = {0};

    if (cor_sql_read(filing->archive->options.catalog, check_rules, filing, &why)) {
        return true;
    }
    return why.code == COR_ERR_CONFLICT ? resolve(filing, false, &why, err)
                                        : cor_fail(err, why.code, "%s", why.text);
}

/* The image is there already under another key: but is its object?  Nobody is told that an image is
 * stored whose object is lost. */
static bool is_existing_there(const Filing *filing, CorError *err)
{
    const CorCatalogInstance *existing = filing->existing;
    CorObject there = {.file = -1};
    CorError why = {0};

    if (cor_blob_head(filing->archive->options.blobs, existing->bucket, existing->key, &there,
                      &why)) {
        return true;
    }
    return why.code == COR_ERR_NOT_FOUND
               ? cor_fail(err, COR_ERR_UNAVAILABLE,
                          "the image is known under another key, and its object is missing")
               : cor_fail(err, why.code, "%s", why.text);
}

/* --- object and row --- */

static bool add_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    Filing *filing = arg;

    return cor_catalog_add(txn, &filing->entry, &filing->outcome, &filing->existing, err);
}

static bool remove_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    const Filing *filing = arg;

    return cor_catalog_remove(txn, uid_of(filing), cor_time_unix_ms(), NULL, err);
}

static void sync_object(void *arg)
{
    Filing *filing = arg;

    filing->is_durable = cor_blob_temp_sync(filing->temp, &filing->why_not);
}

static void remove_object(const Filing *filing)
{
    CorError why = {0};

    if (!cor_blob_remove(filing->archive->options.blobs, filing->entry.bucket, filing->entry.key,
                         &why)) {
        cor_log_warning("object without a row left to the sweeper", COR_F("error", why.text));
    }
}

/* The row goes again if its object is not durable. */
static bool commit(Filing *filing, CorSqlDurability durability, CorError *err)
{
    CorSql *catalog = filing->archive->options.catalog;
    const CorSqlBeside beside = {.meanwhile = sync_object, .was_announced = filing->is_announced};
    CorError why = {0};

    if (!cor_sql_write_beside(catalog, add_row, &beside, filing, durability, err)) {
        return false;
    }
    if (filing->is_durable || filing->outcome == COR_CATALOG_DUPLICATE) {
        return true;
    }
    if (!cor_sql_write(catalog, remove_row, filing, COR_SQL_SYNCED, &why)) {
        cor_log_error("a row stays whose object is not synced", COR_F("error", why.text));
    }
    return cor_fail(err, filing->why_not.code, "%s", filing->why_not.text);
}

/* A row that is alone is not waited for: the object is durable, and after a power cut it gets its
 * row again before anything else happens (recover.c).  Those that come together share a wait, which
 * costs less than a commit for each. */
static bool commit_ahead(Filing *filing, CorError *err)
{
    CorArchiveAhead *ahead = &filing->archive->ahead;
    CorArchiveTicket ticket;

    COR_FAILPOINT(AFTER_STORE);
    bool is_alone = cor_archive_priv_ahead_enter(ahead, &ticket);
    bool is_found_again = cor_blob_can_list_changed(filing->archive->options.blobs);
    bool ok = commit(filing, is_alone && is_found_again ? COR_SQL_RELAXED : COR_SQL_SYNCED, err);
    cor_archive_priv_ahead_leave(ahead, &ticket);
    COR_FAILPOINT(AFTER_CATALOG);
    return ok;
}

/* The object, which is named, and its row are to be durable; else the object does not stay.  A row
 * whose object was missing has it again. */
static bool add(Filing *filing, CorError *err)
{
    CorError why = {0};
    bool ok = commit_ahead(filing, &why);

    if (!ok && why.code == COR_ERR_CONFLICT) {
        ok = resolve(filing, true, &why, err);
    } else if (ok && filing->outcome == COR_CATALOG_DUPLICATE && is_same_place(filing)) {
        if (filing->is_durable) {
            return true;
        }
        ok = cor_fail(err, filing->why_not.code, "%s", filing->why_not.text);
    } else if (ok && filing->outcome == COR_CATALOG_DUPLICATE) {
        ok = is_existing_there(filing, err);
    } else if (!ok) {
        (void) cor_fail(err, why.code, "%s", why.text);
    }
    if (!ok || filing->outcome == COR_CATALOG_DUPLICATE) {
        remove_object(filing);
    }
    return ok;
}

static bool look(const Filing *filing, bool *ret_is_there, CorError *err)
{
    CorObject there = {.file = -1};
    CorError why = {0};

    *ret_is_there = cor_blob_head(filing->archive->options.blobs, filing->entry.bucket,
                                  filing->entry.key, &there, &why);
    return *ret_is_there || why.code == COR_ERR_NOT_FOUND ||
           cor_fail(err, why.code, "%s", why.text);
}

typedef enum Step {
    STEP_NAMED,     /* the object is under its key: on to its row */
    STEP_DUPLICATE, /* the image is there already */
    STEP_ORPHAN,    /* what lies under the key has no row */
    STEP_FAILED,
} Step;

/* Bring the object under its key, if nothing is there; its row may be announced then. */
static Step name_object(Filing *filing, CorError *err)
{
    CorSql *catalog = filing->archive->options.catalog;
    bool is_there = false;

    if (!look(filing, &is_there, err)) {
        return STEP_FAILED;
    }
    if (is_there || !filing->has_own_key) {
        if (!judge(filing, err)) {
            return STEP_FAILED;
        }
        if (filing->outcome == COR_CATALOG_DUPLICATE && !is_same_place(filing)) {
            return is_existing_there(filing, err) ? STEP_DUPLICATE : STEP_FAILED;
        }
        if (filing->outcome == COR_CATALOG_DUPLICATE && is_there) {
            return STEP_DUPLICATE;
        }
        free(COR_TAKE(filing->existing)); /* its row is there and its object is not: add() */
    }
    if (is_there) {
        return STEP_ORPHAN;
    }
    /* One that is synced when it is named would keep the others waiting for too long. */
    filing->is_announced = cor_blob_temp_is_staged(filing->temp);
    if (filing->is_announced) {
        cor_sql_announce(catalog);
    }
    if (cor_blob_temp_name(filing->temp, filing->entry.bucket, filing->entry.key, COR_BLOB_REPLACE,
                           err)) {
        return STEP_NAMED;
    }
    if (filing->is_announced) {
        cor_sql_withdraw(catalog);
    }
    return STEP_FAILED;
}

/* Everything that must not change between check and commit; the stripes are locked. */
static Step file_away(Filing *filing, CorError *err)
{
    Step step = name_object(filing, err);

    return step == STEP_NAMED && !add(filing, err) ? STEP_FAILED : step;
}

static Step file_away_locked(Filing *filing, CorError *err)
{
    const char *uid = uid_of(filing);

    cor_archive_lock(filing->archive, filing->entry.key, uid);
    Step step = file_away(filing, err);
    cor_archive_unlock(filing->archive, filing->entry.key, uid);
    return step;
}

/* What a crash left under the key may be what somebody was told is stored: it gets its row, or goes
 * to quarantine, before anything takes its place. */
static bool store(Filing *filing, CorError *err)
{
    Step step = file_away_locked(filing, err);

    for (int i = 0; step == STEP_ORPHAN && i < ADOPTIONS_MAX; i++) {
        if (cor_archive_adopt(filing->archive, filing->entry.key) == COR_ARCHIVE_LEFT) {
            break;
        }
        step = file_away_locked(filing, err);
    }
    if (step == STEP_ORPHAN) {
        return cor_fail(err, COR_ERR_UNAVAILABLE,
                        "what a crash left under the key cannot be looked at now");
    }
    return step != STEP_FAILED;
}

static void tell(const Filing *filing, CorArchiveStored *stored)
{
    const json_t *index = filing->entry.index;
    const CorCatalogInstance *existing = filing->existing;
    const struct {
        char *to;
        const char *member;
    } uids[] = {{stored->study_instance_uid, "study_instance_uid"},
                {stored->series_instance_uid, "series_instance_uid"},
                {stored->sop_instance_uid, "sop_instance_uid"},
                {stored->sop_class_uid, "sop_class_uid"}};

    for (size_t i = 0; i < COR_ARRAY_LEN(uids); i++) {
        (void) snprintf(uids[i].to, COR_UID_SIZE, "%s", cor_json_string(index, uids[i].member, ""));
    }
    stored->is_duplicate = filing->outcome == COR_CATALOG_DUPLICATE;
    (void) snprintf(stored->bucket, sizeof(stored->bucket), "%s",
                    existing ? existing->bucket : filing->entry.bucket);
    (void) snprintf(stored->key, sizeof(stored->key), "%s",
                    existing ? existing->key : filing->entry.key);
}

bool cor_archive_store(CorArchive *archive, CorBlobTemp *temp, const json_t *record,
                       const char *key, CorArchiveStored *ret_stored, CorError *err)
{
    char own_key[COR_KEY_SIZE];
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];
    Filing filing = {.archive = archive, .temp = temp, .has_own_key = !key};

    if (!key) {
        (void) snprintf(own_key, sizeof(own_key), "%s/%s/%s.dcm",
                        cor_json_string(record, "study_instance_uid", ""),
                        cor_json_string(record, "series_instance_uid", ""),
                        cor_json_string(record, "sop_instance_uid", ""));
        key = own_key;
    }
    cor_blob_temp_sha256(temp, digest);
    filing.entry = (CorCatalogEntry){.index = record,
                                     .bucket = COR_BUCKET_PACS,
                                     .key = key,
                                     .size = cor_blob_temp_size(temp),
                                     .sha256 = cor_hex_encode(digest, sizeof(digest), hex),
                                     .created_unix_ms = cor_time_unix_ms()};
    bool ok = store(&filing, err);
    if (ok) {
        tell(&filing, ret_stored);
    }
    free(filing.existing);
    return ok;
}
