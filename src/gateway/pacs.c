/* SPDX-License-Identifier: Apache-2.0 */
/* The PACS API of the reference system: studies, images, presigned URLs. */
#include "gateway/gateway-priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "base/uri.h"

void cor_gateway_priv_pacs_status(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    (void) req;
    (void) context;
    cor_http_res_json(res, 200, json_pack("{s:s}", "status", "ok"));
}

/* --- studies --- */

typedef struct StudyPage {
    const char *after;
    size_t max;
    CorCatalogTexts *ids;
} StudyPage;

static bool read_studies(CorSqlTxn *txn, void *arg, CorError *err)
{
    StudyPage *page = arg;

    return cor_catalog_study_ids(txn, page->after, page->max, &page->ids, err);
}

static void link_to_next(CorHttpResponse *res, const StudyPage *page)
{
    COR_CLEANUP(cor_string_freep) CorString *after = cor_string_new(4096);

    if (page->ids->has_more && page->ids->len > 0) {
        cor_percent_encode(after, page->ids->items[page->ids->len - 1], "");
        cor_http_res_header(res, "Link", "</pacs/studies?limit=%zu&after=%s>; rel=\"next\"",
                            page->max, cor_string_text(after));
    }
}

void cor_gateway_priv_list_studies(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    static const int64_t range[2] = {1, 1000};
    CorGateway *gateway = context;
    StudyPage page = {.after = cor_http_req_query(req, "after")};
    CorError err = {0};
    int64_t limit = 0;

    if (!cor_http_req_query_integer(req, "limit", range, 20, &limit, &err)) {
        cor_http_fail(res, NULL, &err);
        return;
    }
    page.max = (size_t) limit;
    if (!cor_sql_read(gateway->options.catalog, read_studies, &page, &err)) {
        cor_http_fail(res, NULL, &err);
        return;
    }
    json_t *ids = json_array();
    for (size_t i = 0; i < page.ids->len; i++) {
        (void) json_array_append_new(ids, json_string(page.ids->items[i]));
    }
    link_to_next(res, &page);
    cor_http_res_json(res, 200, ids);
    cor_catalog_texts_free(page.ids);
}

/* --- images --- */

typedef struct ImagePage {
    CorCatalogImagesOptions options;
    CorCatalogInstances *images;
} ImagePage;

static bool read_images(CorSqlTxn *txn, void *arg, CorError *err)
{
    ImagePage *page = arg;

    return cor_catalog_images(txn, &page->options, &page->images, err);
}

static int64_t pacs_expiry_s(const CorGateway *gateway)
{
    return gateway->options.config->presign_pacs_ms / 1000;
}

/* What one image is in a listing; its UIDs only for who asks, as the reference has none. */
static json_t *image_json(CorGateway *gateway, const CorCatalogInstance *image, bool has_uids)
{
    json_t *url = cor_gateway_priv_url(gateway, image->bucket, image->key, pacs_expiry_s(gateway));

    if (!has_uids) {
        return json_pack("{s:o, s:s}", "url", url, "key", image->key);
    }
    return json_pack("{s:o, s:s, s:s, s:s, s:s}", "url", url, "key", image->key,
                     "study_instance_uid", image->study_instance_uid, "series_instance_uid",
                     image->series_instance_uid, "sop_instance_uid", image->sop_instance_uid);
}

static bool append_images(CorGateway *gateway, const CorCatalogInstances *images, bool has_uids,
                          json_t *list, CorError *err)
{
    for (size_t i = 0; i < images->len; i++) {
        if (json_array_append_new(list, image_json(gateway, images->items[i], has_uids))) {
            return cor_fail(err, COR_ERR_NOMEM, "out of memory for a listing");
        }
    }
    return true;
}

static void link_to_next_images(CorHttpResponse *res, const CorCatalogImagesOptions *options,
                                bool has_uids, const char *last_key)
{
    COR_CLEANUP(cor_string_freep) CorString *link = cor_string_new(32768);

    cor_string_printf(link, "</pacs/studies/");
    cor_percent_encode(link, options->study_id, "/");
    cor_string_printf(link, "/images?limit=%zu", options->max);
    if (options->series_id) {
        cor_string_printf(link, "&series_id=");
        cor_percent_encode(link, options->series_id, "");
    }
    cor_string_printf(link, "%s&after=", has_uids ? "&uids=true" : "");
    cor_percent_encode(link, last_key, "");
    cor_http_res_header(res, "Link", "%s>; rel=\"next\"", cor_string_text(link));
}

