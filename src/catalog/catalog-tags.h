/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes by name: keyword, tag, VR, and the level of the information model that they belong to
 * (PS3.6 chapter 6; PS3.3 section A.1.2).  Private to this room.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include "catalog/catalog-search.h"

#include <stdbool.h>
#include <stdint.h>

#define COR_CATALOG_PATH_MAX ((size_t) 8)

/* The eight digits that name an attribute in DICOM JSON (PS3.18 section F.2.2). */
#define COR_CATALOG_TAG_SIZE 9

/* An attribute, at the end of a path through sequences. */
typedef struct CorCatalogPath {
    char tags[COR_CATALOG_PATH_MAX][COR_CATALOG_TAG_SIZE];
    size_t len;
    char vr[3]; /* of the last one; "UN" if nobody knows */
} CorCatalogPath;

/** Read "PatientName", "00100010", or several joined by dots; false if it names no attribute. */
bool cor_catalog_priv_path_parse(const char *name, CorCatalogPath *ret_path);

/** The level that an attribute belongs to; at is the answer for those that each level has. */
CorCatalogLevel cor_catalog_priv_level_of(const char tag[COR_CATALOG_TAG_SIZE], CorCatalogLevel at);
