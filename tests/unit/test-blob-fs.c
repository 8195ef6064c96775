/* SPDX-License-Identifier: Apache-2.0 */
/* What is special about the store in a folder; what every store promises is in the contract suite.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "blob/blob.h"

static char folder[] = "/tmp/corsia-blob-XXXXXX"; /* the store is in its "objects" */

/* --- Helpers. --- */

static int delete_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void) info;
    (void) kind;
    (void) where;
    return remove(path);
}

static int make_folder(void **state)
{
    (void) state;
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int delete_folder(void **state)
{
    (void) state;
    return chdir("/") || nftw(folder, delete_one, 16, FTW_DEPTH | FTW_PHYS);
}

static CorBlobStore *open_store(const char *uri)
{
    CorBlobStore *store = NULL;
    CorError err = {0};

    if (!cor_blob_open(uri, &store, &err)) {
        fail_msg("open: %s", err.text);
    }
    return store;
}

static bool exists(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0;
}

static int files_seen;

static int count_file(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void) path;
    (void) info;
    (void) where;
    files_seen += kind == FTW_F;
    return 0;
}

/* Plain files below a path, temporary ones included. */
static int count_files(const char *path)
{
    files_seen = 0;
    assert_int_equal(nftw(path, count_file, 16, FTW_PHYS), 0);
    return files_seen;
}

/* --- Where things lie. --- */

static void an_object_lies_under_its_bucket_and_key(void **state)
{
    COR_CLEANUP(cor_blob_closep) CorBlobStore *store = open_store("file:data/objects");
    (void) state;

    assert_true(cor_blob_put_bytes(store, "pacs", "liver1/a b/\xC3\xA9.dcm", "x", 1, NULL));
    assert_true(exists("data/objects/pacs/liver1/a b/\xC3\xA9.dcm"));
}

