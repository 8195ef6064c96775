/* SPDX-License-Identifier: Apache-2.0 */
/* The lock is flock() on a file that stays: it ends with the process, however that ends.  The key
 * is written under another name, synced and renamed into place, with the lock held, so that nobody
 * can see half of one.
 *
 * A server that is killed leaves its note, and so does one whose machine goes down.  They differ in
 * the boot id (random(4)), which the kernel draws anew each time. */
#include "program/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/hash.h"

#define KEY_NAME "server.key"
#define KEY_TEMP_NAME ".server.key.new"
#define LOCK_NAME ".lock"
#define RUNNING_NAME ".running"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

enum { BOOT_ID_SIZE = 64 };

struct CorDatadir {
    char *path;
    int dir_fd;
    int lock_fd;
    bool is_served; /* the note is ours to take away */
    uint8_t key[COR_DATADIR_KEY_SIZE];
};

/* mkdir -p.  Every directory that is made is synced into its parent, so that the first accepted job
 * does not hang in the air. */
static bool make_directories(const char *path, CorError *err)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(part)) {
        return cor_fail(err, COR_ERR_INVALID, "data directory '%s': not a usable path", path);
    }
    for (size_t end = 1; end <= len; end++) {
        if (path[end] != '/' && path[end] != '\0') {
            continue;
        }
        memcpy(part, path, end);
        part[end] = '\0';
        if (mkdir(part, 0750) == 0) {
            char *slash = strrchr(part, '/');
            const char *parent = !slash ? "." : slash == part ? "/" : part;
            if (slash && slash != part) {
                *slash = '\0';
            }
            COR_CLEANUP(cor_fd_closep) int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (fd < 0 || fsync(fd) != 0) {
                return cor_fail_errno(err, errno, "data directory '%s': sync its parent", path);
            }
        } else if (errno != EEXIST && errno != EISDIR) {
            return cor_fail_errno(err, errno, "data directory '%s' cannot be made", path);
        }
    }
    return true;
}

