/* SPDX-License-Identifier: Apache-2.0 */
/* A target's query string is read as QIDO-RS keys, and the search that comes of it is made in an
 * empty catalogue.  Properties, for any bytes:
 *   1. what is refused says why, as INVALID or LIMIT;
 *   2. the search works, and its answer is "[]";
 *   3. each key can be asked to match any header without harm: this one.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "catalog/catalog-match.h"
#include "catalog/catalog-search.h"
#include "http/http-target.h"

enum { SIZE_LIMIT = 4096 };

static const char header[] =
    "{\"00080020\":{\"vr\":\"DA\",\"Value\":[\"20200229\"]},"
    "\"00080030\":{\"vr\":\"TM\",\"Value\":[\"101530.5\"]},"
    "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"A^B\",\"Ideographic\":"
    "\"\xE5\xB1\xB1\"}]},"
    "\"00100020\":{\"vr\":\"LO\",\"Value\":[null,\"4711\"]},\"0020000D\":{\"vr\":\"UI\",\"Value\":["
    "\"1.2\"]},"
    "\"00200013\":{\"vr\":\"IS\",\"Value\":[1]},"
    "\"00400275\":{\"vr\":\"SQ\",\"Value\":[{\"00400009\":{\"vr\":\"SH\",\"Value\":[\"S\"]}},{}]}}";

static CorSql *db;
static char folder[] = "/tmp/corsia-fuzz-XXXXXX";

static void clean_up(void)
{
    static const char *const names[] = {"catalog.db", "catalog.db-wal", "catalog.db-shm"};

    cor_sql_close(db);
    for (size_t i = 0; i < COR_ARRAY_LEN(names); i++) {
        char path[64];
        (void) snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void) unlink(path);
    }
    (void) rmdir(folder);
}

/* The catalogue of the process, made once. */
static CorSql *catalog(void)
{
    const CorSqlOptions options = {.never_sync = true};
    char path[64];

    if (!db) {
        FUZZ_CHECK(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/catalog.db", folder);
        FUZZ_CHECK(cor_catalog_open(path, &options, &db, NULL));
        (void) atexit(clean_up);
    }
    return db;
}

typedef struct Search {
    CorCatalogQuery *query;
    CorString *text;
    CorCatalogFound found;
} Search;

static bool run_search(CorSqlTxn *txn, void *arg, CorError *err)
{
    Search *search = arg;

    return cor_catalog_search(txn, search->query, "http://h", search->text, &search->found, err);
}

static void match_alone(const char *name, const char *value)
{
    COR_CLEANUP(cor_catalog_priv_key_freep) CorCatalogKey *key = NULL;
    CorCatalogPath path;

    if (cor_catalog_priv_path_parse(name, &path) &&
        cor_catalog_priv_key_new(&path, value, &key, NULL)) {
        (void) cor_catalog_priv_match_header(key, header, sizeof(header) - 1);
        (void) cor_catalog_priv_match_text(key, value, strlen(value));
    }
}

static void search(const CorHttpTarget *target, CorCatalogLevel level)
{
    COR_CLEANUP(cor_catalog_query_freep) CorCatalogQuery *query = NULL;
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(1 << 20);
    const CorCatalogUids within = {0};
    Search made = {.text = text};
    CorError err = {0};

    FUZZ_CHECK(cor_catalog_query_new(level, &within, &query, NULL));
    for (size_t i = 0; i < target->query_len; i++) {
        bool is_used = false;

        match_alone(target->names[i], target->values[i]);
        (void) cor_catalog_query_include(query, target->values[i]);
        if (!cor_catalog_query_match(query, target->names[i], target->values[i], &is_used, &err)) {
            FUZZ_CHECK((err.code == COR_ERR_INVALID || err.code == COR_ERR_LIMIT) && err.text[0]);
            return;
        }
    }
    made.query = query;
    if (!cor_sql_read(catalog(), run_search, &made, &err)) {
        FUZZ_CHECK(err.code == COR_ERR_LIMIT);
        return;
    }
    FUZZ_CHECK(strcmp(cor_string_text(text), "[]") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    COR_CLEANUP(cor_http_target_freep) CorHttpTarget *target = NULL;
    char raw[SIZE_LIMIT + 4] = "/?";

    if (size > SIZE_LIMIT || memchr(data, '\0', size)) {
        return 0;
    }
    memcpy(raw + 2, data, size);
    raw[2 + size] = '\0';
    if (cor_http_target_parse(raw, sizeof(raw), &target, NULL)) {
        for (int level = COR_CATALOG_STUDIES; level <= COR_CATALOG_INSTANCES; level++) {
            search(target, (CorCatalogLevel) level);
        }
    }
    return 0;
}
