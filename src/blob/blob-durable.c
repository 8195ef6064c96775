/* SPDX-License-Identifier: Apache-2.0 */
#include "blob/blob-durable.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/array.h"

enum { SLOTS = 4096 }; /* 96 KiB; a power of two */

struct CorBlobDurable {
    pthread_mutex_t mutex;
    CorBlobFolderId slots[SLOTS]; /* guarded by mutex */
};

CorBlobDurable *cor_blob_priv_durable_new(void)
{
    CorBlobDurable *durable = cor_new(CorBlobDurable);

    if (durable) {
        (void) pthread_mutex_init(&durable->mutex, NULL);
    }
    return durable;
}

void cor_blob_priv_durable_free(CorBlobDurable *durable)
{
    if (durable) {
        (void) pthread_mutex_destroy(&durable->mutex);
        free(durable);
    }
}

CorBlobFolderId cor_blob_priv_folder_id(int fd)
{
    struct statx info;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &info) != 0 ||
        !(info.stx_mask & STATX_BTIME)) {
        return (CorBlobFolderId){0};
    }
    return (CorBlobFolderId){
        .device = makedev(info.stx_dev_major, info.stx_dev_minor),
        .inode = info.stx_ino,
        .born_ns = info.stx_btime.tv_sec * 1000000000 + info.stx_btime.tv_nsec,
    };
}

static CorBlobFolderId *slot_of(CorBlobDurable *durable, const CorBlobFolderId *id)
{
    uint64_t mixed = (id->inode ^ id->device << 48) * UINT64_C(0x9E3779B97F4A7C15);

    return &durable->slots[(mixed >> 40) % SLOTS];
}

static bool is_same(const CorBlobFolderId *a, const CorBlobFolderId *b)
{
    return a->device == b->device && a->inode == b->inode && a->born_ns == b->born_ns;
}

bool cor_blob_priv_durable_has(CorBlobDurable *durable, const CorBlobFolderId *id)
{
    if (id->born_ns == 0) {
        return false;
    }
    (void) pthread_mutex_lock(&durable->mutex);
    bool has = is_same(slot_of(durable, id), id);
    (void) pthread_mutex_unlock(&durable->mutex);
    return has;
}

void cor_blob_priv_durable_add(CorBlobDurable *durable, const CorBlobFolderId *id)
{
    if (id->born_ns == 0) {
        return;
    }
    (void) pthread_mutex_lock(&durable->mutex);
    *slot_of(durable, id) = *id;
    (void) pthread_mutex_unlock(&durable->mutex);
}
