/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "blob/blob-durable.h"

static char folder[] = "/tmp/corsia-durable-XXXXXX";

static CorBlobFolderId id_of(const char *path)
{
    COR_CLEANUP(cor_fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return cor_blob_priv_folder_id(fd);
}

static void a_folder_is_remembered_by_what_it_is_and_not_by_its_name(void **state)
{
    CorBlobDurable *durable = cor_blob_priv_durable_new();
    char path[64];
    (void) state;

    assert_non_null(mkdtemp(folder));
    (void) snprintf(path, sizeof(path), "%s/series", folder);
    for (int i = 0; i < 200; i++) { /* so quick that inodes and ticks of the clock come again */
        assert_int_equal(mkdir(path, 0700), 0);
        CorBlobFolderId id = id_of(path);
        assert_false(cor_blob_priv_durable_has(durable, &id));
        cor_blob_priv_durable_add(durable, &id);
        assert_int_equal(cor_blob_priv_durable_has(durable, &id), id.born_ns || id.generation);
        assert_int_equal(rmdir(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
    cor_blob_priv_durable_free(durable);
}

static void a_folder_that_cannot_be_told_is_never_remembered(void **state)
{
    CorBlobDurable *durable = cor_blob_priv_durable_new();
    const CorBlobFolderId nameless = {.device = 1, .inode = 2};
    (void) state;

    cor_blob_priv_durable_add(durable, &nameless);
    assert_false(cor_blob_priv_durable_has(durable, &nameless));
    cor_blob_priv_durable_free(durable);
}

static void forgetting_is_all_that_a_full_table_does(void **state)
{
    CorBlobDurable *durable = cor_blob_priv_durable_new();
    (void) state;

    for (uint64_t i = 1; i <= 20000; i++) {
        const CorBlobFolderId id = {.device = 1, .inode = i, .born_ns = 1};
        cor_blob_priv_durable_add(durable, &id);
        assert_true(cor_blob_priv_durable_has(durable, &id));
    }
    for (uint64_t i = 1; i <= 20000; i++) {
        const CorBlobFolderId never = {.device = 2, .inode = i, .born_ns = 1};
        assert_false(cor_blob_priv_durable_has(durable, &never));
    }
    cor_blob_priv_durable_free(durable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_is_remembered_by_what_it_is_and_not_by_its_name),
        cmocka_unit_test(a_folder_that_cannot_be_told_is_never_remembered),
        cmocka_unit_test(forgetting_is_all_that_a_full_table_does),
    };

    return cmocka_run_group_tests_name("blob-durable", tests, NULL, NULL);
}
