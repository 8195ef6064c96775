/* SPDX-License-Identifier: Apache-2.0 */
#include "blob/blob-durable.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/array.h"

enum { SLOTS = 4096 }; /* 128 KiB; a power of two */

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

/* Inode and its generation as the file system packs them for others (name_to_handle_at(2)). */
static uint64_t generation_of(int fd)
{
    union {
        struct file_handle head;
        uint8_t bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } handle = {.head = {.handle_bytes = MAX_HANDLE_SZ}};
    int mount = 0;

    if (name_to_handle_at(fd, "", &handle.head, &mount, AT_EMPTY_PATH) != 0) {
        return 0;
    }
    uint64_t digest =
        UINT64_C(0xCBF29CE484222325); /* FNV-1a: the bytes are few and not chosen by anybody */
    for (size_t i = 0; i < handle.head.handle_bytes; i++) {
        digest = (digest ^ handle.head.f_handle[i]) * UINT64_C(0x100000001B3);
    }
    return digest | 1;
}

CorBlobFolderId cor_blob_priv_folder_id(int fd)
{
    struct statx info = {0};
    CorBlobFolderId id = {0};

    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &info) != 0) {
        return id;
    }
    id.device = makedev(info.stx_dev_major, info.stx_dev_minor);
    id.inode = info.stx_ino;
    id.generation = generation_of(fd);
    if (info.stx_mask & STATX_BTIME) {
        id.born_ns = info.stx_btime.tv_sec * 1000000000 + info.stx_btime.tv_nsec;
    }
    return id;
}

static bool can_be_told(const CorBlobFolderId *id)
{
    return id->born_ns != 0 || id->generation != 0;
}

static CorBlobFolderId *slot_of(CorBlobDurable *durable, const CorBlobFolderId *id)
{
    uint64_t mixed = (id->inode ^ id->device << 48) * UINT64_C(0x9E3779B97F4A7C15);

    return &durable->slots[(mixed >> 40) % SLOTS];
}

static bool is_same(const CorBlobFolderId *a, const CorBlobFolderId *b)
{
    return a->device == b->device && a->inode == b->inode && a->born_ns == b->born_ns &&
           a->generation == b->generation;
}

bool cor_blob_priv_durable_has(CorBlobDurable *durable, const CorBlobFolderId *id)
{
    if (!can_be_told(id)) {
        return false;
    }
    (void) pthread_mutex_lock(&durable->mutex);
    bool has = is_same(slot_of(durable, id), id);
    (void) pthread_mutex_unlock(&durable->mutex);
    return has;
}

void cor_blob_priv_durable_add(CorBlobDurable *durable, const CorBlobFolderId *id)
{
    if (!can_be_told(id)) {
        return;
    }
    (void) pthread_mutex_lock(&durable->mutex);
    *slot_of(durable, id) = *id;
    (void) pthread_mutex_unlock(&durable->mutex);
}
