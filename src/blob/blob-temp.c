/* SPDX-License-Identifier: Apache-2.0 */
/* Temporary files of a store: named files in a folder that belongs to one store object alone.
 *
 * Named rather than O_TMPFILE, because only a name can be renamed over an existing one.  The digest
 * is kept while bytes pass (blob-digest.h).  Every file gets a modification time of its own (no two
 * puts of a process have the same), which makes inode, time and size a strong validator: blob-fs.c
 * builds the ETag from them.
 *
 *     STAGED --opened or published--> WRITING --ended--> IN FILE
 *       |                                                  ^
 *       +--outgrows the stage, or there was none free------+--more bytes--> IN FILE
 *
 * What is STAGED is in memory only (blob-stage.h) and goes to the disk past the page cache while
 * somebody reads it.  What comes to a file as it arrives is gathered in a buffer, so that the file
 * grows by whole pages in few calls, however small the pieces are that the network gives; and the
 * disk is told to begin when there is much, or all, so that the sync in the end finds little left
 * to do.
 */
#include "blob/blob-backend.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/copy.h"
#include "base/hash.h"
#include "base/id.h"
#include "blob/blob-direct.h"
#include "blob/blob-stage.h"

enum {
    DIRECT_MIN = 64 * 1024,  /* smaller ones gain nothing by going past the page cache */
    COPY_CHUNK = 256 * 1024, /* stays in the second-level cache between read and digest */
    BUFFER_SIZE = 64 * 1024, /* whole pages */
    AHEAD = 256 * 1024,      /* whole pages with which the disk begins while the rest comes in */
    WRITEBACK_CHUNK = 1024 * 1024, /* the disk starts while the network still sends */
    NANOSECONDS_PER_SECOND = 1000000000,
    NANOSECONDS_PER_MS = 1000000,
};

struct CorBlobTemp {
    CorBlobStore *store;
    int file;
    char name[32];
    uint64_t size;
    uint64_t max_bytes;
    bool may_be_staged;
    CorBlobStage *stage;       /* NULL: not before the first byte, or not any more */
    bool is_writing;           /* what is staged is on its way to the disk */
    bool is_read;              /* what is staged was opened: the stage ends there */
    uint64_t written;          /* bytes that are in the file; those behind are staged or buffered */
    uint64_t given_to_disk;    /* bytes whose writing was started */
    uint8_t *buffer;           /* BUFFER_SIZE bytes; NULL until needed */
    CorBlobDigest digest;      /* of what is in the file, or staged */
    int64_t published_unix_ms; /* its time as an object */
    bool is_broken;            /* a write failed: what is there is not what was given */
    bool is_published;
    bool is_direct;   /* it was written past the page cache, all but the end of a page */
    bool is_unsynced; /* it is published, and not synced */
};

bool cor_blob_temp_new(CorBlobStore *store, uint64_t max_bytes, CorBlobTemp **ret_temp,
                       CorError *err)
{
    COR_CLEANUP(cor_blob_temp_freep) CorBlobTemp *temp = cor_new(CorBlobTemp);

    if (!temp) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a temporary file");
    }
    temp->store = store;
    temp->file = -1;
    temp->max_bytes = max_bytes;
    (void) snprintf(temp->name, sizeof(temp->name), "%" PRIuFAST64,
                    atomic_fetch_add(&store->next_temp, 1));
    temp->file = openat(store->temp_dir, temp->name,
                        O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (temp->file < 0) {
        return cor_blob_priv_fail(err, errno, "create a temporary file");
    }
    if (!cor_blob_priv_digest_init(&temp->digest, store->digester, temp->file, err)) {
        return false;
    }
    *ret_temp = COR_TAKE(temp);
    return true;
}

/* --- to the file --- */

