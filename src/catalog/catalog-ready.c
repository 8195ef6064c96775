/* SPDX-License-Identifier: Apache-2.0 */
/* Storing what is ready of the answers to searches, and making it up for rows of a catalogue that
 * was written before there was such a thing. */
#include "catalog/catalog-lines.h"
#include "catalog/catalog-priv.h"

#define LINES_MAX ((size_t) 1 << 20)

bool cor_catalog_priv_write_ready(CorSqlTxn *txn, CorCatalogLevel level, int64_t row,
                                  const char *attributes, CorError *err)
{
    static const char *const texts[] = {
        "UPDATE study SET ready = ?2 WHERE id = ?1", "UPDATE series SET ready = ?2 WHERE id = ?1",
        "INSERT OR REPLACE INTO ready(instance, lines) VALUES (?1, ?2)"};
    COR_CLEANUP(cor_string_freep) CorString *lines = cor_string_new(LINES_MAX);
    CorSqlStmt *stmt = cor_sql_stmt(txn, texts[level]);

    cor_catalog_priv_ready(level, attributes, lines);
    if (!cor_string_check(lines, err)) {
        return false;
    }
    cor_sql_bind_int(stmt, 1, row);
    cor_sql_bind_text_size(stmt, 2, cor_string_text(lines), cor_string_size(lines));
    bool ok = cor_sql_run(stmt, err);
    cor_sql_bind_null(stmt, 2); /* the text was borrowed */
    return ok;
}

/* The row of the statement: numbers of instance, series and study, the last two NULL if theirs is
 * there, and the header, NULL if there is none that can be read. */
static bool fill_row(CorSqlTxn *txn, CorSqlStmt *stmt, CorError *err)
{
    const char *attributes = cor_sql_column_text(stmt, 3);
    const CorCatalogLevel levels[] = {COR_CATALOG_INSTANCES, COR_CATALOG_SERIES,
                                      COR_CATALOG_STUDIES};

    for (int i = 0; i < 3; i++) {
        if (!cor_sql_column_is_null(stmt, i) &&
            !cor_catalog_priv_write_ready(txn, levels[i], cor_sql_column_int(stmt, i), attributes,
                                          err)) {
            return false;
        }
    }
    return true;
}

bool cor_catalog_priv_fill_ready(CorSqlTxn *txn, CorError *err)
{
    static const char sql[] =
        "SELECT r.instance, CASE WHEN s.ready IS NULL THEN s.id END,"
        " CASE WHEN t.ready IS NULL THEN t.id END,"
        " CASE WHEN json_valid(a.body) THEN a.body END"
        " FROM ready r JOIN instance i ON i.id = r.instance JOIN series s ON s.id = i.series"
        " JOIN study t ON t.id = i.study LEFT JOIN attributes a ON a.instance = i.id"
        " WHERE r.lines IS NULL AND r.instance > ?1 ORDER BY r.instance LIMIT 1";
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    int64_t after = 0;
    bool has_row = true;

    while (has_row) {
        cor_sql_bind_int(stmt, 1, after);
        if (!cor_sql_next(stmt, &has_row, err)) {
            return false;
        }
        if (has_row) {
            after = cor_sql_column_int(stmt, 0);
            bool ok = fill_row(txn, stmt, err);
            cor_sql_reset(stmt);
            if (!ok) {
                return false;
            }
        }
    }
    return true;
}
