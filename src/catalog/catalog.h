/* SPDX-License-Identifier: Apache-2.0 */
/* The Study / Series / Instance index of everything that is stored, and the feed of its changes.
 *
 * It can be rebuilt from the objects: cor_catalog_clear(), then cor_catalog_add() for each.  Rules:
 * a SOP Instance UID is stored once; a (bucket, key) belongs to one instance; a Series belongs to
 * one Study.  The same UID with the same digest is a duplicate, and the first key stays.
 *
 * Every arrival and removal gets the next number of the change feed, in the transaction that makes
 * it: numbers count up from 1 without gaps and in the order of commits.
 *
 * Functions take a transaction of driver/sql.h.  Those marked "reads" may run inside
 * cor_sql_read(); the others need cor_sql_write() and do nothing that outlives a failing commit.
 *
 * Durability  That of the transaction.
 * Ownership   cor_catalog_open() gives a database to cor_sql_close(); instances and lists are freed
 *             with their own functions.
 * Threads     cor_catalog_open(): Thread-safe.  The rest as its transaction: One thread at a time.
 * Blocking    As cor_sql_read() and cor_sql_write(); nothing waits inside a transaction.
 * Errors      NOT_FOUND, CONFLICT, LIMIT and INVALID as said below; those of driver/sql.h.  Texts
 *             hold UIDs, never keys or attributes (invariant 7).
 * Units       Bytes; wall-clock ms; positions in mm.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "base/id.h"
#include "base/string.h"
#include "driver/sql.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define COR_CATALOG_BUCKET_SIZE 32
#define COR_CATALOG_IDENTITY_SIZE 17
#define COR_CATALOG_PAGE_MAX ((size_t) 10000) /* rows in one page */
#define COR_CATALOG_RESOLVE_MAX ((size_t) 100000)

/* What is to be put into the catalogue.  All pointers are borrowed for the call. */
typedef struct CorCatalogEntry {
    const json_t *index;     /* the record of cor_host_index() or cor_dicom_index_json() */
    const char *bucket;      /* "pacs", or "output" for derived objects */
    const char *key;         /* passes cor_key_check() */
    uint64_t size;           /* bytes */
    const char *sha256;      /* 64 lower-case hexadecimal digits */
    int64_t created_unix_ms; /* when it arrived */
    bool is_derived;         /* made by one of our jobs */
    const char *algo_id;     /* of a derived object; may be NULL */
    const char *job_id;      /* of a derived object; may be NULL */
} CorCatalogEntry;

typedef enum CorCatalogOutcome {
    COR_CATALOG_ADDED = 0, /* it is new */
    COR_CATALOG_DUPLICATE, /* same UID, same digest: nothing changes, the first key stays */
    COR_CATALOG_REPLACED, /* a derived object takes the place of itself: same UID, bucket and key */
} CorCatalogOutcome;

/* One stored SOP Instance.  One allocation: freed as a whole. */
typedef struct CorCatalogInstance {
    char study_instance_uid[COR_UID_SIZE];
    char series_instance_uid[COR_UID_SIZE];
    char sop_instance_uid[COR_UID_SIZE];
    char sop_class_uid[COR_UID_SIZE];
    char transfer_syntax_uid[COR_UID_SIZE];
    char frame_of_reference_uid[COR_UID_SIZE]; /* "" if there is none */
    char modality[17];                         /* "" if unknown */
    char bucket[COR_CATALOG_BUCKET_SIZE];
    char sha256[65];
    uint64_t size; /* bytes */
    int64_t created_unix_ms;
    int64_t change_seq; /* the number of the change that brought these bytes */
    int64_t instance_number;
    double slice_position_mm; /* Image Position projected on the normal of Image Orientation */
    int rows;
    int columns;
    int frames;
    bool has_instance_number;
    bool has_slice_position;
    bool has_pixels;
    bool is_derived;
    bool lacks_meta; /* the object is no file of PS3.10: a meta header has to be put before it */
    /* Where frame n (from 1) lies in the object: at pixel_offset + (n - 1) * frame_bytes, plain
     * little-endian pixels that begin at a byte.  frame_bytes is 0 if it is not as simple as that:
     * then see cor_catalog_fragments(). */
    uint64_t pixel_offset;
    uint64_t frame_bytes;
    int64_t
        data_set_offset; /* where the data set after group 2 begins; -1 if deflated or unknown */
    char key[];          /* NUL-terminated */
} CorCatalogInstance;

