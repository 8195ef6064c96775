/* SPDX-License-Identifier: Apache-2.0 */
/* An object is written once, and not always read soon; going through the page cache costs a copy
 * and the filling of fresh pages, which was measured at three to five times the processor time of a
 * direct transfer.
 *
 * The part behind the last whole page, the tail, goes through the cache.  Who can wait writes it
 * last.  Who goes on with something else gives the file its size first, so that a transfer fills a
 * hole and the kernel need not wait for it (one that makes a file longer is waited for, on ext4 and
 * xfs).  That has a price, another thread of the kernel for each transfer.  The kernel's own
 * asynchronous I/O (io_submit(2)) is there on every kernel and needs no library; three calls of it
 * are all that is used.
 */
#include "blob/blob-direct.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "blob/blob-backend.h"

enum { PIECES_MAX = 2 }; /* of a file: one ahead, and the rest */

void cor_blob_priv_direct_init(CorBlobDirect *direct)
{
    *direct = (CorBlobDirect){0};
    if (syscall(SYS_io_setup, (long) PIECES_MAX, &direct->context) != 0) {
        direct->context = 0;
    }
}

void cor_blob_priv_direct_done(CorBlobDirect *direct)
{
    if (direct->context) {
        (void) syscall(SYS_io_destroy, direct->context);
        direct->context = 0;
    }
}

bool cor_blob_priv_is_sealed(int file)
{
    int seals = fcntl(file, F_GET_SEALS);
    int needed = F_SEAL_SHRINK | F_SEAL_WRITE;

    return seals >= 0 && (seals & needed) == needed;
}

/* Of the flags that can be set, a temporary file has no other. */
static bool set_direct(int file, bool is_on)
{
    return fcntl(file, F_SETFL, is_on ? O_DIRECT : 0) == 0;
}

/* Write bytes where they belong; 0, or an errno value. */
static int write_at(int file, const uint8_t *data, size_t size, size_t *written)
{
    while (*written < size) {
        ssize_t done = pwrite(file, data + *written, size - *written, (off_t) *written);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return done < 0 ? errno : ENOSPC;
        }
        *written += (size_t) done;
    }
    return 0;
}

static int write_tail(int file, const uint8_t *data, size_t head, size_t size)
{
    size_t written = head;

    return write_at(file, data, size, &written);
}

/* The file system does not do this if the first transfer says EINVAL: then the file is empty. */
static bool conclude(int file, int why, size_t written, bool *ret_done, CorError *err)
{
    bool is_refused = why == EINVAL && written == 0;

    if (is_refused) {
        why = ftruncate(file, 0) == 0 ? 0 : errno;
    }
    *ret_done = !is_refused && why == 0;
    return why == 0 || cor_blob_priv_fail(err, why, "write an object");
}

bool cor_blob_priv_direct_write(int file, const void *data, size_t size, bool *ret_done,
                                CorError *err)
{
    size_t head = size / COR_BLOB_PAGE * COR_BLOB_PAGE;
    size_t written = 0;
    int why = set_direct(file, true) ? write_at(file, data, head, &written) : EINVAL;

    (void) set_direct(file, false);
    if (why == 0) {
        why = write_tail(file, data, head, size);
    }
    return conclude(file, why, written, ret_done, err);
}

/* Give pages to the kernel, which goes on by itself.  What it does not take, for it may be short of
 * memory, is written in the end. */
static void submit(CorBlobDirect *direct, size_t upto)
{
    size_t size = upto - direct->given;
    struct iocb block = {.aio_data = (uint64_t) direct->given << 32 | size,
                         .aio_fildes = (uint32_t) direct->file,
                         .aio_lio_opcode = IOCB_CMD_PWRITE,
                         .aio_buf = (uintptr_t) direct->data + direct->given,
                         .aio_nbytes = size,
                         .aio_offset = (int64_t) direct->given};
    struct iocb *blocks[] = {&block};

    if (!set_direct(direct->file, true)) {
        direct->why = EINVAL;
        direct->intact = 0;
        return;
    }
    if (direct->context && syscall(SYS_io_submit, direct->context, 1L, blocks) == 1) {
        direct->pieces++;
    } else {
        direct->intact = COR_MIN(direct->intact, direct->given);
    }
    direct->given = upto;
}

static void start(CorBlobDirect *direct, int file, const void *data)
{
    *direct = (CorBlobDirect){.context = direct->context,
                              .is_begun = true,
                              .file = file,
                              .data = data,
                              .intact = SIZE_MAX};
}

void cor_blob_priv_direct_ahead(CorBlobDirect *direct, int file, const void *data, size_t size)
{
    start(direct, file, data);
    direct->size = size;
    direct->why = ftruncate(file, (off_t) size) == 0 ? 0 : errno;
    if (direct->why == 0) {
        submit(direct, size);
    }
}

/* Give the file its last bytes, and with them its size. */
static int write_end(CorBlobDirect *direct, size_t head)
{
    if (head == direct->size) {
        return ftruncate(direct->file, (off_t) head) == 0 ? 0 : errno;
    }
    if (direct->given > 0 && !set_direct(direct->file, false)) {
        return EINVAL;
    }
    int why = write_tail(direct->file, direct->data, head, direct->size);
    if (why == 0) {
        (void) sync_file_range(direct->file, (off_t) head, (off_t) (direct->size - head),
                               SYNC_FILE_RANGE_WRITE);
    }
    return why;
}

void cor_blob_priv_direct_begin(CorBlobDirect *direct, int file, const void *data, size_t size)
{
    size_t head = size / COR_BLOB_PAGE * COR_BLOB_PAGE;

    if (!direct->is_begun) {
        start(direct, file, data);
    }
    direct->size = size;
    direct->why = direct->why ? direct->why : write_end(direct, head);
    if (direct->why == 0) {
        submit(direct, head);
    }
}

/* Wait for a piece: the kernel has let go of the memory then. */
static void wait_for_piece(CorBlobDirect *direct)
{
    struct io_event event = {0};
    long got = 0;

    do {
        got = syscall(SYS_io_getevents, direct->context, 1L, 1L, &event, NULL);
    } while (got < 0 && errno == EINTR);
    direct->pieces--;
    size_t at = got == 1 ? (size_t) (event.data >> 32) : 0;
    size_t size = (size_t) (event.data & UINT32_MAX);
    int64_t result = got == 1 ? event.res : -EIO;
    if (result < 0) {
        direct->why = direct->why ? direct->why : (int) -result;
        direct->intact = COR_MIN(direct->intact, at);
    } else if ((size_t) result < size) {
        direct->intact = COR_MIN(direct->intact, at + (size_t) result);
    }
}

bool cor_blob_priv_direct_end(CorBlobDirect *direct, size_t *ret_written, CorError *err)
{
    bool is_done = false;

    *ret_written = 0;
    if (!direct->is_begun) {
        return true;
    }
    direct->is_begun = false;
    while (direct->pieces > 0) {
        wait_for_piece(direct);
    }
    size_t written = COR_MIN(direct->intact, direct->given);
    if (direct->why == 0) {
        direct->why = write_at(direct->file, direct->data, direct->given, &written);
    }
    (void) set_direct(direct->file, false);
    if (direct->why == EINVAL) {
        written = 0; /* a piece may be what the file system can do, and another one not */
    }
    if (!conclude(direct->file, direct->why, written, &is_done, err)) {
        return false;
    }
    *ret_written = is_done ? direct->size : 0;
    return true;
}
