/* SPDX-License-Identifier: Apache-2.0 */
/* A query becomes SQL: constant pieces, and parameters for everything that came from outside.
 *
 * Each key becomes a condition on the columns of its level, aliases t (study), s (series) and i
 * (instance); with an index where there is one, else by a test of the column or of the header. Keys
 * of a lower level than the answers' ask that there is a series, or an instance, that fits them
 * all.
 */
#include "catalog/catalog-query.h"

#include <string.h>

#include "base/array.h"

#define SQL_MAX ((size_t) 65536)

typedef enum ColumnKind {
    COLUMN_TEXT,   /* what the header has, as it is */
    COLUMN_TESTED, /* to be tested, not compared: names, and texts that may have blanks in front */
    COLUMN_NUMBER,
    COLUMN_IN_SERIES,    /* of any series of the study */
    COLUMN_IN_INSTANCES, /* of any instance of the study */
} ColumnKind;

typedef struct Column {
    char tag[COR_CATALOG_TAG_SIZE];
    ColumnKind kind;
    const char *sql;
} Column;

static const Column columns[] = {
    {"00080016", COLUMN_TEXT, "i.sop_class_uid"},
    {"00080018", COLUMN_TEXT, "i.sop_uid"},
    {"00080020", COLUMN_TEXT, "t.study_date"},
    {"00080021", COLUMN_TEXT, "s.series_date"},
    {"00080030", COLUMN_TESTED, "t.study_time"},
    {"00080031", COLUMN_TESTED, "s.series_time"},
    {"00080050", COLUMN_TEXT, "t.accession_number"},
    {"00080056", COLUMN_TESTED, "'ONLINE'"},
    {"00080060", COLUMN_TEXT, "s.modality"},
    {"00080061", COLUMN_IN_SERIES, "m.modality"},
    {"00080062", COLUMN_IN_INSTANCES, "m.sop_class_uid"},
    {"00080090", COLUMN_TESTED, "t.referring_name"},
    {"0008103E", COLUMN_TESTED, "s.series_description"},
    {"00081030", COLUMN_TESTED, "t.study_description"},
    {"00100010", COLUMN_TESTED, "t.patient_name"},
    {"00100020", COLUMN_TEXT, "t.patient_id"},
    {"00100030", COLUMN_TEXT, "t.patient_birth_date"},
    {"00100040", COLUMN_TEXT, "t.patient_sex"},
    {"0020000D", COLUMN_TEXT, "t.study_uid"},
    {"0020000E", COLUMN_TEXT, "s.series_uid"},
    {"00200010", COLUMN_TEXT, "t.study_id"},
    {"00200011", COLUMN_NUMBER, "s.series_number"},
    {"00200013", COLUMN_NUMBER, "i.instance_number"},
    {"00201206", COLUMN_NUMBER, "t.series_count"},
    {"00201208", COLUMN_NUMBER, "t.instance_count"},
    {"00201209", COLUMN_NUMBER, "s.instance_count"},
    {"00400244", COLUMN_TEXT, "s.performed_start_date"},
    {"00400245", COLUMN_TESTED, "s.performed_start_time"},
};

/* The header behind a level's answers: that of the instance, or of the one that came first. */
static const char *const headers[] = {
    [COR_CATALOG_STUDIES] = "(SELECT body FROM attributes WHERE instance ="
                            " (SELECT min(id) FROM instance WHERE study = t.id))",
    [COR_CATALOG_SERIES] = "(SELECT body FROM attributes WHERE instance ="
                           " (SELECT min(id) FROM instance WHERE series = s.id))",
    [COR_CATALOG_INSTANCES] = "(SELECT body FROM attributes WHERE instance = i.id)",
};

bool cor_catalog_priv_tells(const CorCatalogQuery *query, CorCatalogLevel level)
{
    switch (level) {
    case COR_CATALOG_STUDIES:
        return query->level == COR_CATALOG_STUDIES || !query->within.study_instance_uid;
    case COR_CATALOG_SERIES:
        return query->level == COR_CATALOG_SERIES ||
               (query->level == COR_CATALOG_INSTANCES && !query->within.series_instance_uid);
    case COR_CATALOG_INSTANCES:
        break;
    }
    return query->level == COR_CATALOG_INSTANCES;
}

bool cor_catalog_priv_names(const CorCatalogQuery *query, const char *tag)
{
    for (size_t i = 0; i < query->includes_len; i++) {
        if (memcmp(query->includes[i], tag, COR_CATALOG_TAG_SIZE - 1) == 0) {
            return true;
        }
    }
    return false;
}

