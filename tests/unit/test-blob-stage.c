/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads that lie in memory until they are whole: whatever their size, the pieces they come in and
 * what the file system can do, what is read and what is stored is what was given.  fcntl() and
 * syscall() of the library come here and may be made to fail. */
#include "test.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "blob/blob-backend.h"
#include "temp.h"

enum {
    MIB = 1024 * 1024,
    LONGEST = 3 * MIB + 5,
    PAGE = 4096,
    SHORT = -1,   /* a transfer ends half way */
    AT_ONCE = 24, /* more than there are stages */
    THREADS = 8,
    EACH = 50,
};

static uint8_t data[LONGEST];
static uint8_t got[LONGEST + 1];
static TempDir dir;
static CorBlobStore *store;

static atomic_bool refuses_direct; /* the file system does not know O_DIRECT */
static atomic_int setup_fails;     /* errno value of io_setup(); 0: it works */
static atomic_int submit_fails;    /* likewise of io_submit() */
static atomic_int transfer_fails;  /* likewise of a transfer, or SHORT */
static atomic_bool begins_well;    /* only of what is not the beginning of a file */
static atomic_int asked_direct;    /* files for which O_DIRECT was asked */
static atomic_int submitted;       /* calls of io_submit() */

int fcntl(int fd, int command, ...)
{
    va_list list;

    va_start(list, command);
    void *arg = va_arg(list, void *);
    va_end(list);
    if (command == F_SETFL && ((uintptr_t) arg & O_DIRECT)) {
        (void) atomic_fetch_add(&asked_direct, 1);
        if (atomic_load(&refuses_direct)) {
            errno = EINVAL;
            return -1;
        }
    }
    return (int) syscall(SYS_fcntl, fd, command, arg);
}

static bool is_to_fail(uint64_t offset)
{
    return offset > 0 || !atomic_load(&begins_well);
}

static long give_error(int why)
{
    errno = why;
    return -1;
}

long syscall(long number, ...)
{
    long (*real)(long, ...) = NULL;
    long args[6];
    va_list list;

    va_start(list, number);
    for (size_t i = 0; i < COR_ARRAY_LEN(args); i++) {
        args[i] = va_arg(list, long);
    }
    va_end(list);
    if (number == SYS_io_setup && atomic_load(&setup_fails)) {
        return give_error(atomic_load(&setup_fails));
    }
    if (number == SYS_io_submit) {
        (void) atomic_fetch_add(&submitted, 1);
        if (atomic_load(&submit_fails)) {
            return give_error(atomic_load(&submit_fails));
        }
        struct iocb *block = ((struct iocb **) args[2])[0];
        if (atomic_load(&transfer_fails) == SHORT && is_to_fail((uint64_t) block->aio_offset)) {
            block->aio_nbytes = block->aio_nbytes / 2 / PAGE * PAGE;
        }
    }
    *(void **) &real = dlsym(RTLD_NEXT, "syscall");
    long result = real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
    if (number == SYS_io_getevents && result == 1 && atomic_load(&transfer_fails) > 0) {
        struct io_event *event = (struct io_event *) args[3];
        event->res = is_to_fail(event->data >> 32) ? -atomic_load(&transfer_fails) : event->res;
    }
    return result;
}

static int fill(void **state)
{
    uint32_t number = 1;
    (void) state;

    for (size_t i = 0; i < LONGEST; i++) {
        number = number * 1664525 + 1013904223;
        data[i] = (uint8_t) (number >> 24);
    }
    return 0;
}

static int open_store(void **state)
{
    char uri[300];
    CorError err = {0};
    (void) state;

    atomic_store(&refuses_direct, false);
    atomic_store(&setup_fails, 0);
    atomic_store(&submit_fails, 0);
    atomic_store(&transfer_fails, 0);
    atomic_store(&begins_well, false);
    atomic_store(&asked_direct, 0);
    atomic_store(&submitted, 0);
    dir = temp_dir_make();
    (void) snprintf(uri, sizeof(uri), "file:%s", temp_path(&dir, "objects"));
    if (!cor_blob_open(uri, &store, &err)) {
        print_error("%s\n", err.text);
        return -1;
    }
    return 0;
}

static int close_store(void **state)
{
    (void) state;
    cor_blob_close(store);
    store = NULL;
    temp_dir_remove(&dir);
    return 0;
}

/* --- helpers --- */

static CorBlobTemp *begin(void)
{
    CorBlobTemp *temp = NULL;
    CorError err = {0};

    if (!cor_blob_temp_new(store, LONGEST, &temp, &err)) {
        fail_msg("%s", err.text);
    }
    cor_blob_temp_stage(temp);
    return temp;
}

