/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed memory descriptors: files that nobody can change any more, with no name anywhere.
 *
 * A reader that maps memory which its sender may still shorten dies by SIGBUS, and one that hashes
 * it and then stores it may store something else.  So descriptors from a host are taken only when
 * they are sealed against writing, growing and shrinking (memfd_create(2)).
 *
 * Ownership  New descriptors are the caller's.
 * Threads    Thread-safe.
 * Blocking   No.
 * Errors     CORRUPT: a descriptor is not sealed.  UNAVAILABLE, NOMEM, LIMIT: no room for it.
 * Units      Bytes.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/**
 * Make a sealed copy of size bytes.
 *
 * @param name    as /proc shows it; no meaning
 * @param ret_fd  receives the descriptor, at offset 0
 */
COR_MUSTCHECK bool cor_host_priv_memfd_new(const char *name, const void *data, size_t size,
                                           int *ret_fd, CorError *err);

/** Make an empty memory file to write to with write(2) and pwrite(2), and then to seal. */
COR_MUSTCHECK bool cor_host_priv_memfd_begin(const char *name, int *ret_fd, CorError *err);

/** Append bytes to a memory file that is not yet sealed. */
COR_MUSTCHECK bool cor_host_priv_memfd_append(int fd, const void *data, size_t size, CorError *err);

/** Replace bytes of a memory file that is not yet sealed. */
COR_MUSTCHECK bool cor_host_priv_memfd_replace(int fd, uint64_t offset, const void *data,
                                               size_t size, CorError *err);

/** Seal a memory file; it is at offset 0 then. */
COR_MUSTCHECK bool cor_host_priv_memfd_seal(int fd, CorError *err);

/** Check that a descriptor is sealed memory and tell its size. */
COR_MUSTCHECK bool cor_host_priv_memfd_check(int fd, uint64_t *ret_size, CorError *err);
