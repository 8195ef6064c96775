/* SPDX-License-Identifier: Apache-2.0 */
/* What lies under a derived object's key may be another job's by now.
 *
 * Two jobs that ask the same of the same image store under the same key, and their bytes differ in
 * the dates inside (invariant 5).  Whoever stores last has the key, whoever is delivered last would
 * have the row, and these need not be the same.  So where the catalogue has a row for the key with
 * another digest, the object itself is asked, and the row says what is there.  A key that is new,
 * which is the rule, costs one look into the catalogue.
 */
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "catalog/catalog.h"
#include "deliver/consume-item.h"

/* Mark the outputs whose key has a row with another digest. */
static bool look_run(CorSqlTxn *txn, void *arg, CorError *err)
{
    CorDeliverItem *item = arg;
    size_t index = 0;
    json_t *output = NULL;

    json_array_foreach(json_object_get(item->result, "outputs"), index, output)
    {
        COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *row = NULL;

        if (!json_is_object(json_object_get(output, "record"))) {
            continue;
        }
        if (!cor_catalog_find_key(txn, cor_json_string(output, "bucket", ""),
                                  cor_json_string(output, "key", ""), &row, err)) {
            return false;
        }
        if (row && strcmp(row->sha256, cor_json_string(output, "sha256", "")) != 0) {
            (void) json_object_set_new(output, "is_taken", json_true());
        }
    }
    return true;
}

/* Let an output say what its object is.  One that is gone keeps what its job said of it. */
static bool ask_object(const CorDeliverOptions *options, json_t *output, CorError *err)
{
    COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};
    uint8_t digest[COR_SHA256_SIZE];
    char hex[COR_SHA256_HEX_SIZE];
    CorError why = {0};

    (void) json_object_del(output, "is_taken");
    if (!cor_blob_open_object(options->blobs, cor_json_string(output, "bucket", ""),
                              cor_json_string(output, "key", ""), &object, &why)) {
        return why.code == COR_ERR_NOT_FOUND || cor_fail(err, why.code, "%s", why.text);
    }
    if (!cor_sha256_fd(object.file, object.size, digest, err)) {
        return false;
    }
    (void) json_object_set_new(output, "size", json_integer((json_int_t) object.size));
    (void) json_object_set_new(output, "stored_unix_ms", json_integer(object.modified_unix_ms));
    (void) json_object_set_new(output, "sha256",
                               json_string(cor_hex_encode(digest, sizeof(digest), hex)));
    return true;
}

bool cor_deliver_priv_item_settle_digests(const CorDeliverOptions *options, CorDeliverItem *item,
                                          CorError *err)
{
    size_t index = 0;
    json_t *output = NULL;

    if (!cor_deliver_priv_item_has_rows(item)) {
        return true;
    }
    if (!cor_sql_read(options->catalog, look_run, item, err)) {
        return false;
    }
    json_array_foreach(json_object_get(item->result, "outputs"), index, output)
    {
        if (json_object_get(output, "is_taken") && !ask_object(options, output, err)) {
            cor_error_wrap(err, "look at an output");
            return false;
        }
    }
    return true;
}
