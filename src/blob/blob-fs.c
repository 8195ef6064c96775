/* SPDX-License-Identifier: Apache-2.0 */
/* Object store in a folder: <root>/<bucket>/<key>.
 *
 * A put writes a temporary file, syncs it, renames it onto the key and syncs every folder that is
 * not known to be durable, so that a crash at any point leaves the old object or the new one
 * (invariant 2). In a folder that is known that makes two syncs: the file and the folder.  Where
 * the sync of a file covers its name, and nothing is replaced, one does: the file is marked with
 * its digest, renamed and then synced.  What a crash left in between shows under the key, although
 * nobody was told so: it is made durable and compared with its mark before anybody relies on it
 * (cor_blob_settle()), and a put of the same key goes the long way.
 *
 * A remove unlinks, takes away the folders that became empty, and syncs the first one that stays. A
 * put may find its folder taken away between opening it and renaming into it: the kernel then says
 * ENOENT, because a removed folder takes no new entries, and the put begins again with making
 * folders.
 *
 * The ETag is made of inode, modification time and size.  Each put makes a new inode and gives it a
 * time that no other put of the process has (blob-temp.c), so it is a strong validator (RFC 9110
 * section 8.8.1) without reading or storing a digest.
 *
 * Buckets and temporary files must lie on one file system: no bucket may be a mount point.
 */
#include "blob/blob-fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/array.h"
#include "base/id.h"
#include "blob/blob-mark.h"
#include "blob/blob-path.h"

enum {
    FOLDER_MODE = 0750,
    ATTEMPTS = 1000, /* of a put whose folder is taken away each time by a remove */
    DEPTH_MAX = COR_KEY_MAX / 2,
};

static CorBlobFs *fs_of(CorBlobStore *base)
{
    return (CorBlobFs *) base;
}

static int bucket_of(const CorBlobFs *store, const char *bucket)
{
    return store->buckets[cor_blob_priv_bucket(bucket)];
}

