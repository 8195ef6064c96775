/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, wake-ups, shutdown, failpoints and the data directory. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/time.h"
#include "program/datadir.h"
#include "program/failpoint.h"
#include "program/shutdown.h"
#include "program/thread.h"

static char folder[] = "/tmp/corsia-process-XXXXXX";

static int make_folder(void **state)
{
    (void) state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void) state;
    return rmdir(folder);
}

static void remove_data(const char *name)
{
    static const char *const files[] = {"/.lock", "/server.key", ""};
    char path[256];

    for (size_t i = 0; i < COR_ARRAY_LEN(files); i++) {
        (void) snprintf(path, sizeof(path), "%s/%s%s", folder, name, files[i]);
        assert_int_equal(remove(path), 0);
    }
}

static void signal_wakeup(void *context)
{
    char name[16] = "";

    (void) pthread_getname_np(pthread_self(), name, sizeof(name));
    if (strcmp(name, "a-name-that-is-") == 0) {
        cor_wakeup_signal(context);
    }
}

static void a_wakeup_reaches_whoever_waits_once(void **state)
{
    COR_CLEANUP(cor_wakeup_freep) CorWakeup *wakeup = NULL;
    CorThread *thread = NULL;
    CorError err = {0};
    (void) state;

    assert_true(cor_wakeup_new(&wakeup, &err));
    assert_false(cor_wakeup_clear(wakeup));
    assert_false(cor_wakeup_wait_until(wakeup, cor_time_ms()));
    assert_true(cor_thread_start("a-name-that-is-too-long", COR_THREAD_STACK_SMALL, signal_wakeup,
                                 wakeup, &thread, &err));
    assert_true(cor_wakeup_wait_until(wakeup, cor_time_ms() + 60000));
    cor_thread_join(thread);
    cor_wakeup_signal(wakeup);
    cor_wakeup_signal(wakeup);
    assert_true(cor_wakeup_clear(wakeup));
    assert_false(cor_wakeup_clear(wakeup));
}

static void a_condition_ends_at_its_deadline(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    CorError err = {0};
    (void) state;

    assert_true(cor_cond_init(&cond, &err));
    (void) pthread_mutex_lock(&mutex);
    int64_t deadline_ms = cor_time_ms() + 5;
    while (cor_cond_wait_until(&cond, &mutex, deadline_ms)) {
    }
    assert_true(cor_time_ms() >= deadline_ms);
    (void) pthread_mutex_unlock(&mutex);
    (void) pthread_cond_destroy(&cond);
}

/* In a child: what the first and the second signal do is seen in how it ends. */
static int end_of_child(int signals)
{
    int gate[2];
    int status = 0;

    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte = 0;
        if (!cor_shutdown_prepare(NULL) || write(gate[1], "r", 1) != 1 ||
            !cor_shutdown_wait(cor_time_ms() + 60000) || !cor_shutdown_is_asked()) {
            _exit(3);
        }
        (void) close(gate[1]);
        if (signals == 1) {
            _exit(0);
        }
        cor_shutdown_request();                      /* the second one, to ourselves */
        _exit(read(gate[0], &byte, 1) == 1 ? 4 : 5); /* not reached */
    }
    char ready = 0;
    (void) close(gate[1]);
    assert_int_equal(read(gate[0], &ready, 1), 1);
    assert_int_equal(kill(child, SIGTERM), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    (void) close(gate[0]);
    return status;
}

