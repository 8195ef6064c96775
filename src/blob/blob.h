/* SPDX-License-Identifier: Apache-2.0 */
/* Objects under keys: DICOM files, derived results, long lists of messages.
 *
 * A store has four buckets.  A key is what cor_key_check() (base/id.h) accepts, and no key is a
 * folder of another: with "a/b" stored, "a" and "a/b/c" are a CONFLICT.  An object is only ever
 * replaced as a whole: readers see the old or the new bytes, never a mix, and a descriptor that was
 * opened keeps showing the bytes it was opened on.
 *
 * Durability  A put, publish or remove returns true only when its effect survives a crash of this
 *             host (invariants 1 and 2).  After a failure nothing half-stored remains under the
 *             key.  A crash in the middle of a put may leave the new object, durable or not:
 *             cor_blob_settle().
 * Ownership   cor_blob_open() gives a store to close, cor_blob_temp_new() a temporary file to free,
 *             CorObject a descriptor to close, cor_blob_list() keys to free.
 * Threads     CorBlobStore: Thread-safe.  CorBlobTemp: One thread at a time.
 * Blocking    Everything may block for as long as the disk does.  Not for the WebSocket thread.
 * Errors      INVALID bucket or key; NOT_FOUND; CONFLICT; LIMIT for a size cap; UNAVAILABLE
 *             when the disk is full, read-only or out of descriptors: try again later; IO when it
 *             is broken.
 * Units       Bytes; times are wall-clock ms.
 *
 * To add a store, see blob-backend.h.
 */
#pragma once

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/string.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_BUCKET_PACS "pacs"     /* what came in */
#define COR_BUCKET_OUTPUT "output" /* what algorithms derived */
#define COR_BUCKET_JOBS "jobs"     /* what lives as long as a job: lists, pictures, figures */
#define COR_BUCKET_QUARANTINE "quarantine" /* what must not be shown */

#define COR_BLOB_LIST_MAX ((size_t) 10000) /* keys in one page */
#define COR_BLOB_ETAG_SIZE 64

typedef struct CorBlobStore CorBlobStore;
typedef struct CorBlobTemp CorBlobTemp;

/* An object as it was when it was opened.  With cor_blob_open_object() the caller closes file. */
typedef struct CorObject {
    int file;                      /* read-only, at offset 0; -1 after cor_blob_head() */
    uint64_t size;                 /* bytes */
    int64_t modified_unix_ms;      /* when it was put */
    char etag[COR_BLOB_ETAG_SIZE]; /* strong validator without quotes: changes with every put */
} CorObject;

/* Closes the descriptor of a CorObject: COR_CLEANUP(cor_object_done) CorObject object = {.file =
 * -1}; */
static inline void cor_object_done(CorObject *object)
{
    cor_fd_closep(&object->file);
}

/* One page of keys in byte order. */
typedef struct CorKeys {
    char **keys;
    size_t len;
    bool has_more; /* there is a further key after the last one */
} CorKeys;

typedef enum CorBlobMode {
    COR_BLOB_REPLACE = 0, /* an existing object is replaced */
    COR_BLOB_MUST_BE_NEW, /* an existing object is a CONFLICT */
} CorBlobMode;

/** True for the name of one of the four buckets. */
bool cor_bucket_is_known(const char *bucket);

/**
 * Open the store named by a URI, creating its folders if there are none, and delete what crashed
 * processes left behind.  Other processes may use the same store.
 *
 * @param uri        "file:data/objects" or "file:/var/lib/corsia/objects"
 * @param ret_store  receives the store; the caller closes it with cor_blob_close()
 * @param err        INVALID if no backend knows the scheme
 */
COR_MUSTCHECK bool cor_blob_open(const char *uri, CorBlobStore **ret_store, CorError *err);

/** Close a store.  No other call is running and all temporary files are freed.  NULL is ignored. */
void cor_blob_close(CorBlobStore *store);
COR_DEFINE_CLEANUP(CorBlobStore, cor_blob_close)

/** What a put has stored.  Another put under the same key has another time, but for the rounding.
 */
typedef struct CorBlobPut {
    uint8_t sha256[COR_SHA256_SIZE]; /* computed on the way */
    int64_t modified_unix_ms;        /* as cor_blob_head() tells it */
} CorBlobPut;