static bool write_all(CorBlobTemp *temp, const uint8_t *data, size_t size, CorError *err)
{
    while (size > 0) {
        ssize_t done = pwrite(temp->file, data, size, (off_t) temp->written);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            temp->is_broken = true;
            return cor_blob_priv_fail(err, done < 0 ? errno : ENOSPC, "write a temporary file");
        }
        data += done;
        size -= (size_t) done;
        temp->written += (uint64_t) done;
    }
    return true;
}

static bool write_digested(CorBlobTemp *temp, const uint8_t *data, size_t size, CorError *err)
{
    if (!write_all(temp, data, size, err)) {
        return false;
    }
    cor_blob_priv_digest_written(&temp->digest, data, size);
    return true;
}

/* Let the disk begin with what is in the file, if it is at least so much. */
static void begin_writeback(CorBlobTemp *temp, uint64_t least_bytes)
{
    uint64_t size = temp->written - temp->given_to_disk;

    if (size >= least_bytes) {
        (void) sync_file_range(temp->file, (off_t) temp->given_to_disk, (off_t) size,
                               SYNC_FILE_RANGE_WRITE);
        temp->given_to_disk = temp->written;
    }
}

/* Bring what is buffered into the file. */
static bool flush(CorBlobTemp *temp, CorError *err)
{
    return write_digested(temp, temp->buffer, (size_t) (temp->size - temp->written), err);
}

static bool buffer(CorBlobTemp *temp, const uint8_t *data, size_t size, CorError *err)
{
    if (!temp->buffer) {
        temp->buffer = malloc(BUFFER_SIZE);
        if (!temp->buffer) {
            temp->is_broken = true;
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for a temporary file");
        }
    }
    while (size > 0) {
        size_t buffered = (size_t) (temp->size - temp->written);
        size_t part = COR_MIN(size, BUFFER_SIZE - buffered);
        memcpy(temp->buffer + buffered, data, part);
        temp->size += part;
        data += part;
        size -= part;
        if (buffered + part == BUFFER_SIZE && !flush(temp, err)) {
            return false;
        }
    }
    return true;
}

static bool append(CorBlobTemp *temp, const uint8_t *data, size_t size, CorError *err)
{
    bool ok = true;

    if (temp->written == temp->size && size >= BUFFER_SIZE) {
        ok = write_digested(temp, data, size, err); /* nothing to gain by a copy */
        temp->size = temp->written;
    } else {
        ok = buffer(temp, data, size, err);
    }
    begin_writeback(temp, WRITEBACK_CHUNK);
    return ok;
}

/* --- in the stage --- */

/* The disk and a host read it, this thread does not. */
static void put_in_stage(CorBlobTemp *temp, const uint8_t *data, size_t size)
{
    CorBlobStage *stage = temp->stage;
    bool was_short = temp->size < AHEAD;

    cor_copy_past_cache(stage->data + temp->size, data, size);
    temp->size += size;
    cor_blob_priv_digest_written(&temp->digest, data, size);
    if (was_short && temp->size >= AHEAD && cor_blob_priv_stage_is_alone(temp->store->stages)) {
        cor_blob_priv_direct_ahead(&stage->direct, temp->file, stage->data, AHEAD);
    }
}

/* Let the disk begin with what is staged, if it can meanwhile; it stays in the stage, where
 * somebody may be reading it.  Beside other uploads there is enough to do: then it is written in
 * the end, which costs less. */
static bool begin_to_write(CorBlobTemp *temp, CorError *err)
{
    CorBlobStage *stage = temp->stage;

    if (temp->is_writing) {
        return true;
    }
    if (temp->size < DIRECT_MIN) {
        temp->is_writing = true;
        return write_all(temp, stage->data, (size_t) temp->size, err);
    }
    if (stage->direct.is_begun || cor_blob_priv_stage_is_alone(temp->store->stages)) {
        temp->is_writing = true;
        cor_blob_priv_direct_begin(&stage->direct, temp->file, stage->data, (size_t) temp->size);
    }
    return true;
}