/* The next bytes of data, in pieces; 0: in one. */
static void add(CorBlobTemp *temp, size_t size, size_t piece)
{
    CorError err = {0};

    while (size > 0) {
        size_t part = piece > 0 ? COR_MIN(size, piece) : size;
        if (!cor_blob_temp_write(temp, data + cor_blob_temp_size(temp), part, &err)) {
            fail_msg("%s", err.text);
        }
        size -= part;
    }
}

static void write_back(CorBlobTemp *temp)
{
    CorError err = {0};

    if (!cor_blob_temp_writeback(temp, &err)) {
        fail_msg("%s", err.text);
    }
}

/* Open it; what can be read is `size` bytes of data. */
static void shows(CorBlobTemp *temp, size_t size)
{
    int file = -1;
    struct stat info;
    CorError err = {0};

    if (!cor_blob_temp_open(temp, &file, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(fstat(file, &info), 0);
    assert_int_equal(info.st_size, size);
    assert_int_equal(lseek(file, 0, SEEK_CUR), 0);
    assert_int_equal(pread(file, got, sizeof(got), 0), size);
    assert_memory_equal(got, data, size);
    (void) close(file);
}

static bool is_stored(const char *key, size_t size)
{
    CorBytes *bytes = NULL;
    bool is_same = cor_blob_read(store, "pacs", key, LONGEST, &bytes, NULL) &&
                   cor_bytes_size(bytes) == size && memcmp(cor_bytes_data(bytes), data, size) == 0;

    cor_bytes_unref(bytes);
    return is_same;
}

/* Publish it, and free it: what is stored is `size` bytes of data. */
static void publishes(CorBlobTemp *temp, const char *key, size_t size)
{
    uint8_t digest[COR_SHA256_SIZE];
    uint8_t expected[COR_SHA256_SIZE];
    CorError err = {0};

    assert_int_equal(cor_blob_temp_size(temp), size);
    if (!cor_blob_temp_publish(temp, "pacs", key, COR_BLOB_REPLACE, &err)) {
        fail_msg("%s", err.text);
    }
    cor_blob_temp_sha256(temp, digest);
    cor_sha256(data, size, expected);
    assert_memory_equal(digest, expected, sizeof(digest));
    assert_true(is_stored(key, size));
    cor_blob_temp_free(temp);
}

static int temporary_files(void)
{
    DIR *folder = fdopendir(openat(store->temp_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int len = 0;

    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        len += entry->d_name[0] != '.';
    }
    (void) closedir(folder);
    return len;
}

/* How many stages can be taken. */
static size_t free_stages(void)
{
    CorBlobStage *taken[AT_ONCE];
    size_t len = 0;

    while (len < AT_ONCE && (taken[len] = cor_blob_priv_stage_take(store->stages)) != NULL) {
        len++;
    }
    for (size_t i = 0; i < len; i++) {
        cor_blob_priv_stage_give(store->stages, taken[i]);
    }
    return len;
}

/* --- the tests --- */

static void store_all_sizes(void)
{
    static const size_t sizes[] = {0,      1,       4095,   4096,    4097,       65535,
                                   65536,  65537,   262143, 262144,  262145,     524288,
                                   525518, MIB - 1, MIB,    MIB + 1, 3 * MIB + 5};
    static const size_t pieces[] = {1000, 16194, 0};

    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        for (size_t j = 0; j < 2 * COR_ARRAY_LEN(pieces); j++) {
            CorBlobTemp *temp = begin();
            add(temp, sizes[i], pieces[j / 2]);
            if (j % 2) {
                write_back(temp);
            }
            shows(temp, sizes[i]);
            publishes(temp, "study/object", sizes[i]);
        }
    }
    assert_int_equal(temporary_files(), 0);
}

static void what_is_read_and_stored_is_what_was_given(void **state)
{
    (void) state;

    store_all_sizes();
    assert_true(atomic_load(&asked_direct) > 0); /* the tests below are about something */
    if (!atomic_load(&submitted)) {
        print_message("this folder cannot be written past the page cache\n");
    }
}

static void a_file_system_without_direct_transfers_stores_the_same(void **state)
{
    (void) state;

    atomic_store(&refuses_direct, true);
    store_all_sizes();
    assert_true(atomic_load(&asked_direct) > 0);
    assert_int_equal(atomic_load(&submitted), 0);
}

static void a_kernel_that_takes_no_transfer_stores_the_same(void **state)
{
    static const int reasons[] = {EAGAIN, EINVAL, ENOSYS};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(reasons); i++) {
        atomic_store(&submit_fails, reasons[i]);
        store_all_sizes();
    }
}

static void a_kernel_without_asynchronous_transfers_stores_the_same(void **state)
{
    (void) state;

    atomic_store(&setup_fails, EAGAIN);
    store_all_sizes();
    assert_true(atomic_load(&asked_direct) > 0);
    assert_int_equal(atomic_load(&submitted), 0);
}

static void a_transfer_that_ends_half_way_is_completed(void **state)
{
    (void) state;

    atomic_store(&transfer_fails, SHORT);
    store_all_sizes();
    atomic_store(&begins_well, true);
    store_all_sizes();
}

/* One whose blocks are larger than a page. */
static void a_file_system_that_refuses_some_transfers_stores_the_same(void **state)
{
    (void) state;

    atomic_store(&transfer_fails, EINVAL);
    store_all_sizes();
    atomic_store(&begins_well, true);
    store_all_sizes();
}

static void fail_for_a_full_disk(void)
{
    size_t stages = free_stages();
    CorError err = {0};

    CorBlobTemp *temp = begin();
    add(temp, 525518, 16194);
    write_back(temp);
    if (!atomic_load(&submitted)) {
        cor_blob_temp_free(temp);
        skip(); /* this folder cannot be written past the page cache */
    }
    atomic_store(&transfer_fails, ENOSPC);
    assert_false(cor_blob_temp_publish(temp, "pacs", "study/object", COR_BLOB_REPLACE, &err));
    assert_int_equal(err.code, COR_ERR_UNAVAILABLE);
    atomic_store(&transfer_fails, 0);
    assert_false(cor_blob_temp_publish(temp, "pacs", "study/object", COR_BLOB_REPLACE, &err));
    assert_non_null(strstr(err.text, "earlier write"));
    cor_blob_temp_free(temp);
    assert_int_equal(temporary_files(), 0);
    assert_int_equal(free_stages(), stages);
    assert_false(is_stored("study/object", 525518));

    temp = begin();
    add(temp, 525518, 16194);
    publishes(temp, "study/object", 525518);
    assert_true(cor_blob_remove(store, "pacs", "study/object", NULL));
}

static void a_disk_that_is_full_fails_one_upload_and_no_later_one(void **state)
{
    (void) state;

    fail_for_a_full_disk();
    atomic_store(&begins_well, true);
    fail_for_a_full_disk();
}

static void an_upload_goes_on_after_it_was_read(void **state)
{
    static const size_t sizes[] = {1, 4096, 5000, 70000, 600000};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        for (size_t j = 0; j < COR_ARRAY_LEN(sizes); j++) {
            CorBlobTemp *temp = begin();
            shows(temp, 0);
            add(temp, sizes[i], 0);
            shows(temp, sizes[i]);
            add(temp, sizes[j], 16194);
            shows(temp, sizes[i] + sizes[j]);
            add(temp, 100000, 1000);
            publishes(temp, "study/object", sizes[i] + sizes[j] + 100000);
        }
    }
}

