/* SPDX-License-Identifier: Apache-2.0 */
/* The data directory: one server owns it, and it holds the server's key.
 *
 *     DIR/            0750
 *       .lock         flock()ed by the one server that runs on it
 *       server.key    32 random bytes, 0600: signs URLs and tickets
 *       .running      from the start of a server to its stop in order: the boot of the machine
 *
 * Durability  The key is complete and synced before its name exists; it never changes.
 * Ownership   cor_datadir_open() gives an object to close; closing ends the lock.
 * Threads     Thread-safe once opened.
 * Blocking    Short, on the file system.
 * Errors      One clear line that names the directory and what to do: CONFLICT if another server
 * has it, DENIED, NOT_FOUND, UNAVAILABLE (full, read-only), CORRUPT (damaged key).
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#include <stdint.h>

#define COR_DATADIR_KEY_SIZE 32

typedef struct CorDatadir CorDatadir;

/**
 * Create a directory (with its parents) if it is not there, check that it can be written, lock it,
 * and read or make the server's key.
 */
COR_MUSTCHECK bool cor_datadir_open(const char *path, CorDatadir **ret_datadir, CorError *err);
void cor_datadir_close(CorDatadir *datadir);
COR_DEFINE_CLEANUP(CorDatadir, cor_datadir_close)

/** True if the last server was not stopped in order: it was killed, or the machine went down.  To
 * be asked before cor_datadir_serve(). */
bool cor_datadir_was_left(const CorDatadir *datadir);

/** True if a server was not stopped in order and the machine was started anew since: what that one
 * had not synced may be lost.  It stays true until cor_datadir_serve(), so that a start that fails
 * is no answer to it. */
bool cor_datadir_was_cut(const CorDatadir *datadir);

/** Note that a server runs on it, until it is closed. */
COR_MUSTCHECK bool cor_datadir_serve(CorDatadir *datadir, CorError *err);

/** The note stays when it is closed: not everything is known to be synced. */
void cor_datadir_leave_note(CorDatadir *datadir);

/** The absolute path, without a final slash.  Borrowed. */
const char *cor_datadir_path(const CorDatadir *datadir);

/** Descriptor of the directory.  Stays the object's. */
int cor_datadir_fd(const CorDatadir *datadir);

/** The server's secret key: COR_DATADIR_KEY_SIZE bytes.  Borrowed. */
const uint8_t *cor_datadir_key(const CorDatadir *datadir);

/** Bytes that an ordinary process may still write on the directory's file system. */
COR_MUSTCHECK bool cor_datadir_free_bytes(const CorDatadir *datadir, uint64_t *ret_bytes,
                                          CorError *err);
