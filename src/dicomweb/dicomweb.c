/* SPDX-License-Identifier: Apache-2.0 */
/* The table of routes (PS3.18 sections 8 to 10) and the room's life. */
#include "dicomweb/dicomweb-priv.h"

#include <stdlib.h>

#include "base/array.h"

#define BODY_MAX UINT64_MAX /* each file has its own bound, file_max */

#define STUDIES "/dicom-web/studies"
#define STUDY STUDIES "/{study}"
#define SERIES STUDY "/series/{series}"
#define INSTANCE SERIES "/instances/{instance}"

#define GET(pattern_, handler_)                                                         \
    {                                                                                   \
        .method = "GET", .pattern = (pattern_), .handler = cor_dicomweb_priv_##handler_ \
    }
#define DELETE(pattern_)                                                                         \
    {                                                                                            \
        .method = "DELETE", .pattern = (pattern_), .handler = cor_dicomweb_priv_delete_instances \
    }
#define STORE(pattern_)                                                                          \
    {                                                                                            \
        .method = "POST", .pattern = (pattern_), .handler = cor_dicomweb_priv_store_instances,   \
        .body = COR_HTTP_BODY_STREAM, .body_max = BODY_MAX, .upload = &cor_dicomweb_priv_upload, \
    }

static const CorHttpRoute routes[] = {
    GET(STUDIES, search_studies),
    GET("/dicom-web/series", search_series),
    GET("/dicom-web/instances", search_instances),
    GET(STUDY "/series", search_series),
    GET(STUDY "/instances", search_instances),
    GET(SERIES "/instances", search_instances),
    {.method = "GET",
     .pattern = "/dicom-web/changes",
     .handler = cor_dicomweb_priv_get_changes,
     .flags = COR_HTTP_TICKET}, /* an EventSource cannot send a token */
    STORE(STUDIES),
    STORE(STUDY),
    DELETE(STUDY),
    DELETE(SERIES),
    DELETE(INSTANCE),
    GET(STUDY, retrieve_instances),
    GET(SERIES, retrieve_instances),
    GET(INSTANCE, retrieve_instances),
    GET(STUDY "/metadata", retrieve_metadata),
    GET(SERIES "/metadata", retrieve_metadata),
    GET(INSTANCE "/metadata", retrieve_metadata),
    GET(INSTANCE "/frames", retrieve_frames),
    GET(INSTANCE "/frames/{frames}", retrieve_frames),
    GET(INSTANCE "/bulkdata/{path...}", retrieve_bulkdata),
    GET(STUDY "/rendered", retrieve_rendered),
    GET(SERIES "/rendered", retrieve_rendered),
    GET(INSTANCE "/rendered", retrieve_rendered),
    GET(INSTANCE "/frames/{frames}/rendered", retrieve_rendered),
    GET(STUDY "/thumbnail", retrieve_thumbnail),
    GET(SERIES "/thumbnail", retrieve_thumbnail),
    GET(INSTANCE "/thumbnail", retrieve_thumbnail),
    GET(INSTANCE "/frames/{frames}/thumbnail", retrieve_thumbnail),
    GET("/dicom-web", retrieve_uri),
    GET("/dicom-web/", retrieve_uri),
    GET("/dicom-web/wado", retrieve_uri),
    GET("/wado", retrieve_uri),
};

const CorHttpRoute *cor_dicomweb_routes(size_t *ret_len)
{
    *ret_len = COR_ARRAY_LEN(routes);
    return routes;
}

CorCatalogUids cor_dicomweb_priv_uids(const CorHttpRequest *req)
{
    return (CorCatalogUids){.study_instance_uid = cor_http_req_param(req, "study"),
                            .series_instance_uid = cor_http_req_param(req, "series"),
                            .sop_instance_uid = cor_http_req_param(req, "instance")};
}

enum { THREADS_PER_HOST = 2, LINE_MAX = 1024 };

bool cor_dicomweb_open(const CorDicomwebOptions *options, CorDicomweb **ret_dicomweb, CorError *err)
{
    COR_CLEANUP(cor_dicomweb_closep) CorDicomweb *dicomweb = cor_new(CorDicomweb);

    if (!dicomweb) {
        return cor_fail(err, COR_ERR_NOMEM, "out of memory for DICOMweb");
    }
    dicomweb->options = *options;
    if (!cor_dicomweb_priv_offload_new(THREADS_PER_HOST *
                                           (size_t) options->config->viewer_hosts_max,
                                       LINE_MAX, &dicomweb->offload, err) ||
        !cor_dicomweb_priv_feed_new(options->catalog, &dicomweb->feed, err) ||
        !cor_dicomweb_priv_recent_new(options->catalog, &dicomweb->recent, err) ||
        !cor_dicomweb_priv_stow_new(&dicomweb->stow, err) ||
        !cor_dicomweb_priv_render_cache_new((size_t) options->config->render_cache_bytes,
                                            &dicomweb->pictures, err)) {
        return false;
    }
    *ret_dicomweb = COR_TAKE(dicomweb);
    return true;
}

void cor_dicomweb_close(CorDicomweb *dicomweb)
{
    if (dicomweb) {
        cor_dicomweb_priv_feed_free(dicomweb->feed);
        cor_dicomweb_priv_stow_free(dicomweb->stow);
        cor_dicomweb_priv_offload_free(dicomweb->offload);
        cor_dicomweb_priv_recent_free(dicomweb->recent);
        cor_dicomweb_priv_render_cache_free(dicomweb->pictures);
        free(dicomweb);
    }
}