static void list_images(CorGateway *gateway, const char *study, CorHttpRequest *req,
                        CorHttpResponse *res)
{
    static const int64_t range[2] = {1, (int64_t) COR_CATALOG_PAGE_MAX};
    ImagePage page = {.options = {.study_id = study,
                                  .series_id = cor_http_req_query(req, "series_id"),
                                  .after = cor_http_req_query(req, "after")}};
    const char *uids = cor_http_req_query(req, "uids");
    bool has_uids = uids && strcmp(uids, "true") == 0;
    COR_CLEANUP(cor_json_freep) json_t *list = json_array();
    CorError err = {0};
    int64_t limit = 0;

    if (uids && !has_uids && strcmp(uids, "false") != 0) {
        cor_http_problem(res, 400, "/uids", "uids is true or false");
        return;
    }
    if (!cor_http_req_query_integer(req, "limit", range, range[1], &limit, &err)) {
        cor_http_fail(res, NULL, &err);
        return;
    }
    page.options.max = (size_t) limit;
    if (!cor_sql_read(gateway->options.catalog, read_images, &page, &err)) {
        cor_http_fail(res, NULL, &err);
        return;
    }
    COR_CLEANUP(cor_catalog_instances_freep) CorCatalogInstances *images = page.images;
    if (!append_images(gateway, images, has_uids, list, &err)) {
        cor_http_fail(res, NULL, &err);
        return;
    }
    if (images->has_more && images->len > 0) {
        link_to_next_images(res, &page.options, has_uids, images->items[images->len - 1]->key);
    }
    cor_http_res_json(res, 200, COR_TAKE(list));
}

/* --- one image --- */

typedef struct ImageSearch {
    CorPacsRef ref;
    CorCatalogInstances *found;
} ImageSearch;

static bool search_image(CorSqlTxn *txn, void *arg, CorError *err)
{
    ImageSearch *search = arg;

    return cor_catalog_resolve(txn, &search->ref, 1, &search->found, err);
}

/* rest may be the image alone or series and image; the slash between them may be any. */
static bool find_image(CorGateway *gateway, const char *study, const char *rest,
                       CorCatalogInstances **ret_found, CorError *err)
{
    ImageSearch search = {.ref = {.study_id = study, .image_id = rest, .scope = COR_PACS_IMAGE}};
    char series[COR_KEY_SIZE];

    if (cor_sql_read(gateway->options.catalog, search_image, &search, err)) {
        *ret_found = search.found;
        return true;
    }
    for (const char *slash = strchr(rest, '/'); slash && err->code == COR_ERR_NOT_FOUND;
         slash = strchr(slash + 1, '/')) {
        CorError why = {0};
        (void) snprintf(series, sizeof(series), "%.*s", (int) (slash - rest), rest);
        search.ref.series_id = series;
        search.ref.image_id = slash + 1;
        if (slash[1] && cor_sql_read(gateway->options.catalog, search_image, &search, &why)) {
            *ret_found = search.found;
            return true;
        }
    }
    return false;
}

/* As the reference writes it: microseconds and 'Z'. */
static json_t *expiry_json(int64_t unix_ms)
{
    char text[COR_TIME_ISO_SIZE];

    (void) cor_time_iso(unix_ms, text, sizeof(text));
    return json_sprintf("%.23s000Z", text);
}

static void answer_image(CorGateway *gateway, const char *study, const char *rest,
                         CorHttpResponse *res)
{
    COR_CLEANUP(cor_catalog_instances_freep) CorCatalogInstances *found = NULL;
    CorError err = {0};

    if (!find_image(gateway, study, rest, &found, &err)) {
        if (err.code == COR_ERR_NOT_FOUND) {
            cor_http_problem(res, 404, NULL, "there is no such image");
        } else {
            cor_http_fail(res, NULL, &err);
        }
        return;
    }
    const CorCatalogInstance *image = found->items[0];
    cor_http_res_json(
        res, 200,
        json_pack("{s:o, s:o}", "url",
                  cor_gateway_priv_url(gateway, image->bucket, image->key, pacs_expiry_s(gateway)),
                  "expires",
                  expiry_json(cor_time_unix_ms() + gateway->options.config->presign_pacs_ms)));
}

/* "{study}/images" is a listing, "{study}/images/{rest}" one image; the last divider counts. */
void cor_gateway_priv_get_images(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    static const char divider[] = "/images";
    const char *path = cor_http_req_param(req, "path");
    size_t len = strlen(path);
    char *study = strdup(path);
    const char *at = NULL;

    if (!study) {
        cor_http_problem(res, 503, NULL, "out of memory");
        return;
    }
    if (len > sizeof(divider) - 1 && strcmp(path + len - (sizeof(divider) - 1), divider) == 0) {
        study[len - (sizeof(divider) - 1)] = '\0';
        list_images(context, study, req, res);
        free(study);
        return;
    }
    for (const char *next = strstr(path, "/images/"); next; next = strstr(next + 1, "/images/")) {
        at = next;
    }
    if (!at || at == path || at[sizeof(divider)] == '\0') {
        cor_http_problem(res, 404, NULL, "images are at /pacs/studies/STUDY/images");
    } else {
        study[at - path] = '\0';
        answer_image(context, study, at + sizeof(divider), res);
    }
    free(study);
}
