/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: the lines that are ready for each level, what is known only now (counts, modalities,
 * URL), and what was asked for besides, merged into one object for each row. */
#include "catalog/catalog-search.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "catalog/catalog-lines.h"
#include "catalog/catalog-query.h"

#define LINES_MAX ((size_t) 32 << 20)
#define COUNT_MAX ((int64_t) 100000) /* nobody wants to know more exactly */

/* What is put together for one answer after the other. */
typedef struct Answers {
    const CorCatalogQuery *query;
    const char *root_url; /* escaped for JSON */
    CorString *url;       /* of the row */
    CorString *computed;  /* lines of the row */
    CorString *included;  /* lines of the row */
    CorString *text;
} Answers;

static CorCatalogSpan span_of(const char *text)
{
    return (CorCatalogSpan){.text = text ? text : "", .size = text ? strlen(text) : 0};
}

/* Append ["a","b"] of texts that are joined by a separator. */
static void append_list(CorString *lines, const char *joined, char separator)
{
    const char *before = ",\"Value\":[";

    while (joined && *joined) {
        const char *end = strchrnul(joined, separator);
        json_t *value = json_stringn(joined, (size_t) (end - joined));
        char *text = value ? cor_json_text(value) : NULL;

        cor_string_append_text(lines, before);
        cor_string_append_text(lines, text ? text : "null");
        free(text);
        json_decref(value);
        before = ",";
        joined = *end ? end + 1 : end;
    }
    cor_string_append_text(lines, before[0] == ',' && !before[1] ? "]" : "");
}

static void append_number(const Answers *answers, CorSqlStmt *stmt, const char *tag, int column,
                          CorCatalogLevel level)
{
    if (cor_catalog_priv_tells(answers->query, level) ||
        cor_catalog_priv_names(answers->query, tag)) {
        cor_string_printf(answers->computed, "\"%s\":{\"vr\":\"IS\",\"Value\":[%lld]}\n", tag,
                          (long long) cor_sql_column_int(stmt, column));
    }
}

/* In the order of tags. */
static void compute(const Answers *answers, CorSqlStmt *stmt)
{
    CorString *lines = answers->computed;
    const CorCatalogQuery *query = answers->query;
    const char *classes = cor_sql_column_text(stmt, COR_FOUND_SOP_CLASSES);

    cor_string_truncate(lines, 0);
    cor_string_append_text(lines, "\"00080056\":{\"vr\":\"CS\",\"Value\":[\"ONLINE\"]}\n");
    if (cor_catalog_priv_tells(query, COR_CATALOG_STUDIES) ||
        cor_catalog_priv_names(query, "00080061")) {
        cor_string_append_text(lines, "\"00080061\":{\"vr\":\"CS\"");
        append_list(lines, cor_sql_column_text(stmt, COR_FOUND_MODALITIES), '\\');
        cor_string_append_text(lines, "}\n");
    }
    if (classes) {
        cor_string_append_text(lines, "\"00080062\":{\"vr\":\"UI\"");
        append_list(lines, classes, ',');
        cor_string_append_text(lines, "}\n");
    }
    cor_string_append_text(lines, "\"00081190\":{\"vr\":\"UR\",\"Value\":[\"");
    cor_string_append(lines, cor_string_text(answers->url), cor_string_size(answers->url));
    cor_string_append_text(lines, "\"]}\n");
    append_number(answers, stmt, "00201206", COR_FOUND_STUDY_SERIES, COR_CATALOG_STUDIES);
    append_number(answers, stmt, "00201208", COR_FOUND_STUDY_INSTANCES, COR_CATALOG_STUDIES);
    if (query->level != COR_CATALOG_STUDIES) {
        append_number(answers, stmt, "00201209", COR_FOUND_SERIES_INSTANCES, COR_CATALOG_SERIES);
    }
}

static void make_url(const Answers *answers, CorSqlStmt *stmt)
{
    const char *series = cor_sql_column_text(stmt, COR_FOUND_SERIES_UID);
    const char *sop = cor_sql_column_text(stmt, COR_FOUND_SOP_UID);

    cor_string_truncate(answers->url, 0);
    cor_string_printf(answers->url, "%s/studies/%s%s%s%s%s", answers->root_url,
                      cor_sql_column_text(stmt, COR_FOUND_STUDY_UID), series ? "/series/" : "",
                      series ? series : "", sop ? "/instances/" : "", sop ? sop : "");
}

