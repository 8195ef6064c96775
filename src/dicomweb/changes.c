/* SPDX-License-Identifier: Apache-2.0 */
/* The feed of changes: a page of JSON, a long poll, or Server-Sent Events (WHATWG HTML
 * section 9.2).
 *
 *     GET /dicom-web/changes?since=41&limit=100&wait=30
 *     {"changes":[{"seq":42,"kind":"added",...}],"last":42,"has_more":false,
 *      "catalog":"0123456789abcdef"}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/string.h"
#include "dicomweb/dicomweb-priv.h"
#include "dicomweb/feed.h"

enum {
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 1000,
    WAIT_MAX_S = 300,
    PAGE_BYTES = 4 * 1024 * 1024,
};

/* One answer; of a parked request it waits with it. */
typedef struct Page {
    CorSql *catalog;
    int64_t since;
    int64_t limit;
    CorString *text;
    int64_t len;
    int64_t shown; /* number of the last change in it */
    int64_t last;
    char asked[COR_CATALOG_IDENTITY_SIZE]; /* whose number since is; "": nobody said */
    char here[COR_CATALOG_IDENTITY_SIZE];
} Page;

static bool add_to_page(void *context, int64_t seq, const char *json, size_t size)
{
    Page *page = context;

    cor_string_append_text(page->text, page->len ? "," : "");
    cor_string_append(page->text, json, size);
    page->len++;
    page->shown = seq;
    return cor_string_size(page->text) < PAGE_BYTES / 2;
}

/* Numbers of another catalogue: what comes after them here is nothing to do with the client. */
static bool is_of_another(const Page *page)
{
    return page->since > page->last || (page->asked[0] && strcmp(page->asked, page->here) != 0);
}

static bool read_page(CorSqlTxn *txn, void *arg, CorError *err)
{
    Page *page = arg;

    if (!cor_catalog_identity(txn, page->here, err) ||
        !cor_catalog_last_change(txn, &page->last, err)) {
        return false;
    }
    return is_of_another(page) ||
           cor_catalog_changes(txn, page->since, (size_t) page->limit, add_to_page, page, err);
}

/* Fill the response; is_final is false if an empty page is to be waited for instead. */
static bool answer(CorHttpResponse *res, Page *page, bool is_final)
{
    COR_CLEANUP(cor_string_freep) CorString *text = cor_string_new(PAGE_BYTES);
    CorError err = {0};

    page->text = text;
    page->len = 0;
    page->shown = page->since;
    cor_string_append_text(text, "{\"changes\":[");
    if (!cor_sql_read(page->catalog, read_page, page, &err)) {
        cor_http_fail(res, NULL, &err);
        return true;
    }
    if (page->len == 0 && !is_of_another(page) && !is_final) {
        return false;
    }
    cor_string_printf(text, "],\"last\":%lld,\"has_more\":%s,\"catalog\":\"%s\"%s}",
                      (long long) page->last,
                      page->len > 0 && page->shown < page->last ? "true" : "false", page->here,
                      is_of_another(page) ? ",\"reset\":true" : "");
    if (!cor_string_check(text, &err)) {
        cor_http_fail(res, NULL, &err);
        return true;
    }
    size_t size = cor_string_size(text);
    cor_http_res_header(res, "Cache-Control", "no-store");
    cor_http_res_buffer(res, 200, "application/json", cor_string_take(COR_TAKE(text)), size);
    return true;
}

static void answer_again(CorHttpRequest *req, CorHttpResponse *res, bool is_woken, void *context)
{
    (void) req;
    (void) is_woken;
    (void) answer(res, context, true);
}

