/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/archive-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/time.h"
#include "program/failpoint.h"
#include "program/log.h"

bool cor_archive_new(const CorArchiveOptions *options, CorArchive **ret_archive, CorError *err)
{
    CorArchive *archive = cor_new(CorArchive);

    if (!archive) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the archive");
    }
    archive->options = *options;
    for (size_t i = 0; i < COR_ARCHIVE_STRIPES; i++) {
        (void) pthread_mutex_init(&archive->stripes[i], NULL);
    }
    *ret_archive = archive;
    return true;
}

void cor_archive_free(CorArchive *archive)
{
    if (archive) {
        for (size_t i = 0; i < COR_ARCHIVE_STRIPES; i++) {
            (void) pthread_mutex_destroy(&archive->stripes[i]);
        }
        free(archive);
    }
}

/* --- locks --- */

static size_t stripe_of(const char *text)
{
    return cor_crc32(text, strlen(text)) % COR_ARCHIVE_STRIPES;
}

void cor_archive_lock(CorArchive *archive, const char *one, const char *other)
{
    size_t first = COR_MIN(stripe_of(one), stripe_of(other));
    size_t second = COR_MAX(stripe_of(one), stripe_of(other));

    (void) pthread_mutex_lock(&archive->stripes[first]);
    if (second != first) {
        (void) pthread_mutex_lock(&archive->stripes[second]);
    }
}

void cor_archive_unlock(CorArchive *archive, const char *one, const char *other)
{
    size_t first = stripe_of(one);
    size_t second = stripe_of(other);

    (void) pthread_mutex_unlock(&archive->stripes[first]);
    if (second != first) {
        (void) pthread_mutex_unlock(&archive->stripes[second]);
    }
}

/* --- the header --- */

bool cor_archive_read(CorArchive *archive, CorBlobTemp *temp, json_t **ret_record, CorError *err)
{
    COR_CLEANUP(cor_fd_closep) int file = -1;
    COR_CLEANUP(cor_json_freep) json_t *record = NULL;

    /* The disk has its part of the work while a host reads. */
    if (!cor_blob_temp_writeback(temp, err) || !cor_blob_temp_open(temp, &file, err) ||
        !cor_host_index(archive->options.hosts, file, COR_ARCHIVE_INDEX_TIMEOUT_MS, &record, err)) {
        return false;
    }
    if (cor_json_boolean(record, "truncated", false)) {
        return cor_fail(err, COR_ERR_CORRUPT, "the pixel data are cut off: the file is incomplete");
    }
    *ret_record = COR_TAKE(record);
    return true;
}

/* --- object and catalogue --- */

typedef struct Filing {
    CorCatalogEntry entry;
    CorCatalogOutcome outcome;
    CorCatalogInstance *existing; /* malloc()ed */
} Filing;

static bool check_rules(CorSqlTxn *txn, void *arg, CorError *err)
{
    Filing *filing = arg;

    return cor_catalog_check(txn, &filing->entry, &filing->outcome, &filing->existing, err);
}

static bool add_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    Filing *filing = arg;

    return cor_catalog_add(txn, &filing->entry, &filing->outcome, NULL, err);
}

static bool find_existing(CorSqlTxn *txn, void *arg, CorError *err)
{
    Filing *filing = arg;

    return cor_catalog_find(txn, cor_json_string(filing->entry.index, "sop_instance_uid", ""),
                            &filing->existing, err);
}

/* Apply the rules; a conflict with an image of the same UID may be none after all: same.c. */
static bool judge(CorArchive *archive, CorBlobTemp *temp, Filing *filing, CorError *err)
{
    CorSql *catalog = archive->options.catalog;
    CorError why = {0};
    bool is_same = false;

    if (cor_sql_read(catalog, check_rules, filing, &why)) {
        return true;
    }
    if (why.code == COR_ERR_CONFLICT) {
        if (!cor_sql_read(catalog, find_existing, filing, err)) {
            return false;
        }
        if (filing->existing && !cor_archive_priv_is_same(archive, temp, filing->entry.index,
                                                          filing->existing, &is_same, err)) {
            return false;
        }
    }
    if (!is_same) {
        return cor_fail(err, why.code, "%s", why.text);
    }
    filing->outcome = COR_CATALOG_DUPLICATE;
    return true;
}

/* Everything that must not change between check and commit; the stripes are locked. */
static bool file_away(CorArchive *archive, CorBlobTemp *temp, Filing *filing, CorError *err)
{
    const CorArchiveOptions *options = &archive->options;
    const char *key = filing->entry.key;

    if (!judge(archive, temp, filing, err)) {
        return false;
    }
    if (filing->outcome == COR_CATALOG_DUPLICATE) {
        return true;
    }
    if (!cor_blob_temp_publish(temp, COR_BUCKET_PACS, key, COR_BLOB_REPLACE, err)) {
        return false;
    }
    COR_FAILPOINT(AFTER_STORE);
    if (!cor_sql_write(options->catalog, add_row, filing, COR_SQL_SYNCED, err)) {
        CorError why = {0};
        if (!cor_blob_remove(options->blobs, COR_BUCKET_PACS, key, &why)) {
            cor_log_warning("object without a row left to the sweeper", COR_F("error", why.text));
        }
        return false;
    }
    COR_FAILPOINT(AFTER_CATALOG);
    return true;
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
    const char *uid = cor_json_string(record, "sop_instance_uid", "");
    char own_key[COR_KEY_SIZE];
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];

    if (!key) {
        (void) snprintf(own_key, sizeof(own_key), "%s/%s/%s.dcm",
                        cor_json_string(record, "study_instance_uid", ""),
                        cor_json_string(record, "series_instance_uid", ""), uid);
        key = own_key;
    }
    cor_blob_temp_sha256(temp, digest);
    Filing filing = {.entry = {.index = record,
                               .bucket = COR_BUCKET_PACS,
                               .key = key,
                               .size = cor_blob_temp_size(temp),
                               .sha256 = cor_hex_encode(digest, sizeof(digest), hex),
                               .created_unix_ms = cor_time_unix_ms()}};

    cor_archive_lock(archive, key, uid);
    bool ok = file_away(archive, temp, &filing, err);
    cor_archive_unlock(archive, key, uid);
    if (ok) {
        tell(&filing, ret_stored);
    }
    free(filing.existing);
    return ok;
}