/* Cut the last part of a path; "" when there is only one. */
static void cut_last(char *path)
{
    char *slash = strrchr(path, '/');

    *(slash ? slash : path) = '\0';
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Open a folder below a bucket; "" is the bucket itself. */
static int open_folder(int bucket, const char *folder)
{
    if (folder[0] == '\0') {
        return fcntl(bucket, F_DUPFD_CLOEXEC, 0);
    }
    return cor_blob_priv_open_below(bucket, folder, O_RDONLY | O_DIRECTORY);
}

/* Open a folder, making what is missing of it.  -1 with errno; ENOENT if somebody takes it away at
 * the same time, ENOTDIR if a part of it is an object. */
static int make_folder(int bucket, const char *folder)
{
    COR_CLEANUP(cor_fd_closep) int here = open_folder(bucket, folder);

    if (here >= 0 || errno != ENOENT) {
        return COR_TAKE_FD(here);
    }
    here = open_folder(bucket, "");
    for (const char *part = folder; here >= 0 && *part;) {
        size_t len = strcspn(part, "/");
        char name[256];

        memcpy(name, part, len);
        name[len] = '\0';
        if (mkdirat(here, name, FOLDER_MODE) != 0 && errno != EEXIST) {
            return -1;
        }
        int next = openat(here, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        cor_fd_closep(&here);
        here = next;
        part += len + (part[len] == '/');
    }
    return COR_TAKE_FD(here);
}

/* Take away the folder and those above it as far as they are empty.  Returns the lowest that stays,
 * open, or -1 with errno. */
static int prune(int bucket, const char *folder)
{
    char path[COR_KEY_SIZE];

    (void) snprintf(path, sizeof(path), "%s", folder);
    while (path[0]) {
        char name[COR_KEY_SIZE];

        (void) snprintf(name, sizeof(name), "%s", last_part(path));
        cut_last(path);
        COR_CLEANUP(cor_fd_closep) int above = open_folder(bucket, path);
        if (above < 0 && errno != ENOENT) {
            return -1;
        }
        if (above >= 0 && unlinkat(above, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
            int kept = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            return kept >= 0 ? kept : COR_TAKE_FD(above);
        }
    }
    return open_folder(bucket, "");
}

/* Sync all folders above `folder` that are not known to be durable, and remember them. */
static bool sync_above(CorBlobFs *store, int bucket, const char *folder, int fd, CorError *err)
{
    CorBlobFolderId ids[DEPTH_MAX];
    char path[COR_KEY_SIZE];
    size_t len = 0;
    COR_CLEANUP(cor_fd_closep) int here = -1;

    (void) snprintf(path, sizeof(path), "%s", folder);
    while (path[0] && len < DEPTH_MAX) {
        ids[len] = cor_blob_priv_folder_id(here >= 0 ? here : fd);
        if (cor_blob_priv_durable_has(store->durable, &ids[len])) {
            break;
        }
        len++;
        cut_last(path);
        cor_fd_closep(&here);
        here = open_folder(bucket, path);
        if (here < 0 && errno == ENOENT) {
            return true; /* object and folder were removed again meanwhile: that remove syncs */
        }
        if (here < 0 || fsync(here) != 0) {
            return cor_blob_priv_fail(err, errno, "sync a folder");
        }
    }
    for (size_t i = 0; i < len; i++) {
        cor_blob_priv_durable_add(store->durable, &ids[i]);
    }
    return true;
}

typedef enum Placed {
    PLACED,      /* it is there */
    PLACE_AGAIN, /* something went away under our hands */
    PLACE_FAILED,
} Placed;

static Placed say_taken(CorError *err)
{
    (void) cor_fail(err, COR_ERR_CONFLICT, "there is an object of that key already");
    return PLACE_FAILED;
}

/* A key that is a folder: of other objects, or an empty one that a crash left. */
static Placed yield_folder(int folder, const char *name, CorError *err)
{
    if (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        return PLACE_AGAIN;
    }
    if (errno == ENOTDIR) {
        return say_taken(err);
    }
    if (errno == ENOTEMPTY || errno == EEXIST) {
        (void) cor_fail(err, COR_ERR_CONFLICT, "the key is a folder of other keys");
    } else {
        (void) cor_blob_priv_fail(err, errno, "replace an empty folder");
    }
    return PLACE_FAILED;
}

static bool is_gone(int folder)
{
    struct stat info;

    return fstat(folder, &info) == 0 && info.st_nlink == 0;
}

/* Rename a temporary file onto a name in an open folder. */
static Placed place(CorBlobFs *store, const char *temp, int folder, const char *name,
                    CorBlobMode mode, CorError *err)
{
    int from = store->base.temp_dir;
    int result = mode == COR_BLOB_MUST_BE_NEW
                     ? renameat2(from, temp, folder, name, RENAME_NOREPLACE)
                     : renameat(from, temp, folder, name);

    if (result != 0 && mode == COR_BLOB_MUST_BE_NEW && (errno == EINVAL || errno == ENOSYS)) {
        result = linkat(from, temp, folder, name, 0); /* a file system without RENAME_NOREPLACE */
        if (result == 0) {
            (void) unlinkat(from, temp, 0);
        }
    }
    if (result == 0) {
        return PLACED;
    }
    if (errno == EISDIR || errno == EEXIST || errno == ENOTEMPTY) {
        return yield_folder(folder, name, err);
    }
    int why = errno;
    if (why == ENOENT && is_gone(folder)) {
        return PLACE_AGAIN;
    }
    (void) cor_blob_priv_fail(err, why, "rename a temporary file");
    return PLACE_FAILED;
}

/* Give the file its name first and sync it then, which covers both: where the file system does that
 * (blob-mark.h), the folder is durable and nothing is replaced.  PLACE_AGAIN: it is not so here. */
static Placed place_unsynced(CorBlobFs *store, CorBlobNew *new, int folder, const char *name,
                             CorError *err)
{
    CorBlobFolderId id = cor_blob_priv_folder_id(folder);
    int temp_dir = store->base.temp_dir;

    if (!store->sync_covers_name || !cor_blob_priv_durable_has(store->durable, &id) ||
        !cor_blob_priv_mark(new->file, new->sha256) ||
        renameat2(temp_dir, new->name, folder, name, RENAME_NOREPLACE) != 0) {
        return PLACE_AGAIN;
    }
    if (new->may_be_unsynced) {
        new->is_unsynced = true;
        return PLACED;
    }
    if (fsync(new->file) == 0) {
        return PLACED;
    }
    (void) cor_blob_priv_fail(err, errno, "sync an object");
    (void) renameat2(folder, name, temp_dir, new->name, RENAME_NOREPLACE);
    return PLACE_FAILED;
}

/* Sync the file, give it its name, sync the folder and those above. */
static Placed place_synced(CorBlobFs *store, const CorBlobTarget *target, CorBlobNew *new,
                           int folder, CorError *err)
{
    char path[COR_KEY_SIZE];

    if (fsync(new->file) != 0) {
        (void) cor_blob_priv_fail(err, errno, "sync a temporary file");
        return PLACE_FAILED;
    }
    Placed placed = place(store, new->name, folder, last_part(target->key), target->mode, err);
    if (placed != PLACED) {
        return placed;
    }
    if (fsync(folder) != 0) {
        (void) cor_blob_priv_fail(err, errno, "sync a folder");
        return PLACE_FAILED;
    }
    (void) snprintf(path, sizeof(path), "%s", target->key);
    cut_last(path);
    return sync_above(store, bucket_of(store, target->bucket), path, folder, err) ? PLACED
                                                                                  : PLACE_FAILED;
}

/* One attempt to bring a temporary file under its key and make that durable. */
static Placed place_once(CorBlobFs *store, const CorBlobTarget *target, CorBlobNew *new,
                         CorError *err)
{
    char folder[COR_KEY_SIZE];
    COR_CLEANUP(cor_fd_closep) int fd = -1;

    (void) snprintf(folder, sizeof(folder), "%s", target->key);
    cut_last(folder);
    fd = make_folder(bucket_of(store, target->bucket), folder);
    if (fd < 0 && errno == ENOENT) {
        return PLACE_AGAIN;
    }
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP || errno == EXDEV)) {
        (void) cor_fail(err, COR_ERR_CONFLICT, "a folder of the key is an object itself");
        return PLACE_FAILED;
    }
    if (fd < 0) {
        (void) cor_blob_priv_fail(err, errno, "make the folders of the key");
        return PLACE_FAILED;
    }
    Placed placed = place_unsynced(store, new, fd, last_part(target->key), err);
    return placed == PLACE_AGAIN ? place_synced(store, target, new, fd, err) : placed;
}

static bool fs_publish(CorBlobStore *base, const CorBlobTarget *target, CorBlobNew *new,
                       CorError *err)
{
    CorBlobFs *store = fs_of(base);
    Placed placed = PLACE_AGAIN;

    for (int i = 0; i < ATTEMPTS && placed == PLACE_AGAIN; i++) {
        placed = place_once(store, target, new, err);
    }
    if (placed == PLACED) {
        return true;
    }
    if (placed == PLACE_AGAIN) {
        (void) cor_fail(err, COR_ERR_UNAVAILABLE, "the folder is removed again and again");
    }
    char folder[COR_KEY_SIZE];
    (void) snprintf(folder, sizeof(folder), "%s", target->key);
    cut_last(folder);
    int kept = prune(bucket_of(store, target->bucket), folder); /* what we made for nothing */
    cor_fd_closep(&kept);
    return false;
}

static bool fs_put_file(CorBlobStore *base, const CorBlobTarget *target, int file,
                        CorBlobPut *ret_put, CorError *err)
{
    COR_CLEANUP(cor_blob_temp_freep) CorBlobTemp *temp = NULL;

    if (!cor_blob_temp_new(base, UINT64_MAX, &temp, err) ||
        !cor_blob_priv_temp_copy(temp, file, err) ||
        !cor_blob_temp_publish(temp, target->bucket, target->key, target->mode, err)) {
        return false;
    }
    cor_blob_temp_sha256(temp, ret_put->sha256);
    ret_put->modified_unix_ms = cor_blob_priv_temp_time(temp);
    return true;
}

/* Open a key with these flags and describe it.  What is no plain file is no object. */
static bool open_key(CorBlobStore *base, const char *bucket, const char *key, int flags,
                     CorObject *ret_object, CorError *err)
{
    COR_CLEANUP(cor_fd_closep)
    int fd = cor_blob_priv_open_below(bucket_of(fs_of(base), bucket), key, flags);
    struct stat info;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV ||
                   errno == ENXIO)) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "there is no such object");
    }
    if (fd < 0 || fstat(fd, &info) != 0) {
        return cor_blob_priv_fail(err, errno, "open an object");
    }
    if (!S_ISREG(info.st_mode)) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "there is no such object");
    }
    ret_object->size = (uint64_t) info.st_size;
    ret_object->modified_unix_ms =
        (int64_t) info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000;
    (void) snprintf(ret_object->etag, sizeof(ret_object->etag), "%" PRIx64 "-%" PRIx64 "-%" PRIx64,
                    (uint64_t) info.st_ino,
                    (uint64_t) info.st_mtim.tv_sec * 1000000000 + (uint64_t) info.st_mtim.tv_nsec,
                    (uint64_t) info.st_size);
    ret_object->file = COR_TAKE_FD(fd);
    return true;
}

