/* SPDX-License-Identifier: Apache-2.0 */
/* Memory in which an upload lies until it is whole.
 *
 * What fits is digested from there, read there by whoever parses it, and goes to the disk in one
 * transfer.  There are few stages and they are used again and again; who finds none free, or
 * outgrows his, writes through the page cache.
 *
 * Ownership  cor_blob_priv_stages_new() gives a set to free when all its stages are back.
 * Threads    CorBlobStages: Thread-safe.  CorBlobStage: One thread at a time.
 * Units      Bytes.
 */
#pragma once

#include "base/error.h"
#include "blob/blob-direct.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_BLOB_STAGE_SIZE ((size_t) 1024 * 1024)

typedef struct CorBlobStages CorBlobStages;

typedef struct CorBlobStage {
    uint8_t *data; /* COR_BLOB_STAGE_SIZE bytes, until it is opened; at a page's start */
    int file;      /* the same memory */
    int reader;    /* the same, read-only */
    CorBlobDirect direct;
    struct CorBlobStage *next; /* while it is free */
} CorBlobStage;

/** NULL if there is no memory.  That of a stage comes when it is first needed. */
CorBlobStages *cor_blob_priv_stages_new(void);
void cor_blob_priv_stages_free(CorBlobStages *stages);

/** NULL if none is free, or can be made. */
CorBlobStage *cor_blob_priv_stage_take(CorBlobStages *stages);
void cor_blob_priv_stage_give(CorBlobStages *stages, CorBlobStage *stage);

/** True if nobody else has one. */
bool cor_blob_priv_stage_is_alone(const CorBlobStages *stages);

/**
 * Open what is in it: read-only, `size` bytes long; its offset is shared by all that are opened. It
 * shows these bytes until the stage is given back, and nothing is written to the stage any more.
 *
 * @param ret_file  receives a descriptor that the caller closes
 */
COR_MUSTCHECK bool cor_blob_priv_stage_open(const CorBlobStage *stage, size_t size, int *ret_file,
                                            CorError *err);
