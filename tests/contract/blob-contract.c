/* SPDX-License-Identifier: Apache-2.0 */
/* Every object store must pass, unchanged.  COR_TEST_BLOB_URI names the store; without it a folder
 * of the file system is used.  The keys of a run begin with a part of its own, so that a store that
 * is shared with others can be tested, and are removed at the end. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/id.h"
#include "blob/blob.h"

enum { OBJECT_SIZE = 787248 }; /* a derived 512 x 512 colour image */

static char uri[256];
static char root[64]; /* the first part of all keys */
static char folder[] = "/tmp/corsia-contract-XXXXXX";
static bool has_folder; /* the store is in our own folder */

/* --- Helpers. --- */

static const char *key_of(const char *rest)
{
    static _Thread_local char keys[4][2048];
    static _Thread_local unsigned next;
    char *key = keys[next++ % 4];

    (void) snprintf(key, sizeof(keys[0]), "%s/%s", root, rest);
    return key;
}

static int memory_file(const void *data, size_t size)
{
    int file = memfd_create("contract", MFD_CLOEXEC);

    assert_true(file >= 0);
    assert_int_equal(write(file, data, size), (ssize_t) size);
    return file;
}

static void put_text(CorBlobStore *store, const char *key, const char *text)
{
    CorError err = {0};

    if (!cor_blob_put_bytes(store, "output", key, text, strlen(text), &err)) {
        fail_msg("put: %s", err.text);
    }
}

static void assert_holds(CorBlobStore *store, const char *key, const char *text)
{
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *bytes = NULL;
    CorError err = {0};

    if (!cor_blob_read(store, "output", key, 1 << 20, &bytes, &err)) {
        fail_msg("read: %s", err.text);
    }
    assert_int_equal(cor_bytes_size(bytes), strlen(text));
    assert_memory_equal(cor_bytes_data(bytes), text, strlen(text));
}

static void assert_absent(CorBlobStore *store, const char *bucket, const char *key)
{
    CorObject object = {.file = -7};
    CorError err = {0};

    assert_false(cor_blob_head(store, bucket, key, &object, &err));
    assert_int_equal(err.code, COR_ERR_NOT_FOUND);
    assert_int_equal(object.file, -7);
}

static void remove_all(CorBlobStore *store, const char *bucket)
{
    char prefix[80];
    CorBlobListOptions options = {.prefix = prefix, .max = 1000};
    bool has_more = true;

    (void) snprintf(prefix, sizeof(prefix), "%s/", root);
    while (has_more) {
        COR_CLEANUP(cor_keys_freep) CorKeys *keys = NULL;

        assert_true(cor_blob_list(store, bucket, &options, &keys, NULL));
        for (size_t i = 0; i < keys->len; i++) {
            assert_true(cor_blob_remove(store, bucket, keys->keys[i], NULL));
        }
        has_more = keys->has_more;
    }
}

static int delete_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void) info;
    (void) kind;
    (void) where;
    return remove(path);
}