/* The stage is not needed any more. */
static void leave_stage(CorBlobTemp *temp)
{
    cor_blob_priv_digest_rest(&temp->digest);
    cor_blob_priv_stage_give(temp->store->stages, COR_TAKE(temp->stage));
}

/* Past the page cache, if the file system lets us; else nothing is in the file. */
static bool write_direct(CorBlobTemp *temp, CorError *err)
{
    bool is_done = false;
    bool ok = cor_blob_priv_direct_write(temp->file, temp->stage->data, (size_t) temp->size,
                                         &is_done, err);

    temp->written = is_done ? temp->size : temp->written;
    return ok;
}

/* Wait for what the disk has begun with. */
static bool end_direct(CorBlobTemp *temp, CorError *err)
{
    size_t written = 0;
    bool ok = cor_blob_priv_direct_end(&temp->stage->direct, &written, err);

    temp->written = COR_MAX(temp->written, (uint64_t) written);
    return ok;
}

/* All that is staged is in the file. */
static bool end_writing(CorBlobTemp *temp, bool is_direct, CorError *err)
{
    CorBlobStage *stage = temp->stage;

    if (!stage) {
        return true;
    }
    bool ok = stage->direct.is_begun ? end_direct(temp, err)
                                     : !is_direct || temp->is_writing || write_direct(temp, err);
    temp->given_to_disk = temp->written;
    temp->is_direct = is_direct && temp->written == temp->size;
    ok = ok &&
         write_all(temp, stage->data + temp->written, (size_t) (temp->size - temp->written), err);
    temp->is_broken = !ok;
    leave_stage(temp);
    return ok;
}

static void discard_staged(CorBlobTemp *temp)
{
    if (temp->stage) {
        temp->is_broken = !end_direct(temp, NULL) || temp->is_broken;
        leave_stage(temp);
    }
}

/* --- for users --- */

void cor_blob_temp_free(CorBlobTemp *temp)
{
    if (!temp) {
        return;
    }
    discard_staged(temp);
    cor_blob_priv_digest_done(&temp->digest); /* it may be reading the file */
    if (temp->file >= 0) {
        if (!temp->is_published) {
            (void) unlinkat(temp->store->temp_dir, temp->name,
                            0); /* else the next open tidies up */
        }
        cor_fd_closep(&temp->file);
    }
    free(temp->buffer);
    free(temp);
}

/* True if the bytes fit into the stage, which the first ones are given. */
static bool is_for_stage(CorBlobTemp *temp, size_t size)
{
    if (temp->may_be_staged && temp->size == 0 && !temp->stage && size <= COR_BLOB_STAGE_SIZE) {
        temp->stage = cor_blob_priv_stage_take(temp->store->stages);
        temp->digest.memory = temp->stage ? temp->stage->data : NULL;
    }
    return temp->stage && !temp->is_writing && !temp->is_read &&
           size <= COR_BLOB_STAGE_SIZE - temp->size;
}

void cor_blob_temp_stage(CorBlobTemp *temp)
{
    temp->may_be_staged = true;
}

bool cor_blob_temp_write(CorBlobTemp *temp, const void *data, size_t size, CorError *err)
{
    assert(temp->digest.sha && !temp->is_published);

    if (temp->is_broken) {
        return cor_fail(err, COR_ERR_IO, "an earlier write of this temporary file failed");
    }
    if (size > temp->max_bytes - temp->size) {
        return cor_fail(err, COR_ERR_LIMIT, "object is larger than %" PRIu64 " bytes",
                        temp->max_bytes);
    }
    if (is_for_stage(temp, size)) {
        put_in_stage(temp, data, size);
        return true;
    }
    /* Through the page cache like what follows: the disk would hold up the writer. */
    return end_writing(temp, false, err) && append(temp, data, size, err);
}

bool cor_blob_temp_is_staged(const CorBlobTemp *temp)
{
    return temp->stage != NULL;
}

