/* SPDX-License-Identifier: Apache-2.0 */
/* Writing memory to a new file past the page cache.
 *
 * Threads   Thread-safe.
 * Blocking  As long as the disk does.
 * Units     Bytes.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define COR_BLOB_PAGE ((size_t) 4096) /* what direct transfers are aligned to */

/** True for a memory file that can neither shrink nor be written any more. */
bool cor_blob_priv_is_sealed(int file);

/**
 * Fill an empty file with size bytes by direct transfers.
 *
 * @param data      at a page's start; the bytes up to the end of its last page can be read
 * @param ret_done  false if the file system does not do this: nothing was written then
 */
COR_MUSTCHECK bool cor_blob_priv_write_direct(int file, const void *data, size_t size,
                                              bool *ret_done, CorError *err);
