/* SPDX-License-Identifier: Apache-2.0 */
/* Retrieve metadata (PS3.18 section 10.4.1.1.2): the headers as the catalogue has them, with the
 * URLs of bulk data made absolute.
 *
 * What fits into FIRST_BYTES is one answer.  More is streamed page by page, read when the buffer of
 * the connection is empty, so a study of 100,000 instances costs a page.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/string.h"
#include "dicomweb/dicomweb-priv.h"
#include "http/http-stream.h"

#define FIRST_BYTES ((size_t) 8 << 20)
#define PAGE_BYTES ((size_t) 1 << 20)
#define TEXT_MAX ((size_t) 64 << 20) /* a page and the largest header */

enum { URL_SIZE = 1024 };

typedef struct Metadata {
    CorSql *catalog;
    CorCatalogUids uids; /* of the texts below, or what is NULL */
    char texts[3][COR_UID_SIZE];
    char root_url[URL_SIZE];
    CorString *text;
    size_t page_bytes;
    int64_t after; /* where the next page begins; 0: there is none */
    bool has_items;
    CorHttpStream *stream;
} Metadata;

static bool add_header(void *context, const CorCatalogUids *instance, const char *json, size_t size,
                       bool *ret_is_full, CorError *err)
{
    Metadata *metadata = context;
    char url[URL_SIZE + 4 * COR_UID_SIZE];

    (void) snprintf(url, sizeof(url), "%s/studies/%s/series/%s/instances/%s", metadata->root_url,
                    instance->study_instance_uid, instance->series_instance_uid,
                    instance->sop_instance_uid);
    cor_string_append(metadata->text, metadata->has_items ? "," : "[", 1);
    cor_catalog_append_header(metadata->text, json, size, url);
    metadata->has_items = true;
    *ret_is_full = cor_string_size(metadata->text) >= metadata->page_bytes;
    return cor_string_check(metadata->text, err);
}

static bool run_page(CorSqlTxn *txn, void *arg, CorError *err)
{
    Metadata *metadata = arg;

    return cor_catalog_headers(txn, &metadata->uids, add_header, metadata, &metadata->after, err);
}

/* Read one page into metadata->text, the closing bracket behind the last. */
static bool read_page(Metadata *metadata, CorError *err)
{
    if (!cor_sql_read(metadata->catalog, run_page, metadata, err)) {
        return false;
    }
    if (metadata->after == 0) {
        cor_string_append(metadata->text, "]", 1);
    }
    return cor_string_check(metadata->text, err);
}

/* --- Streams. --- */

static void metadata_free(Metadata *metadata)
{
    cor_http_stream_unref(metadata->stream);
    cor_string_free(metadata->text);
    free(metadata);
}

static void on_end(void *context)
{
    metadata_free(context);
}

static void send_page(Metadata *metadata, bool is_read, CorError *err)
{
    if (!is_read || !cor_http_stream_write(metadata->stream, cor_string_text(metadata->text),
                                           cor_string_size(metadata->text), err)) {
        cor_http_stream_abort(metadata->stream); /* so that the client sees that it is cut */
        return;
    }
    cor_string_truncate(metadata->text, 0);
    if (metadata->after == 0) {
        cor_http_stream_close(metadata->stream);
    }
}

static void on_drained(void *context)
{
    Metadata *metadata = context;
    CorError err = {0};

    if (metadata->after > 0) {
        send_page(metadata, read_page(metadata, &err), &err);
    }
}

static void stream(CorHttpResponse *res, const char *type, Metadata *metadata)
{
    CorHttpStreamOptions options = {.type = type,
                                    .buffer_max = TEXT_MAX,
                                    .on_drained = on_drained,
                                    .on_end = on_end,
                                    .context = metadata};
    CorError err = {0};

    metadata->page_bytes = PAGE_BYTES;
    if (!cor_http_res_stream(res, &options, &metadata->stream, &err)) {
        metadata_free(metadata);
        cor_http_fail(res, NULL, &err);
        return;
    }
    send_page(metadata, true, &err);
}

