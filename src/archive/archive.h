/* SPDX-License-Identifier: Apache-2.0 */
/* How a DICOM file becomes a stored image, and how a stored image goes: object and catalogue row
 * together, whichever door it came through (PACS API, STOW-RS).
 *
 *     temporary file -> host reads the header -> rules of the catalogue -> object named
 *       -> object durable, and catalogue committed meanwhile
 *
 * The header is read in a host (invariant 6): a file that crashes it costs itself its place and
 * nothing else.  Two of the same key or UID take turns (stripes of locks), so between the check and
 * the commit nothing changes.  A crash after the object and before the catalogue leaves an object
 * that no row names; the next start gives it its row.  A power cut can also leave a row whose
 * object is not whole; the next start takes it out.  Bytes that differ from what is stored in
 * nothing but the file's meta header (PS3.10 section 7.1) are the same image: every program writes
 * its own.
 *
 * Durability  true means that object and row survive a crash (invariant 1); a power cut may take
 *             the row of an image that came alone, and cor_archive_recover() makes it again.
 * Ownership   cor_archive_new() gives an object to free; its options are borrowed for its life.
 * Threads     CorArchive: Thread-safe.
 * Blocking    Everything waits for hosts, disk and commit.  Not for the WebSocket thread.
 * Errors      As each function says; those of blob and catalog.
 * Units       Bytes.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/id.h"
#include "blob/blob.h"
#include "catalog/catalog.h"
#include "driver/sql.h"
#include "host/host-pool.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct CorArchive CorArchive;

typedef struct CorArchiveOptions {
    CorSql *catalog;
    CorBlobStore *blobs;
    CorHostPool *hosts; /* that read headers */
} CorArchiveOptions;

/* What became of a file that was stored.  A plain value. */
typedef struct CorArchiveStored {
    bool is_duplicate; /* it was there already: bucket and key are those of the first */
    char study_instance_uid[COR_UID_SIZE];
    char series_instance_uid[COR_UID_SIZE];
    char sop_instance_uid[COR_UID_SIZE];
    char sop_class_uid[COR_UID_SIZE];
    char bucket[COR_CATALOG_BUCKET_SIZE];
    char key[COR_KEY_SIZE];
} CorArchiveStored;

/** Make an archive over a catalogue and a store; nothing runs. */
COR_MUSTCHECK bool cor_archive_new(const CorArchiveOptions *options, CorArchive **ret_archive,
                                   CorError *err);

/** Free an archive that nobody uses any more.  NULL is ignored. */
void cor_archive_free(CorArchive *archive);
COR_DEFINE_CLEANUP(CorArchive, cor_archive_free)

/**
 * Read the header of what was uploaded.
 *
 * @param ret_record  receives the record of cor_dicom_index_json(); json_decref() it
 * @param err         INVALID, CORRUPT, LIMIT, UNSUPPORTED: the file itself is at fault, as is one
 *                    whose pixel data are cut off (half a copy must not take the place of the whole
 *                    one).  HOST_LOST: it ended its reader
 */
COR_MUSTCHECK bool cor_archive_read(CorArchive *archive, CorBlobTemp *temp, json_t **ret_record,
                                    CorError *err);

/**
 * Store what was uploaded in bucket "pacs", unless it is there already.
 *
 * @param record      what cor_archive_read() gave
 * @param key         NULL: <study>/<series>/<instance>.dcm
 * @param ret_stored  receives where it is
 * @param err         CONFLICT: other bytes under the same SOP Instance UID or key, or a series of
 *                    another study; UNAVAILABLE: nothing was stored, try again
 */
COR_MUSTCHECK bool cor_archive_store(CorArchive *archive, CorBlobTemp *temp, const json_t *record,
                                     const char *key, CorArchiveStored *ret_stored, CorError *err);

/**
 * Remove a study, a series or an instance with its objects, derived ones included.
 *
 * The rows go in batches, each followed by its objects: interrupted, what is gone is gone as a
 * whole, and cor_archive_recover() ends what a crash cut off.
 *
 * @param uids     study_instance_uid is needed
 * @param ret_len  how many instances went
 * @param err      NOT_FOUND if there is nothing of these UIDs
 */
COR_MUSTCHECK bool cor_archive_remove(CorArchive *archive, const CorCatalogUids *uids,
                                      size_t *ret_len, CorError *err);

/* What became of a stored image that was looked at. */
typedef enum CorArchiveFate {
    COR_ARCHIVE_NAMED = 0,   /* it has a row, or is gone */
    COR_ARCHIVE_CATALOGUED,  /* it has its row again */
    COR_ARCHIVE_QUARANTINED, /* it is in bucket "quarantine" now */
    COR_ARCHIVE_LEFT,        /* it could not be looked at, and stays as it is */
} CorArchiveFate;

/** Give an object in bucket "pacs" that no row names its row, or move it to quarantine. */
CorArchiveFate cor_archive_adopt(CorArchive *archive, const char *key);

/** Read the header of a stored object; a host that is lost once is forgiven. */
COR_MUSTCHECK bool cor_archive_read_again(CorArchive *archive, int file, json_t **ret_record,
                                          CorError *err);

/**
 * End what a former life began: once, before anything is stored.  Objects whose rows went are
 * removed.
 *
 * @param was_left  it was killed, or the machine went down: the latest objects are made durable
 * @param was_cut   the machine went down: rows whose objects are not whole, of which nobody was
 *                  told, are taken out, and the latest objects get the rows that were lost
 * @param err       NOT_FOUND if the objects are missing altogether
 */
COR_MUSTCHECK bool cor_archive_recover(CorArchive *archive, bool was_left, bool was_cut,
                                       CorError *err);

/** Lock the stripes of two texts (a key, a UID) against others that store or remove the same. */
void cor_archive_lock(CorArchive *archive, const char *one, const char *other);
void cor_archive_unlock(CorArchive *archive, const char *one, const char *other);
