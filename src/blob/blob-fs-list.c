/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of keys in byte order, out of folders that come in no order.
 *
 * A folder's entries are sorted with "/" behind the names of folders, because that is what stands
 * there in the keys: "a.b" < "a/x" < "a0", although "a" < "a.b".  Walking entries in that order,
 * folders where they stand, gives the byte order of whole keys.
 *
 * Of each folder only as many of the smallest names are kept as the page can use, and only folders
 * that can hold keys of the page are opened, so that memory goes with the page.  A folder that
 * turned out to hold less than it promised (empty folders) is read once more behind the last name.
 */
#include "blob/blob-fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/id.h"
#include "blob/blob-path.h"

enum { BATCH_MIN = 64 };

/* The smallest entries of one folder that the page can use. */
typedef struct Batch {
    char **names; /* with "/" behind a folder's */
    size_t len;
    size_t capacity; /* twice what is wanted: cut when full */
    bool was_cut;    /* there are more entries behind the last one */
} Batch;

typedef struct Walk {
    int bucket;
    const CorBlobListOptions *options;
    CorKeys *keys;
    char path[COR_KEY_SIZE + NAME_MAX + 2]; /* "" or a folder with its final "/" */
    size_t path_len;
} Walk;

static void batch_done(Batch *batch)
{
    for (size_t i = 0; i < batch->len; i++) {
        free(batch->names[i]);
    }
    free(batch->names);
}

static void close_dirp(DIR **slot)
{
    if (*slot) {
        (void) closedir(*slot);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static void batch_cut(Batch *batch, size_t wanted)
{
    qsort(batch->names, batch->len, sizeof(batch->names[0]), compare_names);
    while (batch->len > wanted) {
        free(batch->names[--batch->len]);
        batch->was_cut = true;
    }
}

static bool batch_add(Batch *batch, const char *name, CorError *err)
{
    if (batch->len == batch->capacity) {
        batch_cut(batch, batch->capacity / 2);
    }
    char *copy = strdup(name);
    if (!copy) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of keys");
    }
    batch->names[batch->len++] = copy;
    return true;
}

/* True if the page may hold this key, or keys below this folder (whose path ends with "/"). */
static bool is_wanted(const CorBlobListOptions *options, const char *path, bool is_folder)
{
    if (!starts_with(path, options->prefix) && !(is_folder && starts_with(options->prefix, path))) {
        return false;
    }
    return strcmp(path, options->after) > 0 || (is_folder && starts_with(options->after, path));
}

unsigned char cor_blob_priv_fs_kind(int folder, const struct dirent *entry)
{
    struct stat info;

    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type;
    }
    if (fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return DT_UNKNOWN;
    }
    return S_ISREG(info.st_mode) ? DT_REG : S_ISDIR(info.st_mode) ? DT_DIR : DT_UNKNOWN;
}

/* Consider one entry of the folder walk->path. */
static bool take_entry(Walk *walk, DIR *dir, const struct dirent *entry, const char *last,
                       Batch *batch, CorError *err)
{
    unsigned char kind = cor_blob_priv_fs_kind(dirfd(dir), entry);
    size_t len = strlen(entry->d_name);
    char *name = walk->path + walk->path_len;

    if ((kind != DT_REG && kind != DT_DIR) || strcmp(entry->d_name, ".") == 0 ||
        strcmp(entry->d_name, "..") == 0 || walk->path_len + len > COR_KEY_MAX) {
        return true;
    }
    memcpy(name, entry->d_name, len);
    if (kind == DT_DIR) {
        name[len++] = '/';
    }
    name[len] = '\0';
    bool is_next = strcmp(name, last) > 0 && is_wanted(walk->options, walk->path, kind == DT_DIR);
    return !is_next || batch_add(batch, name, err);
}

/* Gather the smallest wanted entries of the folder walk->path whose names come after `last`. */
static bool scan_folder(Walk *walk, const char *last, Batch *batch, CorError *err)
{
    COR_CLEANUP(close_dirp) DIR *dir = NULL;
    size_t len = walk->path_len;
    bool ok = true;

    walk->path[len > 0 ? len - 1 : 0] = '\0'; /* without the final "/" */
    int fd = len > 0 ? cor_blob_priv_open_below(walk->bucket, walk->path, O_RDONLY | O_DIRECTORY)
                     : openat(walk->bucket, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (len > 0) {
        walk->path[len - 1] = '/';
    }
    dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int why = errno;
        cor_fd_closep(&fd);
        if (why == ENOENT || why == ENOTDIR || why == ELOOP || why == EXDEV ||
            why == ENAMETOOLONG) {
            return true; /* removed meanwhile, or a prefix that no key has */
        }
        return cor_blob_priv_fail(err, why, "open a folder");
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            ok = errno == 0 || cor_blob_priv_fail(err, errno, "read a folder");
            break;
        }
        ok = take_entry(walk, dir, entry, last, batch, err);
        if (!ok) {
            break;
        }
    }
    walk->path[len] = '\0';
    batch_cut(batch, batch->capacity / 2);
    return ok;
}

static bool walk_folder(Walk *walk, CorError *err);

/* Go through a batch in order.  Recursion is as deep as keys have parts. */
static bool walk_batch(Walk *walk, const Batch *batch, CorError *err)
{
    size_t start = walk->path_len;
    bool ok = true;

    for (size_t i = 0; ok && i < batch->len && !walk->keys->has_more; i++) {
        size_t len = strlen(batch->names[i]);

        memcpy(walk->path + start, batch->names[i], len + 1);
        walk->path_len = start + len;
        if (batch->names[i][len - 1] == '/') {
            ok = walk_folder(walk, err);
        } else if (!cor_key_check(walk->path, NULL)) {
            ok = true; /* somebody else's file */
        } else if (walk->keys->len == walk->options->max) {
            walk->keys->has_more = true;
        } else {
            ok = cor_blob_priv_keys_add(walk->keys, walk->path, err);
        }
    }
    walk->path_len = start;
    walk->path[start] = '\0';
    return ok;
}

static bool walk_folder(Walk *walk, CorError *err)
{
    char last[NAME_MAX + 2] = "";
    bool ok = true;
    bool is_done = false;

    while (ok && !is_done) {
        size_t wanted = walk->options->max - walk->keys->len + 1;
        Batch batch = {.capacity = 2 * COR_MAX(wanted, (size_t) BATCH_MIN)};

        batch.names = cor_new_array(char *, batch.capacity);
        if (!batch.names) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of keys");
        }
        ok = scan_folder(walk, last, &batch, err) && walk_batch(walk, &batch, err);
        is_done = !batch.was_cut || walk->keys->has_more;
        if (batch.len > 0) {
            memcpy(last, batch.names[batch.len - 1], strlen(batch.names[batch.len - 1]) + 1);
        }
        batch_done(&batch);
    }
    return ok;
}

bool cor_blob_priv_fs_list(CorBlobStore *base, const char *bucket,
                           const CorBlobListOptions *options, CorKeys *keys, CorError *err)
{
    const CorBlobFs *store = (const CorBlobFs *) base;
    Walk walk = {
        .bucket = store->buckets[cor_blob_priv_bucket(bucket)], .options = options, .keys = keys};
    const char *slash = strrchr(options->prefix, '/');
    size_t len = slash ? (size_t) (slash - options->prefix) + 1 : 0;

    if (strlen(options->prefix) > COR_KEY_MAX) {
        return true; /* no key is that long */
    }
    memcpy(walk.path, options->prefix, len);
    walk.path_len = len;
    return walk_folder(&walk, err);
}