static bool lock_directory(CorDatadir *datadir, CorError *err)
{
    datadir->lock_fd = openat(datadir->dir_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (datadir->lock_fd < 0) {
        return cor_fail_errno(err, errno, "data directory '%s' cannot be written", datadir->path);
    }
    if (flock(datadir->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return cor_fail(err, COR_ERR_CONFLICT,
                            "data directory '%s' is in use by another server; stop it, or choose "
                            "another directory with --data",
                            datadir->path);
        }
        return cor_fail_errno(err, errno, "data directory '%s' cannot be locked", datadir->path);
    }
    return true;
}

static bool write_key_file(CorDatadir *datadir, CorError *err)
{
    uint8_t key[COR_DATADIR_KEY_SIZE];
    COR_CLEANUP(cor_fd_closep) int fd = -1;

    if (!cor_random_bytes(key, sizeof(key), err)) {
        return false;
    }
    (void) unlinkat(datadir->dir_fd, KEY_TEMP_NAME, 0); /* a crash may have left one */
    fd = openat(datadir->dir_fd, KEY_TEMP_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return cor_fail_errno(err, errno, "data directory '%s' cannot be written", datadir->path);
    }
    errno = EIO; /* what a short write would be */
    if (write(fd, key, sizeof(key)) != (ssize_t) sizeof(key) || fsync(fd) != 0 ||
        renameat(datadir->dir_fd, KEY_TEMP_NAME, datadir->dir_fd, KEY_NAME) != 0 ||
        fsync(datadir->dir_fd) != 0) {
        return cor_fail_errno(err, errno, "data directory '%s': write " KEY_NAME, datadir->path);
    }
    return true;
}

static bool read_key(CorDatadir *datadir, CorError *err)
{
    COR_CLEANUP(cor_fd_closep) int fd = -1;
    struct stat info;
    uint8_t more = 0;

    fd = openat(datadir->dir_fd, KEY_NAME, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        if (!write_key_file(datadir, err)) {
            return false;
        }
        fd = openat(datadir->dir_fd, KEY_NAME, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0 || fstat(fd, &info) != 0) {
        return cor_fail_errno(err, errno, "data directory '%s': read " KEY_NAME, datadir->path);
    }
    if (info.st_mode & 077) {
        return cor_fail(err, COR_ERR_DENIED,
                        "'%s/" KEY_NAME "' can be read by others than its owner; chmod 600 it",
                        datadir->path);
    }
    if (read(fd, datadir->key, sizeof(datadir->key)) != (ssize_t) sizeof(datadir->key) ||
        read(fd, &more, 1) != 0) {
        return cor_fail(err, COR_ERR_CORRUPT,
                        "'%s/" KEY_NAME "' is damaged (not 32 bytes); restore it, or remove it and "
                        "links given out before stop working",
                        datadir->path);
    }
    return true;
}

static bool open_directory(CorDatadir *datadir, const char *path, CorError *err)
{
    if (!make_directories(path, err)) {
        return false;
    }
    datadir->path = realpath(path, NULL);
    if (!datadir->path) {
        return cor_fail_errno(err, errno, "data directory '%s'", path);
    }
    datadir->dir_fd = open(datadir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (datadir->dir_fd < 0) {
        return cor_fail_errno(err, errno, "data directory '%s'", path);
    }
    return lock_directory(datadir, err) && read_key(datadir, err);
}

bool cor_datadir_open(const char *path, CorDatadir **ret_datadir, CorError *err)
{
    CorDatadir *datadir = cor_new(CorDatadir);

    if (!datadir) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for the data directory");
    }
    datadir->dir_fd = -1;
    datadir->lock_fd = -1;
    if (!open_directory(datadir, path, err)) {
        cor_datadir_close(datadir);
        return false;
    }
    *ret_datadir = datadir;
    return true;
}

void cor_datadir_close(CorDatadir *datadir)
{
    if (!datadir) {
        return;
    }
    explicit_bzero(datadir->key, sizeof(datadir->key));
    if (datadir->is_served) {
        (void) unlinkat(datadir->dir_fd, RUNNING_NAME, 0); /* or the next start is careful */
    }
    cor_fd_closep(&datadir->lock_fd);
    cor_fd_closep(&datadir->dir_fd);
    free(datadir->path);
    free(datadir);
}

/* What a small file says, cut to the room; "" if it cannot be read.  False if there is none. */
static bool read_text(int dir_fd, const char *name, char text[BOOT_ID_SIZE])
{
    COR_CLEANUP(cor_fd_closep) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    bool is_there = fd >= 0 || errno != ENOENT;
    ssize_t size = fd < 0 ? -1 : read(fd, text, BOOT_ID_SIZE - 1);

    text[COR_MAX(size, (ssize_t) 0)] = '\0';
    return is_there;
}

bool cor_datadir_was_left(const CorDatadir *datadir)
{
    char before[BOOT_ID_SIZE];

    return read_text(datadir->dir_fd, RUNNING_NAME, before);
}

bool cor_datadir_was_cut(const CorDatadir *datadir)
{
    char before[BOOT_ID_SIZE];
    char now[BOOT_ID_SIZE];

    (void) read_text(AT_FDCWD, BOOT_ID, now);
    return read_text(datadir->dir_fd, RUNNING_NAME, before) &&
           (!now[0] || strcmp(before, now) != 0);
}

bool cor_datadir_serve(CorDatadir *datadir, CorError *err)
{
    char now[BOOT_ID_SIZE];

    (void) read_text(AT_FDCWD, BOOT_ID, now);
    COR_CLEANUP(cor_fd_closep)
    int fd = openat(datadir->dir_fd, RUNNING_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    ssize_t size = (ssize_t) strlen(now);
    errno = fd < 0 ? errno : EIO; /* what a short write would be */
    if (fd < 0 || write(fd, now, (size_t) size) != size || fsync(fd) != 0 ||
        fsync(datadir->dir_fd) != 0) {
        return cor_fail_errno(err, errno, "data directory '%s': write " RUNNING_NAME,
                              datadir->path);
    }
    datadir->is_served = true;
    return true;
}

void cor_datadir_leave_note(CorDatadir *datadir)
{
    datadir->is_served = false;
}

const char *cor_datadir_path(const CorDatadir *datadir)
{
    return datadir->path;
}

int cor_datadir_fd(const CorDatadir *datadir)
{
    return datadir->dir_fd;
}

const uint8_t *cor_datadir_key(const CorDatadir *datadir)
{
    return datadir->key;
}

bool cor_datadir_free_bytes(const CorDatadir *datadir, uint64_t *ret_bytes, CorError *err)
{
    struct statvfs info;

    if (fstatvfs(datadir->dir_fd, &info) != 0) {
        return cor_fail_errno(err, errno, "data directory '%s': ask for its space", datadir->path);
    }
    *ret_bytes = (uint64_t) info.f_bavail * info.f_frsize;
    return true;
}
