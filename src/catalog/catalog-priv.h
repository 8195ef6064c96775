/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: rows of instances, and the record of the DICOM room. */
#pragma once

#include "catalog/catalog-search.h"
#include "catalog/catalog.h"

/* How cor_catalog_priv_read() wants an instance to be selected. */
#define COR_CATALOG_COLUMNS                                                                    \
    "i.id, i.study, i.series, t.study_uid, s.series_uid, i.sop_uid, i.sop_class_uid,"          \
    " i.transfer_syntax_uid, i.frame_of_reference_uid, i.modality, i.bucket, i.sha256, i.key," \
    " i.size, i.created, i.change_seq, i.instance_number, i.slice_position, i.image_rows,"     \
    " i.image_columns, i.frames, i.has_pixels, i.is_derived, i.pixel_offset,"                  \
    " i.frame_bytes, i.data_set_offset, i.lacks_meta"
#define COR_CATALOG_FROM \
    " FROM instance i JOIN series s ON s.id = i.series JOIN study t ON t.id = i.study"

/* Numbers of the rows behind an instance. */
typedef struct CorCatalogRow {
    int64_t id;
    int64_t study;
    int64_t series;
} CorCatalogRow;

/* The bucket whose keys name studies and series. */
#define COR_CATALOG_PACS "pacs"

/* Kinds in table change. */
typedef enum CorCatalogChange {
    COR_CHANGE_ADDED = 1,
    COR_CHANGE_REPLACED,
    COR_CHANGE_REMOVED,
    COR_CHANGE_CLEARED,
} CorCatalogChange;

/* Copy the current row into an instance to free(); ret_row may be NULL. */
COR_MUSTCHECK bool cor_catalog_priv_read(CorSqlStmt *stmt, CorCatalogRow *ret_row,
                                         CorCatalogInstance **ret_instance, CorError *err);

/* Read the only row of a statement, or NULL if it has none. */
COR_MUSTCHECK bool cor_catalog_priv_read_one(CorSqlStmt *stmt, CorCatalogRow *ret_row,
                                             CorCatalogInstance **ret_instance, CorError *err);

/* Read all rows of a statement; with more than max, the rest is dropped and has_more set. */
/**
 * The statement of the lowest UID that is given, with ?1 to ?3 bound to the UIDs that there are.
 *
 * @param texts  without a UID, of a Study, of a Series, of an instance; one that cannot be asked
 *               for may be NULL
 */
CorSqlStmt *cor_catalog_priv_stmt_of(CorSqlTxn *txn, const CorCatalogUids *uids,
                                     const char *const texts[4]);

COR_MUSTCHECK bool cor_catalog_priv_read_all(CorSqlStmt *stmt, size_t max,
                                             CorCatalogInstances **ret_instances, CorError *err);

/* Find by UID or by key, with the numbers of the rows; NULL if there is none. */
COR_MUSTCHECK bool cor_catalog_priv_find(CorSqlTxn *txn, const char *sop_instance_uid,
                                         CorCatalogRow *ret_row, CorCatalogInstance **ret_instance,
                                         CorError *err);
COR_MUSTCHECK bool cor_catalog_priv_find_key(CorSqlTxn *txn, const char *bucket, const char *key,
                                             CorCatalogRow *ret_row,
                                             CorCatalogInstance **ret_instance, CorError *err);

/* Run a statement of at most one row and take the integer in its first column; 0 if there is none.
 */
COR_MUSTCHECK bool cor_catalog_priv_number(CorSqlStmt *stmt, int64_t *ret_number, CorError *err);

/* True if a statement of at most one row has one. */
COR_MUSTCHECK bool cor_catalog_priv_has_row(CorSqlStmt *stmt, bool *ret_has, CorError *err);

/* Shorten the folder of a study to what it shares with a key that is new in it. */
COR_MUSTCHECK bool cor_catalog_priv_narrow_folder(CorSqlTxn *txn, int64_t study, const char *key,
                                                  CorError *err);

/* Bring folder, list_id and modalities of a study in line with its instances and series. */
COR_MUSTCHECK bool cor_catalog_priv_update_folder(CorSqlTxn *txn, int64_t study, CorError *err);
COR_MUSTCHECK bool cor_catalog_priv_update_modalities(CorSqlTxn *txn, int64_t study, CorError *err);

/* --- The record of the DICOM room. --- */

/* Longest text of an attribute that a column keeps, in bytes; longer ones are cut. */
#define COR_CATALOG_TEXT_MAX ((size_t) 1024)

/* What the catalogue takes out of a record; its texts are borrowed but for those that were made. */
typedef struct CorCatalogRecord {
    const char *sop_instance_uid;
    const char *sop_class_uid;
    const char *study_instance_uid;
    const char *series_instance_uid;
    const char *transfer_syntax_uid;
    const char *modality;    /* NULL if there is none */
    const char *attributes;  /* as catalog-attributes.h says; NULL until they are asked for */
    char *made;              /* the same if it had to be made, else NULL */
    json_t *picked;          /* those of them that the row of an instance has */
    const json_t *fragments; /* where compressed frames lie, not looked at yet; or NULL */
    int64_t instance_number;
    double slice_position_mm;
    int rows;
    int columns;
    int frames;
    int64_t pixel_offset; /* of plain pixels, else 0 */
    int64_t frame_bytes;
    int64_t data_set_offset; /* -1 if there is none */
    bool has_instance_number;
    bool has_slice_position;
    bool has_pixels;
    bool lacks_meta;
} CorCatalogRecord;