static void an_upload_goes_on_after_the_disk_began(void **state)
{
    static const size_t sizes[] = {1, 4096, 5000, 70000, 600000};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) {
        for (size_t j = 0; j < COR_ARRAY_LEN(sizes); j++) {
            CorBlobTemp *temp = begin();
            write_back(temp);
            add(temp, sizes[i], 0);
            write_back(temp);
            add(temp, sizes[j], 16194);
            write_back(temp);
            write_back(temp);
            shows(temp, sizes[i] + sizes[j]);
            add(temp, 100000, 1000);
            publishes(temp, "study/object", sizes[i] + sizes[j] + 100000);
        }
    }
}

static void more_uploads_than_stages_do_not_mix(void **state)
{
    CorBlobTemp *temps[AT_ONCE];
    size_t sizes[AT_ONCE];
    char key[32];
    (void) state;

    assert_true(free_stages() < AT_ONCE);
    for (size_t i = 0; i < AT_ONCE; i++) {
        temps[i] = begin();
        sizes[i] = 10 + i * i * 2500; /* the last ones outgrow theirs */
    }
    for (size_t written = 0; written < sizes[AT_ONCE - 1]; written += 50000) {
        for (size_t i = 0; i < AT_ONCE; i++) {
            size_t left = sizes[i] - COR_MIN(sizes[i], written);
            add(temps[i], COR_MIN(left, (size_t) 50000), 7000 + i);
        }
    }
    for (size_t i = 0; i < AT_ONCE; i += 2) {
        write_back(temps[i]);
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        shows(temps[i], sizes[i]);
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        (void) snprintf(key, sizeof(key), "study/%zu", i);
        publishes(temps[i], key, sizes[i]);
    }
    assert_int_equal(temporary_files(), 0);
}

