/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/catalog-query.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/id.h"
#include "catalog/catalog-lines.h"

bool cor_catalog_query_new(CorCatalogLevel level, const CorCatalogUids *within,
                           CorCatalogQuery **ret_query, CorError *err)
{
    CorCatalogQuery *query = cor_new(CorCatalogQuery);

    assert(!within->series_instance_uid || level == COR_CATALOG_INSTANCES);
    assert(!within->study_instance_uid || level != COR_CATALOG_STUDIES);

    if (!query) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for a search");
    }
    query->level = level;
    query->within = *within;
    query->limit = 1;
    *ret_query = query;
    return true;
}

void cor_catalog_query_free(CorCatalogQuery *query)
{
    if (query) {
        for (size_t i = 0; i < query->keys_len; i++) {
            cor_catalog_priv_key_free(query->keys[i]);
        }
        free(query);
    }
}

/* True if answers have it without being asked. */
static bool is_told(const CorCatalogQuery *query, const char *tag)
{
    static const char *const computed[][3] = {
        [COR_CATALOG_STUDIES] = {"00080061", "00201206", "00201208"},
        [COR_CATALOG_SERIES] = {"00201209", "00081190", "00080056"},
        [COR_CATALOG_INSTANCES] = {"", "00081190", "00080056"},
    };

    for (size_t level = COR_CATALOG_STUDIES; level <= COR_CATALOG_INSTANCES; level++) {
        if (!cor_catalog_priv_tells(query, (CorCatalogLevel) level)) {
            continue;
        }
        if (cor_catalog_priv_is_ready((CorCatalogLevel) level, tag)) {
            return true;
        }
        for (size_t i = 0; i < COR_ARRAY_LEN(computed[0]); i++) {
            if (strcmp(computed[level][i], tag) == 0) {
                return true;
            }
        }
    }
    return strcmp(tag, "00081190") == 0 || strcmp(tag, "00080056") == 0;
}

/* False if the answers have no such attribute. */
static bool include_tag(CorCatalogQuery *query, const char *tag)
{
    if (cor_catalog_priv_level_of(tag, query->level) > query->level) {
        return false;
    }
    if (is_told(query, tag) || cor_catalog_priv_includes(query, tag)) {
        return true;
    }
    if (query->includes_len == COR_CATALOG_KEYS_MAX) {
        return false;
    }
    memcpy(query->includes[query->includes_len++], tag, COR_CATALOG_TAG_SIZE);
    return true;
}

/* The key for the same attribute by its UIDs, whose list goes on in another. */
static CorCatalogKey *find_list(CorCatalogQuery *query, const CorCatalogKey *like)
{
    for (size_t i = 0; i < query->keys_len; i++) {
        CorCatalogKey *key = query->keys[i];

        if (like->kind == COR_KEY_EXACT && key->kind == COR_KEY_EXACT &&
            strcmp(like->path.vr, "UI") == 0 && key->path.len == like->path.len &&
            memcmp(key->path.tags, like->path.tags, sizeof(key->path.tags[0]) * key->path.len) ==
                0) {
            return key;
        }
    }
    return NULL;
}

static bool add_key(CorCatalogQuery *query, CorCatalogKey **key, CorError *err)
{
    CorCatalogKey *list = find_list(query, *key);

    if (list) {
        return cor_catalog_priv_key_join(list, *key, err);
    }
    if (query->keys_len == COR_CATALOG_KEYS_MAX) {
        return cor_fail(err, COR_ERR_LIMIT, "more than %zu keys", COR_CATALOG_KEYS_MAX);
    }
    (void) include_tag(query, (*key)->path.tags[0]);
    query->keys[query->keys_len++] = COR_TAKE(*key);
    return true;
}

bool cor_catalog_query_match(CorCatalogQuery *query, const char *name, const char *value,
                             bool *ret_is_used, CorError *err)
{
    COR_CLEANUP(cor_catalog_priv_key_freep) CorCatalogKey *key = NULL;
    CorCatalogPath path;
    CorError why = {0};

    if (!cor_catalog_priv_path_parse(name, &path)) {
        *ret_is_used = false;
        return true;
    }
    if (!cor_utf8_is_valid(value, strlen(value))) {
        return cor_fail(err, COR_ERR_INVALID, "%s: no UTF-8", name);
    }
    if (!cor_catalog_priv_key_new(&path, value, &key, &why)) {
        *ret_is_used = false;
        return why.code == COR_ERR_UNSUPPORTED || cor_fail(err, why.code, "%s: %s", name, why.text);
    }
    *ret_is_used = cor_catalog_priv_can_match(key);
    return !*ret_is_used || add_key(query, &key, err);
}

bool cor_catalog_query_include(CorCatalogQuery *query, const char *name)
{
    CorCatalogPath path;

    if (strcmp(name, "all") == 0) {
        query->includes_all = true;
        return true;
    }
    return cor_catalog_priv_path_parse(name, &path) && include_tag(query, path.tags[0]);
}

void cor_catalog_query_page(CorCatalogQuery *query, int64_t offset, int64_t limit)
{
    assert(offset >= 0 && limit >= 0 && limit < INT64_MAX);

    query->offset = offset;
    query->limit = limit;
}
