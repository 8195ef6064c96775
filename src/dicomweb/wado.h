/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers that retrieve (PS3.18 sections 9 and 10.4) share: from the UIDs of a request to
 * instances and their files.
 *
 * Ownership  What is returned is the caller's.
 * Threads    Thread-safe.
 * Blocking   Catalogue and disk.
 * Errors     INVALID for what is no UID; NOT_FOUND; LIMIT.
 */
#pragma once

#include "dicomweb/accept.h"
#include "dicomweb/dicomweb-priv.h"
#include "dicomweb/part.h"

#define COR_WADO_HOST_MS 60000 /* for a host to render, decode or transcode */

/** Find the one instance that UIDs name, in that series of that study where they are given. */
COR_MUSTCHECK bool cor_dicomweb_priv_find_instance(CorDicomweb *dicomweb,
                                                   const CorCatalogUids *uids,
                                                   CorCatalogInstance **ret_instance,
                                                   CorError *err);

/** List the instances below; never empty on success. */
COR_MUSTCHECK bool cor_dicomweb_priv_find_instances(CorDicomweb *dicomweb,
                                                    const CorCatalogUids *uids,
                                                    CorCatalogInstances **ret_instances,
                                                    CorError *err);

/** Ask the catalogue for the state of what UIDs name. */
COR_MUSTCHECK bool cor_dicomweb_priv_find_state(CorDicomweb *dicomweb, const CorCatalogUids *uids,
                                                CorCatalogState *ret_state, CorError *err);

/**
 * Open the file of an instance.
 *
 * @param err  UNAVAILABLE if it has just been replaced by another one
 */
COR_MUSTCHECK bool cor_dicomweb_priv_open_instance(CorDicomweb *dicomweb,
                                                   const CorCatalogInstance *instance, int *ret_fd,
                                                   CorError *err);

/** Write the Content-Location of an instance, with "/frames/1" or the like behind it. */
void cor_dicomweb_priv_locate(CorDicomweb *dicomweb, const CorCatalogInstance *instance,
                              char location[COR_PART_LOCATION_SIZE], const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Write "<type>; transfer-syntax=<UID>". */
void cor_dicomweb_priv_type_with_syntax(char type[COR_PART_TYPE_SIZE], const char *media_type,
                                        const char *transfer_syntax_uid);

/** True if the client has what the ETag names: then res is a 304 and there is nothing to do. */
bool cor_dicomweb_priv_is_unchanged(const CorHttpRequest *req, CorHttpResponse *res,
                                    const char *etag);

/** Bytes that a frame needs once it is made: three samples of 16 bits in each pixel, which is more
 * than a large one commonly has. */
uint64_t cor_dicomweb_priv_made_bytes(const CorCatalogInstance *instance);
