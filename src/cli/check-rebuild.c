/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue is a function of the objects, so it can be made again from them: forget everything,
 * list the buckets, let a host read each header (invariant 6) and add what it says.
 *
 * A catalogue that is damaged is put aside as catalog.db.damaged first.  Which job made a derived
 * object is not in the object; that stays in the ledger.
 *
 * While it runs, and after it was interrupted, the file catalog.rebuild lies in the data directory:
 * no server starts on half a catalogue, since it would sweep the objects that have no row yet.  The
 * same command begins again.
 */
#include "cli/check-rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/time.h"
#include "blob/blob.h"
#include "catalog/catalog.h"
#include "cli/progress.h"
#include "host/host-pool.h"

#define MARK_NAME "catalog.rebuild"

enum { PAGE = 1000, INDEX_MS = 60000 };

typedef struct Rebuild {
    CorSql *catalog;
    CorBlobStore *blobs;
    CorHostPool *hosts;
    CorProgress progress;
    size_t indexed;
    size_t refused;
    uint64_t bytes;
} Rebuild;

/* Objects of this bucket are catalogued. */
typedef struct Bucket {
    const char *name;
    bool is_derived;
} Bucket;

static bool clear_catalog(CorSqlTxn *txn, void *arg, CorError *err)
{
    (void) arg;
    return cor_catalog_clear(txn, cor_time_unix_ms(), err);
}

static bool add_entry(CorSqlTxn *txn, void *arg, CorError *err)
{
    CorCatalogOutcome outcome = COR_CATALOG_ADDED;

    return cor_catalog_add(txn, arg, &outcome, NULL, err);
}

/* One object.  What is no DICOM or contradicts the catalogue is counted and left out; a store that
 * fails ends the rebuild. */
static bool index_object(Rebuild *rebuild, const Bucket *bucket, const char *key, CorError *err)
{
    COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};
    COR_CLEANUP(cor_json_freep) json_t *record = NULL;
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];
    CorError why = {0};

    if (!cor_blob_open_object(rebuild->blobs, bucket->name, key, &object, err) ||
        !cor_sha256_fd(object.file, object.size, digest, err)) {
        return false;
    }
    if (!cor_blob_settle(rebuild->blobs, bucket->name, key, digest, &why) ||
        !cor_host_index(rebuild->hosts, object.file, INDEX_MS, &record, &why)) {
        rebuild->refused++;
        return !cor_error_is_transient(&why) || cor_fail(err, why.code, "%s", why.text);
    }
    CorCatalogEntry entry = {
        .index = record,
        .bucket = bucket->name,
        .key = key,
        .size = object.size,
        .sha256 = cor_hex_encode(digest, sizeof(digest), hex),
        .created_unix_ms = object.modified_unix_ms,
        .is_derived = bucket->is_derived,
    };
    if (!cor_sql_write(rebuild->catalog, add_entry, &entry, COR_SQL_RELAXED, &why)) {
        rebuild->refused++;
        return why.code == COR_ERR_CONFLICT || why.code == COR_ERR_INVALID ||
               cor_fail(err, why.code, "%s", why.text);
    }
    rebuild->indexed++;
    rebuild->bytes += object.size;
    return true;
}

static bool index_bucket(Rebuild *rebuild, const Bucket *bucket, CorError *err)
{
    char after[COR_KEY_SIZE] = "";
    bool has_more = true;

    while (has_more) {
        COR_CLEANUP(cor_keys_freep) CorKeys *keys = NULL;
        CorBlobListOptions options = {.after = after, .max = PAGE};
        if (!cor_blob_list(rebuild->blobs, bucket->name, &options, &keys, err)) {
            return false;
        }
        for (size_t i = 0; i < keys->len; i++) {
            if (!index_object(rebuild, bucket, keys->keys[i], err)) {
                return false;
            }
            size_t done = rebuild->indexed + rebuild->refused;
            cor_progress_show(&rebuild->progress, done, done + keys->len - i - 1, rebuild->bytes);
        }
        has_more = keys->has_more && keys->len > 0;
        if (keys->len > 0) {
            (void) snprintf(after, sizeof(after), "%s", keys->keys[keys->len - 1]);
        }
    }
    return true;
}

