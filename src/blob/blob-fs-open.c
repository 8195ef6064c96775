/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the store in a folder.
 *
 *     <root>/pacs, output, jobs, quarantine   the buckets
 *     <root>/.tmp-<16 hex>/<number>           temporary files of one store object
 *
 * Each store object makes a folder for its temporary files and holds a lock on it for as long as it
 * lives; the kernel ends the lock with the process, however that ends.  So whoever opens the store
 * may delete every such folder that it can lock, even while other processes work in the same store.
 */
#include "blob/blob-fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/hash.h"

#define TEMP_PREFIX ".tmp-"

enum { FOLDER_MODE = 0750 };

static void close_dirp(DIR **slot)
{
    if (*slot) {
        (void) closedir(*slot);
    }
}

/* Sync a folder by its path. */
static bool sync_folder(const char *path, CorError *err)
{
    COR_CLEANUP(cor_fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0) {
        return cor_blob_priv_fail(err, errno, "sync a folder");
    }
    return true;
}

/* Make a folder and those above it, and sync the one above each that is new. */
static bool make_folders(const char *path, CorError *err)
{
    char above[COR_URI_MAX] = "";
    char here[COR_URI_MAX];

    for (size_t end = 0; path[end];) {
        end += strspn(path + end, "/");
        end += strcspn(path + end, "/");
        (void) snprintf(here, sizeof(here), "%.*s", (int) end, path);
        if (mkdir(here, FOLDER_MODE) == 0) {
            if (!sync_folder(above[0] ? above : here[0] == '/' ? "/" : ".", err)) {
                return false;
            }
        } else if (errno != EEXIST && errno != EISDIR) {
            return cor_blob_priv_fail(err, errno, "create the store's folder");
        }
        memcpy(above, here, sizeof(above));
    }
    return true;
}

/* Delete the files of a folder of temporary files and the folder, if nobody holds it. */
static void delete_leftover(int root, const char *name)
{
    COR_CLEANUP(cor_fd_closep)
    int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    COR_CLEANUP(close_dirp) DIR *dir = NULL;

    if (fd < 0) {
        (void) unlinkat(root, name,
                        0); /* no folder: nothing of ours, but no key may be called so */
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return; /* its owner lives */
    }
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (!dir) {
        cor_fd_closep(&copy);
        return;
    }
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (entry->d_name[0] != '.') {
            (void) unlinkat(fd, entry->d_name, 0);
        }
    }
    (void) unlinkat(root, name, AT_REMOVEDIR);
}

static bool delete_leftovers(int root, CorError *err)
{
    int copy = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    COR_CLEANUP(close_dirp) DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;

    if (!dir) {
        cor_fd_closep(&copy);
        return cor_blob_priv_fail(err, errno, "read the store's folder");
    }
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (strncmp(entry->d_name, TEMP_PREFIX, strlen(TEMP_PREFIX)) == 0) {
            delete_leftover(root, entry->d_name);
        }
    }
    return true;
}

/* Somebody who opens the store at this moment may delete the folder between our mkdirat() and our
 * flock(): a folder without a link is such a one, and we make another. */
static bool make_temp_dir(CorBlobFs *store, CorError *err)
{
    enum { ATTEMPTS = 16 };

    for (int i = 0; i < ATTEMPTS; i++) {
        COR_CLEANUP(cor_fd_closep) int fd = -1;
        struct stat info;
        uint8_t number[8];
        char hex[2 * sizeof(number) + 1];

        if (!cor_random_bytes(number, sizeof(number), err)) {
            return false;
        }
        (void) snprintf(store->temp_name, sizeof(store->temp_name), TEMP_PREFIX "%s",
                        cor_hex_encode(number, sizeof(number), hex));
        if (mkdirat(store->root, store->temp_name, 0700) != 0) {
            return cor_blob_priv_fail(err, errno, "create a folder for temporary files");
        }
        fd = openat(store->root, store->temp_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
            if (fd >= 0 && errno != EWOULDBLOCK) {
                return cor_blob_priv_fail(err, errno, "lock the folder for temporary files");
            }
            continue;
        }
        if (fstat(fd, &info) == 0 && info.st_nlink > 0) {
            store->base.temp_dir = COR_TAKE_FD(fd);
            return true;
        }
    }
    return cor_fail(err, COR_ERR_UNAVAILABLE, "the folder for temporary files disappears again");
}

/* As chattr +T: ext4 puts the folders in the root far from each other and from what is beside the
 * store.  A new inode is looked for near its folder, past all that were deleted there within the
 * last minutes; after some ten thousand that is a quarter of the work of storing an image.
 * Other file systems have no such thing. */
static void spread_folders(int root)
{
    int flags = 0;

    if (ioctl(root, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_TOPDIR_FL)) {
        flags |= FS_TOPDIR_FL;
        (void) ioctl(root, FS_IOC_SETFLAGS, &flags);
    }
}

bool cor_blob_priv_fs_prepare(CorBlobFs *store, const char *path, CorError *err)
{
    char above[COR_URI_MAX + 4];

    if (!make_folders(path, err)) {
        return false;
    }
    store->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->root < 0) {
        return cor_blob_priv_fail(err, errno, "open the store's folder");
    }
    spread_folders(store->root);
    for (int i = 0; i < COR_BLOB_BUCKET_COUNT; i++) {
        const char *name = cor_blob_priv_bucket_name(i);

        if (mkdirat(store->root, name, FOLDER_MODE) != 0 && errno != EEXIST) {
            return cor_blob_priv_fail(err, errno, "create a bucket");
        }
        store->buckets[i] =
            openat(store->root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (store->buckets[i] < 0) {
            return cor_blob_priv_fail(err, errno, "open a bucket");
        }
    }
    if (!delete_leftovers(store->root, err) || !make_temp_dir(store, err)) {
        return false;
    }
    /* An earlier process may have made these folders and died before it synced. */
    (void) snprintf(above, sizeof(above), "%s/..", path);
    if (fsync(store->root) != 0) {
        return cor_blob_priv_fail(err, errno, "sync the store's folder");
    }
    return sync_folder(above, err);
}

void cor_blob_priv_fs_leave(CorBlobFs *store)
{
    if (store->base.temp_dir >= 0) {
        (void) unlinkat(store->root, store->temp_name, AT_REMOVEDIR);
    }
}
