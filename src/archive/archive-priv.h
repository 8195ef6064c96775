/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#pragma once

#include "archive/archive.h"

#include <pthread.h>

enum {
    COR_ARCHIVE_INDEX_TIMEOUT_MS = 60000,
    COR_ARCHIVE_STRIPES = 1024,  /* who has two of them waits for the disk: few meet by chance */
    COR_ARCHIVE_AHEAD_MAX = 256, /* see ahead.c; twice as many are looked at after a crash */
};

/* --- ahead.c --- */

/* A row that is being committed while its object is being synced. */
typedef struct CorArchiveTicket {
    uint64_t at; /* its number since the start of the archive */
    struct CorArchiveTicket *previous;
    struct CorArchiveTicket *next;
} CorArchiveTicket;

typedef struct CorArchiveAhead {
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    uint64_t rows;           /* guarded by mutex: begun since the start */
    CorArchiveTicket *first; /* guarded by mutex, as are the tickets: in the order of at */
    CorArchiveTicket *last;  /* guarded by mutex */
} CorArchiveAhead;

void cor_archive_priv_ahead_init(CorArchiveAhead *ahead);
void cor_archive_priv_ahead_done(CorArchiveAhead *ahead);

/** Before a row is begun: waits for objects that are too far behind.  True if nobody else's is on
 * its way. */
bool cor_archive_priv_ahead_enter(CorArchiveAhead *ahead, CorArchiveTicket *ticket);

/** Its object is durable, or will not be. */
void cor_archive_priv_ahead_leave(CorArchiveAhead *ahead, CorArchiveTicket *ticket);

/* --- archive.c --- */

struct CorArchive {
    CorArchiveOptions options;
    pthread_mutex_t stripes[COR_ARCHIVE_STRIPES]; /* see cor_archive_lock() */
    CorArchiveAhead ahead;
};

/* --- remove.c --- */

/** Remove the objects whose rows are gone. */
COR_MUSTCHECK bool cor_archive_priv_remove_objects(CorArchive *archive, CorError *err);

/** Remove what lies under a key if its row was removed; the key is locked. */
COR_MUSTCHECK bool cor_archive_priv_end_removal(CorArchive *archive, const char *key,
                                                CorError *err);

/* --- quarantine.c --- */

/* An object in bucket "pacs" that cannot stay there. */
typedef struct CorArchiveOutcast {
    const char *key;
    const CorObject *object; /* open */
    const char *sha256;
    const char *uid; /* for the log */
    const char *reason;
} CorArchiveOutcast;

/** Move an object to bucket "quarantine"; the key is locked, or nobody stores yet. */
COR_MUSTCHECK bool cor_archive_priv_cast_out(CorArchive *archive, const CorArchiveOutcast *outcast,
                                             CorError *err);

/* --- same.c --- */

/**
 * Tell whether a file that was uploaded and a stored object hold the same data set, byte for byte,
 * in the same transfer syntax.  One whose object is lost is not the same as any.
 *
 * @param file      of the upload, to read from; stays the caller's
 * @param entry     what would be its row
 * @param existing  the row of the other
 */
COR_MUSTCHECK bool cor_archive_priv_is_same(CorArchive *archive, int file,
                                            const CorCatalogEntry *entry,
                                            const CorCatalogInstance *existing, bool *ret_is_same,
                                            CorError *err);