/* Bulk data is retrieved from instances, so only their answers name some. */
static void include(const Answers *answers, const char *header)
{
    bool is_instance = answers->query->level == COR_CATALOG_INSTANCES;
    CorCatalogSpan member;

    cor_string_truncate(answers->included, 0);
    while (header && cor_catalog_priv_next_member(&header, &member)) {
        if (member.size < 12 || member.text[9] != '"' ||
            !cor_catalog_priv_includes(answers->query, member.text + 1) ||
            (!is_instance && cor_catalog_has_bulk(member.text, member.size))) {
            continue;
        }
        cor_catalog_append_header(answers->included, member.text, member.size,
                                  cor_string_text(answers->url));
        cor_string_append(answers->included, "\n", 1);
    }
}

static void append_answer(const Answers *answers, CorSqlStmt *stmt)
{
    make_url(answers, stmt);
    compute(answers, stmt);
    include(answers, cor_sql_column_text(stmt, COR_FOUND_HEADER));
    const CorCatalogSpan texts[] = {
        span_of(cor_sql_column_text(stmt, COR_FOUND_INSTANCE_READY)),
        span_of(cor_sql_column_text(stmt, COR_FOUND_SERIES_READY)),
        span_of(cor_sql_column_text(stmt, COR_FOUND_STUDY_READY)),
        {cor_string_text(answers->computed), cor_string_size(answers->computed)},
        {cor_string_text(answers->included), cor_string_size(answers->included)},
    };
    cor_catalog_priv_merge(texts, COR_ARRAY_LEN(texts), answers->text);
}

/* How many there are behind what was found. */
static bool count_rest(CorSqlTxn *txn, const CorCatalogQuery *query, CorCatalogFound *found,
                       CorError *err)
{
    int64_t shown = query->offset + found->len;
    CorSqlStmt *stmt = NULL;
    bool has_row = false;

    found->remaining = -1;
    if (shown >= INT64_MAX - COUNT_MAX) {
        return true;
    }
    if (!cor_catalog_priv_count_stmt(txn, query, shown + COUNT_MAX, &stmt, err)) {
        return false;
    }
    if (cor_sql_next(stmt, &has_row, NULL) && has_row) { /* too slow: nobody has counted */
        int64_t all = cor_sql_column_int(stmt, 0);
        found->remaining = all > shown && all - shown < COUNT_MAX ? all - shown : -1;
        cor_sql_reset(stmt);
    }
    return true;
}

static bool append_answers(CorSqlTxn *txn, const Answers *answers, CorCatalogFound *found,
                           CorError *err)
{
    CorSqlStmt *stmt = NULL;
    bool has_row = false;

    if (!cor_catalog_priv_page_stmt(txn, answers->query, &stmt, err)) {
        return false;
    }
    for (;;) {
        if (!cor_sql_next(stmt, &has_row, err)) {
            return false;
        }
        if (!has_row || found->len == answers->query->limit ||
            cor_string_size(answers->text) > COR_CATALOG_ANSWER_MAX / 2) {
            break;
        }
        cor_string_append_text(answers->text, found->len ? "," : "");
        append_answer(answers, stmt);
        found->len++;
    }
    cor_sql_reset(stmt);
    return !has_row || count_rest(txn, answers->query, found, err);
}

/* A URL inside of a JSON string. */
static char *escape(const char *url)
{
    json_t *value = json_string(url);
    char *text = value ? cor_json_text(value) : NULL;

    json_decref(value);
    if (text) {
        size_t size = strlen(text);
        memmove(text, text + 1, size - 2);
        text[size - 2] = '\0';
    }
    return text;
}

bool cor_catalog_search(CorSqlTxn *txn, const CorCatalogQuery *query, const char *root_url,
                        CorString *text, CorCatalogFound *ret_found, CorError *err)
{
    COR_CLEANUP(cor_string_freep) CorString *url = cor_string_new(LINES_MAX);
    COR_CLEANUP(cor_string_freep) CorString *computed = cor_string_new(LINES_MAX);
    COR_CLEANUP(cor_string_freep) CorString *included = cor_string_new(LINES_MAX);
    COR_CLEANUP(cor_freep) char *escaped = escape(root_url);
    const Answers answers = {.query = query,
                             .root_url = escaped,
                             .url = url,
                             .computed = computed,
                             .included = included,
                             .text = text};
    CorCatalogFound found = {0};

    if (!escaped || !url || !computed || !included) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a search");
    }
    cor_string_append(text, "[", 1);
    if (!append_answers(txn, &answers, &found, err)) {
        return false;
    }
    cor_string_append(text, "]", 1);
    if (!cor_string_check(url, err) || !cor_string_check(computed, err) ||
        !cor_string_check(included, err) || !cor_string_check(text, err)) {
        return false;
    }
    *ret_found = found;
    return true;
}
