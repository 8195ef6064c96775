/* SPDX-License-Identifier: Apache-2.0 */
/* From what a client names to instances.
 *
 * Each id can be read as a part of a key or as a UID, so a name has several readings.  They are
 * tried in order, keys first, and the first one that leads to the end wins; if none does, the error
 * names the deepest level that could not be found.
 *
 *     study_id   keys below "<study_id>/"            | Study Instance UID
 *     series_id  keys below "<study>/<series_id>/"   | Series Instance UID with keys in the study
 *     image_id   the key "<study>/<series>/<image>"  | SOP Instance UID in the series
 *
 * A folder is the range of keys from "<folder>/" to "<folder>0", since "0" follows "/": "a/b" never
 * reaches "a/bc", and %, _ and * mean themselves.  Every step is a seek in an index, so that the
 * cost goes with what is found and not with what is stored.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "catalog/catalog-priv.h"
#include "catalog/catalog.h"

#define RANGE_SIZE (2 * COR_KEY_SIZE + 4) /* a folder, a part below it and what ends them */

/* One reading of study and series: the instances that match all of it. */
typedef struct Reading {
    int64_t study;         /* row of a study named by its UID, else 0 */
    int64_t series;        /* row of a series named by its UID, else 0 */
    char low[RANGE_SIZE];  /* keys in bucket "pacs" are greater than this, */
    char high[RANGE_SIZE]; /* and less than this */
    bool has_folder;       /* low is "<folder>/"; else all keys are meant */
} Reading;

enum { READINGS_MAX = 2 }; /* by key and by UID */

typedef struct Readings {
    Reading items[READINGS_MAX];
    size_t len;
} Readings;

/* --- Ranges of keys. --- */

/* The id without slashes at its end. */
static size_t id_size(const char *id)
{
    size_t size = strlen(id);

    while (size > 0 && id[size - 1] == '/') {
        size--;
    }
    return size;
}

/* Narrow a reading to the folder `id` below `above` ("" or ending with a slash); false if no key
 * can lie there. */
static bool enter_folder(Reading *reading, const char *above, const char *id)
{
    size_t size = id_size(id);

    if (size == 0 || strlen(above) + size > COR_KEY_MAX) {
        return false;
    }
    char low[RANGE_SIZE]; /* above may be reading->low itself */
    int len = snprintf(low, sizeof(low), "%s%.*s/", above, (int) size, id);
    memcpy(reading->low, low, (size_t) len + 1);
    memcpy(reading->high, low, (size_t) len + 1);
    reading->high[len - 1] = '/' + 1;
    reading->has_folder = true;
    return true;
}

static Reading read_anything(void)
{
    return (Reading){.low = "", .high = "\xFF"}; /* no UTF-8 begins with this byte */
}

static bool is_in_range(const Reading *reading, const char *key)
{
    return strcmp(key, reading->low) > 0 && strcmp(key, reading->high) < 0;
}

/* Is there a key of bucket "pacs" in the range, of this study if it is not 0? */
static bool has_keys(CorSqlTxn *txn, const Reading *reading, int64_t study, bool *ret_has,
                     CorError *err)
{
    static const char any[] = "SELECT 1 FROM instance WHERE bucket = '" COR_CATALOG_PACS "'"
                              " AND key > ?2 AND key < ?3 LIMIT 1";
    static const char of_study[] =
        "SELECT 1 FROM instance WHERE study = ?1 AND bucket = '" COR_CATALOG_PACS "'"
        " AND key > ?2 AND key < ?3 LIMIT 1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, study ? of_study : any);
    int64_t found = 0;

    cor_sql_bind_int(stmt, 1, study);
    cor_sql_bind_text(stmt, 2, reading->low);
    cor_sql_bind_text(stmt, 3, reading->high);
    if (!cor_catalog_priv_number(stmt, &found, err)) {
        return false;
    }
    *ret_has = found != 0;
    return true;
}

/* --- Readings of a study and of a series. --- */

static bool add_if_keys(CorSqlTxn *txn, const Reading *reading, Readings *to, CorError *err)
{
    bool has = false;

    if (!has_keys(txn, reading, reading->study, &has, err)) {
        return false;
    }
    if (has) {
        to->items[to->len++] = *reading;
    }
    return true;
}

