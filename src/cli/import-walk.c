/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/import-walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/id.h"

static bool fail_memory(CorError *err)
{
    return cor_fail(err, COR_ERR_NOMEM, "out of memory for the list of files");
}

static bool add_entry(CorWalk *walk, const CorWalkFile *file, CorError *err)
{
    if (walk->len == walk->capacity) {
        size_t capacity = walk->capacity ? walk->capacity * 2 : 256;
        CorWalkFile *files = reallocarray(walk->files, capacity, sizeof(*files));
        if (!files) {
            return fail_memory(err);
        }
        walk->files = files;
        walk->capacity = capacity;
    }
    walk->files[walk->len] = (CorWalkFile){
        .path = strdup(file->path),
        .key = file->key ? strdup(file->key) : NULL,
        .refusal = file->refusal ? strdup(file->refusal) : NULL,
        .size = file->size,
    };
    CorWalkFile *copy = &walk->files[walk->len++];
    walk->bytes += file->key ? file->size : 0;
    return (copy->path && (copy->key || copy->refusal)) || fail_memory(err);
}

static bool add_refusal(CorWalk *walk, const char *path, const char *why, CorError *err)
{
    CorWalkFile file = {.path = (char *) (uintptr_t) path, .refusal = (char *) (uintptr_t) why};

    return add_entry(walk, &file, err);
}

static bool add_file(CorWalk *walk, const char *path, const char *key, uint64_t size, CorError *err)
{
    CorWalkFile file = {
        .path = (char *) (uintptr_t) path, .key = (char *) (uintptr_t) key, .size = size};
    CorError why = {0};

    if (!cor_key_check(key, &why)) {
        cor_error_wrap(&why, "its path cannot be a key");
        return add_refusal(walk, path, why.text, err);
    }
    return add_entry(walk, &file, err);
}

static char *join(const char *folder, const char *name)
{
    char *path = NULL;
    size_t len = strlen(folder);
    const char *slash = len == 0 || folder[len - 1] == '/' ? "" : "/";

    return asprintf(&path, "%s%s%s", folder, slash, name) < 0 ? NULL : path;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool add_folder(CorWalk *walk, const char *folder, const char *prefix, int depth,
                       CorError *err);

/* One name in a folder. */
static bool add_name(CorWalk *walk, const char *path, const char *key, int depth, CorError *err)
{
    struct stat link;
    struct stat info;

    if (lstat(path, &link) != 0 || stat(path, &info) != 0) {
        CorError why = {0};
        (void) cor_fail_errno(&why, errno, "cannot be read");
        return add_refusal(walk, path, why.text, err);
    }
    if (S_ISREG(info.st_mode)) {
        return add_file(walk, path, key, (uint64_t) info.st_size, err);
    }
    if (S_ISDIR(info.st_mode) && !S_ISLNK(link.st_mode)) {
        return add_folder(walk, path, key, depth + 1, err);
    }
    return true; /* sockets, devices, links to folders */
}

static bool add_folder(CorWalk *walk, const char *folder, const char *prefix, int depth,
                       CorError *err)
{
    struct dirent **names = NULL;
    bool is_ok = true;

    if (depth > COR_WALK_DEPTH_MAX) {
        return add_refusal(walk, folder, "folders are nested too deeply", err);
    }
    int len = scandir(folder, &names, is_visible, by_bytes);
    if (len < 0) {
        CorError why = {0};
        (void) cor_fail_errno(&why, errno, "cannot be read");
        return add_refusal(walk, folder, why.text, err);
    }
    for (int i = 0; i < len; i++) {
        char *path = is_ok ? join(folder, names[i]->d_name) : NULL;
        char *key = is_ok ? join(prefix, names[i]->d_name) : NULL;
        is_ok =
            is_ok && ((path && key) || fail_memory(err)) && add_name(walk, path, key, depth, err);
        free(path);
        free(key);
        free(names[i]);
    }
    free(names);
    return is_ok;
}

bool cor_walk_add(CorWalk *walk, const char *path, const char *prefix, CorError *err)
{
    struct stat info;
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

    if (stat(path, &info) != 0) {
        return cor_fail_errno(err, errno, "%s", path);
    }
    if (S_ISDIR(info.st_mode)) {
        return add_folder(walk, path, prefix, 0, err);
    }
    if (!S_ISREG(info.st_mode)) {
        return cor_fail(err, COR_ERR_INVALID, "%s: neither a file nor a folder", path);
    }
    char *key = join(prefix, name);
    bool is_ok = key ? add_file(walk, path, key, (uint64_t) info.st_size, err) : fail_memory(err);
    free(key);
    return is_ok;
}

void cor_walk_done(CorWalk *walk)
{
    for (size_t i = 0; i < walk->len; i++) {
        free(walk->files[i].path);
        free(walk->files[i].key);
        free(walk->files[i].refusal);
    }
    free(walk->files);
    *walk = (CorWalk){0};
}
