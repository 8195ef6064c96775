/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the store in a folder share.  Only for blob-fs*.c.
 *
 * Threads  Thread-safe: nothing changes after opening but what guards itself.
 */
#pragma once

#include "blob/blob-backend.h"
#include "blob/blob-durable.h"

#include <dirent.h>

typedef struct CorBlobFs {
    CorBlobStore base; /* first */
    int root;
    int buckets[COR_BLOB_BUCKET_COUNT];
    char temp_name[32]; /* of base.temp_dir, below root */
    CorBlobDurable *durable;
    bool sync_covers_name; /* blob-mark.h */
} CorBlobFs;

/* Make root, its buckets and our own folder of temporary files; delete those of processes that
 * died. */
bool cor_blob_priv_fs_prepare(CorBlobFs *store, const char *path, CorError *err);

/* Take our own folder of temporary files away. */
void cor_blob_priv_fs_leave(CorBlobFs *store);

/* Is an entry a plain file (DT_REG), a folder (DT_DIR), or nothing of ours? */
unsigned char cor_blob_priv_fs_kind(int folder, const struct dirent *entry);

/* Keys in folders that changed: blob-fs-changed.c. */
bool cor_blob_priv_fs_list_changed(CorBlobStore *store, const char *bucket, int64_t since_unix_ms,
                                   CorBlobVisit *visit, void *context, CorError *err);

/* The page of keys, in order: blob-fs-list.c. */
bool cor_blob_priv_fs_list(CorBlobStore *store, const char *bucket,
                           const CorBlobListOptions *options, CorKeys *keys, CorError *err);