static bool read_study(CorSqlTxn *txn, const char *study_id, Readings *ret_readings, CorError *err)
{
    static const char find[] = "SELECT id FROM study WHERE study_uid = ?1";
    Reading by_key = read_anything();
    Reading by_uid = read_anything();
    CorSqlStmt *stmt = NULL;

    ret_readings->len = 0;
    if (enter_folder(&by_key, "", study_id) && !add_if_keys(txn, &by_key, ret_readings, err)) {
        return false;
    }
    stmt = cor_sql_stmt(txn, find);
    cor_sql_bind_text(stmt, 1, study_id);
    if (!cor_catalog_priv_number(stmt, &by_uid.study, err)) {
        return false;
    }
    if (by_uid.study) {
        ret_readings->items[ret_readings->len++] = by_uid;
    }
    return true;
}

/* The common folder of a study, with a slash behind it; "" if there is none. */
static bool study_folder(CorSqlTxn *txn, int64_t study, char folder[COR_KEY_SIZE + 1],
                         CorError *err)
{
    static const char sql[] = "SELECT folder FROM study WHERE id = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;

    cor_sql_bind_int(stmt, 1, study);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    const char *text = has_row ? cor_sql_column_text(stmt, 0) : NULL;
    (void) snprintf(folder, COR_KEY_SIZE + 1, "%s%s", text ? text : "", text && text[0] ? "/" : "");
    cor_sql_reset(stmt);
    return true;
}

/* Cut the last part of a folder that ends with a slash: "a/b/" to "a/" to ""; false if it is "". */
static bool cut_last_part(char *folder)
{
    size_t size = strlen(folder);

    if (size == 0) {
        return false;
    }
    do {
        size--;
    } while (size > 0 && folder[size - 1] != '/');
    folder[size] = '\0';
    return true;
}

/* Series by key.  A study named by its UID need not be cut where the client cuts it: with one
 * series only, its common folder is that of the series.  So the folders above are tried as well,
 * the nearest first, up to the whole beginning of the key. */
static bool read_series_key(CorSqlTxn *txn, const Reading *study, const char *series_id,
                            Readings *to, CorError *err)
{
    char folder[COR_KEY_SIZE + 1] = "";
    Reading below = *study;

    if (study->has_folder) {
        return !enter_folder(&below, study->low, series_id) || add_if_keys(txn, &below, to, err);
    }
    if (!study_folder(txn, study->study, folder, err)) {
        return false;
    }
    do {
        if (enter_folder(&below, folder, series_id) && !add_if_keys(txn, &below, to, err)) {
            return false;
        }
    } while (to->len == 0 && cut_last_part(folder));
    return true;
}

/* Series by UID: of the study, or of a study that has keys in its folder. */
static bool read_series_uid(CorSqlTxn *txn, const Reading *study, const char *series_id,
                            Readings *to, CorError *err)
{
    static const char find[] = "SELECT id, study FROM series WHERE series_uid = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, find);
    Reading reading = *study;
    int64_t its_study = 0;
    bool is_there = false;

    cor_sql_bind_text(stmt, 1, series_id);
    if (!cor_sql_next(stmt, &is_there, err)) {
        return false;
    }
    if (!is_there) {
        return true;
    }
    reading.series = cor_sql_column_int(stmt, 0);
    its_study = cor_sql_column_int(stmt, 1);
    cor_sql_reset(stmt);
    if (study->study) {
        is_there = study->study == its_study;
    } else if (!has_keys(txn, study, its_study, &is_there, err)) {
        return false;
    }
    if (is_there) {
        to->items[to->len++] = reading;
    }
    return true;
}

static bool read_series(CorSqlTxn *txn, const Reading *study, const char *series_id,
                        Readings *ret_readings, CorError *err)
{
    ret_readings->len = 0;
    if (!series_id) {
        ret_readings->items[ret_readings->len++] = *study;
        return true;
    }
    return read_series_key(txn, study, series_id, ret_readings, err) &&
           read_series_uid(txn, study, series_id, ret_readings, err);
}

/* --- Images. --- */

/* Does an instance that was found by itself belong to what else was named? */
static bool belongs(CorSqlTxn *txn, const Reading *reading, const CorCatalogRow *row,
                    const CorCatalogInstance *instance, bool *ret_belongs, CorError *err)
{
    bool fits = true;

    if (reading->series) {
        fits = row->series == reading->series;
    } else if (reading->study) {
        fits = row->study == reading->study;
    }
    if (fits && reading->has_folder && !is_in_range(reading, instance->key)) {
        /* Something derived need not lie under the same key, but is of the same study. */
        if (!instance->is_derived) {
            fits = false;
        } else if (!has_keys(txn, reading, row->study, &fits, err)) {
            return false;
        }
    }
    *ret_belongs = fits;
    return true;
}

