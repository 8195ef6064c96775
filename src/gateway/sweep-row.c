/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that an object has outgrown.
 *
 * A job that asks what an earlier one asked stores under the same key.  If it is then cancelled, or
 * fails on a later slice, its bytes stay without a result that would tell the catalogue.  Such an
 * object is younger than its row; a host reads it again (invariant 6) and the row follows.
 */
#include "gateway/gateway-priv.h"

#include <string.h>

#include "base/hash.h"
#include "program/log.h"

enum { INDEX_TIMEOUT_MS = 60000 };

typedef struct Row {
    const char *bucket;
    const char *key;
    CorCatalogInstance *instance; /* NULL: the key has no row */
    CorCatalogEntry entry;
} Row;

static bool find_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    Row *row = arg;

    return cor_catalog_find_key(txn, row->bucket, row->key, &row->instance, err);
}

static bool write_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    const Row *row = arg;
    CorCatalogOutcome outcome = COR_CATALOG_ADDED;

    return cor_catalog_add(txn, &row->entry, &outcome, NULL, err);
}

static bool read_again(CorGateway *gateway, Row *row, const CorObject *object, const char *sha256,
                       CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *record = NULL;

    CorError why = {0};

    if (!cor_host_index(gateway->options.viewer_hosts, object->file, INDEX_TIMEOUT_MS, &record,
                        &why)) {
        cor_log_warning("a derived object cannot be read", COR_F("error", why.text));
        return !cor_error_is_transient(&why) || cor_fail(err, why.code, "%s", why.text);
    }
    row->entry = (CorCatalogEntry){.index = record,
                                   .bucket = row->bucket,
                                   .key = row->key,
                                   .size = object->size,
                                   .sha256 = sha256,
                                   .created_unix_ms = object->modified_unix_ms,
                                   .is_derived = true};
    if (!cor_sql_write(gateway->options.catalog, write_row, row, COR_SQL_SYNCED, err)) {
        return false;
    }
    cor_log_info("row of a derived object brought up to date", COR_F("bucket", row->bucket));
    return true;
}

static bool compare(CorGateway *gateway, Row *row, CorError *err)
{
    COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];

    if (!cor_blob_open_object(gateway->options.blobs, row->bucket, row->key, &object, err)) {
        return false;
    }
    if (object.modified_unix_ms < row->instance->created_unix_ms) {
        return true;
    }
    if (!cor_sha256_fd(object.file, object.size, digest, err)) {
        return false;
    }
    (void) cor_hex_encode(digest, sizeof(digest), hex);
    return strcmp(hex, row->instance->sha256) == 0 || read_again(gateway, row, &object, hex, err);
}

bool cor_gateway_priv_sweep_row(CorGateway *gateway, const char *bucket, const char *key,
                                bool *ret_has_row, CorError *err)
{
    Row row = {.bucket = bucket, .key = key};

    if (!cor_sql_read(gateway->options.catalog, find_row, &row, err)) {
        return false;
    }
    bool ok = !row.instance || compare(gateway, &row, err);
    *ret_has_row = row.instance != NULL;
    cor_catalog_instance_freep(&row.instance);
    return ok;
}