static void the_uri_names_a_folder_in_three_ways(void **state)
{
    static const char *const bad[] = {"file:", "file://host/objects", "ftp:objects", "objects"};
    char uri[3][64] = {"file:objects"};
    (void) state;

    (void) snprintf(uri[1], sizeof(uri[1]), "file:%s/objects", folder);
    (void) snprintf(uri[2], sizeof(uri[2]), "file://%s/objects/", folder);
    for (size_t i = 0; i < COR_ARRAY_LEN(uri); i++) {
        COR_CLEANUP(cor_blob_closep) CorBlobStore *store = open_store(uri[i]);
        char key[8];
        (void) snprintf(key, sizeof(key), "%zu", i);
        assert_true(cor_blob_put_bytes(store, "jobs", key, "x", 1, NULL));
    }
    assert_int_equal(count_files("objects/jobs"), 3);
    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        CorBlobStore *store = NULL;
        CorError err = {0};
        assert_false(cor_blob_open(bad[i], &store, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_null(store);
    }
}

static void removing_the_last_object_takes_its_folders_away(void **state)
{
    COR_CLEANUP(cor_blob_closep) CorBlobStore *store = open_store("file:objects");
    (void) state;

    assert_true(cor_blob_put_bytes(store, "pacs", "a/b/c/d", "x", 1, NULL));
    assert_true(cor_blob_put_bytes(store, "pacs", "a/e", "x", 1, NULL));
    assert_true(cor_blob_remove(store, "pacs", "a/b/c/d", NULL));
    assert_false(exists("objects/pacs/a/b"));
    assert_true(exists("objects/pacs/a/e"));
    assert_true(cor_blob_remove(store, "pacs", "a/e", NULL));
    assert_false(exists("objects/pacs/a"));
    assert_true(exists("objects/pacs"));
}

static void an_empty_folder_that_a_crash_left_stands_in_nobodys_way(void **state)
{
    COR_CLEANUP(cor_blob_closep) CorBlobStore *store = open_store("file:objects");
    COR_CLEANUP(cor_keys_freep) CorKeys *keys = NULL;
    CorBlobListOptions options = {.max = 10};
    (void) state;

    assert_int_equal(mkdir("objects/pacs/study", 0750), 0);
    assert_true(cor_blob_put_bytes(store, "pacs", "study", "x", 1, NULL));
    for (int i = 0; i < 300; i++) {
        char path[64];
        (void) snprintf(path, sizeof(path), "objects/pacs/empty-%03d", i);
        assert_int_equal(mkdir(path, 0750), 0);
    }
    assert_true(cor_blob_list(store, "pacs", &options, &keys, NULL));
    assert_int_equal(keys->len, 1);
    assert_string_equal(keys->keys[0], "study");
}

static void a_put_that_fails_leaves_no_folder_and_no_temporary_file(void **state)
{
    COR_CLEANUP(cor_blob_closep) CorBlobStore *store = open_store("file:objects");
    CorError err = {0};
    (void) state;

    assert_true(cor_blob_put_bytes(store, "pacs", "a", "x", 1, NULL));
    assert_false(cor_blob_put_bytes(store, "pacs", "a/b/c", "x", 1, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    COR_CLEANUP(cor_fd_closep) int closed = open("objects", O_PATH | O_CLOEXEC); /* not readable */
    assert_false(cor_blob_put_file(store, "pacs", "new/folder/x", closed, NULL, &err));
    assert_int_equal(count_files("objects"), 1);
    assert_false(exists("objects/pacs/new"));
}

/* --- What does not belong there. --- */

static void a_link_is_no_object_and_leads_nowhere(void **state)
{
    COR_CLEANUP(cor_blob_closep) CorBlobStore *store = open_store("file:objects");
    COR_CLEANUP(cor_keys_freep) CorKeys *keys = NULL;
    CorBlobListOptions options = {.max = 10};
    CorObject object = {.file = -7};
    CorError err = {0};
    (void) state;

    assert_int_equal(mkdir("outside", 0700), 0);
    assert_int_equal(close(open("outside/secret", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    assert_int_equal(symlink("../../outside", "objects/pacs/link"), 0);
    assert_int_equal(symlink("../../outside/secret", "objects/pacs/leaf"), 0);

    assert_false(cor_blob_open_object(store, "pacs", "link/secret", &object, &err));
    assert_int_equal(err.code, COR_ERR_NOT_FOUND);
    assert_false(cor_blob_open_object(store, "pacs", "leaf", &object, &err));
    assert_int_equal(err.code, COR_ERR_NOT_FOUND);
    assert_false(cor_blob_head(store, "pacs", "leaf", &object, &err));
    assert_int_equal(err.code, COR_ERR_NOT_FOUND);
    assert_false(cor_blob_put_bytes(store, "pacs", "link/new", "x", 1, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    assert_true(cor_blob_list(store, "pacs", &options, &keys, NULL));
    assert_int_equal(keys->len, 0);
    assert_true(cor_blob_remove(store, "pacs", "link/secret", NULL));
    assert_true(exists("outside/secret"));
    assert_false(exists("outside/new"));

    /* A put replaces the link itself, never what it points to. */
    assert_true(cor_blob_put_bytes(store, "pacs", "leaf", "mine", 4, NULL));
    struct stat info;
    assert_int_equal(stat("outside/secret", &info), 0);
    assert_int_equal(info.st_size, 0);
}

static void a_pipe_among_the_objects_hangs_nobody(void **state)
{
    COR_CLEANUP(cor_blob_closep) CorBlobStore *store = open_store("file:objects");
    CorObject object = {.file = -7};
    CorError err = {0};
    (void) state;

    assert_int_equal(mkfifo("objects/pacs/pipe", 0600), 0);
    assert_false(cor_blob_open_object(store, "pacs", "pipe", &object, &err));
    assert_int_equal(err.code, COR_ERR_NOT_FOUND);
}

/* --- Crashes. --- */

/* A child that has an upload half done; it says so and waits to be killed. */
static pid_t start_uploader(int *ret_pipe)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        CorBlobStore *store = NULL;
        CorBlobTemp *temp = NULL;
        if (!cor_blob_open("file:objects", &store, NULL) ||
            !cor_blob_temp_new(store, 100, &temp, NULL) ||
            !cor_blob_temp_write(temp, "half", 4, NULL) || write(ends[1], "r", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            (void) pause();
        }
    }
    (void) close(ends[1]);
    char ready = 0;
    assert_int_equal(read(ends[0], &ready, 1), 1);
    *ret_pipe = ends[0];
    return child;
}

static void opening_deletes_what_dead_processes_left_and_nothing_of_the_living(void **state)
{
    int pipe_fd = -1;
    pid_t child = start_uploader(&pipe_fd);
    (void) state;

    cor_blob_close(open_store("file:objects"));
    assert_int_equal(count_files("objects"), 1); /* the child is at work */

    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    (void) close(pipe_fd);
    assert_int_equal(count_files("objects"), 1);

    cor_blob_close(open_store("file:objects"));
    assert_int_equal(count_files("objects"), 0);
    assert_int_equal(rmdir("objects/jobs"), 0); /* nothing but the buckets is left */
    assert_int_equal(rmdir("objects/output"), 0);
    assert_int_equal(rmdir("objects/pacs"), 0);
    assert_int_equal(rmdir("objects/quarantine"), 0);
    assert_int_equal(rmdir("objects"), 0);
}

/* --- Disks that are full, read-only or limited. --- */

static bool mount_small(const char *path)
{
    if (mkdir(path, 0700) != 0 || mount("none", path, "tmpfs", 0, "size=1m") != 0) {
        print_message("skipped: cannot mount a small file system here (%s)\n", strerror(errno));
        return false;
    }
    return true;
}

static void a_full_disk_is_unavailable_until_there_is_space_again(void **state)
{
    static uint8_t data[700 * 1024];
    uint64_t free_bytes = 0;
    CorError err = {0};
    (void) state;

    if (!mount_small("small")) {
        skip();
    }
    CorBlobStore *store = open_store("file:small/objects");
    assert_true(cor_blob_put_bytes(store, "output", "a/first", data, sizeof(data), &err));
    assert_true(cor_blob_space(store, &free_bytes, NULL));
    assert_true(free_bytes < 400 * 1024);

    assert_false(cor_blob_put_bytes(store, "output", "b/second", data, sizeof(data), &err));
    assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
    assert_true(cor_error_is_transient(&err));
    assert_non_null(strstr(err.text, "disk is full"));
    assert_int_equal(count_files("small"), 1);
    assert_false(exists("small/objects/output/b"));
    assert_false(cor_blob_put_bytes(store, "output", "a/first", data, sizeof(data), &err));
    CorObject object = {.file = -1};
    assert_true(cor_blob_head(store, "output", "a/first", &object, NULL)); /* the old one stays */
    assert_int_equal(object.size, sizeof(data));

    assert_true(cor_blob_remove(store, "output", "a/first", NULL));
    assert_true(cor_blob_put_bytes(store, "output", "b/second", data, sizeof(data), NULL));
    cor_blob_close(store);
    assert_int_equal(umount2("small", MNT_DETACH), 0);
}

static void a_read_only_disk_is_unavailable_until_it_can_be_written(void **state)
{
    CorError err = {0};
    (void) state;

    if (!mount_small("small")) {
        skip();
    }
    CorBlobStore *store = open_store("file:small/objects");
    assert_true(cor_blob_put_bytes(store, "output", "a", "old", 3, NULL));
    assert_int_equal(mount("none", "small", "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);

    assert_false(cor_blob_put_bytes(store, "output", "b", "new", 3, &err));
    assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "read-only"));
    assert_false(cor_blob_remove(store, "output", "a", &err));
    assert_int_equal(err.code, COR_ERR_UNAVAILABLE);

    assert_int_equal(mount("none", "small", "tmpfs", MS_REMOUNT, NULL), 0);
    assert_true(cor_blob_put_bytes(store, "output", "b", "new", 3, NULL));
    cor_blob_close(store);
    assert_int_equal(umount2("small", MNT_DETACH), 0);
}

/* Run in a child, since limits cannot be taken back: 0 if the put failed with this code and left
 * nothing. */
static int put_under_limit(int resource, rlim_t limit, CorErrorCode expected)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        static uint8_t data[100 * 1000];
        const struct rlimit low = {.rlim_cur = limit, .rlim_max = limit};
        CorBlobStore *store = NULL;
        CorError err = {0};

        (void) signal(SIGXFSZ, SIG_IGN);
        if (!cor_blob_open("file:objects", &store, NULL) || setrlimit(resource, &low) != 0) {
            _exit(1);
        }
        if (cor_blob_put_bytes(store, "output", "a/b", data, sizeof(data), &err) ||
            err.code != expected) {
            _exit(2);
        }
        cor_blob_close(store);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void a_limit_on_file_sizes_or_descriptors_leaves_nothing_half_stored(void **state)
{
    (void) state;

    assert_int_equal(put_under_limit(RLIMIT_FSIZE, 50000, COR_ERR_LIMIT), 0);
    assert_int_equal(put_under_limit(RLIMIT_NOFILE, 5, COR_ERR_UNAVAILABLE), 0);
    assert_int_equal(count_files("objects"), 0);
    assert_false(exists("objects/output/a"));
}

/* --- What changed. --- */

typedef struct Changed {
    const char *keys[8];
    bool is_seen[8];
    size_t len;
    size_t others;
    bool breaks_off;
} Changed;

static bool see_key(void *context, const char *key, CorError *err)
{
    Changed *changed = context;

    if (changed->breaks_off) {
        return cor_fail(err, COR_ERR_CANCELLED, "enough");
    }
    for (size_t i = 0; i < changed->len; i++) {
        if (strcmp(changed->keys[i], key) == 0) {
            assert_false(changed->is_seen[i]);
            changed->is_seen[i] = true;
            return true;
        }
    }
    changed->others++;
    return true;
}

static void put_text(CorBlobStore *store, const char *key)
{
    CorError err = {0};

    if (!cor_blob_put_bytes(store, "pacs", key, "text", 4, &err)) {
        fail_msg("put: %s", err.text);
    }
}

/* As if nothing had come or gone there since that second. */
static void date_folder(const char *path, time_t seconds)
{
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void what_lies_in_a_folder_that_changed_is_told_and_nothing_else(void **state)
{
    CorBlobStore *store = open_store("file:objects");
    Changed changed = {.keys = {"new/deep/a", "new/deep/b", "old/new/c", "old/d"}};
    CorError err = {0};
    (void) state;

    assert_true(cor_blob_can_list_changed(store));
    put_text(store, "new/deep/a");
    put_text(store, "new/deep/b");
    put_text(store, "old/new/c");
    put_text(store, "old/d");
    put_text(store, "old/older/e");
    put_text(store, "top");
    assert_int_equal(symlink("e", "objects/pacs/old/older/link"), 0);
    assert_int_equal(close(open("objects/pacs/new/no\\key", O_CREAT | O_WRONLY | O_CLOEXEC, 0600)),
                     0);
    date_folder("objects/pacs/old/older", 1000);
    date_folder("objects/pacs/old/new", 3000);
    date_folder("objects/pacs/old", 2000);
    date_folder("objects/pacs", 1000);

    changed.len = 4; /* at the very moment counts as after it */
    assert_true(cor_blob_list_changed(store, "pacs", 2000000, see_key, &changed, &err));
    for (size_t i = 0; i < changed.len; i++) {
        assert_true(changed.is_seen[i]);
    }
    assert_int_equal(changed.others, 0);

    changed.len = 0;
    assert_true(cor_blob_list_changed(store, "pacs", INT64_MIN, see_key, &changed, &err));
    assert_int_equal(changed.others, 6);
    changed.others = 0;
    assert_true(cor_blob_list_changed(store, "output", INT64_MIN, see_key, &changed, &err));
    assert_int_equal(changed.others, 0);
    changed.breaks_off = true;
    assert_false(cor_blob_list_changed(store, "pacs", INT64_MIN, see_key, &changed, &err));
    assert_int_equal(err.code, COR_ERR_CANCELLED);
    assert_false(cor_blob_list_changed(store, "none", 0, see_key, &changed, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    cor_blob_close(store);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, make_folder, delete_folder)
    const struct CMUnitTest tests[] = {
        CASE(an_object_lies_under_its_bucket_and_key),
        CASE(the_uri_names_a_folder_in_three_ways),
        CASE(removing_the_last_object_takes_its_folders_away),
        CASE(an_empty_folder_that_a_crash_left_stands_in_nobodys_way),
        CASE(a_put_that_fails_leaves_no_folder_and_no_temporary_file),
        CASE(a_link_is_no_object_and_leads_nowhere),
        CASE(a_pipe_among_the_objects_hangs_nobody),
        CASE(opening_deletes_what_dead_processes_left_and_nothing_of_the_living),
        CASE(a_full_disk_is_unavailable_until_there_is_space_again),
        CASE(a_read_only_disk_is_unavailable_until_it_can_be_written),
        CASE(a_limit_on_file_sizes_or_descriptors_leaves_nothing_half_stored),
        CASE(what_lies_in_a_folder_that_changed_is_told_and_nothing_else),
    };

    return cmocka_run_group_tests_name("blob-fs", tests, NULL, NULL);
}
