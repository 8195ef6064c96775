/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors that close themselves: COR_CLEANUP(cor_fd_closep) int fd = -1; */
#pragma once

#include <unistd.h>

/** Close *fd unless it is negative, and make it -1.  Never fails. */
static inline void cor_fd_closep(int *fd)
{
    if (*fd >= 0) {
        (void) close(*fd);
        *fd = -1;
    }
}

/* Move a descriptor out of a cleanup variable: the variable becomes -1. */
#define COR_TAKE_FD(variable)        \
    ({                               \
        int cor_taken_ = (variable); \
        (variable) = -1;             \
        cor_taken_;                  \
    })