static inline void cor_catalog_instance_freep(CorCatalogInstance **slot)
{
    free(*slot);
    *slot = NULL;
}

typedef struct CorCatalogInstances {
    CorCatalogInstance **items;
    size_t len;
    bool has_more; /* only of pages: there are further rows */
} CorCatalogInstances;

/** Free a list.  NULL is ignored. */
void cor_catalog_instances_free(CorCatalogInstances *instances);
COR_DEFINE_CLEANUP(CorCatalogInstances, cor_catalog_instances_free)

typedef struct CorCatalogTexts {
    char **items;
    size_t len;
    bool has_more;
} CorCatalogTexts;

/** Free a list.  NULL is ignored. */
void cor_catalog_texts_free(CorCatalogTexts *texts);
COR_DEFINE_CLEANUP(CorCatalogTexts, cor_catalog_texts_free)

typedef enum CorPacsScope {
    COR_PACS_IMAGE = 0,
    COR_PACS_SERIES,
    COR_PACS_STUDY,
} CorPacsScope;

/* What a client names.  Each id is a DICOM UID or a part of a key, mixed as you like:
 *
 *   study_id   leading parts of keys in bucket "pacs" ("a/b" is of "a/b/c.dcm", never of "a/bc")
 *   series_id  the parts that follow the study's; below a Study UID those that follow the study's
 *              common folder or a folder above it.  NULL: any series of the study
 *   image_id   the parts that follow; below a Series UID the last part or parts of the key
 *
 * With only_pixels, a series or study is its images: reports, presentation states and other objects
 * without pixels, which may share the series, are left out.
 *
 * Where both a key and a UID match, the key wins.  Derived objects are found by UID: a study means
 * what came in, a Series UID or SOP Instance UID may also name something derived. */
typedef struct CorPacsRef {
    const char *study_id;
    const char *series_id; /* needed for scope series; ignored for scope study */
    const char *image_id;  /* needed for scope image; ignored otherwise */
    CorPacsScope scope;
    bool only_pixels;
} CorPacsRef;

typedef struct CorCatalogTotals {
    int64_t studies;
    int64_t series;
    int64_t instances;
    int64_t bytes;
    int64_t last_change_seq; /* 0 before the first change */
} CorCatalogTotals;

/** The scope of "image", "series" or "study"; false for anything else. */
bool cor_pacs_scope_from_name(const char *name, CorPacsScope *ret_scope);

/**
 * Open the catalogue's database, creating it if there is none, and bring its tables up to date.
 *
 * @param ret_db  receives the database; the caller closes it with cor_sql_close()
 */
COR_MUSTCHECK bool cor_catalog_open(const char *path, const CorSqlOptions *options, CorSql **ret_db,
                                    CorError *err);

/** Bring the catalogue's tables up to date in a database that is open already.  Writes. */
COR_MUSTCHECK bool cor_catalog_migrate(CorSqlTxn *txn, CorError *err);

/**
 * Bring the attributes of a large record into the order in which they are kept, which takes time:
 * rather here, in the caller's thread, than in cor_catalog_add(), while others wait to write.
 *
 * @param record  of cor_host_index(); changed if it is large and not in that order
 * @param err     INVALID as of cor_catalog_add()
 */
COR_MUSTCHECK bool cor_catalog_order(json_t *record, CorError *err);

/**
 * Put an instance into the catalogue.  Writes; idempotent.
 *
 * @param ret_outcome   what became of it
 * @param ret_existing  receives for a duplicate the instance that is there, whose bucket and key
 * may differ from the entry's, else NULL; may be NULL.  free() it
 * @param err           INVALID: the record lacks a UID or holds an illegal one, or the text of its
 *                      attributes is no JSON object.  CONFLICT, with the UIDs that collide: same
 *                      SOP Instance UID with other bytes, same key with another UID, or a Series
 *                      that belongs to another Study
 */
COR_MUSTCHECK bool cor_catalog_add(CorSqlTxn *txn, const CorCatalogEntry *entry,
                                   CorCatalogOutcome *ret_outcome,
                                   CorCatalogInstance **ret_existing, CorError *err);

/** Tell what cor_catalog_add() would do, or why it would refuse, without a look at the attributes.
 * Reads. */
COR_MUSTCHECK bool cor_catalog_check(CorSqlTxn *txn, const CorCatalogEntry *entry,
                                     CorCatalogOutcome *ret_outcome,
                                     CorCatalogInstance **ret_existing, CorError *err);

