/* SPDX-License-Identifier: Apache-2.0 */
/* Writing memory to a new file past the page cache.
 *
 * The caller can go on while the disk works: begin, do something else, end.  That costs more than
 * to write and wait.
 *
 * Threads   CorBlobDirect: One thread at a time; the memory is not written to in between.
 * Blocking  Beginning may, ending does for as long as the disk needs.
 * Units     Bytes.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/aio_abi.h>

#define COR_BLOB_PAGE ((size_t) 4096) /* what direct transfers are aligned to */

/* All zeros is one that does all in the end. */
typedef struct CorBlobDirect {
    aio_context_t context; /* 0: none */
    bool is_begun;
    bool is_running; /* the kernel has it */
    int file;        /* borrowed */
    const uint8_t *data;
    size_t head;    /* bytes in whole pages */
    size_t written; /* of the head */
    int why;        /* errno value of what went wrong; 0 */
} CorBlobDirect;

/** Prepare for many files, one after the other.  Without memory for it each one waits. */
void cor_blob_priv_direct_init(CorBlobDirect *direct);
void cor_blob_priv_direct_done(CorBlobDirect *direct);

/** True for a memory file that can neither shrink nor be written any more. */
bool cor_blob_priv_is_sealed(int file);

/**
 * Fill an empty file, and wait for it.
 *
 * @param data      at a page's start
 * @param ret_done  false if the file system does not do this: the file is empty then
 */
COR_MUSTCHECK bool cor_blob_priv_direct_write(int file, const void *data, size_t size,
                                              bool *ret_done, CorError *err);

/**
 * Begin to fill an empty file.  What goes wrong is told in the end.
 *
 * @param data  at a page's start
 */
void cor_blob_priv_direct_begin(CorBlobDirect *direct, int file, const void *data, size_t size);

/**
 * Wait until all is in the file.
 *
 * @param ret_done  false if the file system does not do this, or nothing was begun: the file is
 * empty then
 */
COR_MUSTCHECK bool cor_blob_priv_direct_end(CorBlobDirect *direct, bool *ret_done, CorError *err);
