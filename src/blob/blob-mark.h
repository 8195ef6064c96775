/* SPDX-License-Identifier: Apache-2.0 */
/* What lets a file get its name before it is synced, so that one sync serves both.
 *
 * Syncing a file makes it durable; that its name is too is promised only by syncing the folder. The
 * file systems of cor_blob_priv_sync_covers_name() write a name that is new together with the file
 * that is synced.  A power cut before that may leave the name and not yet all the bytes, so the
 * file is marked with its digest first: whoever finds it can tell.
 *
 * Threads   Thread-safe.
 * Blocking  As long as the disk does.
 */
#pragma once

#include "base/error.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stdint.h>

/** True if fsync() of a file on the file system of an open folder also makes a name durable that
 * the file was given just before, by creating or renaming it to where nothing was.  False if in
 * doubt.
 */
bool cor_blob_priv_sync_covers_name(int folder);

/** Mark a file with the digest of its bytes; false if the file system takes no marks. */
bool cor_blob_priv_mark(int file, const uint8_t sha256[COR_SHA256_SIZE]);

/** False if the file bears a mark and it is another one than this. */
bool cor_blob_priv_mark_agrees(int file, const uint8_t sha256[COR_SHA256_SIZE]);
