/* SPDX-License-Identifier: Apache-2.0 */
#include "blob/blob-path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

enum { ATTEMPTS = 32 }; /* openat2() says EAGAIN when somebody renames a folder meanwhile */

int cor_blob_priv_walk_below(int root, const char *path, int flags)
{
    COR_CLEANUP(cor_fd_closep) int folder = -1;

    for (const char *part = path;;) {
        const char *slash = strchr(part, '/');
        size_t len = slash ? (size_t) (slash - part) : strlen(part);
        char name[NAME_MAX + 1];

        if (len == 0 || len > NAME_MAX || (len <= 2 && memcmp(part, "..", len) == 0)) {
            errno = len > NAME_MAX ? ENAMETOOLONG : EXDEV;
            return -1;
        }
        memcpy(name, part, len);
        name[len] = '\0';
        int parent = folder >= 0 ? folder : root;
        if (!slash) {
            return openat(parent, name, flags | O_NOFOLLOW | O_CLOEXEC);
        }
        int next = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0) {
            return -1;
        }
        cor_fd_closep(&folder);
        folder = next;
        part = slash + 1;
    }
}

int cor_blob_priv_open_below(int root, const char *path, int flags)
{
    static atomic_bool is_missing; /* this kernel, or the sandbox around us, has no openat2() */
    struct open_how how = {
        .flags = (unsigned) flags | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    for (int i = 0; i < ATTEMPTS && !atomic_load(&is_missing); i++) {
        int fd = (int) syscall(SYS_openat2, root, path, &how, sizeof(how));
        if (fd >= 0) {
            return fd;
        }
        if (errno == ENOSYS || errno == EPERM || errno == E2BIG) {
            atomic_store(&is_missing, true);
        } else if (errno != EAGAIN && errno != EINTR) {
            return -1;
        }
    }
    return cor_blob_priv_walk_below(root, path, flags);
}
