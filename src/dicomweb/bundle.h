/* SPDX-License-Identifier: Apache-2.0 */
/* A multipart/related answer (RFC 2387, RFC 2046 section 5.1) of any length: the parts in turn,
 * each opened when its turn comes and sent from its file while the peer takes it; block by block to
 * a client of HTTP/1.0, which takes no chunks and is told the size beforehand instead.
 *
 * Memory goes with one block, or with what has to be made: one part, and up to two and 16 MiB ahead
 * of their turn.  A part that cannot be had, or that is shorter
 * than was announced, cuts the connection: the peer must not take half a study for a whole one.
 *
 * Ownership  cor_dicomweb_priv_bundle_send() takes parts and first.
 * Threads    Thread-safe.
 * Blocking   Never; parts that have to be made are made on the offload's threads.
 */
#pragma once

#include "dicomweb/part.h"

#define COR_BUNDLE_BOUNDARY_SIZE ((size_t) 33)
#define COR_BUNDLE_TEXT_SIZE ((size_t) 1152) /* head of a part, or the end of all */

/** Make a boundary (RFC 2046 section 5.1.1) that nobody who stores files can foresee. */
void cor_dicomweb_priv_bundle_boundary(const char *etag, char boundary[COR_BUNDLE_BOUNDARY_SIZE]);

/** Write what stands before a part; its size. */
size_t cor_dicomweb_priv_bundle_head(const CorPart *part, bool is_first, const char *boundary,
                                     char text[COR_BUNDLE_TEXT_SIZE]);

/** Write what stands behind the last part; its size. */
size_t cor_dicomweb_priv_bundle_tail(const char *boundary, char text[COR_BUNDLE_TEXT_SIZE]);

/** Write the Content-Type of the whole. */
void cor_dicomweb_priv_bundle_type(const CorParts *parts, const char *boundary,
                                   char type[COR_BUNDLE_TEXT_SIZE]);

typedef struct CorBundleOptions {
    CorParts parts;
    CorPart first; /* part 0 if it is open already, else COR_PART_EMPTY */
    uint64_t size; /* of the whole body, or COR_HTTP_PULL_ANY */
    char boundary[COR_BUNDLE_BOUNDARY_SIZE];
} CorBundleOptions;

/** Answer with parts in turn; without multipart only the first one's content. */
void cor_dicomweb_priv_bundle_send(CorOffload *offload, CorHttpResponse *res,
                                   const CorBundleOptions *options);
