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
    int file; /* borrowed */
    const uint8_t *data;
    size_t size;   /* of the file, when all is given */
    size_t given;  /* of whole pages: what the kernel has got, or might have */
    size_t intact; /* of these: what is not known to have failed */
    int pieces;    /* that the kernel has */
    int why;       /* errno value of what went wrong; 0 */
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
 * Let the disk begin with the first bytes of an empty file, once.  What goes wrong is told in the
 * end.
 *
 * @param data  at a page's start
 * @param size  whole pages; more may be written behind them
 */
void cor_blob_priv_direct_ahead(CorBlobDirect *direct, int file, const void *data, size_t size);

/** Let the disk go on with the rest of the file, or begin with all of it: nothing comes behind. */
void cor_blob_priv_direct_begin(CorBlobDirect *direct, int file, const void *data, size_t size);

/**
 * Wait until what was given is in the file.
 *
 * @param ret_written  receives how many bytes that is, from the start.  0 if nothing was begun, or
 *                     if the file system does not do this: the file is empty then
 */
COR_MUSTCHECK bool cor_blob_priv_direct_end(CorBlobDirect *direct, size_t *ret_written,
                                            CorError *err);
