/* SPDX-License-Identifier: Apache-2.0 */
#include "dicomweb/wado.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/fd.h"
#include "http/http-range.h"

/* --- the catalogue --- */

typedef struct Query {
    const CorCatalogUids *uids;
    CorCatalogInstance *instance;
    CorCatalogInstances *instances;
    CorCatalogState state;
} Query;

static bool check_uid(const char *uid, const char *name, CorError *err)
{
    return !uid || cor_uid_is_legal(uid) ||
           cor_fail(err, COR_ERR_INVALID, "the %s Instance UID is no UID", name);
}

static bool check_uids(const CorCatalogUids *uids, CorError *err)
{
    return check_uid(uids->study_instance_uid, "Study", err) &&
           check_uid(uids->series_instance_uid, "Series", err) &&
           check_uid(uids->sop_instance_uid, "SOP", err);
}

static bool run_find(CorSqlTxn *txn, void *arg, CorError *err)
{
    Query *query = arg;

    return cor_catalog_find(txn, query->uids->sop_instance_uid, &query->instance, err);
}

static bool run_select(CorSqlTxn *txn, void *arg, CorError *err)
{
    Query *query = arg;

    return cor_catalog_select(txn, query->uids, COR_CATALOG_RESOLVE_MAX, &query->instances, err);
}

static bool run_state(CorSqlTxn *txn, void *arg, CorError *err)
{
    Query *query = arg;

    return cor_catalog_state(txn, query->uids, &query->state, err);
}

static bool is_of(const char *wanted, const char *has)
{
    return !wanted || strcmp(wanted, has) == 0;
}

/* NULL if there is none. */
static bool look_up(CorDicomweb *dicomweb, const CorCatalogUids *uids,
                    CorCatalogInstance **ret_instance, CorError *err)
{
    Query query = {.uids = uids};
    uint64_t version = 0;

    query.instance =
        cor_dicomweb_priv_recent_find(dicomweb->recent, uids->sop_instance_uid, &version);
    if (!query.instance) {
        if (!cor_sql_read(dicomweb->options.catalog, run_find, &query, err)) {
            return false;
        }
        if (query.instance) {
            cor_dicomweb_priv_recent_keep(dicomweb->recent, query.instance, version);
        }
    }
    *ret_instance = query.instance;
    return true;
}

bool cor_dicomweb_priv_find_instance(CorDicomweb *dicomweb, const CorCatalogUids *uids,
                                     CorCatalogInstance **ret_instance, CorError *err)
{
    COR_CLEANUP(cor_catalog_instance_freep) CorCatalogInstance *instance = NULL;

    if (!check_uids(uids, err) || !look_up(dicomweb, uids, &instance, err)) {
        return false;
    }
    if (!instance || !is_of(uids->series_instance_uid, instance->series_instance_uid) ||
        !is_of(uids->study_instance_uid, instance->study_instance_uid)) {
        return cor_fail(err, COR_ERR_NOT_FOUND, "there is no such instance");
    }
    *ret_instance = COR_TAKE(instance);
    return true;
}

/* A list of the one instance that is named. */
static bool list_instance(CorDicomweb *dicomweb, const CorCatalogUids *uids,
                          CorCatalogInstances **ret_instances, CorError *err)
{
    COR_CLEANUP(cor_catalog_instances_freep)
    CorCatalogInstances *list = cor_new(CorCatalogInstances);

    if (list) {
        list->items = cor_new(CorCatalogInstance *);
    }
    if (!list || !list->items) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for an instance");
    }
    if (!cor_dicomweb_priv_find_instance(dicomweb, uids, &list->items[0], err)) {
        return false;
    }
    list->len = 1;
    *ret_instances = COR_TAKE(list);
    return true;
}

bool cor_dicomweb_priv_find_instances(CorDicomweb *dicomweb, const CorCatalogUids *uids,
                                      CorCatalogInstances **ret_instances, CorError *err)
{
    Query query = {.uids = uids};

    if (uids->sop_instance_uid) {
        return list_instance(dicomweb, uids, ret_instances, err);
    }
    if (!check_uids(uids, err) ||
        !cor_sql_read(dicomweb->options.catalog, run_select, &query, err)) {
        return false;
    }
    *ret_instances = query.instances;
    return true;
}

bool cor_dicomweb_priv_find_state(CorDicomweb *dicomweb, const CorCatalogUids *uids,
                                  CorCatalogState *ret_state, CorError *err)
{
    Query query = {.uids = uids};

    if (!check_uids(uids, err) ||
        !cor_sql_read(dicomweb->options.catalog, run_state, &query, err)) {
        return false;
    }
    *ret_state = query.state;
    return true;
}

/* --- files --- */

bool cor_dicomweb_priv_open_instance(CorDicomweb *dicomweb, const CorCatalogInstance *instance,
                                     int *ret_fd, CorError *err)
{
    COR_CLEANUP(cor_object_done) CorObject object = {.file = -1};

    if (!cor_blob_open_object(dicomweb->options.blobs, instance->bucket, instance->key, &object,
                              err)) {
        if (err->code == COR_ERR_NOT_FOUND) {
            return cor_fail(err, COR_ERR_NOT_FOUND, "the instance has just been deleted");
        }
        return false;
    }
    if (object.size != instance->size) {
        return cor_fail(err, COR_ERR_UNAVAILABLE, "the instance is being replaced");
    }
    *ret_fd = COR_TAKE_FD(object.file);
    return true;
}

/* --- headers --- */

void cor_dicomweb_priv_locate(CorDicomweb *dicomweb, const CorCatalogInstance *instance,
                              char location[COR_PART_LOCATION_SIZE], const char *format, ...)
{
    int len = snprintf(
        location, COR_PART_LOCATION_SIZE, "%s/dicom-web/studies/%s/series/%s/instances/%s",
        dicomweb->options.public_url(dicomweb->options.context), instance->study_instance_uid,
        instance->series_instance_uid, instance->sop_instance_uid);
    if (len > 0 && (size_t) len < COR_PART_LOCATION_SIZE) {
        va_list args;
        va_start(args, format);
        int more = vsnprintf(location + len, COR_PART_LOCATION_SIZE - (size_t) len, format, args);
        va_end(args);
        len = more < 0 ? more : len + more;
    }
    if (len < 0 || (size_t) len >= COR_PART_LOCATION_SIZE) {
        location[0] = '\0'; /* rather no location than half of one */
    }
}

void cor_dicomweb_priv_type_with_syntax(char type[COR_PART_TYPE_SIZE], const char *media_type,
                                        const char *transfer_syntax_uid)
{
    (void) snprintf(type, COR_PART_TYPE_SIZE, "%s; transfer-syntax=%s", media_type,
                    transfer_syntax_uid);
}

uint64_t cor_dicomweb_priv_made_bytes(const CorCatalogInstance *instance)
{
    return (uint64_t) COR_MAX(instance->rows, 1) * (uint64_t) COR_MAX(instance->columns, 1) * 6;
}

bool cor_dicomweb_priv_is_unchanged(const CorHttpRequest *req, CorHttpResponse *res,
                                    const char *etag)
{
    char quoted[COR_PART_ETAG_SIZE + 2];

    (void) snprintf(quoted, sizeof(quoted), "\"%s\"", etag);
    if (!cor_http_etag_matches_any(cor_http_req_header(req, "If-None-Match"), quoted)) {
        return false;
    }
    cor_http_res_status(res, 304);
    cor_http_res_etag(res, etag);
    cor_http_res_header(res, "Vary", "Accept");
    cor_http_res_header(res, "Cache-Control", "private, no-cache");
    return true;
}
