/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE of a study, series or instance.  PS3.18 has no such transaction; this is what its other
 * implementations offer: the resource of a retrieval, 204 when it is gone, 404 when there is none.
 */
#include "dicomweb/dicomweb-priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "program/log.h"

/* Texts of a request are out of reach of the thread that works. */
typedef struct Deletion {
    CorDicomweb *dicomweb;
    char study[COR_UID_SIZE];
    char series[COR_UID_SIZE];
    char instance[COR_UID_SIZE];
    size_t len;
    bool is_done;
    CorError err;
} Deletion;

static void work(void *context)
{
    Deletion *deletion = context;
    const CorCatalogUids uids = {
        .study_instance_uid = deletion->study,
        .series_instance_uid = deletion->series[0] ? deletion->series : NULL,
        .sop_instance_uid = deletion->instance[0] ? deletion->instance : NULL};

    deletion->is_done = cor_archive_remove(deletion->dicomweb->options.archive, &uids,
                                           &deletion->len, &deletion->err);
    if (deletion->is_done) {
        cor_log_info("deleted", COR_F("study", deletion->study),
                     COR_FI("instances", (long long) deletion->len));
    }
}

static void answer(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    const Deletion *deletion = context;

    (void) req;
    if (deletion->is_done) {
        cor_http_res_status(res, 204);
    } else {
        cor_http_fail(res, NULL, &deletion->err);
    }
}

/* What is too long to be a UID names nothing. */
static bool keep(char uid[COR_UID_SIZE], const char *text)
{
    return snprintf(uid, COR_UID_SIZE, "%s", text ? text : "") < COR_UID_SIZE;
}

void cor_dicomweb_priv_delete_instances(CorHttpRequest *req, CorHttpResponse *res, void *context)
{
    CorDicomweb *dicomweb = context;
    CorCatalogUids uids = cor_dicomweb_priv_uids(req);
    Deletion *deletion = cor_new(Deletion);
    const CorOffloadRequest request = {
        .work = work, .answer = answer, .release = free, .context = deletion};
    CorError err = {0};

    if (!deletion) {
        (void) cor_fail(&err, COR_ERR_NOMEM, "out of memory for a deletion");
        cor_http_fail(res, NULL, &err);
        return;
    }
    deletion->dicomweb = dicomweb;
    if (!keep(deletion->study, uids.study_instance_uid) ||
        !keep(deletion->series, uids.series_instance_uid) ||
        !keep(deletion->instance, uids.sop_instance_uid)) {
        free(deletion);
        cor_http_problem(res, 404, NULL, "there is nothing of that UID");
        return;
    }
    cor_dicomweb_priv_offload_request(dicomweb->offload, req, res, &request);
}