/** Find an instance by SOP Instance UID: NULL if there is none.  Reads.  free() it. */
COR_MUSTCHECK bool cor_catalog_find(CorSqlTxn *txn, const char *sop_instance_uid,
                                    CorCatalogInstance **ret_instance, CorError *err);

/** Find an instance by bucket and key: NULL if there is none.  Reads.  free() it. */
COR_MUSTCHECK bool cor_catalog_find_key(CorSqlTxn *txn, const char *bucket, const char *key,
                                        CorCatalogInstance **ret_instance, CorError *err);

/** True in *ret_has if an instance has this bucket and key: for sweeping what no row names.  Reads.
 */
COR_MUSTCHECK bool cor_catalog_has_key(CorSqlTxn *txn, const char *bucket, const char *key,
                                       bool *ret_has, CorError *err);

/**
 * Get the DICOM JSON Model of an instance's header, "attributes" in the order of tags.  Reads.
 *
 * @param ret_json  receives malloc()ed text
 * @param err       NOT_FOUND if there is no such instance
 */
COR_MUSTCHECK bool cor_catalog_attributes(CorSqlTxn *txn, const char *sop_instance_uid,
                                          char **ret_json, size_t *ret_size, CorError *err);

/* --- By UID, as DICOMweb names things. --- */

/* A study, a series or an instance: what is NULL counts as any. */
typedef struct CorCatalogUids {
    const char *study_instance_uid;
    const char *series_instance_uid;
    const char *sop_instance_uid;
} CorCatalogUids;

/**
 * List the instances below a study or series, or the one named, derived ones included, in the order
 * of arrival.  Reads.
 *
 * @param max  LIMIT if there are more; 1 to COR_CATALOG_RESOLVE_MAX
 * @param err  NOT_FOUND if there is none: an instance that is not in that series, for example
 */
COR_MUSTCHECK bool cor_catalog_select(CorSqlTxn *txn, const CorCatalogUids *uids, size_t max,
                                      CorCatalogInstances **ret_instances, CorError *err);

/**
 * Visit the headers (cor_catalog_attributes()) of the instances below, in the order of
 * cor_catalog_select(), one page at a time.  Reads.
 *
 * @param visit      gets text that lives for the call; false ends the walk with its error.  The
 * page ends when it sets *ret_is_full
 * @param ret_after  in: 0, or where the last page ended; out: where this one ends, 0 if it is the
 *                   last
 * @param err        NOT_FOUND if there is none, on the first page
 */
COR_MUSTCHECK bool cor_catalog_headers(CorSqlTxn *txn, const CorCatalogUids *uids,
                                       bool (*visit)(void *context, const CorCatalogUids *instance,
                                                     const char *json, size_t size,
                                                     bool *ret_is_full, CorError *err),
                                       void *context, int64_t *ret_after, CorError *err);

/** Append a header, or a part of one, with the URLs of its bulk data made absolute: "bulkdata/..."
 * goes below the URL of the instance, which must need no escapes in JSON. */
void cor_catalog_append_header(CorString *text, const char *json, size_t size,
                               const char *instance_url);

/** True if a header, or a part of one, names bulk data. */
bool cor_catalog_has_bulk(const char *json, size_t size);

/* How much there is below, and a number that grows with each change of it. */
typedef struct CorCatalogState {
    int64_t instances;
    int64_t change_seq;
} CorCatalogState;

/** Tell the state of a study, series or instance in constant time.  Reads.  NOT_FOUND. */
COR_MUSTCHECK bool cor_catalog_state(CorSqlTxn *txn, const CorCatalogUids *uids,
                                     CorCatalogState *ret_state, CorError *err);

/* A piece of an object. */
typedef struct CorCatalogRun {
    uint64_t offset;
    uint64_t size;
} CorCatalogRun;

/**
 * Tell where the fragments of one compressed frame lie (PS3.5 section A.4).  Reads.
 *
 * @param frame     counts from 1
 * @param ret_runs  receives malloc()ed pieces in their order, or NULL if the catalogue does not
 *                  know: then a host has to be asked
 * @param err       NOT_FOUND if there is no such instance or frame
 */
COR_MUSTCHECK bool cor_catalog_fragments(CorSqlTxn *txn, const char *sop_instance_uid,
                                         uint32_t frame, CorCatalogRun **ret_runs, size_t *ret_len,
                                         CorError *err);

