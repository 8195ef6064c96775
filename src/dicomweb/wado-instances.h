/* SPDX-License-Identifier: Apache-2.0 */
/* Whole objects as parts.
 *
 * Threads   Thread-safe.
 * Blocking  Disk.
 */
#pragma once

#include "dicomweb/wado.h"

/* How objects are to be sent. */
typedef struct CorInstancesForm {
    bool is_multipart;
    const char *syntax; /* NULL: each as it is stored */
    bool may_be_as_is;  /* what cannot be had in that syntax comes as it is stored */
} CorInstancesForm;

/** Answer with objects.  Takes instances; not multipart only if there is one. */
void cor_dicomweb_priv_send_instances(CorDicomweb *dicomweb, CorHttpRequest *req,
                                      CorHttpResponse *res, CorCatalogInstances *instances,
                                      const CorInstancesForm *form);