uint64_t cor_blob_temp_size(const CorBlobTemp *temp)
{
    return temp->size;
}

bool cor_blob_temp_writeback(CorBlobTemp *temp, CorError *err)
{
    assert(!temp->is_published);

    if (temp->stage) {
        return begin_to_write(temp, err);
    }
    if (!flush(temp, err)) {
        return false;
    }
    begin_writeback(temp, 1);
    return true;
}

bool cor_blob_temp_open(CorBlobTemp *temp, int *ret_file, CorError *err)
{
    assert(!temp->is_published);

    if (temp->stage) {
        temp->is_read = true;
        return cor_blob_priv_stage_open(temp->stage, (size_t) temp->size, ret_file, err);
    }
    if (!flush(temp, err)) {
        return false;
    }
    int file = openat(temp->store->temp_dir, temp->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) {
        return cor_blob_priv_fail(err, errno, "open a temporary file");
    }
    *ret_file = file;
    return true;
}

void cor_blob_temp_sha256(CorBlobTemp *temp, uint8_t ret_sha256[COR_SHA256_SIZE])
{
    size_t buffered = temp->stage ? 0 : (size_t) (temp->size - temp->written);

    if (!cor_blob_priv_digest_finish(&temp->digest, temp->buffer, buffered, ret_sha256)) {
        temp->is_broken = true;
    }
}

static void free_chunkp(uint8_t **slot)
{
    free(*slot);
}

/* Copy sealed memory past the page cache; *ret_done is false if that cannot be done here. */
static bool copy_sealed(CorBlobTemp *temp, int file, size_t size, bool *ret_done, CorError *err)
{
    /* Whole pages, as they are written: ThreadSanitizer goes by the length that is asked for. */
    size_t mapped = (size + COR_BLOB_PAGE - 1) / COR_BLOB_PAGE * COR_BLOB_PAGE;
    void *data = mmap(NULL, mapped, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);

    *ret_done = false;
    if (data == MAP_FAILED) {
        return true;
    }
    bool ok = cor_blob_priv_direct_write(temp->file, data, size, ret_done, err);
    if (ok && *ret_done) {
        cor_blob_priv_digest_written(&temp->digest, data, size);
        temp->size = temp->written = size;
    }
    temp->is_broken = !ok;
    (void) munmap(data, mapped);
    return ok;
}

/* Chunks by pread() rather than a mapping: a file that shrinks would kill us with SIGBUS. */
static bool copy_chunks(CorBlobTemp *temp, int file, uint64_t size, CorError *err)
{
    COR_CLEANUP(free_chunkp) uint8_t *chunk = malloc(COPY_CHUNK);

    if (!chunk) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for copying");
    }
    while (temp->size < size) {
        size_t wanted = (size_t) COR_MIN(size - temp->size, (uint64_t) COPY_CHUNK);
        ssize_t got = pread(file, chunk, wanted, (off_t) temp->size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return cor_blob_priv_fail(err, errno, "read a file");
        }
        if (got == 0) {
            return cor_fail(err, COR_ERR_CORRUPT, "file is shorter than it was");
        }
        if (!cor_blob_temp_write(temp, chunk, (size_t) got, err)) {
            return false;
        }
    }
    return true;
}

bool cor_blob_priv_temp_copy(CorBlobTemp *temp, int file, CorError *err)
{
    struct stat info;
    bool is_done = false;

    if (fstat(file, &info) != 0) {
        return cor_blob_priv_fail(err, errno, "ask the size of a file");
    }
    if (info.st_size >= DIRECT_MIN && (uint64_t) info.st_size <= temp->max_bytes &&
        cor_blob_priv_is_sealed(file) &&
        !copy_sealed(temp, file, (size_t) info.st_size, &is_done, err)) {
        return false;
    }
    return is_done || copy_chunks(temp, file, (uint64_t) info.st_size, err);
}

