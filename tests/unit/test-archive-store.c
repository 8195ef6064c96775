/* SPDX-License-Identifier: Apache-2.0 */
/* Object and row of an image, when one of them fails.  fsync() of the library comes here and may be
 * made to fail for files. */
#include "test.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/bytes.h"
#include "catalog-fixture.h"
#include "driver/sql-test.h"
#include "temp.h"

enum { SIZE = 100000, LARGE = SIZE, SMALL = 100 };

static TempDir dir;
static Fixture *fixture;
static CorBlobStore *blobs;
static CorArchive *archive;
static atomic_int failing; /* so many syncs of files fail */
static uint8_t data[SIZE];

int fsync(int fd)
{
    struct stat info;

    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size >= SMALL &&
        atomic_load(&failing) > 0 && atomic_fetch_sub(&failing, 1) > 0) {
        errno = EIO;
        return -1;
    }
    return (int) syscall(SYS_fsync, fd);
}

static int open_archive(void **state)
{
    char uri[300];
    CorError err = {0};
    void *opened = NULL;

    (void) state;
    if (fixture_open(&opened) != 0) {
        return -1;
    }
    fixture = opened;
    dir = temp_dir_make();
    (void) snprintf(uri, sizeof(uri), "file:%s", temp_path(&dir, "objects"));
    if (!cor_blob_open(uri, &blobs, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    const CorArchiveOptions options = {.catalog = fixture->db, .blobs = blobs};
    atomic_store(&failing, 0);
    return cor_archive_new(&options, &archive, &err) ? 0 : -1;
}

static int close_archive(void **state)
{
    void *opened = fixture;

    (void) state;
    cor_archive_free(archive);
    cor_blob_close(blobs);
    temp_dir_remove(&dir);
    return fixture_close(&opened);
}

/* Store an image whose bytes are so many times the same. */
static bool store_item(const Item *item, uint8_t byte, size_t size, const char *key,
                       CorArchiveStored *ret_stored, CorError *err)
{
    json_t *record = fixture_record(item);
    CorBlobTemp *temp = NULL;

    memset(data, byte, size);
    assert_true(cor_blob_temp_new(blobs, SIZE, &temp, NULL));
    cor_blob_temp_stage(temp);
    assert_true(cor_blob_temp_write(temp, data, size, NULL));
    bool ok = cor_archive_store(archive, temp, record, key, ret_stored, err);
    cor_blob_temp_free(temp);
    json_decref(record);
    return ok;
}

static bool store(const char *sop, uint8_t byte, size_t size, const char *key,
                  CorArchiveStored *ret_stored, CorError *err)
{
    const Item item = {.sop = sop};

    return store_item(&item, byte, size, key, ret_stored, err);
}

static bool is_there(const char *key, uint8_t byte, size_t size)
{
    CorBytes *bytes = NULL;
    bool is = cor_blob_read(blobs, "pacs", key, SIZE, &bytes, NULL) &&
              cor_bytes_size(bytes) == size && ((const uint8_t *) cor_bytes_data(bytes))[0] == byte;

    cor_bytes_unref(bytes);
    return is;
}

static bool has_row(const char *sop)
{
    Call call = {.uid = sop};
    CorError err = {0};

    if (!cor_sql_read(fixture->db, fixture_run_find, &call, &err)) {
        fail_msg("%s", err.text);
    }
    bool has = call.instance != NULL;
    free(call.instance);
    return has;
}

static void an_object_that_cannot_be_synced_leaves_neither_object_nor_row(void **state)
{
    static const size_t sizes[] = {LARGE, SMALL}; /* past the page cache, and through it */
    CorArchiveStored stored;
    (void) state;

    assert_true(store("1.2.1", 1, LARGE, NULL, &stored, NULL)); /* the folder is known then */
    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        CorError err = {0};
        atomic_store(&failing, 1);
        assert_false(store("1.2.2", 2, sizes[i], NULL, &stored, &err));
        assert_int_equal(err.code, COR_ERR_IO);
        assert_false(has_row("1.2.2"));
        assert_false(is_there("1.1/1.1.1/1.2.2.dcm", 2, sizes[i]));
    }
    assert_true(store("1.2.2", 2, LARGE, NULL, &stored, NULL));
    assert_false(stored.is_duplicate);
}

static void a_row_that_cannot_be_committed_takes_its_object_with_it(void **state)
{
    CorArchiveStored stored;
    CorError err = {0};
    (void) state;

    cor_sql_test_fail(fixture->db, COR_SQL_FAIL_COMMIT, 1);
    assert_false(store("1.2.1", 1, LARGE, NULL, &stored, &err));
    assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
    assert_false(has_row("1.2.1"));
    assert_false(is_there("1.1/1.1.1/1.2.1.dcm", 1, LARGE));
    assert_true(store("1.2.1", 1, LARGE, NULL, &stored, NULL));
    assert_true(is_there("1.1/1.1.1/1.2.1.dcm", 1, LARGE));
}

/* A host was taken over: the catalogue finds out only when the object is named. */
static void a_header_that_is_no_json_leaves_nothing(void **state)
{
    static const Item item = {.sop = "1.2.1",
                              .without = "attributes",
                              .with = "{\"attributes_text\":\"{\\\"00100020\\\":}\"}"};
    CorArchiveStored stored;
    CorError err = {0};
    (void) state;

    assert_false(store_item(&item, 1, LARGE, NULL, &stored, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    assert_false(has_row("1.2.1"));
    assert_false(is_there("1.1/1.1.1/1.2.1.dcm", 1, LARGE));
    assert_true(store("1.2.1", 1, LARGE, NULL, &stored, NULL));
    assert_false(stored.is_duplicate);
}

static void a_row_without_its_object_has_it_again_when_the_image_is_sent_again(void **state)
{
    static const char key[] = "1.1/1.1.1/1.2.1.dcm";
    CorArchiveStored stored;
    CorError err = {0};
    (void) state;

    assert_true(store("1.2.1", 1, LARGE, NULL, &stored, NULL));
    assert_true(store("1.2.2", 2, LARGE, NULL, &stored, NULL));
    assert_true(cor_blob_remove(blobs, "pacs", key, NULL));

    assert_false(store("1.2.1", 3, LARGE, NULL, &stored, &err)); /* other bytes */
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    assert_false(is_there(key, 3, LARGE));
    atomic_store(&failing, 1);
    assert_false(store("1.2.1", 1, LARGE, NULL, &stored, &err));
    assert_int_equal(err.code, COR_ERR_IO);
    assert_false(is_there(key, 1, LARGE));
    assert_true(has_row("1.2.1"));

    assert_true(store("1.2.1", 1, LARGE, NULL, &stored, NULL));
    assert_true(stored.is_duplicate);
    assert_string_equal(stored.key, key);
    assert_true(is_there(key, 1, LARGE));
}

static void nobody_is_told_that_an_image_is_stored_whose_object_is_lost(void **state)
{
    static const char *const others[] = {NULL, "by/another"};
    CorArchiveStored stored;
    (void) state;

    assert_true(store("1.2.1", 1, LARGE, "by/hand", &stored, NULL));
    assert_true(cor_blob_remove(blobs, "pacs", "by/hand", NULL));
    for (size_t i = 0; i < COR_ARRAY_LEN(others); i++) {
        CorError err = {0};
        assert_false(store("1.2.1", 3, LARGE, others[i], &stored, &err)); /* other bytes */
        assert_int_equal(err.code, COR_ERR_CONFLICT);
        assert_false(store("1.2.1", 1, LARGE, others[i], &stored, &err));
        assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
        assert_false(is_there("1.1/1.1.1/1.2.1.dcm", 1, LARGE));
        assert_false(is_there("by/another", 1, LARGE));
    }
    assert_true(store("1.2.1", 1, LARGE, "by/hand", &stored, NULL)); /* where it belongs */
    assert_true(stored.is_duplicate && is_there("by/hand", 1, LARGE));
    assert_true(store("1.2.1", 1, LARGE, NULL, &stored, NULL));
    assert_string_equal(stored.key, "by/hand");
}

static void the_same_image_under_another_key_leaves_no_object(void **state)
{
    CorArchiveStored stored;
    (void) state;

    assert_true(store("1.2.1", 1, LARGE, "by/hand", &stored, NULL));
    assert_true(store("1.2.1", 1, LARGE, NULL, &stored, NULL));
    assert_true(stored.is_duplicate);
    assert_string_equal(stored.key, "by/hand");
    assert_true(is_there("by/hand", 1, LARGE));
    assert_false(is_there("1.1/1.1.1/1.2.1.dcm", 1, LARGE));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_archive, close_archive)
    const struct CMUnitTest tests[] = {
        CASE(an_object_that_cannot_be_synced_leaves_neither_object_nor_row),
        CASE(a_row_that_cannot_be_committed_takes_its_object_with_it),
        CASE(a_header_that_is_no_json_leaves_nothing),
        CASE(a_row_without_its_object_has_it_again_when_the_image_is_sent_again),
        CASE(nobody_is_told_that_an_image_is_stored_whose_object_is_lost),
        CASE(the_same_image_under_another_key_leaves_no_object),
    };

    return cmocka_run_group_tests_name("archive-store", tests, NULL, NULL);
}