/* --- Requests. --- */

static const char *copy_uid(char text[COR_UID_SIZE], const char *uid)
{
    if (!uid) {
        return NULL;
    }
    (void) snprintf(text, COR_UID_SIZE, "%s", uid);
    return strlen(uid) < COR_UID_SIZE ? text : ""; /* too long is nobody's */
}

static Metadata *metadata_new(const CorDicomweb *dicomweb, const CorCatalogUids *uids)
{
    Metadata *metadata = cor_new(Metadata);

    if (!metadata) {
        return NULL;
    }
    metadata->catalog = dicomweb->options.catalog;
    metadata->page_bytes = FIRST_BYTES;
    metadata->text = cor_string_new(TEXT_MAX);
    metadata->uids.study_instance_uid = copy_uid(metadata->texts[0], uids->study_instance_uid);
    metadata->uids.series_instance_uid = copy_uid(metadata->texts[1], uids->series_instance_uid);
    metadata->uids.sop_instance_uid = copy_uid(metadata->texts[2], uids->sop_instance_uid);
    (void) cor_dicomweb_priv_root_url(dicomweb, metadata->root_url, sizeof(metadata->root_url));
    return metadata;
}

static void answer(CorHttpResponse *res, const char *type, Metadata *metadata)
{
    CorError err = {0};

    if (!read_page(metadata, &err)) {
        metadata_free(metadata);
        cor_http_fail(res, NULL, &err);
        return;
    }
    if (metadata->after > 0) {
        stream(res, type, metadata);
        return;
    }
    size_t size = cor_string_size(metadata->text);
    cor_http_res_buffer(res, 200, type, cor_string_take(COR_TAKE(metadata->text)), size);
    metadata_free(metadata);
}

/* A question to cor_catalog_state(). */
typedef struct StateOf {
    CorCatalogUids uids;
    CorCatalogState state;
    char catalog[COR_CATALOG_IDENTITY_SIZE];
} StateOf;

static bool run_state(CorSqlTxn *txn, void *arg, CorError *err)
{
    StateOf *of = arg;

    return cor_catalog_state(txn, &of->uids, &of->state, err) &&
           cor_catalog_identity(txn, of->catalog, err);
}

void cor_dicomweb_priv_retrieve_metadata(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    const CorDicomweb *dicomweb = context;
    StateOf of = {.uids = cor_dicomweb_priv_uids(req)};
    const char *type = NULL;
    char tag[80];
    char quoted[86];
    CorError err = {0};

    if (!cor_dicomweb_priv_choose_json(req, res, &type)) {
        return;
    }
    if (!cor_sql_read(dicomweb->options.catalog, run_state, &of, &err)) {
        cor_http_fail(res, NULL, &err);
        return;
    }
    Metadata *metadata = metadata_new(dicomweb, &of.uids);
    if (!metadata) {
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for metadata");
        cor_http_fail(res, NULL, &err);
        return;
    }
    /* The URL is in it, since it is in the answer; and the catalogue, whose numbers these are. */
    (void) snprintf(tag, sizeof(tag), "m%s-%llx-%llx-%x", of.catalog,
                    (unsigned long long) of.state.change_seq,
                    (unsigned long long) of.state.instances,
                    (unsigned) cor_crc32(metadata->root_url, strlen(metadata->root_url)));
    (void) snprintf(quoted, sizeof(quoted), "\"%s\"", tag);
    cor_http_res_header(res, "Cache-Control", "private, no-cache");
    cor_http_res_etag(res, tag);
    if (cor_http_req_header_has(req, "If-None-Match", quoted)) {
        metadata_free(metadata);
        cor_http_res_status(res, 304);
        return;
    }
    answer(res, type, metadata);
}
