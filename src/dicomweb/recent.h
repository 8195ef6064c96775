/* SPDX-License-Identifier: Apache-2.0 */
/* Instances that were asked for lately: a viewer asks for a few again and again, frame after frame.
 *
 * What is kept is true until something is committed to the catalogue; then all of it is forgotten.
 * What is asked for once is not kept.
 *
 * Ownership  What is found is the caller's, to free().
 * Threads    Thread-safe.
 * Blocking   Never.
 * Errors     Those of new(); later it only means that something is not kept.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "catalog/catalog.h"

#include <stdbool.h>
#include <stdint.h>

#define COR_RECENT_MAX 256 /* instances */

typedef struct CorRecent CorRecent;

/** @param catalog  must live longer */
COR_MUSTCHECK bool cor_dicomweb_priv_recent_new(CorSql *catalog, CorRecent **ret_recent,
                                                CorError *err);

/** Free what nobody uses any more.  NULL is ignored. */
void cor_dicomweb_priv_recent_free(CorRecent *recent);
COR_DEFINE_CLEANUP(CorRecent, cor_dicomweb_priv_recent_free)

/** Find an instance by its SOP Instance UID; NULL if it is not kept.
 *
 * @param ret_version  receives cor_sql_version(), for what is read of the catalogue from now on */
CorCatalogInstance *cor_dicomweb_priv_recent_find(CorRecent *recent, const char *uid,
                                                  uint64_t *ret_version);

/** Keep an instance that was read of the catalogue, unless that has changed since or this is the
 * first that is heard of it. */
void cor_dicomweb_priv_recent_keep(CorRecent *recent, const CorCatalogInstance *instance,
                                   uint64_t version);