int64_t cor_blob_priv_temp_time(const CorBlobTemp *temp)
{
    return temp->published_unix_ms;
}

/* Now, but later than any time given before. */
static struct timespec unique_time(CorBlobStore *store)
{
    struct timespec now;
    int_fast64_t last = atomic_load(&store->last_put_ns);
    int_fast64_t next = 0;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    do {
        next = COR_MAX((int_fast64_t) now.tv_sec * NANOSECONDS_PER_SECOND + now.tv_nsec, last + 1);
    } while (!atomic_compare_exchange_weak(&store->last_put_ns, &last, next));
    return (struct timespec){.tv_sec = (time_t) (next / NANOSECONDS_PER_SECOND),
                             .tv_nsec = (long) (next % NANOSECONDS_PER_SECOND)};
}

/* Bring the file under a key; it may be left unsynced if all of it is on the disk. */
static bool publish(CorBlobTemp *temp, const CorBlobTarget *target, bool may_be_unsynced,
                    CorError *err)
{
    const CorBlobBackend *backend = temp->store->backend;
    struct timespec times[2];
    CorBlobPut put;

    assert(!temp->is_published);

    if (!cor_bucket_is_known(target->bucket)) {
        return cor_fail(err, COR_ERR_INVALID, "there is no such bucket");
    }
    if (!cor_key_check(target->key, err)) {
        return false;
    }
    if (temp->is_broken) {
        return cor_fail(err, COR_ERR_IO, "an earlier write of this temporary file failed");
    }
    if (!end_writing(temp, temp->size >= DIRECT_MIN, err) || !flush(temp, err)) {
        return false;
    }
    cor_blob_temp_sha256(temp, put.sha256);
    if (temp->is_broken) {
        return cor_fail(err, COR_ERR_IO, "a temporary file cannot be read");
    }
    if (!backend->publish) {
        if (!backend->put_file(temp->store, target, temp->file, &put, err)) {
            cor_error_wrap(err, "publish");
            return false;
        }
        return true; /* the file is discarded when it is freed */
    }
    CorBlobNew complete = {.file = temp->file,
                           .name = temp->name,
                           .sha256 = put.sha256,
                           .may_be_unsynced = may_be_unsynced && temp->is_direct};
    times[0] = times[1] = unique_time(temp->store);
    if (futimens(temp->file, times) != 0) {
        return cor_blob_priv_fail(err, errno, "set the time of a temporary file");
    }
    if (!backend->publish(temp->store, target, &complete, err)) {
        cor_error_wrap(err, "publish");
        return false;
    }
    temp->published_unix_ms =
        (int64_t) times[1].tv_sec * 1000 + times[1].tv_nsec / NANOSECONDS_PER_MS;
    temp->is_published = true;
    temp->is_unsynced = complete.is_unsynced;
    return true;
}

bool cor_blob_temp_publish(CorBlobTemp *temp, const char *bucket, const char *key, CorBlobMode mode,
                           CorError *err)
{
    const CorBlobTarget target = {.bucket = bucket, .key = key, .mode = mode};

    return publish(temp, &target, false, err);
}

bool cor_blob_temp_name(CorBlobTemp *temp, const char *bucket, const char *key, CorBlobMode mode,
                        CorError *err)
{
    const CorBlobTarget target = {.bucket = bucket, .key = key, .mode = mode};

    return publish(temp, &target, true, err);
}

bool cor_blob_temp_sync(CorBlobTemp *temp, CorError *err)
{
    if (temp->is_broken) {
        return cor_fail(err, COR_ERR_IO, "an earlier sync of this object failed");
    }
    if (temp->is_unsynced && fsync(temp->file) != 0) {
        temp->is_broken = true; /* the kernel tells it once, and believes to have written it then */
        return cor_blob_priv_fail(err, errno, "sync an object");
    }
    temp->is_unsynced = false;
    return true;
}
