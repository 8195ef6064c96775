/* SPDX-License-Identifier: Apache-2.0 */
/* posix_spawn() shares our memory with the child until it execs (vfork), so that starting costs the
 * same whatever the server holds, and no lock of another thread is ever seen half taken (a bare
 * fork has both faults).
 */
#include "host/host-process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/time.h"
#include "host/host-protocol.h"

enum {
    SEND_BUFFER_BYTES =
        32 * 1024,  /* of a host's answers: bounds the outputs that wait to be read */
    FIRST_FD = 10,  /* sockets stay clear of 0 to 3, which the child's will become */
    REAP_MS = 2000, /* how long a killed process may take to end */
};

/* Variables that a host needs from us; everything else stays with the server. */
static const char *const passed_names[] = {
    "CORSIA_SIMD",
#ifdef COR_FAILPOINTS
    "COR_BREAK_RENDITION", /* host-renditions.c */
#endif
#ifdef COR_SANITIZED
    "ASAN_OPTIONS",        "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS",
#endif
};

#define ENVIRONMENT_MAX (COR_ARRAY_LEN(passed_names) + 3)

/* Fill in the child's environment; passed variables are copied into text. */
static void make_environment(char *environment[ENVIRONMENT_MAX], char *text, size_t size)
{
    static char path[] = "PATH=/usr/bin:/bin";
    static char locale[] = "LC_ALL=C.UTF-8";
    size_t len = 0;
    size_t used = 0;

    environment[len++] = path;
    environment[len++] = locale;
    for (size_t i = 0; i < COR_ARRAY_LEN(passed_names); i++) {
        const char *value = getenv(passed_names[i]);
        if (!value) {
            continue;
        }
        int need = snprintf(text + used, size - used, "%s=%s", passed_names[i], value);
        if (need > 0 && (size_t) need < size - used) {
            environment[len++] = text + used;
            used += (size_t) need + 1;
        }
    }
    environment[len] = NULL;
}

/* Ask the C library to give the child its descriptors and close all others. */
static int prepare_files(posix_spawn_file_actions_t *files, int child_socket)
{
    int code = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDWR | O_CLOEXEC, 0);

    code = code ? code : posix_spawn_file_actions_adddup2(files, 0, 0); /* clears close-on-exec */
    code = code ? code : posix_spawn_file_actions_adddup2(files, 0, 1);
#ifndef COR_SANITIZED /* there reports must be seen, and no patient is */
    code = code ? code : posix_spawn_file_actions_adddup2(files, 0, 2);
#endif
    code = code ? code : posix_spawn_file_actions_adddup2(files, child_socket, COR_HOST_FD);
    return code ? code : posix_spawn_file_actions_addclosefrom_np(files, COR_HOST_FD + 1);
}

/* Default handlers, nothing blocked, a group of its own. */
static int prepare_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all;
    sigset_t none;

    (void) sigfillset(&all);
    (void) sigemptyset(&none);
    int code = posix_spawnattr_setsigdefault(attributes, &all);
    code = code ? code : posix_spawnattr_setsigmask(attributes, &none);
    code = code ? code : posix_spawnattr_setpgroup(attributes, 0);
    return code ? code
                : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF |
                                                           POSIX_SPAWN_SETSIGMASK |
                                                           POSIX_SPAWN_SETPGROUP);
}

static int spawn(const char *executable, int child_socket, pid_t *ret_pid)
{
    static char name[] = "corsia";
    static char verb[] = "host";
    char *arguments[] = {name, verb, NULL};
    char *environment[ENVIRONMENT_MAX];
    char text[4096];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;

    make_environment(environment, text, sizeof(text));
    int code = posix_spawn_file_actions_init(&files);
    if (code) {
        return code;
    }
    code = posix_spawnattr_init(&attributes);
    if (code) {
        (void) posix_spawn_file_actions_destroy(&files);
        return code;
    }
    code = prepare_files(&files, child_socket);
    code = code ? code : prepare_attributes(&attributes);
    code =
        code ? code : posix_spawn(ret_pid, executable, &files, &attributes, arguments, environment);
    (void) posix_spawnattr_destroy(&attributes);
    (void) posix_spawn_file_actions_destroy(&files);
    return code;
}