static void what_is_given_up_leaves_nothing(void **state)
{
    size_t stages = free_stages();
    (void) state;

    assert_true(stages > 0);
    for (int i = 0; i < 100; i++) {
        CorBlobTemp *temp = begin();
        cor_blob_temp_free(temp); /* nothing written */

        temp = begin();
        add(temp, 100 + (size_t) i * 5000, 0);
        cor_blob_temp_free(temp); /* in memory */

        temp = begin();
        add(temp, 200000 + (size_t) i * 5000, 0);
        write_back(temp);
        cor_blob_temp_free(temp); /* on its way to the disk */

        temp = begin();
        add(temp, 300000, 0);
        shows(temp, 300000);
        cor_blob_temp_free(temp); /* read */

        temp = begin();
        add(temp, MIB + 1, 100000);
        cor_blob_temp_free(temp); /* in its file */

        assert_int_equal(temporary_files(), 0);
        assert_int_equal(free_stages(), stages);
    }
    CorBlobTemp *temp = begin();
    add(temp, 525518, 16194);
    publishes(temp, "study/object", 525518);
    assert_int_equal(free_stages(), stages);
}

static void who_reads_an_upload_cannot_write_it(void **state)
{
    static const size_t sizes[] = {MIB, 100, 70000};
    (void) state;

    for (size_t i = 0; i < COR_ARRAY_LEN(sizes); i++) { /* the first used the stage of the others */
        CorBlobTemp *temp = begin();
        struct stat info;
        int file = -1;

        add(temp, sizes[i], 0);
        assert_true(cor_blob_temp_open(temp, &file, NULL));
        assert_int_equal(fstat(file, &info), 0);
        assert_int_equal(info.st_size, sizes[i]);
        assert_int_equal(fcntl(file, F_GETFL) & O_ACCMODE, O_RDONLY);
        assert_int_equal(pwrite(file, "x", 1, 0), -1);
        assert_int_equal(ftruncate(file, 0), -1);
        (void) close(file);
        publishes(temp, "study/object", sizes[i]);
    }
}

static bool store_one(const char *key, size_t number)
{
    static const size_t sizes[] = {10, 5000, 70000, 300000, MIB, MIB + 70000};
    static const size_t pieces[] = {5000, 16194, 70000};
    COR_CLEANUP(cor_blob_temp_freep) CorBlobTemp *temp = NULL;
    size_t size = sizes[number % COR_ARRAY_LEN(sizes)] + number;
    size_t piece = pieces[number % COR_ARRAY_LEN(pieces)];
    int file = -1;

    if (!cor_blob_temp_new(store, LONGEST, &temp, NULL)) {
        return false;
    }
    cor_blob_temp_stage(temp);
    while (cor_blob_temp_size(temp) < size) {
        size_t at = cor_blob_temp_size(temp);
        if (!cor_blob_temp_write(temp, data + at, COR_MIN(piece, size - at), NULL)) {
            return false;
        }
    }
    if ((number % 2 && !cor_blob_temp_writeback(temp, NULL)) ||
        !cor_blob_temp_open(temp, &file, NULL)) {
        return false;
    }
    off_t end = lseek(file, 0, SEEK_END);
    (void) close(file);
    return end == (off_t) size &&
           cor_blob_temp_publish(temp, "pacs", key, COR_BLOB_MUST_BE_NEW, NULL) &&
           is_stored(key, size);
}

static void *store_many(void *arg)
{
    const size_t *thread = arg;
    uintptr_t stored = 0;
    char key[32];

    for (size_t i = 0; i < EACH; i++) {
        (void) snprintf(key, sizeof(key), "study/%zu-%zu", *thread, i);
        stored += store_one(key, *thread + i);
    }
    return (void *) stored;
}

static void many_threads_store_at_the_same_time(void **state)
{
    pthread_t threads[THREADS];
    size_t numbers[THREADS];
    (void) state;

    for (size_t i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, store_many, &numbers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *stored = NULL;
        assert_int_equal(pthread_join(threads[i], &stored), 0);
        assert_int_equal((uintptr_t) stored, EACH);
    }
    assert_int_equal(temporary_files(), 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_store, close_store)
    const struct CMUnitTest tests[] = {
        CASE(what_is_read_and_stored_is_what_was_given),
        CASE(a_file_system_without_direct_transfers_stores_the_same),
        CASE(a_kernel_that_takes_no_transfer_stores_the_same),
        CASE(a_kernel_without_asynchronous_transfers_stores_the_same),
        CASE(a_transfer_that_ends_half_way_is_completed),
        CASE(a_file_system_that_refuses_some_transfers_stores_the_same),
        CASE(a_disk_that_is_full_fails_one_upload_and_no_later_one),
        CASE(an_upload_goes_on_after_it_was_read),
        CASE(an_upload_goes_on_after_the_disk_began),
        CASE(more_uploads_than_stages_do_not_mix),
        CASE(what_is_given_up_leaves_nothing),
        CASE(who_reads_an_upload_cannot_write_it),
        CASE(many_threads_store_at_the_same_time),
    };

    return cmocka_run_group_tests_name("blob-stage", tests, fill, NULL);
}