static void the_first_signal_asks_and_the_second_ends(void **state)
{
    (void) state;

    int status = end_of_child(1);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    status = end_of_child(2);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void a_failpoint_with_a_wrong_name_is_refused(void **state)
{
    CorError err = {0};
    (void) state;

    assert_true(cor_failpoint_arm(NULL, &err));
    assert_true(cor_failpoint_arm("", &err));
    assert_false(cor_failpoint_arm("after-lunch", &err));
    for (int i = 0; i < COR_FAILPOINT_COUNT_; i++) {
        bool armed = cor_failpoint_arm(cor_failpoint_name((CorFailpoint) i), &err);
        assert_int_equal(armed, cor_failpoint_is_built_in());
    }
    assert_true(cor_failpoint_arm(NULL, &err));
}

static void an_armed_failpoint_kills_at_its_turn(void **state)
{
    int status = 0;
    (void) state;

    if (!cor_failpoint_is_built_in()) {
        print_message("this build has no failpoints\n");
        skip();
    }
    pid_t child = fork();
    if (child == 0) {
        if (!cor_failpoint_arm("after-claim:2", NULL)) {
            _exit(1);
        }
        COR_FAILPOINT(AFTER_CLAIM);
        COR_FAILPOINT(AFTER_ACCEPT);
        (void) close(STDIN_FILENO);
        COR_FAILPOINT(AFTER_CLAIM);
        _exit(2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_data_directory_is_made_and_keeps_its_key(void **state)
{
    char path[256];
    uint8_t key[COR_DATADIR_KEY_SIZE];
    struct stat info;
    uint64_t free_bytes = 0;
    CorError err = {0};
    (void) state;

    (void) snprintf(path, sizeof(path), "%s/a/b/data/", folder);
    CorDatadir *datadir = NULL;
    assert_true(cor_datadir_open(path, &datadir, &err));
    assert_true(cor_datadir_free_bytes(datadir, &free_bytes, &err));
    assert_true(free_bytes > 0);
    memcpy(key, cor_datadir_key(datadir), sizeof(key));
    assert_int_equal(fstatat(cor_datadir_fd(datadir), "server.key", &info, 0), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(info.st_size, COR_DATADIR_KEY_SIZE);
    cor_datadir_close(datadir);

    assert_true(cor_datadir_open(path, &datadir, &err));
    assert_memory_equal(key, cor_datadir_key(datadir), sizeof(key));
    assert_true(cor_datadir_path(datadir)[strlen(cor_datadir_path(datadir)) - 1] != '/');
    cor_datadir_close(datadir);
    remove_data("a/b/data");
    (void) snprintf(path, sizeof(path), "%s/a/b", folder);
    assert_int_equal(rmdir(path), 0);
    (void) snprintf(path, sizeof(path), "%s/a", folder);
    assert_int_equal(rmdir(path), 0);
}

static void a_second_server_on_the_same_directory_is_refused(void **state)
{
    char path[256];
    COR_CLEANUP(cor_datadir_closep) CorDatadir *first = NULL;
    CorDatadir *second = NULL;
    CorError err = {0};
    (void) state;

    (void) snprintf(path, sizeof(path), "%s/one", folder);
    assert_true(cor_datadir_open(path, &first, &err));
    assert_false(cor_datadir_open(path, &second, &err));
    assert_int_equal(err.code, COR_ERR_CONFLICT);
    assert_non_null(strstr(err.text, "in use by another server"));
    assert_non_null(strstr(err.text, path));
    assert_null(second);
    remove_data("one");
}

static bool has_note(const CorDatadir *datadir)
{
    return faccessat(cor_datadir_fd(datadir), ".running", F_OK, 0) == 0;
}

static void write_note(const CorDatadir *datadir, const char *note)
{
    COR_CLEANUP(cor_fd_closep)
    int file =
        openat(cor_datadir_fd(datadir), ".running", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    assert_int_equal(write(file, note, strlen(note)), strlen(note));
}

static void read_note(const CorDatadir *datadir, char *note, size_t size)
{
    COR_CLEANUP(cor_fd_closep)
    int file = openat(cor_datadir_fd(datadir), ".running", O_RDONLY | O_CLOEXEC);
    ssize_t got = read(file, note, size - 1);
    assert_true(got >= 0);
    note[got] = '\0';
}

static bool was_left; /* what the server was told last */

/* Whether a server that begins on a folder is told that the last one was cut; its note is there
 * then.  Where `note` is not NULL the last one left that. */
static bool finds_a_cut(const char *name, const char *note, CorDatadir **ret_datadir)
{
    char path[256];
    CorError err = {0};

    (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_true(cor_datadir_open(path, ret_datadir, &err));
    if (note) {
        write_note(*ret_datadir, note);
    }
    bool was_cut = cor_datadir_was_cut(*ret_datadir);
    was_left = cor_datadir_was_left(*ret_datadir);
    assert_true(was_left == has_note(*ret_datadir) && (was_left || !was_cut));
    if (!cor_datadir_serve(*ret_datadir, &err)) {
        fail_msg("%s", err.text);
    }
    assert_false(cor_datadir_was_cut(*ret_datadir));
    assert_true(has_note(*ret_datadir));
    return was_cut;
}

static void a_server_that_ends_in_order_leaves_no_note(void **state)
{
    CorDatadir *datadir = NULL;
    (void) state;

    for (int i = 0; i < 2; i++) {
        assert_false(finds_a_cut("three", NULL, &datadir));
        assert_false(was_left);
        int dir_fd = fcntl(cor_datadir_fd(datadir), F_DUPFD_CLOEXEC, 0);
        cor_datadir_close(datadir);
        assert_int_equal(faccessat(dir_fd, ".running", F_OK, 0), -1);
        (void) close(dir_fd);
    }
    remove_data("three");
}

static void a_start_that_fails_leaves_the_note_for_the_next(void **state)
{
    char path[256];
    CorDatadir *datadir = NULL;
    (void) state;

    (void) snprintf(path, sizeof(path), "%s/four", folder);
    assert_true(cor_datadir_open(path, &datadir, NULL));
    write_note(datadir, "another boot\n");
    for (int i = 0; i < 2; i++) {
        assert_true(cor_datadir_was_cut(datadir));
        cor_datadir_close(datadir);
        assert_true(cor_datadir_open(path, &datadir, NULL));
    }
    cor_datadir_close(datadir);
    assert_true(finds_a_cut("four", NULL, &datadir));
    cor_datadir_close(datadir);
    remove_data("four");
}

static void a_server_that_was_killed_is_told_from_one_whose_machine_went_down(void **state)
{
    static const char *const cuts[] = {
        "", "\n", "x", "4ed7a3a5-0000-4000-8000-0123456789ab\n",
        "4ed7a3a5-0000-4000-8000-0123456789ab, and more than that\n"};
    CorDatadir *datadir = NULL;
    char note[64];
    char shorter[64];
    (void) state;

    assert_false(finds_a_cut("five", NULL, &datadir));
    read_note(datadir, note, sizeof(note));
    assert_true(strlen(note) >= 36); /* a UUID */
    cor_datadir_close(datadir);

    assert_false(finds_a_cut("five", note, &datadir)); /* killed */
    assert_true(was_left);
    cor_datadir_close(datadir);
    for (size_t i = 0; i < COR_ARRAY_LEN(cuts); i++) {
        char after[64];
        assert_true(finds_a_cut("five", cuts[i], &datadir));
        read_note(datadir, after, sizeof(after)); /* nothing of the old one */
        assert_string_equal(after, note);
        cor_datadir_close(datadir);
    }
    (void) snprintf(shorter, sizeof(shorter), "%.*s", (int) strlen(note) - 2, note);
    assert_true(finds_a_cut("five", shorter, &datadir));
    cor_datadir_close(datadir);
    remove_data("five");
}

static void a_server_that_is_killed_leaves_its_note(void **state)
{
    CorDatadir *datadir = NULL;
    int status = 0;
    char path[256];
    (void) state;

    (void) snprintf(path, sizeof(path), "%s/six", folder);
    pid_t child = fork();
    if (child == 0) {
        _exit(cor_datadir_open(path, &datadir, NULL) && !cor_datadir_was_cut(datadir) &&
                      cor_datadir_serve(datadir, NULL)
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(cor_datadir_open(path, &datadir, NULL));
    assert_true(has_note(datadir));
    cor_datadir_close(datadir);
    assert_false(finds_a_cut("six", NULL, &datadir));
    cor_datadir_close(datadir);
    remove_data("six");
}

static void a_damaged_or_open_key_is_refused(void **state)
{
    char path[256];
    char key_path[300];
    CorDatadir *datadir = NULL;
    CorError err = {0};
    (void) state;

    (void) snprintf(path, sizeof(path), "%s/two", folder);
    (void) snprintf(key_path, sizeof(key_path), "%s/server.key", path);
    assert_true(cor_datadir_open(path, &datadir, &err));
    cor_datadir_close(datadir);

    assert_int_equal(chmod(key_path, 0640), 0);
    assert_false(cor_datadir_open(path, &datadir, &err));
    assert_int_equal(err.code, COR_ERR_DENIED);
    assert_int_equal(chmod(key_path, 0600), 0);
    assert_int_equal(truncate(key_path, 31), 0);
    assert_false(cor_datadir_open(path, &datadir, &err));
    assert_int_equal(err.code, COR_ERR_CORRUPT);
    remove_data("two");
}

static void a_file_in_the_place_of_the_directory_is_refused(void **state)
{
    char path[256];
    CorDatadir *datadir = NULL;
    CorError err = {0};
    (void) state;

    (void) snprintf(path, sizeof(path), "%s/file", folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void) fclose(file);
    assert_false(cor_datadir_open(path, &datadir, &err));
    assert_non_null(strstr(err.text, path));
    (void) strncat(path, "/below", sizeof(path) - strlen(path) - 1);
    assert_false(cor_datadir_open(path, &datadir, &err));
    assert_false(cor_datadir_open("", &datadir, &err));
    (void) snprintf(path, sizeof(path), "%s/file", folder);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wakeup_reaches_whoever_waits_once),
        cmocka_unit_test(a_condition_ends_at_its_deadline),
        cmocka_unit_test(the_first_signal_asks_and_the_second_ends),
        cmocka_unit_test(a_failpoint_with_a_wrong_name_is_refused),
        cmocka_unit_test(an_armed_failpoint_kills_at_its_turn),
        cmocka_unit_test(a_data_directory_is_made_and_keeps_its_key),
        cmocka_unit_test(a_second_server_on_the_same_directory_is_refused),
        cmocka_unit_test(a_server_that_ends_in_order_leaves_no_note),
        cmocka_unit_test(a_start_that_fails_leaves_the_note_for_the_next),
        cmocka_unit_test(a_server_that_was_killed_is_told_from_one_whose_machine_went_down),
        cmocka_unit_test(a_server_that_is_killed_leaves_its_note),
        cmocka_unit_test(a_damaged_or_open_key_is_refused),
        cmocka_unit_test(a_file_in_the_place_of_the_directory_is_refused),
    };

    return cmocka_run_group_tests_name("program-process", tests, make_folder, remove_folder);
}
