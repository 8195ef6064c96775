/* SPDX-License-Identifier: Apache-2.0 */
/* The walls around a host (invariant 6): what it needs it has been given, the rest of the machine
 * is out of reach.
 *
 *   no_new_privs  no set-user-id program gives anything back
 *   rlimits       private memory, file size, descriptors, no core, no further process
 *   landlock      no path can be opened, no TCP port, no abstract socket, no signal to others
 *   seccomp       a list of system calls that computing on given descriptors needs; all others fail
 *
 * Order       Everything that needs files is loaded before: what is closed stays closed.
 * Ownership   Nothing is kept.
 * Threads     One thread at a time; the process has one.
 * Blocking    No.
 * Errors      UNSUPPORTED: the kernel lacks a layer and the mode is strict.
 * Units       Bytes.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CorHostSandboxOptions {
    bool is_strict;            /* a layer that is missing is an error */
    uint64_t memory_max_bytes; /* beyond what is in use now; 0: no limit */
    uint64_t nofile_max;       /* open descriptors; 0: no limit */
} CorHostSandboxOptions;

/**
 * Put up all layers that there are.
 *
 * @param ret_layers  receives the COR_HOST_LAYER bits that are in force
 */
COR_MUSTCHECK bool cor_host_priv_sandbox(const CorHostSandboxOptions *options, unsigned *ret_layers,
                                         CorError *err);
