/* SPDX-License-Identifier: Apache-2.0 */
/* Search transactions (QIDO-RS, PS3.18 section 10.6).
 *
 * What the columns and ready lines of the catalogue answer is answered at once.  A search that has
 * to read headers may take seconds among many, and goes to a thread of its own. */
#include "dicomweb/dicomweb-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/id.h"
#include "base/string.h"
#include "catalog/catalog-search.h"

enum {
    LIMIT_MAX = 10000, /* answers in a page, asked for or not */
    NAMES_SIZE = 512,
    WARNING_SIZE = 1024,
    NAME_MAX_SHOWN = 64,
    INCLUDE_SIZE = 520,
};

/* What a request asks for and what there is to say about it. */
typedef struct Search {
    CorSql *catalog;
    const char *type; /* of the answer */
    char uids[2][COR_UID_SIZE];
    CorCatalogQuery *query;
    char unused[NAMES_SIZE]; /* names of parameters that were not used */
    bool is_fuzzy;
    char root_url[1024];
    CorString *text;
    CorCatalogFound found;
    CorError err;
} Search;

/* Parameters that are no keys (PS3.18 section 8.3.4). */
static bool is_reserved(const char *name)
{
    static const char *const names[] = {"limit", "offset", "fuzzymatching", "includefield",
                                        "accept"};

    for (size_t i = 0; i < COR_ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Remember a name for the warning, if it can stand there. */
static void note_unused(Search *search, const char *name)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._,-";
    size_t len = strlen(search->unused);
    bool is_plain = strlen(name) <= NAME_MAX_SHOWN && name[strspn(name, plain)] == '\0';

    (void) snprintf(search->unused + len, sizeof(search->unused) - len, "%s%s", len ? ", " : "",
                    is_plain ? name : "(illegible)");
}

static bool read_page(const CorHttpRequest *req, Search *search, CorError *err)
{
    static const int64_t range[2] = {0, INT64_MAX / 2};
    int64_t limit = 0;
    int64_t offset = 0;

    if (!cor_http_req_query_integer(req, "limit", range, LIMIT_MAX, &limit, err) ||
        !cor_http_req_query_integer(req, "offset", range, 0, &offset, err)) {
        return false;
    }
    cor_catalog_query_page(search->query, offset, COR_MIN(limit, LIMIT_MAX));
    return true;
}

/* "PatientAge,00101020": names joined by commas (PS3.18 section 8.3.4.3). */
static void read_includes(Search *search, const char *names)
{
    for (const char *at = names; *at; at += strspn(at, ",")) {
        char name[INCLUDE_SIZE] = "(too long)";
        size_t len = strcspn(at, ",");

        if (len < sizeof(name)) {
            memcpy(name, at, len);
            name[len] = '\0';
        }
        if (len > 0 && !cor_catalog_query_include(search->query, name)) {
            note_unused(search, name);
        }
        at += len;
    }
}

static bool read_parameter(Search *search, const char *name, const char *value, CorError *err)
{
    bool is_used = true;

    if (strcmp(name, "includefield") == 0) {
        read_includes(search, value);
    } else if (strcmp(name, "fuzzymatching") == 0) {
        search->is_fuzzy = strcmp(value, "true") == 0;
    } else if (!is_reserved(name) &&
               !cor_catalog_query_match(search->query, name, value, &is_used, err)) {
        return false;
    }
    if (!is_used) {
        note_unused(search, name);
    }
    return true;
}

static bool read_query(const CorHttpRequest *req, Search *search, CorError *err)
{
    for (size_t i = 0; i < cor_http_req_query_len(req); i++) {
        const char *name = NULL;
        const char *value = NULL;

        cor_http_req_query_at(req, i, &name, &value);
        if (!read_parameter(search, name, value ? value : "", err)) {
            return false;
        }
    }
    return read_page(req, search, err);
}

/* The study and series of the path, copied: a search may outlive its request. */
static bool read_path(const CorHttpRequest *req, Search *search, CorCatalogUids *ret_uids,
                      CorError *err)
{
    const CorCatalogUids uids = cor_dicomweb_priv_uids(req);
    const char *const texts[] = {uids.study_instance_uid, uids.series_instance_uid};

    for (size_t i = 0; i < COR_ARRAY_LEN(texts); i++) {
        if (texts[i] && !cor_uid_is_legal(texts[i])) {
            return cor_fail(err, COR_ERR_INVALID, "no legal UID in the path");
        }
        (void) snprintf(search->uids[i], sizeof(search->uids[i]), "%s", texts[i] ? texts[i] : "");
    }
    *ret_uids = (CorCatalogUids){
        .study_instance_uid = texts[0] ? search->uids[0] : NULL,
        .series_instance_uid = texts[1] ? search->uids[1] : NULL,
    };
    return true;
}

static bool run_search(CorSqlTxn *txn, void *arg, CorError *err)
{
    Search *search = arg;

    return cor_catalog_search(txn, search->query, search->root_url, search->text, &search->found,
                              err);
}

/* Append one warning value (RFC 7234 section 5.5). */
static void warn(char warnings[WARNING_SIZE], const char *text)
{
    size_t len = strlen(warnings);

    (void) snprintf(warnings + len, WARNING_SIZE - len, "%s299 corsia \"%s\"", len ? ", " : "",
                    text);
}

static void warn_of(const Search *search, CorHttpResponse *res)
{
    char warnings[WARNING_SIZE] = "";
    char text[NAMES_SIZE + 64];

    if (search->found.remaining > 0) {
        (void) snprintf(text, sizeof(text),
                        "There are %lld additional results that can be requested",
                        (long long) search->found.remaining);
        warn(warnings, text);
    } else if (search->found.remaining < 0) {
        warn(warnings, "There are additional results that can be requested");
    }
    if (search->is_fuzzy) {
        warn(warnings, "The fuzzymatching parameter is not supported. Only literal matching has "
                       "been performed.");
    }
    if (search->unused[0]) {
        (void) snprintf(text, sizeof(text), "These parameters were not used: %s", search->unused);
        warn(warnings, text);
    }
    if (warnings[0]) {
        cor_http_res_header(res, "Warning", "%s", warnings);
    }
}

/* --- A search's way: made, worked off, answered, released. --- */

static void release(void *context)
{
    Search *search = context;

    cor_catalog_query_free(search->query);
    cor_string_free(search->text);
    free(search);
}

static bool make(const CorDicomweb *dicomweb, const CorHttpRequest *req, CorCatalogLevel level,
                 Search *search)
{
    CorCatalogUids uids = {0};

    search->catalog = dicomweb->options.catalog;
    search->text = cor_string_new(COR_CATALOG_ANSWER_MAX);
    (void) cor_dicomweb_priv_root_url(dicomweb, search->root_url, sizeof(search->root_url));
    return read_path(req, search, &uids, &search->err) &&
           cor_catalog_query_new(level, &uids, &search->query, &search->err) &&
           read_query(req, search, &search->err);
}

static void work(void *context)
{
    Search *search = context;

    if (!cor_sql_read(search->catalog, run_search, search, &search->err)) {
        cor_error_wrap(&search->err, "search");
    }
}

static void answer(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    Search *search = context;
    size_t size = cor_string_size(search->text);

    (void) req;
    if (search->err.code != COR_OK) {
        cor_http_fail(res, NULL, &search->err);
        return;
    }
    warn_of(search, res);
    cor_http_res_header(res, "Cache-Control", "no-store");
    cor_http_res_buffer(res, 200, search->type, cor_string_take(COR_TAKE(search->text)), size);
}

static void search_level(CorHttpRequest *req, CorHttpResponse *res, const CorDicomweb *dicomweb,
                         CorCatalogLevel level)
{
    const char *type = NULL;

    if (!cor_dicomweb_priv_choose_json(req, res, &type)) {
        return;
    }
    Search *search = cor_new(Search);
    if (!search) {
        cor_http_problem(res, 503, NULL, "out of memory for a search");
        return;
    }
    search->type = type;
    if (!make(dicomweb, req, level, search)) {
        answer(req, res, search);
        release(search);
    } else if (cor_catalog_query_reads_headers(search->query)) {
        const CorOffloadRequest request = {
            .work = work, .answer = answer, .release = release, .context = search};
        cor_dicomweb_priv_offload_request(dicomweb->offload, req, res, &request);
    } else {
        work(search);
        answer(req, res, search);
        release(search);
    }
}

void cor_dicomweb_priv_search_studies(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    search_level(req, res, context, COR_CATALOG_STUDIES);
}

void cor_dicomweb_priv_search_series(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    search_level(req, res, context, COR_CATALOG_SERIES);
}

void cor_dicomweb_priv_search_instances(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    search_level(req, res, context, COR_CATALOG_INSTANCES);
}