bool cor_catalog_priv_includes(const CorCatalogQuery *query, const char *tag)
{
    if (cor_catalog_priv_names(query, tag)) {
        return true;
    }
    return query->includes_all && cor_catalog_priv_level_of(tag, query->level) <= query->level;
}

bool cor_catalog_priv_needs_header(const CorCatalogQuery *query)
{
    return query->includes_len > 0 || query->includes_all;
}

/* --- Building. --- */

/* SQL and what is to be bound, in the order of parameters. */
typedef struct Builder {
    CorString *sql;
    struct {
        const char *text; /* a text, or else */
        size_t size;
        CorSqlMatch *match; /* a test, or else */
        const CorCatalogKey *key;
        double number;
    } params[COR_CATALOG_KEYS_MAX + COR_CATALOG_VALUES_MAX];
    size_t params_len;
    bool is_full;
} Builder;

static void add(Builder *builder, const char *sql)
{
    cor_string_append_text(builder->sql, sql);
}

/* Room for one more parameter, written as "?n". */
static size_t add_param(Builder *builder)
{
    if (builder->params_len == COR_ARRAY_LEN(builder->params)) {
        builder->is_full = true;
        builder->params_len--;
    }
    cor_string_printf(builder->sql, "?%zu", builder->params_len + 1);
    return builder->params_len++;
}

static void add_text(Builder *builder, const char *text, size_t size)
{
    size_t at = add_param(builder);

    builder->params[at].text = text;
    builder->params[at].size = size;
}

static void add_test(Builder *builder, const CorCatalogKey *key, CorSqlMatch *match,
                     const char *sql)
{
    add(builder, "matches(");
    size_t at = add_param(builder);
    builder->params[at].match = match;
    builder->params[at].key = key;
    cor_string_printf(builder->sql, ", %s)", sql);
}

static void add_list(Builder *builder, const CorCatalogKey *key, const char *sql)
{
    cor_string_printf(builder->sql, "%s IN (", sql);
    for (size_t i = 0; i < key->values_len; i++) {
        add(builder, i ? ", " : "");
        add_text(builder, key->values[i], strlen(key->values[i]));
    }
    add(builder, ")");
}

static const Column *find_column(const CorCatalogKey *key)
{
    for (size_t i = 0; key->path.len == 1 && i < COR_ARRAY_LEN(columns); i++) {
        if (strcmp(columns[i].tag, key->path.tags[0]) == 0) {
            return &columns[i];
        }
    }
    return NULL;
}

bool cor_catalog_query_reads_headers(const CorCatalogQuery *query)
{
    bool reads = cor_catalog_priv_needs_header(query);

    for (size_t i = 0; i < query->keys_len && !reads; i++) {
        reads = query->keys[i]->kind != COR_KEY_UNIVERSAL && !find_column(query->keys[i]);
    }
    return reads;
}

static void add_compared(Builder *builder, const CorCatalogKey *key, const Column *column)
{
    if (column->kind == COLUMN_NUMBER) {
        cor_string_printf(builder->sql, "%s = ", column->sql);
        size_t at = add_param(builder);
        builder->params[at].number = key->number;
    } else if (key->kind == COR_KEY_EXACT && column->kind != COLUMN_TESTED) {
        add_list(builder, key, column->sql);
    } else if (key->kind == COR_KEY_MOMENT && column->kind != COLUMN_TESTED) { /* of VR DA */
        cor_string_printf(builder->sql, "%s >= ", column->sql);
        add_text(builder, key->low, 8);
        cor_string_printf(builder->sql, " AND %s <= ", column->sql);
        add_text(builder, key->high, 8);
    } else {
        add_test(builder, key, cor_catalog_priv_match_text, column->sql);
    }
}

/* A Patient Name that begins like this is found by its index; what is not ASCII was folded in other
 * ways by older programs.  Names of several component groups are few, and all tested. */
static void add_name_start(Builder *builder, const CorCatalogKey *key)
{
    static const char last[] = "\xF4\x8F\xBF\xBF";
    const char *pattern = key->values[0];
    size_t size = 0;

    while ((pattern[size] >= 'a' && pattern[size] <= 'z') || pattern[size] == ' ') {
        size++;
    }
    if (size == 0 || strchr(pattern, '=')) {
        return;
    }
    add(builder, "(t.has_name_groups = 1 OR (t.patient_name_search >= ");
    add_text(builder, pattern, size);
    add(builder, " AND t.patient_name_search < ");
    add_text(builder, pattern, size);
    cor_string_printf(builder->sql, " || '%s')) AND ", last);
}

