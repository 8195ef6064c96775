/* SPDX-License-Identifier: Apache-2.0 */
/* The front of the port: knows the backends, checks what goes in and what comes out. */
#include "blob/blob.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/id.h"
#include "base/uri.h"
#include "blob/blob-backend.h"

static const CorBlobBackend *const backends[] = {
    &cor_blob_priv_fs,
};

static const char *const bucket_names[] = {
    COR_BUCKET_PACS,
    COR_BUCKET_OUTPUT,
    COR_BUCKET_JOBS,
    COR_BUCKET_QUARANTINE,
};
static_assert(COR_ARRAY_LEN(bucket_names) == COR_BLOB_BUCKET_COUNT, "name every bucket");

/* --- For the files of this room. --- */

int cor_blob_priv_bucket(const char *bucket)
{
    for (size_t i = 0; i < COR_ARRAY_LEN(bucket_names); i++) {
        if (strcmp(bucket, bucket_names[i]) == 0) {
            return (int) i;
        }
    }
    return -1;
}

const char *cor_blob_priv_bucket_name(int i)
{
    assert(i >= 0 && i < COR_BLOB_BUCKET_COUNT);

    return bucket_names[i];
}

bool cor_blob_priv_fail(CorError *err, int errno_value, const char *what)
{
    switch (errno_value) {
    case EACCES:
    case EPERM:
        return cor_fail(err, COR_ERR_IO, "%s: the store's files are not ours to use", what);
    case ENOENT:
    case ENOTDIR:
    case EEXIST:
    case EINVAL: /* nobody asked for something that is not there: our own files are not as we left
                    them */
        (void) cor_fail_errno(err, errno_value, "%s", what);
        if (err) {
            err->code = COR_ERR_IO;
        }
        return false;
    case EFBIG:
        return cor_fail(err, COR_ERR_LIMIT,
                        "%s: larger than the file system or a resource limit allows", what);
    case ENOSPC:
    case EDQUOT:
        return cor_fail(err, COR_ERR_UNAVAILABLE, "%s: the object store's disk is full", what);
    case EROFS:
        return cor_fail(err, COR_ERR_UNAVAILABLE, "%s: the object store's disk is read-only", what);
    default:
        return cor_fail_errno(err, errno_value, "%s", what);
    }
}

bool cor_blob_priv_keys_add(CorKeys *keys, const char *key, CorError *err)
{
    char *copy = strdup(key);

    if (!copy) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of keys");
    }
    keys->keys[keys->len++] = copy;
    return true;
}

static bool check_name(const char *bucket, const char *key, CorError *err)
{
    if (!cor_bucket_is_known(bucket)) {
        return cor_fail(err, COR_ERR_INVALID, "there is no such bucket");
    }
    return cor_key_check(key, err);
}

/* --- For users. --- */

bool cor_bucket_is_known(const char *bucket)
{
    return cor_blob_priv_bucket(bucket) >= 0;
}

bool cor_blob_open(const char *uri_text, CorBlobStore **ret_store, CorError *err)
{
    CorUri uri;
    CorBlobStore *store = NULL;

    if (!cor_uri_parse(uri_text, &uri, err)) {
        return false;
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(backends); i++) {
        const CorBlobBackend *backend = backends[i];

        if (!cor_uri_has_scheme(&uri, backend->scheme)) {
            continue;
        }
        assert(backend->open && backend->put_file && backend->open_object && backend->list &&
               backend->remove && backend->close);
        if (!backend->open(&uri, &store, err)) {
            cor_error_wrap(err, "open object store '%s'",
                           uri.shown); /* also catches a silent failure */
            return false;
        }
        assert(store->backend == backend);
        store->digester = cor_blob_priv_digester_new();
        store->stages = cor_blob_priv_stages_new();
        if (!store->digester || !store->stages) {
            cor_blob_close(store);
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for an object store");
        }
        *ret_store = store;
        return true;
    }
    return cor_fail(err, COR_ERR_INVALID, "no object store understands '%s'", uri.shown);
}

void cor_blob_close(CorBlobStore *store)
{
    if (store) {
        cor_blob_priv_digester_free(COR_TAKE(store->digester));
        cor_blob_priv_stages_free(COR_TAKE(store->stages));
        store->backend->close(store);
    }
}

bool cor_blob_put_file(CorBlobStore *store, const char *bucket, const char *key, int file,
                       CorBlobPut *ret_put, CorError *err)
{
    CorBlobTarget target = {.bucket = bucket, .key = key, .mode = COR_BLOB_REPLACE};
    CorBlobPut put = {.modified_unix_ms = 0};

    if (!check_name(bucket, key, err)) {
        return false;
    }
    if (!store->backend->put_file(store, &target, file, &put, err)) {
        cor_error_wrap(err, "put into bucket %s", bucket);
        return false;
    }
    if (ret_put) {
        *ret_put = put;
    }
    return true;
}

bool cor_blob_put_bytes(CorBlobStore *store, const char *bucket, const char *key, const void *data,
                        size_t size, CorError *err)
{
    COR_CLEANUP(cor_blob_temp_freep) CorBlobTemp *temp = NULL;

    return check_name(bucket, key, err) && cor_blob_temp_new(store, size, &temp, err) &&
           cor_blob_temp_write(temp, data, size, err) &&
           cor_blob_temp_publish(temp, bucket, key, COR_BLOB_REPLACE, err);
}

bool cor_blob_open_object(CorBlobStore *store, const char *bucket, const char *key,
                          CorObject *ret_object, CorError *err)
{
    CorObject object = {.file = -1};

    if (!check_name(bucket, key, err)) {
        return false;
    }
    if (!store->backend->open_object(store, bucket, key, &object, err)) {
        cor_error_wrap(err, "open in bucket %s", bucket);
        return false;
    }
    assert(object.file >= 0 && object.etag[0]);
    *ret_object = object;
    return true;
}

