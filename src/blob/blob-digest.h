/* SPDX-License-Identifier: Apache-2.0 */
/* The SHA-256 of a file that is being written.
 *
 * Digesting takes longer than receiving and writing together.  So while one file alone is being
 * written, a thread reads what is in the file already and digests it beside the writer.  With
 * several the processors have enough to do, and each writer digests what it has in its hands.
 *
 * Ownership  cor_blob_priv_digester_new() gives an object to free, when all digests are done.
 * Threads    CorBlobDigester: Thread-safe.  CorBlobDigest: One thread at a time.
 * Blocking   Finishing waits for the thread; the others do not.
 */
#pragma once

#include "base/error.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CorBlobDigester CorBlobDigester;

typedef struct CorBlobDigest {
    CorBlobDigester *digester;
    CorSha256 *sha;        /* NULL once it is finished */
    int file;              /* borrowed; readable */
    const uint8_t *memory; /* borrowed: has the bytes instead of the file; NULL: the file has */
    bool is_counted;
    bool is_away;   /* guarded by the digester's mutex: the thread has sha */
    bool is_broken; /* guarded likewise: the file could not be read */
    uint64_t done;  /* guarded likewise: bytes that are in */
    uint64_t upto;  /* guarded likewise: how far the thread shall go */
    uint8_t result[COR_SHA256_SIZE];
} CorBlobDigest;

/** NULL if there is no memory.  Its thread starts when it is first needed. */
CorBlobDigester *cor_blob_priv_digester_new(void);
void cor_blob_priv_digester_free(CorBlobDigester *digester);

COR_MUSTCHECK bool cor_blob_priv_digest_init(CorBlobDigest *digest, CorBlobDigester *digester,
                                             int file, CorError *err);

/** Take in bytes that have just been written to the file, or put into memory, behind those before.
 */
void cor_blob_priv_digest_written(CorBlobDigest *digest, const void *data, size_t size);

/** Wait until the thread needs neither file nor memory, which may then change places. */
void cor_blob_priv_digest_rest(CorBlobDigest *digest);

/** Take in the last bytes, which need not be in the file; then no more.  May be called again, with
 * no bytes.  False if the file could not be read. */
COR_MUSTCHECK bool cor_blob_priv_digest_finish(CorBlobDigest *digest, const void *data, size_t size,
                                               uint8_t ret_sha256[COR_SHA256_SIZE]);

/** Give it up, or free what is finished.  All zeros is ignored. */
void cor_blob_priv_digest_done(CorBlobDigest *digest);