static void add_condition(Builder *builder, const CorCatalogKey *key, CorCatalogLevel level)
{
    const Column *column = find_column(key);

    add(builder, " AND ");
    if (!column) {
        add_test(builder, key, cor_catalog_priv_match_header, headers[level]);
    } else if (column->kind == COLUMN_IN_SERIES || column->kind == COLUMN_IN_INSTANCES) {
        cor_string_printf(builder->sql, "EXISTS (SELECT 1 FROM %s m WHERE m.study = t.id AND ",
                          column->kind == COLUMN_IN_SERIES ? "series" : "instance");
        add_compared(builder, key, column);
        add(builder, ")");
    } else {
        if (key->kind == COR_KEY_NAME && strcmp(column->tag, "00100010") == 0) {
            add_name_start(builder, key);
        }
        add_compared(builder, key, column);
    }
}

/* The keys of a level; *ret_any tells whether there are some. */
static void add_level(Builder *builder, const CorCatalogQuery *query, CorCatalogLevel level,
                      const char *before, const char *after)
{
    bool is_first = true;

    for (size_t i = 0; i < query->keys_len; i++) {
        const CorCatalogKey *key = query->keys[i];

        if (key->kind == COR_KEY_UNIVERSAL ||
            cor_catalog_priv_level_of(key->path.tags[0], query->level) != level) {
            continue;
        }
        if (is_first) {
            add(builder, before);
            is_first = false;
        }
        add_condition(builder, key, level);
    }
    add(builder, is_first ? "" : after);
}

/* What lies below the path. */
static void add_within(Builder *builder, const CorCatalogQuery *query)
{
    static const char *const of_study[] = {"t.id", "s.study", "i.study"};
    const char *study = query->within.study_instance_uid;
    const char *series = query->within.series_instance_uid;

    if (series) {
        add(builder, " AND i.series = (SELECT id FROM series WHERE series_uid = ");
        add_text(builder, series, strlen(series));
        add(builder, ")");
    }
    if (study) {
        /* The plus keeps SQLite from looking for the study's instances first. */
        cor_string_printf(builder->sql,
                          " AND %s%s = (SELECT id FROM study WHERE study_uid = ", series ? "+" : "",
                          of_study[query->level]);
        add_text(builder, study, strlen(study));
        add(builder, ")");
    }
}

static const char *const froms[] = {
    [COR_CATALOG_STUDIES] = " FROM study t WHERE 1",
    [COR_CATALOG_SERIES] = " FROM series s JOIN study t ON t.id = s.study WHERE 1",
    [COR_CATALOG_INSTANCES] = " FROM instance i JOIN series s ON s.id = i.series"
                              " JOIN study t ON t.id = i.study WHERE 1",
};

static void add_from(Builder *builder, const CorCatalogQuery *query)
{
    static const char *const below[][3] = {
        [COR_CATALOG_STUDIES] = {"", " AND EXISTS (SELECT 1 FROM series s WHERE s.study = t.id",
                                 " AND EXISTS (SELECT 1 FROM instance i WHERE i.study = t.id"},
        [COR_CATALOG_SERIES] = {"", "",
                                " AND EXISTS (SELECT 1 FROM instance i WHERE i.series = s.id"},
        [COR_CATALOG_INSTANCES] = {"", "", ""},
    };

    add(builder, froms[query->level]);
    add_within(builder, query);
    for (size_t i = COR_CATALOG_STUDIES; i <= COR_CATALOG_INSTANCES; i++) {
        const char *before = below[query->level][i];
        add_level(builder, query, (CorCatalogLevel) i, before, before[0] ? ")" : "");
    }
}

static bool finish(CorSqlTxn *txn, const Builder *builder, CorSqlStmt **ret_stmt, CorError *err)
{
    if (builder->is_full) {
        return cor_fail(err, COR_ERR_LIMIT, "the search has too many values");
    }
    if (!cor_string_check(builder->sql, err)) {
        return false;
    }
    CorSqlStmt *stmt = cor_sql_stmt_once(txn, cor_string_text(builder->sql));
    for (size_t i = 0; i < builder->params_len; i++) {
        int index = (int) i + 1;

        if (builder->params[i].text) {
            cor_sql_bind_text_size(stmt, index, builder->params[i].text, builder->params[i].size);
        } else if (builder->params[i].match) {
            cor_sql_bind_match(stmt, index, builder->params[i].match, builder->params[i].key);
        } else {
            cor_sql_bind_real(stmt, index, builder->params[i].number);
        }
    }
    *ret_stmt = stmt;
    return true;
}