static bool put_aside(const CorDatadir *datadir, CorError *err)
{
    static const char *const names[] = {"catalog.db", "catalog.db-wal", "catalog.db-shm"};
    int fd = cor_datadir_fd(datadir);

    for (size_t i = 0; i < COR_ARRAY_LEN(names); i++) {
        char aside[64];
        (void) snprintf(aside, sizeof(aside), "%s.damaged", names[i]);
        if (renameat(fd, names[i], fd, aside) != 0 && errno != ENOENT) {
            return cor_fail_errno(err, errno, "put %s aside", names[i]);
        }
    }
    return true;
}

static bool open_empty(Rebuild *rebuild, const char *path, CorError *err)
{
    return cor_catalog_open(path, NULL, &rebuild->catalog, err) &&
           cor_sql_write(rebuild->catalog, clear_catalog, NULL, COR_SQL_SYNCED, err);
}

/* Damage shows when the file is opened, or when it is emptied. */
static bool open_catalog(Rebuild *rebuild, const CorDatadir *datadir, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *path = cor_string_new(8192);
    CorError why = {0};

    cor_string_printf(path, "%s/catalog.db", cor_datadir_path(datadir));
    if (!cor_string_check(path, err)) {
        return false;
    }
    if (open_empty(rebuild, cor_string_text(path), &why)) {
        return true;
    }
    if (why.code != COR_ERR_CORRUPT) {
        return cor_fail(err, why.code, "%s", why.text);
    }
    cor_sql_close(COR_TAKE(rebuild->catalog));
    return put_aside(datadir, err) && open_empty(rebuild, cor_string_text(path), err);
}

static bool run(Rebuild *rebuild, const CorConfig *config, const CorDatadir *datadir, CorError *err)
{
    static const Bucket buckets[] = {{COR_BUCKET_PACS, false}, {COR_BUCKET_OUTPUT, true}};
    CorHostPoolOptions options = {
        .name = "rebuild",
        .min = 1,
        .max = 1,
        .memory_max_bytes = (size_t) config->host_memory_bytes,
        .sandbox = config->sandbox == COR_SANDBOX_STRICT ? COR_HOST_SANDBOX_STRICT
                                                         : COR_HOST_SANDBOX_BEST_EFFORT,
    };

    if (!cor_blob_open(config->blob, &rebuild->blobs, err) ||
        !open_catalog(rebuild, datadir, err) ||
        !cor_host_pool_new(&options, &rebuild->hosts, err)) {
        return false;
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(buckets); i++) {
        if (!index_bucket(rebuild, &buckets[i], err)) {
            cor_error_wrap(err, "bucket %s", buckets[i].name);
            return false;
        }
    }
    return true;
}

/* --- the mark --- */

bool cor_cli_rebuild_is_unfinished(const CorDatadir *datadir)
{
    return faccessat(cor_datadir_fd(datadir), MARK_NAME, F_OK, 0) == 0;
}

static bool set_mark(const CorDatadir *datadir, CorError *err)
{
    int folder = cor_datadir_fd(datadir);
    COR_CLEANUP(cor_fd_closep)
    int fd = openat(folder, MARK_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);

    return (fd >= 0 && fsync(folder) == 0) || cor_fail_errno(err, errno, "make " MARK_NAME);
}

/* The rows were committed without waiting for the disk; closing has moved them into the main file.
 */
static bool clear_mark(const CorDatadir *datadir, CorError *err)
{
    int folder = cor_datadir_fd(datadir);
    COR_CLEANUP(cor_fd_closep) int fd = openat(folder, "catalog.db", O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0 || unlinkat(folder, MARK_NAME, 0) != 0 || fsync(folder) != 0) {
        return cor_fail_errno(err, errno, "finish catalog.db");
    }
    return true;
}

bool cor_cli_check_rebuild(const CorConfig *config, const CorDatadir *datadir, char *ret_summary,
                           size_t size, CorError *err)
{
    Rebuild rebuild = {.progress = cor_progress_start()};

    bool is_ok = set_mark(datadir, err) && run(&rebuild, config, datadir, err);
    cor_progress_clear(&rebuild.progress);
    cor_host_pool_free(rebuild.hosts);
    cor_sql_close(rebuild.catalog);
    cor_blob_close(rebuild.blobs);
    is_ok = is_ok && clear_mark(datadir, err);
    if (is_ok) {
        (void) snprintf(ret_summary, size, "%zu objects catalogued, %zu left out", rebuild.indexed,
                        rebuild.refused);
    }
    return is_ok;
}