bool cor_blob_head(CorBlobStore *store, const char *bucket, const char *key, CorObject *ret_object,
                   CorError *err)
{
    CorObject object = {.file = -1};

    if (!check_name(bucket, key, err)) {
        return false;
    }
    bool ok = store->backend->head ? store->backend->head(store, bucket, key, &object, err)
                                   : store->backend->open_object(store, bucket, key, &object, err);
    if (!ok) {
        cor_error_wrap(err, "look up in bucket %s", bucket);
        return false;
    }
    cor_object_done(&object);
    *ret_object = object;
    return true;
}

bool cor_blob_read(CorBlobStore *store, const char *bucket, const char *key, size_t max_bytes,
                   CorBytes **ret_bytes, CorError *err)
{
    COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(max_bytes);
    char chunk[16 * 1024];

    if (!cor_blob_open_object(store, bucket, key, &object, err)) {
        return false;
    }
    if (object.size > max_bytes) {
        return cor_fail(err, COR_ERR_LIMIT, "object is larger than %zu bytes", max_bytes);
    }
    for (;;) {
        ssize_t got = read(object.file, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return cor_blob_priv_fail(err, errno, "read an object");
        }
        if (got == 0) {
            break;
        }
        cor_string_append(text, chunk, (size_t) got);
    }
    if (!cor_string_check(text, err)) {
        return false;
    }
    CorBytes *bytes = cor_bytes_new(cor_string_text(text), cor_string_size(text));
    if (!bytes) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an object");
    }
    *ret_bytes = bytes;
    return true;
}

bool cor_blob_settle(CorBlobStore *store, const char *bucket, const char *key,
                     const uint8_t sha256[COR_SHA256_SIZE], CorError *err)
{
    if (!check_name(bucket, key, err)) {
        return false;
    }
    if (store->backend->settle && !store->backend->settle(store, bucket, key, sha256, err)) {
        cor_error_wrap(err, "settle in bucket %s", bucket);
        return false;
    }
    return true;
}

bool cor_blob_remove(CorBlobStore *store, const char *bucket, const char *key, CorError *err)
{
    if (!check_name(bucket, key, err)) {
        return false;
    }
    if (!store->backend->remove(store, bucket, key, err)) {
        cor_error_wrap(err, "remove from bucket %s", bucket);
        return false;
    }
    return true;
}

bool cor_blob_list(CorBlobStore *store, const char *bucket, const CorBlobListOptions *options,
                   CorKeys **ret_keys, CorError *err)
{
    COR_CLEANUP(cor_keys_freep) CorKeys *keys = NULL;
    CorBlobListOptions checked = *options;

    if (!cor_bucket_is_known(bucket)) {
        return cor_fail(err, COR_ERR_INVALID, "there is no such bucket");
    }
    if (options->max < 1 || options->max > COR_BLOB_LIST_MAX) {
        return cor_fail(err, COR_ERR_INVALID, "a page has 1 to %zu keys", COR_BLOB_LIST_MAX);
    }
    checked.prefix = options->prefix ? options->prefix : "";
    checked.after = options->after ? options->after : "";
    keys = cor_new(CorKeys);
    if (keys) {
        keys->keys = cor_new_array(char *, options->max);
    }
    if (!keys || !keys->keys) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of keys");
    }
    if (!store->backend->list(store, bucket, &checked, keys, err)) {
        cor_error_wrap(err, "list bucket %s", bucket);
        return false;
    }
    *ret_keys = COR_TAKE(keys);
    return true;
}

bool cor_blob_can_list_changed(const CorBlobStore *store)
{
    return store->backend->list_changed != NULL;
}

bool cor_blob_list_changed(CorBlobStore *store, const char *bucket, int64_t since_unix_ms,
                           CorBlobVisit *visit, void *context, CorError *err)
{
    if (!cor_bucket_is_known(bucket)) {
        return cor_fail(err, COR_ERR_INVALID, "there is no such bucket");
    }
    if (!store->backend->list_changed) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "this store does not know what changed");
    }
    if (!store->backend->list_changed(store, bucket, since_unix_ms, visit, context, err)) {
        cor_error_wrap(err, "list what changed in bucket %s", bucket);
        return false;
    }
    return true;
}

void cor_keys_free(CorKeys *keys)
{
    if (keys) {
        for (size_t i = 0; i < keys->len; i++) {
            free(keys->keys[i]);
        }
        free(keys->keys);
        free(keys);
    }
}

bool cor_blob_space(CorBlobStore *store, uint64_t *ret_free_bytes, CorError *err)
{
    uint64_t free_bytes = UINT64_MAX;

    if (store->backend->space && !store->backend->space(store, &free_bytes, err)) {
        cor_error_wrap(err, "ask for free space");
        return false;
    }
    *ret_free_bytes = free_bytes;
    return true;
}

bool cor_blob_can_presign(const CorBlobStore *store)
{
    return store->backend->presign != NULL;
}

bool cor_blob_presign(CorBlobStore *store, const char *bucket, const char *key,
                      int64_t expires_unix_ms, CorString *url, CorError *err)
{
    CorBlobTarget target = {.bucket = bucket, .key = key};

    if (!store->backend->presign) {
        return cor_fail(err, COR_ERR_UNSUPPORTED, "this object store does not sign URLs");
    }
    if (!check_name(bucket, key, err)) {
        return false;
    }
    if (!store->backend->presign(store, &target, expires_unix_ms, url, err)) {
        cor_error_wrap(err, "presign in bucket %s", bucket);
        return false;
    }
    return true;
}
