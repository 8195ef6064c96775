/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that an object has outgrown.
 *
 * A job that asks what an earlier one asked stores under the same key.  If it is then cancelled, or
 * fails on a later slice, its bytes stay without a result that would tell the catalogue.  Such an
 * object is younger than its row; a host reads it again (invariant 6) and the row follows.  Only
 * the last step, the row, is taken while nothing is on its way: reading may take a minute.
 */
#include "gateway/gateway-priv.h"

#include <string.h>

#include "base/hash.h"
#include "program/log.h"

typedef struct Row {
    CorGateway *gateway;
    const char *key;
    CorCatalogInstance *instance; /* NULL: the key has no row */
    CorObject object;
    CorCatalogEntry entry;
    CorSweepFate fate;
    CorError err;
} Row;

static void row_done(Row *row)
{
    cor_object_done(&row->object);
    cor_catalog_instance_freep(&row->instance);
}

static bool find_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    Row *row = arg;

    return cor_catalog_find_key(txn, COR_BUCKET_OUTPUT, row->key, &row->instance, err);
}

static bool write_row(CorSqlTxn *txn, void *arg, CorError *err)
{
    const Row *row = arg;
    CorCatalogOutcome outcome = COR_CATALOG_ADDED;
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *now = NULL;

    if (!cor_catalog_find_key(txn, COR_BUCKET_OUTPUT, row->key, &now, err)) {
        return false;
    }
    if (!now || strcmp(now->sha256, row->instance->sha256) != 0) {
        return true; /* a delivery came first */
    }
    return cor_catalog_add(txn, &row->entry, &outcome, NULL, err);
}

/* Nothing is on its way, and the object is still the one that was read. */
static void follow_held(void *context)
{
    Row *row = context;
    CorGateway *gateway = row->gateway;
    CorObject now = {.file = -1};

    row->fate = COR_SWEEP_NAMED;
    if (!cor_blob_head(gateway->options.blobs, COR_BUCKET_OUTPUT, row->key, &now, &row->err)) {
        return;
    }
    if (strcmp(now.etag, row->object.etag) == 0 &&
        cor_sql_write(gateway->options.catalog, write_row, row, COR_SQL_SYNCED, &row->err)) {
        cor_log_info("row of a derived object brought up to date",
                     COR_F("bucket", COR_BUCKET_OUTPUT));
    }
}

/* Another image's bytes under a key that has a row contradict the catalogue's rules: nothing that
 * a sweeper could put right. */
static bool read_again(Row *row, const uint8_t digest[COR_SHA256_SIZE], const char *sha256,
                       CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *record = NULL;
    CorError why = {0};

    if (!cor_blob_settle(row->gateway->options.blobs, COR_BUCKET_OUTPUT, row->key, digest, &why) ||
        !cor_archive_read_again(row->gateway->options.archive, row->object.file, &record, &why)) {
        cor_log_warning("a derived object cannot be read", COR_F("error", why.text));
        row->fate = cor_error_is_transient(&why) ? COR_SWEEP_BUSY : COR_SWEEP_NAMED;
        return true;
    }
    row->entry = (CorCatalogEntry){.index = record,
                                   .bucket = COR_BUCKET_OUTPUT,
                                   .key = row->key,
                                   .size = row->object.size,
                                   .sha256 = sha256,
                                   .created_unix_ms = row->object.modified_unix_ms,
                                   .is_derived = true};
    if (!cor_gateway_priv_relay_when_idle(row->gateway->relay, follow_held, row)) {
        row->fate = COR_SWEEP_BUSY;
        return true;
    }
    if (row->err.code == COR_ERR_CONFLICT || row->err.code == COR_ERR_INVALID) {
        row->fate = COR_SWEEP_LEFT;
        return true;
    }
    return row->err.code == COR_OK || row->err.code == COR_ERR_NOT_FOUND ||
           cor_fail(err, row->err.code, "%s", row->err.text);
}

static bool compare(Row *row, CorError *err)
{
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];

    if (!cor_blob_open_object(row->gateway->options.blobs, COR_BUCKET_OUTPUT, row->key,
                              &row->object, &row->err)) {
        return row->err.code == COR_ERR_NOT_FOUND ||
               cor_fail(err, row->err.code, "%s", row->err.text);
    }
    if (row->object.modified_unix_ms <= row->instance->created_unix_ms) {
        return true;
    }
    if (!cor_sha256_fd(row->object.file, row->object.size, digest, err)) {
        return false;
    }
    (void) cor_hex_encode(digest, sizeof(digest), hex);
    return strcmp(hex, row->instance->sha256) == 0 || read_again(row, digest, hex, err);
}

bool cor_gateway_priv_sweep_row(CorGateway *gateway, const char *key, CorSweepFate *ret_fate,
                                CorError *err)
{
    COR_CLEANUP(row_done)
    Row row = {.gateway = gateway, .key = key, .object = {.file = -1}, .fate = COR_SWEEP_NAMED};

    if (!cor_sql_read(gateway->options.catalog, find_row, &row, err) ||
        (row.instance && !compare(&row, err))) {
        return false;
    }
    *ret_fate = row.instance ? row.fate : COR_SWEEP_UNNAMED;
    return true;
}
