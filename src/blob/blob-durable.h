/* SPDX-License-Identifier: Apache-2.0 */
/* Folders that are known to survive a crash, so that a put into them needs no more syncs than its
 * own.
 *
 * A folder that exists need not be durable: another thread or process may have made it a moment ago
 * and not have synced its parent yet.  So the first put into a folder syncs all folders above it,
 * and then remembers.  A folder is told by device, inode and birth time, never by its name: one
 * that was removed and made again is another one.  Forgetting costs a sync, nothing else, so this
 * is a table of fixed size in which newer entries push out older ones.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include "base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct CorBlobDurable CorBlobDurable;

typedef struct CorBlobFolderId {
    uint64_t device;
    uint64_t inode;
    int64_t born_ns;     /* 0 where the file system does not tell */
    uint64_t generation; /* digest of the file handle; 0 where there is none */
} CorBlobFolderId;

/* An empty table; NULL if there is no memory. */
CorBlobDurable *cor_blob_priv_durable_new(void);
void cor_blob_priv_durable_free(CorBlobDurable *durable);

/* The identity of an open folder.  With neither birth time nor generation it is never remembered.
 */
CorBlobFolderId cor_blob_priv_folder_id(int fd);

bool cor_blob_priv_durable_has(CorBlobDurable *durable, const CorBlobFolderId *id);
void cor_blob_priv_durable_add(CorBlobDurable *durable, const CorBlobFolderId *id);