/* Read a record without its attributes; INVALID says which member is missing or illegal. */
COR_MUSTCHECK bool cor_catalog_priv_record(const json_t *index, CorCatalogRecord *ret_record,
                                           CorError *err);

/* Take the attributes as well, and what follows from them: for who is about to store them.  INVALID
 * if they are no JSON. */
COR_MUSTCHECK bool cor_catalog_priv_record_attributes(CorSqlTxn *txn, const json_t *index,
                                                      CorCatalogRecord *record, CorError *err);

/* Free what had to be made; a record that is all zero is ignored. */
void cor_catalog_priv_record_done(CorCatalogRecord *record);

/* The first value of a text attribute, NULL if there is none.  Borrowed.  Here and below the
 * attributes are those that somebody has picked. */
const char *cor_catalog_priv_attribute(const json_t *attributes, const char *tag);

/* The first value of an integer attribute (a JSON number, or text as some writers have it). */
bool cor_catalog_priv_attribute_int(const json_t *attributes, const char *tag, int64_t *ret_value);

/* The component groups of a value of VR PN, an object (PS3.18 section F.2.2), joined by "=". */
void cor_catalog_priv_join_name(const json_t *value, char name[COR_CATALOG_TEXT_MAX + 1]);

/* The component groups of a Person Name, joined by "="; "" if there is none. */
void cor_catalog_priv_person_name(const json_t *attributes, const char *tag,
                                  char name[COR_CATALOG_TEXT_MAX + 1]);

/* The form in which names are searched: lower case, one space for carets and runs of spaces. */
void cor_catalog_priv_fold_name(const char *name, char folded[COR_CATALOG_TEXT_MAX + 1]);

/* Length of text, at most max bytes, cut between characters. */
size_t cor_catalog_priv_text_size(const char *text, size_t max);

/* --- Rows above an instance. --- */

/* Which attribute fills which parameter. */
typedef struct CorCatalogColumn {
    int parameter;
    const char *tag;
} CorCatalogColumn;

/* Bind the first values of text attributes, without blanks in front, cut to COR_CATALOG_TEXT_MAX.
 */
void cor_catalog_priv_bind_columns(CorSqlStmt *stmt, const json_t *attributes,
                                   const CorCatalogColumn *columns, size_t len);

/* Run a static statement with one parameter. */
COR_MUSTCHECK bool cor_catalog_priv_run_with(CorSqlTxn *txn, const char *sql, int64_t value,
                                             CorError *err);

/* Find the study and series of an instance, or make them of it. */
COR_MUSTCHECK bool cor_catalog_priv_need_above(CorSqlTxn *txn, const CorCatalogRecord *record,
                                               int64_t *ret_study, int64_t *ret_series,
                                               CorError *err);

/* After an instance has gone: take away the series and the study that it left empty, and where it
 * was the first one let the next one speak. */
COR_MUSTCHECK bool cor_catalog_priv_settle_above(CorSqlTxn *txn, const CorCatalogRow *gone,
                                                 CorError *err);

/* After an instance has been replaced: where it is the first one, what is said of its series and
 * study is anew what it says. */
COR_MUSTCHECK bool cor_catalog_priv_renew_above(CorSqlTxn *txn, const CorCatalogRow *row,
                                                CorError *err);

/* --- Ready answers. --- */

/* Make and store the lines of a study, series or instance, its row's number, from the text of its
 * attributes (NULL: none). */
COR_MUSTCHECK bool cor_catalog_priv_write_ready(CorSqlTxn *txn, CorCatalogLevel level, int64_t row,
                                                const char *attributes, CorError *err);

/* Make the lines that an older program could not make. */
COR_MUSTCHECK bool cor_catalog_priv_fill_ready(CorSqlTxn *txn, CorError *err);

/* --- Where frames lie. --- */

/* Take the layout of the pixels out of a record whose other members are read. */
void cor_catalog_priv_layout(const json_t *index, CorCatalogRecord *record);

/* Bind pixel_offset, frame_bytes and data_set_offset from parameter on, NULL for what does not fit
 * into an object of size bytes. */
void cor_catalog_priv_bind_layout(CorSqlStmt *stmt, int parameter, const CorCatalogRecord *record,
                                  uint64_t size);

/* Store, instead of what is there, where the fragments of an instance lie; a table that does not
 * fit into an object of size bytes, or is too long, is left out. */
COR_MUSTCHECK bool cor_catalog_priv_write_fragments(CorSqlTxn *txn, int64_t instance,
                                                    const CorCatalogRecord *record, uint64_t size,
                                                    CorError *err);

/* --- The rules. --- */

/* What is there already and what becomes of an entry. */
typedef struct CorCatalogVerdict {
    CorCatalogOutcome outcome;
    CorCatalogInstance *outgrown; /* derived, under the key of what is added: its row goes */
    CorCatalogInstance *existing; /* of a duplicate or a replaced one, else NULL */
    CorCatalogRow row;            /* of existing */
} CorCatalogVerdict;

void cor_catalog_priv_verdict_done(CorCatalogVerdict *verdict);

/* Apply the rules of catalog.h to an entry; the verdict is to be done with in any case. */
COR_MUSTCHECK bool cor_catalog_priv_judge(CorSqlTxn *txn, const CorCatalogEntry *entry,
                                          const CorCatalogRecord *record,
                                          CorCatalogVerdict *verdict, CorError *err);
