/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#pragma once

#include "dicomweb/dicomweb.h"

#include "catalog/catalog.h"
#include "dicomweb/feed.h"
#include "dicomweb/offload.h"
#include "dicomweb/recent.h"
#include "dicomweb/render-cache.h"

typedef struct CorStow CorStow; /* stow-upload.h */

struct CorDicomweb {
    CorDicomwebOptions options;
    CorOffload *offload; /* threads that wait for hosts and disks */
    CorFeed *feed;       /* who waits for changes */
    CorStow *stow;       /* what uploads share */
    CorRecent *recent;   /* instances that are asked for again and again */
    CorRenderCache *pictures;
};

/** The UIDs in a route's path; members that the pattern does not have are NULL. */
CorCatalogUids cor_dicomweb_priv_uids(const CorHttpRequest *req);

/** Which of the two names of DICOM JSON the client takes; false if neither: res is answered. */
bool cor_dicomweb_priv_choose_json(const CorHttpRequest *req, CorHttpResponse *res,
                                   const char **ret_type);

/** Write "<public_url>/dicom-web" into text; returns text. */
const char *cor_dicomweb_priv_root_url(const CorDicomweb *dicomweb, char *text, size_t size);

/* --- handlers: CorHttpHandler, context is the CorDicomweb --- */

#define COR_DICOMWEB_HANDLER(name) \
    void cor_dicomweb_priv_##name(CorHttpRequest *req, CorHttpResponse *res, void *context)

COR_DICOMWEB_HANDLER(search_studies);     /* qido.c */
COR_DICOMWEB_HANDLER(search_series);      /* qido.c */
COR_DICOMWEB_HANDLER(search_instances);   /* qido.c */
COR_DICOMWEB_HANDLER(get_changes);        /* changes.c */
COR_DICOMWEB_HANDLER(store_instances);    /* stow.c: the end of an upload */
COR_DICOMWEB_HANDLER(delete_instances);   /* delete.c */
COR_DICOMWEB_HANDLER(retrieve_instances); /* wado-instances.c: study, series or instance */
COR_DICOMWEB_HANDLER(retrieve_metadata);  /* wado-metadata.c */
COR_DICOMWEB_HANDLER(retrieve_frames);    /* wado-frames.c */
COR_DICOMWEB_HANDLER(retrieve_bulkdata);  /* wado-bulkdata.c */
COR_DICOMWEB_HANDLER(retrieve_rendered);  /* wado-rendered.c: study, series, instance or frames */
COR_DICOMWEB_HANDLER(retrieve_thumbnail); /* wado-rendered.c */
COR_DICOMWEB_HANDLER(retrieve_uri);       /* wado-uri.c */

extern const CorHttpUpload cor_dicomweb_priv_upload; /* stow.c */

/* stow.c: what uploads share.  Freed when no upload is going on; NULL is ignored. */
COR_MUSTCHECK bool cor_dicomweb_priv_stow_new(CorStow **ret_stow, CorError *err);
void cor_dicomweb_priv_stow_free(CorStow *stow);