/* --- Statements. --- */

static void add_columns(Builder *builder, const CorCatalogQuery *query)
{
    static const char *const uids[] = {"t.study_uid, NULL, NULL", "t.study_uid, s.series_uid, NULL",
                                       "t.study_uid, s.series_uid, i.sop_uid"};
    static const char *const ready[] = {"t.ready", "s.ready",
                                        "(SELECT lines FROM ready WHERE instance = i.id)"};

    cor_string_printf(builder->sql, "SELECT %s", uids[query->level]);
    for (size_t i = COR_CATALOG_STUDIES; i <= COR_CATALOG_INSTANCES; i++) {
        bool is_told = cor_catalog_priv_tells(query, (CorCatalogLevel) i);
        cor_string_printf(builder->sql, ", %s", is_told ? ready[i] : "NULL");
    }
    cor_string_printf(
        builder->sql, ", %s, t.modalities, t.series_count, t.instance_count, %s, %s",
        cor_catalog_priv_needs_header(query) ? headers[query->level] : "NULL",
        query->level == COR_CATALOG_STUDIES ? "NULL" : "s.instance_count",
        cor_catalog_priv_names(query, "00080062")
            ? "(SELECT group_concat(DISTINCT sop_class_uid) FROM instance WHERE study = t.id)"
            : "NULL");
}

bool cor_catalog_priv_page_stmt(CorSqlTxn *txn, const CorCatalogQuery *query, CorSqlStmt **ret_stmt,
                                CorError *err)
{
    static const char *const orders[] = {"t.id", "s.id", "i.id"};
    COR_CLEANUP(cor_string_freep) CorString *sql = cor_string_new(SQL_MAX);
    COR_CLEANUP(cor_freep) Builder *builder = cor_new(Builder);

    if (!builder) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a search");
    }
    builder->sql = sql;
    add_columns(builder, query);
    add_from(builder, query);
    cor_string_printf(sql, " ORDER BY %s LIMIT %lld OFFSET %lld", orders[query->level],
                      (long long) query->limit + 1, (long long) query->offset);
    return finish(txn, builder, ret_stmt, err);
}

static bool has_conditions(const CorCatalogQuery *query)
{
    for (size_t i = 0; i < query->keys_len; i++) {
        if (query->keys[i]->kind != COR_KEY_UNIVERSAL) {
            return true;
        }
    }
    return false;
}

/* What nobody has to count. */
static const char *known_count(const CorCatalogQuery *query)
{
    static const char *const all[] = {"SELECT studies FROM total", "SELECT series FROM total",
                                      "SELECT instances FROM total"};

    if (has_conditions(query)) {
        return NULL;
    }
    if (query->within.series_instance_uid) {
        return "SELECT instance_count FROM series WHERE series_uid = ?1";
    }
    if (query->within.study_instance_uid) {
        return query->level == COR_CATALOG_SERIES
                   ? "SELECT series_count FROM study WHERE study_uid = ?1"
                   : "SELECT instance_count FROM study WHERE study_uid = ?1";
    }
    return all[query->level];
}

bool cor_catalog_priv_count_stmt(CorSqlTxn *txn, const CorCatalogQuery *query, int64_t max,
                                 CorSqlStmt **ret_stmt, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *sql = cor_string_new(SQL_MAX);
    COR_CLEANUP(cor_freep) Builder *builder = cor_new(Builder);
    const char *known = known_count(query);

    if (!builder) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a search");
    }
    if (known) {
        *ret_stmt = cor_sql_stmt_once(txn, known);
        if (query->within.study_instance_uid) {
            cor_sql_bind_text(*ret_stmt, 1,
                              query->within.series_instance_uid ? query->within.series_instance_uid
                                                                : query->within.study_instance_uid);
        }
        return true;
    }
    builder->sql = sql;
    add(builder, "SELECT count(*) FROM (SELECT 1");
    add_from(builder, query);
    cor_string_printf(sql, " LIMIT %lld)", (long long) max);
    return finish(txn, builder, ret_stmt, err);
}

bool cor_catalog_priv_can_match(const CorCatalogKey *key)
{
    return strcmp(key->path.tags[0], "00081190") != 0; /* Retrieve URL: made for each answer */
}