/**
 * Store the whole of a file or memory descriptor, replacing an object of that key.
 *
 * @param file     readable; its offset is neither used nor moved.  Its size is asked once
 * @param ret_put  receives what was stored; may be NULL
 * @param err      CORRUPT if the file shrinks meanwhile
 */
COR_MUSTCHECK bool cor_blob_put_file(CorBlobStore *store, const char *bucket, const char *key,
                                     int file, CorBlobPut *ret_put, CorError *err);

/** As cor_blob_put_file(), from memory: for small things such as the lists in bucket "jobs". */
COR_MUSTCHECK bool cor_blob_put_bytes(CorBlobStore *store, const char *bucket, const char *key,
                                      const void *data, size_t size, CorError *err);

/**
 * Open an object for reading.
 *
 * @param ret_object  receives a descriptor that the caller closes, with size, time and ETag; it
 * keeps showing these bytes even if the object is replaced or removed
 * @param err         NOT_FOUND if there is no such object; *ret_object is then untouched
 */
COR_MUSTCHECK bool cor_blob_open_object(CorBlobStore *store, const char *bucket, const char *key,
                                        CorObject *ret_object, CorError *err);

/** As cor_blob_open_object(), without opening: file is -1 and there is nothing to close. */
COR_MUSTCHECK bool cor_blob_head(CorBlobStore *store, const char *bucket, const char *key,
                                 CorObject *ret_object, CorError *err);

/**
 * Read a small object whole.
 *
 * @param max_bytes  LIMIT if the object is larger
 * @param ret_bytes  receives its content; cor_bytes_unref() it
 */
COR_MUSTCHECK bool cor_blob_read(CorBlobStore *store, const char *bucket, const char *key,
                                 size_t max_bytes, CorBytes **ret_bytes, CorError *err);

/**
 * Make durable what a former process may have left under a key without finishing it, and tell
 * whether it is whole.  For whoever finds an object that nobody has vouched for.
 *
 * @param sha256  digest of what is there, as the caller read it
 * @param err     CORRUPT if a power cut left it half stored; NOT_FOUND
 */
COR_MUSTCHECK bool cor_blob_settle(CorBlobStore *store, const char *bucket, const char *key,
                                   const uint8_t sha256[COR_SHA256_SIZE], CorError *err);

/** Remove an object.  Removing what is not there succeeds. */
COR_MUSTCHECK bool cor_blob_remove(CorBlobStore *store, const char *bucket, const char *key,
                                   CorError *err);

typedef struct CorBlobListOptions {
    const char *prefix; /* keys that begin with these bytes; NULL or "" for all */
    const char *after;  /* keys greater than this one, in byte order; NULL or "" from the start */
    size_t max;         /* 1 to COR_BLOB_LIST_MAX keys */
} CorBlobListOptions;

/**
 * List one page of keys in byte order of the whole key.  Go on with `after` = the last key while
 * has_more.  Objects that come or go meanwhile may or may not show; all others show exactly once.
 * Memory and time go with the page and the folders that it touches, not with the bucket.
 *
 * @param ret_keys  receives the page; free it with cor_keys_free()
 */
COR_MUSTCHECK bool cor_blob_list(CorBlobStore *store, const char *bucket,
                                 const CorBlobListOptions *options, CorKeys **ret_keys,
                                 CorError *err);

/** Gets a key that lives for the call; false with err set ends the walk. */
typedef bool CorBlobVisit(void *context, const char *key, CorError *err);

/** True if the store can tell what was stored lately. */
bool cor_blob_can_list_changed(const CorBlobStore *store);

/**
 * Visit, in no order, every key that was put since a moment, and others that lie beside them: much
 * cheaper than the list of all.  What was durable when the machine went down is there.
 *
 * @param since_unix_ms  on the clock of the machine that stores
 * @param err            UNSUPPORTED unless cor_blob_can_list_changed()
 */
COR_MUSTCHECK bool cor_blob_list_changed(CorBlobStore *store, const char *bucket,
                                         int64_t since_unix_ms, CorBlobVisit *visit, void *context,
                                         CorError *err);

