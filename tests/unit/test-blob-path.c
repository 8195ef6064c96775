/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "blob/blob-path.h"

/* Both ways must agree on everything. */
typedef int OpenBelow(int root, const char *path, int flags);
static OpenBelow *const ways[] = {cor_blob_priv_open_below, cor_blob_priv_walk_below};

/* <dir>/base/a/b is a file; <dir>/secret lies outside; links of every kind lie inside. */
static int make_tree(void **state)
{
    char dir[] = "/tmp/corsia-path-XXXXXX";
    static char copy[sizeof(dir)];

    if (!mkdtemp(dir) || chdir(dir) != 0) {
        return -1;
    }
    memcpy(copy, dir, sizeof(dir));
    *state = copy;
    int file = open("secret", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || close(file) != 0 || mkdir("base", 0700) != 0 || mkdir("base/a", 0700) != 0) {
        return -1;
    }
    file = open("base/a/b", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || close(file) != 0) {
        return -1;
    }
    return symlink("../secret", "base/out") || symlink("a/b", "base/in") ||
           symlink("a", "base/folder") || symlink("..", "base/up") ||
           symlink("/proc/self/cwd", "base/magic");
}

static int remove_tree(void **state)
{
    static const char *const names[] = {"base/out",   "base/in", "base/folder", "base/up",
                                        "base/magic", "secret",  "base/a/b"};

    for (size_t i = 0; i < COR_ARRAY_LEN(names); i++) {
        (void) unlink(names[i]);
    }
    (void) rmdir("base/a");
    (void) rmdir("base");
    return chdir("/") || rmdir(*state);
}

static void a_plain_path_is_opened(void **state)
{
    (void) state;
    COR_CLEANUP(cor_fd_closep) int root = open("base", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; i < COR_ARRAY_LEN(ways); i++) {
        COR_CLEANUP(cor_fd_closep) int file = ways[i](root, "a/b", O_RDONLY);
        COR_CLEANUP(cor_fd_closep) int folder = ways[i](root, "a", O_RDONLY | O_DIRECTORY);
        assert_true(file >= 0 && folder >= 0);
        assert_int_equal(fcntl(file, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
}

static void no_link_and_no_dots_lead_anywhere(void **state)
{
    static const char *const paths[] = {"out",         "in",
                                        "folder/b",    "up/secret",
                                        "../secret",   "a/../../secret",
                                        "magic",       "magic/secret",
                                        "up/base/a/b", "/etc/passwd",
                                        "a/b/c",       "absent",
                                        "a/absent",    ".."};
    (void) state;
    COR_CLEANUP(cor_fd_closep) int root = open("base", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; i < COR_ARRAY_LEN(paths); i++) {
        for (size_t k = 0; k < COR_ARRAY_LEN(ways); k++) {
            assert_int_equal(ways[k](root, paths[i], O_RDONLY), -1);
            assert_true(errno == ENOENT || errno == ELOOP || errno == ENOTDIR || errno == EXDEV);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_path_is_opened),
        cmocka_unit_test(no_link_and_no_dots_lead_anywhere),
    };

    return cmocka_run_group_tests_name("blob-path", tests, make_tree, remove_tree);
}
