/* SPDX-License-Identifier: Apache-2.0 */
/* What was stored lately.  A folder's modification time is that of the latest entry that came or
 * went, and it is as durable as that entry (blob-mark.h): so only folders are looked at, of which
 * there are few, and the files of those that changed.
 */
#include "blob/blob-fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/id.h"

typedef struct Walk {
    int64_t since_unix_ms;
    CorBlobVisit *visit;
    void *context;
    char path[COR_KEY_SIZE + NAME_MAX + 2]; /* "" or a folder with its final "/" */
} Walk;

static bool walk_folder(Walk *walk, size_t path_len, int folder, CorError *err);

static bool take_entry(Walk *walk, size_t path_len, DIR *dir, const struct dirent *entry,
                       bool is_changed, CorError *err)
{
    unsigned char kind = cor_blob_priv_fs_kind(dirfd(dir), entry);
    size_t len = strlen(entry->d_name);

    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
        path_len + len > COR_KEY_MAX || (kind != DT_DIR && (kind != DT_REG || !is_changed))) {
        return true;
    }
    memcpy(walk->path + path_len, entry->d_name, len + 1);
    if (kind == DT_REG) {
        return !cor_key_check(walk->path, NULL) || walk->visit(walk->context, walk->path, err);
    }
    int below = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below < 0) {
        bool is_another_thing = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
        bool is_not_ours = errno == EACCES || errno == EPERM; /* lost+found */
        return is_another_thing || is_not_ours || cor_blob_priv_fail(err, errno, "open a folder");
    }
    walk->path[path_len + len] = '/';
    return walk_folder(walk, path_len + len + 1, below, err);
}

/* Takes the descriptor. */
static bool walk_folder(Walk *walk, size_t path_len, int folder, CorError *err)
{
    struct stat info;
    DIR *dir = fdopendir(folder);

    if (!dir || fstat(dirfd(dir), &info) != 0) {
        int why = errno;
        (void) (dir ? closedir(dir) : close(folder));
        return cor_blob_priv_fail(err, why, "read a folder");
    }
    bool is_changed = (int64_t) info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000 >=
                      walk->since_unix_ms;
    bool ok = true;
    errno = 0;
    for (struct dirent *entry = readdir(dir); ok && entry; entry = readdir(dir)) {
        ok = take_entry(walk, path_len, dir, entry, is_changed, err);
        errno = 0;
    }
    ok = ok && (errno == 0 || cor_blob_priv_fail(err, errno, "read a folder"));
    (void) closedir(dir);
    return ok;
}

bool cor_blob_priv_fs_list_changed(CorBlobStore *store, const char *bucket, int64_t since_unix_ms,
                                   CorBlobVisit *visit, void *context, CorError *err)
{
    Walk walk = {.since_unix_ms = since_unix_ms, .visit = visit, .context = context};
    int folder = openat(((CorBlobFs *) store)->buckets[cor_blob_priv_bucket(bucket)], ".",
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return folder < 0 ? cor_blob_priv_fail(err, errno, "open a bucket")
                      : walk_folder(&walk, 0, folder, err);
}