static void serve_page(const CorDicomweb *dicomweb, CorHttpRequest *req, CorHttpResponse *res,
                       const Page *wanted, int64_t wait_s)
{
    CorHttpParkOptions options = {
        .timeout_ms = wait_s * 1000, .again = answer_again, .release = free};
    Page *page = cor_new(Page);
    CorError err = {0};

    if (!page) {
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for a page");
        cor_http_fail(res, NULL, &err);
        return;
    }
    *page = *wanted;
    if (answer(res, page, wait_s == 0)) {
        free(page);
        return;
    }
    options.context = page;
    if (!cor_dicomweb_priv_feed_park(dicomweb->feed, req, page->since, &options, &err)) {
        free(page);
        cor_http_fail(res, NULL, &err);
    }
}

/* What a client of the stream has seen: "42", or "42-0123456789abcdef" with the catalogue that
 * counted; false if it is neither. */
static bool read_event_id(const char *text, Page *page)
{
    int64_t number = 0;
    size_t digits = strspn(text, "0123456789");

    for (size_t i = 0; i < digits; i++) {
        if (number > INT64_MAX / 10 - 1) {
            return false;
        }
        number = number * 10 + (text[i] - '0');
    }
    const char *identity = text[digits] == '-' ? text + digits + 1 : "";
    if (digits == 0 || (text[digits] != '\0' && text[digits] != '-') ||
        strlen(identity) >= sizeof(page->asked)) {
        return false;
    }
    page->since = number;
    if (*identity) {
        (void) snprintf(page->asked, sizeof(page->asked), "%s", identity);
    }
    return true;
}

/* "wait=10" among the preferences (RFC 7240 section 4.3); what cannot be read is no preference. */
static int64_t preferred_wait_s(const CorHttpRequest *req)
{
    const char *prefer = cor_http_req_header(req, "Prefer");
    const char *at = prefer ? strstr(prefer, "wait=") : NULL;
    int64_t wait_s = 0;

    for (at = at ? at + strlen("wait=") : ""; *at >= '0' && *at <= '9' && wait_s < WAIT_MAX_S;
         at++) {
        wait_s = wait_s * 10 + (*at - '0');
    }
    return COR_MIN(wait_s, WAIT_MAX_S);
}

static void serve_stream(const CorDicomweb *dicomweb, CorHttpRequest *req, CorHttpResponse *res,
                         Page *wanted)
{
    const char *last_id = cor_http_req_header(req, "Last-Event-ID");
    CorError err = {0};

    if (last_id && *last_id && !read_event_id(last_id, wanted)) {
        cor_http_problem(res, 400, NULL,
                         "Header 'Last-Event-ID' must be a number from 0, or the id of an event");
        return;
    }
    if (!cor_dicomweb_priv_feed_stream(dicomweb->feed, res, wanted->since, wanted->asked, &err)) {
        cor_http_fail(res, NULL, &err);
        return;
    }
    cor_http_res_header(res, "Cache-Control", "no-store");
    cor_http_res_header(res, "X-Accel-Buffering", "no");
}

void cor_dicomweb_priv_get_changes(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    static const int64_t since_range[2] = {0, INT64_MAX};
    static const int64_t limit_range[2] = {1, LIMIT_MAX};
    static const int64_t wait_range[2] = {0, WAIT_MAX_S};
    const CorDicomweb *dicomweb = context;
    Page page = {.catalog = dicomweb->options.catalog};
    const char *asked = cor_http_req_query(req, "catalog");
    CorError err = {0};
    int64_t wait_s = 0;

    if (!cor_http_req_query_integer(req, "since", since_range, 0, &page.since, &err) ||
        !cor_http_req_query_integer(req, "limit", limit_range, LIMIT_DEFAULT, &page.limit, &err) ||
        !cor_http_req_query_integer(req, "wait", wait_range, preferred_wait_s(req), &wait_s,
                                    &err)) {
        cor_http_fail(res, NULL, &err);
        return;
    }
    (void) snprintf(page.asked, sizeof(page.asked), "%s", asked ? asked : "");
    if (cor_http_req_header_has(req, "Accept", "text/event-stream")) {
        serve_stream(dicomweb, req, res, &page);
    } else {
        serve_page(dicomweb, req, res, &page, wait_s);
    }
}