static int open_store(void **state)
{
    char uuid[COR_UUID_SIZE];
    const char *given = getenv("COR_TEST_BLOB_URI");
    CorError err = {0};

    if (given && strcmp(given, "file:") != 0) {
        (void) snprintf(uri, sizeof(uri), "%s", given);
    } else {
        if (!mkdtemp(folder)) {
            return -1;
        }
        has_folder = true;
        (void) snprintf(uri, sizeof(uri), "file:%s", folder);
    }
    if (!cor_uuid4(uuid, &err) || !cor_blob_open(uri, (CorBlobStore **) state, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    (void) snprintf(root, sizeof(root), "contract-%s", uuid);
    return 0;
}

static int close_store(void **state)
{
    CorBlobStore *store = *state;

    remove_all(store, "output");
    remove_all(store, "pacs");
    cor_blob_close(store);
    return has_folder ? nftw(folder, delete_one, 16, FTW_DEPTH | FTW_PHYS) : 0;
}

static int clean(void **state)
{
    remove_all(*state, "output");
    remove_all(*state, "pacs");
    return 0;
}

/* --- One at a time. --- */

static void opening_what_is_not_there_leaves_the_out_parameter_alone(void **state)
{
    CorObject object = {.file = -7};
    CorError err = {0};

    assert_false(cor_blob_open_object(*state, "output", key_of("absent"), &object, &err));
    assert_int_equal(err.code, COR_ERR_NOT_FOUND);
    assert_int_equal(object.file, -7);
    assert_null(strstr(err.text, root)); /* keys may hold names */
}

static void what_was_put_comes_back_with_its_size_and_digest(void **state)
{
    static uint8_t data[OBJECT_SIZE];
    static uint8_t back[OBJECT_SIZE + 1];
    uint8_t expected[COR_SHA256_SIZE];
    CorBlobPut put;
    COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};
    CorError err = {0};

    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t) (i * 7 + i / 251);
    }
    cor_sha256(data, sizeof(data), expected);
    COR_CLEANUP(cor_fd_closep) int file = memory_file(data, sizeof(data));

    assert_true(cor_blob_put_file(*state, "output", key_of("s/x/image.dcm"), file, &put, &err));
    assert_memory_equal(put.sha256, expected, sizeof(expected));
    assert_int_equal(lseek(file, 0, SEEK_CUR), sizeof(data)); /* neither used nor moved */
    assert_true(cor_blob_open_object(*state, "output", key_of("s/x/image.dcm"), &object, &err));
    assert_int_equal(object.size, sizeof(data));
    assert_true(object.modified_unix_ms > 0);
    assert_int_equal(put.modified_unix_ms, object.modified_unix_ms);
    assert_int_equal(read(object.file, back, sizeof(back)), sizeof(data));
    assert_memory_equal(back, data, sizeof(data));
    assert_int_equal(write(object.file, "x", 1), -1); /* read-only */
}

static void sealed_memory_is_stored_whole_whatever_its_size(void **state)
{
    static const size_t sizes[] = {1,     4095,  4096,  4097,  65535,  65536,
                                   65537, 69631, 69632, 69633, 787248, 1048576};
    static uint8_t data[1048576];
    uint8_t expected[COR_SHA256_SIZE];
    CorBlobPut put;

    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t) (i * 11 + i / 509 + 1);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        COR_CLEANUP(cor_bytes_unrefp) CorBytes *back = NULL;
        COR_CLEANUP(cor_fd_closep)
        int file = memfd_create("contract", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        CorError err = {0};

        assert_int_equal(write(file, data, sizes[i]), (ssize_t) sizes[i]);
        assert_int_equal(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
        cor_sha256(data, sizes[i], expected);
        if (!cor_blob_put_file(*state, "output", key_of("sealed"), file, &put, &err)) {
            fail_msg("%zu bytes: %s", sizes[i], err.text);
        }
        assert_memory_equal(put.sha256, expected, sizeof(expected));
        assert_true(cor_blob_read(*state, "output", key_of("sealed"), sizeof(data), &back, &err));
        assert_int_equal(cor_bytes_size(back), sizes[i]);
        assert_memory_equal(cor_bytes_data(back), data, sizes[i]);
    }
}

static void an_empty_object_is_an_object(void **state)
{
    CorObject object = {.file = -1};

    put_text(*state, key_of("empty"), "");

    assert_true(cor_blob_head(*state, "output", key_of("empty"), &object, NULL));
    assert_int_equal(object.size, 0);
}

static void a_put_replaces_and_an_open_descriptor_keeps_the_old_bytes(void **state)
{
    COR_CLEANUP(cor_object_done) CorObject before = {.file = -1};
    CorObject after = {.file = -1};
    char text[8] = "";

    put_text(*state, key_of("a/b"), "old");
    assert_true(cor_blob_open_object(*state, "output", key_of("a/b"), &before, NULL));
    put_text(*state, key_of("a/b"), "new");

    assert_int_equal(read(before.file, text, sizeof(text)), 3);
    assert_memory_equal(text, "old", 3);
    assert_holds(*state, key_of("a/b"), "new");
    assert_true(cor_blob_head(*state, "output", key_of("a/b"), &after, NULL));
    assert_string_not_equal(before.etag, after.etag);
}

