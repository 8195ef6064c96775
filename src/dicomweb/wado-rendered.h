/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of frames as parts (PS3.18 section 10.4.1.1.3 and following).
 *
 * Threads   Thread-safe.
 * Blocking  Catalogue; rendering is done by hosts, off the HTTP server's threads.
 */
#pragma once

#include "dicomweb/render-params.h"
#include "dicomweb/wado.h"

/* One picture. */
typedef struct CorPicture {
    size_t instance; /* index */
    uint32_t frame;  /* from 1 */
} CorPicture;

typedef struct CorPicturesRequest {
    CorCatalogInstances *instances; /* taken */
    CorPicture *pictures;           /* taken; malloc()ed */
    size_t len;                     /* at least 1 */
    bool may_be_first_only;         /* who takes no multipart gets the first picture */
    CorRenderParams params;
    const CorAccept *accept;
} CorPicturesRequest;

/** Answer with pictures as PNG or JPEG, whichever is accepted. */
void cor_dicomweb_priv_send_pictures(CorDicomweb *dicomweb, CorHttpRequest *req,
                                     CorHttpResponse *res, const CorPicturesRequest *request);
