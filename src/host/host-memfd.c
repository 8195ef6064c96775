/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host-memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* since Linux 6.3 */
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool fail_write(int errno_value, CorError *err)
{
    return errno_value == EFBIG ? cor_fail(err, COR_ERR_LIMIT, "output is larger than allowed")
                                : cor_fail_errno(err, errno_value, "write memory file");
}

bool cor_host_priv_memfd_append(int fd, const void *data, size_t size, CorError *err)
{
    const char *bytes = data;

    while (size > 0) {
        ssize_t done = write(fd, bytes, size);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return fail_write(errno, err);
        }
        bytes += done;
        size -= (size_t) done;
    }
    return true;
}

bool cor_host_priv_memfd_replace(int fd, uint64_t offset, const void *data, size_t size,
                                 CorError *err)
{
    const char *bytes = data;

    while (size > 0) {
        ssize_t done = pwrite(fd, bytes, size, (off_t) offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return fail_write(errno, err);
        }
        bytes += done;
        offset += (uint64_t) done;
        size -= (size_t) done;
    }
    return true;
}

bool cor_host_priv_memfd_begin(const char *name, int *ret_fd, CorError *err)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL) {
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    }
    if (fd < 0) {
        return cor_fail_errno(err, errno, "make memory file");
    }
    *ret_fd = fd;
    return true;
}

bool cor_host_priv_memfd_seal(int fd, CorError *err)
{
    if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0) {
        return cor_fail_errno(err, errno, "seal memory file");
    }
    (void) lseek(fd, 0, SEEK_SET); /* a memory file can seek */
    return true;
}

bool cor_host_priv_memfd_new(const char *name, const void *data, size_t size, int *ret_fd,
                             CorError *err)
{
    COR_CLEANUP(cor_fd_closep) int fd = -1;

    if (!cor_host_priv_memfd_begin(name, &fd, err) ||
        !cor_host_priv_memfd_append(fd, data, size, err) || !cor_host_priv_memfd_seal(fd, err)) {
        return false;
    }
    *ret_fd = COR_TAKE_FD(fd);
    return true;
}

bool cor_host_priv_memfd_check(int fd, uint64_t *ret_size, CorError *err)
{
    struct stat info;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & SEALS) != SEALS) {
        return cor_fail(err, COR_ERR_CORRUPT, "descriptor is not sealed memory");
    }
    if (fstat(fd, &info) < 0) {
        return cor_fail_errno(err, errno, "look at memory file");
    }
    *ret_size = (uint64_t) info.st_size;
    return true;
}
