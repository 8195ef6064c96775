/* SPDX-License-Identifier: Apache-2.0 */
/* The attributes of an instance as the catalogue keeps them: the text of one object in the DICOM
 * JSON Model (PS3.18 annex F), compact, in one line, in the order of tags.  Private to this room.
 *
 * Threads  Thread-safe.
 */
#pragma once

#include "base/error.h"
#include "driver/sql.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * Get the text out of a record, which has it as attributes_text, or attributes as an object.
 *
 * @param ret_text  borrowed from the record, or *ret_made
 * @param ret_made  free(); left alone if the record's own text can be kept
 * @param err       INVALID: the text is no JSON object, or nested too deeply
 */
COR_MUSTCHECK bool cor_catalog_priv_attributes(CorSqlTxn *txn, const json_t *index,
                                               const char **ret_text, char **ret_made,
                                               CorError *err);

/**
 * Parse some of the attributes, in one pass and without looking at the others.  What is not
 * there, is longer than COR_CATALOG_VALUE_MAX or cannot be parsed is left out.
 *
 * @param attributes  the text, or NULL for none
 * @param tags        in their order
 * @param ret_picked  receives a new reference to an object
 */
COR_MUSTCHECK bool cor_catalog_priv_pick(const char *attributes, const char *const *tags,
                                         size_t len, json_t **ret_picked, CorError *err);