/* The instances that came last. */
typedef struct CorCatalogLatest {
    char (*uids)[COR_UID_SIZE]; /* SOP Instance UIDs, the newest first; malloc()ed */
    size_t len;
    int64_t changed_unix_ms; /* when the latest change of any kind was made; 0: there is none */
} CorCatalogLatest;

/** List the instances that came into a bucket with its last max arrivals, among the last 100,000
 * changes, each once; they may have gone again.  Reads. */
COR_MUSTCHECK bool cor_catalog_latest(CorSqlTxn *txn, const char *bucket, size_t max,
                                      CorCatalogLatest *ret_latest, CorError *err);

/** The number of the latest change, 0 before the first.  Reads. */
COR_MUSTCHECK bool cor_catalog_last_change(CorSqlTxn *txn, int64_t *ret_seq, CorError *err);

/**
 * Tell which catalogue this is: 16 hexadecimal digits, drawn when it was made.  Reads.
 *
 * Numbers of changes are of one catalogue; where they go out, this tells them from another one's.
 */
COR_MUSTCHECK bool
cor_catalog_identity(CorSqlTxn *txn, char ret_identity[COR_CATALOG_IDENTITY_SIZE], CorError *err);

/**
 * Draw a new identity: the latest changes may be undone, and their numbers may be given again.
 * Whoever follows the changes begins anew.  A write, of which arg is unused.
 */
COR_MUSTCHECK bool cor_catalog_renew_identity(CorSqlTxn *txn, void *arg, CorError *err);

/**
 * Visit the changes after a number, in their order, each as a JSON object: "seq", "kind" ("added",
 * "replaced", "removed" or, without UIDs, "cleared"), "at" and, where known, "study_instance_uid",
 * "series_instance_uid", "sop_instance_uid", "modality".  Reads.
 *
 * @param max    1 to COR_CATALOG_PAGE_MAX
 * @param visit  gets text that lives for the call; false ends the walk, which is no error
 */
COR_MUSTCHECK bool cor_catalog_changes(CorSqlTxn *txn, int64_t since, size_t max,
                                       bool (*visit)(void *context, int64_t seq, const char *json,
                                                     size_t size),
                                       void *context, CorError *err);

/**
 * Take an instance out, with its Series and Study if they become empty.  Writes.
 *
 * @param ret_removed  receives what it was, so that the caller can remove the object, or NULL if
 * there was none (which is no error); may be NULL.  free() it
 */
COR_MUSTCHECK bool cor_catalog_remove(CorSqlTxn *txn, const char *sop_instance_uid,
                                      int64_t now_unix_ms, CorCatalogInstance **ret_removed,
                                      CorError *err);

/* --- Removal of instances together with their objects: catalog-removal.c. --- */

/* An object whose row is gone and which has to follow.  Begins all zero for a walk. */
typedef struct CorCatalogRemoval {
    char bucket[COR_CATALOG_BUCKET_SIZE];
    char key[COR_KEY_SIZE];
    int64_t at_unix_ms; /* when the row went */
} CorCatalogRemoval;

/**
 * Take out instances of a study, a series, or the one named, and note that their objects are to
 * follow.  Writes.
 *
 * @param uids     study_instance_uid is needed
 * @param max      at most so many at once; 1 to COR_CATALOG_PAGE_MAX
 * @param ret_len  how many went; fewer than max: nothing is left
 */
COR_MUSTCHECK bool cor_catalog_remove_below(CorSqlTxn *txn, const CorCatalogUids *uids, size_t max,
                                            int64_t now_unix_ms, size_t *ret_len, CorError *err);

/** Go to the next object that has to follow its row, in the order of bucket and key; *ret_has is
 * false behind the last.  Reads. */
COR_MUSTCHECK bool cor_catalog_next_removal(CorSqlTxn *txn, CorCatalogRemoval *removal,
                                            bool *ret_has, CorError *err);

/** True in *ret_is_due if that removal still stands: no row has taken the key since.  Reads. */
COR_MUSTCHECK bool cor_catalog_removal_is_due(CorSqlTxn *txn, const CorCatalogRemoval *removal,
                                              bool *ret_is_due, CorError *err);

/** Find the object of that key if it has to follow its row; *ret_has is false if not.  Reads. */
COR_MUSTCHECK bool cor_catalog_find_removal(CorSqlTxn *txn, const char *bucket, const char *key,
                                            CorCatalogRemoval *removal, bool *ret_has,
                                            CorError *err);