/* Take an instance of bucket "pacs" by its whole key, if it belongs. */
static bool image_by_key(CorSqlTxn *txn, const Reading *reading, const char *above,
                         const char *image_id, CorCatalogInstance **ret_instance, CorError *err)
{
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *found = NULL;
    CorCatalogRow row = {0};
    char key[RANGE_SIZE];
    bool fits = false;

    *ret_instance = NULL;
    if (strlen(above) + strlen(image_id) > COR_KEY_MAX) {
        return true;
    }
    (void) snprintf(key, sizeof(key), "%s%s", above, image_id);
    if (!cor_catalog_priv_find_key(txn, COR_CATALOG_PACS, key, &row, &found, err) ||
        (found && !belongs(txn, reading, &row, found, &fits, err))) {
        return false;
    }
    if (fits) {
        *ret_instance = COR_TAKE(found);
    }
    return true;
}

/* True if image_id is the last part or parts of the key. */
static bool ends_with_parts(const char *key, const char *image_id)
{
    size_t size = strlen(key);
    size_t end = strlen(image_id);

    return size >= end && strcmp(key + size - end, image_id) == 0 &&
           (size == end || key[size - end - 1] == '/');
}

/* In a series named by its UID: by the last parts of the key, of which there may be several. */
static bool image_by_name(CorSqlTxn *txn, const Reading *reading, const char *image_id,
                          CorCatalogInstance **ret_instance, CorError *err)
{
    static const char sql[] = "SELECT " COR_CATALOG_COLUMNS COR_CATALOG_FROM
                              " WHERE i.series = ?1 AND i.file_name = ?2 LIMIT 1001";
    COR_CLEANUP(cor_catalog_instances_freep) CorCatalogInstances *named = NULL;
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    const char *slash = strrchr(image_id, '/');
    CorCatalogInstance **match = NULL;

    *ret_instance = NULL;
    cor_sql_bind_int(stmt, 1, reading->series);
    cor_sql_bind_text(stmt, 2, slash ? slash + 1 : image_id);
    if (!cor_catalog_priv_read_all(stmt, 1000, &named, err)) {
        return false;
    }
    for (size_t i = 0; i < named->len; i++) {
        const CorCatalogInstance *item = named->items[i];
        bool is_pacs = strcmp(item->bucket, COR_CATALOG_PACS) == 0;

        if (!ends_with_parts(item->key, image_id) ||
            (is_pacs && !is_in_range(reading, item->key))) {
            continue;
        }
        if (match) {
            return cor_fail(err, COR_ERR_CONFLICT, "image_id fits several images of the series");
        }
        match = &named->items[i];
    }
    if (match) {
        *ret_instance = COR_TAKE(*match);
    }
    return true;
}

static bool image_by_uid(CorSqlTxn *txn, const Reading *reading, const char *image_id,
                         CorCatalogInstance **ret_instance, CorError *err)
{
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *found = NULL;
    CorCatalogRow row = {0};
    bool fits = false;

    if (!cor_catalog_priv_find(txn, image_id, &row, &found, err) ||
        (found && !belongs(txn, reading, &row, found, &fits, err))) {
        return false;
    }
    *ret_instance = fits ? COR_TAKE(found) : NULL;
    return true;
}

/* In a study named by its UID: below its common folder or one above it, as in read_series_key(). */
static bool image_in_study(CorSqlTxn *txn, const Reading *reading, const char *image_id,
                           CorCatalogInstance **ret_instance, CorError *err)
{
    char folder[COR_KEY_SIZE + 1] = "";

    if (!study_folder(txn, reading->study, folder, err)) {
        return false;
    }
    do {
        if (!image_by_key(txn, reading, folder, image_id, ret_instance, err)) {
            return false;
        }
    } while (!*ret_instance && cut_last_part(folder));
    return true;
}

/* Find the image in one reading of study and series; NULL if it is not there. */
static bool find_image(CorSqlTxn *txn, const Reading *reading, const char *image_id,
                       CorCatalogInstance **ret_instance, CorError *err)
{
    bool ok = true;

    *ret_instance = NULL;
    if (reading->series) {
        ok = image_by_name(txn, reading, image_id, ret_instance, err);
    } else if (reading->has_folder) {
        ok = image_by_key(txn, reading, reading->low, image_id, ret_instance, err);
    } else {
        ok = image_in_study(txn, reading, image_id, ret_instance, err);
    }
    if (!ok || *ret_instance) {
        return ok;
    }
    return image_by_uid(txn, reading, image_id, ret_instance, err);
}

/* --- Lists. --- */

#define OF_RANGE " WHERE i.bucket = '" COR_CATALOG_PACS "' AND i.key > ?2 AND i.key < ?3"
#define OF_STUDY \
    " WHERE i.study = ?1 AND i.bucket = '" COR_CATALOG_PACS "' AND i.key > ?2 AND i.key < ?3"
