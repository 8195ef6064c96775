/* SPDX-License-Identifier: Apache-2.0 */
/* Opening below a folder without ever leaving it: no symbolic link, no "..", no magic link.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include <stdbool.h>

/**
 * Open path below the folder root, never through a symbolic link.
 *
 * With openat2() where the kernel has it (Linux 5.6), else part by part.
 *
 * @param path   relative, as cor_key_check() allows
 * @param flags  of openat(), without O_CREAT; O_CLOEXEC is added
 * @return a descriptor, or -1 with errno: ENOENT, ENOTDIR, ELOOP for a link, EXDEV for an escape
 */
int cor_blob_priv_open_below(int root, const char *path, int flags);

/** The part by part way alone: what kernels without openat2() get. */
int cor_blob_priv_walk_below(int root, const char *path, int flags);
