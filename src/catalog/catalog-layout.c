/* SPDX-License-Identifier: Apache-2.0 */
/* Where frames lie in an object, as the host that read it says: one number for plain pixels, a
 * table of fragments for compressed ones (PS3.5 section A.4).
 *
 * Answers are sent straight from these places, so a layout is taken whole and inside the object or
 * not at all; without one a host is asked for the frame.  The table lies in rows of BLOCK frames,
 * so that one frame of ten thousand costs one short row.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "catalog/catalog-priv.h"
#include "catalog/catalog.h"

enum { BLOCK = 64 };
#define TABLE_BYTES_MAX ((size_t) 1 << 20)

/* --- Taking it from a record. --- */

void cor_catalog_priv_layout(const json_t *index, CorCatalogRecord *record)
{
    const json_t *pixels = json_object_get(index, "pixel_data");
    const json_t *fragments = json_object_get(pixels, "frames");

    record->pixel_offset = cor_json_integer(pixels, "offset", 0);
    record->frame_bytes = cor_json_integer(pixels, "frame_bytes", 0);
    record->data_set_offset = cor_json_integer(index, "data_set_offset", -1);
    record->lacks_meta = cor_json_boolean(index, "lacks_meta", false);
    record->fragments = json_is_array(fragments) ? fragments : NULL;
}

static bool fits(int64_t offset, int64_t bytes, uint64_t size)
{
    return offset >= 0 && bytes >= 0 && (uint64_t) offset <= size &&
           (uint64_t) bytes <= size - (uint64_t) offset;
}

void cor_catalog_priv_bind_layout(CorSqlStmt *stmt, int parameter, const CorCatalogRecord *record,
                                  uint64_t size)
{
    int64_t all = 0;

    cor_sql_bind_null(stmt, parameter);
    cor_sql_bind_null(stmt, parameter + 1);
    cor_sql_bind_null(stmt, parameter + 2);
    if (record->frame_bytes > 0 && record->frames > 0 && record->pixel_offset > 0 &&
        !__builtin_mul_overflow(record->frame_bytes, (int64_t) record->frames, &all) &&
        fits(record->pixel_offset, all, size)) {
        cor_sql_bind_int(stmt, parameter, record->pixel_offset);
        cor_sql_bind_int(stmt, parameter + 1, record->frame_bytes);
    }
    if (fits(record->data_set_offset, 0, size)) {
        cor_sql_bind_int(stmt, parameter + 2, record->data_set_offset);
    }
}

/* --- Storing fragments. --- */

/* The words of one frame: how many fragments, then offset and size of each. */
static size_t words_of(const json_t *frame)
{
    return 1 + json_array_size(frame);
}

static bool is_frame_sound(const json_t *frame, uint64_t size)
{
    size_t len = json_array_size(frame);

    if (!json_is_array(frame) || len == 0 || len % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < len; i += 2) {
        const json_t *offset = json_array_get(frame, i);
        const json_t *bytes = json_array_get(frame, i + 1);

        if (!json_is_integer(offset) || !json_is_integer(bytes) ||
            !fits(json_integer_value(offset), json_integer_value(bytes), size)) {
            return false;
        }
    }
    return true;
}

static bool is_table_sound(const CorCatalogRecord *record, uint64_t size)
{
    size_t len = json_array_size(record->fragments);
    size_t words = 0;

    if (record->frames <= 0 || len != (size_t) record->frames) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        const json_t *frame = json_array_get(record->fragments, i);

        words += words_of(frame);
        if (words * sizeof(uint64_t) > TABLE_BYTES_MAX || !is_frame_sound(frame, size)) {
            return false;
        }
    }
    return true;
}