#define OF_SERIES \
    " WHERE i.series = ?1 AND (i.bucket <> '" COR_CATALOG_PACS "' OR (i.key > ?2 AND i.key < ?3))"
#define IN_SERIES_ORDER                                                     \
    " ORDER BY s.series_uid, i.instance_number IS NULL, i.instance_number," \
    " i.slice_position IS NULL, i.slice_position, i.key LIMIT ?4"
#define IN_KEY_ORDER " ORDER BY i.key LIMIT ?4"
#define WITH_PIXELS " AND i.has_pixels >= ?5" /* 1, or 0 for all */

/* All instances of a reading, in the order of resolving. */
static bool collect(CorSqlTxn *txn, const Reading *reading, bool only_pixels, size_t max,
                    CorCatalogInstances **ret_instances, CorError *err)
{
    static const char range[] =
        "SELECT " COR_CATALOG_COLUMNS COR_CATALOG_FROM OF_RANGE WITH_PIXELS IN_SERIES_ORDER;
    static const char study[] =
        "SELECT " COR_CATALOG_COLUMNS COR_CATALOG_FROM OF_STUDY WITH_PIXELS IN_SERIES_ORDER;
    static const char series[] =
        "SELECT " COR_CATALOG_COLUMNS COR_CATALOG_FROM OF_SERIES WITH_PIXELS IN_SERIES_ORDER;
    CorSqlStmt *stmt = cor_sql_stmt(txn, reading->series ? series : reading->study ? study : range);

    cor_sql_bind_int(stmt, 1, reading->series ? reading->series : reading->study);
    cor_sql_bind_text(stmt, 2, reading->low);
    cor_sql_bind_text(stmt, 3, reading->high);
    cor_sql_bind_int(stmt, 4, (int64_t) max + 1);
    cor_sql_bind_int(stmt, 5, only_pixels);
    return cor_catalog_priv_read_all(stmt, max, ret_instances, err);
}

/* One page of a reading in the order of keys. */
static bool collect_page(CorSqlTxn *txn, const Reading *reading, const char *after, size_t max,
                         CorCatalogInstances **ret_instances, CorError *err)
{
    static const char range[] =
        "SELECT " COR_CATALOG_COLUMNS COR_CATALOG_FROM OF_RANGE IN_KEY_ORDER;
    static const char study[] =
        "SELECT " COR_CATALOG_COLUMNS COR_CATALOG_FROM OF_STUDY IN_KEY_ORDER;
    static const char series[] =
        "SELECT " COR_CATALOG_COLUMNS COR_CATALOG_FROM OF_SERIES " AND i.key > ?5" IN_KEY_ORDER;
    CorSqlStmt *stmt = cor_sql_stmt(txn, reading->series ? series : reading->study ? study : range);
    bool is_past_low = strcmp(after, reading->low) > 0;

    cor_sql_bind_int(stmt, 1, reading->series ? reading->series : reading->study);
    cor_sql_bind_text(stmt, 2, is_past_low && !reading->series ? after : reading->low);
    cor_sql_bind_text(stmt, 3, reading->high);
    cor_sql_bind_int(stmt, 4, (int64_t) max + 1);
    if (reading->series) {
        cor_sql_bind_text(stmt, 5, after);
    }
    return cor_catalog_priv_read_all(stmt, max, ret_instances, err);
}

/* --- For other rooms. --- */

bool cor_pacs_scope_from_name(const char *name, CorPacsScope *ret_scope)
{
    static const char *const names[] = {
        [COR_PACS_IMAGE] = "image",
        [COR_PACS_SERIES] = "series",
        [COR_PACS_STUDY] = "study",
    };

    for (size_t i = 0; i < COR_ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret_scope = (CorPacsScope) i;
            return true;
        }
    }
    return false;
}

/* Make a list of one instance, which it takes. */
static bool list_of_one(CorCatalogInstance **instance, CorCatalogInstances **ret_instances,
                        CorError *err)
{
    COR_CLEANUP(cor_catalog_instances_freep)
    CorCatalogInstances *list = cor_new(CorCatalogInstances);

    if (list) {
        list->items = cor_new_array(CorCatalogInstance *, 1);
    }
    if (!list || !list->items) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of instances");
    }
    list->items[0] = COR_TAKE(*instance);
    list->len = 1;
    *ret_instances = COR_TAKE(list);
    return true;
}

/* Take one reading of study and series to its end; *ret_instances stays NULL if it leads nowhere.
 */