static bool fs_open_object(CorBlobStore *base, const char *bucket, const char *key,
                           CorObject *ret_object, CorError *err)
{
    /* O_NONBLOCK: a FIFO that somebody put there must not hang us. */
    return open_key(base, bucket, key, O_RDONLY | O_NONBLOCK | O_NOCTTY, ret_object, err);
}

static bool fs_head(CorBlobStore *base, const char *bucket, const char *key, CorObject *ret_object,
                    CorError *err)
{
    return open_key(base, bucket, key, O_PATH | O_NOFOLLOW, ret_object, err);
}

static bool fs_remove(CorBlobStore *base, const char *bucket_name, const char *key, CorError *err)
{
    int bucket = bucket_of(fs_of(base), bucket_name);
    char folder[COR_KEY_SIZE];
    COR_CLEANUP(cor_fd_closep) int fd = -1;
    COR_CLEANUP(cor_fd_closep) int kept = -1;

    (void) snprintf(folder, sizeof(folder), "%s", key);
    cut_last(folder);
    fd = open_folder(bucket, folder);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP || errno == EXDEV)) {
        return true;
    }
    if (fd < 0 && errno != ENOENT) {
        return cor_blob_priv_fail(err, errno, "open a folder");
    }
    if (fd >= 0 && unlinkat(fd, last_part(key), 0) != 0 && errno != ENOENT) {
        return errno == EISDIR || cor_blob_priv_fail(err, errno, "unlink an object");
    }
    /* What is not there is synced all the same: an earlier attempt may have failed right before it.
     */
    kept = prune(bucket, folder);
    if (kept < 0 || fsync(kept) != 0) {
        return cor_blob_priv_fail(err, errno, "sync a folder");
    }
    return true;
}

