/* SPDX-License-Identifier: Apache-2.0 */
/* An object is written once, and not always read soon; going through the page cache costs a copy
 * and the filling of fresh pages, which was measured at three to five times the processor time of a
 * direct transfer.
 *
 * The part behind the last whole page, the tail, goes through the cache.  Who can wait writes it
 * last.  Who goes on with something else writes it first: it gives the file its size, so that the
 * transfer fills a hole and the kernel need not wait for it (one that makes a file longer is waited
 * for, on ext4 and xfs).  That has a price, another thread of the kernel for each transfer.  The
 * kernel's own asynchronous I/O (io_submit(2)) is there on every kernel and needs no library; three
 * calls of it are all that is used.
 */
#include "blob/blob-direct.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "blob/blob-backend.h"

void cor_blob_priv_direct_init(CorBlobDirect *direct)
{
    *direct = (CorBlobDirect){0};
    if (syscall(SYS_io_setup, 1L, &direct->context) != 0) {
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

/* The tail first, with which the disk begins. */
static int write_tail_first(int file, const uint8_t *data, size_t head, size_t size)
{
    if (head == size) {
        return ftruncate(file, (off_t) size) == 0 ? 0 : errno;
    }
    int why = write_tail(file, data, head, size);
    if (why == 0) {
        (void) sync_file_range(file, (off_t) head, (off_t) (size - head), SYNC_FILE_RANGE_WRITE);
    }
    return why;
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

/* Give the head to the kernel, which goes on by itself.  If it does not take it, for it may be
 * short of memory, the head is written in the end. */
static void submit(CorBlobDirect *direct)
{
    struct iocb block = {.aio_fildes = (uint32_t) direct->file,
                         .aio_lio_opcode = IOCB_CMD_PWRITE,
                         .aio_buf = (uintptr_t) direct->data,
                         .aio_nbytes = direct->head};
    struct iocb *blocks[] = {&block};

    direct->is_running = syscall(SYS_io_submit, direct->context, 1L, blocks) == 1;
}

void cor_blob_priv_direct_begin(CorBlobDirect *direct, int file, const void *data, size_t size)
{
    direct->is_begun = true;
    direct->is_running = false;
    direct->file = file;
    direct->data = data;
    direct->head = size / COR_BLOB_PAGE * COR_BLOB_PAGE;
    direct->written = 0;
    direct->why = write_tail_first(file, data, direct->head, size);
    if (direct->why == 0 && !set_direct(file, true)) {
        direct->why = EINVAL;
    } else if (direct->why == 0 && direct->context) {
        submit(direct);
    }
}

/* Number of bytes that came into the file, or a negative errno value. */
static int64_t wait(const CorBlobDirect *direct)
{
    struct io_event event = {0};
    long got = 0;

    do {
        got = syscall(SYS_io_getevents, direct->context, 1L, 1L, &event, NULL);
    } while (got < 0 && errno == EINTR);
    return got == 1 ? event.res : -EIO;
}

/* Wait until the kernel has let go of the memory; what it left is written then. */
static void finish(CorBlobDirect *direct)
{
    if (direct->is_running) {
        int64_t result = wait(direct);
        direct->is_running = false;
        direct->written = result > 0 ? (size_t) result : 0;
        direct->why = result < 0 ? (int) -result : 0;
    }
    if (direct->why == 0) {
        direct->why = write_at(direct->file, direct->data, direct->head, &direct->written);
    }
    (void) set_direct(direct->file, false);
}

bool cor_blob_priv_direct_end(CorBlobDirect *direct, bool *ret_done, CorError *err)
{
    *ret_done = false;
    if (!direct->is_begun) {
        return true;
    }
    direct->is_begun = false;
    finish(direct);
    return conclude(direct->file, direct->why, direct->written, ret_done, err);
}
