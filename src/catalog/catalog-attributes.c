/* SPDX-License-Identifier: Apache-2.0 */
/* A header has hundreds of values, of which the catalogue wants a dozen and clients the text.  So
 * the text is never parsed as a whole: SQLite says whether it is JSON, which takes a tenth of the
 * time, and what is wanted is picked from it.
 *
 * The text comes from a child process that has read bytes from outside.  One that is no JSON would
 * spoil every answer that it becomes part of, and is refused; one that is not as it is kept, which
 * our own host does not write, is parsed and written out again.
 */
#include "catalog/catalog-attributes.h"

#include <string.h>

#include "base/json.h"
#include "catalog/catalog-lines.h"
#include "catalog/catalog-priv.h"

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

bool cor_catalog_priv_attributes(CorSqlTxn *txn, const json_t *index, const char **ret_text,
                                 char **ret_made, CorError *err)
{
    const char *text = cor_json_string(index, "attributes_text", NULL);
    COR_CLEANUP(cor_json_freep) json_t *parsed = NULL;

    if (text && is_compact(text) && cor_catalog_priv_is_sorted(text)) {
        *ret_text = text;
        return check(txn, text, err);
    }
    if (text && !parse(text, &parsed, err)) {
        return false;
    }
    char *made = cor_json_canonical(parsed ? parsed : json_object_get(index, "attributes"));
    if (!made) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for attributes");
    }
    *ret_text = made;
    *ret_made = made;
    return true;
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

        if (!cor_catalog_priv_seek(&walk, tags[i], &value)) {
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