static void every_put_gives_another_etag_and_reading_gives_none(void **state)
{
    enum { PUTS = 40 };
    char etags[PUTS][COR_BLOB_ETAG_SIZE];

    for (size_t i = 0; i < PUTS; i++) {
        CorObject head = {.file = -1};
        COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};

        put_text(*state, key_of("etag"), "same");
        assert_true(cor_blob_head(*state, "output", key_of("etag"), &head, NULL));
        assert_true(cor_blob_open_object(*state, "output", key_of("etag"), &object, NULL));
        assert_string_equal(head.etag, object.etag);
        assert_null(strchr(head.etag, '"'));
        memcpy(etags[i], head.etag, sizeof(etags[i]));
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(etags[k], etags[i]);
        }
    }
}

static void a_removed_object_is_gone_and_removing_it_again_succeeds(void **state)
{
    put_text(*state, key_of("gone/soon"), "x");

    assert_true(cor_blob_remove(*state, "output", key_of("gone/soon"), NULL));
    assert_absent(*state, "output", key_of("gone/soon"));
    assert_true(cor_blob_remove(*state, "output", key_of("gone/soon"), NULL));
    assert_true(cor_blob_remove(*state, "output", key_of("never/was"), NULL));
}

static void buckets_do_not_see_each_other_and_there_are_four(void **state)
{
    static const char *const names[] = {"pacs", "output", "jobs", "quarantine"};
    CorError err = {0};

    put_text(*state, key_of("only/output"), "x");
    assert_absent(*state, "pacs", key_of("only/output"));
    for (size_t i = 0; i < COR_ARRAY_LEN(names); i++) {
        assert_true(cor_bucket_is_known(names[i]));
    }
    assert_false(cor_bucket_is_known("../output"));
    assert_false(cor_blob_put_bytes(*state, "other", key_of("a"), "x", 1, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    assert_false(cor_blob_remove(*state, "", key_of("a"), &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
}

static void keys_that_could_leave_the_store_are_refused_by_every_function(void **state)
{
    static const char *const bad[] = {"",      "/etc/passwd", "../x",   "a/../../x", "a//b",
                                      "a/./b", "a/",          "a\nb",   ".tmp-x/y",  "a/.tmp-1",
                                      "a\\b",  "\xFF\xFE",    "a/\x7F", "."};

    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        COR_CLEANUP(cor_blob_temp_freep) CorBlobTemp *temp = NULL;
        CorObject object = {.file = -7};
        CorError err = {0};

        assert_false(cor_blob_put_bytes(*state, "output", bad[i], "x", 1, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_false(cor_blob_open_object(*state, "output", bad[i], &object, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_false(cor_blob_head(*state, "output", bad[i], &object, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_false(cor_blob_remove(*state, "output", bad[i], &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
        assert_true(cor_blob_temp_new(*state, 10, &temp, &err));
        assert_false(cor_blob_temp_publish(temp, "output", bad[i], COR_BLOB_REPLACE, &err));
        assert_int_equal(err.code, COR_ERR_INVALID);
    }
}

static void legal_keys_of_every_kind_keep_their_objects_apart(void **state)
{
    char long_part[256];
    char longest[COR_KEY_MAX];
    const char *keys[] = {"50%",
                          "50%25",
                          "a_b",
                          "a*b",
                          "a?b",
                          "-rf",
                          " ",
                          "x y ",
                          "...",
                          ".hidden",
                          "..a/b..",
                          "a#b&c=d+e",
                          "CASE/A",
                          "CASE/a",
                          "caf\xC3\xA9",
                          "cafe\xCC\x81",
                          "\xE8\x82\x9D/\xF0\x9F\xA9\xBA",
                          long_part,
                          longest};
    size_t free_len = COR_KEY_MAX - strlen(root) - 1;

    memset(long_part, 'p', 255);
    long_part[255] = '\0';
    memset(longest, 'k', free_len);
    for (size_t i = 200; i < free_len - 1; i += 200) {
        longest[i] = '/';
    }
    longest[free_len] = '\0';

    for (size_t i = 0; i < COR_ARRAY_LEN(keys); i++) {
        char text[16];
        (void) snprintf(text, sizeof(text), "object %zu", i);
        put_text(*state, key_of(keys[i]), text);
    }
    for (size_t i = 0; i < COR_ARRAY_LEN(keys); i++) {
        char text[16];
        (void) snprintf(text, sizeof(text), "object %zu", i);
        assert_holds(*state, key_of(keys[i]), text);
    }
}

static void no_key_is_a_folder_of_another(void **state)
{
    CorError err = {0};

    put_text(*state, key_of("a/b/c"), "leaf");
    assert_false(cor_blob_put_bytes(*state, "output", key_of("a/b"), "x", 1, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    assert_false(cor_blob_put_bytes(*state, "output", key_of("a/b/c/d"), "x", 1, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    assert_false(cor_blob_put_bytes(*state, "output", key_of("a/b/c/d/e/f"), "x", 1, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    assert_absent(*state, "output", key_of("a/b"));
    assert_absent(*state, "output", key_of("a/b/c/d"));
    assert_holds(*state, key_of("a/b/c"), "leaf");

    assert_true(cor_blob_remove(*state, "output", key_of("a/b"), NULL)); /* no object: nothing */
    assert_holds(*state, key_of("a/b/c"), "leaf");
    assert_true(cor_blob_remove(*state, "output", key_of("a/b/c"), NULL));
    put_text(*state, key_of("a/b"), "now it may");
    assert_holds(*state, key_of("a/b"), "now it may");
}

static void a_small_object_is_read_whole_and_a_large_one_is_refused(void **state)
{
    COR_CLEANUP(cor_bytes_unrefp) CorBytes *bytes = NULL;
    CorError err = {0};

    put_text(*state, key_of("list"), "[1,2,3]");

    assert_false(cor_blob_read(*state, "output", key_of("list"), 6, &bytes, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
    assert_null(bytes);
    assert_true(cor_blob_read(*state, "output", key_of("list"), 7, &bytes, &err));
    assert_string_equal((const char *) cor_bytes_data(bytes), "[1,2,3]");
}

static void there_is_space_left(void **state)
{
    uint64_t free_bytes = 0;

    assert_true(cor_blob_space(*state, &free_bytes, NULL));
    assert_true(free_bytes > 0);
}

/* --- Uploads. --- */

static void an_upload_shows_only_once_it_is_published(void **state)
{
    COR_CLEANUP(cor_blob_temp_freep) CorBlobTemp *temp = NULL;
    uint8_t digest[COR_SHA256_SIZE];
    uint8_t expected[COR_SHA256_SIZE];
    char text[16];
    CorError err = {0};

    assert_true(cor_blob_temp_new(*state, 100, &temp, &err));
    assert_true(cor_blob_temp_write(temp, "hello ", 6, &err));
    assert_true(cor_blob_temp_write(temp, "world", 5, &err));
    assert_int_equal(cor_blob_temp_size(temp), 11);
    assert_absent(*state, "output", key_of("up/load"));

    COR_CLEANUP(cor_fd_closep) int file = -1;
    assert_true(cor_blob_temp_open(temp, &file, &err));
    assert_int_equal(read(file, text, sizeof(text)), 11);
    assert_memory_equal(text, "hello world", 11);
    assert_int_equal(write(file, "x", 1), -1);

    assert_true(
        cor_blob_temp_publish(temp, "output", key_of("up/load"), COR_BLOB_MUST_BE_NEW, &err));
    cor_blob_temp_sha256(temp, digest);
    cor_sha256("hello world", 11, expected);
    assert_memory_equal(digest, expected, sizeof(digest));
    assert_holds(*state, key_of("up/load"), "hello world");
}

static void a_discarded_upload_leaves_nothing(void **state)
{
    CorBlobTemp *temp = NULL;
    COR_CLEANUP(cor_keys_freep) CorKeys *keys = NULL;
    CorBlobListOptions options = {.prefix = root, .max = 10};

    assert_true(cor_blob_temp_new(*state, 100, &temp, NULL));
    assert_true(cor_blob_temp_write(temp, "x", 1, NULL));
    cor_blob_temp_free(temp);

    assert_true(cor_blob_list(*state, "output", &options, &keys, NULL));
    assert_int_equal(keys->len, 0);
}

static void an_upload_ends_at_its_size_cap(void **state)
{
    COR_CLEANUP(cor_blob_temp_freep) CorBlobTemp *temp = NULL;
    CorError err = {0};

    assert_true(cor_blob_temp_new(*state, 8, &temp, &err));
    assert_true(cor_blob_temp_write(temp, "12345678", 8, &err));
    assert_true(cor_blob_temp_write(temp, "", 0, &err));
    assert_false(cor_blob_temp_write(temp, "9", 1, &err));
    assert_int_equal(err.code, COR_ERR_LIMIT);
}

static void what_must_be_new_replaces_nothing_and_may_go_elsewhere(void **state)
{
    COR_CLEANUP(cor_blob_temp_freep) CorBlobTemp *temp = NULL;
    CorError err = {0};

    put_text(*state, key_of("taken"), "first");
    assert_true(cor_blob_temp_new(*state, 100, &temp, &err));
    assert_true(cor_blob_temp_write(temp, "second", 6, &err));

    assert_false(
        cor_blob_temp_publish(temp, "output", key_of("taken"), COR_BLOB_MUST_BE_NEW, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    assert_holds(*state, key_of("taken"), "first");
    assert_true(cor_blob_temp_publish(temp, "output", key_of("free"), COR_BLOB_MUST_BE_NEW, &err));
    assert_holds(*state, key_of("free"), "second");
}

/* --- Lists. --- */

static CorKeys *list(CorBlobStore *store, const char *prefix, const char *after, size_t max)
{
    CorBlobListOptions options = {.prefix = prefix, .after = after, .max = max};
    CorKeys *keys = NULL;
    CorError err = {0};

    if (!cor_blob_list(store, "output", &options, &keys, &err)) {
        fail_msg("list: %s", err.text);
    }
    return keys;
}

static void a_list_is_in_byte_order_of_whole_keys(void **state)
{
    static const char *const in_order[] = {"a-b",  "a.b", "a.c/z", "a/1/x",   "a/1.5",
                                           "a/10", "a0",  "aa",    "\xC3\xA4"};
    static const char *const sorted[] = {"a-b",  "a.b", "a.c/z", "a/1.5",   "a/1/x",
                                         "a/10", "a0",  "aa",    "\xC3\xA4"};
    COR_CLEANUP(cor_keys_freep) CorKeys *keys = NULL;

    for (size_t i = 0; i < COR_ARRAY_LEN(in_order); i++) {
        put_text(*state, key_of(in_order[COR_ARRAY_LEN(in_order) - 1 - i]), "x");
    }
    keys = list(*state, root, NULL, 100);

    assert_int_equal(keys->len, COR_ARRAY_LEN(sorted));
    assert_false(keys->has_more);
    for (size_t i = 0; i < keys->len; i++) {
        assert_string_equal(keys->keys[i], key_of(sorted[i]));
    }
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* A tree of names that are hard to order. */
static size_t make_tree(CorBlobStore *store, char **all, size_t max)
{
    static const char *const parts[] = {"a", "a.", "a-", "a0", "ab", "b", "%", "\xC3\xA9"};
    uint32_t dice = 12345;
    size_t len = 0;

    while (len < max) {
        char rest[64] = "";
        size_t depth = 1 + (dice >> 8) % 3;
        CorError err = {0};

        for (size_t i = 0; i < depth; i++) {
            dice = dice * 1664525 + 1013904223;
            size_t end = strlen(rest);
            (void) snprintf(rest + end, sizeof(rest) - end, "%s%s", i ? "/" : "",
                            parts[(dice >> 16) % COR_ARRAY_LEN(parts)]);
        }
        CorObject object = {.file = -1};
        if (cor_blob_head(store, "output", key_of(rest), &object, NULL)) {
            max--; /* seen already */
        } else if (cor_blob_put_bytes(store, "output", key_of(rest), "x", 1, &err)) {
            all[len++] = strdup(key_of(rest));
        } else {
            assert_int_equal(err.code, COR_ERR_CONFLICT); /* a folder of another */
            max--;
        }
    }
    qsort(all, len, sizeof(all[0]), compare_keys);
    return len;
}

static void pages_of_any_size_add_up_to_the_whole_list(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 7, 1000};
    char *all[200];
    size_t len = make_tree(*state, all, COR_ARRAY_LEN(all));

    assert_true(len > 20);
    for (size_t s = 0; s < COR_ARRAY_LEN(sizes); s++) {
        char after[COR_KEY_SIZE] = "";
        size_t seen = 0;
        bool has_more = true;

        while (has_more) {
            COR_CLEANUP(cor_keys_freep) CorKeys *keys = list(*state, root, after, sizes[s]);
            assert_true(keys->len <= sizes[s] && seen + keys->len <= len);
            for (size_t i = 0; i < keys->len; i++) {
                assert_string_equal(keys->keys[i], all[seen++]);
            }
            has_more = keys->has_more;
            assert_true(!has_more || keys->len == sizes[s]);
            if (keys->len > 0) {
                (void) snprintf(after, sizeof(after), "%s", keys->keys[keys->len - 1]);
            }
        }
        assert_int_equal(seen, len);
    }
    for (size_t i = 0; i < len; i++) {
        free(all[i]);
    }
}

static void a_prefix_is_of_bytes_and_an_after_need_not_exist(void **state)
{
    COR_CLEANUP(cor_keys_freep) CorKeys *of_folder = NULL;
    COR_CLEANUP(cor_keys_freep) CorKeys *of_name = NULL;
    COR_CLEANUP(cor_keys_freep) CorKeys *behind = NULL;
    COR_CLEANUP(cor_keys_freep) CorKeys *none = NULL;

    put_text(*state, key_of("st/1/x"), "x");
    put_text(*state, key_of("st/10/y"), "x");
    put_text(*state, key_of("st/2"), "x");

    of_folder = list(*state, key_of("st/1/"), NULL, 10);
    assert_int_equal(of_folder->len, 1);
    of_name = list(*state, key_of("st/1"), NULL, 10);
    assert_int_equal(of_name->len, 2);
    behind = list(*state, key_of("st/"), key_of("st/10/yy"), 10);
    assert_int_equal(behind->len, 1);
    assert_string_equal(behind->keys[0], key_of("st/2"));
    none = list(*state, key_of("st/3"), NULL, 10);
    assert_int_equal(none->len, 0);
}

static void a_hostile_prefix_lists_nothing(void **state)
{
    static const char *const bad[] = {"../",   "/",         "//",    "/etc/", "a/../../", "./",
                                      "a/./b", "\xFF\xFF/", ".tmp-", "..",    "%s%n",     "a\n/"};

    put_text(*state, key_of("a/b"), "x");
    for (size_t i = 0; i < COR_ARRAY_LEN(bad); i++) {
        COR_CLEANUP(cor_keys_freep) CorKeys *keys = list(*state, bad[i], NULL, 10);
        assert_int_equal(keys->len, 0);
    }
}

static void a_page_has_at_least_one_key_and_at_most_the_limit(void **state)
{
    CorBlobListOptions none = {.max = 0};
    CorBlobListOptions many = {.max = COR_BLOB_LIST_MAX + 1};
    CorKeys *keys = NULL;
    CorError err = {0};

    assert_false(cor_blob_list(*state, "output", &none, &keys, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    assert_false(cor_blob_list(*state, "output", &many, &keys, &err));
    assert_int_equal(err.code, COR_ERR_INVALID);
    assert_null(keys);
}

/* --- Many at a time. --- */

typedef struct Crowd {
    CorBlobStore *store;
    atomic_bool is_over;
    atomic_int failures;
    atomic_int wins;
} Crowd;

enum { THREADS = 4, ROUNDS = 60, MIX_SIZE = 300 * 1000 };

static void *replace_all_the_time(void *arg)
{
    Crowd *crowd = arg;
    uint8_t *data = malloc(MIX_SIZE);

    for (int i = 0; data && i < ROUNDS; i++) {
        size_t size = (size_t) (MIX_SIZE - 1000 * (i % 7));
        memset(data, 'A' + i % 26, size);
        if (!cor_blob_put_bytes(crowd->store, "output", key_of("mix"), data, size, NULL)) {
            atomic_fetch_add(&crowd->failures, 1);
        }
    }
    atomic_store(&crowd->is_over, true);
    free(data);
    return NULL;
}

static void *read_all_the_time(void *arg)
{
    Crowd *crowd = arg;

    do {
        COR_CLEANUP(cor_bytes_unrefp) CorBytes *bytes = NULL;

        if (!cor_blob_read(crowd->store, "output", key_of("mix"), MIX_SIZE, &bytes, NULL)) {
            atomic_fetch_add(&crowd->failures, 1);
            continue;
        }
        const uint8_t *data = cor_bytes_data(bytes);
        for (size_t i = 0; i < cor_bytes_size(bytes); i += 997) {
            if (data[i] != data[0]) {
                atomic_fetch_add(&crowd->failures, 1);
                break;
            }
        }
        size_t expected = (size_t) (MIX_SIZE % 1000);
        if (cor_bytes_size(bytes) % 1000 != expected) {
            atomic_fetch_add(&crowd->failures, 1);
        }
    } while (!atomic_load(&crowd->is_over));
    return NULL;
}

static void run_crowd(Crowd *crowd, void *(*first)(void *), void *(*others)(void *) )
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, i == 0 ? first : others, crowd), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static void readers_see_the_old_or_the_new_bytes_while_an_object_is_replaced(void **state)
{
    Crowd crowd = {.store = *state};
    uint8_t *data = malloc(MIX_SIZE);

    memset(data, 'Z', MIX_SIZE);
    assert_true(cor_blob_put_bytes(*state, "output", key_of("mix"), data, MIX_SIZE, NULL));
    free(data);

    run_crowd(&crowd, replace_all_the_time, read_all_the_time);
    assert_int_equal(atomic_load(&crowd.failures), 0);
}

static void *put_and_remove_all_the_time(void *arg)
{
    Crowd *crowd = arg;
    char key[128];

    (void) snprintf(key, sizeof(key), "narrow/deep/er/%lx", (unsigned long) pthread_self());
    for (int i = 0; i < ROUNDS; i++) {
        CorObject object = {.file = -1};
        CorError err = {0};

        if (!cor_blob_put_bytes(crowd->store, "output", key_of(key), "x", 1, &err) ||
            !cor_blob_head(crowd->store, "output", key_of(key), &object, &err) ||
            !cor_blob_remove(crowd->store, "output", key_of(key), &err)) {
            atomic_fetch_add(&crowd->failures, 1);
        }
    }
    return NULL;
}

static void puts_succeed_while_their_folder_is_emptied_by_others(void **state)
{
    Crowd crowd = {.store = *state};

    run_crowd(&crowd, put_and_remove_all_the_time, put_and_remove_all_the_time);
    assert_int_equal(atomic_load(&crowd.failures), 0);
}

static void *publish_new_keys(void *arg)
{
    Crowd *crowd = arg;

    for (int i = 0; i < ROUNDS / 2; i++) {
        COR_CLEANUP(cor_blob_temp_freep) CorBlobTemp *temp = NULL;
        char key[32];
        CorError err = {0};

        (void) snprintf(key, sizeof(key), "race/%d", i);
        if (!cor_blob_temp_new(crowd->store, 10, &temp, &err) ||
            !cor_blob_temp_write(temp, "x", 1, &err)) {
            atomic_fetch_add(&crowd->failures, 1);
        } else if (cor_blob_temp_publish(temp, "output", key_of(key), COR_BLOB_MUST_BE_NEW, &err)) {
            atomic_fetch_add(&crowd->wins, 1);
        } else if (err.code != COR_ERR_CONFLICT) {
            atomic_fetch_add(&crowd->failures, 1);
        }
    }
    return NULL;
}

static void of_those_who_publish_a_new_key_exactly_one_wins(void **state)
{
    Crowd crowd = {.store = *state};

    run_crowd(&crowd, publish_new_keys, publish_new_keys);
    assert_int_equal(atomic_load(&crowd.failures), 0);
    assert_int_equal(atomic_load(&crowd.wins), ROUNDS / 2);
}

/* --- Crashes. --- */

/* Replace one object again and again, saying so on a pipe, until somebody kills us. */
static void put_until_killed(int pipe_fd)
{
    static uint8_t data[OBJECT_SIZE];
    CorBlobStore *store = NULL;

    if (!cor_blob_open(uri, &store, NULL)) {
        _exit(1);
    }
    for (int i = 0;; i++) {
        memset(data, 'a' + i % 26, sizeof(data));
        if (write(pipe_fd, "p", 1) != 1 ||
            !cor_blob_put_bytes(store, "output", key_of("crash/one"), data,
                                sizeof(data) - (size_t) (i % 5), NULL)) {
            _exit(1);
        }
    }
}

static void a_process_killed_while_it_puts_leaves_the_old_object_or_the_new_one(void **state)
{
    enum { KILLS = 12 };

    for (int i = 0; i < KILLS; i++) {
        int ends[2];
        char letter = 0;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            put_until_killed(ends[1]);
        }
        (void) close(ends[1]);
        for (int k = 0; k < 2 + i % 4; k++) {
            assert_int_equal(read(ends[0], &letter, 1), 1); /* it is in the middle of put k */
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        (void) close(ends[0]);

        COR_CLEANUP(cor_bytes_unrefp) CorBytes *bytes = NULL;
        assert_true(
            cor_blob_read(*state, "output", key_of("crash/one"), OBJECT_SIZE, &bytes, NULL));
        const uint8_t *data = cor_bytes_data(bytes);
        assert_int_equal(OBJECT_SIZE - cor_bytes_size(bytes), (data[0] - 'a') % 5);
        for (size_t at = 0; at < cor_bytes_size(bytes); at++) {
            assert_int_equal(data[at], data[0]);
        }
    }
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup(test, clean)
    const struct CMUnitTest tests[] = {
        CASE(opening_what_is_not_there_leaves_the_out_parameter_alone),
        CASE(what_was_put_comes_back_with_its_size_and_digest),
        CASE(sealed_memory_is_stored_whole_whatever_its_size),
        CASE(an_empty_object_is_an_object),
        CASE(a_put_replaces_and_an_open_descriptor_keeps_the_old_bytes),
        CASE(every_put_gives_another_etag_and_reading_gives_none),
        CASE(a_removed_object_is_gone_and_removing_it_again_succeeds),
        CASE(buckets_do_not_see_each_other_and_there_are_four),
        CASE(keys_that_could_leave_the_store_are_refused_by_every_function),
        CASE(legal_keys_of_every_kind_keep_their_objects_apart),
        CASE(no_key_is_a_folder_of_another),
        CASE(a_small_object_is_read_whole_and_a_large_one_is_refused),
        CASE(there_is_space_left),
        CASE(an_upload_shows_only_once_it_is_published),
        CASE(a_discarded_upload_leaves_nothing),
        CASE(an_upload_ends_at_its_size_cap),
        CASE(what_must_be_new_replaces_nothing_and_may_go_elsewhere),
        CASE(a_list_is_in_byte_order_of_whole_keys),
        CASE(pages_of_any_size_add_up_to_the_whole_list),
        CASE(a_prefix_is_of_bytes_and_an_after_need_not_exist),
        CASE(a_hostile_prefix_lists_nothing),
        CASE(a_page_has_at_least_one_key_and_at_most_the_limit),
        CASE(readers_see_the_old_or_the_new_bytes_while_an_object_is_replaced),
        CASE(puts_succeed_while_their_folder_is_emptied_by_others),
        CASE(of_those_who_publish_a_new_key_exactly_one_wins),
        CASE(a_process_killed_while_it_puts_leaves_the_old_object_or_the_new_one),
    };

    return cmocka_run_group_tests_name("blob-contract", tests, open_store, close_store);
}
