/* SPDX-License-Identifier: Apache-2.0 */
/* A temporary folder for one test, and files in it. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct TempDir {
    char path[256];
} TempDir;

/** Make a folder of its own below $TMPDIR or /tmp; aborts if that is impossible. */
static inline TempDir temp_dir_make(void)
{
    TempDir dir;
    const char *base = getenv("TMPDIR");

    snprintf(dir.path, sizeof(dir.path), "%s/corsia-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(dir.path)) {
        perror("mkdtemp");
        abort();
    }
    return dir;
}

static inline int temp_remove_one(const char *path, const struct stat *info, int kind,
                                  struct FTW *walk)
{
    (void) info;
    (void) kind;
    (void) walk;
    return remove(path);
}

/** Remove it with everything in it. */
static inline void temp_dir_remove(const TempDir *dir)
{
    (void) nftw(dir->path, temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/** "<folder>/<name>", in one of four buffers that take turns. */
static inline const char *temp_path(const TempDir *dir, const char *name)
{
    static __thread char paths[4][PATH_MAX];
    static __thread unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, PATH_MAX, "%s/%s", dir->path, name);
    return path;
}

/** A file's size; -1 if there is none. */
static inline off_t temp_size(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 ? info.st_size : -1;
}

/** Copy at most size bytes of a file; aborts on failure. */
static inline void temp_copy(const char *from, const char *to, off_t size)
{
    static char buffer[64 * 1024];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    off_t done = 0;
    ssize_t n = 1;

    while (in >= 0 && out >= 0 && n > 0 && done < size) {
        size_t want = sizeof(buffer);

        if ((off_t) want > size - done) {
            want = (size_t) (size - done);
        }
        n = read(in, buffer, want);
        if (n > 0 && write(out, buffer, (size_t) n) != n) {
            n = -1;
        }
        done += n > 0 ? n : 0;
    }
    if (in < 0 || out < 0 || n < 0) {
        perror("copy file");
        abort();
    }
    (void) close(in);
    (void) close(out);
}

/** Overwrite bytes of a file; aborts on failure. */
static inline void temp_overwrite(const char *path, off_t at, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || pwrite(fd, data, size, at) != (ssize_t) size) {
        perror("overwrite file");
        abort();
    }
    (void) close(fd);
}