static bool finish(CorSqlTxn *txn, const CorPacsRef *ref, const Reading *reading, size_t max,
                   CorCatalogInstances **ret_instances, CorError *err)
{
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *image = NULL;
    COR_CLEANUP(cor_catalog_instances_freep) CorCatalogInstances *list = NULL;

    if (ref->scope == COR_PACS_IMAGE) {
        if (!find_image(txn, reading, ref->image_id, &image, err)) {
            return false;
        }
        if (image && ref->only_pixels && !image->has_pixels) {
            return cor_fail(err, COR_ERR_INVALID, "image_id names an object without pixels");
        }
        return !image || list_of_one(&image, ret_instances, err);
    }
    if (!collect(txn, reading, ref->only_pixels, max, &list, err)) {
        return false;
    }
    if (list->has_more) {
        return cor_fail(err, COR_ERR_LIMIT, "the %s has more than %zu images",
                        ref->scope == COR_PACS_SERIES ? "series" : "study", max);
    }
    if (list->len > 0) {
        *ret_instances = COR_TAKE(list);
    }
    return true;
}

static bool check_ref(const CorPacsRef *ref, CorError *err)
{
    if (!ref->study_id || !ref->study_id[0]) {
        return cor_fail(err, COR_ERR_INVALID, "study_id is missing");
    }
    if (ref->scope == COR_PACS_SERIES && (!ref->series_id || !ref->series_id[0])) {
        return cor_fail(err, COR_ERR_INVALID, "series_id is missing");
    }
    if (ref->scope == COR_PACS_IMAGE && (!ref->image_id || !ref->image_id[0])) {
        return cor_fail(err, COR_ERR_INVALID, "image_id is missing");
    }
    return true;
}

/* Say what was not found; always false. */
static bool fail_unresolved(const CorPacsRef *ref, size_t studies, size_t series, CorError *err)
{
    if (ref->scope == COR_PACS_STUDY) {
        return studies > 0 && ref->only_pixels
                   ? cor_fail(err, COR_ERR_INVALID, "study_id names no image with pixels")
                   : cor_fail(err, COR_ERR_NOT_FOUND, "no such study");
    }
    if (studies == 0) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "no such study");
    }
    if (ref->scope == COR_PACS_SERIES && series > 0 && ref->only_pixels) {
        return cor_fail(err, COR_ERR_INVALID, "series_id names no image with pixels");
    }
    if (ref->scope == COR_PACS_SERIES || series == 0) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "no such series in the study");
    }
    return cor_fail(err, COR_ERR_NOT_FOUND,
                    ref->series_id ? "no such image in the series" : "no such image in the study");
}

bool cor_catalog_resolve(CorSqlTxn *txn, const CorPacsRef *ref, size_t max,
                         CorCatalogInstances **ret_instances, CorError *err)
{
    const char *series_id = ref->scope == COR_PACS_STUDY ? NULL : ref->series_id;
    CorCatalogInstances *found = NULL;
    Readings studies;
    Readings series;
    size_t series_seen = 0;

    assert(max >= 1 && max <= COR_CATALOG_RESOLVE_MAX);

    if (!check_ref(ref, err) || !read_study(txn, ref->study_id, &studies, err)) {
        return false;
    }
    for (size_t i = 0; i < studies.len; i++) {
        if (!read_series(txn, &studies.items[i], series_id, &series, err)) {
            return false;
        }
        series_seen += series.len;
        for (size_t k = 0; k < series.len; k++) {
            if (!finish(txn, ref, &series.items[k], max, &found, err)) {
                return false;
            }
            if (found) {
                *ret_instances = found;
                return true;
            }
        }
    }
    return fail_unresolved(ref, studies.len, series_seen, err);
}

bool cor_catalog_images(CorSqlTxn *txn, const CorCatalogImagesOptions *options,
                        CorCatalogInstances **ret_instances, CorError *err)
{
    const char *after = options->after ? options->after : "";
    Readings studies;
    Readings series;

    assert(options->max >= 1 && options->max <= COR_CATALOG_PAGE_MAX);

    if (!read_study(txn, options->study_id, &studies, err)) {
        return false;
    }
    for (size_t i = 0; i < studies.len; i++) {
        if (!read_series(txn, &studies.items[i], options->series_id, &series, err)) {
            return false;
        }
        if (series.len > 0) {
            return collect_page(txn, &series.items[0], after, options->max, ret_instances, err);
        }
    }
    *ret_instances = cor_new(CorCatalogInstances);
    return *ret_instances || cor_fail(err, COR_ERR_NOMEM, "out of memory for a list of instances");
}