static bool write_block(CorSqlTxn *txn, int64_t instance, size_t block, const json_t *frames,
                        CorError *err)
{
    static const char sql[] = "INSERT INTO fragments(instance, block, body) VALUES (?1, ?2, ?3)";
    size_t first = block * BLOCK;
    size_t end = COR_MIN(first + BLOCK, json_array_size(frames));
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    size_t words = 0;
    size_t len = 0;

    for (size_t i = first; i < end; i++) {
        words += words_of(json_array_get(frames, i));
    }
    uint64_t *body = cor_new_array(uint64_t, words);
    if (!body) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for fragments");
    }
    for (size_t i = first; i < end; i++) {
        const json_t *frame = json_array_get(frames, i);
        size_t numbers = json_array_size(frame);

        body[len++] = htole64(numbers / 2);
        for (size_t k = 0; k < numbers; k++) {
            body[len++] = htole64((uint64_t) json_integer_value(json_array_get(frame, k)));
        }
    }
    cor_sql_bind_int(stmt, 1, instance);
    cor_sql_bind_int(stmt, 2, (int64_t) block);
    cor_sql_bind_blob(stmt, 3, body, words * sizeof(*body));
    bool ok = cor_sql_run(stmt, err);
    cor_sql_bind_null(stmt, 3); /* the bytes were borrowed */
    free(body);
    return ok;
}

bool cor_catalog_priv_write_fragments(CorSqlTxn *txn, int64_t instance,
                                      const CorCatalogRecord *record, uint64_t size, CorError *err)
{
    static const char drop[] = "DELETE FROM fragments WHERE instance = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, drop);

    cor_sql_bind_int(stmt, 1, instance);
    if (!cor_sql_run(stmt, err)) {
        return false;
    }
    if (!record->fragments || !is_table_sound(record, size)) {
        return true;
    }
    for (size_t block = 0; block * BLOCK < json_array_size(record->fragments); block++) {
        if (!write_block(txn, instance, block, record->fragments, err)) {
            return false;
        }
    }
    return true;
}

/* --- Finding them. --- */

/* The pieces of the frame that is skip frames into a block. */
static bool read_block(const void *body, size_t size, size_t skip, CorCatalogRun **ret_runs,
                       size_t *ret_len, CorError *err)
{
    const unsigned char *at = body;
    size_t words = size / sizeof(uint64_t);
    uint64_t word = 0;

    for (size_t i = 0, frame = 0; i < words; i += 1 + 2 * (size_t) word, frame++) {
        memcpy(&word, at + i * sizeof(word), sizeof(word));
        word = le64toh(word);
        if (word > (words - i - 1) / 2) {
            break;
        }
        if (frame < skip) {
            continue;
        }
        CorCatalogRun *runs = cor_new_array(CorCatalogRun, (size_t) word);
        if (!runs) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for fragments");
        }
        for (size_t k = 0; k < word; k++) {
            memcpy(&runs[k], at + (i + 1 + 2 * k) * sizeof(word), sizeof(runs[k]));
            runs[k].offset = le64toh(runs[k].offset);
            runs[k].size = le64toh(runs[k].size);
        }
        *ret_runs = runs;
        *ret_len = (size_t) word;
        return true;
    }
    return cor_fail(err, COR_ERR_CORRUPT, "catalogue: a table of fragments is damaged");
}

bool cor_catalog_fragments(CorSqlTxn *txn, const char *sop_instance_uid, uint32_t frame,
                           CorCatalogRun **ret_runs, size_t *ret_len, CorError *err)
{
    static const char sql[] =
        "SELECT i.frames, f.body FROM instance i LEFT JOIN fragments f ON f.instance = i.id"
        " AND f.block = ?2 WHERE i.sop_uid = ?1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    bool has_row = false;
    bool ok = true;
    size_t size = 0;

    cor_sql_bind_text(stmt, 1, sop_instance_uid);
    cor_sql_bind_int(stmt, 2, frame > 0 ? (frame - 1) / BLOCK : 0);
    if (!cor_sql_next(stmt, &has_row, err)) {
        return false;
    }
    if (!has_row || frame == 0 || (int64_t) frame > cor_sql_column_int(stmt, 0)) {
        cor_sql_reset(stmt);
        return cor_fail(err, COR_ERR_NOT_FOUND, "no such %s", has_row ? "frame" : "instance");
    }
    const void *body = cor_sql_column_blob(stmt, 1, &size);
    if (body) {
        ok = read_block(body, size, (frame - 1) % BLOCK, ret_runs, ret_len, err);
    } else {
        *ret_runs = NULL;
        *ret_len = 0;
    }
    cor_sql_reset(stmt);
    return ok;
}
