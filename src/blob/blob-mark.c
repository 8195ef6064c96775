/* SPDX-License-Identifier: Apache-2.0 */
/* ext4: a journal commit takes everything that happened before it, and fsync() waits for the one
 * that the file's inode was last changed in, which a rename does; without a journal, fsync() writes
 * the folders of an entry that is new (ext4_sync_parent()).  xfs: fsync() forces the log up to the
 * last change of the inode, which a rename logs together with the folders.  What the others do was
 * not looked into; they get the sync of the folder.
 *
 * The type is read from mountinfo (proc_pid_mountinfo(5)) rather than from statfs(), which does not
 * tell ext4 from ext2.
 */
#include "blob/blob-mark.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/array.h"

#define MARK "user.corsia.sha256"

static const char *const covering[] = {"ext4", "xfs"};

/* A line of mountinfo: "36 35 98:0 /root /point options [tags] - type source options". */
static bool is_covering(const char *line)
{
    const char *type = strstr(line, " - ");

    for (size_t i = 0; type && i < COR_ARRAY_LEN(covering); i++) {
        size_t len = strlen(covering[i]);
        if (strncmp(type + 3, covering[i], len) == 0 && type[3 + len] == ' ') {
            return true;
        }
    }
    return false;
}

bool cor_blob_priv_sync_covers_name(int folder)
{
    char *line = NULL;
    size_t room = 0;
    bool covers = false;
    bool is_found = false;
    struct stat info;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");

    if (!mounts) {
        return false;
    }
    bool is_known = fstat(folder, &info) == 0;
    while (is_known && !is_found && getline(&line, &room, mounts) > 0) {
        unsigned device[2] = {0};
        is_found = sscanf(line, "%*u %*u %u:%u", &device[0], &device[1]) == 2 &&
                   makedev(device[0], device[1]) == info.st_dev;
        covers = is_found && is_covering(line);
    }
    free(line);
    (void) fclose(mounts);
    return covers;
}

bool cor_blob_priv_mark(int file, const uint8_t sha256[COR_SHA256_SIZE])
{
    return fsetxattr(file, MARK, sha256, COR_SHA256_SIZE, 0) == 0;
}

bool cor_blob_priv_mark_agrees(int file, const uint8_t sha256[COR_SHA256_SIZE])
{
    uint8_t mark[COR_SHA256_SIZE];

    return fgetxattr(file, MARK, mark, sizeof(mark)) != (ssize_t) sizeof(mark) ||
           memcmp(mark, sha256, sizeof(mark)) == 0;
}
