/* SPDX-License-Identifier: Apache-2.0 */
/* How to add an object store.
 *
 * Write blob-<store>.c with a struct whose first member is CorBlobStore, a const CorBlobBackend at
 * the end of the file, and one line in the table of blob.c.  Then run the contract suite:
 *     COR_TEST_BLOB_URI=<uri> meson test -C build --suite contract
 *
 * blob.c has checked bucket, key and options before any function below is called, and it checks
 * afterwards that a failure says why.  Error texts never hold keys (invariant 7).
 */
#pragma once

#include "base/uri.h"
#include "blob/blob-digest.h"
#include "blob/blob-stage.h"
#include "blob/blob.h"

#include <stdatomic.h>

enum { COR_BLOB_BUCKET_COUNT = 4 };

/* Where something goes. */
typedef struct CorBlobTarget {
    const char *bucket;
    const char *key;
    CorBlobMode mode;
} CorBlobTarget;

/* A temporary file that is complete. */
typedef struct CorBlobNew {
    int file;
    const char *name; /* in temp_dir */
    const uint8_t *sha256;
    bool may_be_unsynced; /* the caller will fsync() the file, if that is all that is left to do */
    bool is_unsynced;     /* receives whether it has to */
} CorBlobNew;

typedef struct CorBlobBackend {
    const char *scheme; /* what stands before ':' in the URI */

    /* Required.  Must leave nothing behind on failure.  Sets temp_dir of the store. */
    bool (*open)(const CorUri *uri, CorBlobStore **ret_store, CorError *err);

    /* Required.  Readers see the old or the new bytes, never a mix.  On true the bytes survive a
     * crash of this host.  ret_put is never NULL. */
    bool (*put_file)(CorBlobStore *store, const CorBlobTarget *target, int file,
                     CorBlobPut *ret_put, CorError *err);

    /* Optional; NULL if put_file() serves.  As put_file() for a file in the store's own temp_dir,
     * which is complete but not synced; on true its name is gone from there. */
    bool (*publish)(CorBlobStore *store, const CorBlobTarget *target, CorBlobNew *file,
                    CorError *err);

    /* Required.  A read-only descriptor that the caller closes, with size, time and ETag. NOT_FOUND
     * if there is no such key. */
    bool (*open_object)(CorBlobStore *store, const char *bucket, const char *key,
                        CorObject *ret_object, CorError *err);

    /* Optional; NULL if open_object() serves.  The same without the descriptor. */
    bool (*head)(CorBlobStore *store, const char *bucket, const char *key, CorObject *ret_object,
                 CorError *err);

    /* Required.  Keys that begin with prefix, in byte order, at most max, after `after`; prefix and
     * after are never NULL. */
    bool (*list)(CorBlobStore *store, const char *bucket, const CorBlobListOptions *options,
                 CorKeys *keys, CorError *err);

    /* Optional; NULL if the store does not know. */
    bool (*list_changed)(CorBlobStore *store, const char *bucket, int64_t since_unix_ms,
                         CorBlobVisit *visit, void *context, CorError *err);

    /* Optional; NULL if nothing shows under a key before it is durable. */
    bool (*settle)(CorBlobStore *store, const char *bucket, const char *key,
                   const uint8_t sha256[COR_SHA256_SIZE], CorError *err);

    /* Required.  Removing what is not there succeeds. */
    bool (*remove)(CorBlobStore *store, const char *bucket, const char *key, CorError *err);

    /* Optional; NULL if the store knows no bound. */
    bool (*space)(CorBlobStore *store, uint64_t *ret_free_bytes, CorError *err);

    /* Optional; NULL if the gateway signs URLs itself. */
    bool (*presign)(CorBlobStore *store, const CorBlobTarget *target, int64_t expires_unix_ms,
                    CorString *url, CorError *err);

    /* Required.  No other call is running. */
    void (*close)(CorBlobStore *store);
} CorBlobBackend;

struct CorBlobStore {
    const CorBlobBackend *backend;
    CorBlobDigester *digester;
    CorBlobStages *stages;
    int temp_dir;                    /* folder of this store object's own temporary files */
    atomic_uint_fast64_t next_temp;  /* numbers them */
    atomic_int_fast64_t last_put_ns; /* the newest time that a file was given */
};

extern const CorBlobBackend cor_blob_priv_fs;

/* Number of a bucket, 0 to COR_BLOB_BUCKET_COUNT - 1; -1 if there is none of that name. */
int cor_blob_priv_bucket(const char *bucket);

/* Name of bucket number i. */
const char *cor_blob_priv_bucket_name(int i);

/* As cor_fail_errno(), but what the store itself may not do is IO, and a file that the file system
 * or a resource limit does not allow is LIMIT. */
bool cor_blob_priv_fail(CorError *err, int errno_value, const char *what);

/* Append a copy of a key to a page that has room for it (len < max of the list options). */
bool cor_blob_priv_keys_add(CorKeys *keys, const char *key, CorError *err);

/* Copy the whole of a file into a temporary one. */
bool cor_blob_priv_temp_copy(CorBlobTemp *temp, int file, CorError *err);

/* When it was published, as the object's time. */
int64_t cor_blob_priv_temp_time(const CorBlobTemp *temp);
