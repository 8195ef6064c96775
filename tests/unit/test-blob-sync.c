/* SPDX-License-Identifier: Apache-2.0 */
/* What a store in a folder syncs and in which order, and what becomes of an object that a crash
 * left.  fsync() of the library comes here, is noted and may be made to fail. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/array.h"
#include "base/hash.h"
#include "blob/blob-fs.h"
#include "blob/blob-mark.h"
#include "blob/blob.h"

#define XFS_MAGIC 0x58465342

static char folder[] = "/tmp/corsia-sync-XXXXXX";

/* Each sync since the last call of watch(): 'f' a file and 'd' a folder before the object shows
 * under its key, 'F' and 'D' after. */
static char seen[64];
static const char *watched; /* path of the object */
static int fail_at;         /* number of the sync that fails with EIO; 0 for none */

int fsync(int fd)
{
    struct stat info;
    struct stat object;
    size_t len = strlen(seen);

    if (watched && len + 1 < sizeof(seen) && fstat(fd, &info) == 0) {
        bool shows = stat(watched, &object) == 0;
        seen[len] = S_ISDIR(info.st_mode) ? (shows ? 'D' : 'd') : (shows ? 'F' : 'f');
        seen[len + 1] = '\0';
    }
    if (fail_at > 0 && --fail_at == 0) {
        errno = EIO;
        return -1;
    }
    return (int) syscall(SYS_fsync, fd);
}