/** The object is gone, or is not to go any more.  Writes; cor_catalog_add() does it by itself. */
COR_MUSTCHECK bool cor_catalog_forget_removal(CorSqlTxn *txn, const char *bucket, const char *key,
                                              CorError *err);

/** True in *ret_was if a row of this bucket and key was ever taken out.  Reads. */
COR_MUSTCHECK bool cor_catalog_was_removed(CorSqlTxn *txn, const char *bucket, const char *key,
                                           bool *ret_was, CorError *err);

/**
 * Turn what a client names into instances.  Reads.
 *
 * A series comes in the order of Instance Number, then slice position, then key; a study series by
 * series.  Never empty on success.
 *
 * @param max            LIMIT if there are more; 1 to COR_CATALOG_RESOLVE_MAX
 * @param ret_instances  receives the list
 * @param err            NOT_FOUND "no such study", "no such series in the study" or "no such image
 * in the series"; CONFLICT if image_id fits several; INVALID if an id is missing, or if only_pixels
 * leaves nothing of what was found
 */
COR_MUSTCHECK bool cor_catalog_resolve(CorSqlTxn *txn, const CorPacsRef *ref, size_t max,
                                       CorCatalogInstances **ret_instances, CorError *err);

/**
 * True in *ret_has if the folder of the instance's key holds an older object of another series.
 * Reads; the cost is that of looking at what lies in the folder.
 *
 * @param instance  the oldest of its series in that folder; older is as in cor_catalog_has_older()
 */
COR_MUSTCHECK bool cor_catalog_folder_has_older(CorSqlTxn *txn, const CorCatalogInstance *instance,
                                                bool *ret_has, CorError *err);

/* Keys that differ only in one trailing ".dcm": none, and the eight ways to write it. */
#define COR_CATALOG_TWINS ((size_t) 9)

/**
 * True in *ret_has if one of these keys in the instance's bucket belongs to another instance that
 * is older.  Reads; one seek for each key.
 *
 * Older is what was catalogued first, so that what comes later changes no answer, or what arrived
 * first: after a rebuild, which catalogues by key, that still tells who was there before.  Of two
 * instances at most one has no older one, even where the two orders contradict each other.
 *
 * @param keys  NULL for those that do not matter
 */
COR_MUSTCHECK bool cor_catalog_has_older(CorSqlTxn *txn, const CorCatalogInstance *instance,
                                         const char *const keys[COR_CATALOG_TWINS], bool *ret_has,
                                         CorError *err);

typedef struct CorCatalogImagesOptions {
    const char *study_id;
    const char *series_id; /* NULL for all series */
    const char *after;     /* keys greater than this one; NULL or "" from the start */
    size_t max;            /* 1 to COR_CATALOG_PAGE_MAX */
} CorCatalogImagesOptions;

/**
 * List the images of a study or series in byte order of their keys, one page at a time; the ids are
 * those of CorPacsRef.  Where nothing matches the page is empty.  Reads.
 */
COR_MUSTCHECK bool cor_catalog_images(CorSqlTxn *txn, const CorCatalogImagesOptions *options,
                                      CorCatalogInstances **ret_instances, CorError *err);

/**
 * List study ids, one page at a time, in byte order: of each Study the longest common folder of its
 * keys in bucket "pacs", else its Study Instance UID.  Studies that share a folder share the id.
 * Reads.
 *
 * @param after      ids greater than this one; NULL or "" from the start
 * @param max        1 to COR_CATALOG_PAGE_MAX
 */
COR_MUSTCHECK bool cor_catalog_study_ids(CorSqlTxn *txn, const char *after, size_t max,
                                         CorCatalogTexts **ret_ids, CorError *err);

/**
 * List all instances in the order of bucket and key, one page at a time, to check them against the
 * objects.  Reads.
 *
 * @param after_bucket  with after_key the last one of the previous page; NULL from the start
 */
COR_MUSTCHECK bool cor_catalog_page(CorSqlTxn *txn, const char *after_bucket, const char *after_key,
                                    size_t max, CorCatalogInstances **ret_instances, CorError *err);

/** Count what is there, in constant time.  Reads. */
COR_MUSTCHECK bool cor_catalog_totals(CorSqlTxn *txn, CorCatalogTotals *ret_totals, CorError *err);

/**
 * Forget all instances, to add them again.  Writes.  The change feed goes on: it says "cleared",
 * and then every arrival once more.
 */
COR_MUSTCHECK bool cor_catalog_clear(CorSqlTxn *txn, int64_t now_unix_ms, CorError *err);