/* A socket pair whose ends are FIRST_FD or above and close on exec. */
static bool make_sockets(int *ret_ours, int *ret_child, CorError *err)
{
    int pair[2];
    int high[2] = {-1, -1};
    int size = SEND_BUFFER_BYTES;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return cor_fail_errno(err, errno, "make socket pair for a host");
    }
    for (size_t i = 0; i < 2; i++) {
        high[i] = fcntl(pair[i], F_DUPFD_CLOEXEC, FIRST_FD);
    }
    int why = errno;
    (void) close(pair[0]);
    (void) close(pair[1]);
    if (high[0] < 0 || high[1] < 0) {
        cor_fd_closep(&high[0]);
        cor_fd_closep(&high[1]);
        return cor_fail_errno(err, why, "make socket pair for a host");
    }
    (void) setsockopt(high[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* default works too */
    *ret_ours = high[0];
    *ret_child = high[1];
    return true;
}

bool cor_host_priv_process_start(const char *executable, CorHostProcess *ret_process, CorError *err)
{
    COR_CLEANUP(cor_fd_closep) int ours = -1;
    COR_CLEANUP(cor_fd_closep) int child = -1;
    CorHostProcess process = {.pid_fd = -1, .status_fd = -1};
    char path[64];

    if (!make_sockets(&ours, &child, err)) {
        return false;
    }
    int code = spawn(executable, child, &process.pid);
    if (code) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "start host '%s': %s", executable,
                        strerrordesc_np(code));
    }

    process.pid_fd = pidfd_open(process.pid, 0);
    if (process.pid_fd < 0) {
        /* Not reaped yet, so the number is still its own. */
        int why = errno;
        (void) kill(process.pid, SIGKILL);
        (void) waitpid(process.pid, NULL, 0);
        return cor_fail_errno(err, why, "watch host");
    }
    (void) snprintf(path, sizeof(path), "/proc/%ld/status", (long) process.pid);
    process.status_fd = open(path, O_RDONLY | O_CLOEXEC);
    process.socket = COR_TAKE_FD(ours);
    *ret_process = process;
    return true;
}

void cor_host_priv_process_kill(const CorHostProcess *process)
{
    if (!process->is_reaped) {
        (void) pidfd_send_signal(process->pid_fd, SIGKILL, NULL, 0); /* ESRCH: it has ended */
    }
}

/* True if the process ended within wait_ms. */
static bool wait_end(const CorHostProcess *process, int64_t wait_ms)
{
    int64_t deadline_ms = cor_time_ms() + wait_ms;
    struct pollfd fd = {.fd = process->pid_fd, .events = POLLIN};

    for (;;) {
        int64_t left_ms = deadline_ms - cor_time_ms();
        int ready = poll(&fd, 1, (int) COR_MAX(left_ms, 0));
        if (ready != 0 && !(ready < 0 && errno == EINTR)) {
            return ready > 0;
        }
        if (ready == 0) {
            return false;
        }
    }
}

void cor_host_priv_process_end(CorHostProcess *process, int64_t grace_ms, CorHostDeath *ret_death)
{
    int status = 0;
    pid_t got = 0;
    CorHostDeath death = {.how = "ended"};

    if (!wait_end(process, grace_ms)) {
        death.was_killed_by_us = true;
        cor_host_priv_process_kill(process);
        (void) wait_end(process, REAP_MS); /* beyond this it hangs in the kernel */
    }
    do {
        got = waitpid(process->pid, &status, WNOHANG);
    } while (got < 0 && errno == EINTR);
    process->is_reaped = true;
    if (got == process->pid && WIFSIGNALED(status)) {
        (void) snprintf(death.how, sizeof(death.how), "killed by signal %d", WTERMSIG(status));
    } else if (got == process->pid && WIFEXITED(status)) {
        (void) snprintf(death.how, sizeof(death.how), "exit status %d", WEXITSTATUS(status));
        death.was_orderly = WEXITSTATUS(status) == 0;
    }
    *ret_death = death;
}

/* The number of kB on a line of proc(5)'s status. */
static uint64_t status_bytes(const char *text, const char *name)
{
    unsigned long long kilobytes = 0;
    const char *line = strstr(text, name);

    return line && sscanf(line + strlen(name), "%llu kB", &kilobytes) == 1 ? kilobytes * 1024 : 0;
}

uint64_t cor_host_priv_process_memory(const CorHostProcess *process)
{
    char text[4096];
    ssize_t size =
        process->status_fd < 0 ? -1 : pread(process->status_fd, text, sizeof(text) - 1, 0);

    if (size <= 0) {
        return 0;
    }
    text[size] = '\0';
    /* Not the resident files: a mapped 4 GiB study costs nothing that cannot be dropped. */
    return status_bytes(text, "\nRssAnon:") + status_bytes(text, "\nRssShmem:");
}

void cor_host_priv_process_close(CorHostProcess *process)
{
    cor_fd_closep(&process->socket);
    cor_fd_closep(&process->pid_fd);
    cor_fd_closep(&process->status_fd);
}
