/* SPDX-License-Identifier: Apache-2.0 */
/* Which files an import takes, and under which keys.
 *
 * Folders are walked in the order of their names' bytes, so that a repeated import meets the same
 * files in the same order.  Hidden names are passed over; links to folders are not followed, links
 * to files are.  The key is the path below the given folder; for a single file its name.
 *
 * Ownership  The list owns its texts.
 * Threads    One thread at a time.
 * Errors     A folder or file that cannot be looked at is noted in the list, and the walk goes on;
 *            NOMEM and a given path that is not there end it.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define COR_WALK_DEPTH_MAX 64

typedef struct CorWalkFile {
    char *path;
    char *key;     /* NULL if the file cannot be imported, */
    char *refusal; /* and then why */
    uint64_t size;
} CorWalkFile;

typedef struct CorWalk {
    CorWalkFile *files;
    size_t len;
    size_t capacity;
    uint64_t bytes; /* of all files with a key */
} CorWalk;

/**
 * Add what lies at path: a file, or all files below a folder.
 *
 * @param prefix  put before every key, with a slash between; "" for none
 */
COR_MUSTCHECK bool cor_walk_add(CorWalk *walk, const char *path, const char *prefix, CorError *err);
void cor_walk_done(CorWalk *walk);