/** Free a page of keys.  NULL is ignored. */
void cor_keys_free(CorKeys *keys);
COR_DEFINE_CLEANUP(CorKeys, cor_keys_free)

/** Tell how many bytes can still be stored; UINT64_MAX where the store knows no bound. */
COR_MUSTCHECK bool cor_blob_space(CorBlobStore *store, uint64_t *ret_free_bytes, CorError *err);

/** True if the store signs URLs itself; otherwise the gateway does. */
bool cor_blob_can_presign(const CorBlobStore *store);

/** Make a URL that allows GET until expires_unix_ms.  UNSUPPORTED unless cor_blob_can_presign(). */
COR_MUSTCHECK bool cor_blob_presign(CorBlobStore *store, const char *bucket, const char *key,
                                    int64_t expires_unix_ms, CorString *url, CorError *err);

/* --- Streaming uploads: nothing shows under a key until it is published. --- */

/**
 * Start a temporary file inside the store.
 *
 * @param max_bytes  writing more than this is a LIMIT
 * @param ret_temp   receives the file; free it with cor_blob_temp_free(), published or not
 */
COR_MUSTCHECK bool cor_blob_temp_new(CorBlobStore *store, uint64_t max_bytes,
                                     CorBlobTemp **ret_temp, CorError *err);

/** Before the first byte: what follows may be gathered in memory and written past the page cache.
 * For what many send at once and nobody needs at once: who reads it first will read the disk. */
void cor_blob_temp_stage(CorBlobTemp *temp);

/** Append bytes; size and digest are kept as they come.  After a failure only free it. */
COR_MUSTCHECK bool cor_blob_temp_write(CorBlobTemp *temp, const void *data, size_t size,
                                       CorError *err);

/** True while all of it is in memory, and goes to the disk in one transfer. */
bool cor_blob_temp_is_staged(const CorBlobTemp *temp);

/** Bytes written so far. */
uint64_t cor_blob_temp_size(const CorBlobTemp *temp);

/**
 * Let the disk begin with what was written so far, while the caller does something else, unless
 * other uploads keep it busy.  Without it publishing does.
 *
 * @param err  what goes wrong may also be told by publishing only
 */
COR_MUSTCHECK bool cor_blob_temp_writeback(CorBlobTemp *temp, CorError *err);

/**
 * Open what was written for reading, for example to hand it to the child that parses it.
 *
 * @param ret_file  receives a read-only descriptor that the caller closes before more is written or
 * the file is published; read it with pread() or by mapping it
 */
COR_MUSTCHECK bool cor_blob_temp_open(CorBlobTemp *temp, int *ret_file, CorError *err);

/** Finish the digest: SHA-256 of all bytes.  Nothing can be written afterwards; may be called
 * again. */
void cor_blob_temp_sha256(CorBlobTemp *temp, uint8_t ret_sha256[COR_SHA256_SIZE]);

/**
 * Make the file durable under a key.  It can be published once; after a failure it can be tried
 * again, under another key too.
 *
 * @param err  CONFLICT if mode is COR_BLOB_MUST_BE_NEW and the key is taken, or if the key is a
 * folder of another or another of it
 */
COR_MUSTCHECK bool cor_blob_temp_publish(CorBlobTemp *temp, const char *bucket, const char *key,
                                         CorBlobMode mode, CorError *err);

/**
 * Bring the file under a key as cor_blob_temp_publish() does, but leave out the wait for the disk
 * where that can be made up for by cor_blob_temp_sync(), which must follow: readers see the object
 * whole, but a power cut in between may leave a part of it or nothing.
 */
COR_MUSTCHECK bool cor_blob_temp_name(CorBlobTemp *temp, const char *bucket, const char *key,
                                      CorBlobMode mode, CorError *err);

/** Make durable what was named.  After a failure it is still there, and trying again fails too;
 * cor_blob_remove() it. */
COR_MUSTCHECK bool cor_blob_temp_sync(CorBlobTemp *temp, CorError *err);

/** Free a temporary file, discarding it unless it was published.  NULL is ignored. */
void cor_blob_temp_free(CorBlobTemp *temp);
COR_DEFINE_CLEANUP(CorBlobTemp, cor_blob_temp_free)