static void watch(const char *path)
{
    watched = path;
    memset(seen, 0, sizeof(seen));
}

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
    fail_at = 0;
    watch(NULL);
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int delete_folder(void **state)
{
    (void) state;
    return chdir("/") || nftw(folder, delete_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A store that believes of its file system what the test wants. */
static CorBlobStore *open_store(bool sync_covers_name)
{
    CorBlobStore *store = NULL;
    CorError err = {0};

    if (!cor_blob_open("file:objects", &store, &err)) {
        fail_msg("open: %s", err.text);
    }
    ((CorBlobFs *) store)->sync_covers_name = sync_covers_name;
    return store;
}

static void put(CorBlobStore *store, const char *key, const char *text)
{
    CorError err = {0};

    if (!cor_blob_put_bytes(store, "pacs", key, text, strlen(text), &err)) {
        fail_msg("put: %s", err.text);
    }
}

/* Files of this file system can be marked. */
static bool takes_marks(void)
{
    static const uint8_t digest[COR_SHA256_SIZE] = {1};
    int file = open("marked", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_true(file >= 0);
    bool takes = cor_blob_priv_mark(file, digest);
    (void) close(file);
    assert_int_equal(unlink("marked"), 0);
    return takes;
}

static void only_known_file_systems_are_trusted_with_a_name(void **state)
{
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct statfs info;
    (void) state;

    assert_int_equal(fstatfs(here, &info), 0);
    if (info.f_type != EXT4_SUPER_MAGIC && info.f_type != XFS_MAGIC) {
        assert_false(cor_blob_priv_sync_covers_name(here));
    }
    assert_false(cor_blob_priv_sync_covers_name(proc));
    assert_false(cor_blob_priv_sync_covers_name(-1));
    (void) close(here);
    (void) close(proc);
}

static void a_new_name_in_a_known_folder_costs_one_sync_where_that_covers_it(void **state)
{
    (void) state;
    if (!takes_marks()) {
        skip();
    }
    CorBlobStore *store = open_store(true);
    watch("objects/pacs/study/one");
    put(store, "study/one", "1");
    assert_string_equal(seen, "fDD"); /* nothing is known of the folder yet */
    watch("objects/pacs/study/two");
    put(store, "study/two", "2");
    assert_string_equal(seen, "F");
    watch("objects/pacs/study/two");
    put(store, "study/two", "another"); /* what is replaced stays until the new one is durable */
    assert_string_equal(seen, "FD");
    cor_blob_close(store);
}

static void elsewhere_the_file_is_synced_before_it_has_a_name(void **state)
{
    CorBlobStore *store = open_store(false);
    (void) state;

    put(store, "study/one", "1");
    watch("objects/pacs/study/two");
    put(store, "study/two", "2");
    assert_string_equal(seen, "fD");
    cor_blob_close(store);
}

static void a_file_that_cannot_be_synced_loses_its_name_again(void **state)
{
    (void) state;

    for (int covers = 0; covers <= 1; covers++) {
        CorBlobStore *store = open_store(covers != 0);
        CorBlobTemp *temp = NULL;
        CorError err = {0};
        struct stat info;

        put(store, "study/one", "1");
        assert_true(cor_blob_temp_new(store, 100, &temp, NULL));
        assert_true(cor_blob_temp_write(temp, "two", 3, NULL));
        fail_at = 1;
        assert_false(cor_blob_temp_publish(temp, "pacs", "study/two", COR_BLOB_REPLACE, &err));
        assert_int_equal(err.code, COR_ERR_IO);
        assert_int_not_equal(stat("objects/pacs/study/two", &info), 0);
        assert_true(cor_blob_temp_publish(temp, "pacs", "study/three", COR_BLOB_REPLACE, NULL));
        assert_int_equal(stat("objects/pacs/study/three", &info), 0);
        assert_int_equal(info.st_size, 3);
        cor_blob_temp_free(temp);
        assert_true(cor_blob_remove(store, "pacs", "study/three", NULL));
        cor_blob_close(store);
    }
}

/* What is left to sync after an object was named; NULL if the folder refuses direct transfers. */
static CorBlobTemp *name_large_object(CorBlobStore *store, const char *key)
{
    static const uint8_t bytes[100000];
    CorBlobTemp *temp = NULL;

    assert_true(cor_blob_temp_new(store, sizeof(bytes), &temp, NULL));
    cor_blob_temp_stage(temp);
    assert_true(cor_blob_temp_write(temp, bytes, sizeof(bytes), NULL));
    assert_true(cor_blob_temp_name(temp, "pacs", key, COR_BLOB_REPLACE, NULL));
    if (seen[0]) {
        cor_blob_temp_free(temp);
        return NULL;
    }
    return temp;
}

static void who_names_an_object_syncs_it_later_if_that_is_all_that_is_left(void **state)
{
    CorBlobStore *store = open_store(true);
    CorError err = {0};
    struct stat info;
    (void) state;

    put(store, "study/one", "1");
    watch("objects/pacs/study/two");
    CorBlobTemp *temp = takes_marks() ? name_large_object(store, "study/two") : NULL;
    if (!temp) {
        cor_blob_close(store);
        skip();
    }
    assert_int_equal(stat("objects/pacs/study/two", &info), 0);
    fail_at = 1;
    assert_false(cor_blob_temp_sync(temp, &err));
    assert_int_equal(err.code, COR_ERR_IO);
    assert_false(cor_blob_temp_sync(temp, NULL)); /* the kernel would say that all is well */
    assert_string_equal(seen, "F");
    cor_blob_temp_free(temp);
    assert_int_equal(stat("objects/pacs/study/two", &info), 0);

    watch("objects/pacs/study/three");
    temp = name_large_object(store, "study/three");
    assert_non_null(temp);
    assert_true(cor_blob_temp_sync(temp, NULL));
    assert_true(cor_blob_temp_sync(temp, NULL)); /* there is nothing left to do */
    assert_string_equal(seen, "F");
    cor_blob_temp_free(temp);
    assert_int_equal(stat("objects/pacs/study/three", &info), 0);
    assert_int_equal(info.st_size, 100000);
    cor_blob_close(store);
}

static void what_replaces_or_is_still_in_memory_is_synced_when_it_is_named(void **state)
{
    CorBlobTemp *temp = NULL;
    CorBlobStore *store = open_store(true);
    (void) state;

    put(store, "study/one", "1");
    watch("objects/pacs/study/one");
    assert_null(name_large_object(store, "study/one"));
    assert_string_equal(seen, "FD");
    watch("objects/pacs/study/small");
    assert_true(cor_blob_temp_new(store, 100, &temp, NULL));
    assert_true(cor_blob_temp_write(temp, "two", 3, NULL));
    assert_true(cor_blob_temp_name(temp, "pacs", "study/small", COR_BLOB_REPLACE, NULL));
    assert_int_not_equal(strlen(seen), 0);
    watch("objects/pacs/study/small");
    assert_true(cor_blob_temp_sync(temp, NULL));
    assert_string_equal(seen, "");
    cor_blob_temp_free(temp);
    cor_blob_close(store);
}

static void what_a_crash_left_is_synced_before_it_counts(void **state)
{
    uint8_t digest[COR_SHA256_SIZE];
    (void) state;

    cor_sha256("1", 1, digest);
    CorBlobStore *store = open_store(true);
    put(store, "study/one", "1");
    cor_blob_close(store);

    store = open_store(true); /* another process, which knows of nothing */
    watch("objects/pacs/study/one");
    assert_true(cor_blob_settle(store, "pacs", "study/one", digest, NULL));
    assert_string_equal(seen, "FDD");
    fail_at = 2;
    assert_false(cor_blob_settle(store, "pacs", "study/one", digest, NULL));
    CorError err = {0};
    assert_false(cor_blob_settle(store, "pacs", "study/none", digest, &err));
    assert_int_equal(err.code, COR_ERR_NOT_FOUND);
    cor_blob_close(store);
}

static void bytes_that_a_power_cut_took_are_missed(void **state)
{
    uint8_t digest[COR_SHA256_SIZE];
    CorError err = {0};
    (void) state;

    if (!takes_marks()) {
        skip();
    }
    CorBlobStore *store = open_store(true);
    put(store, "study/one", "12345678");
    put(store, "study/two", "12345678");
    int file = open("objects/pacs/study/two", O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(file, "\0\0\0", 3, 5), 3); /* same size, as after a hole */
    (void) close(file);

    cor_sha256("12345\0\0", 8, digest);
    assert_false(cor_blob_settle(store, "pacs", "study/two", digest, &err));
    assert_int_equal(err.code, COR_ERR_CORRUPT);
    cor_sha256("12345678", 8, digest);
    assert_true(cor_blob_settle(store, "pacs", "study/two", digest, NULL));
    cor_blob_close(store);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, make_folder, delete_folder)
    const struct CMUnitTest tests[] = {
        CASE(only_known_file_systems_are_trusted_with_a_name),
        CASE(a_new_name_in_a_known_folder_costs_one_sync_where_that_covers_it),
        CASE(elsewhere_the_file_is_synced_before_it_has_a_name),
        CASE(a_file_that_cannot_be_synced_loses_its_name_again),
        CASE(who_names_an_object_syncs_it_later_if_that_is_all_that_is_left),
        CASE(what_replaces_or_is_still_in_memory_is_synced_when_it_is_named),
        CASE(what_a_crash_left_is_synced_before_it_counts),
        CASE(bytes_that_a_power_cut_took_are_missed),
    };

    return cmocka_run_group_tests_name("blob-sync", tests, NULL, NULL);
}
