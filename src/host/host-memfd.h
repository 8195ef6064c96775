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

/** Check that a descriptor is sealed memory and tell its size. */
COR_MUSTCHECK bool cor_host_priv_memfd_check(int fd, uint64_t *ret_size, CorError *err);
