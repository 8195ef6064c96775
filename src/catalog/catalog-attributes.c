/* SPDX-License-Identifier: Apache-2.0 */
/* A header has hundreds of values, of which the catalogue wants a dozen and clients the text.  So
 * the text is not parsed as a whole if that can be helped: SQLite says whether it is JSON, which
 * takes a tenth of the time, and what is wanted is picked from it.
 *
 * The text comes from a child process that has read bytes from outside.  One that is no JSON would
 * spoil every answer that it becomes part of, and is refused; one that is not as it is kept, which
 * our own host does not write, is parsed and written out again.
 */
#include "catalog/catalog-attributes.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json.h"
#include "catalog/catalog-lines.h"
#include "catalog/catalog-priv.h"
#include "catalog/catalog.h"

enum { QUICK_MAX = 64 * 1024 }; /* bytes: to write so many again keeps nobody waiting */

/* In one line and without blanks between tokens, as those expect it who walk through it. */
static bool is_compact(const char *text)
{
    bool is_string = false;
    bool is_escaped = false;

    for (const unsigned char *at = (const unsigned char *) text; *at; at++) {
        if (*at < ' ' || (*at == ' ' && !is_string)) {
            return false;
        }
        if (*at == '"' && !is_escaped) {
            is_string = !is_string;
        }
        is_escaped = is_string && *at == '\\' && !is_escaped;
    }
    return true;
}

static bool invalid(CorError *err)
{
    return cor_fail(err, COR_ERR_INVALID, "attributes_text is no JSON object");
}

/* SQLite allows deeper nesting than those who parse an attribute. */
static bool check(CorSqlTxn *txn, const char *text, CorError *err)
{
    static const char sql[] = "SELECT json_valid(?1)";
    int64_t is_valid = 0;

    if (text[0] != '{' || !cor_json_check_depth(text, strlen(text), NULL)) {
        return invalid(err);
    }
    CorSqlStmt *stmt = cor_sql_stmt(txn, sql);
    cor_sql_bind_text(stmt, 1, text);
    bool ok = cor_catalog_priv_number(stmt, &is_valid, err);
    cor_sql_bind_null(stmt, 1); /* the text was borrowed */
    return ok && (is_valid || invalid(err));
}

static bool parse(const char *text, json_t **ret_attributes, CorError *err)
{
    CorError why = {0};

    if (!cor_json_parse(text, strlen(text), ret_attributes, &why)) {
        return why.code == COR_ERR_NOMEM ? cor_fail(err, why.code, "%s", why.text) : invalid(err);
    }
    return json_is_object(*ret_attributes) || invalid(err);
}

static bool is_as_kept(const char *text)
{
    return is_compact(text) && cor_catalog_priv_is_sorted(text);
}

/* Write an object as it is kept: as it is, if that will do. */
static bool write(const json_t *object, char **ret_text, CorError *err)
{
    COR_CLEANUP(cor_freep) char *text = cor_json_text(object);

    if (text && !is_as_kept(text)) {
        free(text);
        text = cor_json_canonical(object);
    }
    if (!text) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for attributes");
    }
    *ret_text = COR_TAKE(text);
    return true;
}

static bool rewrite(const char *text, char **ret_text, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *parsed = NULL;

    return parse(text, &parsed, err) && write(parsed, ret_text, err);
}

bool cor_catalog_order(json_t *record, CorError *err)
{
    const json_t *string = json_object_get(record, "attributes_text");
    const char *text = json_string_value(string);
    COR_CLEANUP(cor_freep) char *made = NULL;

    if (json_string_length(string) <= QUICK_MAX || is_as_kept(text)) {
        return true;
    }
    if (!rewrite(text, &made, err)) {
        return false;
    }
    return json_object_set_new(record, "attributes_text", json_string_nocheck(made)) == 0 ||
           cor_fail(err, COR_ERR_NOMEM, "out of memory for attributes");
}

bool cor_catalog_priv_attributes(CorSqlTxn *txn, const json_t *index, const char **ret_text,
                                 char **ret_made, CorError *err)
{
    const char *text = cor_json_string(index, "attributes_text", NULL);

    if (text && is_as_kept(text)) {
        *ret_text = text;
        return check(txn, text, err);
    }
    bool ok = text ? rewrite(text, ret_made, err)
                   : write(json_object_get(index, "attributes"), ret_made, err);
    *ret_text = ok ? *ret_made : NULL;
    return ok;
}

bool cor_catalog_priv_pick(const char *attributes, const char *const *tags, size_t len,
                           json_t **ret_picked, CorError *err)
{
    COR_CLEANUP(cor_json_freep) json_t *picked = json_object();
    CorCatalogWalk walk = {.at = attributes ? attributes : ""};
    CorCatalogSpan value;
    bool has_memory = picked;

    for (size_t i = 0; i < len && has_memory; i++) {
        CorError why = {0};
        json_t *json = NULL;

        if (!cor_catalog_priv_seek(&walk, tags[i], &value) || value.size > COR_CATALOG_VALUE_MAX) {
            continue;
        }
        has_memory = cor_json_parse(value.text, value.size, &json, &why)
                         ? json_object_set_new(picked, tags[i], json) == 0
                         : why.code != COR_ERR_NOMEM;
    }
    if (!has_memory) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for attributes");
    }
    *ret_picked = COR_TAKE(picked);
    return true;
}