static bool fs_settle(CorBlobStore *base, const char *bucket_name, const char *key,
                      const uint8_t sha256[COR_SHA256_SIZE], CorError *err)
{
    CorBlobFs *store = fs_of(base);
    int bucket = bucket_of(store, bucket_name);
    char path[COR_KEY_SIZE];
    COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};
    COR_CLEANUP(cor_fd_closep) int folder = -1;

    if (!fs_open_object(base, bucket_name, key, &object, err)) {
        return false;
    }
    if (!cor_blob_priv_mark_agrees(object.file, sha256)) {
        return cor_fail(err, COR_ERR_CORRUPT, "only a part of the object was stored");
    }
    (void) snprintf(path, sizeof(path), "%s", key);
    cut_last(path);
    folder = open_folder(bucket, path);
    if (folder < 0 && errno == ENOENT) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "there is no such object");
    }
    if (folder < 0 || fsync(object.file) != 0 || fsync(folder) != 0) {
        return cor_blob_priv_fail(err, errno, "sync an object");
    }
    return sync_above(store, bucket, path, folder, err);
}

static bool fs_space(CorBlobStore *base, uint64_t *ret_free_bytes, CorError *err)
{
    struct statvfs info;

    if (fstatvfs(fs_of(base)->root, &info) != 0) {
        return cor_blob_priv_fail(err, errno, "statvfs");
    }
    *ret_free_bytes = (uint64_t) info.f_bavail * info.f_frsize;
    return true;
}

static void fs_close(CorBlobStore *base)
{
    CorBlobFs *store = fs_of(base);

    cor_blob_priv_fs_leave(store);
    cor_fd_closep(&store->base.temp_dir);
    for (int i = 0; i < COR_BLOB_BUCKET_COUNT; i++) {
        cor_fd_closep(&store->buckets[i]);
    }
    cor_fd_closep(&store->root);
    cor_blob_priv_durable_free(store->durable);
    free(store);
}

static bool fs_open(const CorUri *uri, CorBlobStore **ret_store, CorError *err)
{
    const char *path = uri->rest;
    CorBlobFs *store = NULL;

    if (strncmp(path, "//", 2) == 0) { /* "file:///var/lib" (RFC 8089) */
        path += 2;
        if (path[0] != '/') {
            return cor_fail(err, COR_ERR_INVALID,
                            "a file URI has no host: use file:/path or file:path");
        }
    }
    if (path[0] == '\0') {
        return cor_fail(err, COR_ERR_INVALID, "the URI names no folder");
    }
    store = cor_new(CorBlobFs);
    if (!store) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an object store");
    }
    store->base.backend = &cor_blob_priv_fs;
    store->base.temp_dir = -1;
    store->root = -1;
    for (int i = 0; i < COR_BLOB_BUCKET_COUNT; i++) {
        store->buckets[i] = -1;
    }
    store->durable = cor_blob_priv_durable_new();
    if (!store->durable) {
        (void) cor_fail(err, COR_ERR_NOMEM, "out of memory for an object store");
        fs_close(&store->base);
        return false;
    }
    if (!cor_blob_priv_fs_prepare(store, path, err)) {
        fs_close(&store->base);
        return false;
    }
    store->sync_covers_name = cor_blob_priv_sync_covers_name(store->root);
    *ret_store = &store->base;
    return true;
}

const CorBlobBackend cor_blob_priv_fs = {
    .scheme = "file",
    .open = fs_open,
    .put_file = fs_put_file,
    .publish = fs_publish,
    .open_object = fs_open_object,
    .head = fs_head,
    .list = cor_blob_priv_fs_list,
    .list_changed = cor_blob_priv_fs_list_changed,
    .settle = fs_settle,
    .remove = fs_remove,
    .space = fs_space,
    .close = fs_close,
};
