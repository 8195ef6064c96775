/* SPDX-License-Identifier: Apache-2.0 */
/* One host process as its parent sees it: start, watch, end.
 *
 * A process is known by its pidfd, never by its number alone, so that nothing but what we started
 * can be killed; and it is reaped by its own number, so that other children of the program stay
 * theirs.
 *
 * Ownership  cor_host_priv_process_start() gives a process to end and then to close.
 * Threads    One thread at a time, except cor_host_priv_process_kill() and _memory(), which any
 *            thread may call until _close().
 * Blocking   _start() for about a millisecond, _end() for at most grace_ms and two seconds.
 * Errors     UNAVAILABLE: the system cannot start another process now.
 * Units      Milliseconds, bytes.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct CorHostProcess {
    pid_t pid;
    int pid_fd;    /* readable when the process has ended */
    int socket;    /* our end of its descriptor 3 */
    int status_fd; /* /proc/<pid>/status, -1 if there is none */
    bool is_reaped;
} CorHostProcess;

/* How a process ended. */
typedef struct CorHostDeath {
    char how[64]; /* "killed by signal 11", "exit status 1" */
    bool was_killed_by_us;
    bool was_orderly; /* exit status 0 */
} CorHostDeath;

/**
 * Start `<executable> host` with a socket pair on descriptor 3, /dev/null on 0 to 2 and nothing
 * else, in an environment of its own and a process group of its own (a Ctrl-C in the server's
 * terminal is the server's to handle).
 *
 * The process dies with the *thread* that calls this (PR_SET_PDEATHSIG in the child): call it from
 * one that lives as long as the process.
 */
COR_MUSTCHECK bool cor_host_priv_process_start(const char *executable, CorHostProcess *ret_process,
                                               CorError *err);

/** Kill at once; does not wait.  Nothing happens to a process that has ended. */
void cor_host_priv_process_kill(const CorHostProcess *process);

/** Wait grace_ms for the process to end by itself, then kill it; reap it.  Afterwards is_reaped. */
void cor_host_priv_process_end(CorHostProcess *process, int64_t grace_ms, CorHostDeath *ret_death);

/** Memory in use now, private and shared but for mapped files; 0 if unknown. */
uint64_t cor_host_priv_process_memory(const CorHostProcess *process);

/** Close the descriptors of a reaped process. */
void cor_host_priv_process_close(CorHostProcess *process);
